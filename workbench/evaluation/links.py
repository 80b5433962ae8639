"""Link prediction: how far links that were held out stand above pairs that no link joins."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from threadpoolctl import threadpool_limits
from torch import Tensor

from workbench.datasets.kinds import content_hash, kind_of
from workbench.datasets.labels import name_of
from workbench.datasets.links import Pairs, pairs_without_link, parts_of
from workbench.errors import UserError
from workbench.evaluation.embeddings import Embeddings, by_item, matrix_of
from workbench.evaluation.splits import check_draws
from workbench.randomness import Randomness

CUTOFFS = (20, 50)
MEASURES = ("auc", "average_precision", *(f"hits@{k}" for k in CUTOFFS), "mrr")
LEAST = 500  # pairs without a link that fewer links are held against
MOST = 5_000  # links that a probe is trained on
GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of its C, for columns of deviation 1

Describe = Callable[[Pairs], Any]
"""A function from pairs [2, pairs] to rows [pairs, dim] whose sums are their scores."""


def looked_at(run_or_embeddings: Embeddings, data: Any) -> Any:
    """Return the matrix of a run, one by the name of each item, or a scorer as it is.

    A UserError tells of a run that was not trained on these data: held-out links may have been among its edges.
    """
    trained_on = getattr(run_or_embeddings, "graph_hash", None)
    if trained_on not in (None, content_hash(data)):
        raise UserError(
            f"this run of {run_or_embeddings.method} was trained on another {run_or_embeddings.graph!r}, which may "
            f"have the links that are held out of {name_of(data)}; train on the data that links are predicted for",
            kind="other data",
        )
    if kind_of(data).name == "bipartite":
        return by_item(run_or_embeddings, data)
    x = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    return x if callable(x) and not isinstance(x, Tensor) else matrix_of(run_or_embeddings, data)


def describing(x: Any, data: Any, unit: bool) -> Describe:
    """Return what describes pairs by the products of their ends' columns, of rows of `unit` length, or by their score.

    Args:
        x: what `looked_at` returns.
        data: with the nodes, or users and items, that pairs are of.
        unit: whether rows are divided by their L2 norm first.
    """
    kind = kind_of(data)
    if callable(x):
        return lambda pairs: np.asarray(_scored(x, pairs, kind.name == "bipartite"), np.float64)[:, None]
    ends = [x[item] for item in kind.items] if isinstance(x, dict) else [x, x]
    if unit:
        ends = [normalize(end) for end in ends]

    def describe(pairs: Pairs) -> Any:
        first, second = (end[rows] for end, rows in zip(ends, pairs, strict=True))
        return first.multiply(second).tocsr() if sp.issparse(first) else first * second

    return describe


def _scored(scorer: Any, pairs: Pairs, bipartite: bool) -> Any:
    """Return a score of each pair [pairs]; a scorer of users gives all of their items at once."""
    if not bipartite:
        return scorer(pairs)
    scores = np.empty(pairs.shape[1])
    for users in np.array_split(np.unique(pairs[0]), 1 + pairs.shape[1] // 1_000):
        mine = np.flatnonzero(np.isin(pairs[0], users))
        scores[mine] = np.asarray(scorer(users))[np.searchsorted(users, pairs[0][mine]), pairs[1][mine]]
    return scores


@threadpool_limits.wrap(limits=1)
def per_draw(x: Any, data: Any, draws: int, seed: int, solver: str, normalise: bool) -> pd.DataFrame:
    """Score held-out links against pairs without a link, drawn anew in each row; see `measured`, in percent.

    As many are drawn as there are links to test, 500 at least, or all there are. No embedding is trained for it: the
    score is the sum of the columns that describe a pair, or what logistic regression makes of them that learned links
    and as many other pairs without one, its C chosen by the AUC of the validation links. No pair is in two parts.
    """
    check_draws(draws, seed)
    describe = describing(x, data, normalise or solver == "cosine")
    parts, counts = parts_of(data), tuple(kind_of(data).sizes(data).values())
    links, rows = np.hstack([*parts.values()]), []
    if solver == "logistic" and not parts.get("validation", links[:, :0]).size:
        raise UserError(f"solver 'logistic' chooses C by validation links (val_edge_index); {name_of(data)} has none")
    for number in range(draws):
        draw = np.random.default_rng(Randomness(seed).integer(f"pairs without a link {number}"))
        known = parts | {"train": parts["train"][:, draw.permutation(parts["train"].shape[1])[:MOST]]}
        sizes = {part: known[part].shape[1] for part in ("train", "validation") if solver == "logistic"}
        free = pairs_without_link(links, counts, sum(sizes.values()) + max(LEAST, known["test"].shape[1]), draw)
        if free.shape[1] < sum(sizes.values()) + max(CUTOFFS):
            raise UserError(f"{name_of(data)} has {free.shape[1]:,} pairs without a link, too few to predict links by")
        *others, against = np.split(free, np.cumsum([*sizes.values()]), axis=1)
        weigh, chosen = (_sums, np.nan) if solver != "logistic" else _probe(describe, known, *others)
        row = measured(weigh(describe(known["test"])), weigh(describe(against)))
        rows.append(row | {"C": chosen, "links": known["test"].shape[1], "without": against.shape[1]})
    return pd.DataFrame(rows).dropna(axis=1, how="all").rename_axis("split")


def measured(true: NDArray[np.float64], false: NDArray[np.float64]) -> dict[str, float]:
    """Return `MEASURES` of the scores of links [links] against those of other pairs [others], in percent.

    - auc: the area below the ROC curve; of equal scores half counts.
    - average_precision: others are weighted so that they count as much as the links do, however many they are.
    - hits@k: the share of links that score above the k-th best of the others, strictly, as in OGB's evaluator.
    - mrr: the mean of 1 / rank of each link among the others; among equal scores it takes the mean rank.
    """
    truth, scores = np.repeat([1, 0], [len(true), len(false)]), np.concatenate([true, false])
    weight = np.where(truth, 1.0, len(true) / len(false))
    ordered = np.sort(false)
    above = len(false) - np.searchsorted(ordered, true, side="right")
    equal = np.searchsorted(ordered, true, side="right") - np.searchsorted(ordered, true, side="left")
    values = {
        "auc": roc_auc_score(truth, scores),
        "average_precision": average_precision_score(truth, scores, sample_weight=weight),
        **{f"hits@{k}": (true > ordered[-k]).mean() for k in CUTOFFS},
        "mrr": (1 / (1 + above + equal / 2)).mean(),
    }
    return {name: 100 * float(value) for name, value in values.items()}


def _sums(described: Any) -> NDArray[np.float64]:
    return np.asarray(described.sum(axis=1), np.float64).ravel()


def _probe(
    describe: Describe, known: dict[str, Pairs], train: Pairs, validation: Pairs
) -> tuple[Callable[[Any], NDArray[np.float64]], float]:
    """Return logistic regression on what describes pairs, and its C; `train` and `validation` have no link [2, pairs].

    Of several C with the same AUC of the validation links it is the smallest.
    """
    rows, held = (
        [describe(known[part]), describe(free)] for part, free in (("train", train), ("validation", validation))
    )
    stack = sp.vstack if sp.issparse(rows[0]) else np.vstack
    targets, sides = (np.repeat([1, 0], [part.shape[0] for part in parts]) for parts in (rows, held))
    best = (-1.0, 0.0, None)
    for strength in GRID:
        model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=strength, max_iter=1_000))
        weigh = model.fit(stack(rows), targets).decision_function
        if (auc := float(roc_auc_score(sides, np.concatenate([*map(weigh, held)])))) > best[0]:
            best = (auc, strength, weigh)
    assert best[2] is not None
    return best[2], best[1]
