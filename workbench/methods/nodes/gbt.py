"""Graph Barlow Twins: two views whose columns correlate each with itself and with no other; no negatives.

Bielak, Kajdanowicz, Chawla: Graph Barlow Twins: A self-supervised representation learning framework for graphs.
Knowledge-Based Systems 2022, arXiv 2106.02466.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch_geometric.data import Data

from workbench.config import rate
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.momentum import cosine
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.objectives.decorrelation import barlow_twins
from workbench.randomness import Randomness


@dataclass(frozen=True)
class GBTConfig(TwoViews):
    """Configuration of Graph Barlow Twins; the defaults are the authors' for Photo.

    Attributes:
        lr: the highest learning rate, at the end of the warm-up; it falls to 0 along half a cosine.
        weight_decay: decoupled weight decay of AdamW.
        warmup: epochs over which the learning rate rises from 0.
        redundancy: weight of the correlations between columns, in units of 1 / dim; 0 is the control that may collapse.
        dim: width of the embedding; the first of both layers is twice as wide.
    """

    main = ("epochs", "lr", "dim", "redundancy")

    epochs: int = at_least(0, 1000)
    lr: float = above(0, 1e-4)
    warmup: int = at_least(0, 100)
    redundancy: float = at_least(0, 1.0)
    dim: int = at_least(1, 256)
    edge_drop_1: float = rate(0.1)
    edge_drop_2: float = rate(0.1)
    feature_drop_1: float = rate(0.3)
    feature_drop_2: float = rate(0.3)


@METHODS.register("gbt")
class GBT(NodeMethod):
    """No projector, no negatives, no second network: the cost grows with nodes times the square of the width."""

    Config = GBTConfig
    Adam = torch.optim.AdamW

    encoder: GCN

    def __init__(self, config: GBTConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")

    @classmethod
    def make_encoder(cls, config: GBTConfig, shape: Mapping[str, int]) -> GCN:
        """Return two graph convolutions, batch normalisation and a PReLU between them."""
        return GCN(
            (shape["features"], 2 * config.dim, config.dim), "prelu", norm="batch", norm_momentum=0.01, bare=True
        )

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Set the learning rate of the epoch."""
        for group in optimiser.param_groups:
            group["lr"] = self.config.lr * cosine(epoch, self.config.epochs, self.config.warmup)

    def step(self, batch: Data) -> Step:
        """Have the columns of two views correlate as the identity has it."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        invariance, redundancy = barlow_twins(*(self.encoder(view) for view in views))
        weights = {"redundancy": self.config.redundancy / self.config.dim}
        return Step({"invariance": invariance, "redundancy": redundancy}, weights)

    @classmethod
    def hops(cls, config: GBTConfig) -> int:
        """Return from how far away attributes reach the loss of an anchor."""
        return 2
