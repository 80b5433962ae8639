"""A small set of graphs whose two classes a count of triangles tells apart, and nothing simpler."""

import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench.datasets.files.registry import register
from workbench.datasets.graph_sets import GraphSet, with_attributes


@register("rings")
def rings(graphs: int = 200, chords: int = 3, seed: int = 0) -> GraphSet:
    """Make rings of 15 to 24 nodes with chords that cut off a triangle each (class 1) or a square each (class 0).

    The sizes and degrees of the classes are alike, so counting nodes, edges or degrees tells nothing.

    Args:
        graphs: how many, half of each class.
        chords: of each graph, from 1 to 3; no node has two.
        seed: of sizes and places.
    """
    draw = np.random.default_rng(seed)
    made = []
    for number in range(graphs):
        triangles, nodes = number % 2, int(draw.integers(15, 25))
        start = np.arange(chords) * 5 + draw.integers(nodes)
        ring = np.stack([np.arange(nodes), np.arange(1, nodes + 1)])
        cut = np.stack([start, start + (2 if triangles else 3)])
        edge_index = to_undirected(torch.from_numpy(np.hstack([ring, cut]) % nodes))
        made.append(Data(edge_index=edge_index, num_nodes=nodes, y=torch.tensor([triangles])))
    return with_attributes(GraphSet(made))
