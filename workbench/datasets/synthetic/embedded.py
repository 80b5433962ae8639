"""Graphs that need no file and no network."""

import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph
from torch_geometric.data import Data
from torch_geometric.datasets import KarateClub
from torch_geometric.utils import from_scipy_sparse_matrix, to_undirected

from workbench.datasets.files.registry import register
from workbench.datasets.synthetic.planting import planted
from workbench.datasets.synthetic.pydocs import pydocs
from workbench.datasets.synthetic.rings import rings  # noqa: F401  (registers itself)
from workbench.datasets.synthetic.tastes import tastes  # noqa: F401

NEIGHBOURS = 8


@register("digits")
def digits() -> Data:
    """Join each of scikit-learn's digits with its 8 nearest by pixels, both ways; labels are the ten digits."""
    images = load_digits()
    near = kneighbors_graph(images.data, NEIGHBOURS)
    edge_index = to_undirected(from_scipy_sparse_matrix(near)[0], num_nodes=len(images.data))
    x, y = torch.from_numpy(images.data).float(), torch.from_numpy(images.target).long()
    data = Data(x=x, edge_index=edge_index, y=y)
    data.class_names = [str(digit) for digit in images.target_names]
    data.feature_names = list(images.feature_names)
    return data


@register("karate")
def karate() -> Data:
    """Return Zachary's karate club with one-hot attributes and four communities (PyG's KarateClub)."""
    return KarateClub()[0]


register("planted")(planted)
register("pydocs")(pydocs)
