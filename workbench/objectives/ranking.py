"""Losses that want one item ranked above another."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from workbench.contrast.kernels import EdgeSimilarity
from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import by_rows
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES


def bayesian_personalised_ranking(positive: Tensor, negative: Tensor) -> Tensor:
    """Return -ln sigmoid(positive - negative) of each triple [triples], in nats; ln 2 where both scores are equal.

    The scores are of a user with an item that the user took and with one that was drawn [triples] each. Source: Rendle,
    Freudenthaler, Gantner and Schmidt-Thieme, BPR, UAI 2009; softplus as in LightGCN's release.
    """
    return softplus(negative - positive)


@OBJECTIVES.register("triplet")
def triplet(
    contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float | None = None, margin: float = 0.5
) -> Tensor:
    """Return max(0, margin + s- - s+) of each anchor, the mean over its positives, by P [rows].

    s- is the cosine of its most similar negative, which no positive of its is: of all, or with negatives="uniform-each"
    and k=1 of one drawn at random. An anchor without negatives, or without positives, has 0. Arguments as for
    `infonce`; the temperature doesn't count. Source: Wang, He and Gupta, Transitive Invariance for Self-supervised
    Visual Representation Learning, ICCV 2017; the margin is ours.

    Raises:
        UserError: a contrast that it isn't defined for: inner products, bias, class prior or mixed negatives.
    """
    if contrast.similarity == "dot" or contrast.class_prior or contrast.mixed or contrast.bias is not None:
        raise UserError("the objective 'triplet' takes cosines, and no class_prior, mixed negatives or bias")
    u, v = contrast.prepared(u, v)

    def hardest(logits: Tensor, weights: Tensor) -> Tensor:
        return (contrast.tau * logits).masked_fill(weights <= 0, -math.inf).amax(1)

    pushed = by_rows(contrast, u, v, hardest, budget_mib, apart=True)
    own, losses = torch.arange(len(u), device=u.device), []
    index, mass = contrast.positives or (own.repeat(2, 1), torch.ones_like(u[:, 0]))
    for (anchors, banks), most in zip(contrast.directions(u, v), pushed.split(len(u)), strict=True):
        pulled = EdgeSimilarity.apply(anchors, banks[0], index)
        above = mass * (margin + most[index[0]] - pulled).clamp(min=0)
        sums = torch.zeros(2, len(u), dtype=u.dtype, device=u.device)
        above, total = sums.index_add(1, index[0], torch.stack([above, mass]))
        losses.append(above / total.where(total > 0, 1.0))
    return torch.stack(losses).mean(0)
