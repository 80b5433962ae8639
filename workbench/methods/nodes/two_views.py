"""The two random views of GRACE, which its descendants share: edges dropped, attribute columns masked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import rate
from workbench.encoders.graph import GraphTensors, View
from workbench.methods.nodes.batches import BatchConfig

Rates = Callable[[float], float | Tensor]


def same(rate: float) -> float:
    """Return the rate that is given: all edges or columns have it."""
    return rate


@dataclass(frozen=True)
class TwoViews(BatchConfig):
    """Rates of the augmentation; the defaults are GRACE's for Cora.

    Attributes:
        edge_drop_1, edge_drop_2: rate of dropped edges in each view.
        feature_drop_1, feature_drop_2: rate of masked attribute columns in each view.
        edge_dropping: drop each stored direction on its own ("directed", as released) or both together.
    """

    edge_drop_1: float = rate(0.2)
    edge_drop_2: float = rate(0.4)
    feature_drop_1: float = rate(0.3)
    feature_drop_2: float = rate(0.4)
    edge_dropping: Literal["directed", "undirected"] = "directed"

    def views(
        self, graph: GraphTensors, generator: torch.Generator, edges: Rates = same, columns: Rates = same
    ) -> tuple[View, View]:
        """Draw both views of a graph.

        Args:
            graph: the graph, or a batch of it.
            generator: the stream to draw from.
            edges, columns: turn the rate of a view into one for each edge or column, see `GraphTensors.view`.
        """
        together = self.edge_dropping == "undirected"
        first = graph.view(edges(self.edge_drop_1), columns(self.feature_drop_1), generator, together)
        return first, graph.view(edges(self.edge_drop_2), columns(self.feature_drop_2), generator, together)


def kept_shares(draw: Callable[[Data], tuple[View, View]], data: Data, draws: int = 200) -> tuple[Tensor, Tensor]:
    """Return in which share of drawn second views each stored edge stays [edges], and each column [features].

    Loops, which every view has, stay in all; a repeated edge stays where one of its copies does.

    Args:
        draw: draws both views of a graph, e.g. the method `views` of GRACE, GCA or CSGCL.
        data: the graph. draws: how often.
    """
    nodes, (source, target) = int(data.num_nodes or 0), data.edge_index
    edges, columns = torch.zeros(data.num_edges), torch.zeros(data.num_features)
    for _ in range(draws):
        view = draw(data)[1]
        row, column = view.edges(nodes).cpu()
        stays = torch.isin(target.cpu() * nodes + source.cpu(), row * nodes + column)
        edges += stays | (source == target).cpu()
        columns += 1 if view.columns is None else view.columns.cpu()
    return edges / draws, columns / draws
