"""The class of each item of data, checked, and how a message calls the data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import Data

from workbench.datasets.kinds import kind_of
from workbench.errors import UserError


def labels_of(graph: Any) -> NDArray[np.int64]:
    """Return the class of each item [items], negative where it has none; refuse data of fewer than two classes."""
    y = kind_of(graph).labels(graph)
    if y is None:
        raise UserError(f"{name_of(graph)} has no labels (y), which every evaluation by classes needs")
    labels, called = np.asarray(y.cpu()).reshape(-1), f"labels (y) of {name_of(graph)}"
    items, count = next(iter(kind_of(graph).sizes(graph).items()))
    if labels.size != count or not np.issubdtype(labels.dtype, np.integer):
        shape = f"{y.dtype} {list(y.shape)}"
        raise UserError(f"{called} must be one whole number per {items[:-1]} [{count}], not {shape}")
    if np.unique(labels[labels >= 0]).size < 2:
        raise UserError(f"{called} hold fewer than two classes, so there is nothing to tell apart")
    return labels.astype(np.int64)


def in_words(graph: Any, nodes: NDArray[np.int64]) -> list[str] | None:
    """Return what the classes of some items are called, several joined, "" where none is known; None without labels."""
    y, names = kind_of(graph).labels(graph), getattr(graph, "class_names", None)
    if y is None:
        return None
    rows = np.asarray(y.cpu()).reshape(len(y), -1)[nodes]
    if rows.shape[1] == 1:
        return ["" if kind < 0 else str(names[kind] if names else kind) for kind in rows[:, 0].astype(int).tolist()]
    known = np.array(names if names else range(rows.shape[1])).astype(str)
    return [", ".join(known[row > 0]) for row in rows]


def name_of(data: Any) -> str:
    """Return how an error message calls data."""
    what, name = "graph" if isinstance(data, Data) else "data", getattr(data, "name", None)
    return f"{what} {name!r}" if name else f"the {what}"
