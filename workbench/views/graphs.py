"""Random views of whole graphs, all those of a batch at once: nodes dropped, edges changed, parts cut out, noise."""

from typing import NamedTuple

import torch
from scipy.sparse.csgraph import dijkstra
from torch import Tensor
from torch_geometric.utils import subgraph, to_scipy_sparse_matrix

from workbench.datasets.edits import distinct, edited


class Graphs(NamedTuple):
    """Several graphs as one, on the CPU.

    Attributes:
        x: attributes [nodes, features].
        edge_index: within the graphs [2, entries].
        owner: number of the graph of each node, ascending [nodes].
        nodes: of each graph [graphs].
    """

    x: Tensor
    edge_index: Tensor
    owner: Tensor
    nodes: Tensor

    def chosen(self, counts: Tensor, generator: torch.Generator) -> Tensor:
        """Draw so many nodes of each graph, or of a graph with counts [graphs]: a mask [nodes]."""
        graph, place = distinct(counts, self.nodes, generator)
        mask = torch.zeros(len(self.owner), dtype=torch.bool)
        mask[(self.nodes.cumsum(0) - self.nodes)[graph] + place] = True
        return mask

    def keep(self, mask: Tensor) -> "Graphs":
        """Return the graphs of the nodes of a mask [nodes]; a graph that would lose all of them keeps its first."""
        mask = mask.clone()
        empty = (torch.bincount(self.owner[mask], minlength=len(self.nodes)) == 0) & (self.nodes > 0)
        mask[(self.nodes.cumsum(0) - self.nodes)[empty]] = True
        edge_index = subgraph(mask, self.edge_index, relabel_nodes=True, num_nodes=len(mask))[0]
        owner = self.owner[mask]
        return Graphs(self.x[mask], edge_index, owner, torch.bincount(owner, minlength=len(self.nodes)))


def noisy_attributes(graphs: Graphs, counts: Tensor, generator: torch.Generator) -> Graphs:
    """Return graphs in which so many nodes of each [graphs] have attributes drawn from a normal one, .5 ± .5."""
    mask = graphs.chosen(counts, generator)
    noise = 0.5 + 0.5 * torch.randn(int(mask.sum()), graphs.x.shape[1], generator=generator)
    return graphs._replace(x=graphs.x.index_put((mask.nonzero()[:, 0],), noise.to(graphs.x.dtype)))


def changed_edges(graphs: Graphs, removed: Tensor, added: Tensor, generator: torch.Generator, directed: bool) -> Graphs:
    """Return graphs that lost and gained so many pairs each [graphs], see `edited`."""
    changed = edited(graphs.edge_index, graphs.nodes, removed, added, generator, directed)
    return graphs._replace(edge_index=changed.edge_index)


def grown(graphs: Graphs, sizes: Tensor, generator: torch.Generator, around: bool = False) -> Tensor:
    """Draw a connected part of each graph, grown from a random node to so many nodes [graphs]: a mask [nodes].

    Each step takes any node beside the part with the same chance; where none is left the part is smaller. All graphs
    grow in one pass: nodes get waiting times from one exponential distribution, which have no memory, so that in order
    of arrival the next one is any of those beside the part. With `around`, it takes neighbours of the first node alone.
    """
    count, there = len(graphs.owner), graphs.nodes > 0
    first = graphs.nodes.cumsum(0) - graphs.nodes
    chance = torch.rand(len(graphs.nodes), generator=generator, dtype=torch.float64)
    start = (first + (chance * graphs.nodes).long())[there]
    waits = torch.empty(count, dtype=torch.float64).exponential_(generator=generator) + 1e-9
    edge_index = graphs.edge_index
    edge_index = edge_index[:, torch.isin(edge_index[0], start)] if around else edge_index
    steps = to_scipy_sparse_matrix(edge_index, waits[edge_index[1]], count).tocsr()
    arrival = torch.from_numpy(dijkstra(steps, indices=start.numpy(), min_only=True))
    order = arrival.argsort(stable=True)
    order = order[graphs.owner[order].argsort(stable=True)]
    place = torch.empty(count, dtype=torch.long)
    place[order] = torch.arange(count)
    return (place - first[graphs.owner] < sizes[graphs.owner]) & arrival.isfinite()


def ladders(
    edge_index: Tensor,
    nodes: Tensor,
    copies: int,
    strength: float,
    generator: torch.Generator,
    directed: bool = False,
    again: bool = False,
) -> tuple[Tensor, Tensor]:
    """Draw edited copies of each of many graphs, copy k with k times the edits of the first.

    Args:
        edge_index: of all graphs, those of one numbered after another's [2, entries].
        nodes: of each graph [graphs].
        copies: K, of each graph.
        strength: share of a graph's edges that the first copy loses, and as many that it gains; one at least, and no
            more than the graph has, or lacks.
        generator, directed, again: as for `edited`.

    Returns:
        Edges of the graphs and, below them, of all first copies, all second ones, ..., each numbered on [2, entries];
        and how many entries of edge_index went and came in each copy [copies, graphs], float32.
    """
    graphs, sides = len(nodes), 1 if directed else 2
    owner = torch.arange(graphs).repeat_interleave(nodes)[edge_index[0]]
    proper = edge_index[0] != edge_index[1]
    joined = torch.bincount(owner[proper], minlength=graphs) // sides
    pairs = nodes * (nodes - 1) // sides
    room = joined if again else torch.minimum(joined, pairs - joined)
    first = (strength * joined).long().clamp(min=1)
    asked = torch.minimum(torch.arange(copies + 1)[:, None] * first, room).flatten()
    shift = int(nodes.sum()) * torch.arange(copies + 1).repeat_interleave(edge_index.shape[1])
    after = edited(
        edge_index.repeat(1, copies + 1) + shift, nodes.repeat(copies + 1), asked, asked, generator, directed, again
    )
    return after.edge_index, sides * (after.removed + after.added).view(copies + 1, graphs)[1:].float()
