"""A graph of several types of nodes and edges."""

from typing import Any

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import NodeStorage

from workbench.datasets.bipartite import Bipartite
from workbench.datasets.kinds import KINDS, Contents, Kind, alone


@KINDS.register("hetero")
class Hetero(Kind):
    """A `HeteroData` that is neither bipartite nor multiplex; its items, the targets, are the nodes with labels."""

    name, items = "hetero", ("targets",)
    words = "a typed graph (a torch_geometric HeteroData with several node types and relations)"
    baselines, protocol = ("raw",), "random-10-10-80"

    def recognises(self, data: Any) -> bool:
        """Return whether there are several node types, and more than one relation between two of them."""
        return isinstance(data, HeteroData) and len(data.node_types) > 1 and not Bipartite().recognises(data)

    def inputs(self, data: HeteroData) -> HeteroData:
        """Return the attributes of each node type and the edges of each relation alone."""
        inputs = HeteroData()
        for kind in data.node_types:
            inputs[kind].num_nodes = data[kind].num_nodes
            if data[kind].get("x") is not None:
                inputs[kind].x = alone(data[kind].x)
        for relation in data.edge_types:
            inputs[relation].edge_index = alone(data[relation].edge_index)
        return inputs

    def contents(self, data: HeteroData) -> Contents:
        """Return how many nodes there are of each type, their attributes and labels, and the edges of each relation."""
        contents: dict[str, Any] = {"nodes": tuple((kind, data[kind].num_nodes) for kind in data.node_types)}
        contents |= {f"{kind} {key}": data[kind].get(key) for kind in data.node_types for key in ("x", "y")}
        return contents | {" ".join(relation): data[relation].edge_index for relation in data.edge_types}

    def shape(self, inputs: HeteroData) -> dict[str, int]:
        """Return how many attributes a node of each type has."""
        return {f"features of {kind}": int(x.shape[1]) for kind, x in inputs.collect("x", True).items()}

    def sizes(self, data: HeteroData) -> dict[str, int]:
        """Return how many items there are."""
        return {self.items[0]: int(self._labelled(data).num_nodes or 0)}

    def entries(self, data: HeteroData) -> dict[str, int]:
        """Return how many nodes of all types and entries of all edge_index there are."""
        return {"nodes": int(data.num_nodes or 0), "edges": int(data.num_edges)}

    def attributes(self, data: HeteroData) -> Tensor | None:
        """Return the attributes of each node of the type that has labels."""
        return self._labelled(data).get("x")

    def labels(self, data: HeteroData) -> Tensor | None:
        """Return the class of each node of the type that has labels."""
        return self._labelled(data).get("y")

    def _labelled(self, data: HeteroData) -> NodeStorage:
        """Return what is known of the nodes that have labels, else of those of the first type."""
        types = data.node_types
        return data[next((kind for kind in types if data[kind].get("y") is not None), types[0])]
