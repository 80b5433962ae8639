"""A set of graphs, each of which is embedded as a whole."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset
from torch_geometric.utils import degree, one_hot

from workbench.datasets.door import check_edges, numbers, whole
from workbench.datasets.kinds import KINDS, Contents, Kind, only
from workbench.errors import UserError


class GraphSet(list[Data]):
    """A list of graphs with the name of the set, and of what is measured of them; PyG's loaders take it like any list.

    Attributes:
        name: of the set.
        targets: names of the columns of y where it holds numbers, in order.
    """

    def __init__(self, graphs: Iterable[Data], name: str | None = None, targets: Sequence[str] = ()):
        super().__init__(graphs)
        self.name, self.targets = name, tuple(targets)

    def to(self, device: Any) -> "GraphSet":
        """Return the set with each graph on a device."""
        return GraphSet((graph.to(device) for graph in self), self.name, self.targets)


@KINDS.register("graph-sets")
class GraphSets(Kind):
    """A list or dataset of `Data`, each with x [nodes, features], edge_index [2, edges] and its class y [1]."""

    name, words, items = "graph-sets", "a set of graphs (a list or dataset of torch_geometric Data)", ("graphs",)
    baselines, protocol = ("sum-of-attributes", "weisfeiler-lehman"), "svc-10-folds"

    def recognises(self, data: Any) -> bool:
        """Return whether this is a sequence of graphs."""
        if isinstance(data, Dataset):
            return len(data) > 0 and isinstance(data[0], Data)
        return isinstance(data, list | tuple) and len(data) > 0 and all(isinstance(graph, Data) for graph in data)

    def cast(self, data: Any, notes: list[str]) -> Any:
        """Return the set with attributes as float32 and edges as int64."""
        cast, told = [], list[str]()
        for number, graph in enumerate(data):
            said: list[str] = []
            values = {
                "x": numbers(graph.get("x"), f"attributes (x) of graph {number}", said),
                "edge_index": whole(graph.get("edge_index"), f"edge_index of graph {number}", said),
            }
            changed = {key: value for key, value in values.items() if value is not graph.get(key)}
            cast.append(copy.copy(graph).update(changed) if changed else graph)
            told = told or said
        notes += told
        return GraphSet(cast, getattr(data, "name", None), getattr(data, "targets", ())) if told else data

    def check(self, data: Any) -> None:
        """Raise a UserError for the first graph that lacks attributes or edges, or has others than the first."""
        for number, graph in enumerate(data):
            for key, words in (("x", "attributes (x)"), ("edge_index", "edges (edge_index)")):
                if graph.get(key) is None:
                    raise UserError(f"graph {number} has no {words}; load the set with load_graph, which adds degrees")
            x = graph.x
            if not isinstance(x, Tensor):
                raise UserError(f"the attributes x of graph {number} must be a tensor, not {type(x).__name__}")
            if graph.x.dim() != 2 or graph.x.size(1) != data[0].x.size(1) or not graph.x.is_floating_point():
                raise UserError(
                    f"the attributes x of graph {number} must be floating-point numbers [nodes, {data[0].x.size(-1)}] "
                    f"as those of graph 0, not {graph.x.dtype} {list(graph.x.shape)}"
                )
            if not torch.isfinite(x).all():
                node, column = (~torch.isfinite(x)).nonzero()[0].tolist()
                raise UserError(
                    f"graph {number}: the attributes of node {node} hold {x[node, column]} in column {column}"
                )
            check_edges(graph.edge_index, len(x), f"edge_index of graph {number}")

    def inputs(self, data: Any) -> GraphSet:
        """Return each graph's attributes and edges alone."""
        return GraphSet(only(graph, "x", "edge_index", "edge_attr") for graph in data)

    def contents(self, data: Any) -> Contents:
        """Return attributes, edges and class of each graph."""
        keys = ("x", "edge_index", "edge_attr", "y")
        return {f"{number} {key}": graph.get(key) for number, graph in enumerate(data) for key in keys}

    def shape(self, inputs: Any) -> dict[str, int]:
        """Return how many attributes a node has."""
        return {"features": int(inputs[0].x.shape[1])}

    def sizes(self, data: Any) -> dict[str, int]:
        """Return how many graphs there are."""
        return {"graphs": len(data)}

    def entries(self, data: Any) -> dict[str, int]:
        """Return how many nodes and entries of edge_index there are in all."""
        return {"nodes": sum(graph.num_nodes for graph in data), "edges": sum(graph.num_edges for graph in data)}

    def labels(self, data: Any) -> Tensor | None:
        """Return the class of each graph, None where y holds numbers or is missing."""
        classes = [graph.get("y") for graph in data]
        if any(y is None for y in classes) or self.numbers(data) is not None:
            return None
        for number, y in enumerate(classes):
            if not isinstance(y, Tensor) or y.numel() != 1:
                raise UserError(f"the class (y) of graph {number} must be a tensor of one number")
        return torch.cat([y.reshape(1) for y in classes])

    def numbers(self, data: Any) -> Tensor | None:
        """Return what is measured of each graph [graphs, targets]; None where y holds classes or is missing.

        Numbers are floating-point, and not all whole, or several per graph.
        """
        y = [graph.get("y") for graph in data]
        if not all(isinstance(one, Tensor) and one.is_floating_point() and one.numel() == y[0].numel() for one in y):
            return None
        found = torch.stack([one.reshape(-1) for one in y])
        classes = found.shape[1] == 1 and bool((found == found.round()).all())
        return None if classes or not found.numel() else found


def with_attributes(graphs: GraphSet) -> GraphSet:
    """Return the set with one-hot degrees as attributes where a graph has none, as the field does for IMDB and COLLAB.

    There are as many columns as the set's largest degree + 1: an encoder trained on them takes no larger degree.
    """
    if all(graph.get("x") is not None for graph in graphs):
        return graphs
    degrees = [degree(graph.edge_index[0], graph.num_nodes, dtype=torch.long) for graph in graphs]
    columns = 1 + max((int(counts.max()) for counts in degrees if len(counts)), default=0)
    for graph, counts in zip(graphs, degrees, strict=True):
        graph.x = one_hot(counts, columns)
    return graphs
