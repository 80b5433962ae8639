"""GRACE: each node against all others, in two random views of the graph.

Zhu, Xu, Yu, Liu, Wu, Wang: Deep Graph Contrastive Representation Learning. ICML workshop GRL+ 2020, arXiv 2006.04131.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.positives import POSITIVES, PositivePairs
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.graph_transformer import GraphTransformer
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, Step, above, at_least, part
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.randomness import Randomness


@dataclass(frozen=True)
class GraceConfig(TwoViews, base.ContrastConfig):
    """Configuration of GRACE; the defaults are the authors' for Cora.

    Attributes:
        encoder: "gcn", graph convolutions, or "graph-transformer", of `layers` blocks that are all as wide as the
            embedding; it sees all nodes at once and has no activation of one's choice.
        dim: width of the embedding; all graph convolutions but the last are twice as wide.
        projection: hidden width of the projector.
        layers: graph convolutions, or blocks.
        activation: "relu" or "prelu".
        tau: temperature.
        positives: whom a node is pulled to besides itself, with the source's options.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "tau", "negatives", "k")

    encoder: Literal["gcn", "graph-transformer"] = "gcn"
    dim: int = at_least(1, 128)
    projection: int = at_least(1, 128)
    layers: int = at_least(1, 2)
    activation: Literal["relu", "prelu"] = "relu"
    tau: float = above(0, 0.4)
    positives: Part = part(POSITIVES, "self")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == "graph-transformer" and self.batch_size:
            raise UserError(
                "the encoder 'graph-transformer' sees all nodes; batch_size must be 0", parameter="batch_size"
            )


@METHODS.register("grace")
class Grace(NodeMethod):
    """The common ancestor of both papers and the control for their claims."""

    Config = GraceConfig

    encoder: GCN | GraphTransformer

    def __init__(self, config: GraceConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")
        self.projector = projector(config.dim, config.projection)
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)
        self.positive_pairs = PositivePairs(config.positives, inputs, randomness)

    @classmethod
    def make_encoder(cls, config: GraceConfig, shape: Mapping[str, int]) -> GCN | GraphTransformer:
        """Return graph convolutions, all but the last twice as wide as the embedding, or a transformer."""
        if config.encoder == "graph-transformer":
            return GraphTransformer(shape, config.dim, config.layers)
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

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak; of a transformer all that its blocks keep of two views comes on top."""
        more = 0.0
        if config.encoder == "graph-transformer":
            with torch.device("meta"):
                encoder = GraphTransformer(sizes, config.dim, config.layers)
            more = 4 * encoder.numbers(2 * sizes["rows"], 0)
        return super().memory(config, sizes) + more
