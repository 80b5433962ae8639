"""BGRL: one view predicts what a slowly following copy of the encoder makes of the other; no negatives.

Thakoor, Tallec, Azar, Azabou, Dyer, Munos, Velickovic, Valko: Large-Scale Representation Learning on Graphs via
Bootstrapping. ICLR 2022, arXiv 2102.06514.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch_geometric.data import Data

from workbench.config import rate
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import predictor
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.momentum import cosine, follow
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.objectives.bootstrap import bootstrap
from workbench.randomness import Randomness


@dataclass(frozen=True)
class BGRLConfig(TwoViews):
    """Configuration of BGRL; the defaults are the authors' for Photo.

    Attributes:
        epochs: passes over the graph, which is a step where it is taken whole.
        lr: the highest learning rate, at the end of the warm-up; it falls to 0 along half a cosine.
        weight_decay: decoupled weight decay of AdamW.
        warmup: epochs over which the learning rate rises from 0; the first has the rate 0.
        dim: width of the embedding; all layers but the last are twice as wide.
        prediction: hidden width of the predictor.
        layers: graph convolutions, each with a PReLU of its own.
        momentum: share of the target that stays at the first update; it rises to 1 along half a cosine. 1 is the
            control whose target stays random.
        target: what the target starts from: "fresh" random weights, as released, or a "copy" of the encoder's.
        norm: "batch" normalisation before each activation, or "none".
        norm_momentum: weight of the last view in the statistics that embed. As released 0.99, so that they are those of
            the last view; 0.01 averages over about a hundred, which is what the same word means in other libraries.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "momentum")

    epochs: int = at_least(0, 10_000)
    lr: float = above(0, 1e-4)
    warmup: int = at_least(0, 1000)
    dim: int = at_least(1, 128)
    prediction: int = at_least(1, 512)
    layers: int = at_least(1, 2)
    momentum: float = at_least(0, 0.99)
    target: Literal["fresh", "copy"] = "fresh"
    norm: Literal["batch", "none"] = "batch"
    norm_momentum: float = above(0, 0.99)
    edge_drop_1: float = rate(0.4)
    edge_drop_2: float = rate(0.1)
    feature_drop_1: float = rate(0.1)
    feature_drop_2: float = rate(0.2)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("momentum", "norm_momentum"):
            if getattr(self, name) > 1:
                raise UserError(f"parameter {name!r} is {getattr(self, name)}; it must be at most 1", parameter=name)


@METHODS.register("bgrl")
class BGRL(NodeMethod):
    """A target network that moves after each update, a schedule of both rates, batch normalisation."""

    Config = BGRLConfig
    Adam = torch.optim.AdamW

    encoder: GCN

    def __init__(self, config: BGRLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")
        self.predictor = predictor(config.dim, config.prediction)
        self.target = self.make_encoder(config, {"features": inputs.x.shape[1]})
        if config.target == "copy":
            self.target.load_state_dict(self.encoder.state_dict())
        self.target.requires_grad_(False)
        self.momentum, self.passed = config.momentum, 0.0  # epochs, in parts where an epoch has several batches

    @classmethod
    def make_encoder(cls, config: BGRLConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions with normalisation and PReLU after each, all but the last twice as wide."""
        widths = (shape["features"], *[2 * config.dim] * (config.layers - 1), config.dim)
        return GCN(widths, "prelu-layers", norm=config.norm, norm_momentum=config.norm_momentum)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Go on with the schedules from the beginning of an epoch."""
        self.passed = float(epoch)
        self.schedule(optimiser)

    def schedule(self, optimiser: torch.optim.Optimizer) -> None:
        """Set the learning rate and the momentum of the moment."""
        for group in optimiser.param_groups:
            group["lr"] = self.config.lr * cosine(self.passed, self.config.epochs, self.config.warmup)
        self.momentum = 1 - (1 - self.config.momentum) * cosine(self.passed, self.config.epochs)

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """Change the parameters, and count what part of the epoch has passed."""
        self.schedule(optimiser)
        super().update(step, optimiser)
        self.passed += 1 / len(self.batches())

    def step(self, batch: Data) -> Step:
        """Predict the target's embedding of each view from the encoder's of the other: 2 - cos - cos, 0 to 4."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        first, second = (self.predictor(self.encoder(view)) for view in views)
        with torch.no_grad():
            target_of_first, target_of_second = (self.target(view) for view in views)
        there, back = bootstrap(first, target_of_second).mean(), bootstrap(second, target_of_first).mean()
        return Step({"bootstrap": (there + back) / 2})

    def after_update(self) -> None:
        """Let the target follow."""
        follow(self.target, self.encoder, self.momentum)

    @classmethod
    def memory(cls, config: BGRLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: both views through encoder and predictor, with normalised copies, and through the target."""
        layers = (2 * config.layers - 1) * config.dim
        kept = 2.5 * sizes["rows"] * (layers + 2 * (config.prediction - config.dim))
        return super().memory(config, sizes) + 4 * (kept + cls.encoder_numbers(config, sizes))
