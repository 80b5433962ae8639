"""One graph whose nodes have a text each."""

from typing import Any

from torch_geometric.data import Data

from workbench.datasets.kinds import KINDS, Contents, Kind, only
from workbench.datasets.nodes import Nodes
from workbench.errors import UserError


@KINDS.register("texts")
class Texts(Nodes):
    """A `Data` with text, a list of one string per node, edge_index [2, edges], and x where there is one."""

    name, items = "texts", ("nodes",)
    words = "a graph of texts (a torch_geometric Data with text, one string per node)"
    baselines, protocol = ("words",), "random-10-10-80"
    digest, entries = Kind.digest, Kind.entries

    def recognises(self, data: Any) -> bool:
        """Return whether this is a single graph with texts."""
        return isinstance(data, Data) and data.get("text") is not None

    def check(self, data: Data) -> None:
        """Raise a UserError where there is not one text per node."""
        if data.edge_index is None or len(data.text) != data.num_nodes:
            raise UserError(f"a graph of texts needs edges (edge_index) and one text per node ({data.num_nodes})")

    def inputs(self, data: Data) -> Data:
        """Return texts, edges and attributes alone."""
        return only(data, "edge_index", "x").update({"text": [*data.text]})

    def contents(self, data: Data) -> Contents:
        """Return texts, attributes, edges and labels."""
        return {"text": tuple(data.text), **super().contents(data)}
