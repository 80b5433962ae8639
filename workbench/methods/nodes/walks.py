"""Random walks on the edges of a graph, all of them at once."""

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency
from workbench.errors import UserError


class Walks:
    """Walks of first and second order along edges in either direction, however they are stored; no loops.

    Args:
        graph: edge_index [2, edges].

    Attributes:
        starts: the nodes that have a neighbour [nodes with one].

    Raises:
        UserError: no edge joins two nodes.
    """

    def __init__(self, graph: Data):
        links = adjacency(graph)
        links.sort_indices()
        self.nodes = links.shape[0]
        self.pointer, self.neighbours = (torch.from_numpy(part).long() for part in (links.indptr, links.indices))
        self.degree = self.pointer.diff()
        self.starts = self.degree.nonzero()[:, 0]
        # The number of each edge, in order, by which an edge is looked up.
        self._edges = torch.arange(self.nodes).repeat_interleave(self.degree) * self.nodes + self.neighbours
        if not len(self.starts):
            raise UserError(
                f"a walk needs an edge between two nodes, and none of this graph's {self.nodes:,} nodes has one; "
                "a method that learns from attributes, such as 'grace', takes it"
            )

    def draw(self, starts: Tensor, length: int, generator: torch.Generator, p: float = 1.0, q: float = 1.0) -> Tensor:
        """Draw a walk from each start, all of which have a neighbour [walks, length].

        From v, where the walk came to from t, a neighbour x is drawn in proportion to 1/p where it is t, to 1 where it
        is a neighbour of t, and to 1/q otherwise (Grover and Leskovec, 2016, eq. 2): one is drawn among all alike, and
        anew until it is kept by its share of the largest weight.
        """
        walk = [starts, self._any(starts, generator)][:length]
        while len(walk) < length:
            before, now = walk[-2:]
            step = self._any(now, generator)
            left = torch.arange(len(now)) if p != 1 or q != 1 else torch.empty(0, dtype=torch.long)
            left = left[self.degree[now[left]] > 1]
            while len(left):
                weight = torch.where(self._joined(before[left], step[left]), 1.0, 1 / q)
                weight = torch.where(step[left] == before[left], 1 / p, weight)
                left = left[torch.rand(len(left), generator=generator) * max(1 / p, 1, 1 / q) >= weight]
                step[left] = self._any(now[left], generator)
            walk.append(step)
        return torch.stack(walk, 1)

    def _any(self, nodes: Tensor, generator: torch.Generator) -> Tensor:
        """Return a neighbour of each node, all alike [nodes]."""
        degree = self.degree[nodes]
        place = (torch.rand(len(nodes), generator=generator, dtype=torch.float64) * degree).long()
        return self.neighbours[self.pointer[nodes] + place]

    def _joined(self, first: Tensor, second: Tensor) -> Tensor:
        """Return whether an edge joins nodes [pairs]."""
        wanted = first * self.nodes + second
        place = torch.searchsorted(self._edges, wanted).clamp(max=len(self._edges) - 1)
        return self._edges[place] == wanted
