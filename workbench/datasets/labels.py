"""The class of each item of data, checked, and how a message calls the data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.door import classes
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError


def several_labels(data: Any) -> bool:
    """Return whether each item may have several labels: y [items, classes] of 0 and 1, more than one class."""
    y = kind_of(data).labels(data)
    return isinstance(y, Tensor) and y.dim() == 2 and y.size(1) > 1


def label_sets(data: Any) -> NDArray[np.int8]:
    """Return which labels each item has, 0 or 1 [items, classes]; -1 in the whole row of an item that has no labels.

    Raises:
        UserError: there are no labels, one class per item, or entries other than 0 and 1.
    """
    if not several_labels(data):
        labels_of(data)
        kind = kind_of(data)
        raise UserError(
            f"labels (y) of {name_of(data)} are one class per item, which {kind.protocol!r} scores; {kind.several!r} "
            "scores several, a matrix [items, classes] of 0 and 1"
        )
    y = np.asarray(kind_of(data).labels(data).cpu())  # type: ignore[union-attr] # there are some
    items, count = next(iter(kind_of(data).sizes(data).items()))
    if len(y) != count:
        raise UserError(f"labels (y) of {name_of(data)} must have one row per {items[:-1]} [{count}], not {len(y)}")
    unknown = ((y == -1) | (y != y)).all(axis=1)
    if (wrong := (y != 0) & (y != 1) & ~unknown[:, None]).any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise UserError(
            f"labels (y) of {name_of(data)} hold {y[row, column]} for {items[:-1]} {row} in column {column}; several "
            f"labels are 0 and 1, and -1 in the whole row of a {items[:-1]} without any known"
        )
    return np.where(unknown[:, None], -1, y).astype(np.int8)


def labelled(data: Any) -> NDArray[np.bool_]:
    """Return which items have a label, or of several per row of them [items]; errors as of `labels_of`."""
    return label_sets(data)[:, 0] >= 0 if several_labels(data) else labels_of(data) >= 0


def labels_of(graph: Any) -> NDArray[np.int64]:
    """Return the class of each item [items], negative where it has none; refuse data of fewer than two classes."""
    y = kind_of(graph).labels(graph)
    if y is None:
        raise UserError(f"{name_of(graph)} has no labels (y), which every evaluation by classes needs")
    called = f"labels (y) of {name_of(graph)}"
    if several_labels(graph):
        raise UserError(
            f"{called} are several per item, {list(y.shape)}, where one class is asked for; "
            f"protocol {kind_of(graph).several!r} scores several"
        )
    items, count = next(iter(kind_of(graph).sizes(graph).items()))
    # What can be read as one class an item is read so; the notes are for who hands the data in.
    y = classes(y, count, [])
    labels = np.asarray(y.cpu()).reshape(-1) if isinstance(y, Tensor) else np.empty(0)
    if labels.size != count or not np.issubdtype(labels.dtype, np.integer):
        shape = f"{y.dtype} {list(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise UserError(f"{called} must be one whole number per {items[:-1]} [{count}], not {shape}")
    if np.unique(labels[labels >= 0]).size < 2:
        raise UserError(f"{called} hold fewer than two classes, so there is nothing to tell apart")
    return labels.astype(np.int64)


def numbers_of(data: Any) -> NDArray[np.float64]:
    """Return what is measured of each item, NaN where it isn't known [items, targets]; refuse data without numbers."""
    measured = getattr(kind_of(data), "numbers", lambda _: None)(data)
    if measured is None:
        raise UserError(
            f"{name_of(data)} has no numbers to predict: y of each graph must be floating-point [1, targets]"
        )
    found: NDArray[np.float64] = np.asarray(measured.cpu(), dtype=np.float64)
    return found


def tasks_of(data: Any) -> NDArray[np.float64]:
    """Return yes (1) or no (0) of each item and task, NaN where nobody knows [items, tasks].

    They are numbers of 0 and 1, or the one class of each item, of which there are two; a UserError tells of others.
    """
    measured = getattr(kind_of(data), "numbers", lambda _: None)(data)
    if measured is None:
        labels = labels_of(data)
        classes = np.unique(labels[labels >= 0])
        if len(classes) > 2:
            raise UserError(
                f"labels (y) of {name_of(data)} are of {len(classes)} classes, where yes or no is asked for"
            )
        return np.where(labels >= 0, labels == classes[-1], np.nan)[:, None]
    found = numbers_of(data)
    if (wrong := np.isfinite(found) & (found != 0) & (found != 1)).any():
        item, task = np.argwhere(wrong)[0].tolist()
        raise UserError(f"y of {name_of(data)} holds {found[item, task]:g} for item {item}; a task has 0, 1 or NaN")
    return found


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
