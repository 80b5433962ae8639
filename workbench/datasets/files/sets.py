"""Data that no PyG class knows, read from the plain files that their authors published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import from_scipy_sparse_matrix, remove_self_loops

from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.graph_sets import GraphSet

Row = dict[str, Any]


def collab(path: Path) -> GraphSet:
    """Read COLLAB from neighbour lists: labels, num_nodes, degrees and neighbors, graphs one after another.

    Self-loops are dropped, as PyG does for a TUDataset.
    """
    with np.load(path, allow_pickle=False) as file:
        keys = ("labels", "num_nodes", "degrees", "neighbors")
        labels, nodes, degrees, neighbours = (torch.from_numpy(file[key].astype(np.int64)) for key in keys)
    counts = degrees.split(nodes.tolist())
    targets = neighbours.split([int(count.sum()) for count in counts])
    made = GraphSet([])
    for label, count, target in zip(labels.tolist(), counts, targets, strict=True):
        ends = torch.stack([torch.arange(len(count)).repeat_interleave(count), target])
        made.append(Data(edge_index=remove_self_loops(ends)[0], num_nodes=len(count), y=torch.tensor([label])))
    return made


def interactions(folder: Path, row: Row) -> HeteroData:
    """Read users and items from two text files, training before held-out interactions; ids count from 1.

    A line is "user item weight", whose weight is left out, or "user:item item ...".
    """
    train, test = (_pairs(folder / file) for file in row["files"])
    return as_users_and_items(row["users"], row["items"], train, test)


def _pairs(path: Path) -> Tensor:
    lines = path.read_text(encoding="utf-8").splitlines()
    parts = [line.partition(":") for line in lines if line.strip()]
    if parts[0][1]:
        pairs = [(int(user), int(item)) for user, _, items in parts for item in items.split()]
    else:
        pairs = [(int(user), int(item)) for line, _, _ in parts for user, item, *_ in [line.split()]]
    return torch.tensor(pairs).T.contiguous() - 1


def heco(folder: Path, row: Row) -> HeteroData:
    """Read the layout of HeCo: attributes and labels of the target type, its meta-path relations, three public splits.

    Where the row names `pairs` in place of `relations`, the graph keeps its several node types. Masks [nodes, 3] are
    those of 20, 40 and 60 labelled nodes per class. Classes count from 0, whatever they do in the file.
    """
    data, (target, *attributes) = HeteroData(), row["target"]
    y = torch.from_numpy(np.load(folder / "labels.npy", allow_pickle=False)).long()
    data[target].num_nodes = len(y)
    if attributes:
        data[target].x = torch.from_numpy(sp.load_npz(folder / attributes[0]).toarray()).float()
        del data[target].num_nodes
    data[target].y = y - y.min()
    for part in ("train", "val", "test"):
        mask = torch.zeros(len(y), 3, dtype=torch.bool)
        for column, size in enumerate((20, 40, 60)):
            mask[torch.from_numpy(np.load(folder / f"{part}_{size}.npy", allow_pickle=False)).long(), column] = True
        data[target][f"{part}_mask"] = mask
    for name in row.get("relations", ()):
        data[target, name, target].edge_index = from_scipy_sparse_matrix(sp.load_npz(folder / f"{name}.npz"))[0]
    for file, first, second in row.get("pairs", ()):
        pairs = torch.from_numpy(
            pd.read_csv(folder / file, sep=r"\s+", header=None, dtype=np.int64).to_numpy().T.copy()
        )
        for kind, ends in zip((first, second), pairs, strict=True):
            if kind != target:
                data[kind].num_nodes = max(int(ends.max()) + 1, data[kind].get("num_nodes", 0))
        data[first, "to", second].edge_index = pairs
    return data


READERS: dict[str, Callable[[Path, Row], HeteroData]] = {"interactions": interactions, "heco": heco}
