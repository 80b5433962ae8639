"""One set of nodes with several relations between them."""

from typing import Any

from torch_geometric.data import HeteroData

from workbench.datasets.hetero import Hetero
from workbench.datasets.kinds import KINDS
from workbench.errors import UserError


@KINDS.register("multiplex")
class Multiplex(Hetero):
    """A `HeteroData` with one node type, x [nodes, features], and one edge_index a relation."""

    name, items, baselines = "multiplex", ("nodes",), ("raw", "paths", "sparsest-path")
    words = "a multiplex graph (a torch_geometric HeteroData with one node type and several relations)"

    def recognises(self, data: Any) -> bool:
        """Return whether there is one node type."""
        return isinstance(data, HeteroData) and len(data.node_types) == 1

    def check(self, data: HeteroData) -> None:
        """Raise a UserError where attributes or relations are missing."""
        if data[data.node_types[0]].get("x") is None or not data.edge_types:
            raise UserError("a multiplex graph needs attributes (x) of its nodes and at least one relation")
        super().check(data)

    def shape(self, inputs: HeteroData) -> dict[str, int]:
        """Return how many attributes a node has, and how many relations there are."""
        return {"features": int(inputs[inputs.node_types[0]].x.shape[1]), "relations": len(inputs.edge_types)}
