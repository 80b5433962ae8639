"""Random graphs whose small cycles and paths are counted: numbers that message passing alone can't read off them."""

import networkx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from workbench.datasets.files.registry import register
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.structure import simple_paths

CYCLES, PATHS = (3, 4, 5, 6), (3, 4, 5)
TARGETS = (*(f"{k}-cycles" for k in CYCLES), *(f"{k}-paths" for k in PATHS))
AT_ONCE = 64  # graphs whose paths lie in memory together


@register("counts")
def counts(graphs: int = 400, seed: int = 0) -> GraphSet:
    """Make random graphs of 12 to 20 nodes: every second one regular of degree 3 or 4, the others Erdős–Rényi.

    The latter have 3.5 neighbours a node on average. All nodes have the attribute 1. y of a graph is how many cycles of
    3 to 6 edges and paths of 3 to 5 edges it has, each counted once.
    """
    draw = np.random.default_rng(seed)
    made = []
    for number in range(graphs):
        nodes, key = 2 * int(draw.integers(6, 11)), int(draw.integers(2**31))
        if number % 2:
            graph = networkx.gnp_random_graph(nodes, 3.5 / (nodes - 1), seed=key)
        else:
            graph = networkx.random_regular_graph(3 + number // 2 % 2, nodes, seed=key)
        edges = np.array(graph.edges, dtype=np.int64).reshape(-1, 2).T
        edge_index = torch.from_numpy(np.hstack([edges, edges[::-1]]))
        made.append(Data(x=torch.ones(nodes, 1), edge_index=edge_index))
    for start in range(0, graphs, AT_ONCE):
        part = made[start : start + AT_ONCE]
        for graph, y in zip(part, substructures(part), strict=True):
            graph.y = y[None]
    return GraphSet(made, targets=TARGETS)


def substructures(graphs: list[Data]) -> Tensor:
    """Return how many of each of `TARGETS` undirected graphs have, by going through their paths [graphs, 7]."""
    batch = Batch.from_data_list([Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes) for graph in graphs])
    total = batch.num_nodes
    joined = (batch.edge_index[0] * total + batch.edge_index[1]).unique()
    cycles, paths = [], []
    for length in range(2, 6):
        found = simple_paths(batch.edge_index, total, length)
        owner = batch.batch[found[:, 0]]
        closed = torch.isin(found[:, -1] * total + found[:, 0], joined)
        cycles.append(torch.bincount(owner[closed], minlength=len(graphs)) // (2 * length + 2))
        paths.append(torch.bincount(owner, minlength=len(graphs)) // 2)
    return torch.stack([*cycles, *paths[1:]], 1).float()
