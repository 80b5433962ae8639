"""SGRL: a target scatters nodes around their centre, and an encoder that adds neighbours follows it; no negatives.

SGRL, NeurIPS 2024: its paper, and the authors' code at github.com/hedongxiao-tju/SGRL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch_geometric.data import Data

from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import predictor
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.momentum import follow
from workbench.methods.nodes.batches import BatchConfig
from workbench.methods.nodes.lowest import LowestLoss
from workbench.objectives.bootstrap import bootstrap
from workbench.objectives.scattering import scattering
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SGRLConfig(BatchConfig):
    """Configuration of SGRL; the defaults are the authors' for Photo and CS, but `prediction`, which is ours.

    Attributes:
        lr: learning rate of the encoder and its predictor.
        target_lr: learning rate of the target; 0 is the control that scatters nothing.
        dim: width of the embedding, which one graph convolution makes.
        prediction: hidden width of the predictor.
        momentum: share of the target that stays when it moves towards the encoder after each update; 1 is the control
            that leaves it on its own.
        constraint: whether neighbours are added to what predicts and embeds, h + Âh; without it h is taken.
        shared_slope: whether the target's PReLU is the encoder's, as released, or has a slope of its own.
    """

    main = ("epochs", "lr", "target_lr", "dim")

    epochs: int = at_least(0, 700)
    lr: float = above(0, 1e-3)
    target_lr: float = at_least(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 1024)
    prediction: int = at_least(1, 512)
    momentum: float = at_least(0, 0.99)
    constraint: bool = True
    shared_slope: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum > 1:
            raise UserError(f"parameter 'momentum' is {self.momentum}; it must be at most 1", parameter="momentum")


@METHODS.register("sgrl")
class SGRL(LowestLoss):
    """Two networks, each with a loss and an update of its own, on the graph as it is: nothing is dropped or masked.

    `encoder` holds the weights of the lowest alignment loss so far, `online` those that are trained, as in `DGI`. The
    target starts from random weights of its own, which is ours. One Adam updates both networks: no gradient of one loss
    reaches the other's weights, but for a shared slope, which moves by both at once.
    """

    Config = SGRLConfig

    encoder: GCN

    def __init__(self, config: SGRLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.predictor = predictor(config.dim, config.prediction)
        self.target = GCN((inputs.x.shape[1], config.dim), "prelu", bare=config.shared_slope)

    @classmethod
    def make_encoder(cls, config: SGRLConfig, shape: Mapping[str, int]) -> GCN:
        """Return one graph convolution with a PReLU, and neighbours added behind it."""
        return GCN((shape["features"], config.dim), "prelu", add_neighbours=config.constraint)

    @classmethod
    def hops(cls, config: Any) -> int:
        """Return from how far away attributes reach the loss of an anchor."""
        return 1 + int(config.constraint)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters of the encoder with its predictor, and those of the target with their own rate."""
        trained = [*self.online.parameters(), *self.predictor.parameters()]
        return [{"params": trained}, {"params": [*self.target.parameters()], "lr": self.config.target_lr}]

    def step(self, batch: Data) -> Step:
        """Predict the target's embedding of each node, and scatter those of the target."""
        view = GraphTensors.of(batch).whole
        prediction = self.predictor(self.online(view))
        target = self.target(view.first(view.reach[1]) if view.reach else view)
        if self.config.shared_slope:
            target = self.online.activation(target)
        alignment = bootstrap(prediction, target).mean() / 2 - 1  # minus the mean cosine
        self.seen(alignment)
        return Step({"alignment": alignment, "scattering": scattering(target)})

    def after_update(self) -> None:
        """Let the target follow."""
        follow(self.target, self.online, self.config.momentum)

    @classmethod
    def memory(cls, config: SGRLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: one view through encoder, predictor and target, and the weights of three encoders."""
        kept = 5 * sizes["rows"] * (config.prediction - config.dim)
        numbers = kept + 5 * cls.encoder_numbers(config, sizes) + 8 * config.dim * (config.prediction - config.dim)
        return super().memory(config, sizes) + 4 * numbers
