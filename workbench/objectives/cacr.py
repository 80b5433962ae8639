"""Contrastive attraction and contrastive repulsion: the farthest positive and the nearest negative weigh most.

Zheng and others: Contrastive Attraction and Contrastive Repulsion for Representation Learning. 2021; and its released
code (alpha = beta = 1), which repels a view from each other one in turn; here all negatives of an anchor share one sum
of weights, of whichever views a contrast takes them.
"""

import math
from functools import partial
from typing import Literal

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
    cost: Literal["squared", "rbf"] = "squared",
    width: float = 2.0,
    correction: Literal["expected", "released"] = "expected",
) -> Tensor:
    """Return attraction minus repulsion of each anchor [rows], by squared distances c = 2 - 2 s.

        sum_j softmax_j(t+ c_ij) c_ij  over its positives  -  sum_j softmax_j(-t- c_ij) c_ij  over its negatives

    t+ is `attraction`, t- is 1 / (2 tau), so that a negative weighs exp(s / tau) as in InfoNCE, and W multiplies it;
    with one positive per anchor the attraction is plain alignment. Where not `weighted`, t- is 0, as t+ may be: all
    negatives count by W alone. Gradients go through both weightings unless they are `detached`; then, with one
    positive, they are 2 tau times those of `dcl`. An anchor without negatives is attracted only. `cost`, `width` and,
    with a class prior, `correction` change the repulsion, see `_changed`. Other arguments as for `infonce`.

    Raises:
        UserError: a contrast that it isn't defined for: inner products, bias, mixed negatives, an anchor without a
            positive.
    """
    _check(contrast, cost, width)
    u, v = contrast.prepared(u, v)
    contrast.check_positives(len(u))
    directions = contrast.directions(u, v)
    pulled = torch.stack([_attraction(contrast, a, banks[0], attraction, detached) for a, banks in directions])
    repelled = partial(_repulsion, contrast.tau, weighted, detached, width if cost == "rbf" else 0.0)
    pushed = by_rows(contrast, u, v, repelled, budget_mib).view(pulled.shape)
    own = torch.stack([2 - 2 * (a * banks[0]).sum(1) for a, banks in directions]) if contrast.class_prior else None
    pushed = _changed(pushed, contrast.class_prior, own, cost == "rbf", correction == "released")
    return (pulled - pushed).mean(0)


def _check(contrast: Contrast, cost: str, width: float) -> None:
    if contrast.similarity == "dot" or contrast.mixed or contrast.bias is not None:
        raise UserError("the objective 'cacr' takes cosines, and no mixed negatives or bias")
    if contrast.class_prior and cost == "rbf":
        raise UserError("the objective 'cacr' corrects squared costs for a class prior; take cost='squared'")
    if not width > 0:
        raise UserError(f"width of the objective 'cacr' is {width}; it must be above 0", parameter="width")


def _attraction(contrast: Contrast, u: Tensor, v: Tensor, temperature: float, detached: bool) -> Tensor:
    """Return sum_j softmax_j(t+ c_ij) c_ij over the positives of each anchor [rows]."""
    if contrast.positives is None:
        return 2 - 2 * (u * v).sum(1)
    (anchor, candidate), mass = contrast.positives
    cost = 2 - 2 * (u[anchor] * v[candidate]).sum(1)
    share = softmax(temperature * (cost.detach() if detached else cost) + mass.log(), anchor, num_nodes=len(u))
    return torch.zeros_like(u[:, 0]).index_add(0, anchor, share * cost)


def _repulsion(tau: float, weighted: bool, detached: bool, width: float, logits: Tensor, weights: Tensor) -> Tensor:
    """Return sum_j softmax_j(-t- c_ij) c_ij over the negatives of each anchor, minus infinity without any [anchors].

    With a `width` above 0 the sum is of exp(-width c_ij) in place of c_ij, by the same weights.
    """
    fitting = weights > 0
    nearness = (logits.detach() if detached else logits) * weighted
    logs = torch.where(fitting, nearness + weights.where(fitting, 1.0).log(), -math.inf)
    alone = ~fitting.any(1, keepdim=True)
    share = logs.masked_fill(alone, 0.0).softmax(1).masked_fill(alone, 0.0)
    cost = 2 - 2 * tau * logits
    total = (share * ((-width * cost).exp() if width else cost)).sum(1)
    return total.masked_fill(alone[:, 0], -math.inf)


def _changed(pushed: Tensor, prior: float, own: Tensor | None, rbf: bool, released: bool) -> Tensor:
    """Return the repulsion in place of R, the weighted mean cost of the negatives [directions, rows]; 0 without any.

    With the costs exp(-width c) it is -log of their mean over the anchors, as in the release: each anchor's part is
    that log to first order in its own R, so that their mean is the log in value and in gradient. With a class prior p
    it is (R - p c+) / (1 - p), c+ being the cost of the anchor's own pair: what the mean over negatives would be
    without those of its class, if they were like that pair; with one positive per anchor all of the loss is then
    divided by 1 - p, and no direction of the gradient changes. The release adds p c+ where this takes it off.
    """
    alone = pushed == -math.inf
    found = pushed.masked_fill(alone, 0.0)
    if rbf:
        mean = (found.sum(1, keepdim=True) / (~alone).sum(1, keepdim=True).clamp(min=1)).detach()
        mean = mean.clamp(min=torch.finfo(found.dtype).tiny)
        found = 1 - mean.log() - found / mean
    elif own is not None:
        found = (found + (prior if released else -prior) * own) / (1 - prior)
    return found.masked_fill(alone, 0.0)
