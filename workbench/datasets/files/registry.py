"""The names that load_graph knows and the facts about each, read from registry.toml; imports nothing heavy."""

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import unknown
from workbench.registry import Registry

T = TypeVar("T")

BUILDERS: Registry[Callable[[], Any]] = Registry("graph")
"""Graphs that a function makes, without files: the embedded ones and those that a person registers."""

FIGURES = ("graphs", "nodes", "edges", "features", "classes", "users", "items", "interactions", "held_out")


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("workbench.datasets.files").joinpath("registry.toml").read_text(encoding="utf-8"))


def register(name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Decorate a function that returns a graph, or data of another kind, so that load_graph(name) finds it."""
    return BUILDERS.register(name)


def names(kind: str | None = None) -> list[str]:
    """Return every name that load_graph takes, sorted, or those of one kind of data, e.g. "nodes"."""
    known = sorted({*_rows(), *BUILDERS.names()})
    return [name for name in known if kind in (None, kind_of_row(_rows().get(name, {})))]


def kind_of_row(row: dict[str, Any]) -> str:
    """Return the kind of data that a row of registry.toml is about."""
    return str(row.get("kind", "nodes"))


def facts(name: str) -> dict[str, Any]:
    """Return what is known of a named graph: source, citation, licence, expected figures, who uses it.

    Args:
        name: one of names().

    Returns:
        The graph's row of registry.toml; a fact that is not known has no key. A graph that a person registered has
        only its name as title.

    Raises:
        UserError: no such graph.
    """
    if name not in names():
        raise unknown("graph", name, names())
    return dict(_rows().get(name, {"title": name}))


def found(root: Path, kind: str | None = None) -> list[str]:
    """Return the names whose files lie in a root, or those of one kind of data."""
    rows = {name: facts(name) for name in names(kind)}
    return [
        name
        for name, row in rows.items()
        if ("npz" in row and (root / row["npz"]).is_file())
        or ("folder" in row and any((root / row["folder"] / ("" if "reader" in row else "raw")).glob("*")))
    ]


def usable(root: Path, kind: str | None = None) -> list[str]:
    """Return the names that need no files, then those whose files lie in a root; or those of one kind of data."""
    return [*(name for name in BUILDERS.names() if name in names(kind)), *found(root, kind)]


def markdown() -> str:
    """Return the tables of data/README.md, so that page and registry can't drift apart."""
    lines = [
        "| name | graph | nodes | edges | features | classes | directed | files below the root |",
        "|---|---|---|---|---|---|---|---|",
    ]
    single = {name: row for name, row in _rows().items() if kind_of_row(row) == "nodes"}
    for name, row in single.items():
        figures = (f"{row[key]:,}" if key in row else "" for key in ("nodes", "edges", "features", "classes"))
        cells = [f"`{name}`", row["title"], *figures, "yes" if row["directed"] else "no", _place(row)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Other kinds of data", "", "| name | data | kind | figures | files below the root |"]
    lines += ["|---|---|---|---|---|"]
    for name, row in _rows().items():
        if name not in single:
            figures = (f"{row[key]:,} {key.replace('_', ' ')}" for key in FIGURES if key in row)
            cells = [f"`{name}`", row["title"], kind_of_row(row), ", ".join(figures), _place(row)]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Source, citation, licence and use", ""]
    lines += ["| name | source | cite | licence | used by | note |", "|---|---|---|---|---|---|"]
    for name, row in _rows().items():
        used = "; ".join(row["used_by"])
        cells = [f"`{name}`", row["source"], row["citation"], row.get("licence", ""), used, row.get("note", "")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Checksums of the published files (SHA-256)", "", "| file | sha256 |", "|---|---|"]
    for row in _rows().values():
        folder = "WikipediaNetwork" if "npz" in row else f"{row.get('folder')}/raw"
        lines += [f"| `{folder}/{file}` | `{digest}` |" for file, digest in row.get("sha256", {}).items()]
    return "\n".join(lines) + "\n"


def _place(row: dict[str, Any]) -> str:
    places = [f"`{row['folder']}/{'' if 'reader' in row else 'raw/'}`"] if "folder" in row else []
    places += [f"`{row['npz']}`"] if "npz" in row else []
    return " or ".join(places) or "none needed"
