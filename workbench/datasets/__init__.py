"""Data: load a named set or the user's own, check it, describe it, or plant one whose answers are known.

Importing this package is cheap; torch is loaded by the first function that needs it.
"""

from typing import TYPE_CHECKING

from workbench.datasets.files.registry import facts, names, register
from workbench.lazy import lazily

if TYPE_CHECKING:
    from workbench.datasets.kinds import content_hash, kind_of
    from workbench.datasets.labels import label_sets, labelled, labels_of, name_of, numbers_of, several_labels, tasks_of
    from workbench.datasets.links import hold_out_links
    from workbench.datasets.loading import load_graph
    from workbench.datasets.nodes import check, statistics
    from workbench.datasets.synthetic.planting import planted

_LAZY = {
    "load_graph": "loading",
    "hold_out_links": "links",
    "planted": "synthetic.planting",
    "statistics": "nodes",
    "content_hash": "kinds",
    "kind_of": "kinds",
    "labels_of": "labels",
    "label_sets": "labels",
    "labelled": "labels",
    "numbers_of": "labels",
    "several_labels": "labels",
    "tasks_of": "labels",
    "name_of": "labels",
    "check": "nodes",
}

__getattr__ = lazily(__name__, {name: f"{__name__}.{module}:{name}" for name, module in _LAZY.items()})
__all__ = ["check", "content_hash", "facts", "kind_of", "labels_of", "load_graph", "name_of", "names", "planted"]
__all__ += [
    "hold_out_links",
    "label_sets",
    "labelled",
    "numbers_of",
    "register",
    "several_labels",
    "statistics",
    "tasks_of",
]
