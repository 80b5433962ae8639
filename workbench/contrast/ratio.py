"""The ratio that every contrast is, exact by anchor and streamed in blocks of rows: never a table of all pairs."""

import math
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from workbench.contrast.cross import CrossMass
from workbench.contrast.kernels import Kept, Lists, Mass, PairSimilarity, SymmetricMass, log_sums
from workbench.contrast.pairs import Contrast
from workbench.contrast.synthetic import mixed_log_mass
from workbench.contrast.weights import ByCluster
from workbench.errors import UserError

BUDGET_MIB = 512.0


def ratio_loss(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None = None,
    budget_mib: float | None = None,
    positive_weight: float = 1.0,
    positive_factor: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return -log of the ratio of each anchor in nats [rows], exactly: what objectives are made from.

    It is the mean of both directions where there are two views, and differentiable with respect to the matrices and,
    where they require it, `contrast.weights` and `contrast.bias`. Arguments as for
    `workbench.objectives.infonce.infonce`; `positive_weight` is W of a row with itself, where the contrast is not
    paired the factor of W of its positive pairs, and `positive_factor` takes the similarities of the positive pairs
    [rows] and returns the factor of each one's log in the loss [rows].
    """
    if positive_weight < 0:
        raise UserError(f"positive_weight is {positive_weight}; it must not be negative", parameter="positive_weight")
    u, v = contrast.prepared(u, v)
    directions = contrast.directions(u, v)
    views, other = len(directions), directions[0][1][0]
    columns = contrast.chosen(other).shape[-1]
    if positive_weight == 0 and contrast.paired and (len(u) < 2 or not (columns or contrast.mixed)):
        raise UserError("a decoupled contrast (positive_weight=0) needs at least one negative per anchor")
    # In this order: it decides in which order autograd adds up gradients, and with it the bits.
    own = u.new_empty(0)
    if contrast.paired or contrast.positives is None:
        own = (u * other).sum(1) / contrast.tau
        own = own if contrast.bias is None else own + contrast.bias
    if cross := _plain_cross(contrast, u, v) and positive_weight == 1:
        mass = CrossMass.apply(u, v, 1 / contrast.tau, BUDGET_MIB if budget_mib is None else budget_mib)
    else:
        mass = _log_negatives(contrast, u, v, own, positive_weight, budget_mib)
    if contrast.paired and positive_weight > 0 and not cross:
        mass = torch.logaddexp(mass, (own + math.log(positive_weight)).repeat(views))
    if contrast.positives is None:
        positive = own.repeat(views)
    else:
        positive = torch.cat([log_positives(contrast, anchors, banks[0]) for anchors, banks in directions])
    if positive_factor is not None:
        positive = positive * positive_factor(own * contrast.tau).repeat(views)
    alone = mass == -math.inf
    return torch.where(alone, 0.0, mass.masked_fill(alone, 0.0) - positive).view(views, len(u)).mean(0)


def _plain_cross(contrast: Contrast, u: Tensor, v: Tensor | None) -> bool:
    """Return whether all pairs of two views count alike, and none within a view, by cosines that overflow nothing."""
    parts = (contrast.candidates, contrast.weights, contrast.made, contrast.bias, contrast.mixed)
    plain = v is not None and contrast.paired and not contrast.same_view and not contrast.class_prior
    return plain and _bounded(contrast, u) and all(part is None for part in parts)


def _bounded(contrast: Contrast, u: Tensor) -> bool:
    """Return whether exponentials need no shift."""
    return contrast.similarity == "cosine" and 2 / contrast.tau < 0.7 * -math.log(torch.finfo(u.dtype).tiny)


def log_negatives(
    contrast: Contrast,
    u: Tensor,
    v: Tensor,
    budget_mib: float | None = None,
    kept: Kept | None = None,
) -> Tensor:
    """Return the log of the sum over the negatives of each anchor in paired views [2, rows], the first view's first.

    It is the denominator of `ratio_loss` without a row's pair with itself, for losses that add to it; minus infinity
    where an anchor has no negative. Of a contrast with all negatives, `kept` says which pairs count.
    """
    u, w = contrast.prepared(u, v)
    assert w is not None and contrast.paired and (kept is None or contrast.candidates is None)
    own = (u * w).sum(1) / contrast.tau
    own = own if contrast.bias is None else own + contrast.bias
    return _log_negatives(contrast, u, w, own, 1.0, budget_mib, kept).view(2, -1)


def _log_negatives(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None,
    own: Tensor,
    positive_weight: float,
    budget_mib: float | None,
    kept: Kept | None = None,
) -> Tensor:
    """Return the log-denominator with synthetic negatives and the class prior, by logits `own` of positive pairs."""
    mass = _log_mass(contrast, u, v, positive_weight, BUDGET_MIB if budget_mib is None else budget_mib, kept)
    if contrast.mixed is not None:
        mass = _joined(mass, mixed_log_mass(contrast, u, v))
    if contrast.class_prior:
        mass = _debiased(contrast, mass, own, len(contrast.directions(u, v)[0][1]))
    return mass


def _log_mass(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None,
    positive_weight: float,
    budget_mib: float,
    kept: Kept | None = None,
) -> Tensor:
    """Return the log-denominator [views * rows], first view first; in paired ones without a row's pair with itself."""
    made, scale = contrast.made, 1 / contrast.tau
    if isinstance(made, ByCluster) and positive_weight == 1 and _bounded(contrast, u) and contrast.bias is None:
        return CrossMass.apply(u, v, scale, budget_mib, made)[: len(u)]
    if contrast.listed or (not contrast.paired and positive_weight != 1) or (made is not None and not made.fixed):
        return by_rows(contrast, u, v, _log_sum, budget_mib, positive_weight)
    left, right = contrast.weights if isinstance(contrast.weights, tuple) else (None, contrast.weights)
    if right is not None and left is None:
        right = right[:, None]
    if contrast.paired and contrast.candidates is None and (contrast.same_view or v is None):
        z = u if v is None else torch.cat([u, v])
        bound = 1.0 if contrast.similarity == "cosine" else float(z.detach().square().sum(1).max()) if len(z) else 0.0
        bias = contrast.bias
        low, peak = (0.0, 0.0) if bias is None else map(float, bias.detach().aminmax())
        # Beyond this range sums of exponentials leave the number format, and the row-wise kernel is needed.
        if 2 * bound * scale + peak - low < 0.7 * -math.log(torch.finfo(z.dtype).tiny):
            ones, views = z.new_ones(len(u), 1), 1 if v is None else 2
            left, right = ones if left is None else left, ones if right is None else right
            if bias is not None:
                right = right * (bias - peak).exp()[:, None]
            left, right = left.repeat(views, 1), right.repeat(views, 1)
            pairs = kept and kept._replace(left=kept.left.repeat(views, 1), right=kept.right.repeat(views, 1))
            return SymmetricMass.apply(z, left, right, len(u), scale, budget_mib, pairs) + peak
    if kept is not None:
        return by_rows(contrast, u, v, _log_sum, budget_mib, positive_weight, kept)
    chosen = contrast.chosen(u if v is None else v)
    column_bias = None if contrast.bias is None else contrast.bias[chosen]
    # A row's pair with itself is left out; where the candidates are other things, there is none.
    ids = chosen if contrast.paired else None
    masses = []
    for anchors, banks in contrast.directions(u, v):
        shared = (left, right, column_bias, ids, scale, budget_mib, made)
        parts = [Mass.apply(anchors, b[chosen], *shared) for b in banks]
        masses.append(parts[0] if len(parts) == 1 else _joined(*parts))
    return torch.cat(masses)


def _joined(a: Tensor, b: Tensor) -> Tensor:
    """Return log(exp(a) + exp(b)), whose gradient is 0, not NaN, where both are minus infinity."""
    none = (a == -math.inf) & (b == -math.inf)
    return torch.logaddexp(a.masked_fill(none, 0.0), b.masked_fill(none, 0.0)).masked_fill(none, -math.inf)


def by_rows(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None,
    reduce: Callable[[Tensor, Tensor], Tensor],
    budget_mib: float | None = None,
    positive_weight: float = 0.0,
    kept: Kept | None = None,
    apart: bool = False,
) -> Tensor:
    """Reduce the pairs of each anchor to one number, by blocks of anchors [views * rows], first view first.

    Args:
        contrast: which pairs of the rows that it `prepared` count and how much; other arguments as for `ratio_loss`.
        reduce: takes logits s/tau + B [anchors, pairs] and weights [anchors, pairs] of a block of anchors against all
            their candidates in each view that counts, and returns one number per anchor [anchors]. The weight of a
            row's pair with itself is 0.
        budget_mib: memory that a block may take. Where all together take more, each is recomputed in the backward pass.
        kept: which pairs count where all rows are candidates; None for all.
        apart: whether positives that paired rows list weigh 0 as well.
    """
    directions = contrast.directions(u, v)
    chosen, rows, others = contrast.chosen(directions[0][1][0]), len(u), len(directions[0][1][0])
    pairs = chosen.shape[-1] * len(directions[0][1])
    lists = cache(lambda start, stop: Lists(chosen[start:stop], others))  # serves each view and the backward pass

    def reduced(anchors: Tensor, start: int, stop: int, *banks: Tensor) -> Tensor:
        if chosen.dim() == 2:
            columns = chosen[start:stop]
            parts = [PairSimilarity.apply(anchors[start:stop], bank, lists(start, stop)) for bank in banks]
            logits = torch.cat(parts, 1)
        else:
            columns = chosen.expand(stop - start, -1)
            logits = torch.cat([anchors[start:stop] @ bank[chosen].T for bank in banks], 1)
        logits = logits / contrast.tau
        if contrast.bias is not None:
            logits = logits + contrast.bias[columns].repeat(1, len(banks))
        if contrast.paired and not apart:
            weights = (columns != torch.arange(start, stop, device=u.device)[:, None]).to(u.dtype)
        else:
            weights = _factors(contrast, start, stop, anchors, others, positive_weight).gather(1, columns)
        if isinstance(contrast.weights, tuple):
            weights = weights * (contrast.weights[0][start:stop] @ contrast.weights[1].T)
        elif contrast.made is not None:
            weights = weights * contrast.made.tile(start, stop)
        elif contrast.weights is not None:
            weights = weights * (contrast.weights[start:stop] if chosen.dim() == 2 else contrast.weights)
        if kept is not None:
            weights = weights * kept.tile(slice(start, stop))
        return reduce(logits, weights.repeat(1, len(banks)))

    if not pairs:
        return u.new_full((rows * len(directions),), -math.inf)
    # Logits, weights and what autograd keeps of them: about six numbers a pair.
    each = 6 * u.element_size() * (pairs if contrast.paired and not apart else max(pairs, others))
    block = max(1, int((BUDGET_MIB if budget_mib is None else budget_mib) * 2**20 / each))
    whole = block >= rows * len(directions)
    reduced_block = reduced if whole else partial(checkpoint, reduced, use_reentrant=False, preserve_rng_state=False)
    starts = range(0, max(rows, 1), block)
    parts = (reduced_block(a, start, min(start + block, rows), *banks) for a, banks in directions for start in starts)
    return torch.cat([*parts])


def _factors(contrast: Contrast, start: int, stop: int, like: Tensor, others: int, positive_weight: float) -> Tensor:
    """Return by what the weights of some anchors' pairs with other things are multiplied [anchors, others]."""
    factors = like.new_ones(stop - start, others)
    if positive_weight != 1:
        if contrast.positives is None:
            anchor = candidate = torch.arange(start, stop, device=like.device)
        else:
            (anchor, candidate), mass = contrast.positives
            inside = (anchor >= start) & (anchor < stop) & (mass > 0)
            anchor, candidate = anchor[inside], candidate[inside]
        factors[anchor - start, candidate] = positive_weight
    return factors


def _log_sum(logits: Tensor, weights: Tensor) -> Tensor:
    """Return log sum_j w_j exp(logit_j) by row; minus infinity, with gradient 0, where no pair has any weight."""
    peak = logits.detach().masked_fill(weights <= 0, -math.inf).amax(1)
    peak = peak.masked_fill(peak == -math.inf, 0.0)
    mass = (weights * (logits - peak[:, None]).masked_fill(weights <= 0, 0.0).exp()).sum(1)
    return torch.where(mass > 0, mass.where(mass > 0, 1.0).log() + peak, -math.inf)


def log_positives(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return log sum_j P_ij exp(s_ij/tau + B_j) over the sparse positives of each anchor [rows].

    Args:
        contrast: whose positives are listed.
        u, v: anchors and what the positives are among, as the contrast `prepared` them.
    """
    assert contrast.positives is not None
    (anchor, candidate), mass = contrast.positives
    contrast.check_positives(len(u))
    logits = (u[anchor] * v[candidate]).sum(1) / contrast.tau + mass.log()
    if contrast.bias is not None:
        logits = logits + contrast.bias[candidate]
    return log_sums(logits, anchor, len(u))


def _debiased(contrast: Contrast, mass: Tensor, own: Tensor, banks: int) -> Tensor:
    """Return the log-denominator `mass`, log U, corrected for negatives of the anchor's own class [views * rows].

    With M negatives in `banks` views, prior p and positive logit s+ (`own` [rows]) the sum of exponentials U becomes

        max( (U - p M exp(s+)) / (1 - p), M exp(-1/tau) ),

    the second being the least that M cosines can give. Source: Chuang and others, Debiased Contrastive Learning,
    NeurIPS 2020.
    """
    views, prior = len(mass) // max(len(own), 1), contrast.class_prior
    count = _negative_mass(contrast, own, banks).repeat(views)
    alone = mass == -math.inf
    safe = mass.masked_fill(alone, 0.0)
    left = 1 - prior * count * (own.repeat(views) - safe).exp()
    corrected = safe + left.clamp(min=torch.finfo(own.dtype).tiny).log() - math.log1p(-prior)
    least = count.clamp(min=torch.finfo(own.dtype).tiny).log() - 1 / contrast.tau
    return torch.maximum(corrected, least).masked_fill(alone, -math.inf)


def _negative_mass(contrast: Contrast, like: Tensor, banks: int) -> Tensor:
    """Return the summed weight of each anchor's negatives [rows]."""
    columns = contrast.chosen(like)
    if isinstance(contrast.weights, tuple):
        left, right = contrast.weights
        total, own = left @ right.sum(0), (left[columns] * right).sum(1)
    else:
        weights = torch.ones(columns.shape, device=like.device) if contrast.weights is None else contrast.weights
        if contrast.listed:
            rows = torch.arange(len(like), device=like.device)
            return ((weights * (columns != rows[:, None])).sum(1) * banks).to(like.dtype)
        total, own = weights.sum().expand(len(like)), weights
    return ((total - own.new_zeros(len(like)).index_add(0, columns, own)) * banks).to(like.dtype)
