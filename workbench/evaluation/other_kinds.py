"""The protocols of data that are no nodes with labels: sets of graphs, users and items."""

from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from workbench.evaluation.protocols import FOLDS, Split, labels_of, protocol


@protocol(
    "svc-10-folds",
    source="the InfoGraph release (Sun et al., 2020), and GraphCL's after it",
    kinds=("graph-sets",),
    probe="svc",
    solvers=("svc",),
    normalise=False,
    deviation="population",
    folds=True,
    grid=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0),
)
def _svc_10_folds(graphs: Any, number: int, draw: np.random.Generator) -> Split:
    """Ten stratified folds, each tested once by a SVC with an RBF kernel that the other nine trained.

    Vectors are taken as they are. C is chosen from 1e-3 .. 1e3 by stratified 5-fold cross-validation inside the nine.
    The releases score the graphs again after each epoch, and the figures they print are the best of these, which picks
    the epoch on the test folds; here the vectors of the last epoch count.
    """
    labels = labels_of(graphs)
    known = np.flatnonzero(labels >= 0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(draw.integers(2**31)))
    train, test = list(folds.split(known, labels[known]))[number]
    return Split(train=known[train], validation=None, test=known[test])


@protocol(
    "svc-10-folds-graphmae",
    source="the GraphMAE release (Hou et al., 2022)",
    kinds=("graph-sets",),
    probe="svc",
    solvers=("svc",),
    normalise=False,
    deviation="population",
    folds=True,
    grid=(1e-3, 1e-2, 1e-1, 1.0, 10.0),
)
def _svc_10_folds_graphmae(graphs: Any, number: int, draw: np.random.Generator) -> Split:
    """As svc-10-folds, with the same folds, but C is chosen from 1e-3 .. 10."""
    return _svc_10_folds(graphs, number, draw)


@protocol(
    "full-ranking",
    source="the LightGCN release (He et al., 2020); LightGCL's averages over blocks of users instead",
    kinds=("bipartite",),
    probe="ranking",
    solvers=("dot product",),
    normalise=False,
)
def _full_ranking(data: Any, number: int, draw: np.random.Generator) -> Split:
    """Recall and NDCG at 20 and 40 of users' held-out items among all items but those of training, means over users.

    Nothing is trained: items are ranked by the dot product of the embeddings, see `workbench.evaluation.ranking`.
    """
    raise NotImplementedError("what is held out is the only split")
