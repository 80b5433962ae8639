"""Full ranking: how high each user's held-out items stand among all items that the user hasn't had in training."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.datasets.bipartite import held_out, interactions
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError

Scorer = Callable[[NDArray[np.int64]], NDArray[np.floating[Any]]]
"""A function from users [block] to their scores of all items [block, items]."""

CUTOFFS = (20, 40)
HEAD = "head: the 20 % most taken"
BLOCK = 1 << 23  # scores looked at in one go


def user_items(pairs: Tensor, data: HeteroData) -> sp.csr_matrix:
    """Return which pairs of user and item [2, pairs] there are, as True [users, items]."""
    counts = tuple(kind_of(data).sizes(data).values())
    return sp.csr_matrix((np.ones(pairs.size(1), bool), pairs.cpu().numpy()), counts)


def ranks(embeddings: Mapping[str, Any] | Scorer, data: HeteroData) -> pd.DataFrame:
    """Return the rank of each held-out item among all items, from 1, for its user: columns user, item, rank.

    The items that the user had in training score minus infinity, so that no other stands below them. Of items with
    equal scores the one with the smaller number stands higher; a user whom a method gives equal scores throughout, as
    popularity does for all and item-item cosine for one without training items, is ranked by these numbers alone.

    Scores are the dot products of the embeddings, {"user": [users, dim], "item": [items, dim]}, or those of a scorer.
    It is asked for a block of users at a time, so that scores of all users never exist together. A UserError where no
    interactions are held out.
    """
    test = held_out(data)
    if test is None or not test.size(1):
        raise UserError("no interactions are held out (test_edge_index), so there is nothing to rank for")
    asked, known = user_items(test, data), user_items(interactions(data), data)
    users, items = np.flatnonzero(np.diff(asked.indptr)), asked.shape[1]
    scores: Any
    parts = []
    for block in np.array_split(users, min(len(users), 1 + asked.nnz * items // BLOCK)):
        scores = embeddings(block) if callable(embeddings) else embeddings["user"][block] @ embeddings["item"].T
        scores = np.array(scores.toarray() if sp.issparse(scores) else scores, dtype=np.float32)
        scores[known[block].nonzero()] = -np.inf
        row, item = asked[block].nonzero()
        own = scores[row, item][:, None]
        above = scores[row] > own
        above |= (scores[row] == own) & (np.arange(items) < item[:, None])
        parts.append(above.sum(axis=1) + 1)
    user, item = asked.nonzero()
    return pd.DataFrame({"user": user, "item": item, "rank": np.concatenate(parts)})


def ranked(embeddings: Mapping[str, Any] | Scorer, data: HeteroData, stratum: str = "") -> pd.DataFrame:
    """Rank all items for each user with held-out items, and measure how many stand near the top.

    - Recall@k is the share of the user's held-out items among the first k.
    - NDCG@k is the sum of 1 / log2(rank + 1) over the held-out items among the first k, divided by what it would be if
      they stood first: the sum over the ranks up to min(k, how many are held out).

    Source: He et al., 2020 (LightGCN's release), whose sum is the same. Of a `stratum` of `by_popularity` its items
    alone count. Other arguments and errors as for `ranks`, which says what is left out and how ties are broken.

    Returns:
        One row per user with held-out items, in percent: `protocols.RANKING`.
    """
    held = ranks(embeddings, data)
    if stratum and not (counted := by_popularity(held, data)[stratum]).any():
        raise UserError(f"none of the held-out items is in the {stratum}, so there is nothing to rank for")
    return measured(held[counted] if stratum else held)


def measured(held: pd.DataFrame) -> pd.DataFrame:
    """Return what `ranked` does, of some of the rows of `ranks`."""
    users, user = np.unique(held["user"], return_inverse=True)
    rank, count = held["rank"].to_numpy(), np.bincount(user)
    best, columns = np.cumsum(1 / np.log2(np.arange(2, max(CUTOFFS) + 2))), {}
    for k in CUTOFFS:
        hit = rank <= k
        columns[f"recall@{k}"] = 100 * (np.bincount(user, weights=hit) / count)
        gain = np.bincount(user, weights=hit / np.log2(rank + 1))
        columns[f"ndcg@{k}"] = 100 * (gain / best[np.minimum(k, count) - 1])
    return pd.DataFrame(columns, index=pd.Index(users, name="user"))


def strata(embeddings: Mapping[str, Any] | Scorer, data: HeteroData, groups: int = 4) -> pd.DataFrame:
    """Measure a ranking apart for users by how many training items they have, and for much and little taken items.

    Args:
        embeddings, data: as for `ranks`.
        groups: of the users with training items, of like size, between quantiles; fewer where many have as many.

    Returns:
        One row a stratum: "of", "users" or "items"; "stratum", e.g. "no training item" or "5 to 12 training items", for
        items "head: the 20 % most taken", "tail" and "not in training"; "users", with held-out items in it;
        "held out", how many those are; `protocols.RANKING` in percent, means over these users, of an item stratum as
        if only its items had been held out; "from" and "to", the 95 % interval of the first by the standard error.
    """
    held = ranks(embeddings, data)
    users = _counts(data)[0]
    count, level = users[held["user"]], users[np.unique(held["user"])]
    shares = np.arange(1, groups + 1) / groups
    bounds = np.unique(np.quantile(level[level > 0], shares).round()).astype(int).tolist() if level.any() else []
    parts = [("users", "no training item", count == 0)]
    for low, high in pairwise([0, *bounds]):
        span = f"{low + 1} to {high}" if high > low + 1 else f"{high}"
        parts.append(("users", f"{span} training item{'s' * (high > 1)}", (count > low) & (count <= high)))
    parts += [("items", HEAD if name == "head" else name, rows) for name, rows in by_popularity(held, data).items()]
    rows = []
    for of, stratum, chosen in parts:
        if not chosen.any():
            continue
        each = measured(held[chosen])
        mean, margin = each.mean(), 1.96 * each.iloc[:, 0].sem()
        ends = {"from": max(mean.iloc[0] - margin, 0.0), "to": min(mean.iloc[0] + margin, 100.0)}
        facts = {"of": of, "stratum": stratum, "users": len(each), "held out": int(chosen.sum())}
        rows.append(facts | mean.to_dict() | ends)
    return pd.DataFrame(rows)


def by_popularity(held: pd.DataFrame, data: HeteroData) -> dict[str, NDArray[np.bool_]]:
    """Return which rows of `ranks` are of items in the "head", in the "tail", and "not in training" [rows]."""
    items = _counts(data)[1]
    head = np.isin(held["item"], np.argsort(-items, kind="stable")[: -(-len(items) // 5)])
    taken = items[held["item"]] > 0
    return {"head": head & taken, "tail": ~head & taken, "not in training": ~taken}


def _counts(data: HeteroData) -> list[NDArray[np.int64]]:
    """Return how many training interactions each user has, and each item, an interaction counted once."""
    known = user_items(interactions(data), data)
    return [np.bincount(ends, minlength=n) for ends, n in zip(known.nonzero(), known.shape, strict=True)]
