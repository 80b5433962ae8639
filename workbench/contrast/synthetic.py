"""Synthetic negatives: what mixes of two rows, or of two similarities, add to the denominator of a contrast."""

import math

import torch
from torch import Tensor

from workbench.contrast.kernels import Lists, PairSimilarity
from workbench.contrast.pairs import Contrast


def mixed_log_mass(contrast: Contrast, u: Tensor, v: Tensor | None) -> Tensor:
    """Return the log-mass of `contrast.mixed` [views * rows], first view first; only anchors have a gradient of it.

    Source: Kalantidis and others, Hard Negative Mixing for Contrastive Learning, NeurIPS 2020. Of mixed similarities,
    those with rows of the other view are mixed, and the rows have a gradient too; an anchor with itself makes none.
    """
    assert contrast.mixed is not None
    first, second, share = contrast.mixed
    share, itself = share.expand(first.shape), second == torch.arange(len(u), device=u.device)[:, None]
    lists, masses = [Lists(parent, len(u)) for parent in (first, second)], []
    for anchors, banks in contrast.directions(u, v):
        if contrast.mixes == "similarities":
            a, b = (PairSimilarity.apply(anchors, banks[0], parents) for parents in lists)
            own = first == torch.arange(len(u), device=u.device)[:, None]
            mixed = ((share * a + (1 - share) * b) / contrast.tau).masked_fill(own, -math.inf)
            masses.append(torch.where(own.all(1), -math.inf, mixed.masked_fill(own.all(1)[:, None], 0.0).logsumexp(1)))
            continue
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
