"""The matrices of several experts that came of one feed-forward unit: whole, or as what each adds to a common base.

Huang, Ye, Peng and others: DeRS: Towards Extremely Efficient Upcycled Mixture-of-Experts Models. CVPR 2025,
arXiv 2503.01359.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from workbench.adaptation.blocks import each
from workbench.encoders.blocks import FeedForward

Mode = Literal["vanilla", "sparse", "low-rank"]


def flat(unit: FeedForward) -> Tensor:
    """Return both matrices of a unit one behind the other, E = 2 d h numbers [E]."""
    return torch.cat([unit.up.weight.detach().flatten(), unit.down.weight.detach().flatten()])


class Bank(nn.Module):
    """Experts that begin as copies of a unit: their biases, and matrices that a subclass keeps in its way.

    Args:
        unit: whose norm is not among them.
        experts: their number N.
    """

    def __init__(self, unit: FeedForward, experts: int):
        super().__init__()
        self.experts, self.shape = experts, tuple(unit.up.weight.shape)  # [h, d]
        self.up_bias = nn.Parameter(unit.up.bias.detach().repeat(experts, 1))
        self.down_bias = nn.Parameter(unit.down.bias.detach().repeat(experts, 1))

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Return what each expert says of its part of the tokens, below each other [tokens, d].

        Args:
            parts: one [tokens, d] for each expert, normalised.
        """
        up, down = self.split(self.flat())
        return each(parts, up, self.up_bias, down, self.down_bias)

    def flat(self) -> Tensor:
        """Return the matrices of each expert [N, E], built anew where they are not kept whole."""
        raise NotImplementedError

    @torch.no_grad()
    def mean(self, norm: nn.LayerNorm) -> FeedForward:
        """Return the plain unit that has the mean of the experts, and a norm."""
        (up, down), (hidden, width) = self.split(self.flat().mean(0)), self.shape
        with torch.device("meta"):  # which draws nothing
            unit = FeedForward(width, hidden)
        unit.to_empty(device=up.device).to(up.dtype).norm = norm
        unit.up.weight.copy_(up)
        unit.down.weight.copy_(down)
        unit.up.bias.copy_(self.up_bias.mean(0))
        unit.down.bias.copy_(self.down_bias.mean(0))
        return unit

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first matrices [..., h, d] and the second ones [..., d, h] of flat ones [..., E]."""
        up, down = flat.chunk(2, -1)
        return up.unflatten(-1, self.shape), down.unflatten(-1, self.shape[::-1])


class Whole(Bank):
    """Each expert has matrices of its own, as upcycling has them: N E numbers."""

    def __init__(self, unit: FeedForward, experts: int):
        super().__init__(unit, experts)
        self.weight = nn.Parameter(flat(unit).repeat(experts, 1))

    def flat(self) -> Tensor:
        """Return the matrices."""
        return self.weight


class Sparse(Bank):
    """A base, and of each expert numbers at places that never change: E + N (1 - p) E numbers.

    Args:
        unit, experts: as of `Bank`.
        positions: places in all matrices of all experts, N E of them, ascending [kept].
    """

    positions: Tensor

    def __init__(self, unit: FeedForward, experts: int, positions: Tensor):
        super().__init__(unit, experts)
        self.base = nn.Parameter(flat(unit))
        self.values = nn.Parameter(self.base.new_zeros(len(positions)))
        self.register_buffer("positions", positions.int())

    def flat(self) -> Tensor:
        """Return the base with the numbers added at their places."""
        added = self.base.new_zeros(self.experts * len(self.base)).index_put((self.positions.long(),), self.values)
        return self.base + added.view(self.experts, -1)


class LowRank(Bank):
    """A base, and of each expert and matrix a product of rank r that begins as 0: E + 2 N r (d + h) numbers."""

    def __init__(self, unit: FeedForward, experts: int, rank: int, generator: torch.Generator):
        super().__init__(unit, experts)
        self.base, (hidden, width) = nn.Parameter(flat(unit)), self.shape

        def first(rows: int) -> nn.Parameter:  # within 1 / sqrt(rows), ours
            drawn = torch.rand(experts, rows, rank, generator=generator, dtype=self.base.dtype)
            return nn.Parameter((2 * drawn - 1) / rows**0.5)

        self.up_a, self.down_a = first(hidden), first(width)
        self.up_b = nn.Parameter(self.base.new_zeros(experts, rank, width))
        self.down_b = nn.Parameter(self.base.new_zeros(experts, rank, hidden))

    def flat(self) -> Tensor:
        """Return the base plus the products."""
        products = (self.up_a @ self.up_b).flatten(1), (self.down_a @ self.down_b).flatten(1)
        return self.base + torch.cat(products, 1)
