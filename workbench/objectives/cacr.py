"""Contrastive attraction and contrastive repulsion: the farthest positive and the nearest negative weigh most.

Zheng and others: Contrastive Attraction and Contrastive Repulsion for Representation Learning. 2021; and its released
code (alpha = beta = 1).
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch_geometric.utils import softmax

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import by_rows
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES


@OBJECTIVES.register("cacr")
def cacr(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None = None,
    budget_mib: float | None = None,
    attraction: float = 1.0,
    weighted: bool = True,
    detached: bool = False,
) -> Tensor:
    """Return attraction minus repulsion of each anchor [rows], by squared distances c = 2 - 2 s.

        sum_j softmax_j(t+ c_ij) c_ij  over its positives  -  sum_j softmax_j(-t- c_ij) c_ij  over its negatives

    t+ is `attraction`, t- is 1 / (2 tau), so that a negative weighs exp(s / tau) as in InfoNCE, and W multiplies it;
    with one positive per anchor the attraction is plain alignment. Where not `weighted`, t- is 0, as t+ may be: all
    negatives count by W alone. Gradients go through both weightings unless they are `detached`; then, with one
    positive, they are 2 tau times those of `dcl`. An anchor without negatives is attracted only. Other arguments as for
    `infonce`.

    Raises:
        UserError: a contrast that it isn't defined for: inner products, bias, class prior or mixed negatives.
    """
    if contrast.similarity == "dot" or contrast.class_prior or contrast.mixed or contrast.bias is not None:
        raise UserError("the objective 'cacr' takes cosines, and no class_prior, mixed negatives or bias")
    u, v = contrast.prepared(u, v)
    directions = contrast.directions(u, v)
    pulled = torch.stack([_attraction(contrast, a, banks[0], attraction, detached) for a, banks in directions])
    repelled = partial(_repulsion, contrast.tau, weighted, detached)
    pushed = by_rows(contrast, u, v, repelled, budget_mib)
    return (pulled - pushed.masked_fill(pushed == -math.inf, 0.0).view(pulled.shape)).mean(0)


def _attraction(contrast: Contrast, u: Tensor, v: Tensor, temperature: float, detached: bool) -> Tensor:
    """Return sum_j softmax_j(t+ c_ij) c_ij over the positives of each anchor [rows]."""
    if contrast.positives is None:
        return 2 - 2 * (u * v).sum(1)
    (anchor, candidate), mass = contrast.positives
    cost = 2 - 2 * (u[anchor] * v[candidate]).sum(1)
    share = softmax(temperature * (cost.detach() if detached else cost) + mass.log(), anchor, num_nodes=len(u))
    return torch.zeros_like(u[:, 0]).index_add(0, anchor, share * cost)


def _repulsion(tau: float, weighted: bool, detached: bool, logits: Tensor, weights: Tensor) -> Tensor:
    """Return sum_j softmax_j(-t- c_ij) c_ij over the negatives of each anchor, 0 without any [anchors]."""
    fitting = weights > 0
    nearness = (logits.detach() if detached else logits) * weighted
    logs = torch.where(fitting, nearness + weights.where(fitting, 1.0).log(), -math.inf)
    alone = ~fitting.any(1, keepdim=True)
    share = logs.masked_fill(alone, 0.0).softmax(1).masked_fill(alone, 0.0)
    return (share * (2 - 2 * tau * logits)).sum(1)
