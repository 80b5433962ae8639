"""Random sums of the rows of a matrix that keep its inner products of columns in expectation."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

BLOCK = 1 << 24  # numbers of the Gaussian matrix that exist at once: 64 MiB


def sketch(z: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """Return G z [rows, dim] for a Gaussian G [rows, nodes] of variance 1 / rows, so that E[(G z)ᵀ(G z)] = zᵀz.

    Two matrices side by side are summed by the same G. A large G is drawn by blocks of rows, and once more for the
    gradient, so that it never exists as a whole. Source: COSTA, its released code.

    Args:
        z: a matrix [nodes, dim].
        rows: how many sums.
        generator: a number is drawn from it, which G is made from.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    if rows * len(z) <= BLOCK:
        return next(_blocks(rows, z, seed)) @ z
    summed: Tensor = _Sketch.apply(z, rows, seed)
    return summed


def _blocks(rows: int, z: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield G by blocks of rows [some, nodes]."""
    stream, step = torch.Generator().manual_seed(seed), max(1, BLOCK // max(len(z), 1))
    for start in range(0, rows, step):
        block = torch.randn(min(step, rows - start), len(z), generator=stream) / rows**0.5
        yield block.to(z)


class _Sketch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, rows: int, seed: int) -> Tensor:
        ctx.rows, ctx.seed = rows, seed
        ctx.save_for_backward(z)
        return torch.cat([block @ z for block in _blocks(rows, z, seed)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (z,) = ctx.saved_tensors
        total, start = torch.zeros_like(z), 0
        for block in _blocks(ctx.rows, z, ctx.seed):
            total += block.T @ gradient[start : start + len(block)]
            start += len(block)
        return total, None, None
