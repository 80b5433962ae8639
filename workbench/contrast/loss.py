"""The exact contrastive loss of every `Contrast`, streamed in blocks of rows: never a rows x rows tensor.

The denominators are sums over many pairs. Two kernels compute their logarithm:

* `_SymmetricMass` for all-pairs contrasts whose similarity matrix is symmetric (both views stacked): only the tiles on
  and above the diagonal are multiplied out, and each serves its rows and its columns at once. One constant shift keeps
  the exponentials in range, which is exact while the range of the logits fits the number format.
* `_Mass` for everything else (a shared short list of candidates, very small temperatures): log-sum-exp by row.

Both recompute their blocks in the backward pass instead of keeping them, unless all blocks fit the memory budget.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from workbench.contrast.contrast import Contrast
from workbench.errors import UserError

BUDGET_MIB = 512
_TILE = 1024


def loss(contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float = BUDGET_MIB) -> Tensor:
    """Compute the contrastive loss of each anchor, exactly, without keeping all pairs.

    Args:
        contrast: which pairs count and how much.
        u: projections in the first view [rows, dim].
        v: projections in the second view [rows, dim]; must be given if and only if `contrast.views` is 2.
        budget_mib: memory that blocks of pairs may take; smaller means smaller blocks and recomputation.

    Returns:
        Loss per anchor in nats [rows], the mean of both directions where there are two views. It is differentiable
        with respect to the projections and, where they require it, `contrast.weights` and `contrast.bias`.

    Raises:
        UserError: shapes that don't fit the contrast, or a denominator without any pair.
    """
    rows = u.shape[0]
    if (v is not None) != (contrast.views == 2) or (v is not None and v.shape != u.shape):
        raise UserError(f"a contrast of {contrast.views} view(s) was given projections that don't match its views")
    contrast.check(rows)
    if contrast.positive_weight == 0 and (rows < 2 or contrast.negatives_per_anchor(rows) == 0):
        raise UserError("a decoupled contrast (positive_weight=0) needs at least one negative per anchor")
    if contrast.similarity == "cosine":
        u, v = normalize(u, dim=1), None if v is None else normalize(v, dim=1)
    other = u if v is None else v
    own = (u * other).sum(1) / contrast.tau
    if contrast.bias is not None:
        own = own + contrast.bias
    mass = _log_mass(contrast, u, v, budget_mib)
    if contrast.positive_weight > 0:
        paired = own + math.log(contrast.positive_weight)
        mass = torch.logaddexp(mass, paired.repeat(contrast.views))
    if contrast.positives is None:
        positive = own.repeat(contrast.views)
    else:
        positive = torch.cat([_log_positives(contrast, a, b) for a, b in ((u, other), (other, u))[: contrast.views]])
    return (mass - positive).view(contrast.views, rows).mean(0)


def _log_mass(contrast: Contrast, u: Tensor, v: Tensor | None, budget_mib: float) -> Tensor:
    """Return the log-denominator without the pair of a row with itself [views * rows], first view first."""
    z = u if v is None else torch.cat([u, v])
    scale = 1 / contrast.tau
    if contrast.candidates is not None and contrast.candidates.dim() == 2:
        return _listed_log_mass(contrast, u, v, budget_mib)
    factors = contrast.weights if isinstance(contrast.weights, tuple) else (None, contrast.weights)
    left, right = factors
    if right is not None and right.dim() == 1:
        right = right[:, None]
    if contrast.candidates is None and (contrast.same_view or v is None):
        bound = 1.0 if contrast.similarity == "cosine" else float(z.detach().square().sum(1).max()) if len(z) else 0.0
        bias = contrast.bias
        spread = 2 * bound * scale + (0.0 if bias is None else float(bias.detach().max() - bias.detach().min()))
        # Beyond this range a tile-wide shift would underflow and the row-wise kernel is needed.
        if spread < 0.7 * -math.log(torch.finfo(z.dtype).tiny):
            peak = 0.0 if bias is None else float(bias.detach().max())
            ones = z.new_ones(len(u), 1)
            right = ones if right is None else right
            if bias is not None:
                right = right * (bias - peak).exp()[:, None]
            left = ones.expand_as(right) if left is None else left
            left, right = left.repeat(contrast.views, 1), right.repeat(contrast.views, 1)
            return _SymmetricMass.apply(z, left, right, len(u), scale, bound * scale, budget_mib) + peak
    chosen = contrast.candidates
    if chosen is None:
        chosen = torch.arange(len(u), device=u.device)
    column_bias = None if contrast.bias is None else contrast.bias[chosen]
    masses = []
    for anchors, banks in _directions(contrast, u, v):
        parts = [_Mass.apply(anchors, b[chosen], left, right, column_bias, chosen, scale, budget_mib) for b in banks]
        masses.append(parts[0] if len(parts) == 1 else torch.logaddexp(*parts))
    return torch.cat(masses)


def _directions(contrast: Contrast, u: Tensor, v: Tensor | None) -> list[tuple[Tensor, list[Tensor]]]:
    """Return each view as anchors with the views that its candidates come from, the other view first."""
    if v is None:
        return [(u, [u])]
    return [(u, [v, u]), (v, [u, v])] if contrast.same_view else [(u, [v]), (v, [u])]


class _SymmetricMass(torch.autograd.Function):
    """log sum_{j not own} (left_i . right_j) exp(scale z_i.z_j) over all rows of z, by tiles of the upper triangle."""

    @staticmethod
    def _tiles(rows: int, tile: int) -> Iterator[tuple[slice, slice]]:
        starts = range(0, rows, tile)
        for first in starts:
            for second in starts[first // tile :]:
                yield slice(first, min(first + tile, rows)), slice(second, min(second + tile, rows))

    @staticmethod
    def _exponentials(z: Tensor, b: slice, c: slice, period: int, scale: float, shift: float) -> Tensor:
        tile = (z[b] @ z[c].T).mul_(scale).sub_(shift).exp_()
        # A row's own index appears once per view, so own pairs lie on the diagonals 0 and +-`period`.
        for offset in (b.start - c.start + step for step in (0, period, -period)):
            if -tile.shape[0] < offset < tile.shape[1]:
                tile.diagonal(offset).zero_()
        return tile

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, left: Tensor, right: Tensor, period: int, scale: float, shift: float, budget_mib: float
    ) -> Tensor:
        rows, unit = len(z), z.element_size() / 2**20
        tile = max(1, min(_TILE if z.device.type == "cpu" else 4 * _TILE, int(math.sqrt(budget_mib / unit / 4))))
        keep = rows * (rows + tile) / 2 * unit <= budget_mib and any(ctx.needs_input_grad)
        sums, kept = torch.zeros_like(right), []
        for b, c in _SymmetricMass._tiles(rows, tile):
            exponentials = _SymmetricMass._exponentials(z, b, c, period, scale, shift)
            sums[b] += exponentials @ right[c]
            if b != c:
                sums[c] += exponentials.T @ right[b]
            if keep:
                kept.append(exponentials)
        mass = (sums * left).sum(1)
        ctx.save_for_backward(z, left, right, sums, mass, *kept)
        ctx.constants = period, scale, shift, tile
        return mass.log() + shift

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        z, left, right, sums, mass, *kept = ctx.saved_tensors
        period, scale, shift, tile = ctx.constants
        per_mass = torch.where(mass > 0, gradients[0] / mass, 0.0)[:, None]
        share = per_mass * left
        dz, dright = torch.zeros_like(z), torch.zeros_like(right)
        rows_side, columns_side = torch.cat([share, right], 1), torch.cat([right, share], 1)
        for position, (b, c) in enumerate(_SymmetricMass._tiles(len(z), tile)):
            e = kept[position] if kept else _SymmetricMass._exponentials(z, b, c, period, scale, shift)
            if ctx.needs_input_grad[2]:
                dright[c] += e.T @ share[b]
                if b != c:
                    dright[b] += e @ share[c]
            weight = (rows_side[b] @ columns_side[c].T).mul_(e)
            dz[b] += weight @ z[c]
            if b != c:
                dz[c] += weight.T @ z[b]
        return dz.mul_(scale), per_mass * sums, dright, None, None, None, None


class _Mass(torch.autograd.Function):
    """log sum_{j: ids_j != i} W_ij exp(scale a_i.b_j + bias_j) of anchors a against a bank b, by blocks of anchors."""

    @staticmethod
    def _logits(
        a: Tensor, start: int, bank: Tensor, bias: Tensor | None, ids: Tensor, scale: float
    ) -> tuple[Tensor, Tensor]:
        logits = (a @ bank.T).mul_(scale)
        if bias is not None:
            logits += bias
        own = torch.arange(start, start + len(a), device=a.device)[:, None] == ids
        return logits.masked_fill_(own, -math.inf), own

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        bank: Tensor,
        left: Tensor | None,
        right: Tensor | None,
        bias: Tensor | None,
        ids: Tensor,
        scale: float,
        budget_mib: float,
    ) -> Tensor:
        block = max(1, int(budget_mib * 2**20 / (4 * anchors.element_size() * max(len(bank), 1))))
        masses = []
        for start in range(0, len(anchors), block):
            rows = slice(start, start + block)
            logits, _ = _Mass._logits(anchors[rows], start, bank, bias, ids, scale)
            if right is not None:
                logits += _pair_weights(left, right, rows).log()
            masses.append(torch.logsumexp(logits, 1) if len(bank) else anchors.new_full((len(logits),), -math.inf))
        mass = torch.cat(masses) if masses else anchors.new_empty(0)
        ctx.save_for_backward(anchors, bank, left, right, bias, ids, mass)
        ctx.constants = scale, block
        return mass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        anchors, bank, left, right, bias, ids, mass = ctx.saved_tensors
        scale, block = ctx.constants
        danchors, dbank = torch.zeros_like(anchors), torch.zeros_like(bank)
        dleft = None if left is None else torch.zeros_like(left)
        dright = None if right is None else torch.zeros_like(right)
        dbias = None if bias is None else torch.zeros_like(bias)
        for start in range(0, len(anchors), block):
            rows = slice(start, start + block)
            logits, own = _Mass._logits(anchors[rows], start, bank, bias, ids, scale)
            # A row without any weighted pair has log-mass minus infinity and no gradient.
            finite = mass[rows, None].isfinite()
            share = gradients[0][rows, None].where(finite, 0.0)
            unweighted = (logits - mass[rows, None].where(finite, 0.0)).exp_().masked_fill_(own | ~finite, 0.0) * share
            weighted = unweighted
            if right is not None and dright is not None:
                weighted = unweighted * _pair_weights(left, right, rows)
                if left is not None and dleft is not None:
                    dleft[rows] = unweighted @ right
                    dright += unweighted.T @ left[rows]
                else:
                    dright += unweighted.sum(0)[:, None]
            if dbias is not None:
                dbias += weighted.sum(0)
            danchors[rows] = weighted @ bank
            dbank += weighted.T @ anchors[rows]
        return danchors.mul_(scale), dbank.mul_(scale), dleft, dright, dbias, None, None, None


def _pair_weights(left: Tensor | None, right: Tensor, rows: slice) -> Tensor:
    return right.T if left is None else left[rows] @ right.T


def _listed_log_mass(contrast: Contrast, u: Tensor, v: Tensor | None, budget_mib: float) -> Tensor:
    """Log-denominator where each anchor has its own list of candidates [rows, k], checkpointed by block of anchors."""
    assert contrast.candidates is not None
    rows, k = contrast.candidates.shape
    if k == 0:
        return u.new_full((rows * contrast.views,), -math.inf)

    def block_mass(anchors: Tensor, start: int, stop: int, *banks: Tensor) -> Tensor:
        chosen = contrast.candidates[start:stop]  # type: ignore[index]
        logits = (
            torch.cat([torch.einsum("ad,akd->ak", anchors[start:stop], b[chosen]) for b in banks], 1) / contrast.tau
        )
        if contrast.bias is not None:
            logits = logits + contrast.bias[chosen].repeat(1, len(banks))
        weights = (chosen != torch.arange(start, stop, device=chosen.device)[:, None]).to(u.dtype)
        if isinstance(contrast.weights, Tensor):
            weights = weights * contrast.weights[start:stop]
        peak = logits.detach().amax(1)
        mass = (weights.repeat(1, len(banks)) * (logits - peak[:, None]).exp()).sum(1)
        # The inner `where` keeps the gradient of an anchor without any weighted candidate at 0 instead of NaN.
        return torch.where(mass > 0, mass.where(mass > 0, 1.0).log() + peak, -math.inf)

    block = max(1, int(budget_mib * 2**20 / (4 * u.element_size() * k * u.shape[1])))
    return torch.cat(
        [
            checkpoint(
                block_mass,
                anchors,
                start,
                min(start + block, rows),
                *banks,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for anchors, banks in _directions(contrast, u, v)
            for start in range(0, rows, block)
        ]
    )


def _log_positives(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Log sum_j P_ij exp(s_ij/tau + B_j) over the sparse positives of each anchor [rows]."""
    assert contrast.positives is not None
    (anchor, candidate), mass = contrast.positives
    if int(torch.bincount(anchor[mass > 0], minlength=len(u)).min()) == 0:
        raise UserError("an anchor of the contrast has no positive; give each anchor at least one, e.g. itself")
    logits = (u[anchor] * v[candidate]).sum(1) / contrast.tau + mass.log()
    if contrast.bias is not None:
        logits = logits + contrast.bias[candidate]
    peak = torch.zeros_like(u[:, 0]).scatter_reduce(0, anchor, logits.detach(), "amax", include_self=False)
    return torch.zeros_like(peak).index_add(0, anchor, (logits - peak[anchor]).exp()).log() + peak
