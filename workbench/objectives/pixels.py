"""Places of an image, or nodes of a graph, that gather what similar ones hold, and agree with a second view's.

Xie, Lin, Zhang, Cao, Lin, Hu: Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning (PixPro). CVPR 2021, and its released code.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def propagated(x: Tensor, values: Tensor, exponent: float = 2.0) -> Tensor:
    """Return sum_j max(cos(x_i, x_j), 0)^exponent v_j at unit length, v_j being the values at unit length.

    The sum is over all places of an image, i included, and isn't divided by the weights' sum. The larger the exponent,
    the more a place's own value counts alone; 0 counts all places whose cosine is above 0 alike.

    Args:
        x, values: of each image's places [images, places, dim].
    """
    unit = normalize(x, dim=2)
    # A place's own cosine is 1 but for rounding, which a large exponent would see.
    near = (unit @ unit.mT).clamp(min=0, max=1).masked_fill(torch.eye(x.shape[1], device=x.device) > 0, 1.0)
    return normalize(_weights(near, exponent) @ normalize(values, dim=2), dim=2)


def consistency(made: Tensor, target: Tensor, near: Tensor) -> Tensor:
    """Return -2 times the mean cosine of the pairs of an image's places that are near, 0 without any: -2 to 2 [images].

    Args:
        made: of the places of a view [images, places, dim]. target: of the other one, which has no gradient.
        near: which pairs count [images, places, places of the other view].
    """
    cosine = normalize(made, dim=2) @ normalize(target.detach(), dim=2).mT
    count = near.sum((1, 2))
    return -2 * (cosine * near).sum((1, 2)) / count.clamp(min=1)


def gathered(x: Tensor, values: Tensor, pairs: Tensor, exponent: float = 2.0) -> Tensor:
    """Return `propagated` of the nodes of a graph, where the sum is over given pairs [nodes, dim].

    Args:
        x, values: of each node [nodes, dim].
        pairs: who gathers and from whom, each node from itself among them [2, pairs].
    """
    unit, (to, of) = normalize(x), pairs
    near = (unit[to] * unit[of]).sum(1).clamp(min=0, max=1).masked_fill(to == of, 1.0)
    shares = _weights(near, exponent)[:, None] * normalize(values)[of]
    return normalize(torch.zeros_like(values).index_add(0, to, shares))


def agreement(made: Tensor, target: Tensor, pairs: Tensor) -> Tensor:
    """Return -2 times the mean cosine of pairs of nodes, a scalar from -2 to 2.

    Args:
        made: of the nodes of a view [nodes, dim]. target: of those of the other one, which has no gradient.
        pairs: nodes of the view and of the other one [2, pairs].
    """
    made, target = normalize(made), normalize(target.detach())
    return -2 * (made[pairs[0]] * target[pairs[1]]).sum(1).mean()


def _weights(near: Tensor, exponent: float) -> Tensor:
    """Return cosines to a power, 0 for those that aren't above 0, whose gradient is finite."""
    return torch.where(near > 0, near.clamp(min=torch.finfo(near.dtype).tiny).pow(exponent), 0.0)
