"""The exact contrastive loss of every `Contrast`, streamed in blocks of rows: never a rows x rows tensor."""

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from workbench.contrast import objectives
from workbench.contrast.kernels import Lists, Mass, PairSimilarity, SymmetricMass
from workbench.contrast.pairs import Contrast
from workbench.errors import UserError

BUDGET_MIB = 512


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
    if contrast.objective == "cacr":
        return objectives.cacr(contrast, u, other, lambda reduce: by_rows(contrast, u, v, reduce, budget_mib))
    mass = _log_mass(contrast, u, v, budget_mib)
    if contrast.mixed is not None:
        mass = _joined(mass, _mixed_log_mass(contrast, u, v))
    if contrast.class_prior:
        mass = objectives.debiased(contrast, mass, own)
    if contrast.positive_weight > 0:
        paired = own + math.log(contrast.positive_weight)
        mass = torch.logaddexp(mass, paired.repeat(contrast.views))
    if contrast.positives is None:
        positive = own.repeat(contrast.views)
    else:
        positive = torch.cat([_log_positives(contrast, a, b) for a, b in ((u, other), (other, u))[: contrast.views]])
    if contrast.objective == "dclw":
        positive = positive * objectives.hardness(own * contrast.tau).repeat(contrast.views)
    alone = mass == -math.inf
    return torch.where(alone, 0.0, mass.masked_fill(alone, 0.0) - positive).view(contrast.views, rows).mean(0)


def _log_mass(contrast: Contrast, u: Tensor, v: Tensor | None, budget_mib: float) -> Tensor:
    """Return the log-denominator without the pair of a row with itself [views * rows], first view first."""
    z = u if v is None else torch.cat([u, v])
    scale = 1 / contrast.tau
    if contrast.candidates is not None and contrast.candidates.dim() == 2:
        return by_rows(contrast, u, v, _log_sum, budget_mib)
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
            return SymmetricMass.apply(z, left, right, len(u), scale, bound * scale, budget_mib) + peak
    chosen = contrast.candidates
    if chosen is None:
        chosen = torch.arange(len(u), device=u.device)
    column_bias = None if contrast.bias is None else contrast.bias[chosen]
    masses = []
    for anchors, banks in _directions(contrast, u, v):
        parts = [Mass.apply(anchors, b[chosen], left, right, column_bias, chosen, scale, budget_mib) for b in banks]
        masses.append(parts[0] if len(parts) == 1 else _joined(*parts))
    return torch.cat(masses)


def _joined(a: Tensor, b: Tensor) -> Tensor:
    """Return log(exp(a) + exp(b)), whose gradient is 0, not NaN, where both are minus infinity."""
    none = (a == -math.inf) & (b == -math.inf)
    return torch.logaddexp(a.masked_fill(none, 0.0), b.masked_fill(none, 0.0)).masked_fill(none, -math.inf)


def _directions(contrast: Contrast, u: Tensor, v: Tensor | None) -> list[tuple[Tensor, list[Tensor]]]:
    """Return each view as anchors with the views that its candidates come from, the other view first."""
    if v is None:
        return [(u, [u])]
    return [(u, [v, u]), (v, [u, v])] if contrast.same_view else [(u, [v]), (v, [u])]


def by_rows(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None,
    reduce: Callable[[Tensor, Tensor], Tensor],
    budget_mib: float = BUDGET_MIB,
) -> Tensor:
    """Reduce the pairs of each anchor to one number, by blocks of anchors [views * rows], first view first.

    Args:
        contrast: which pairs count and how much.
        u: projections in the first view, of unit length where the similarity is the cosine [rows, dim].
        v: projections in the second view [rows, dim]; None for one view.
        reduce: takes logits s/tau + B [anchors, pairs] and weights, 0 for the own pair [anchors, pairs], of a block of
            anchors against all their candidates in each view that counts, and returns one number an anchor [anchors].
        budget_mib: memory that a block may take. Where all blocks together take more, each is recomputed in the
            backward pass.
    """
    rows, chosen = len(u), contrast.candidates
    if chosen is None:
        chosen = torch.arange(rows, device=u.device)
    directions = _directions(contrast, u, v)
    pairs = chosen.shape[-1] * len(directions[0][1])
    lists = cache(lambda start, stop: Lists(chosen[start:stop], rows))  # serves each view and the backward pass

    def reduced(anchors: Tensor, start: int, stop: int, *banks: Tensor) -> Tensor:
        own = torch.arange(start, stop, device=u.device)[:, None]
        if chosen.dim() == 2:
            listed = chosen[start:stop]
            found = [PairSimilarity.apply(anchors[start:stop], bank, lists(start, stop)) for bank in banks]
            logits = torch.cat(found, 1)
        else:
            listed = chosen.expand(stop - start, -1)
            logits = torch.cat([anchors[start:stop] @ bank[chosen].T for bank in banks], 1)
        logits = logits / contrast.tau
        if contrast.bias is not None:
            logits = logits + contrast.bias[listed].repeat(1, len(banks))
        weights = (listed != own).to(u.dtype)
        if isinstance(contrast.weights, tuple):
            weights = weights * (contrast.weights[0][start:stop] @ contrast.weights[1].T)
        elif contrast.weights is not None:
            weights = weights * (contrast.weights[start:stop] if chosen.dim() == 2 else contrast.weights)
        return reduce(logits, weights.repeat(1, len(banks)))

    if not pairs:
        return u.new_full((rows * contrast.views,), -math.inf)
    # Logits, weights and what autograd keeps of them: about six numbers a pair.
    block = max(1, int(budget_mib * 2**20 / (6 * u.element_size() * pairs)))
    if block >= rows * contrast.views:
        return torch.cat([reduced(anchors, 0, rows, *banks) for anchors, banks in directions])
    return torch.cat(
        [
            checkpoint(
                reduced,
                anchors,
                start,
                min(start + block, rows),
                *banks,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for anchors, banks in directions
            for start in range(0, rows, block)
        ]
    )


def _log_sum(logits: Tensor, weights: Tensor) -> Tensor:
    """Return log sum_j w_j exp(logit_j) by row; minus infinity, with gradient 0, where no pair has any weight."""
    peak = logits.detach().masked_fill(weights <= 0, -math.inf).amax(1)
    peak = peak.masked_fill(peak == -math.inf, 0.0)
    mass = (weights * (logits - peak[:, None]).masked_fill(weights <= 0, 0.0).exp()).sum(1)
    return torch.where(mass > 0, mass.where(mass > 0, 1.0).log() + peak, -math.inf)


def _mixed_log_mass(contrast: Contrast, u: Tensor, v: Tensor | None) -> Tensor:
    """Log-mass of the synthetic negatives [views * rows], first view first; only the anchors have a gradient of it."""
    assert contrast.mixed is not None
    first, second, share = contrast.mixed
    share, itself = share.expand(first.shape), second == torch.arange(len(u), device=u.device)[:, None]
    listed, masses = [Lists(parent, len(u)) for parent in (first, second)], []
    for anchors, banks in _directions(contrast, u, v):
        logits = []
        for bank in (one.detach() for one in banks):
            fixed = anchors.detach()
            a, b = (PairSimilarity.apply(anchors, bank, parents) for parents in listed)
            b = torch.where(itself, (anchors * fixed).sum(1, keepdim=True), b)
            # Two mixed vectors of unit length have this inner product, and their mix this length.
            near = torch.stack([(bank[i] * bank[j]).sum(1) for i, j in zip(first.T, second.T, strict=True)], 1)
            near = torch.where(itself, a.detach(), near)
            length = (share**2 + (1 - share) ** 2 + 2 * share * (1 - share) * near).clamp(min=1e-12).sqrt()
            logits.append((share * a + (1 - share) * b) / length / contrast.tau)
        masses.append(torch.cat(logits, 1).logsumexp(1))
    return torch.cat(masses)


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
