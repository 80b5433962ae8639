"""Scores that train nothing on labels: k-means clusters against classes, and the classes of nearest neighbours."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation import clusters
from workbench.evaluation.embeddings import Embeddings, Features, labels_of, matrix_of, name_of
from workbench.evaluation.scores import Measure

CHUNK_MIB = 64  # of similarities that are kept at once


@dataclass(frozen=True)
class Clustering:
    """How well k-means clusters match the classes, each in percent (see `clustering`)."""

    nmi: Measure
    ari: Measure
    accuracy: Measure
    macro_f1: Measure
    per_repeat: pd.DataFrame

    def __str__(self) -> str:
        matched = f"accuracy {self.accuracy} %, macro F1 {self.macro_f1} %"
        return f"k-means: NMI {self.nmi} %, ARI {self.ari} %, {matched} (mean ± {self.nmi.over})"


def clustering(run_or_embeddings: Embeddings, graph: Data, repeats: int = 10, seed: int = 0) -> Clustering:
    """Cluster L2-normalised embeddings by k-means, as many clusters as classes, and compare with the labels.

    Labels only score the clusters; nodes without one are left out. All of the independent k-means++ starts are counted.
    The protocol "k-means" of `evaluate` says the same of as many splits, in a form that is stored and compared.

    Returns:
        Normalised mutual information (arithmetic mean of the entropies), adjusted Rand index, and accuracy and macro F1
        after the best one-to-one matching of clusters and classes (Hungarian), each with its sample std over the
        starts.
    """
    if repeats < 1:
        raise UserError(f"repeats must be at least 1, not {repeats}")
    x, labels = _labelled(run_or_embeddings, graph)
    table = clusters.k_means(x, labels, range(repeats), seed).rename_axis("repeat")
    over = f"sample std over {repeats} starts on one embedding" if repeats > 1 else "one start on one embedding"
    means = {name: Measure(table[name].mean(), table[name].std(), over) for name in table}
    return Clustering(**means, per_repeat=table)


def neighbours(run_or_embeddings: Embeddings, graph: Data, ks: tuple[int, ...] = (5, 10)) -> pd.DataFrame:
    """Return how often the nearest nodes by cosine similarity share a node's class.

    One row for each k: `same_class`, the mean share among the k nearest in percent, and `by_chance`, the share that k
    random other nodes would give. Nodes without a label neither ask nor answer.
    """
    x, labels = _labelled(run_or_embeddings, graph)
    nodes = labels.size
    for k in ks:
        if not 1 <= k < nodes:
            limits = f"between 1 and {nodes - 1} on {name_of(graph)} ({nodes} labelled nodes)"
            raise UserError(f"k must lie {limits}, not {k}")
    step = max(1, CHUNK_MIB * 2**20 // (4 * nodes))
    classes, same = torch.from_numpy(labels), []
    for first in range(0, nodes, step):
        similar = x[first : first + step] @ x.T
        cosines = torch.from_numpy(similar.toarray() if sp.issparse(similar) else similar)
        own = torch.arange(cosines.size(0))
        cosines[own, own + first] = -torch.inf
        nearest = cosines.topk(max(ks), dim=1).indices
        same.append(classes[nearest] == classes[first : first + step, None])
    hits, sizes = torch.cat(same).double(), np.bincount(labels)
    chance = 100 * float((sizes * (sizes - 1)).sum() / (nodes * (nodes - 1)))
    shares = (100 * float(hits[:, :k].mean(dim=1).sum()) / nodes for k in ks)
    return pd.DataFrame({"same_class": shares, "by_chance": chance}, index=pd.Index(ks, name="k"))


def _labelled(run_or_embeddings: Embeddings, graph: Data) -> tuple[Features, NDArray[np.int64]]:
    labels = labels_of(graph)
    kept = np.flatnonzero(labels >= 0)
    return normalize(matrix_of(run_or_embeddings, graph)[kept]), labels[kept]
