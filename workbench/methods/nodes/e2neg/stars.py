"""The stars of neighbours around representative nodes (E2Neg, stages 2 and 3)."""

from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.attributes import rows_of
from workbench.datasets.structure import adjacency
from workbench.randomness import Randomness


def grow_stars(
    graph: Data,
    centres: Tensor,
    neighbours: int,
    minimum: int,
    max_hop: int,
    counting: Literal["identity", "value"],
    randomness: Randomness,
) -> tuple[Tensor, Tensor]:
    """Collect the neighbours of each centre, by sparse frontier steps for all centres at once.

    A centre's neighbourhood grows from two hops until it has `minimum` entries; more than `neighbours` are sampled.

    Args:
        graph: a graph with edge_index.
        centres: node ids [centres].
        neighbours: most entries that a star keeps.
        minimum: entries at which growth stops.
        max_hop: hops at which growth stops at the latest.
        counting: "value" counts a node once, leaves out the centre and gives a node that several centres reach to the
            first. "identity" repeats the release, whose sets hold tensors compared by identity: a node counts once per
            number of steps at which a walk reaches it, the centre returns to its own star, and only stars that were
            sampled give up shared nodes.
        randomness: draws the sampled neighbours.

    Returns:
        Stars as (node, centre) pairs of ids [2, entries], where a repeated pair is a repeated edge, and the hop at
        which each centre's growth stopped [centres].
    """
    a = adjacency(graph)
    frontier = sp.csr_matrix(
        (np.ones(len(centres)), (np.arange(len(centres)), centres.numpy())), (len(centres), a.shape[0])
    )
    start, entries = frontier.copy(), sp.csr_matrix(frontier.shape)
    growing, hops = np.ones(len(centres), dtype=bool), np.zeros(len(centres), dtype=np.int64)
    for hop in range(1, max_hop + 1):
        frontier = sp.diags(growing.astype(float)) @ frontier @ a
        frontier.data[:] = 1.0
        entries = entries + frontier
        if counting == "value":
            entries = (entries > 0).astype(float)
            entries = entries - entries.multiply(start)
            entries.eliminate_zeros()
        hops[growing] = hop
        if hop >= 2:
            growing &= np.asarray(entries.sum(1)).ravel() < minimum
        if not growing.any():
            break
    repeated = entries.tocoo()
    order = np.lexsort((repeated.col, repeated.row))
    times = repeated.data[order].astype(np.int64)
    row, node = np.repeat(repeated.row[order], times), np.repeat(repeated.col[order], times)
    size = np.bincount(row, minlength=len(centres))
    key = np.random.default_rng(randomness.integer("stars")).random(len(row))
    order = np.lexsort((key, row))
    rank = np.empty(len(row), dtype=np.int64)
    rank[order] = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    sampled = (size > neighbours)[row]
    row, node, sampled = (part[rank < neighbours] for part in (row, node, sampled))
    shared = sampled if counting == "identity" else np.ones_like(sampled)
    by_value = np.flatnonzero(shared)
    # Rows are in order of the centres, so the first occurrence of a node belongs to the first centre that has it.
    kept = np.sort(np.r_[np.flatnonzero(~shared), by_value[np.unique(node[by_value], return_index=True)[1]]])
    return torch.from_numpy(np.stack([node[kept], centres.numpy()[row[kept]]])), torch.from_numpy(hops)


class Stars:
    """The star graph around the centres as one sparse matrix of its centre rows.

    Args:
        x: attributes of the whole graph [nodes, features].
        centres: node ids [centres].
        pairs: (node, centre) ids [2, entries].
    """

    def __init__(self, x: Tensor, centres: Tensor, pairs: Tensor):
        self.pairs = pairs[:, pairs[0] != pairs[1]].to(x.device)
        centres = centres.to(x.device)
        self.centres = centres[torch.isin(centres, self.pairs[1])]
        ids, index = torch.unique(torch.cat([self.centres, self.pairs.flatten()]), return_inverse=True)
        # From here on nodes are counted within the star graph; `own` are the centres, one per row of the aggregate.
        self.own, source, target = index.split([len(self.centres), *[self.pairs.shape[1]] * 2])
        self.edge_index = torch.stack([source, target])
        self.x = rows_of(x, ids)
        self._row = torch.empty(len(ids), dtype=torch.long, device=x.device)
        self._row[self.own] = torch.arange(len(self.own), device=x.device)

    def weights(self, keep: Tensor | None = None) -> Tensor:
        """Return the centre rows of the normalised star adjacency, sparse [centres, members].

        A centre with n neighbours has weight 1/(n+1) on itself; `keep` is 1 for each star edge that stays [entries].
        """
        (source, target), rows = self.edge_index, torch.arange(len(self.own), device=self.x.device)
        kept = torch.ones(len(source), device=self.x.device) if keep is None else keep
        degree = torch.ones(len(self.x), device=self.x.device).index_add_(0, target, kept)
        root = degree.rsqrt()
        values = torch.cat([kept * root[source] * root[target], 1 / degree[self.own]])
        index = torch.stack([torch.cat([self._row[target], rows]), torch.cat([source, self.own])])
        return torch.sparse_coo_tensor(index, values, (len(rows), len(self.x)), check_invariants=False).coalesce()

    @cached_property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The aggregate is fixed + mixing @ own: [centres, features], [centres, centres], [centres, features]."""
        weights, own = self.weights(), self.x[self.own]
        mixing = weights.to_dense()[:, self.own]
        return weights @ self.x - mixing @ own, mixing, own
