"""Attributes that any graph has, for one whose nodes have none: they depend on the edges alone."""

from collections.abc import Callable

import networkx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import degree, one_hot, to_networkx

from workbench.datasets.attributes import as_loaded
from workbench.datasets.structure import adjacency
from workbench.errors import UserError

CALLED = {"degree": "degree", "core": "core", "pagerank": "pagerank", "walks": "back after"}  # columns, before a number
STEPS = 16  # of the random walks
SHARES = 16  # of the nodes, by their PageRank
MOST_WALKS = 20_000  # nodes; the chance to be back costs nodes times edges
_BLOCK = 1 << 22  # numbers held in one go


def degrees(graph: Data) -> tuple[Tensor, list[str]]:
    """Return how many entries of edge_index start at each node, one-hot [nodes, highest degree + 1]."""
    x = one_hot(degree(graph.edge_index[0], graph.num_nodes, dtype=torch.long))
    return x, [f"{CALLED['degree']} {count}" for count in range(x.size(1))]


def identity(graph: Data) -> tuple[Tensor, list[str]]:
    """Return the number of each node, one-hot [nodes, nodes]; sparse where the graph is large."""
    nodes = int(graph.num_nodes or 0)
    diagonal = torch.arange(nodes).expand(2, -1)
    x = torch.sparse_coo_tensor(diagonal, torch.ones(nodes), (nodes, nodes), check_invariants=False)
    return as_loaded(x), []


def core(graph: Data) -> tuple[Tensor, list[str]]:
    """Return the core number of each node, one-hot [nodes, highest + 1]; directions and loops don't count."""
    plain = networkx.from_scipy_sparse_array(adjacency(graph))
    numbers = networkx.core_number(plain)
    x = one_hot(torch.tensor([numbers[node] for node in range(len(plain))], dtype=torch.long))
    return x, [f"{CALLED['core']} {count}" for count in range(x.size(1))]


def pagerank(graph: Data) -> tuple[Tensor, list[str]]:
    """Return which sixteenth of the nodes each belongs to by PageRank, one-hot [nodes, at most 16], lowest first."""
    ranks = networkx.pagerank(to_networkx(graph))
    values = np.array([ranks[node] for node in range(len(ranks))])
    edges = np.unique(np.quantile(values.round(12), np.arange(1, SHARES) / SHARES))
    x = one_hot(torch.from_numpy(np.searchsorted(edges, values.round(12), side="left")))
    return x, [f"{CALLED['pagerank']} {share}" for share in range(x.size(1))]


def walks(graph: Data) -> tuple[Tensor, list[str]]:
    """Return how likely a random walk from each node is back after 1, 2, ... 16 steps [nodes, 16].

    Exact; directions and loops don't count.
    """
    links = adjacency(graph).astype(np.float32)
    nodes = links.shape[0]
    if nodes > MOST_WALKS:
        raise UserError(
            f"features='walks' is for at most {MOST_WALKS:,} nodes, not {nodes:,}; 'core' and 'pagerank' are fast"
        )
    links.data /= np.repeat(np.diff(links.indptr), np.diff(links.indptr))
    x, step = np.zeros((nodes, STEPS), dtype=np.float32), max(1, _BLOCK // nodes)
    for start in range(0, nodes, step):
        own = np.arange(start, min(start + step, nodes))
        at = np.zeros((nodes, len(own)), dtype=np.float32)
        at[own, own - start] = 1
        for time in range(STEPS):
            at = links @ at
            x[own, time] = at[own, own - start]
    return torch.from_numpy(x), [f"{CALLED['walks']} {time}" for time in range(1, STEPS + 1)]


STRUCTURAL: dict[str, Callable[[Data], tuple[Tensor, list[str]]]] = {
    "degree": degrees,
    "identity": identity,
    "core": core,
    "pagerank": pagerank,
    "walks": walks,
}
