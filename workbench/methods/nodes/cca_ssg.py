"""CCA-SSG: two views agree column by column, and the columns of each are kept from saying the same; no negatives.

Zhang, Wu, Yan, Wipf, Yu: From Canonical Correlation Analysis to Self-supervised Graph Neural Networks. NeurIPS 2021,
arXiv 2106.12484.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch_geometric.data import Data

from workbench.config import rate
from workbench.encoders.base import Encoder
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.mlp import MLP
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.objectives.decorrelation import canonical_correlation
from workbench.randomness import Randomness


@dataclass(frozen=True)
class CCASSGConfig(TwoViews):
    """Configuration of CCA-SSG; the defaults are the authors' for Cora, who give both views the same rates.

    Attributes:
        decorrelation: weight of what keeps columns apart, the paper's λ; 0 is the control that may collapse.
        layer: "gcn", or as released for CS "linear" with batch normalisation between layers, which sees no edge.
        dim: width of the embedding and of each layer.
        layers: of the encoder; the last one has no activation.
    """

    main = ("epochs", "lr", "dim", "decorrelation")

    epochs: int = at_least(0, 50)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    decorrelation: float = at_least(0, 1e-3)
    layer: Literal["gcn", "linear"] = "gcn"
    dim: int = at_least(1, 512)
    layers: int = at_least(1, 2)
    edge_drop_1: float = rate(0.4)
    edge_drop_2: float = rate(0.4)
    feature_drop_1: float = rate(0.1)
    feature_drop_2: float = rate(0.1)


@METHODS.register("cca-ssg")
class CCASSG(NodeMethod):
    """No projector, no negatives, no second network: the cost grows with nodes times the square of the width.

    The release divides by a column's deviation as it is, so that a constant column makes the loss nan; here it counts
    as 0. DGL, which it loads graphs by, stored many edges twice, of which a view loses one only if both copies are
    dropped; edges here are stored once.
    """

    Config = CCASSGConfig

    encoder: Encoder

    def __init__(self, config: CCASSGConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")

    @classmethod
    def make_encoder(cls, config: CCASSGConfig, shape: Mapping[str, int]) -> Encoder:
        """Return graph convolutions with ReLU between them, or linear layers with batch normalisation as well."""
        if config.layer == "linear":
            return MLP(shape["features"], config.dim, config.layers)
        return GCN((shape["features"], *[config.dim] * config.layers), bare=True)

    @classmethod
    def hops(cls, config: Any) -> int:
        """Return from how far away attributes reach the loss of an anchor."""
        return 0 if config.layer == "linear" else int(config.layers)

    def step(self, batch: Data) -> Step:
        """Have two views of the graph agree."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        agreement, decorrelation = canonical_correlation(*(self.encoder(view) for view in views))
        weights = {"decorrelation": self.config.decorrelation}
        return Step({"agreement": agreement, "decorrelation": decorrelation}, weights)
