"""Protocols that score sets of graphs and typed graphs; `workbench.evaluation.protocols` has all."""

from functools import partial
from typing import Any

import numpy as np

from workbench import datasets
from workbench.errors import UserError
from workbench.evaluation.splits import FOLDS, MASKS, Split, get, protocol, shuffled

SVC: dict[str, Any] = {
    "kinds": ("graph-sets",),
    "probe": "svc",
    "solvers": ("svc",),
    "normalise": False,
    "deviation": "population",
    "folds": True,
}


@protocol(
    "svc-10-folds",
    source="the InfoGraph release (Sun et al., 2020), and GraphCL's after it",
    grid=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0),
    **SVC,
)
@protocol(
    "svc-10-folds-graphmae",
    source="the GraphMAE release (Hou et al., 2022)",
    description="As svc-10-folds, with the same folds, but C is chosen from 1e-3 .. 10.",
    grid=(1e-3, 1e-2, 1e-1, 1.0, 10.0),
    **SVC,
)
def _svc_10_folds(graphs: Any, number: int, draw: np.random.Generator) -> Split:
    """Ten stratified folds, each tested once by a SVC with an RBF kernel that the other nine trained.

    Vectors are taken as they are. C is chosen from 1e-3 .. 1e3 by stratified 5-fold cross-validation inside the nine.
    The releases score the graphs again after each epoch; whether the figures they print are the best of these was not
    verified. Here the vectors of the last epoch count.
    """
    from sklearn.model_selection import StratifiedKFold

    labels = datasets.labels_of(graphs)
    known = np.flatnonzero(labels >= 0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(draw.integers(2**31)))
    train, test = list(folds.split(known, labels[known]))[number]
    return Split(train=known[train], validation=None, test=known[test])


def _few_shots(shots: int) -> None:
    """Register the protocol that trains on so many graphs of each class."""

    @protocol(
        f"svc-{shots}-shot",
        source="this workbench; few labels are a scenario of Revisiting Graph Neural Networks on Graph-level Tasks, "
        "whose settings were not at hand",
        description=f"{shots} random graphs of each class train the SVC of svc-10-folds, C chosen as there; all others "
        "test it. Where classes are of different sizes, macro F1 says more than accuracy.",
        grid=get("svc-10-folds").grid,
        **{**SVC, "folds": False, "deviation": "sample"},
    )
    def splitter(graphs: Any, number: int, draw: np.random.Generator) -> Split:
        order, labels = shuffled(graphs, draw), datasets.labels_of(graphs)
        of = [order[labels[order] == label] for label in np.unique(labels[order])]
        if (fewest := min(map(len, of))) <= shots:
            raise UserError(
                f"protocol 'svc-{shots}-shot' trains on {shots} graphs of each class and tests on others; a class of "
                f"{datasets.name_of(graphs)} has {fewest}"
            )
        return Split(np.concatenate([part[:shots] for part in of]), None, np.concatenate([part[shots:] for part in of]))


for _shots in (5, 10, 20):
    _few_shots(_shots)


@protocol(
    "auc-scaffold",
    source="MoleculeNet (Wu et al., 2018), with logistic regressions on frozen vectors in place of training on",
    description="The split of svc-scaffold. For each task of yes and no a logistic regression on standardised columns, "
    "trained on the molecules whose answer is known; one C for all from 2^-10 .. 2^9, by the mean AUC of the "
    "validation part. The area under the ROC curve is a mean over the tasks that have both answers in training and "
    "test part.",
    kinds=("graph-sets",),
    probe="auc",
    solvers=("fast",),
    normalise=False,
    grid=tuple(2.0**power for power in range(-10, 10)),
    single="split by scaffolds",
)
@protocol(
    "svc-scaffold",
    source="MoleculeNet (Wu et al., 2018), with a SVC on frozen vectors in place of training on, and accuracy, not AUC",
    grid=get("svc-10-folds").grid,
    single="split by scaffolds",
    **{**SVC, "folds": False},
)
def _svc_scaffold(graphs: Any, number: int, draw: np.random.Generator) -> Split:
    """The one split of molecules by their scaffolds: 80 % train the SVC of svc-10-folds, 10 % choose C, 10 % test it.

    Scaffolds that most molecules have come first, of equals the one that occurs first; each goes whole into the first
    part that has room for it. Nothing is drawn.
    """
    if any(graph.get("scaffold") is None for graph in graphs):
        raise UserError(
            f"molecules are split by their scaffolds here, and {datasets.name_of(graphs)} has none; "
            "'svc-10-folds' draws folds at random"
        )
    several = datasets.kind_of(graphs).labels(graphs) is None  # tasks, of which some may be known of a molecule
    there = np.isfinite(datasets.tasks_of(graphs)).any(axis=1) if several else datasets.labels_of(graphs) >= 0
    known = np.flatnonzero(there)
    scaffolds = np.array([int(graphs[graph].scaffold) for graph in known])
    groups = sorted((known[scaffolds == one] for one in np.unique(scaffolds)), key=lambda part: (-len(part), part[0]))
    parts: tuple[list[int], list[int], list[int]] = [], [], []
    for group in groups:
        room = (
            len(parts[0]) + len(group) <= 0.8 * len(known),
            len(parts[0]) + len(parts[1]) + len(group) <= 0.9 * len(known),
        )
        parts[0 if room[0] else 1 if room[1] else 2].extend(group.tolist())
    return Split(*(np.array(part, dtype=np.int64) for part in parts))


@protocol(
    "ridge-10-folds",
    source="this workbench, for numbers such as counts of cycles",
    kinds=("graph-sets",),
    probe="ridge",
    solvers=("ridge",),
    normalise=False,
    deviation="population",
    folds=True,
    grid=tuple(10.0**power for power in range(-4, 5)),
)
def _ridge_10_folds(graphs: Any, number: int, draw: np.random.Generator) -> Split:
    """Ten folds, each predicted once by a ridge regression of each target that the other nine trained.

    Columns and targets are standardised by the training part, whose leave-one-out error chooses the penalty from 1e-4
    .. 1e4. The share of variance that is told (R²) and the mean absolute error in deviations of the target (NMAE), in
    percent, are means over the targets; `per_split` has each target's error.
    """
    known = np.flatnonzero(np.isfinite(datasets.numbers_of(graphs)).any(axis=1))
    order = draw.permutation(known)
    return Split(train=np.delete(order, np.s_[number::FOLDS]), validation=None, test=order[number::FOLDS])


_HECO = (
    "The published split of {0} labels per class, 1,000 items to tune by and 1,000 to test on. One linear layer on the "
    "rows as they are, Xavier-uniform weights, Adam at 0.01 (on ACM 0.05), 200 steps of the full batch, started anew "
    "for each row; macro F1 and micro F1 of the test part are taken at the first step at which the same measure of the "
    "validation part is best, the area under the ROC curve (one class against the rest, mean over classes) at that of "
    "micro F1. The release starts 50 times, so splits=50 is its number; none of them is another training."
)


def _published(data: Any, number: int, draw: np.random.Generator, column: int) -> Split:
    """Return the split in a column of the masks of the targets, whichever the restart."""
    from workbench.datasets.hetero import target_type

    store, labelled = data[target_type(data)], datasets.labels_of(data) >= 0
    for name in MASKS:
        mask = store.get(name)
        if mask is None or mask.dim() != 2 or mask.shape[1] <= column:
            raise UserError(
                "HeCo's protocols need masks of 20, 40 and 60 labels per class, train_mask, val_mask and test_mask "
                f"[items, 3], and {datasets.name_of(data)} has no such {name}; 'random-10-10-80' draws its own splits"
            )
    return Split(*(np.flatnonzero(store[name][:, column].cpu().numpy() & labelled) for name in MASKS))


for _column, _labels in enumerate((20, 40, 60)):
    protocol(
        f"heco-{_labels}",
        source="the HeCo release (Wang et al., 2021), taken over by MEOW's and AdaMEOW's",
        description=_HECO.format(_labels),
        kinds=("hetero", "multiplex"),
        probe="restarts",
        solvers=("adam",),
        normalise=False,
        steps=200,
    )(partial(_published, column=_column))
