"""ParetoGNN: five pretext tasks at once, weighted so that their gradients make the shortest sum.

Ju, Zhao, Wen, Yu, Shah, Ye, Zhang: Multi-task Self-supervised Graph Neural Networks Enable Stronger Task
Generalization. ICLR 2023, arXiv 2210.02016, and the released code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.datasets.attributes import Scaling
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.base import METHODS, Config, Method, Step, above, at_least
from workbench.methods.generative.tasks import TASKS
from workbench.objectives.pareto import least_norm
from workbench.randomness import Randomness

FIVE = ("reconstruction", "summary", "contrast", "decorrelation", "links")


@dataclass(frozen=True)
class ParetoGNNConfig(Config):
    """Configuration of ParetoGNN; the defaults are the authors' where their scripts agree.

    Attributes:
        attributes: as of GraphMAE.
        dim: width of the embedding; the layer before it is twice as wide.
        projection: width of the tasks' heads.
        activation: "relu" or "prelu".
        tasks: of "reconstruction", "summary", "contrast", "decorrelation" and "links" those that are learned.
        weighing: "pareto", or the controls: "uniform" weights, "normalised-uniform" ones that make all gradients as
            long as each other, "dirichlet" ones that are drawn anew in each step.
        second_draw: whether the weighted losses are drawn anew after the weights were found, as released.
        warmup: epochs over which the learning rate rises.
    """

    main = ("epochs", "lr", "dim", "tasks", "weighing")

    epochs: int = at_least(0, 10_000)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 1e-5)
    attributes: Scaling = "loaded"
    dim: int = at_least(1, 256)
    projection: int = at_least(1, 512)
    activation: Literal["relu", "prelu"] = "prelu"
    tasks: tuple[str, ...] = FIVE
    weighing: Literal["pareto", "uniform", "normalised-uniform", "dirichlet"] = "pareto"
    second_draw: bool = False
    warmup: int = at_least(0, 100)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not [TASKS.get(name) for name in self.tasks]:
            raise UserError(f"tasks names none of {', '.join(FIVE)}", parameter="tasks")


@METHODS.register("paretognn")
class ParetoGNN(Method):
    """Weights are found on gradients of the encoder that are divided by their length, and multiply the losses as such.

    Differs from the release: the weights are exact; the gradients that they were found on make the step, unless
    `second_draw`; the whole graph is seen at once; its sixth task, which has no loss there, is left out.
    """

    Config = ParetoGNNConfig
    Adam: ClassVar[type[torch.optim.Adam]] = torch.optim.AdamW

    encoder: GCN
    shares: Tensor

    def __init__(self, config: ParetoGNNConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator, self.drawing = randomness.generator("views"), randomness.generator("weights")
        made = {name: TASKS.get(name)(inputs, config.dim, config.projection, self.generator) for name in config.tasks}
        self.tasks = nn.ModuleDict(made)
        self.register_buffer("shares", torch.zeros(len(made) + 1, dtype=torch.float64))

    @classmethod
    def make_encoder(cls, config: ParetoGNNConfig, shape: Mapping[str, int]) -> GCN:
        """Return two graph convolutions, each batch-normalised by statistics of nearly the newest step alone."""
        widths = (shape["features"], 2 * config.dim, config.dim)
        return GCN(widths, config.activation, norm="batch", norm_momentum=0.99)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Set the learning rate of the epoch."""
        for group in optimiser.param_groups:
            group["lr"] = self.config.lr * min(1.0, (epoch + 1) / max(self.config.warmup, 1))

    def step(self, batch: Data) -> Step:
        """Return the loss of each task."""
        tensors = GraphTensors.of(batch)
        terms = {name: task(self.encoder, tensors) for name, task in self.tasks.items()}
        return Step(terms, dict.fromkeys(terms, 1 / len(terms)))

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """Change the parameters along the weighted sum of the tasks' gradients."""
        own = list(self.encoder.parameters())
        everything = [one for one in self.parameters() if one.requires_grad]
        gradients = [
            torch.autograd.grad(loss, everything, retain_graph=True, materialize_grads=True)
            for loss in step.terms.values()
        ]
        kept = {id(one) for one in own}
        flat = torch.stack(
            [
                torch.cat([g.flatten() for g, one in zip(parts, everything, strict=True) if id(one) in kept])
                for parts in gradients
            ]
        )
        weights = self.weigh(flat)
        self.shares += torch.tensor([*weights / weights.sum(), 1.0], device=self.shares.device)
        optimiser.zero_grad(set_to_none=True)
        if self.config.second_draw:
            losses = self.step(self.inputs).terms.values()
            torch.stack([weight * loss for weight, loss in zip(weights.tolist(), losses, strict=True)]).sum().backward()
        else:
            for one, *parts in zip(everything, *gradients, strict=True):
                one.grad = sum(weight * part for weight, part in zip(weights.tolist(), parts, strict=True))
        optimiser.step()

    def weigh(self, gradients: Tensor) -> Any:
        """Return the weight of each loss, from the gradients of the encoder [tasks, parameters]."""
        gram = (gradients @ gradients.T).double().cpu().numpy()
        tasks, lengths = len(gram), np.sqrt(gram.diagonal()).clip(min=1e-30)
        if self.config.weighing == "uniform":
            return np.full(tasks, 1 / tasks)
        if self.config.weighing == "normalised-uniform":
            return 1 / (tasks * lengths)
        if self.config.weighing == "dirichlet":
            draw = np.random.default_rng(int(torch.randint(2**31, (), generator=self.drawing)))
            return draw.dirichlet(np.ones(tasks))
        return least_norm(gram / np.outer(lengths, lengths))

    def details(self) -> dict[str, Tensor]:
        """Return the "weights" that the tasks had on average, in the order of the configuration [tasks]."""
        return {"weights": (self.shares[:-1] / self.shares[-1].clamp(min=1)).float()}
