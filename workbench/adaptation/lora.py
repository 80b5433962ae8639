"""LoRA: a product of two thin matrices is added to the weights of attention.

Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen: LoRA. ICLR 2022, arXiv 2106.09685, and its release, loralib.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.adaptation.base import PLANS, Plan
from workbench.errors import UserError


class LowRank(nn.Module):
    """A linear layer whose weight W is seen as W + scale * B A; A [rank, in] starts as a layer's does, B at 0."""

    def __init__(self, linear: nn.Linear, rank: int, scale: float, generator: torch.Generator):
        super().__init__()
        self.linear, self.scale = linear, scale
        drawn = nn.init.kaiming_uniform_(torch.empty(rank, linear.in_features), math.sqrt(5), generator=generator)
        self.a, self.b = nn.Parameter(drawn), nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of x [..., out]."""
        made: Tensor = self.linear(x) + self.scale * (x @ self.a.T @ self.b.T)
        return made


@PLANS.register("lora")
class LoRA(Plan):
    """Both linear layers of each attention get W + alpha / rank * B A; in the end it is added to W.

    Args:
        rank: of the product, from 1 to the width of the encoder.
        alpha: how much it counts; twice as much is twice as large a step.
    """

    def __init__(self, rank: int = 4, alpha: float = 4.0):
        super().__init__()
        if rank < 1:
            raise UserError(f"the rank of LoRA is {rank}; it must be at least 1", parameter="plan.rank")
        self.rank, self.scale = rank, alpha / rank
        self.parts: dict[str, LowRank] = {}

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Put the product beside each layer."""
        for name, attention, layer in targets(encoder):
            linear = getattr(attention, layer)
            if self.rank > linear.in_features:
                most = f"it must be at most {linear.in_features}, the width of the encoder"
                raise UserError(f"the rank of LoRA is {self.rank}; {most}", parameter="plan.rank")
            self.parts[name] = LowRank(linear, self.rank, self.scale, generator)
            setattr(attention, layer, self.parts[name])

    def finish(self, encoder: nn.Module) -> None:
        """Add each product to its weight."""
        for name, attention, layer in targets(encoder):
            setattr(
                attention, layer, merged(self.parts[name].linear, self.parts[name].a, self.parts[name].b, self.scale)
            )

    def new(self, encoder: nn.Module, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return A and B of each layer."""
        parts = self.parts.items()
        return {f"{name}.{which}": getattr(part, which).detach() for name, part in parts for which in ("a", "b")}

    def restore(self, encoder: nn.Module, stored: Mapping[str, Tensor]) -> None:
        """Add the products to the weights."""
        for name, attention, layer in targets(encoder):
            merged(getattr(attention, layer), stored[f"{name}.a"], stored[f"{name}.b"], self.scale)


def targets(encoder: Any) -> list[tuple[str, nn.Module, str]]:
    """Return the linear layers of each attention: name in the encoder, and where it stands."""
    blocks = enumerate(encoder.blocks)
    return [
        (f"blocks.{number}.attention.{layer}", block.attention, layer)
        for number, block in blocks
        for layer in ("qkv", "output")
    ]


@torch.no_grad()
def merged(linear: nn.Linear, a: Tensor, b: Tensor, scale: float) -> nn.Linear:
    """Return a layer once the product is added to its weight."""
    linear.weight += scale * (b @ a)
    return linear
