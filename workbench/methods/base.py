"""What every method is made of: a frozen configuration, presets in a TOML file beside it, a step and an embedding."""

import dataclasses
import inspect
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args, get_origin, get_type_hints

from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.negatives.sampled import Chooser
from workbench.contrast.negatives.selection import check_options, options_of
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError, unknown
from workbench.randomness import Randomness
from workbench.registry import Registry

METHODS: Registry[type["Method"]] = Registry("method", "workbench.methods")


def rate(default: float) -> Any:
    """A configuration field in [0, 1)."""
    return field(default=default, metadata={"low": 0.0, "below": 1.0})


def at_least(low: float, default: float) -> Any:
    """A configuration field that is `low` or more."""
    return field(default=default, metadata={"low": low})


def above(low: float, default: float) -> Any:
    """A configuration field that is more than `low`."""
    return field(default=default, metadata={"above": low})


@dataclass(frozen=True)
class Config:
    """What each method has: Adam with coupled weight decay over the full batch.

    Attributes:
        epochs: full-batch steps; 0 leaves the encoder untrained.
        lr: learning rate of Adam.
        weight_decay: coupled (L2) weight decay of Adam.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr")  # parameters that a person looks at first

    epochs: int = at_least(0, 200)
    lr: float = above(0, 5e-4)
    weight_decay: float = at_least(0, 1e-5)

    def __post_init__(self) -> None:
        types = types_of(type(self))
        for one in dataclasses.fields(self):
            value, limits = getattr(self, one.name), one.metadata
            if types[one.name] == tuple[str, ...]:
                object.__setattr__(self, one.name, tuple(value))  # a stored run has a list
            if get_origin(types[one.name]) is Literal:
                continue
            for word, broken in (
                ("at least", "low" in limits and not value >= limits["low"]),
                ("above", "above" in limits and not value > limits["above"]),
                ("below", "below" in limits and not value < limits["below"]),
            ):
                if broken:
                    bound = limits["low" if word == "at least" else word]
                    raise UserError(f"parameter {one.name!r} is {value}; it must be {word} {bound:g}")


def types_of(config_class: type[Config]) -> dict[str, Any]:
    """Return the type of each parameter of a configuration class, by name."""
    hints = get_type_hints(config_class)
    return {one.name: hints[one.name] for one in dataclasses.fields(config_class)}


@dataclass(frozen=True)
class ContrastConfig(Config):
    """What each method has besides that contrasts nodes with negatives of one's choice.

    Attributes:
        negatives: name of the strategy that chooses them; "all" for the method's own. Options of the strategy, such as
            hops=3, are given like parameters.
        k: negatives of a node at most; in two views each counts twice.
        redraw: epochs after which they are chosen anew; 0 keeps the first choice.
        objective: "infonce", or "dcl", "dclw", "cacr" on the same pairs, see `workbench.contrast.objectives`.
        options: further options of the strategy as (name, value); filled in from the parameters that are its own.
    """

    negatives: str = "all"
    k: int = at_least(1, 64)
    redraw: int = at_least(0, 1)
    objective: Literal["infonce", "dcl", "dclw", "cacr"] = "infonce"
    options: tuple[tuple[str, Any], ...] = ()

    main = (*Config.main, "negatives", "k")
    count = "k"  # which parameter says how many negatives a node has

    def __post_init__(self) -> None:
        super().__post_init__()
        checked = check_options(self.negatives, {name: value for name, value in self.options})
        object.__setattr__(self, "options", tuple(sorted(checked.items())))
        if self.objective == "cacr" and {"class_prior", "synthetic"} & set(options_of(self.negatives)):
            raise UserError(f"the objective 'cacr' is not defined for negatives of strategy {self.negatives!r}")

    def chooser(self, base: Contrast, graph: Data, randomness: Randomness, ids: Tensor | None = None) -> Chooser:
        """Return what fills the contrast of a method as configured; arguments as for `Chooser`."""
        base = replace(base, objective=self.objective)
        return Chooser(base, graph, randomness, self.negatives, self.k, self.redraw, self.options, ids)


class Step(NamedTuple):
    """What one training step computed.

    Attributes:
        terms: named loss terms, each a scalar.
        contrast: the contrast that was used.
        weights: factor of each term in the total; 1 for a term that isn't named.
        finished: True where the method has nothing left to learn.
        projections: what the contrast compared, a matrix a view [rows, dim].
    """

    terms: dict[str, Tensor]
    contrast: Contrast
    weights: dict[str, float] = {}  # noqa: RUF012 - never changed
    finished: bool = False
    projections: tuple[Tensor, ...] = ()

    @property
    def total(self) -> Tensor:
        """The weighted sum of the terms: what is minimised."""
        total: Tensor = sum(self.weights.get(name, 1.0) * term for name, term in self.terms.items())  # type: ignore
        return total


class Method(nn.Module):
    """A contrastive method for one graph; it is handed no labels and draws only from the randomness it is given.

    A subclass sets `Config`, builds its modules in `__init__(config, graph, randomness)`, and defines `step`, `embed`
    and, where there is something to look at, `details`. Initial weights may come from torch's global generator, which
    `fit` seeds for this purpose alone.
    """

    Config: ClassVar[type[Config]]

    def step(self) -> Step:
        """Compute the losses of one epoch."""
        raise TypeError(f"{type(self).__name__} defines no step")

    def embed(self) -> Tensor:
        """Return the embedding of the whole graph [nodes, dim]."""
        raise TypeError(f"{type(self).__name__} defines no embedding")

    def details(self) -> dict[str, Tensor]:
        """Return what the method made of the graph besides the embedding, by name, for figures and tests."""
        return {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups for the optimiser; a method may exempt some from weight decay."""
        return [{"params": list(self.parameters())}]


def preset_names(method: str) -> list[str]:
    """Return the presets of a method: "quick", and "released/GRAPH" or "as-described/GRAPH" from the authors."""
    found = []
    for family, entries in _preset_file(method).items():
        found += [f"{family}/{graph}" for graph in entries] if family in _BY_GRAPH else [family]
    return sorted(found)


_BY_GRAPH = ("released", "as-described")


def _preset_file(method: str) -> dict[str, Any]:
    path = Path(inspect.getfile(METHODS.get(method))).with_suffix(".toml")
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _find_preset(method: str, preset: str | None, graph: str) -> tuple[str, dict[str, Any]]:
    known = _preset_file(method)
    flat = {f"{family}/{name}": values for family in _BY_GRAPH for name, values in known.get(family, {}).items()}
    flat |= {name: values for name, values in known.items() if name not in _BY_GRAPH} | {"defaults": {}}
    if preset is None:
        preset = f"released/{graph}" if f"released/{graph}" in flat else "defaults"
    elif preset in _BY_GRAPH:
        if f"{preset}/{graph}" not in flat:
            graphs = [name.split("/")[1] for name in flat if name.startswith(f"{preset}/")]
            raise UserError(
                f"method {method!r} has no {preset!r} preset for graph {graph!r}; it has one for: "
                f"{', '.join(graphs) or 'no graph'}; valid for any graph: quick, defaults"
            )
        preset = f"{preset}/{graph}"
    elif f"released/{preset}" in flat:
        preset = f"released/{preset}"
    if preset not in flat:
        short = [name.split("/")[1] for name in flat if name.startswith("released/")]
        raise unknown("preset", preset, [*flat, *short], f"of method {method!r}")
    return preset, flat[preset]


def configure(method: str, preset: str | None, graph: str, overrides: dict[str, Any]) -> tuple[str, Config]:
    """Make the configuration of a run.

    Args:
        method: name of the method.
        preset: None for the authors' released preset of `graph` where there is one, else the defaults; "released" or
            "as-described" for those of `graph`; the name of another graph for its released preset; "quick" for a small
            CPU; "defaults".
        graph: name of the graph.
        overrides: single parameters that differ.

    Returns:
        The full name of the preset and the configuration.

    Raises:
        UserError: an unknown preset or parameter, or a value of the wrong type or out of range.
    """
    config_class = METHODS.get(method).Config
    full_name, values = _find_preset(method, preset, graph)
    types, given = types_of(config_class), {**values, **overrides}
    strategy = given.get("negatives", getattr(config_class, "negatives", None))
    own = options_of(strategy) if isinstance(strategy, str) else {}
    try:
        checked, options = {}, dict(given.pop("options", ()))
    except (TypeError, ValueError):
        raise UserError("options of a strategy are given by their names, e.g. hops=3, not as 'options'") from None
    for name, value in given.items():
        if name in types:
            checked[name] = _as_type(name, value, types[name], method)
        elif name in own:
            options[name] = value
        else:
            where = f"of method {method!r}" + (f" with negatives {strategy!r}" if own else "")
            raise unknown("parameter", name, [*(one for one in types if one != "options"), *own], where)
    if options:
        checked["options"] = tuple(options.items())
    try:
        return full_name, config_class(**checked)
    except UserError as error:
        raise UserError(f"{error} (method {method!r}, preset {full_name!r})") from None


def _as_type(name: str, value: Any, wanted: Any, method: str) -> Any:
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise unknown(f"value of parameter {name!r}", value, map(str, get_args(wanted)), f"of method {method!r}")
        return value
    if wanted == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise UserError(f"parameter {name!r} of method {method!r} is {value!r}; it must be a list of words")
        return tuple(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not wanted:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
        raise UserError(f"parameter {name!r} of method {method!r} is {value!r}; it must be {words[wanted]}")
    return value


__all__ = [
    "METHODS",
    "Config",
    "ContrastConfig",
    "GraphTensors",
    "Method",
    "Randomness",
    "Step",
    "above",
    "at_least",
    "rate",
    "types_of",
]
