"""What is scored: the embeddings of a run, or a bare matrix, and labels, checked against the data they belong to."""

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from workbench.datasets.attributes import SPARSE_BELOW, in_memory, is_sparse, to_scipy
from workbench.datasets.kinds import content_hash, kind_of
from workbench.datasets.labels import labels_of, name_of
from workbench.errors import UserError, warn
from workbench.evaluation.splits import Nodes, Protocol

Features = Any  # NDArray[np.float32] or scipy.sparse.csr_matrix, which carries no types
Embeddings: TypeAlias = Any
"""A run, or a tensor or array [items, dim]; of users and items one by each name, or a `ranking.Scorer`."""


def check_same(run: Any, data: Any) -> None:
    """Raise a UserError where data are not what a run was trained on; a bare matrix can't be checked.

    The content decides, order included: row i of the run would be scored as row i of these.
    """
    trained_on = getattr(run, "graph_hash", None)
    if trained_on is not None and content_hash(data) != trained_on:
        raise UserError(
            f"this run of {run.method} was trained on {run.graph!r}, and {name_of(data)} differs from it in "
            "content or in the order of its items; load what the run was trained on, or give the matrix "
            "run.encode(data) in place of the run",
            kind="other data",
        )


def matrix_of(run_or_embeddings: Embeddings, data: Any) -> Features:
    """Return the embeddings of a run, or a matrix, as float32 [items, dim], sparse where few entries are not zero."""
    check_same(run_or_embeddings, data)
    x: Any = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    if isinstance(x, dict):
        raise UserError(f"embeddings of {', '.join(x)} are several matrices; {kind_of(data).words} take one")
    items, count = next(iter(kind_of(data).sizes(data).items()))
    return _matrix(x, count, items[:-1], data)


def on_the_way(run_or_embeddings: Embeddings, data: Any, protocol: str) -> dict[int, Features]:
    """Return the embeddings that a run kept on the way by epoch, the last one as the run has it [items, dim] each.

    Those between have rows of unit length in half precision. A UserError tells where there are none.
    """
    last = matrix_of(run_or_embeddings, data)
    if not (kept := getattr(run_or_embeddings, "snapshots", None)):
        keeps, scored = "fit(..., snapshots=11) keeps eleven", "a bare matrix"
        if hasattr(run_or_embeddings, "snapshots"):
            scored, words = "this run", f"{run_or_embeddings.method} {run_or_embeddings.graph}"
            keeps = f"fit(..., snapshots=11), or workbench fit {words} --snapshots 11 with its settings, keeps eleven"
        raise UserError(
            f"protocol {protocol!r} looks at the embeddings that a training kept on the way, and {scored} has none; "
            f"{keeps}, and 'k-means' scores the last one alone"
        )
    return {epoch: matrix_of(x.float(), data) for epoch, x in kept.items()} | {run_or_embeddings.epochs: last}


def learned(run_or_embeddings: Any, data: Any, protocol: str) -> Nodes:
    """Return the cluster or class that a run's method tells of each item [items].

    Raises:
        UserError: it tells none.
    """
    check_same(run_or_embeddings, data)
    detail, what, instead = ("predicted", "classifier", "'random-10-10-80' trains one on any embedding")
    if protocol == "learned-clusters":
        detail, what, instead = "cluster", "clusters", "'k-means' clusters any embedding"
    if (told := getattr(run_or_embeddings, "details", {}).get(detail)) is None:
        run = hasattr(run_or_embeddings, "details")
        scored = f"this run of {run_or_embeddings.method}" if run else "a bare matrix"
        raise UserError(
            f"protocol {protocol!r} scores the {what} that a method learned, and {scored} has none; {instead}"
        )
    told_of_each: Nodes = told.numpy()
    return told_of_each


def looked_at(run_or_embeddings: Embeddings, data: Any, rules: Protocol) -> Any:
    """Return what a protocol looks at: `on_the_way`, what its method `learned`, or the `matrix_of` a run."""
    if rules.snapshots:
        return on_the_way(run_or_embeddings, data, rules.name)
    return learned(run_or_embeddings, data, rules.name) if rules.of_runs else matrix_of(run_or_embeddings, data)


def by_item(run_or_embeddings: Embeddings, data: Any) -> Any:
    """Return the embeddings of users and items, a matrix by name, or the function from users to scores as it is."""
    check_same(run_or_embeddings, data)
    x = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    if callable(x):
        return x
    kind = kind_of(data)
    if not isinstance(x, dict) or set(x) != set(kind.items):
        raise UserError(f"embeddings of {kind.words} are one matrix by each of the names {', '.join(kind.items)}")
    return {name: _matrix(x[name], count, name, data) for name, count in kind.sizes(data).items()}


def told_labels(data: Any) -> Nodes:
    """Return the class of each item [items], below 0 for none, and warn that those are left out of scores."""
    labels = labels_of(data)
    if unlabelled := int((labels < 0).sum()):
        without = f"{unlabelled:,} of {len(labels):,} {kind_of(data).items[0]} have no label (below 0)"
        warn(f"{without} and are left out of the scores")
    return labels


def compact_labels(graph: Any) -> tuple[Nodes, int]:
    """Return the labels as numbers of the classes that occur, -1 for none [items], and how many classes those are."""
    labels = labels_of(graph)
    truth = np.full(labels.size, -1)
    classes, truth[labels >= 0] = np.unique(labels[labels >= 0], return_inverse=True)
    return truth, classes.size


def bare(x: Any) -> Features:
    """Return a matrix of any form as float32 [items, dim], sparse where few entries are not zero."""
    x = in_memory(_array(x), "scoring attributes")
    if isinstance(x, Tensor):
        x = to_scipy(x) if is_sparse(x) else x.detach().cpu().numpy()
    if np.ndim(x) != 2 or not x.shape[1]:
        raise UserError(f"embeddings are a matrix [items, dim], not {list(np.shape(x))}")
    if isinstance(x, np.ndarray) and x.dtype.kind not in "biuf":
        raise UserError(f"embeddings are real numbers, not {x.dtype}")
    if not sp.issparse(x) and np.count_nonzero(x) < SPARSE_BELOW * x.size:
        x = sp.csr_matrix(x)
    x = sp.csr_matrix(x, dtype=np.float32) if sp.issparse(x) else np.ascontiguousarray(x, dtype=np.float32)
    values = x.data if sp.issparse(x) else x
    if not np.isfinite(values).all():
        bad = values.size - np.count_nonzero(np.isfinite(values))
        raise UserError(f"{bad} of {x.shape[0] * x.shape[1]} values of the embeddings are not finite numbers")
    return x


def _array(x: Any) -> Any:
    """Return lists as an array, and all else as it is."""
    try:
        return np.asarray(x) if isinstance(x, list | tuple) else x
    except ValueError:
        raise UserError("embeddings are a matrix [items, dim], not rows of several lengths") from None


def _matrix(x: Any, rows: int, item: str, data: Any) -> Features:
    shape = list(np.shape(x := _array(x)))
    if len(shape) != 2 or shape[0] != rows:
        raise UserError(
            f"embeddings must have one row per {item} [{rows}, dim] of {name_of(data)}, "
            f"not {shape}; a run is evaluated on the data it was trained on"
        )
    return bare(x)
