"""Graphs: load a named one or the user's own, check it, describe it, or plant one whose answers are known.

Importing this package is cheap; torch is loaded by the first function that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.graphs.catalogue import facts, names, register

if TYPE_CHECKING:
    from workbench.graphs.describe import check, content_hash, statistics
    from workbench.graphs.loading import load_graph
    from workbench.graphs.planting import planted

_LAZY = {
    "load_graph": "loading",
    "planted": "planting",
    "statistics": "describe",
    "content_hash": "describe",
    "check": "describe",
}

__all__ = ["check", "content_hash", "facts", "load_graph", "names", "planted", "register", "statistics"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'workbench.graphs' has no attribute {name!r}")
    value = getattr(import_module(f"workbench.graphs.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
