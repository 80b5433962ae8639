"""The names that load_graph knows and the facts about each, read from registry.toml; imports nothing heavy."""

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from workbench.errors import unknown
from workbench.registry import Registry

# Graphs that a function makes, without files: the embedded ones and those that a person registers.
BUILDERS: Registry[Callable[..., Any]] = Registry("graph")
register = BUILDERS.register

FIGURES = ("graphs", "nodes", "edges", "features", "classes", "users", "items", "interactions", "held_out", "rows")


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Return the facts about each named set, in the order of registry.toml."""
    return tomllib.loads(files("workbench.datasets.files").joinpath("registry.toml").read_text(encoding="utf-8"))


def names(kind: str | None = None) -> list[str]:
    """Return every name that load_graph takes, sorted, or those of one kind of data, e.g. "nodes"."""
    known = sorted({*rows(), *BUILDERS.names()})
    return [name for name in known if kind in (None, kind_of_row(rows().get(name, {})))]


def kind_of_row(row: dict[str, Any]) -> str:
    """Return the kind of data that a row of registry.toml is about."""
    return str(row.get("kind", "nodes"))


def facts(name: str) -> dict[str, Any]:
    """Return what is known of a named graph: source, citation, licence, expected figures, who uses it.

    A fact that is not known has no key; a graph that a person registered has only its name as title.
    """
    if name not in names():
        raise unknown("graph", name, names())
    return dict(rows().get(name, {"title": name}))


def present(root: Path) -> list[str]:
    """Return the names whose files lie in a root."""

    def lies(row: dict[str, Any]) -> bool:
        if "npz" in row and (root / row["npz"]).is_file():
            return True
        return "folder" in row and any((root / row["folder"] / ("" if "reader" in row else "raw")).glob("*"))

    return [name for name, row in sorted(rows().items()) if lies(row)]


def usable(root: Path, kind: str | None = None) -> list[str]:
    """Return the names that need no files, then those whose files lie in a root; or those of one kind of data."""
    return [name for name in (*BUILDERS.names(), *present(root)) if name in names(kind)]
