"""GCA: GRACE with views that rather keep edges into central nodes, and attribute columns that central nodes have.

Zhu, Xu, Yu, Liu, Wu, Wang: Graph Contrastive Learning with Adaptive Augmentation. WWW 2021, arXiv 2010.14945.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import rate
from workbench.datasets.attributes import Attributes, blocks
from workbench.encoders.graph import GraphTensors, View
from workbench.methods.base import METHODS
from workbench.methods.nodes.grace import Grace, GraceConfig
from workbench.randomness import Randomness
from workbench.rules.measures import NODE_TERMS
from workbench.rules.terms import Terms

ROUNDS = 200  # of the power iteration
EQUAL = 1e-9  # spread of logarithms below which centralities are equal but for rounding


@dataclass(frozen=True)
class GCAConfig(GraceConfig):
    """Configuration of GCA; where the authors give no setting for a graph, the defaults are GRACE's for Cora.

    Attributes:
        centrality: of nodes: "degree" (incoming edges), "pagerank" or "eigenvector". Controls: "shuffled", the degrees
            dealt out anew among the nodes that have one; "uniform", which is GRACE.
        most: the highest rate at which an edge or column is dropped.
        unused: what a column that no node uses does: "skipped", it doesn't count among the others; "drops-all", as
            released, where the logarithm of 0 makes every column of the graph go at the rate `most`, whatever
            feature_drop_1 and feature_drop_2 say.
        activation: "relu", "prelu", or "rrelu", the slope that randomised ReLU has outside of training.
    """

    main = (*GraceConfig.main, "centrality")

    centrality: Literal["degree", "pagerank", "eigenvector", "shuffled", "uniform"] = "degree"
    most: float = rate(0.7)
    unused: Literal["skipped", "drops-all"] = "skipped"
    activation: Literal["relu", "prelu", "rrelu"] = "relu"  # type: ignore[assignment]


def eigenvector(edge_index: Tensor, nodes: int) -> Tensor:
    """Return the eigenvector centrality of nodes, the largest being 1, float64 [nodes].

    Power iteration on A + I, which also settles on bipartite graphs. A value below what float32 tells from 0 beside
    the largest, as outside of the densest component, counts as that (ours: the logarithm of 0 is no weight).
    """
    source, target = edge_index
    values = torch.ones(nodes, dtype=torch.float64)
    for _ in range(ROUNDS):
        values = values.index_add(0, target, values[source])
        values = values / values.max()
    return values.clamp(min=torch.finfo(torch.float32).eps)


def centrality(kind: str, graph: Data, generator: torch.Generator) -> Tensor:
    """Return how central each node is, float64 on the CPU [nodes]; kinds as in `GCAConfig`.

    PageRank is iterated to its limit. The release starts at 1 and stops after 200 rounds for edges, 10 for columns.
    """
    nodes = int(graph.num_nodes or 0)
    edge_index = graph.edge_index.cpu()
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    if kind == "eigenvector":
        return eigenvector(edge_index, nodes)
    if kind == "pagerank":
        return NODE_TERMS["pagerank"](Terms(Data(edge_index=edge_index, num_nodes=nodes))).double()
    degree = torch.bincount(edge_index[1], minlength=nodes).double()
    if kind == "shuffled":
        some = degree.nonzero()[:, 0]
        degree[some] = degree[some[torch.randperm(len(some), generator=generator)]]
    return degree


def users(x: Attributes, central: Tensor) -> Tensor:
    """Return the sum of the centralities of the nodes whose entry of a column is positive, float64 [features]."""
    total = torch.zeros(x.shape[1], dtype=torch.float64)
    for rows, part in blocks(x):
        total += central[rows] @ (part > 0).double().cpu()
    return total


def lack(central: Tensor, times: Tensor) -> Tensor:
    """Return by how much the logarithm of each centrality stays below the highest, as a share of the mean [things].

    Times says how often a thing stands in the mean [things], which makes that mean 1. All are 1 where all
    centralities are equal, and so is a thing that doesn't stand in it.
    """
    counted, logarithm = times > 0, central.log()
    if not counted.any():
        return torch.ones_like(central)
    below = torch.where(counted, logarithm[counted].max() - logarithm, 0.0)
    mean = (below * times).sum() / times.sum()
    return torch.where(counted & (mean > EQUAL), below / mean, 1.0)


@METHODS.register("gca")
class GCA(Grace):
    """GRACE in all but the rates: each edge has that of its target, each column that of the nodes that use it.

    Rates come from the whole graph; edges and columns of a sampled batch keep theirs.
    """

    Config = GCAConfig

    def __init__(self, config: GCAConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.of_targets, self.of_columns = torch.ones(0), torch.ones(0)
        if config.centrality != "uniform":
            central = centrality(config.centrality, inputs, randomness.generator("centrality"))
            edges = GraphTensors.of(inputs).edge_index
            counts = torch.bincount(edges[1].cpu(), minlength=len(central)).double()
            summed = users(inputs.x, central)
            columns = lack(summed, (summed > 0).double())
            if config.unused == "drops-all" and (summed == 0).any():
                columns = torch.full_like(columns, torch.nan)
            self.of_targets, self.of_columns = (
                one.float().to(edges.device) for one in (lack(central, counts), columns)
            )

    def views(self, batch: Data) -> tuple[View, View]:
        """Draw both views of the graph, or of a batch of it, by the rates of its edges and columns."""
        if self.config.centrality == "uniform":
            return super().views(batch)
        graph, ids = GraphTensors.of(batch), batch.get("n_id")
        targets = graph.edge_index[1] if ids is None else ids.to(self.of_targets.device)[graph.edge_index[1]]
        of_edges, most = self.of_targets[targets], self.config.most

        def rates(weights: Tensor, usual: float) -> Tensor:
            return torch.where(weights * usual < most, weights * usual, most)  # what isn't a number goes at the most

        views: tuple[View, View] = self.config.views(
            graph, self.generator, lambda usual: rates(of_edges, usual), lambda usual: rates(self.of_columns, usual)
        )
        return views
