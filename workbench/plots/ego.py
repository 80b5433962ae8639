"""An anchor, its negatives and the paths between them, laid out on rings of hops."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Ids = NDArray[np.int64]
AROUND = 16  # neighbours, and neighbours' neighbours, that are drawn beside the paths
APART = 0.5  # by which the ring of those without a path stands off
GAP = np.radians(24)  # to both sides of where the rings' labels stand


class Ego:
    """A tree of shortest paths from an anchor to its negatives, with some of its neighbourhood, laid out on rings.

    Attributes:
        nodes: those drawn; the anchor is the first [drawn]. places: [drawn, 2].
        hops: their ring [drawn], -1 for no path. marked: the anchor and its negatives, bool [drawn].
        tree, others: edges as positions in `nodes` [2, edges], of the paths and all others.
    """

    def __init__(self, links: sp.csr_matrix, hops: Any, before: Ids, anchor: int, negatives: Ids, rings: int):
        reached = negatives[np.isfinite(hops[negatives])]
        on_paths, step = [reached], reached
        while len(step := np.unique(before[step[hops[step] > 1]])):  # one hop nearer each time
            on_paths.append(step[hops[step] < rings])  # the last ring holds whatever is farther, so no paths
        near = self._around(hops, before, np.concatenate(on_paths))
        inside = np.setdiff1d(np.unique(np.concatenate([*on_paths, *near])), [anchor])
        nodes = np.concatenate([[anchor], inside])
        self.nodes: Ids
        self.nodes, angles = self._walk(hops, before, nodes, negatives)
        apart = np.setdiff1d(negatives, self.nodes)
        angle = GAP + (2 * np.pi - 2 * GAP) * (np.arange(len(apart)) + 0.5) / max(len(apart), 1)
        angles = np.concatenate([angles, angle])
        self.nodes = np.concatenate([self.nodes, apart])
        far = hops[self.nodes]
        self.hops = np.where(np.isfinite(far), np.minimum(far, rings), -1).astype(np.int64)
        radius = radius_of(np.where(self.hops < 0, rings + 1, self.hops)) + APART * (self.hops < 0)
        radius[0] = 0.0
        self.places = radius[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)
        self.marked = np.isin(self.nodes, negatives)
        self.marked[0] = True
        self._edges(links, before, hops, rings)

    @staticmethod
    def _around(hops: Any, before: Ids, shown: Ids) -> list[Ids]:
        """Draw some neighbours of the anchor, and some neighbours of those that are shown then."""
        generator, kept = np.random.default_rng(0), [shown]
        for hop in (1, 2):
            ring = np.setdiff1d(np.flatnonzero(hops == hop), shown)
            if hop == 2:
                ring = ring[np.isin(before[ring], np.concatenate(kept))]
            kept.append(np.sort(generator.permutation(ring)[:AROUND]))
        return kept[1:]

    @staticmethod
    def _walk(hops: Any, before: Ids, nodes: Ids, negatives: Ids) -> tuple[Ids, NDArray[np.float64]]:
        """Return the nodes as a walk through the tree meets them, and the angle of each [drawn]."""
        depth = hops[nodes].astype(np.int64)
        trail, step = np.full((len(nodes), depth.max(initial=0) + 1), -1), nodes.copy()
        for level in range(trail.shape[1] - 1, -1, -1):
            mine = hops[step] == level
            trail[mine, level] = step[mine]
            step = np.where(mine & (level > 0), before[step], step)
        order = np.lexsort(trail.T[::-1])
        nodes, trail, depth = nodes[order], trail[order], depth[order]
        # In this order a node that has descendants stands right before the first of them.
        following = np.append(trail[np.arange(1, len(nodes)), depth[:-1]], -1)
        leaf = following != nodes
        room = np.where(leaf, np.where(np.isin(nodes, negatives), 1.0, 0.4), 0.0)
        whole = max(room.sum(), 1e-9)
        middle = GAP + (2 * np.pi - 2 * GAP) * (room.cumsum() - room / 2) / whole
        angles = np.zeros(len(nodes))
        for level in range(trail.shape[1]):  # a node stands in the middle of its leaves
            found, which = np.unique(trail[leaf, level], return_inverse=True)
            mean = np.bincount(which, middle[leaf]) / np.bincount(which)
            mine = depth == level
            angles[mine] = mean[np.searchsorted(found, nodes[mine])]
        return nodes, angles

    def _edges(self, links: sp.csr_matrix, before: Ids, hops: Any, rings: int) -> None:
        """Find the edges between nodes that are drawn, on the paths or not; beyond the last ring none is drawn."""
        inside = sp.triu(links[self.nodes][:, self.nodes], k=1).tocoo()
        one, two = self.nodes[inside.row], self.nodes[inside.col]
        path = (before[one] == two) | (before[two] == one)
        near = np.minimum(hops[one], hops[two]) < rings
        edges = np.stack([inside.row, inside.col])
        self.tree, self.others = edges[:, path & near], edges[:, ~path & near]

    def position(self, nodes: Ids) -> Ids:
        """Return where nodes stand in `nodes`; every one of them must."""
        order = np.argsort(self.nodes)
        found: Ids = order[np.searchsorted(self.nodes, nodes, sorter=order)]
        return found


def radius_of(ring: Any) -> Any:
    """Return the radius of a ring, or of each of several."""
    return (ring + 0.6) ** 0.85  # the inner rings are not to be crowded
