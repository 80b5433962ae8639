"""Where two embeddings of the same nodes agree and where they don't: node by node, class by class and as a whole.

All is measured in the embeddings, by cosine, never on a map of them. Labels are used to look, never to train.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import spatial
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from workbench.contrast.measures import node_classes
from workbench.datasets.structure import degree
from workbench.errors import UserError
from workbench.evaluation import neighbourhoods
from workbench.evaluation.coloured import map_folder
from workbench.evaluation.embeddings import Embeddings, matrix_of
from workbench.evaluation.neighbourhoods import Nearest
from workbench.evaluation.strata import strata

Values = NDArray[np.float64]
SIDES = ("one", "other")
OF_GROUP = ("own class among neighbours", "neighbours in the group")
COLUMNS = {  # which measure a heading is of, and which of the two embeddings
    f"{measure}, {side}": (measure, place)
    for measure in ("own class", "abundance", "confusion", *OF_GROUP)
    for place, side in enumerate(SIDES)
}


@dataclass(frozen=True)
class Agreement:
    """What two embeddings of the same nodes have in common.

    Attributes:
        summary: one row per measure of the whole: "value"; "low" and "high", the 95 % percentile bootstrap interval
            over nodes, where it is a mean over nodes; "chance", the value for embeddings that have nothing to do with
            each other: k / (nodes - 1) for the overlap, for the others what shuffled rows of the second embedding give.
        nodes: a row per node, those that moved most first (least overlap, then largest distance): "node", "name" where
            the graph has names, "class" (missing without), "overlap", "distance", "own class" and "abundance" by side,
            "degree".
        classes: one row per class, by its name: "nodes", the mean "overlap" with its interval "low" to "high",
            "confusion" by side and "confusion change" (other - one), "neighbourhood", "abundance" by side and
            "abundance change".
        confusion: for each embedding the share of the neighbours of nodes of a class (row) that are of a class (column)
            [classes, classes]; rows add up to 1.
    """

    k: int  # how many nearest nodes make a neighbourhood
    summary: pd.DataFrame
    nodes: pd.DataFrame
    classes: pd.DataFrame
    confusion: tuple[pd.DataFrame, pd.DataFrame]
    nearest: tuple[Nearest, Nearest]

    def of(self, group: ArrayLike) -> pd.Series:
        """Return means over a group of nodes, and which share of their neighbours is in the group as well."""
        held = np.zeros(len(self.nodes), bool)
        held[np.asarray(group, np.int64)] = True
        rows = self.nodes[held[self.nodes["node"]]]
        means = {"nodes": len(rows), "neighbourhood overlap": rows["overlap"].mean()}
        means["Procrustes distance"] = rows["distance"].mean()
        means |= {f"{OF_GROUP[0]}, {side}": rows[f"own class, {side}"].mean() for side in SIDES}
        for side, near in zip(SIDES, self.nearest, strict=True):
            means[f"{OF_GROUP[1]}, {side}"] = held[near.indices[held]].mean()
        return pd.Series(means, dtype=float)


def agreement(
    one: Embeddings, other: Embeddings, graph: Data, k: int = 15, groups: ArrayLike | None = None, seed: int = 0
) -> Agreement:
    """Measure where two embeddings of one graph agree.

    To judge the numbers, compare two training seeds of one configuration as well: these differ, too, and only what goes
    beyond that speaks of the methods.

    - Overlap of a node: |A ∩ B| / k for its k nearest nodes A and B; the Jaccard index is overlap / (2 - overlap).
    - Distance of a node: see `procrustes`, of rows of unit length. Linear CKA: see `linear_cka`, of the same.
    - Own class: the share of a node's neighbours that have its class; confusion of a class: 1 - its mean.
    - Neighbourhood of a class: the cosine of its two rows of `Agreement.confusion` without their diagonal; 1 where the
      other classes stand around it in the same proportions, nan for fewer than three classes (it would always be 1) and
      where a class has no neighbours of others.
    - Abundance of a node: log10(n_own + 1) - mean over classes c of log10(n_c + 1), counts among its neighbours; that
      of a class is the mean over its nodes.

    The last three are after Manz, Lekschas, Greene, Finak and Gehlenborg (IEEE TVCG 31, 2025; `cev`), who ask a
    Delaunay triangulation of the drawn map where we ask the k nearest in the embedding, count a node once that a class
    reaches where we count pairs, and compare the sizes of classes in two sets of nodes where we count around each node.

    Args:
        one, other: runs, or matrices [nodes, dim]; the dimensions may differ.
        k: how many nearest nodes are compared.
        groups: a whole number per node to take for its class [nodes], below 0 for none; None for the labels, if any. A
            node without a class is a neighbour, but is counted for no class.
        seed: of the bootstrap and of the shuffled rows.

    Raises:
        UserError: an embedding that doesn't fit the graph or has all rows alike, or k or groups out of range.
    """
    rows = [_rows(embedding, graph) for embedding in (one, other)]
    count = len(rows[0])
    if not 1 <= k < count:
        raise UserError(f"k must lie between 1 and {count - 1}, the number of other nodes, not {k}")
    classes = _classes(graph, groups)
    folders = map_folder(one), map_folder(other)
    near = [neighbourhoods.nearest(torch.from_numpy(x), k, folder) for x, folder in zip(rows, folders, strict=True)]
    unit = [normalize(x).astype(np.float64) for x in rows]
    shuffled = unit[1][np.random.default_rng(seed).permutation(count)]
    overlap = neighbourhoods.shared(near[0].indices, near[1].indices).astype(np.float64)
    disparity, distance = procrustes(*unit)
    nodes = pd.DataFrame({"node": np.arange(count), "class": classes, "overlap": overlap, "distance": distance})
    if names := graph.get("node_names"):
        nodes.insert(1, "name", list(map(str, names)))
    member = pd.get_dummies(classes).to_numpy()  # [nodes, classes]
    counts = [_around(side.indices, classes) for side in near]
    for measured, measure in (("own class", _shares), ("abundance", _log_ratios)):
        for side, around in zip(SIDES, counts, strict=True):
            nodes[f"{measured}, {side}"] = measure(around).where(member).sum(axis=1, min_count=1)
    nodes["degree"] = degree(graph)
    confusion = [_shares(around.groupby(classes, observed=True).sum()) for around in counts]
    whole = strata(np.zeros(count), overlap, seed=seed).loc[0]
    measures = {
        "neighbourhood overlap": (whole["mean"], whole["from"], whole["to"], k / (count - 1)),
        "linear CKA": (linear_cka(*unit), np.nan, np.nan, linear_cka(unit[0], shuffled)),
        "Procrustes disparity": (disparity, np.nan, np.nan, procrustes(unit[0], shuffled)[0]),
    }
    summary = pd.DataFrame(measures, index=["value", "low", "high", "chance"]).T
    moved_first = nodes.sort_values(["overlap", "distance"], ascending=[True, False], ignore_index=True)
    by_class = _by_class(nodes, confusion, seed)
    return Agreement(k, summary, moved_first, by_class, (confusion[0], confusion[1]), (near[0], near[1]))


def linear_cka(one: Values, other: Values) -> float:
    """Return the linear centred kernel alignment of two matrices [nodes, dim] of any dimensions, in [0, 1].

    ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) in Frobenius norms, columns centred; 1 where one is the other rotated and scaled. Takes
    O(nodes · dim²). Source: Kornblith, Norouzi, Lee and Hinton, 2019, eq. 3 and its form for features.
    """
    x, y = one - one.mean(axis=0), other - other.mean(axis=0)
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def procrustes(one: Values, other: Values) -> tuple[float, Values]:
    """Return how far a matrix [nodes, dim] stays from another when laid upon it, and the distance of each row [nodes].

    Both are centred and scaled to a norm of 1, and the second is rotated, mirrored and scaled so that the squared
    distance, the disparity in [0, 1], is least; the one of fewer columns is filled up with zeros. Rows' distances are
    in units of the root mean square distance of rows from their mean; their squares have the disparity as their mean.

    Source: Schönemann, 1966; Gower, 1975 (SciPy's procrustes).
    """
    dim = max(one.shape[1], other.shape[1])
    first, second, disparity = spatial.procrustes(*(np.pad(x, ((0, 0), (0, dim - x.shape[1]))) for x in (one, other)))
    return float(disparity), np.linalg.norm(first - second, axis=1) * np.sqrt(len(first))


def _rows(embedding: Embeddings, graph: Data) -> NDArray[np.float32]:
    x: Any = matrix_of(embedding, graph)
    x = x.toarray() if sp.issparse(x) else x
    unit = normalize(x)
    if np.allclose(unit, unit[0], atol=1e-6):
        raise UserError("all rows of an embedding point in one direction, so there are no neighbourhoods to compare")
    return x


def _classes(graph: Data, groups: ArrayLike | None) -> pd.Categorical:
    """Return the class of each node by its name, missing for none [nodes]; its categories are those that occur."""
    labels = node_classes(graph) if groups is None else np.asarray(groups)
    if labels.shape != (graph.num_nodes,) or labels.dtype.kind not in "biu":
        shape = f"{labels.dtype} {list(labels.shape)}"
        raise UserError(f"groups are one whole number per node [{graph.num_nodes}], not {shape}")
    occurring, codes = np.unique(np.maximum(labels.astype(np.int64), -1), return_inverse=True)
    none = int(occurring[0] < 0)
    names = graph.get("class_names") if groups is None else None
    return pd.Categorical.from_codes(codes - none, [names[i] if names else str(i) for i in occurring[none:]])


def _around(indices: NDArray[np.int32], classes: pd.Categorical) -> pd.DataFrame:
    """Count the classes among the neighbours of each node [nodes, classes]."""
    columns = len(classes.categories) + 1  # neighbours without a class are counted in a last one, which is dropped
    codes = classes.codes.astype(np.int64) % columns
    places = np.arange(len(codes))[:, None] * columns + codes[indices]
    counts = np.bincount(places.ravel(), minlength=len(codes) * columns).reshape(-1, columns)
    return pd.DataFrame(counts[:, :-1], columns=classes.categories)


def _shares(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.div(counts.sum(axis=1), axis=0)  # 0 / 0 is nan


def _log_ratios(counts: pd.DataFrame) -> pd.DataFrame:
    logs = np.log10(counts + 1)
    return logs.sub(logs.mean(axis=1), axis=0)


def _by_class(nodes: pd.DataFrame, confusion: list[pd.DataFrame], seed: int) -> pd.DataFrame:
    codes = nodes["class"].cat.codes
    if nodes["class"].isna().all():
        return pd.DataFrame()
    spread = strata(np.where(codes < 0, np.nan, codes), nodes["overlap"].to_numpy(), len(confusion[0]), seed=seed)
    table = spread.set_axis(confusion[0].index)[["nodes", "mean", "from", "to"]]
    table = table.set_axis(["nodes", "overlap", "low", "high"], axis=1).rename_axis("class")
    means = nodes.groupby("class", observed=True)[[f"abundance, {side}" for side in SIDES]].mean()
    for side, matrix in zip(SIDES, confusion, strict=True):
        table[f"confusion, {side}"] = 1 - np.diag(matrix)
    table["confusion change"] = table["confusion, other"] - table["confusion, one"]
    a, b = (matrix.to_numpy() * (1 - np.eye(len(matrix))) for matrix in confusion)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    known = (lengths > 0) & (len(a) > 2)
    table["neighbourhood"] = np.divide((a * b).sum(axis=1), lengths, out=np.full(len(a), np.nan), where=known)
    table[means.columns] = means
    table["abundance change"] = table["abundance, other"] - table["abundance, one"]
    return table
