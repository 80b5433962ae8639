"""`SamplingContext`: what a sampler may look at when it chooses negatives, and the two ways to draw from it."""

import copy
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.attributes import few, is_sparse, rows_of, to_scipy, unscaled
from workbench.datasets.structure import Positions, adjacency
from workbench.errors import UserError
from workbench.randomness import Randomness

MOST_PAIRS = 100_000_000
_BLOCK = 1 << 23  # numbers looked at in one go: 64 MiB of cosines


class SamplingContext:
    """A graph without labels, an embedding, and who may be an anchor or a negative.

    Everything is counted in positions of `ids`, the nodes that may be chosen, so that the context of a method that
    contrasts some nodes only (E2Neg) is as good as the whole graph. What is computed once is kept.

    Args:
        graph: its x [nodes, features], where similarities are asked for, and edge_index [2, edges]; no labels are kept.
        embedding: float [nodes, dim], what similarities and clusters are of; None for the attributes.
        anchors: node ids that negatives are chosen for; None leaves it to the sampler.
        ids: node ids that may be chosen [size]; None for all, in order.

    Attributes:
        passed: steps of the training before this one, 0 outside of one.
        looked: whether a sampler has asked for similarities since they were last set.
        terms: what rules have asked of the graph so far, a `workbench.rules.Terms`; None before the first.
    """

    def __init__(
        self, graph: Data, embedding: Tensor | None = None, anchors: Tensor | None = None, ids: Tensor | None = None
    ):
        self.nodes = int(graph.num_nodes or 0)
        self.graph = Data(x=unscaled(graph).x, edge_index=graph.edge_index.cpu(), num_nodes=self.nodes)
        self.terms: object | None = None
        if embedding is not None and not (embedding.dim() == 2 and embedding.numel() and len(embedding) == self.nodes):
            wanted = f"one row per node [{self.nodes}, dim]"
            raise UserError(f"an embedding to choose by has {wanted}, not {list(embedding.shape)}")
        self.embedding = embedding
        self.ids = torch.arange(self.nodes) if ids is None else ids.cpu()
        self.size = len(self.ids)
        self.asked = None if anchors is None else self.positions(anchors)
        self._rows: Tensor | None = None
        self._positive: Tensor | None = None
        self._within: dict[int, sp.csr_matrix] = {}
        self._kept: dict[tuple[Any, ...], Any] = {}
        self.looked, self.passed = False, 0

    @property
    def anchors(self) -> Positions:
        """The positions that negatives are chosen for: those asked for, else all [anchors]."""
        return np.arange(self.size) if self.asked is None else self.asked

    def positions(self, nodes: Tensor) -> Positions:
        """Return where nodes stand in `ids`; every one of them must."""
        place = np.full(self.nodes, -1)
        place[self.ids.numpy()] = np.arange(self.size)
        return place[nodes.cpu().numpy()]

    def for_anchors(self, nodes: Tensor) -> "SamplingContext":
        """Return this context for other anchors [anchors]; what doesn't depend on who asks is computed once, here."""
        _ = self.links, self.degree
        if self.embedding is not None or self.graph.x is not None:
            _ = self.features
        other = copy.copy(self)
        other.asked, other._within = self.positions(nodes), {}
        return other

    @cached_property
    def links(self) -> sp.csr_matrix:
        """The adjacency of the whole graph, directions and self-loops left out, 0/1 [nodes, nodes]."""
        return adjacency(self.graph)

    @cached_property
    def degree(self) -> Positions:
        """Neighbours of each position in the whole graph [size]."""
        return np.diff(self.links.indptr).astype(np.int64)[self.ids.numpy()]

    def within(self, hops: int) -> sp.csr_matrix:
        """Return which positions lie within some hops of each anchor, itself included, 0/1 [anchors, size]."""
        if hops not in self._within:
            steps = (self.links + sp.eye(self.nodes, format="csr")).astype(bool)
            start = self.ids.numpy()[self.anchors]
            shape = (len(start), self.nodes)
            reached = sp.csr_matrix((np.ones(len(start), bool), (np.arange(len(start)), start)), shape)
            for _ in range(hops):
                ahead = np.diff(steps.indptr)[reached.indices].sum()  # at most; what it costs to look
                most = max(MOST_PAIRS, min(20 * MOST_PAIRS, len(start) * self.size // 2))
                if ahead > most or reached.nnz > MOST_PAIRS:
                    many = f"within {hops} hops there are more than {MOST_PAIRS:,} pairs of nodes"
                    hub = int(self.links.getnnz(1).argmax())
                    joined = f"node {hub} alone is joined to {self.links.getnnz(1)[hub]:,}"
                    raise UserError(f"{many} ({joined}); ask for fewer hops, or for some anchors only")
                before, reached = reached.nnz, reached @ steps
                if reached.nnz == before:  # whole components
                    break
            reached = reached[:, self.ids.numpy()].tocsr()
            reached.sort_indices()
            self._within[hops] = reached
        return self._within[hops]

    def see(self, rows: Tensor, positive: Tensor) -> None:
        """Set the rows whose inner products are similarities [size, dim], and those of positive pairs [size]."""
        self._rows, self._positive, self.looked = rows, positive, False

    @cached_property
    def features(self) -> "NDArray[np.float64] | sp.csr_matrix":
        """The embedding, or the attributes where none was given, rows of unit length [size, dim], perhaps sparse."""
        x = self.graph.x if self.embedding is None else self.embedding
        if x is None:
            raise UserError("this sampler compares attributes, and the graph has none; pass an embedding")
        every = self.size == self.nodes and torch.equal(self.ids, torch.arange(self.nodes))
        if is_sparse(x):
            rows = to_scipy(x).astype(np.float64)
            rows = rows if every else rows[self.ids.numpy()]
        else:
            chosen = (x if every and isinstance(x, Tensor) else rows_of(x, self.ids)).detach().cpu()
            rows = to_scipy(chosen).astype(np.float64) if few(chosen) else chosen.double().numpy()
        stored: Any = rows.data if sp.issparse(rows) else rows
        if not (np.isfinite(stored.sum()) or np.isfinite(stored).all()):  # a finite sum has no other terms
            what = "attributes hold" if self.embedding is None else "embedding holds"
            raise UserError(f"the {what} numbers that are not finite, so nodes can't be compared by it")
        return normalize(rows)

    def similarity(self, anchors: Positions) -> Tensor:
        """Return similarities of some positions with all [anchors, size]; for many, ask in `blocks`.

        Before rows are set, they are cosines of the features, in float64 and rounded to nine places, so that ties are
        ties whichever anchors are asked together.
        """
        self.looked = True
        if self._rows is not None:
            return (self._rows[torch.from_numpy(anchors)] @ self._rows.T).cpu()
        rows = self.features
        cosines = rows[anchors] @ rows.T
        return torch.from_numpy(np.round(cosines.toarray() if isinstance(cosines, sp.csr_matrix) else cosines, 9))

    @property
    def positive(self) -> Tensor:
        """Similarity of each position's positive pair [size]; 1 where there is one embedding only."""
        self.looked = True
        return torch.ones(self.size) if self._positive is None else self._positive

    @property
    def step(self) -> int:
        """How many anchors' pairs with all positions fit into a few ten MiB."""
        return max(1, _BLOCK // max(self.size, 1))

    def blocks(self) -> Iterator[Positions]:
        """Cut the anchors into blocks of `step`."""
        for start in range(0, len(self.anchors), self.step):
            yield self.anchors[start : start + self.step]

    def clusters(self, count: int, randomness: Randomness) -> tuple[Positions, NDArray[np.float64]]:
        """Return the k-means cluster of the features of each position and its distance from the centre [size] each."""
        if not 1 <= count <= self.size:
            raise UserError(f"{count} clusters were asked for; {self.size} nodes give 1 to {self.size}")
        seed = randomness.integer("clusters")

        def found() -> tuple[Positions, NDArray[np.float64]]:
            rows = self.features
            model = MiniBatchKMeans(count, batch_size=2048, n_init=3, random_state=seed)
            clusters = model.fit_predict(rows).astype(np.int64)
            distance = model.transform(rows)[np.arange(self.size), clusters]
            return clusters, distance.astype(np.float64)

        kept: tuple[Positions, NDArray[np.float64]] = self.once(("clusters", count, seed), found)
        return kept

    def once(self, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """Return what is computed once for a key, and kept."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def circle(context: SamplingContext, randomness: Randomness) -> tuple[Positions, Positions]:
    """Draw a random circle of the positions: who stands at each place [size], and the place of each position [size].

    Each anchor walks the same circle from its own place on and takes the first k that fit. For one anchor that is a
    uniform choice without replacement among all that fit, and it does not depend on which other anchors are asked.
    """
    order: Positions = torch.randperm(context.size, generator=randomness.generator("negatives")).numpy()
    place = np.empty_like(order)
    place[order] = np.arange(context.size)
    return order, place


def walk(
    context: SamplingContext, k: int, randomness: Randomness, fits: Callable[[Positions, Positions], NDArray[np.bool_]]
) -> Positions:
    """Draw up to k positions for each anchor among those that fit, when many do: [anchors, k], -1 where fewer fit.

    `fits` takes numbers of anchors in `context.anchors` [rows, 1] and positions [rows, seen] and returns which may be
    chosen [rows, seen].
    """
    order, place = circle(context, randomness)
    chosen, taken = np.full((len(context.anchors), k), -1), np.zeros(len(context.anchors), int)
    seen_each = max(2 * k, 64)
    most_rows = max(1, _BLOCK // seen_each)
    for first in range(0, len(chosen), most_rows):
        rows, start = np.arange(first, min(first + most_rows, len(chosen))), 1
        while len(rows) and start < context.size:
            steps = np.arange(start, min(start + seen_each, context.size))
            seen = order[(place[context.anchors[rows]][:, None] + steps) % context.size]
            good = fits(rows[:, None], seen)
            rank = taken[rows][:, None] + good.cumsum(1) - 1
            row, column = np.nonzero(good & (rank < k))
            chosen[rows[row], rank[row, column]] = seen[row, column]
            taken[rows] += good.sum(1)
            rows, start = rows[taken[rows] < k], start + seen_each
    return chosen


def draw_listed(context: SamplingContext, k: int, randomness: Randomness, listed: sp.csr_matrix) -> Positions:
    """Draw up to k others of the short list of each anchor [anchors, size]: [anchors, k], -1 where fewer are listed."""
    place = circle(context, randomness)[1]
    length = np.diff(listed.indptr)
    row = np.repeat(np.arange(len(length)), length)
    away = (place[listed.indices] - np.repeat(place[context.anchors], length)) % context.size
    # Of a long list only the first part of the walk is looked at, unless too few are met there.
    reach = context.size * (2 * k + 20) / np.maximum(length, 1)
    near = (away > 0) & (away <= np.repeat(reach, length))
    few = np.bincount(row[near], minlength=len(length)) < np.minimum(k, length)
    near |= (away > 0) & np.repeat(few, length)
    row, column, away = row[near], listed.indices[near], away[near]
    order = np.lexsort((away, row))
    row, column = row[order], column[order]
    size = np.bincount(row, minlength=len(length))
    rank = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    chosen = np.full((len(length), k), -1)
    chosen[row[rank < k], rank[rank < k]] = column[rank < k]
    return chosen
