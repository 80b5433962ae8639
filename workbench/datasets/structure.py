"""The topology of a graph: one meaning each for adjacency, degree and hops. Directions and self-loops are left out."""

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra, reverse_cuthill_mckee
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_scipy_sparse_matrix

from workbench.datasets.door import check_edges
from workbench.datasets.edits import places
from workbench.errors import UserError

Positions = NDArray[np.int64]
_BLOCK = 1 << 23  # numbers looked at in one go: 64 MiB


def adjacency(graph: Data) -> sp.csr_matrix:
    """Return the unweighted adjacency without self-loops, symmetric, 0/1 [nodes, nodes].

    Raises:
        UserError: an edge that joins no two nodes of the graph.
    """
    check_edges(graph.edge_index, int(graph.num_nodes or 0))
    a = to_scipy_sparse_matrix(graph.edge_index.cpu(), num_nodes=graph.num_nodes).tocsr()
    a = a.maximum(a.T)
    a.setdiag(0)
    a.eliminate_zeros()
    a.data[:] = 1.0
    return a.astype(np.float64)


def degree(graph: Data) -> Positions:
    """Return how many neighbours each node has [nodes]: the row sums of `adjacency`."""
    return np.diff(adjacency(graph).indptr).astype(np.int64)


def hop_distances(links: sp.csr_matrix, first: Positions, second: Positions) -> Positions:
    """Return the hops between first and second nodes [pairs] on undirected links [nodes, nodes], -1 without a path."""
    starts, which = np.unique(first, return_inverse=True)
    hops, step = np.full(len(first), -1), max(1, _BLOCK // links.shape[0])
    for begin in range(0, len(starts), step):
        mine = (which >= begin) & (which < begin + step)
        far = dijkstra(links, directed=False, indices=starts[begin : begin + step], unweighted=True)
        distances = far[which[mine] - begin, second[mine]]
        hops[mine] = np.where(np.isfinite(distances), distances, -1)
    return hops


def simple_paths(edge_index: Tensor, nodes: int, length: int) -> Tensor:
    """Return every path of so many edges that meets no node twice, from either end [paths, length + 1].

    Args:
        edge_index: of one graph, or of many whose nodes are numbered on; each entry once [2, entries].
        nodes: how many there are.
        length: edges of a path; a node is one of length 0.
    """
    order = edge_index[0].argsort(stable=True)
    target = edge_index[1][order]
    count = torch.bincount(edge_index[0], minlength=nodes)
    first = count.cumsum(0) - count
    paths = torch.arange(nodes, device=edge_index.device)[:, None]
    for _ in range(length):
        last = paths[:, -1]
        row = torch.arange(len(paths), device=last.device).repeat_interleave(count[last])
        step = target[first[last[row]] + places(count[last])]
        new = (paths[row] != step[:, None]).all(1)
        paths = torch.cat([paths[row[new]], step[new, None]], 1)
    return paths


def partition(graph: Data, parts: int) -> Positions:
    """Return the part of each node [nodes]: equal stretches of the reverse Cuthill-McKee order, where near nodes meet.

    Parts differ by one node at most, as METIS's nearly do, which cut fewer edges; nothing is drawn.

    Raises:
        UserError: more parts than nodes.
    """
    nodes = int(graph.num_nodes or 0)
    if not 1 <= parts <= nodes:
        raise UserError(f"parts={parts} were asked for; the graph has {nodes} nodes", parameter="parts")
    part = np.empty(nodes, np.int64)
    part[reverse_cuthill_mckee(adjacency(graph), symmetric_mode=True)] = np.arange(nodes) * parts // nodes
    return part
