"""Declared parameters: frozen, checked once, written flat; and `Part`, a part chosen by name with options."""

import dataclasses
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from workbench.errors import UserError, unknown
from workbench.registry import Registry

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


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
    """A registered part chosen by name.

    Attributes:
        name: of the part, e.g. "hop-far".
        options: those that were given as (name, value), sorted; the others have the part's defaults.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.options)
        return f"{self.name}({given})" if given else self.name

    @classmethod
    def of(cls, value: Any, registry: Registry[Any]) -> "Part":
        """Return a checked part.

        Args:
            value: a name, a part, or a mapping with "name" and the options.
            registry: where the part stands.

        Raises:
            UserError: no such part or option, or an option of another type than its default.
        """
        if isinstance(value, Mapping):
            given = {str(name): one for name, one in value.items() if name != "name"}
            name = value.get("name")
        else:
            name, given = (value.name, dict(value.options)) if isinstance(value, Part) else (value, {})
        if not isinstance(name, str):
            raise UserError(f"a {registry.kind} is chosen by its name, not by {value!r}", kind=registry.kind)
        return cls(name, tuple(sorted(check_options(registry, name, given).items())))

    def all_options(self, registry: Registry[Any]) -> dict[str, Any]:
        """Return every option of the part: those given, and the defaults of the others."""
        return {**options_of(registry, self.name), **dict(self.options)}

    def call(self, registry: Registry[Any], *arguments: Any, **more: Any) -> Any:
        """Call the part of a registry with its options."""
        return registry.get(self.name)(*arguments, **more, **dict(self.options))


def options_of(registry: Registry[Any], name: str) -> dict[str, Any]:
    """Return the options of a part with their defaults: its arguments that default to a number, word or truth value.

    Raises:
        UserError: no such part.
    """
    known = inspect.signature(registry.get(name)).parameters.values()
    return {one.name: one.default for one in known if isinstance(one.default, int | float | str)}


def check_options(registry: Registry[Any], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a part, in the type of their defaults, or one of the words of a Literal.

    Raises:
        UserError: the part has no such option, or the value is of another type.
    """
    known, checked, where = options_of(registry, name), {}, f"of {registry.kind} {name!r}"
    declared = inspect.signature(registry.get(name)).parameters
    for option, value in options.items():
        if option not in known:
            raise unknown("option", option, known, where)
        literal = get_origin(declared[option].annotation) is Literal
        wanted = declared[option].annotation if literal else type(known[option])
        checked[option] = as_type(f"option {option!r}", value, wanted, where)
    return checked


def as_type(what: str, value: Any, wanted: Any, where: str = "") -> Any:
    """Return a value in the type that was declared; whole numbers may be written as floats and the other way round.

    Args:
        what: how a complaint names the value, e.g. "parameter 'tau'".
        value: what was given.
        wanted: int, float, bool, str, `tuple[str, ...]` or a Literal.
        where: whose it is, e.g. "of method 'grace'".

    Raises:
        UserError: the value is of another type, or no finite number.
    """
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise unknown(f"value of {what}", value, map(str, get_args(wanted)), where)
        return value
    what = f"{what} {where}".strip()
    if wanted == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise UserError(f"{what} is {value!r}; it must be a list of words")
        return tuple(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not wanted:
        raise UserError(f"{what} is {value!r}; it must be {_WORDS[wanted]}")
    if wanted is float and not math.isfinite(value):
        raise UserError(f"{what} is {value}; it must be a finite number")
    return value


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
        for one in dataclasses.fields(self):
            value, limits = getattr(self, one.name), one.metadata
            if isinstance(value, list):
                object.__setattr__(self, one.name, tuple(value))
            if "registry" in limits:
                object.__setattr__(self, one.name, Part.of(value, limits["registry"]))
            for key, word, holds in (
                ("low", "at least", lambda limit, v=value: v >= limit),
                ("above", "above", lambda limit, v=value: v > limit),
                ("below", "below", lambda limit, v=value: v < limit),
            ):
                if key in limits and not holds(limits[key]):
                    raise UserError(
                        f"parameter {one.name!r} is {value}; it must be {word} {limits[key]:g}", parameter=one.name
                    )

    def flat(self) -> dict[str, Any]:
        """Return every parameter by its flat name; the options of a part only where they were given."""
        values: dict[str, Any] = {}
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            values[one.name] = value.name if isinstance(value, Part) else value
            if isinstance(value, Part):
                values |= {f"{one.name}.{option}": given for option, given in value.options}
        return values

    @classmethod
    def types(cls) -> dict[str, Any]:
        """Return the type of each parameter by name."""
        hints = get_type_hints(cls)
        return {one.name: hints[one.name] for one in dataclasses.fields(cls)}

    @classmethod
    def parts(cls) -> dict[str, Registry[Any]]:
        """Return the registry of each parameter that is a part, by name."""
        fields = dataclasses.fields(cls)
        return {one.name: one.metadata["registry"] for one in fields if "registry" in one.metadata}

    @classmethod
    def from_flat(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Return the parameters that flat values say.

        An option may be named without its part where only one of the parts that are chosen has it, e.g. hops=3 beside
        negatives="hop-far".

        Args:
            values: by flat name; what is not named has its default. A part may be a mapping as for `Part.of`.
            where: whose they are, for a complaint, e.g. "of method 'grace'".

        Raises:
            UserError: an unknown parameter or option, a value of the wrong type or outside its limits.
        """
        types, registries = cls.types(), cls.parts()
        defaults = {one.name: one.default for one in dataclasses.fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name in types and name not in registries:
                try:
                    checked[name] = as_type(f"parameter {name!r}", value, types[name], where)
                except UserError as error:
                    error.fields.setdefault("parameter", name)
                    raise
        chosen = {name: Part.of(values.get(name, defaults[name]), one) for name, one in registries.items()}
        given: dict[str, dict[str, Any]] = {name: dict(one.options) for name, one in chosen.items()}
        own = {name: options_of(registries[name], one.name) for name, one in chosen.items()}
        for name, value in values.items():
            holder, dot, option = name.partition(".")
            if name in types:
                continue
            homes = [holder] if dot and holder in registries else [one for one in own if name in own[one]]
            if len(homes) != 1:
                known = [*types, *(f"{one}.{option}" if dot else option for one in own for option in own[one])]
                chosen_words = [f"{one} {str(chosen[one].name)!r}" for one in own if own[one] and one in values]
                with_parts = f" with {' and '.join(chosen_words)}" if chosen_words else ""
                raise _unknown_parameter(name, known, f"{where}{with_parts}".strip())
            given[homes[0]][option or name] = value
        for name, registry in registries.items():
            checked[name] = Part.of({"name": chosen[name].name, **given[name]}, registry)
        try:
            return cls(**checked)
        except UserError as error:
            raise UserError(f"{error} ({where.removeprefix('of ')})" if where else str(error), **error.fields) from None


def _unknown_parameter(name: str, known: list[str], where: str) -> UserError:
    error = unknown("parameter", name, known, where)
    error.fields["parameter"] = name
    return error
