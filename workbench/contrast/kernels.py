"""The sums over many pairs that the contrastive loss needs, each with a backward pass that keeps no rows x rows tensor.

* `SymmetricMass` for all-pairs contrasts whose similarity matrix is symmetric (both views stacked): only the tiles on
  and above the diagonal are multiplied out, and each serves its rows and its columns at once. The exponentials are not
  shifted, which is exact while the range of the logits fits the number format.
* `Mass` for a shared list of candidates and for very small temperatures: log-sum-exp by row.
* `PairSimilarity` for `Lists` that differ by anchor: only the listed products are computed.
* `EdgeSimilarity` for pairs of any number per anchor, such as the edges of a graph.

The first keeps as many of its tiles as fit the memory budget and recomputes the others in the backward pass, the
second recomputes all.
"""

import math
from collections.abc import Iterator
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import torch
from torch import Tensor

from workbench.contrast.weights import PairWeights

TILE = 512  # rows of a tile on a CPU; a tile of twice as many no longer fits its cache


class Kept(NamedTuple):
    """Which pairs of rows count: those with left_i . right_j at least `least`; left and right are [rows, any width].

    It must be as true of (i, j) as of (j, i). In two views a pair counts in all four blocks or in none.
    """

    left: Tensor
    right: Tensor
    least: Tensor

    def tile(self, b: slice, c: slice = slice(None)) -> Tensor:
        """Return 1 for the pairs of some rows that count, else 0 [rows of b, rows of c]."""
        return (self.left[b] @ self.right[c].T >= self.least).to(self.left.dtype)


class SymmetricMass(torch.autograd.Function):
    """log sum_{j not own} (left_i . right_j) exp(scale z_i.z_j) over all rows of z, by tiles of the upper triangle.

    Where `pairs` are given, the sum is over those that they keep.
    """

    @staticmethod
    def _tiles(rows: int, tile: int) -> Iterator[tuple[slice, slice]]:
        return combinations_with_replacement([slice(start, start + tile) for start in range(0, rows, tile)], 2)

    @staticmethod
    def _exponentials(y: Tensor, b: slice, c: slice, period: int, kept: Kept | None) -> Tensor:
        tile = (y[b] @ y[c].T).exp_()
        if kept is not None:
            tile.mul_(kept.tile(b, c))
        # A row's own index appears once per view, so own pairs lie on the diagonals 0 and +-`period`.
        for offset in (b.start - c.start + step for step in (0, period, -period)):
            if -tile.shape[0] < offset < tile.shape[1]:
                tile.diagonal(offset).zero_()
        return tile

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        left: Tensor,
        right: Tensor,
        period: int,
        scale: float,
        budget_mib: float,
        pairs: Kept | None = None,
    ) -> Tensor:
        """Compute the value, see the class."""
        budget = budget_mib * 2**20 / z.element_size()
        tile = max(1, min(TILE if z.device.type == "cpu" else 8 * TILE, int(math.sqrt(budget / 4))))
        y = z * math.sqrt(scale)
        sums, kept = torch.zeros_like(right), []
        for b, c in SymmetricMass._tiles(len(z), tile):
            exponentials = SymmetricMass._exponentials(y, b, c, period, pairs)
            sums[b] += exponentials @ right[c]
            if b != c:
                sums[c] += exponentials.T @ right[b]
            budget -= exponentials.numel()
            if budget >= 0 and any(ctx.needs_input_grad):
                kept.append(exponentials)
        mass = (sums * left).sum(1)
        ctx.save_for_backward(y, left, right, sums, mass, *kept)
        ctx.constants = period, scale, tile, pairs
        return mass.log()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        y, left, right, sums, mass, *kept = ctx.saved_tensors
        period, scale, tile, pairs = ctx.constants
        per_mass = torch.where(mass > 0, gradients[0] / mass, 0.0)[:, None]
        share = per_mass * left
        dy, dright = torch.zeros_like(y), torch.zeros_like(right)
        rows_side, columns_side = torch.cat([share, right], 1), torch.cat([right, share], 1)
        for position, (b, c) in enumerate(SymmetricMass._tiles(len(y), tile)):
            e = kept[position] if position < len(kept) else SymmetricMass._exponentials(y, b, c, period, pairs)
            if ctx.needs_input_grad[2]:
                dright[c] += e.T @ share[b]
                if b != c:
                    dright[b] += e @ share[c]
            weight = (rows_side[b] @ columns_side[c].T).mul_(e)
            dy[b].addmm_(weight, y[c])
            if b != c:
                dy[c].addmm_(weight.T, y[b])
        return dy.mul_(math.sqrt(scale)), per_mass * sums, dright, None, None, None, None


class Mass(torch.autograd.Function):
    """log sum_{j: ids_j != i} W_ij exp(scale a_i.b_j + bias_j) of anchors a against a bank b, by blocks of anchors.

    Without ids no anchor is in the bank. Fixed weights are made by blocks of anchors.
    """

    @staticmethod
    def _logits(
        a: Tensor,
        start: int,
        bank: Tensor,
        bias: Tensor | None,
        ids: Tensor | None,
        scale: float,
        made: PairWeights | None,
    ) -> Tensor:
        logits = (a @ bank.T).mul_(scale)
        if made is not None:
            logits += made.tile(start, start + len(a)).log_()
        if bias is not None:
            logits += bias
        if ids is not None:
            logits.masked_fill_(torch.arange(start, start + len(a), device=a.device)[:, None] == ids, -math.inf)
        return logits

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        bank: Tensor,
        left: Tensor | None,
        right: Tensor | None,
        bias: Tensor | None,
        ids: Tensor | None,
        scale: float,
        budget_mib: float,
        made: PairWeights | None = None,
    ) -> Tensor:
        """Compute the value, see the class."""
        block = max(1, int(budget_mib * 2**20 / (4 * anchors.element_size() * max(len(bank), 1))))
        mass = anchors.new_empty(len(anchors))
        for start in range(0, len(anchors), block):
            rows = slice(start, start + block)
            logits = Mass._logits(anchors[rows], start, bank, bias, ids, scale, made)
            if right is not None:
                logits += (right.T if left is None else left[rows] @ right.T).log()
            mass[rows] = torch.logsumexp(logits, 1)
        ctx.save_for_backward(anchors, bank, left, right, bias, ids, mass)
        ctx.constants = scale, block, made
        return mass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        anchors, bank, left, right, bias, ids, mass = ctx.saved_tensors
        scale, block, made = ctx.constants
        danchors, dbank = torch.zeros_like(anchors), torch.zeros_like(bank)
        learned: list[Any] = [None if part is None else torch.zeros_like(part) for part in (left, right, bias)]
        dleft, dright, dbias = learned
        for start in range(0, len(anchors), block):
            rows = slice(start, start + block)
            logits = Mass._logits(anchors[rows], start, bank, bias, ids, scale, made)
            # A row without any weighted pair has log-mass minus infinity and no gradient.
            finite = mass[rows, None].isfinite()
            share = gradients[0][rows, None].where(finite, 0.0)
            weighted = unweighted = logits.sub_(mass[rows, None]).exp_().masked_fill_(~finite, 0.0) * share
            if right is not None:
                weighted = unweighted * (right.T if left is None else left[rows] @ right.T)
                dright += unweighted.sum(0)[:, None] if left is None else unweighted.T @ left[rows]
                if left is not None:
                    dleft[rows] = unweighted @ right
            if dbias is not None:
                dbias += weighted.sum(0)
            danchors[rows] = weighted @ bank
            dbank += weighted.T @ anchors[rows]
        return danchors.mul_(scale), dbank.mul_(scale), dleft, dright, dbias, None, None, None, None


class Lists:
    """Which rows of a bank each anchor lists [anchors, k], as a sparse pattern, by anchor and turned round."""

    def __init__(self, columns: Tensor, bank: int):
        self.columns, self.shape = columns, (len(columns), bank)
        self.pointer = torch.arange(0, columns.numel() + 1, max(columns.shape[1], 1), device=columns.device)

    @cached_property
    def _turned(self) -> tuple[Tensor, Tensor, Tensor]:
        flat = self.columns.flatten()
        order = flat.argsort(stable=True)
        count = torch.bincount(flat, minlength=self.shape[1])
        return torch.cat([count.new_zeros(1), count.cumsum(0)]), order // self.columns.shape[1], order

    def table(self, values: Tensor) -> Tensor:
        """Return values [anchors, k] as a sparse matrix, CSR [anchors, bank]."""
        flat = self.columns.flatten(), values.flatten()
        return torch.sparse_csr_tensor(self.pointer, *flat, self.shape, check_invariants=False)

    def turned(self, values: Tensor) -> Tensor:
        """Return the transpose of `table`, CSR [bank, anchors]: three times as fast a product as by its columns."""
        pointer, rows, order = self._turned
        return torch.sparse_csr_tensor(pointer, rows, values.flatten()[order], self.shape[::-1], check_invariants=False)


class PairSimilarity(torch.autograd.Function):
    """Inner products of each anchor with the rows of a bank that it lists, [anchors, k]."""

    @staticmethod
    def forward(ctx: Any, anchors: Tensor, bank: Tensor, lists: Lists) -> Tensor:
        """Compute the value, see the class."""
        ctx.save_for_backward(anchors, bank)
        ctx.lists = lists
        columns = lists.columns
        if columns.shape[1] > len(bank):  # a list longer than the bank repeats rows; the sparse product refuses that
            return (anchors @ bank.T).gather(1, columns)
        empty = lists.table(anchors.new_zeros(columns.shape))
        return torch.sparse.sampled_addmm(empty, anchors, bank.T).values().view(columns.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        anchors, bank = ctx.saved_tensors
        moved = ctx.lists.table(gradients[0]) @ bank if ctx.needs_input_grad[0] else None
        pulled = ctx.lists.turned(gradients[0]) @ anchors if ctx.needs_input_grad[1] else None
        return moved, pulled, None


class EdgeSimilarity(torch.autograd.Function):
    """Inner products of the rows of two matrices that pairs name, by blocks of pairs [pairs]."""

    BLOCK = 1 << 23  # numbers of a block: 32 MiB

    @staticmethod
    def _blocks(matrix: Tensor, pairs: Tensor) -> Iterator[slice]:
        step = max(1, EdgeSimilarity.BLOCK // max(matrix.shape[1], 1))
        return (slice(start, start + step) for start in range(0, pairs.shape[1], step))

    @staticmethod
    def peak_bytes(pairs: float, dim: int) -> float:
        """Return the bytes that the blocks take: the rows of both matrices, and their product."""
        return 3 * 4 * min(pairs * dim, EdgeSimilarity.BLOCK)

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, pairs: Tensor) -> Tensor:
        """Compute the value: pairs name a row of a and one of b [2, pairs]."""
        ctx.save_for_backward(a, b, pairs)
        products = a.new_empty(pairs.shape[1])
        for block in EdgeSimilarity._blocks(a, pairs):
            products[block] = (a[pairs[0, block]] * b[pairs[1, block]]).sum(1)
        return products

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        a, b, pairs = ctx.saved_tensors
        da, db = torch.zeros_like(a), torch.zeros_like(b)
        for block in EdgeSimilarity._blocks(a, pairs):
            (i, j), share = pairs[:, block], gradients[0][block, None]
            da.index_add_(0, i, share * b[j])
            db.index_add_(0, j, share * a[i])
        return da, db, None


def log_sums(logits: Tensor, anchor: Tensor, anchors: int) -> Tensor:
    """Return the log of each anchor's sum of exp(logits) [..., pairs], minus infinity without a pair [..., anchors]."""
    index = anchor.expand(logits.shape)
    peak = logits.new_full((*logits.shape[:-1], anchors), -math.inf).scatter_reduce(-1, index, logits.detach(), "amax")
    peak = peak.masked_fill(peak == -math.inf, 0.0)
    return torch.zeros_like(peak).scatter_add(-1, index, (logits - peak.gather(-1, index)).exp()).log() + peak
