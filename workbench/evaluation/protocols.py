"""Named evaluation protocols: how data are split, how a probe is tuned, and what is known to be wrong with it."""

from typing import Any

import numpy as np

from workbench import datasets
from workbench.evaluation import graph_protocols  # noqa: F401  (enters its protocols)
from workbench.evaluation.public_protocols import LAYER, OWN_CLASSES, WIDE_GRID
from workbench.evaluation.splits import (
    LABELLED,
    Split,
    cut,
    get,
    in_order,
    names,
    names_for,
    of,
    protocol,
    shuffled,
)

LINKS = {"auc": "AUC", "average_precision": "average precision", "mrr": "MRR"}
RANKING = ("recall@20", "ndcg@20", "recall@40", "ndcg@40")  # what a ranking is measured by
RELEASED_GRID = tuple(2.0**power for power in range(-10, 10))
CLUSTERING = {"nmi": "NMI", "ari": "ARI"}  # measures of clusters beside accuracy and macro F1; what a reader sees
NUMBERS = {"r2": "R²", "nmae": "NMAE"}  # measures of predicted numbers; what a reader sees
LABELS = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "auc": "AUC",
    **NUMBERS,
    **CLUSTERING,
    **LINKS,
}  # what a reader sees
K_MEANS: dict[str, Any] = {"probe": "k-means", "solvers": ("k-means",), "least_nodes": 1}
LINEAR_LAYER = {**LAYER, "steps": 10_000}
DOT_PRODUCT: dict[str, Any] = {"solvers": ("dot product",), "normalise": False}


@protocol(
    "random-10-90",
    source="the GRACE release (Zhu et al., 2020; 3 splits), taken over by the Str-GCL release (10 splits)",
    all_classes=True,
    deviation="population",
    grid=RELEASED_GRID,
)
def _random_10_90(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """10 % of the nodes train a one-vs-rest logistic regression on L2-normalised rows, 90 % test it; not stratified.

    C is chosen from 2^-10 .. 2^9 by 5-fold cross-validation inside the training part: unshuffled folds, scored by exact
    match of the thresholded one-vs-rest outputs; the prediction is the class with the highest probability.
    """
    return cut(graph, draw, 1 - 0.1)


@protocol(
    "random-20-80",
    source="the BGRL release (Thakoor et al., 2022), taken over by the SGRL release",
    halves=True,
    grid=(*RELEASED_GRID, 2.0**10),
)
def _random_20_80(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """20 % of the nodes train the probe of random-10-90, twice its labels, and 80 % test it; not stratified.

    C is chosen from 2^-10 .. 2^10 on five random halves of the training part, each fitted on the other half; here they
    are drawn by a fixed seed.
    """
    return cut(graph, draw, 0.8)


@protocol(
    "random-10-10-80",
    source="this workbench; the shares that the literature after PyGCL states",
    grid=WIDE_GRID,
)
@protocol(
    "parts",
    source="the ParetoGNN release (Ju et al., 2023), with METIS's parts",
    description="Ten parts of the graph in place of classes: equal stretches of the reverse Cuthill-McKee order of the "
    "edges that are learned from. Splits, probe and choice of C are those of random-10-10-80.",
    kinds=("nodes",),
    parts=10,
    grid=WIDE_GRID,
)
@protocol(
    "multi-label",
    source="this workbench; one-vs-rest logistic regression as in DeepWalk's evaluation (Perozzi et al., 2014), which "
    "is also told how many labels each node has",
    description="For several labels per item, y [items, classes] of 0 and 1. The splits of random-10-10-80; for each "
    "class a logistic regression on L2-normalised rows, which says yes above a probability of one half; one C for all "
    "classes, from 2^-10 .. 2^19 by micro F1 on the validation part, the smallest where several tie. Micro F1 counts "
    "all answers together, macro F1 is the mean over all classes, 0 for a class that is neither there nor predicted.",
    kinds=(*LABELLED, "graph-sets"),
    probe="one-vs-rest",
    several=True,
    grid=WIDE_GRID,
)
@protocol(
    "linear-10-10-80",
    source="this workbench; PyGCL's LREvaluator on the shares that the literature after it states",
    description="The splits of random-10-10-80, the linear layer of pygcl-swapped: the validation part picks the step.",
    **LINEAR_LAYER,
)
@protocol(
    "linear-gca",
    source="the GCA release (Zhu et al., 2021), taken over by ProGCL's and CSGCL's; they draw new splits at each call",
    description="As linear-10-10-80, with the same splits, but the layer is trained for 3,000 steps.",
    **LAYER,
    steps=3_000,
)
@protocol(
    "best-on-test",
    source="no single paper; scripts that report the best epoch's test accuracy do this",
    description="As linear-10-10-80, with the same splits and layers, but the test part picks the step; validation "
    "goes unused.",
    flawed="the test part itself picks the step, so its accuracy is the highest that the layer passed through, "
    "an upper bound of linear-10-10-80 and no estimate for unseen nodes",
    picks_on_test=True,
    **LINEAR_LAYER,
)
def _random_10_10_80(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """10 % of the nodes train, a disjoint 10 % choose C, the remaining 80 % test; not stratified.

    The probe is the one-vs-rest logistic regression of random-10-90 on L2-normalised rows, C from 2^-10 .. 2^19 by
    accuracy on the validation part, the smallest C where several tie.
    """
    nodes = shuffled(graph, draw)
    part = int(0.1 * nodes.size)
    return Split(train=nodes[:part], validation=nodes[part : 2 * part], test=nodes[2 * part :])


@protocol(
    "pygcl-swapped",
    source="PyGCL's get_split(0.1, 0.8) with its LREvaluator at 10,000 steps, as the E2Neg release calls them",
    flawed="validation and test part are swapped: 80 % of the labels pick the step and 10 % are reported, "
    "so its spread is wider and its mean is not comparable with 10/10/80 numbers",
    **LINEAR_LAYER,
)
def _pygcl_swapped(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """10 % of the nodes train one linear layer, 80 % pick its best step, the last 10 % are reported; rows as they are.

    Xavier-uniform weights, Adam at 0.01 without weight decay, full batch; every 20 steps a strict improvement of the
    picking part's accuracy keeps the test scores of that moment.
    """
    nodes = shuffled(graph, draw)
    train, picking = int(nodes.size * 0.1), int(nodes.size * 0.8)
    return Split(train=nodes[:train], validation=nodes[train : train + picking], test=nodes[train + picking :])


@protocol(
    "own-classifier",
    source="this workbench",
    description="The classifier that a supervised method learned, on all labelled items whose labels its training "
    "did not see, those that were held out left aside. Nothing is drawn, so that there is one row.",
    probe="own",
    single="classifier",
    **OWN_CLASSES,
)
@protocol(
    "own-classifier-held-out",
    source="this workbench",
    description="As own-classifier, on the labels that a training with holdout=true kept back, by which settings are "
    "chosen.",
    probe="held-out",
    single="classifier",
    **OWN_CLASSES,
)
@protocol(
    "learned-clusters",
    source="the SCGC release (arXiv 2204.12656) and PamC's after it, there the best epoch of each measure by itself",
    description="The measures of k-means, of the clusters that the method learned: the one that each node belongs to "
    "most after the last epoch. Nothing is drawn, so that there is one row.",
    probe="learned",
    single="set of learned clusters",
    solvers=("argmax",),
    least_nodes=1,
    normalise=False,
)
@protocol(
    "k-means-best-epoch",
    source="the SCGC release (arXiv 2204.12656) and PamC's after it, by learned assignments, not by k-means",
    description="As k-means, with the same starts, on each embedding that was kept on the way, the untrained one "
    "included: of each measure, separately, the maximum over them. A start is one row, and its epoch that of accuracy.",
    flawed="each measure picks its own epoch by the labels that it is measured against, so no one embedding has these "
    "numbers, and more epochs can only raise them; 'k-means' says what the last embedding has",
    snapshots=True,
    **K_MEANS,
)
@protocol(
    "k-means", source="this workbench; the measures that papers on clustering state, of the last epoch", **K_MEANS
)
def _k_means(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """k-means on L2-normalised rows, as many clusters as classes, one k-means++ start per split; labels only score.

    Accuracy and macro F1 are of the best one-to-one matching of clusters and classes; beside them stand normalised
    mutual information (arithmetic mean of the entropies) and the adjusted Rand index. All of the embedding at the last
    epoch, in percent.
    """
    labelled = np.flatnonzero(datasets.labels_of(graph) >= 0)
    return Split(train=labelled[:0], validation=None, test=labelled)


@protocol(
    "full-ranking",
    source="the LightGCN release (He et al., 2020); LightGCL's averages over blocks of users instead",
    description="Recall and NDCG at 20 and 40 of users' held-out items among all items but those of training, means "
    "over users. Nothing is trained: items are ranked by the dot product of the embeddings, those of training at minus "
    "infinity; of equal scores the smaller item number stands higher. Users without held-out items don't count; those "
    "without training items do, and so do held-out items that nobody took in training.",
    kinds=("bipartite",),
    probe="ranking",
    **DOT_PRODUCT,
)
@protocol(
    "interactions",
    source="this workbench; the measures of VGAE (Kipf and Welling, 2016) and of OGB",
    description="The measures of links, of held-out interactions against as many pairs of user and item, 500 at least.",
    kinds=("bipartite",),
    probe="links",
    **DOT_PRODUCT,
)
@protocol(
    "links",
    source="this workbench; the measures of VGAE (Kipf and Welling, 2016) and of OGB",
    kinds=("nodes",),
    probe="links",
    drawn=False,
    solvers=("cosine", "dot product", "logistic"),
    normalise=False,
    baselines=("raw", "propagated", "common-neighbours", "adamic-adar", "preferential-attachment"),
)
def _held_out(data: Any, number: int, draw: np.random.Generator) -> Split:
    """Links held out before training against as many pairs without a link, 500 at least, drawn anew by each split.

    AUC, average precision, Hits@20, Hits@50 and MRR. "cosine" and "dot product" train nothing; "logistic" fits links
    that are left by the products of their ends' columns, C chosen on the validation links.
    """
    raise NotImplementedError("what is held out is the only split")


for _stratum in ("head", "tail"):
    protocol(
        f"full-ranking-{_stratum}",
        source="this workbench; gains that sit in popular items alone are a known fault of rankings",
        description=f"As full-ranking, but of the held-out items only those in the {_stratum} count. The fifth of all "
        "items that most users took in training is the head, the others that somebody took are the tail.",
        kinds=("bipartite",),
        probe="ranking",
        stratum=_stratum,
        **DOT_PRODUCT,
    )(_held_out)


__all__ = ["get", "in_order", "names", "names_for", "of", "protocol"]
