"""Users and items with interactions between them, some of which are held out to be predicted."""

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.datasets.door import whole
from workbench.datasets.kinds import KINDS, Contents, Kind, alone
from workbench.errors import UserError

RELATION = ("user", "interacts", "item")
HELD_OUT = ("test_edge_index", "edge_label_index")  # the second is what PyG's AmazonBook calls it


@KINDS.register("bipartite")
class Bipartite(Kind):
    """A `HeteroData` with two node types, one relation from the first to the second, and held-out edges beside it.

    The relation's `edge_index` [2, interactions] is what is learned from, its `test_edge_index` [2, held out] is
    what is predicted. A relation that runs back is taken for a copy of the first and is left out. Methods find the
    types under the names "user" and "item", whatever their owner calls them.
    """

    name, items = "bipartite", ("user", "item")
    words = "users and items (a torch_geometric HeteroData with two node types and one relation between them)"
    baselines, protocol = ("popularity", "item-cosine", "svd"), "full-ranking"

    def recognises(self, data: Any) -> bool:
        """Return whether there are two node types and one relation between them, or that and its reverse."""
        if not isinstance(data, HeteroData) or len(data.node_types) != 2:
            return False
        ends = [(source, target) for source, _, target in data.edge_types]
        return all(source != target for source, target in ends) and 1 <= len(ends) == len(set(ends))

    def cast(self, data: HeteroData, notes: list[str]) -> HeteroData:
        """Return the interactions as int64."""
        store = data[data.edge_types[0]]
        cast = {key: whole(store[key], key, notes) for key in ("edge_index", *HELD_OUT) if store.get(key) is not None}
        changed = {key: value for key, value in cast.items() if value is not store[key]}
        if changed:
            data = copy.copy(data)
            data[data.edge_types[0]].update(changed)
        return data

    def check(self, data: HeteroData) -> None:
        """Raise a UserError where interactions are missing or name a user or item that isn't there."""
        for key, pairs in (("edge_index", interactions(data)), ("held-out edges", held_out(data))):
            if pairs is None and key != "edge_index":
                continue
            if not isinstance(pairs, Tensor) or pairs.dim() != 2 or len(pairs) != 2 or pairs.dtype != torch.long:
                raise UserError(f"{key} of users and items must be an int64 tensor of shape [2, interactions]")
            for ends, count, words in zip(pairs, _counts(data), ("users", "items"), strict=True):
                if ((ends < 0) | (ends >= count)).any():
                    raise UserError(f"{key} names {words} outside 0 to {count - 1}; set num_nodes of both node types")

    def inputs(self, data: HeteroData) -> HeteroData:
        """Return the training interactions alone, as ("user", "interacts", "item")."""
        return as_users_and_items(*_counts(data), alone(interactions(data)))

    def contents(self, data: HeteroData) -> Contents:
        """Return how many users and items there are, and the training and held-out interactions."""
        return {"counts": _counts(data), "train": interactions(data), "test": held_out(data)}

    def shape(self, inputs: HeteroData) -> dict[str, int]:
        """Return how many users and items there are: each has an embedding of its own."""
        return dict(zip(("users", "items"), _counts(inputs), strict=True))

    def sizes(self, data: HeteroData) -> dict[str, int]:
        """Return how many users and items there are."""
        return dict(zip(self.items, _counts(data), strict=True))

    def entries(self, data: HeteroData) -> dict[str, int]:
        """Return how many training and held-out interactions there are."""
        test = held_out(data)
        return {"interactions": int(interactions(data).size(1)), "held_out": 0 if test is None else int(test.size(1))}


def interactions(data: HeteroData) -> Tensor:
    """Return what is learned from [2, interactions]: users above, items below."""
    return data[data.edge_types[0]].get("edge_index")


def held_out(data: HeteroData) -> Tensor | None:
    """Return the interactions that are held out [2, held out]; None where there are none."""
    store = data[data.edge_types[0]]
    return next((store[key] for key in HELD_OUT if key in store), None)


def as_users_and_items(users: int, items: int, train: Tensor, test: Tensor | None = None) -> HeteroData:
    """Return data of this kind, made of int64 pairs [2, interactions]."""
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, items
    data[RELATION].edge_index = train
    if test is not None:
        data[RELATION].test_edge_index = test
    return data


def _counts(data: HeteroData) -> tuple[int, int]:
    source, _, target = data.edge_types[0]
    return int(data[source].num_nodes or 0), int(data[target].num_nodes or 0)
