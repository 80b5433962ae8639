"""What labels say of nodes that differ in a score: looked at by groups of nodes of like score, never trained on."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from torch_geometric.data import Data
from torch_geometric.utils import remove_self_loops

from workbench.errors import UserError
from workbench.evaluation import probes, protocols
from workbench.evaluation.embeddings import Embeddings, compact_labels, labels_of, matrix_of

Values = NDArray[np.float64]
DRAWS = 1_000
PROBE = (
    "the probe: logistic regression on the embedding, ten random splits of 10 % training, 10 % validation and 80 % "
    "test; a node's error is the share of wrong answers in the splits that test it"
)
ALIKE, ERRORS = "neighbours of a node's own class", "errors of a probe trained on other nodes"


def label_homophily(graph: Data) -> Values:
    """Return the share of each node's neighbours that have its class, nan where none has a label [nodes].

    Neighbours are the nodes to which it has an edge, each as often as it is stored, without itself.
    """
    labels = labels_of(graph)
    assert graph.edge_index is not None
    source, target = remove_self_loops(graph.edge_index)[0].cpu().numpy()
    both = (labels[source] >= 0) & (labels[target] >= 0)
    same = pd.Series(labels[source] == labels[target])[both]
    return same.groupby(source[both]).mean().reindex(range(labels.size)).to_numpy()


def probe_errors(run_or_embeddings: Embeddings, graph: Data, splits: int = 10, seed: int = 0) -> Values:
    """Return how often a probe that was trained on other nodes is wrong about each node [nodes].

    The probe is the logistic regression of "random-10-10-80" on a run or a matrix [nodes, dim]; a node is asked in the
    splits that have it in their test part, about eight of ten, and is nan where it never is.
    """
    truth, classes = compact_labels(graph)
    rules = protocols.get("random-10-10-80")
    parts = rules.splits(graph, splits, seed)
    x = normalize(matrix_of(run_or_embeddings, graph))
    asked, wrong = np.zeros(truth.size), np.zeros(truth.size)
    for split in parts:
        known = truth.copy()
        known[split.test] = -1
        asked[split.test] += 1
        wrong[split.test] += probes.fast(x, known, split, classes, rules.grid).classes != truth[split.test]
    return np.where(asked > 0, wrong / np.maximum(asked, 1), np.nan)


def strata(score: Values, value: Values, groups: int = 5, seed: int = 0) -> pd.DataFrame:
    """Average a value over groups of nodes of like score; nodes without either (nan) are left out.

    Args:
        score: what the nodes are grouped by [nodes]; one group per value where it has at most `groups` values, as a
            rule that is true or false has, else groups between its quantiles, fewer where many nodes tie.
        value: what is averaged [nodes].

    Returns:
        One row per group in ascending order of the score: "low" and "high" (its range), "nodes", "mean", and "from" and
        "to", the 95 % percentile bootstrap interval of the mean over nodes (1,000 draws, nan below two nodes).
    """
    score, value = np.asarray(score, np.float64), np.asarray(value, np.float64)
    if score.ndim != 1 or score.shape != value.shape:
        raise UserError(f"one score and one value per node are needed, not {list(score.shape)} and {list(value.shape)}")
    both = np.isfinite(score) & np.isfinite(value)
    score, value = score[both], value[both]
    if not score.size:
        raise UserError("no node has both a score and a value")
    levels, group = np.unique(score, return_inverse=True)
    if levels.size > groups:
        inner = np.unique(np.quantile(score, np.arange(1, groups) / groups))
        group = np.unique(np.searchsorted(inner, score, side="left"), return_inverse=True)[1]
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(group.max() + 1):
        mine, scored = value[group == number], score[group == number]
        low, high = np.nan, np.nan
        if mine.size > 1:
            # How often each value is drawn is all that matters; a few values are quicker drawn by their counts.
            values, counts = np.unique(mine, return_counts=True)
            means = draw.multinomial(mine.size, counts / mine.size, size=DRAWS) @ values / mine.size
            low, high = np.quantile(means, [0.025, 0.975])
        rows.append((scored.min(), scored.max(), mine.size, mine.mean(), low, high))
    return pd.DataFrame(rows, columns=["low", "high", "nodes", "mean", "from", "to"])


def errors_of(embedding: Embeddings | None, graph: Data, seed: int = 0) -> tuple[Values | None, str]:
    """Return how often a probe is wrong about each node [nodes], None where that can't be said, and a sentence on it.

    The embedding is a run, or a matrix [nodes, dim]; None where there is none.
    """
    if embedding is None:
        return None, "pass embedding= (a run, or a matrix [nodes, dim]) to see the errors of a probe along the score"
    matrix_of(embedding, graph)
    try:
        return probe_errors(embedding, graph, seed=seed), PROBE
    except UserError as error:  # too few labels to split
        return None, f"no errors of a probe: {error}"


def label_tables(
    values: Values, graph: Data, errors: Values | None = None, seed: int = 0
) -> Mapping[str, pd.DataFrame | str]:
    """Return what labels say of groups of nodes of like value, one table per question, or a sentence why there is none.

    Nodes are grouped by `values` [nodes]; `errors` [nodes] are those of `probe_errors`.
    """
    tables: dict[str, pd.DataFrame | str] = {}
    try:
        alike = label_homophily(graph)
    except UserError as error:  # labels that give no class to each node
        tables[ALIKE] = str(error)
    else:
        there = bool(np.isfinite(alike).any())
        tables[ALIKE] = strata(values, alike, seed=seed) if there else "no edge joins two nodes that have a label"
    if errors is not None:
        tables[ERRORS] = strata(values, errors, seed=seed)
    return tables
