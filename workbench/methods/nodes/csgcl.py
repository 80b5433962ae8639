"""CSGCL: GRACE whose views and loss look at how strongly the communities of a graph hold together.

Chen and others: CSGCL: Community-Strength-Enhanced Graph Contrastive Learning. IJCAI 2023.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.datasets.attributes import Attributes, blocks
from workbench.encoders.graph import GraphTensors, View
from workbench.errors import UserError
from workbench.methods.base import METHODS, at_least
from workbench.methods.nodes.communities import of_nodes
from workbench.methods.nodes.grace import Grace, GraceConfig
from workbench.randomness import Randomness

EQUAL = 1e-12  # spread of strengths below which they are equal but for rounding
RAMP = 100  # epochs in which the weight of the bias grows by 1


@dataclass(frozen=True)
class CSGCLConfig(GraceConfig):
    """Configuration of CSGCL; where the authors give no setting for a graph, the defaults are GRACE's for Cora.

    Attributes:
        strength: what a node counts by: its community's strength ("communities"), or as controls that of another
            community, dealt out anew ("permuted"), or its "degree", scaled to the same highest value.
        gamma: highest weight of the strengths in the loss; 0 leaves them to the views.
        start: epochs before that weight grows from 0, by 1 in 100 epochs.
        adaptive: whether edges and columns are dropped by strength; otherwise all alike, as in GRACE.
        activation: "relu", "prelu", or "rrelu", the slope that randomised ReLU has outside of training.
    """

    main = (*GraceConfig.main, "gamma")

    strength: Literal["communities", "permuted", "degree"] = "communities"
    gamma: float = at_least(0, 1.0)
    start: int = at_least(0, 100)
    adaptive: bool = True
    activation: Literal["relu", "prelu", "rrelu"] = "relu"  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective.name == "cacr" and self.gamma:
            raise UserError("the objective 'cacr' takes no strengths; set gamma=0, or objective='infonce'")


def edge_weights(edge_index: Tensor, communities: Tensor, strength: Tensor) -> Tensor:
    """Return the strength of edges within a community, and minus the sum of both between two [edges]."""
    first, second = strength[edge_index]
    inside = communities[edge_index[0]] == communities[edge_index[1]]
    return torch.where(inside, (first + second) / 2, -(first + second))


def column_weights(x: Attributes, strength: Tensor) -> Tensor:
    """Return by which factor of the usual rate each column is dropped, 0 for the strongest one [features].

    As released, a column of weight 0 counts as the strongest. One of negative weight, whose logarithm isn't a number,
    counts as the weakest (ours; there it is always dropped). All are 1 where no column differs.
    """
    weights = torch.zeros(x.shape[1], dtype=torch.float64)
    for rows, part in blocks(x):
        weights += strength[rows] @ part.abs().double().cpu()
    positive = weights[weights > 0]
    if not len(positive) or positive.max() - positive.min() <= EQUAL * positive.max():
        return torch.ones_like(weights)
    below = positive.max().log() - torch.where(weights == 0, positive.max(), weights.clamp(min=positive.min())).log()
    return below / below.mean()


@METHODS.register("csgcl")
class CSGCL(Grace):
    """GRACE with rates by strength, and with strengths added to the logits of all pairs, the positive one included.

    The paper adds the strengths of both nodes of a pair. That of the anchor cancels, so the candidate's is the bias.
    What the views and the loss need of a batch is known of the whole graph.
    """

    Config = CSGCLConfig

    def __init__(self, config: CSGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        edges, device = GraphTensors.of(inputs).edge_index.cpu(), inputs.edge_index.device
        found = of_nodes(
            config.strength, inputs.edge_index.cpu(), int(inputs.num_nodes), randomness.generator("communities")
        )
        weights = edge_weights(edges, *found) if edges.numel() else torch.zeros(1)
        self.least, self.span = float(weights.min()), float(weights.max() - weights.min())
        self.mean = float(weights.mean()) - self.least
        self.of_columns = column_weights(inputs.x, found[1]).float().to(device)
        self.communities, self.strength, self.weight = found[0].to(device), found[1].float().to(device), 0.0

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Set the weight of the strengths in the loss."""
        self.weight = min(max((epoch - self.config.start) / RAMP, 0.0), self.config.gamma)

    def views(self, batch: Data) -> tuple[View, View]:
        """Draw both views of the graph, or of a batch of it, by the rates of its edges and columns."""
        if not self.config.adaptive:
            return super().views(batch)
        graph, ids = GraphTensors.of(batch), batch.get("n_id")
        edges = graph.edge_index if ids is None else ids.to(self.strength.device)[graph.edge_index]
        times = (edge_weights(edges, self.communities, self.strength) - self.least) / max(self.mean, EQUAL)

        def of_edges(usual: float) -> float | Tensor:
            return usual if self.span <= EQUAL else 1 - (times * (1 - usual)).clamp(0, 1)

        views: tuple[View, View] = self.config.views(
            graph, self.generator, of_edges, lambda usual: (self.of_columns * usual).clamp(max=1)
        )
        return views

    def contrast(self, batch: Data, u: Tensor, v: Tensor) -> Contrast:
        """Return whom the anchors of a batch are compared with, biased by the strengths of the candidates."""
        contrast, anchors = super().contrast(batch, u, v), self.sampled_anchors(batch)
        if not self.weight:
            return contrast
        strength = self.strength if anchors is None else self.strength[anchors.to(self.strength.device)]
        return dataclasses.replace(contrast, bias=self.weight / self.config.tau * strength)

    def details(self) -> dict[str, Tensor]:
        """Return the community and the strength of each node [nodes]."""
        return {"communities": self.communities, "strength": self.strength}
