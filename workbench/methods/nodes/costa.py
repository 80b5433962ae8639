"""COSTA: random sums over all nodes are contrasted in place of nodes, the same sums in two views of the graph.

COSTA, as released with its preprint at github.com/yifeiacc/COSTA; this is its variant of two views.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import rate
from workbench.contrast import Contrast
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.randomness import Randomness
from workbench.views.sketch import BLOCK, sketch

BLIND = ("all", "uniform", "uniform-each", "debiased")  # samplers that look at no node


@dataclass(frozen=True)
class CostaConfig(TwoViews, base.ContrastConfig):
    """Configuration of COSTA; the defaults are the authors' for Cora, but `projection` and columns, which are ours.

    Attributes:
        negatives: which other sums a sum is compared with: "all", "uniform", "uniform-each" or "debiased"; samplers
            that look at nodes have no meaning for sums over all of them.
        dim: width of the embedding and of each layer.
        projection: hidden width of the projector, which stands behind the sums.
        layers: graph convolutions.
        tau: temperature.
        ratio: sums for each node, in (0, 1].
        mixing: "gaussian" sums over all nodes, or the "identity", which leaves the nodes themselves: a control.
    """

    main = ("epochs", "lr", "dim", "tau", "ratio")

    epochs: int = at_least(0, 700)
    lr: float = above(0, 1e-4)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 256)
    projection: int = at_least(1, 256)
    layers: int = at_least(1, 2)
    tau: float = above(0, 0.4)
    ratio: float = above(0, 0.5)
    mixing: Literal["gaussian", "identity"] = "gaussian"
    feature_drop_2: float = rate(0.3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio > 1:
            raise UserError(f"parameter 'ratio' is {self.ratio}; it must be at most 1", parameter="ratio")
        if self.negatives.name not in BLIND:
            raise UserError(
                f"sampler {self.negatives.name!r} chooses nodes, and COSTA contrasts sums over all nodes; it can have "
                f"negatives {', '.join(map(repr, BLIND))}",
                parameter="negatives",
            )

    def rows(self, nodes: int) -> int:
        """Return how many rows are contrasted of so many nodes."""
        return nodes if self.mixing == "identity" else max(1, round(self.ratio * nodes))

    def pair_bytes(self, rows: int, views: int = 2) -> float:
        """Return about how many bytes the pairs take, and what draws the sums."""
        contrasted = self.rows(rows)
        return super().pair_bytes(contrasted, views) + 8 * min(BLOCK, contrasted * rows)


@METHODS.register("costa")
class Costa(NodeMethod):
    """The sums are drawn anew at each step, the same for both views; negatives are other sums of the other view alone.

    The release takes the first rate of masked columns for both views, so the presets give both the same. Of a sampled
    batch the sums are over its anchors. Rows of the contrast are no nodes, so none is kept for screens.
    """

    Config = CostaConfig

    encoder: GCN

    def __init__(self, config: CostaConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator, self.draws = randomness.generator("views"), randomness.generator("sketch")
        self.projector = projector(config.dim, config.projection)
        self.negatives = self.filling(config.rows(int(inputs.num_nodes)))

    @classmethod
    def make_encoder(cls, config: CostaConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions of equal width."""
        return GCN((shape["features"], *[config.dim] * config.layers))

    def step(self, batch: Data) -> Step:
        """Contrast the sums of one view with those of the other."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        both = torch.cat([self.encoder(view) for view in views], 1)
        if self.config.mixing == "gaussian":
            both = sketch(both, self.config.rows(len(both)), self.draws)
        u, v = (self.projector(part) for part in both.split(self.config.dim, 1))
        return Step({"contrast": self.config.loss(self.contrast(batch, u, v), u, v).mean()})

    def contrast(self, batch: Data, u: Tensor, v: Tensor) -> Contrast:
        """Return whom the sums [rows, dim] are compared with; a batch has fewer of them than the graph."""
        whole = len(u) == self.negatives.context.size
        contrast: Contrast = (self.negatives if whole else self.filling(len(u)))(u, v)
        return contrast

    def filling(self, rows: int) -> base.SampledContrast:
        """Return what fills a contrast of so many sums, numbered in the place of nodes."""
        alone = Contrast(self.config.tau, same_view=False)
        return self.config.sampled(alone, self.inputs, self.randomness, torch.arange(rows))
