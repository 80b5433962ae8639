"""GRACE: each node against all others, in two random views of the graph.

Zhu, Xu, Yu, Liu, Wu, Wang: Deep Graph Contrastive Representation Learning. ICML workshop GRL+ 2020, arXiv 2006.04131.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.positives import POSITIVES, PositivePairs
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.heads import projector
from workbench.methods import base
from workbench.methods.base import METHODS, Step, above, at_least, part
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.randomness import Randomness


@dataclass(frozen=True)
class GraceConfig(TwoViews, base.ContrastConfig):
    """Configuration of GRACE; the defaults are the authors' for Cora.

    Attributes:
        dim: width of the embedding; all layers but the last are twice as wide.
        projection: hidden width of the projector.
        layers: graph convolutions.
        activation: "relu" or "prelu".
        tau: temperature.
        positives: whom a node is pulled to besides itself, with the source's options.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "tau", "negatives", "k")

    dim: int = at_least(1, 128)
    projection: int = at_least(1, 128)
    layers: int = at_least(1, 2)
    activation: Literal["relu", "prelu"] = "relu"
    tau: float = above(0, 0.4)
    positives: Part = part(POSITIVES, "self")


@METHODS.register("grace")
class Grace(NodeMethod):
    """The common ancestor of both papers and the control for their claims."""

    Config = GraceConfig

    encoder: GCN

    def __init__(self, config: GraceConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")
        self.projector = projector(config.dim, config.projection)
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)
        self.positive_pairs = PositivePairs(config.positives, inputs, randomness)

    @classmethod
    def make_encoder(cls, config: GraceConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions, all but the last twice as wide as the embedding."""
        return GCN((shape["features"], *[2 * config.dim] * (config.layers - 1), config.dim), config.activation)

    def views(self, batch: Data) -> tuple[View, View]:
        """Draw both views of the graph, or of a batch of it."""
        views: tuple[View, View] = self.config.views(GraphTensors.of(batch), self.generator)
        return views

    def step(self, batch: Data) -> Step:
        """Contrast two views of the graph."""
        u, v = (self.projector(self.encoder(view)) for view in self.views(batch))
        contrast = self.contrast(batch, u, v)
        return Step(
            {"contrast": self.config.loss(contrast, u, v).mean()}, kept={"contrast": contrast, "projections": (u, v)}
        )
