"""Data that need no file and no network: graphs, a set of graphs, users and items."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph
from torch_geometric.data import Data, HeteroData
from torch_geometric.datasets import KarateClub
from torch_geometric.utils import from_scipy_sparse_matrix, to_undirected

from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.files.registry import register
from workbench.datasets.graph_sets import GraphSet, with_attributes
from workbench.datasets.synthetic.planting import planted
from workbench.datasets.synthetic.pydocs import pydocs

NEIGHBOURS = 8


@register("digits")
def digits() -> Data:
    """Join each of scikit-learn's digits with its 8 nearest by pixels, both ways; labels are the ten digits."""
    images = load_digits()
    near = kneighbors_graph(images.data, NEIGHBOURS)
    edge_index = to_undirected(from_scipy_sparse_matrix(near)[0], num_nodes=len(images.data))
    x, y = torch.from_numpy(images.data).float(), torch.from_numpy(images.target).long()
    names = {"class_names": [str(digit) for digit in images.target_names], "feature_names": [*images.feature_names]}
    return Data(x=x, edge_index=edge_index, y=y, **names)


@register("karate")
def karate() -> Data:
    """Return Zachary's karate club with one-hot attributes and four communities (PyG's KarateClub)."""
    return KarateClub()[0]


@register("rings")
def rings(graphs: int = 200, chords: int = 3, seed: int = 0) -> GraphSet:
    """Make rings of 15 to 24 nodes with chords that cut off a triangle each (class 1) or a square each (class 0).

    The sizes and degrees of the classes are alike, so counting nodes, edges or degrees says nothing. There are 1 to 3
    chords per graph, no node has two, and half of the graphs are of each class.
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


@register("tastes")
def tastes(
    users: int = 200, items: int = 120, communities: int = 4, each: int = 15, inside: float = 0.8, seed: int = 0
) -> HeteroData:
    """Make users who choose mostly items of their own community; a fifth of each one's choices is held out.

    y of both node types is the community, number modulo `communities`. Each user makes `each` choices, all different,
    of which a share `inside` falls into the user's own community on average.
    """
    draw = np.random.default_rng(seed)
    belongs, offers = np.arange(users) % communities, np.arange(items) % communities
    same = belongs[:, None] == offers
    chance = np.where(same, inside / same.sum(1, keepdims=True), (1 - inside) / (~same).sum(1, keepdims=True))
    # The largest of log chance + Gumbel noise are a draw without replacement.
    chosen = np.argsort(-np.log(chance) - draw.gumbel(size=chance.shape), axis=1)[:, :each]
    pairs = torch.from_numpy(np.stack([np.repeat(np.arange(users), each), chosen.ravel()]))
    test = torch.arange(users * each) % each < each // 5
    data = as_users_and_items(users, items, pairs[:, ~test], pairs[:, test])
    data["user"].y, data["item"].y = torch.from_numpy(belongs), torch.from_numpy(offers)
    return data


@register("library")
def library(books: int = 600, authors: int = 200, shelves: int = 24, classes: int = 3, seed: int = 0) -> HeteroData:
    """Make books with words, authors and shelves; each of a class, which the words tell worse than the others do.

    An author writes mostly books of one class, and a shelf holds mostly books of one. Masks [books, 3] are of 20, 40
    and 60 labelled books a class, a fifth of the books to tune by, and those left to test on.
    """
    draw = np.random.default_rng(seed)
    y, writes, holds = (np.arange(count) % classes for count in (books, authors, shelves))

    def drawn(others: np.ndarray, own: float, size: int) -> torch.Tensor:
        weight = np.where(y[:, None] == others, own, 1 - own)
        chosen = np.argsort(-np.log(weight) - draw.gumbel(size=weight.shape), axis=1)[:, :size]
        return torch.from_numpy(np.stack([np.repeat(np.arange(books), size), chosen.ravel()]))

    data, words = HeteroData(), np.where(np.arange(48) % classes == y[:, None], 0.12, 0.08)
    data["book"].x = torch.from_numpy(draw.random(words.shape) < words).float()
    data["book"].y = torch.from_numpy(y)
    data["author"].num_nodes, data["shelf"].num_nodes = authors, shelves
    data["book", "by", "author"].edge_index = drawn(writes, 0.85, 2)
    data["book", "on", "shelf"].edge_index = drawn(holds, 0.8, 1)
    order = draw.permutation(books)
    place = np.empty(books, np.int64)
    for kind in range(classes):
        place[order[y[order] == kind]] = np.arange((y == kind).sum())
    last = place >= 60
    tuned = last & (draw.permutation(books) < books // 4)
    parts = {"train": [place < size for size in (20, 40, 60)], "val": [tuned] * 3, "test": [last & ~tuned] * 3}
    for part, masks in parts.items():
        data["book"][f"{part}_mask"] = torch.from_numpy(np.stack(masks, axis=1))
    return data


register("planted")(planted)
register("pydocs")(pydocs)
