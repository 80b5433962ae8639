"""Data: load a named set or the user's own, check it, describe it, or plant one whose answers are known.

Importing this package is cheap; torch is loaded by the first function that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.datasets.files.registry import facts, names, register

if TYPE_CHECKING:
    from workbench.datasets.kinds import content_hash
    from workbench.datasets.loading import load_graph
    from workbench.datasets.nodes import check, statistics
    from workbench.datasets.synthetic.planting import planted

_LAZY = {
    "load_graph": "loading",
    "planted": "synthetic.planting",
    "statistics": "nodes",
    "content_hash": "kinds",
    "check": "nodes",
}

__all__ = ["check", "content_hash", "facts", "load_graph", "names", "planted", "register", "statistics"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'workbench.datasets' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"workbench.datasets.{_LAZY[name]}"), name)
    return value
