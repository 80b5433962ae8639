"""Sums over all pairs of two views, both directions at once: each tile serves its rows and its columns."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from workbench.contrast.kernels import TILE
from workbench.contrast.weights import ByCluster


class CrossMass(torch.autograd.Function):
    """log sum_j exp(scale u_i.v_j) of the rows of u, then log sum_i exp(scale u_i.v_j) of those of v [2 rows].

    The pair of a row with itself counts as any other; weights by cluster multiply the pairs. Exponentials are not
    shifted, which is exact while the range of the logits fits the number format. As many tiles as fit the budget are
    kept for the backward pass.
    """

    @staticmethod
    def _tiles(rows: int, columns: int, tile: int) -> Iterator[tuple[slice, slice]]:
        starts = (range(0, count, tile) for count in (rows, columns))
        return ((slice(b, b + tile), slice(c, c + tile)) for b, c in product(*starts))

    @staticmethod
    def _exponentials(a: Tensor, v: Tensor, b: slice, c: slice, weights: ByCluster | None) -> Tensor:
        exponentials = (a[b] @ v[c].T).exp_()
        return exponentials if weights is None else exponentials.mul_(weights.tile(b.start, b.stop, c))

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, v: Tensor, scale: float, budget_mib: float, weights: ByCluster | None = None
    ) -> Tensor:
        """Compute the value, see the class."""
        budget = budget_mib * 2**20 / u.element_size()
        tile = max(1, min(TILE if u.device.type == "cpu" else 8 * TILE, int(math.sqrt(budget / 4))))
        a, by_row, by_column, kept = u * scale, u.new_zeros(len(u)), v.new_zeros(len(v)), []
        for b, c in CrossMass._tiles(len(u), len(v), tile):
            exponentials = CrossMass._exponentials(a, v, b, c, weights)
            by_row[b] += exponentials.sum(1)
            by_column[c] += exponentials.sum(0)
            budget -= exponentials.numel()
            if budget >= 0 and any(ctx.needs_input_grad):
                kept.append(exponentials)
        ctx.save_for_backward(a, v, by_row, by_column, *kept)
        ctx.constants = scale, tile, weights
        return torch.cat([by_row, by_column]).log()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        a, v, by_row, by_column, *kept = ctx.saved_tensors
        scale, tile, weights = ctx.constants
        rows, columns = gradients[0].split([len(a), len(v)])
        rows, columns = (torch.where(s > 0, g / s, 0.0) for g, s in ((rows, by_row), (columns, by_column)))
        da, dv = torch.zeros_like(a), torch.zeros_like(v)
        for position, (b, c) in enumerate(CrossMass._tiles(len(a), len(v), tile)):
            e = kept[position] if position < len(kept) else CrossMass._exponentials(a, v, b, c, weights)
            weight = (rows[b, None] + columns[c]).mul_(e)
            da[b].addmm_(weight, v[c])
            dv[c].addmm_(weight.T, a[b])
        return da.mul_(scale), dv, None, None, None
