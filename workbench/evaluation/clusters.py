"""k-means clusters of an embedding against classes: one implementation for the protocols and for `clustering`."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, f1_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.preprocessing import normalize

from workbench.evaluation.embeddings import Features
from workbench.randomness import Randomness

MEASURES = ("accuracy", "nmi", "ari", "macro_f1")


def matched(labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that the best one-to-one matching (Hungarian) gives each item's cluster, -1 for none [items]."""
    table = contingency_matrix(labels, clusters)
    classes, (names, places) = np.unique(labels), np.unique(clusters, return_inverse=True)
    of_cluster = np.full(names.size, -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    of_cluster[columns] = classes[rows]
    return of_cluster[places]


def compared(labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> dict[str, float]:
    """Return what clusters come to in percent by `MEASURES`, given the class and the cluster of each item [items].

    Accuracy and macro F1, over the classes that occur, are of the best one-to-one matching; normalised mutual
    information takes the arithmetic mean of the entropies; the adjusted Rand index may be below 0.
    """
    predicted = matched(labels, clusters)
    scores = {
        "accuracy": (predicted == labels).mean(),
        "nmi": normalized_mutual_info_score(labels, clusters),
        "ari": adjusted_rand_score(labels, clusters),
        "macro_f1": f1_score(labels, predicted, average="macro", labels=np.unique(labels), zero_division=0),
    }
    return {name: 100 * float(score) for name, score in scores.items()}


def k_means(x: Features, labels: NDArray[np.int64], starts: Iterable[int], seed: int) -> pd.DataFrame:
    """Return what k-means clusters come to, as many as classes: one row per start, `MEASURES` in percent.

    Args:
        x: embeddings, as they are to be clustered [items, dim].
        labels: the class of each item, which scores alone [items].
        starts: numbers of the independent k-means++ starts. seed: of all of them; start i depends on it and i only.
    """
    count, rows = np.unique(labels).size, {}
    for number in starts:
        state = Randomness(seed).integer(f"clusters {number}")
        rows[number] = compared(labels, KMeans(count, n_init=1, random_state=state).fit_predict(x))
    return pd.DataFrame.from_dict(rows, "index", columns=[*MEASURES])


def per_start(
    embeddings: Features | Mapping[int, Features], labels: NDArray[np.int64], starts: int, seed: int, normalise: bool
) -> pd.DataFrame:
    """Return what the clusters of an embedding come to, or of several by epoch at best: one row per start.

    Args:
        embeddings: [items, dim]; by epoch the maximum of each measure counts, separately, and "epoch" is accuracy's. Or
            clusters as they were learned [items], for which one row is all.
        labels: the class of each item, negative for none, which leaves the item out [items].
        starts, seed: see `k_means`. normalise: whether each row is divided by its L2 norm first.
    """
    kept = np.flatnonzero(labels >= 0)

    def of(x: Features) -> pd.DataFrame:
        return k_means(normalize(x[kept]) if normalise else x[kept], labels[kept], range(starts), seed)

    if not isinstance(embeddings, Mapping) and embeddings.ndim == 1:
        sizes = {"clusters": np.unique(embeddings[kept]).size, "test": kept.size}
        return pd.DataFrame([compared(labels[kept], embeddings[kept]) | sizes])
    sizes = {"clusters": np.unique(labels[kept]).size, "test": kept.size}
    if not isinstance(embeddings, Mapping):
        return of(embeddings).assign(**sizes)
    of_epochs = {epoch: of(x) for epoch, x in embeddings.items()}
    best = pd.concat(of_epochs, names=["epoch", "start"]).groupby("start").max()
    accuracy = pd.DataFrame({epoch: table["accuracy"] for epoch, table in of_epochs.items()})
    return best.assign(epoch=accuracy.idxmax(axis=1), **sizes)
