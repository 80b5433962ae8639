"""Presets of a method: settings in the TOML file beside it, found by name, with single parameters changed."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Preset
from workbench.errors import UserError, unknown
from workbench.methods.registry import METHODS

if TYPE_CHECKING:
    from workbench.methods.base import Config

# The authors', one for each of their graphs, and ours found by a search.
BY_GRAPH = ("released", "as-described", "tuned")
# Ours, for any graph; a table in "quick" says what differs for one graph. "mf" is matrix factorisation.
OTHERS = ("quick", "small", "mf", "defaults")


def file_of(method: str) -> Path:
    """Return the TOML file of a method: presets, published numbers, switches; it need not exist."""
    return METHODS.file(method).with_suffix(".toml")


def _written(method: str) -> dict[str, Any]:
    """Return what the TOML file of a method says."""
    file = file_of(method)
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def count_of(method: str) -> str:
    """Return which parameter of a method says how many negatives a node has: "k" unless its file names another."""
    return str(_written(method).get("count", "k"))


def _presets(method: str) -> dict[str, dict[str, Any]]:
    """Return the settings of each preset by its full name."""
    known = _written(method)
    flat = {f"{family}/{graph}": values for family in BY_GRAPH for graph, values in known.get(family, {}).items()}
    for name in set(OTHERS) & set(known):
        general = {key: value for key, value in known[name].items() if not isinstance(value, dict)}
        flat |= {name: general} | {
            f"{name}/{graph}": general | own for graph, own in known[name].items() if graph not in general
        }
    return flat | {"defaults": {}}


def preset_names(method: str) -> list[str]:
    """Return the presets of a method: "quick", "small", "released/GRAPH", "quick/GRAPH", ..."""
    return sorted(set(_presets(method)) - {"defaults"})


def find_preset(method: str, preset: str | None, graph: str) -> str:
    """Return the full name of a preset; arguments as for `configure`.

    Raises:
        UserError: there is none; the error's field "kind" is "preset".
    """
    known = _presets(method)
    if preset is None:
        return next((name for name in (f"released/{graph}", f"tuned/{graph}") if name in known), "defaults")
    if preset in BY_GRAPH:
        if f"{preset}/{graph}" not in known:
            graphs = [name.split("/")[1] for name in known if name.startswith(f"{preset}/")]
            raise UserError(
                f"method {method!r} has no {preset!r} preset for graph {graph!r}; it has one for: "
                f"{', '.join(graphs) or 'no graph'}; valid for any graph: quick, defaults",
                kind="preset",
                word=preset,
            )
        return f"{preset}/{graph}"
    if f"released/{preset}" in known:
        return f"released/{preset}"
    if f"{preset}/{graph}" in known:
        return f"{preset}/{graph}"
    if preset not in known:
        short = [name.split("/")[1] for name in known if name.startswith("released/")]
        raise unknown("preset", preset, [*known, *short], f"of method {method!r}")
    return preset


def configure(method: str, preset: str | None, graph: str, overrides: dict[str, Any]) -> tuple[str, "Config"]:
    """Make the configuration of a run.

    Args:
        method: name of the method.
        preset: None for the authors' released preset of `graph` where there is one, else the tuned one, else the
            defaults; "released", "as-described" or "tuned" for those of `graph`; the name of another graph for its
            released preset; "quick" for a small CPU; "defaults".
        graph: name of the graph.
        overrides: single parameters that differ, by name; the options of a part as "negatives.hops", or plainly where
            one part has them.

    Returns:
        The full name of the preset and the configuration.

    Raises:
        UserError: an unknown preset or parameter, or a value of the wrong type or out of range.
    """
    config_class: type[Config] = METHODS.get(method).Config
    name = find_preset(method, preset, graph.partition(":links")[0])
    values = {**_presets(method)[name], **overrides}
    return name, config_class.from_flat(values, f"of method {method!r}")


def changes(method: str, preset: str, config: "Config") -> Preset:
    """Return a preset with the parameters in which a configuration differs from it."""
    usual, given = configure(method, preset, "", {})[1].flat(), config.flat()
    return Preset(preset, {name: value for name, value in given.items() if name not in usual or value != usual[name]})
