"""What methods on typed graphs have in common: their meta-paths, and training until the loss falls no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.encoders.typed import TypedGraph, path_names
from workbench.errors import UserError, unknown
from workbench.methods.base import PROCESS, Config, Method, Step, above, at_least
from workbench.randomness import Randomness

BUDGET_MIB = 96.0


@dataclass(frozen=True)
class TypedConfig(Config):
    """What the methods on typed graphs have.

    Attributes:
        dim: width of the embedding.
        paths: names of the meta-paths, separated by commas, e.g. "pap, psp"; "" for all that are found.
        tau: temperature.
        patience: training ends after so many epochs without a lower loss; 0 trains all epochs.
    """

    main = ("epochs", "lr", "dim", "tau")

    epochs: int = at_least(0, 10_000)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 64)
    paths: str = ""
    tau: float = above(0, 0.8)
    patience: int = at_least(0, 30)


def chosen_names(config: TypedConfig, shape: Mapping[str, int]) -> list[str]:
    """Return the names of the meta-paths that are learned along; a UserError names one that isn't there."""
    known = path_names(shape)
    asked = [name.strip() for name in config.paths.split(",") if name.strip()]
    for name in asked:
        if name not in known:
            raise unknown("meta-path", name, known, "of this graph")
    if not known:
        raise UserError("no relation leads from the targets to another type and back, so there is no meta-path")
    return asked or known


def each_path(text: str, count: int, parameter: str) -> list[float]:
    """Return the number of each of several things from a text, e.g. "110, 700"; one number is for all."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, count) or min(numbers, default=-1) < 0:
        raise UserError(
            f"{parameter} is {text!r}; it must be one number, or {count} separated by commas", parameter=parameter
        )
    return numbers * count if len(numbers) == 1 else numbers


class TypedMethod(Method):
    """A method on a typed graph whose embedding is that of its targets."""

    kinds = ("hetero",)
    config: Any
    least: Tensor
    waited: Tensor

    def __init__(self, config: Any, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.graph = TypedGraph.of(inputs)
        self.register_buffer("least", torch.tensor(float("inf")))
        self.register_buffer("waited", torch.tensor(0))

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """Change the parameters, and take note of whether the loss is the least so far."""
        super().update(step, optimiser)
        loss = step.total.detach()
        self.waited += 1
        if loss < self.least:
            self.least.copy_(loss)
            self.waited.zero_()

    @property
    def finished(self) -> bool:
        """Whether the loss has not fallen for as long as it is waited for; asked in a step, before its update."""
        return 0 < self.config.patience <= int(self.waited)

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: codes of all types, meta-paths at a density of a quarter, and blocks of pairs."""
        targets, paths = sizes["targets"], len(path_names(sizes))
        weights = 6 * cls.encoder_numbers(config, sizes) + 12 * config.dim * (sizes["nodes"] + 8 * paths * targets)
        pairs = min(24 * targets**2, 4 * BUDGET_MIB * 2**20)
        return PROCESS + 4 * weights + paths * 6 * targets**2 + pairs
