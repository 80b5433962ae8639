"""Declared parameters: frozen, checked once, written flat; and `Part`, a part chosen by name with options."""

import dataclasses
import inspect
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args, get_origin, get_type_hints

from workbench.errors import UserError, unknown
from workbench.registry import Registry

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
_LIMITS = {"low": ("at least", operator.ge), "above": ("above", operator.gt), "below": ("below", operator.lt)}


def rate(default: float) -> Any:
    """Declare a parameter in [0, 1)."""
    return field(default=default, metadata={"low": 0.0, "below": 1.0})


def at_least(low: float, default: float) -> Any:
    """Declare a parameter that is `low` or more."""
    return field(default=default, metadata={"low": low})


def above(low: float, default: float) -> Any:
    """Declare a parameter that is more than `low`."""
    return field(default=default, metadata={"above": low})


def part(registry: Registry[Any], default: str) -> Any:
    """Declare a parameter that names a part of a registry, with the part's options."""
    return field(default=Part(default), metadata={"registry": registry})


@dataclass(frozen=True)
class Part:
    """A registered part chosen by name, e.g. "hop-far"; options that are left out have the part's defaults."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()  # (name, value), sorted

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options)
        return f"{self.name}({options})" if options else self.name

    @classmethod
    def of(cls, value: Any, registry: Registry[Any]) -> "Part":
        """Return the checked part that a name, a part, or a mapping with "name" and the options says.

        Raises:
            UserError: no such part or option, or an option of another type than its default.
        """
        plain = {"name": value.name, **dict(value.options)} if isinstance(value, Part) else value
        options = dict(plain) if isinstance(plain, Mapping) else {"name": plain}
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise UserError(f"a {registry.kind} is chosen by its name, not by {value!r}", kind=registry.kind)
        return cls(name, tuple(sorted(check_options(registry, name, options).items())))

    def all_options(self, registry: Registry[Any]) -> dict[str, Any]:
        """Return every option of the part: those given, and the defaults of the others."""
        return {**options_of(registry, self.name), **dict(self.options)}

    def call(self, registry: Registry[Any], *arguments: Any, **more: Any) -> Any:
        """Call the part of a registry with its options."""
        return registry.get(self.name)(*arguments, **more, **dict(self.options))


def options_of(registry: Registry[Any], name: str) -> dict[str, Any]:
    """Return the options of a part with their defaults: its arguments that default to a number, word or truth value."""
    arguments = inspect.signature(registry.get(name)).parameters.values()
    return {
        argument.name: argument.default for argument in arguments if isinstance(argument.default, int | float | str)
    }


def option_types(registry: Registry[Any], name: str) -> dict[str, Any]:
    """Return the type of each option of a part: a Literal of the words that it takes, else that of its default."""
    declared, known = inspect.signature(registry.get(name)).parameters, options_of(registry, name)
    notes = {option: declared[option].annotation for option in known}
    return {option: note if get_origin(note) is Literal else type(known[option]) for option, note in notes.items()}


def check_options(registry: Registry[Any], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a part, in the type of their defaults, or one of the words of a Literal.

    Raises:
        UserError: the part has no such option, or the value is of another type.
    """
    known, checked, where = option_types(registry, name), {}, f"of {registry.kind} {name!r}"
    for option, value in options.items():
        if option not in known:
            raise unknown("option", option, known, where)
        checked[option] = _as_type("option", option, value, known[option], where)
    return checked


def _as_type(kind: str, name: str, value: Any, wanted: Any, where: str) -> Any:
    """Return a value in the type that was declared; whole numbers may be written as floats and the other way round."""
    what = f"{kind} {name!r}"
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise unknown(f"value of {what}", value, map(str, get_args(wanted)), where, **{kind: name})
        return value
    what = f"{what} {where}".strip()
    if wanted == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise UserError(f"{what} is {value!r}; it must be a list of words", **{kind: name})
        return tuple(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not wanted:
        raise UserError(f"{what} is {value!r}; it must be {_WORDS[wanted]}", **{kind: name})
    if wanted is float and not math.isfinite(value):
        raise UserError(f"{what} is {value}; it must be a finite number", **{kind: name})
    return value


class Preset(NamedTuple):
    """Which settings a run has.

    Attributes:
        name: in full, e.g. "released/cora".
        changed: the parameters that differ from it, by flat name.
    """

    name: str
    changed: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __str__(self) -> str:
        changed = ", ".join(f"{name}={value}" for name, value in self.changed.items())
        return f"{self.name} + {changed}" if changed else self.name


@dataclass(frozen=True)
class Parameters:
    """The base of a class of declared parameters.

    Each is a field of type int, float, bool, str, `tuple[str, ...]` or a Literal, with its limits, or a `part`. Written
    flat, as in TOML, on the command line and in stored runs, the options of a part stand beside its name:
    {"negatives": "hop-far", "negatives.hops": 3}.

    Raises:
        UserError: a value outside its limits; the error's field "parameter" names which.
    """

    main: ClassVar[tuple[str, ...]] = ()  # parameters that a person looks at first

    def __post_init__(self) -> None:
        for declared in dataclasses.fields(self):
            name, value, limits = declared.name, getattr(self, declared.name), declared.metadata
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            if "registry" in limits:
                object.__setattr__(self, name, Part.of(value, limits["registry"]))
            for key, (words, holds) in _LIMITS.items():
                if key in limits and not holds(value, limits[key]):
                    raise UserError(
                        f"parameter {name!r} is {value}; it must be {words} {limits[key]:g}", parameter=name
                    )

    def flat(self) -> dict[str, Any]:
        """Return every parameter by its flat name; the options of a part only where they were given."""
        values: dict[str, Any] = {}
        for name in (declared.name for declared in dataclasses.fields(self)):
            value = getattr(self, name)
            values[name] = value.name if isinstance(value, Part) else value
            if isinstance(value, Part):
                values |= {f"{name}.{option}": chosen for option, chosen in value.options}
        return values

    @classmethod
    def types(cls) -> dict[str, Any]:
        """Return the type of each parameter by name."""
        hints = get_type_hints(cls)
        return {declared.name: hints[declared.name] for declared in dataclasses.fields(cls)}

    @classmethod
    def parts(cls) -> dict[str, Registry[Any]]:
        """Return the registry of each parameter that is a part, by name."""
        metadata = {declared.name: declared.metadata for declared in dataclasses.fields(cls)}
        return {name: facts["registry"] for name, facts in metadata.items() if "registry" in facts}

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Return the parameters that flat values say, and defaults for the others.

        A part may be a mapping as for `Part.of`. An option may be named without its part where only one of the parts
        that are chosen has it, e.g. hops=3 beside negatives="hop-far". `where` says whose they are, for a complaint,
        e.g. "of method 'grace'".

        Raises:
            UserError: an unknown parameter or option, a value of the wrong type or outside its limits.
        """
        types, registries = cls.types(), cls.parts()
        plain = {name: value for name, value in values.items() if name in types and name not in registries}
        checked = {name: _as_type("parameter", name, value, types[name], where) for name, value in plain.items()}
        defaults = {declared.name: declared.default for declared in dataclasses.fields(cls)}
        chosen = {name: Part.of(values.get(name, defaults[name]), registry) for name, registry in registries.items()}
        options = {name: dict(part.options) for name, part in chosen.items()}
        known = {name: options_of(registries[name], part.name) for name, part in chosen.items()}
        for name in (name for name in values if name not in types):
            holder, dot, option = name.partition(".")
            homes = [holder] if dot and holder in registries else [part for part in known if name in known[part]]
            if len(homes) != 1:
                names = [*types, *(f"{part}.{option}" if dot else option for part in known for option in known[part])]
                named = [f"{part} {str(chosen[part].name)!r}" for part in known if known[part] and part in values]
                with_parts = f" with {' and '.join(named)}" if named else ""
                raise unknown("parameter", name, names, f"{where}{with_parts}".strip(), parameter=name)
            options[homes[0]][option or name] = values[name]
        checked |= {
            name: Part.of({"name": chosen[name].name, **options[name]}, registry)
            for name, registry in registries.items()
        }
        try:
            return cls(**checked)
        except UserError as error:
            raise UserError(f"{error} ({where.removeprefix('of ')})" if where else str(error), **error.fields) from None
