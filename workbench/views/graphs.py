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
