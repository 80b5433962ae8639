"""The door of public functions: an argument that is plainly of another type is told in one sentence."""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from workbench.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
# Values of these types are what they are; of any other, which may well behave like what is asked for, nothing is said.
PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)
INNER = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)
VAR_KEYWORD, VAR_POSITIONAL = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
NAMED = ("Tensor", "DataFrame", "Data", "HeteroData", "Run")  # the same of what is loaded only when needed
ARRAYS = ("Tensor", "ndarray")
MOST = 100  # elements that are looked at


def door(function: F) -> F:
    """Return a public function that tells by a UserError which argument made it fail, where its type is plainly wrong.

    What works goes on to work, what the function itself says of an argument stands, and so does what Python says of a
    missing or an unknown one. Functions of the package call each other without it. An error that no argument explains
    is a defect and stays what it is.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*arguments: Any, **named: Any) -> Any:
        bound = signature.bind(*arguments, **named).arguments
        try:
            return function(*arguments, **named)
        except UserError:
            raise
        except INNER as error:
            hints = _hints(function)
            for name, value in bound.items():
                variable = signature.parameters[name].kind in (VAR_KEYWORD, VAR_POSITIONAL)
                if not variable and name in hints and not fits(value, hints[name]):
                    wanted = inspect.formatannotation(hints[name]).replace("typing.", "")
                    took = f"{function.__name__}() takes {name} as {wanted[:80]}"
                    raise UserError(f"{took}, not {_shown(value)}", parameter=name) from error
            raise

    return typing.cast(F, checked)


def guard(names: dict[str, Any], public: Iterable[str]) -> None:
    """Put the public functions of a module behind the door, in its namespace."""
    names.update({name: door(names[name]) for name in public if inspect.isfunction(names.get(name))})


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value may be what a type hint says; False only where it is plainly something else."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    called = type(value).__name__
    plain = isinstance(value, PLAIN) or called in (*NAMED, *ARRAYS) or type(value) is object
    if not plain or hint is Any or isinstance(hint, TypeVar):
        return True
    if isinstance(hint, str):  # of a name that only type checkers see
        wanted = hint.rpartition(".")[2]
        return wanted not in NAMED or wanted == called
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in inner)
    if origin is typing.Literal:
        return isinstance(value, tuple({type(choice) for choice in inner}))
    if origin is typing.Annotated:
        return fits(value, inner[0])
    if hint is None or hint is type(None):
        return value is None
    wanted = origin or hint
    if not isinstance(wanted, type) or getattr(wanted, "_is_protocol", False):
        return True
    if wanted is bool:
        return isinstance(value, bool)
    if wanted in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool)  # of what is no whole number see there
    if wanted.__name__ in ARRAYS:
        return called in ARRAYS or (wanted.__name__ == "ndarray" and isinstance(value, list | tuple))
    if wanted.__name__ in ("Callable", "Path", "PathLike"):
        return callable(value) if wanted.__name__ == "Callable" else isinstance(value, str)
    if not isinstance(value, wanted) and not (called in ARRAYS and issubclass(list, wanted)):
        return False
    if called in ARRAYS and issubclass(list, wanted) and inner:
        return value.ndim == 1 and fits(0, inner[0])
    if inner and isinstance(value, list | tuple) and wanted is not tuple:
        return all(fits(part, inner[0]) for part in value[:MOST])
    if isinstance(value, str) and inner:  # a text is a sequence of texts, but seldom meant so
        return fits(value, inner[0])
    if inner and isinstance(value, Mapping) and len(inner) == 2:
        return all(fits(key, inner[0]) and fits(part, inner[1]) for key, part in [*value.items()][:MOST])
    return True


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # a name that only type checkers see: the others count all the same
        return inspect.get_annotations(function)


def _shown(value: Any) -> str:
    if type(value).__name__ in ARRAYS:
        return f"an array {list(value.shape)}"
    if type(value).__name__ in NAMED:
        return f"a {type(value).__name__}"
    return "None" if value is None else f"{repr(value)[:40]} ({type(value).__name__})"
