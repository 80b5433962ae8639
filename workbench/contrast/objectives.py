"""What an anchor's pairs are turned into besides the plain ratio: DCLW, the debiased denominator, CACR."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.utils import softmax

from workbench.contrast.pairs import Contrast

SIGMA = 0.5
ATTRACTION = 1.0


def hardness(similarity: Tensor, sigma: float = SIGMA) -> Tensor:
    """Return DCLW's weight of each positive pair, 2 - rows * softmax(s / sigma): more than 1 where it is dissimilar.

    Without a gradient, as in the implementations at hand. Source: Yeh and others, Decoupled Contrastive Learning,
    ECCV 2022.

    Args:
        similarity: cosine of each positive pair [rows].
        sigma: temperature of the weights.
    """
    return 2 - len(similarity) * (similarity.detach() / sigma).softmax(0)


def debiased(contrast: Contrast, mass: Tensor, own: Tensor) -> Tensor:
    """Return the log-denominator corrected for negatives of the anchor's own class [views * rows].

    With M negatives, prior p and positive logit s+ the sum of exponentials U becomes

        max( (U - p M exp(s+)) / (1 - p), M exp(-1/tau) ),

    the second being the least that M cosines can give. Source: Chuang and others, Debiased Contrastive Learning,
    NeurIPS 2020.

    Args:
        contrast: its class_prior is p.
        mass: log U [views * rows].
        own: positive logit [rows].
    """
    count, prior = (
        contrast.negative_mass(len(own), own.device).to(own.dtype).repeat(contrast.views),
        contrast.class_prior,
    )
    alone = mass == -math.inf
    safe = mass.masked_fill(alone, 0.0)
    left = 1 - prior * count * (own.repeat(contrast.views) - safe).exp()
    corrected = safe + left.clamp(min=torch.finfo(own.dtype).tiny).log() - math.log1p(-prior)
    least = count.clamp(min=torch.finfo(own.dtype).tiny).log() - 1 / contrast.tau
    return torch.maximum(corrected, least).masked_fill(alone, -math.inf)


def cacr(
    contrast: Contrast,
    u: Tensor,
    v: Tensor,
    by_rows: Callable[[Callable[[Tensor, Tensor], Tensor]], Tensor],
) -> Tensor:
    """Return contrastive attraction minus contrastive repulsion of each anchor [rows], squared distances c = 2 - 2 s.

        sum_j softmax_j(t+ c_ij) c_ij  over its positives  -  sum_j softmax_j(-t- c_ij) c_ij  over its negatives

    The farthest positive is pulled hardest, the nearest negative pushed hardest. t- is 1 / (2 tau), so that a negative
    weighs exp(s / tau) as in InfoNCE, W multiplies it, and t+ is 1; with one positive an anchor the attraction is plain
    alignment. Gradients go through both weightings. An anchor without negatives is attracted only.

    Source: Zheng and others, Contrastive Attraction and Contrastive Repulsion for Representation Learning, 2021, and
    its released code (alpha = beta = 1).
    """

    def repulsion(logits: Tensor, weights: Tensor) -> Tensor:
        fitting = weights > 0
        logs = torch.where(fitting, logits + weights.where(fitting, 1.0).log(), -math.inf)
        alone = ~fitting.any(1, keepdim=True)
        share = logs.masked_fill(alone, 0.0).softmax(1).masked_fill(alone, 0.0)
        return (share * (2 - 2 * contrast.tau * logits)).sum(1)

    pulled = torch.stack([_attraction(contrast, a, b) for a, b in ((u, v), (v, u))[: contrast.views]])
    pushed = by_rows(repulsion)
    return (pulled - pushed.masked_fill(pushed == -math.inf, 0.0).view(contrast.views, len(u))).mean(0)


def _attraction(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return sum_j softmax_j(t+ c_ij) c_ij over the positives of each anchor [rows]."""
    if contrast.positives is None:
        return 2 - 2 * (u * v).sum(1)
    (anchor, candidate), mass = contrast.positives
    cost = 2 - 2 * (u[anchor] * v[candidate]).sum(1)
    share = softmax(ATTRACTION * cost + mass.log(), anchor, num_nodes=len(u))
    return torch.zeros_like(u[:, 0]).index_add(0, anchor, share * cost)
