"""One graph whose nodes are embedded: its kind, its numbers, its hash, and the checks that it must pass."""

import copy
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import homophily, is_undirected

from workbench.datasets.arrays import Rows
from workbench.datasets.attributes import BLOCK, Attributes, AttributesOnDisk, blocks, is_sparse, nonzeros
from workbench.datasets.door import check_edges, classes, finite, numbers, whole
from workbench.datasets.kinds import KINDS, Contents, Kind, content_hash, only
from workbench.datasets.labels import label_sets, several_labels
from workbench.datasets.links import HELD_OUT, check_held_out
from workbench.datasets.structure import adjacency
from workbench.errors import UserError


@KINDS.register("nodes")
class Nodes(Kind):
    """One graph with attributes: a `Data` with x [nodes, features] and edge_index [2, edges].

    Links may be held out to be predicted, see `workbench.datasets.links`.
    """

    name, words, items = "nodes", "one graph (a torch_geometric Data with x and edge_index)", ("nodes",)
    baselines: tuple[str, ...] = ("raw", "propagated", "hops")
    on_request = ("netmf",)
    protocol = "random-10-10-80"

    def recognises(self, data: Any) -> bool:
        """Return whether this is a single homogeneous graph."""
        return isinstance(data, Data) and data.get("text") is None and not isinstance(data, Rows)

    def cast(self, data: Data, notes: list[str]) -> Data:
        """Return attributes as float32, edges as int64, and labels as int64 [nodes] where they can be read so."""
        items = int(data.num_nodes or 0)
        cast = {
            "x": numbers(data.get("x"), "the attributes (x)", notes),
            "edge_index": whole(data.get("edge_index"), "edge_index", notes),
            "y": classes(data.get("y"), items, notes),
            **{key: whole(data[key], key, notes) for key in HELD_OUT if data.get(key) is not None},
        }
        changed = {key: value for key, value in cast.items() if value is not data.get(key)}
        return copy.copy(data).update(changed) if changed else data

    def check(self, data: Data) -> None:
        """Raise a UserError for the first thing in attributes or edges that can't be learned on."""
        if data.x is None or data.edge_index is None:
            lacking = "attributes (x)" if data.x is None else "edges (edge_index)"
            raise UserError(
                f"the graph has no {lacking}; load it with load_graph, which adds or asks for what is missing"
            )
        check_inputs(data)
        check_held_out(data)
        if data.x.dtype != torch.float32:
            raise UserError(f"the attributes x must be float32, not {data.x.dtype}; x.float() makes them so")

    def inputs(self, data: Data) -> Data:
        """Return attributes and edges alone."""
        return only(data, "x", "edge_index")

    def contents(self, data: Data) -> Contents:
        """Return attributes, edges and labels, and held-out links where there are any."""
        held_out = [key for key in HELD_OUT if data.get(key) is not None]
        return {key: data.get(key) for key in ("x", "edge_index", "y", *held_out)}

    def digest(self, contents: Contents) -> str:
        """Return the hash of contents; attributes enter as the positions and values of their non-zero entries.

        So a sparse tensor has the hash of the dense one, and a bag of words is hashed in a second however wide it is.
        """
        positions, values = hashlib.sha256(), hashlib.sha256()
        for where, what in _nonzeros(contents["x"]):
            positions.update(where.data)
            values.update(what.data)
        digest = hashlib.sha256(positions.digest() + values.digest())
        for key, tensor in contents.items():
            if key != "x" and not isinstance(tensor, Tensor | None):  # labels that can't be scored by
                digest.update(f"{key} {tensor!r}".encode())
                continue
            digest.update(f"{key} {'none' if tensor is None else (*tensor.shape, tensor.dtype)}".encode())
            if tensor is not None and key != "x":
                digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
        return digest.hexdigest()

    def sizes(self, data: Data) -> dict[str, int]:
        """Return how many nodes there are."""
        return {"nodes": int(data.num_nodes or 0)}

    def entries(self, data: Data) -> dict[str, int]:
        """Return how many edges and attributes other than zero there are, and "row", the numbers that hold a node's.

        Where attributes stay on disk, they are not counted, and "read" are the numbers that are looked at in one go.
        """
        edges, x = int(data.edge_index.shape[1]), data.x
        if isinstance(x, AttributesOnDisk):
            return {"edges": edges, "nonzeros": x.numel(), "row": x.size(1), "read": min(BLOCK, x.numel())}
        filled = nonzeros(x)
        # A sparse entry is a float and a column number of 8 bytes.
        row = 3 * math.ceil(filled / max(len(x), 1)) if is_sparse(x) else x.size(1)
        return {"edges": edges, "nonzeros": filled, "row": row}

    def names_of(self, data: Data, key: str = "node_names") -> list[str] | None:
        """Return the names of the nodes, their ids ("node_ids"), or the names of the attributes ("feature_names")."""
        return None if data.get(key) is None else [*map(str, data[key])]


def statistics(graph: Data) -> dict[str, Any]:
    """Return numbers that describe a graph: x [nodes, features], edge_index [2, edges], optionally y [nodes].

    They are nodes, edges (entries of edge_index: an undirected edge counts twice), features, classes (None without
    labels; of several labels per node, their columns), isolated (nodes whose only edges, if any, are self-loops),
    self_loops, components (weakly connected), mean_degree (edges per node), edge_homophily (share of edges that join
    equal labels, of those whose ends have labels; None where there are none, or with several labels per node),
    directed, attribute_density (share of attributes that aren't zero), hash.
    """
    nodes, edge_index, y = int(graph.num_nodes), graph.edge_index, graph.get("y")
    several = several_labels(graph)
    links = adjacency(graph)
    known = None if y is None or several else edge_index[:, (y[edge_index] >= 0).all(0)]
    filled = sum(len(values) for _, values in _nonzeros(graph.x))
    return {
        "nodes": nodes,
        "edges": int(edge_index.size(1)),
        "features": int(graph.x.size(1)),
        "classes": None if y is None else int(y.size(1) if several else y[y >= 0].unique().numel()),
        "isolated": int((links.getnnz(axis=1) == 0).sum()),
        "self_loops": int((edge_index[0] == edge_index[1]).sum()),
        "components": int(connected_components(links, directed=False, return_labels=False)),
        "mean_degree": edge_index.size(1) / max(nodes, 1),
        "edge_homophily": None if known is None or not known.numel() else float(homophily(known, y)),
        "directed": not is_undirected(edge_index, num_nodes=nodes),
        "attribute_density": filled / max(graph.x.numel(), 1),
        "hash": content_hash(graph),
    }


def _nonzeros(x: Attributes) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the non-zero entries of [rows, columns] in row-major order: flat positions int64, values; in blocks."""
    if is_sparse(x):
        sparse = x.detach().cpu().to_sparse_coo().coalesce()
        kept = sparse.values() != 0
        row, column = sparse.indices()[:, kept]
        yield (row * x.size(1) + column).numpy(), sparse.values()[kept].numpy()
        return
    for rows, block in blocks(x):
        flat = block.detach().cpu().contiguous().view(-1).numpy()
        where = np.flatnonzero(flat)
        values = flat[where]
        where += rows.start * x.size(1)
        yield where, values


def check_inputs(graph: Data) -> None:
    """Raise a UserError for the first thing in attributes or edges that can't be trained on, naming node or edge."""
    x, names = graph.get("x"), graph.get("feature_names")
    on_disk = isinstance(x, AttributesOnDisk)
    if not (on_disk or (isinstance(x, Tensor) and x.dim() == 2)) or not x.numel():
        shown = f"of shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        column = "; x[:, None] makes one column of them" if isinstance(x, Tensor) and x.dim() == 1 else ""
        raise UserError(
            f"the attributes x must be a tensor [nodes, features] with at least one entry, not {shown}{column}"
        )
    if not x.dtype.is_floating_point:
        raise UserError(f"the attributes x must be floating-point numbers, not {x.dtype}")
    if not on_disk and not finite(x):
        _refuse_infinite(graph)
    check_edges(graph.get("edge_index"), x.size(0))
    if graph.num_nodes not in (None, x.size(0)):
        raise UserError(f"num_nodes is {graph.num_nodes:,}, but there are attributes (x) of {x.size(0):,} nodes")
    for key, wanted in (("node_names", x.size(0)), ("node_ids", x.size(0)), ("feature_names", x.size(1))):
        names = graph.get(key)
        if names is not None and len(names) != wanted:
            raise UserError(f"{key} has {len(names)} names for {wanted}")


def check(graph: Data) -> None:
    """Raise a UserError for the first thing that keeps a graph from being trained on or scored, naming it."""
    check_inputs(graph)
    nodes, y = graph.x.size(0), graph.get("y")
    if isinstance(graph.x, AttributesOnDisk):
        _refuse_infinite(graph)
    if y is not None:
        _check_labels(graph, y, nodes)
    for key in ("train_mask", "val_mask", "test_mask"):
        if graph.get(key) is not None:
            check_mask(graph[key], key, nodes)


def check_mask(mask: Any, key: str, nodes: int) -> None:
    """Raise a UserError where a mask is not boolean with a row per node, and perhaps a column per split."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.dim() not in (1, 2) or len(mask) != nodes:
        what = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
        raise UserError(f"{key} must be boolean with one row per node ({nodes}), not {what}")


def _refuse_infinite(graph: Data) -> None:
    names = graph.get("feature_names")
    for rows, block in blocks(graph.x):
        for row, column in (~torch.isfinite(block)).nonzero()[:1].tolist():
            node = _called(graph, rows.start + row)
            named = f" ({str(names[column])[:80]!r})" if names is not None and column < len(names) else ""
            raise UserError(f"the attributes of node {node} hold {block[row, column]} in column {column}{named}")


def _check_labels(graph: Data, y: Any, nodes: int) -> None:
    if several_labels(graph):
        label_sets(graph)
        if graph.get("class_names") is not None and len(graph.class_names) != y.size(1):
            raise UserError(f"class_names has {len(graph.class_names)} names, but y has {y.size(1)} columns")
        return
    if not isinstance(y, Tensor) or y.dim() != 1 or len(y) != nodes:
        shape = f"shape {list(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise UserError(f"the labels y must be one number per node ({nodes}), not {shape}")
    if y.dtype != torch.long:
        raise UserError(f"the labels y must be class numbers as int64, not {y.dtype}")
    if int(y.min()) < -1:
        node = int((y < -1).nonzero()[0])
        start = "classes start at 0, and -1 says that there is none"
        raise UserError(f"node {_called(graph, node)} has the negative label {int(y[node])}; {start}")
    names = graph.get("class_names")
    if names is not None and len(names) <= int(y.max()):
        raise UserError(f"class_names has {len(names)} names, but the labels go up to {int(y.max())}")


def _called(graph: Data, node: int) -> str:
    """Name a node as its owner knows it."""
    names = graph.get("node_names")
    return f"{node} ({names[node]!r})" if names is not None and node < len(names) else str(node)
