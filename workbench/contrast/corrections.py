"""What a sampler may add to an anchor's denominator: synthetic negatives, and a correction for the class prior."""

import math

import torch
from torch import Tensor

from workbench.contrast.kernels import Lists, PairSimilarity
from workbench.contrast.pairs import Contrast


def mixed_log_mass(contrast: Contrast, u: Tensor, v: Tensor | None) -> Tensor:
    """Return the log-mass of synthetic negatives [views * rows], first view first; only anchors have a gradient of it.

    `contrast.mixed` says which rows of unit length u [rows, dim], and v in a second view, are mixed, and how. Source:
    Kalantidis and others, Hard Negative Mixing for Contrastive Learning, NeurIPS 2020.
    """
    assert contrast.mixed is not None
    first, second, share = contrast.mixed
    share, itself = share.expand(first.shape), second == torch.arange(len(u), device=u.device)[:, None]
    lists, masses = [Lists(parent, len(u)) for parent in (first, second)], []
    for anchors, banks in contrast.directions(u, v):
        logits = []
        for bank in (matrix.detach() for matrix in banks):
            fixed = anchors.detach()
            a, b = (PairSimilarity.apply(anchors, bank, parents) for parents in lists)
            b = torch.where(itself, (anchors * fixed).sum(1, keepdim=True), b)
            # Two mixed vectors of unit length have this inner product, and their mix this length.
            near = torch.stack([(bank[i] * bank[j]).sum(1) for i, j in zip(first.T, second.T, strict=True)], 1)
            near = torch.where(itself, a.detach(), near)
            length = (share**2 + (1 - share) ** 2 + 2 * share * (1 - share) * near).clamp(min=1e-12).sqrt()
            logits.append((share * a + (1 - share) * b) / length / contrast.tau)
        masses.append(torch.cat(logits, 1).logsumexp(1))
    return torch.cat(masses)


def debiased(contrast: Contrast, mass: Tensor, own: Tensor, banks: int) -> Tensor:
    """Return the log-denominator corrected for negatives of the anchor's own class [views * rows].

    With M negatives, prior p and positive logit s+ the sum of exponentials U becomes

        max( (U - p M exp(s+)) / (1 - p), M exp(-1/tau) ),

    the second being the least that M cosines can give. Source: Chuang and others, Debiased Contrastive Learning,
    NeurIPS 2020.

    Args:
        contrast: its class_prior is p. mass: log U [views * rows]. own: positive logit [rows].
        banks: how many views an anchor's negatives come from.
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
    rows = torch.arange(len(like), device=like.device)
    columns = rows if contrast.candidates is None else contrast.candidates
    if isinstance(contrast.weights, tuple):
        left, right = contrast.weights
        total, own = left @ right.sum(0), (left[columns] * right).sum(1)
    else:
        weights = torch.ones(columns.shape, device=like.device) if contrast.weights is None else contrast.weights
        if contrast.listed:
            return ((weights * (columns != rows[:, None])).sum(1) * banks).to(like.dtype)
        total, own = weights.sum().expand(len(like)), weights
    return ((total - own.new_zeros(len(like)).index_add(0, columns, own)) * banks).to(like.dtype)
