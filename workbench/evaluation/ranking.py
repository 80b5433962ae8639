"""Full ranking: how high each user's held-out items stand among all items that the user hasn't had in training."""

from collections.abc import Callable, Mapping
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
BLOCK = 1 << 23  # scores looked at in one go


def user_items(pairs: Tensor, data: HeteroData) -> sp.csr_matrix:
    """Return which pairs of user and item [2, pairs] there are, as True [users, items]."""
    counts = tuple(kind_of(data).sizes(data).values())
    return sp.csr_matrix((np.ones(pairs.size(1), bool), pairs.cpu().numpy()), counts)


def ranked(embeddings: Mapping[str, Any] | Scorer, data: HeteroData) -> pd.DataFrame:
    """Rank all items for each user with held-out items, and measure how many stand near the top.

    - Recall@k is the share of the user's held-out items among the first k.
    - NDCG@k is the sum of 1 / log2(rank + 1) over the held-out items among the first k, divided by what it would be if
      they stood first: the sum over the ranks up to min(k, how many are held out).

    The items that the user had in training are left out of the ranking. Of items with equal scores the one with the
    smaller number stands higher. Source: He et al., 2020 (LightGCN's release), whose sum is the same.

    Scores are the dot products of the embeddings, {"user": [users, dim], "item": [items, dim]}, or those of a scorer.
    It is asked for a block of users at a time, so that scores of all users never exist together.

    Returns:
        One row per user with held-out items, in percent: `protocols.RANKING`. A UserError where none are held out.
    """
    test = held_out(data)
    if test is None or not test.size(1):
        raise UserError("no interactions are held out (test_edge_index), so there is nothing to rank for")
    asked, known = user_items(test, data), user_items(interactions(data), data)
    users, items = np.flatnonzero(np.diff(asked.indptr)), asked.shape[1]
    parts = []
    for block in np.array_split(users, min(len(users), 1 + asked.nnz * items // BLOCK)):
        scores = embeddings(block) if callable(embeddings) else embeddings["user"][block] @ embeddings["item"].T
        scores = np.array(scores, dtype=np.float32)
        scores[known[block].nonzero()] = -np.inf
        row, item = asked[block].nonzero()
        own = scores[row, item][:, None]
        above = scores[row] > own
        above |= (scores[row] == own) & (np.arange(items) < item[:, None])
        parts.append(above.sum(axis=1) + 1)
    rank, user = np.concatenate(parts), asked[users].nonzero()[0]
    held, best = np.bincount(user), np.cumsum(1 / np.log2(np.arange(2, max(CUTOFFS) + 2)))
    columns = {}
    for k in CUTOFFS:
        hit = rank <= k
        columns[f"recall@{k}"] = 100 * (np.bincount(user, weights=hit) / held)
        columns[f"ndcg@{k}"] = 100 * (
            np.bincount(user, weights=hit / np.log2(rank + 1)) / best[np.minimum(k, held) - 1]
        )
    return pd.DataFrame(columns, index=pd.Index(users, name="user"))
