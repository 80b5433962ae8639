"""A mixture of two Beta distributions of similarities, of true negatives and of false ones, as ProGCL fits it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Beta

from workbench.config import rate
from workbench.contrast.pairs import Mixed
from workbench.methods.base import at_least
from workbench.methods.nodes.gca import GCAConfig

ROUNDS = 10  # of expectation and maximisation
EDGE = 1e-4  # similarities are kept this far from 0 and 1, where densities may be infinite (ours)


@dataclass(frozen=True)
class MixtureConfig(GCAConfig):
    """GCA's configuration, and what becomes of negatives by the mixture.

    Attributes:
        start: epochs before negatives are weighed.
        refit: epochs after which the mixture is fitted anew; 0 keeps the first one, as released.
        share: weight of the component of high similarity, of false negatives, at the beginning of the fit.
        weighing: by the "posterior", or as a control those weights "shuffled" among the negatives of each anchor.
        mode: "weight" multiplies negatives by their weights; "mix" leaves them as they are and adds synthetic ones.
        mixed: how many, of those negatives of an anchor that weigh most; at most as many as it has.
    """

    start: int = at_least(0, 400)
    refit: int = at_least(0, 0)
    share: float = rate(0.05)
    weighing: Literal["posterior", "shuffled"] = "posterior"
    mode: Literal["weight", "mix"] = "weight"
    mixed: int = at_least(1, 1000)


def joint(values: Tensor, mixture: Tensor) -> Tensor:
    """Return the density of each value in each component, times its share [2, ...]."""
    share, alpha, beta = mixture.T.reshape(3, 2, *[1] * values.dim())
    return share * Beta(alpha, beta).log_prob(values.clamp(EDGE, 1 - EDGE)).exp()


def fitted(values: Tensor, share: float) -> Tensor:
    """Return the mixture of two Beta distributions of values in [0, 1], the low component first.

    Its parameters come from the weighted mean and variance of each component, in 10 rounds that begin with Beta(1, 2)
    and Beta(2, 1). Last, as released, the second parameter of the high component is raised to 1.01 where it is below 1.

    Args:
        values: similarities [values], float64. share: of the high component at the beginning.

    Returns:
        Share, alpha and beta of each component [2, 3].
    """
    mixture = values.new_tensor([[1 - share, 1, 2], [share, 2, 1]])
    values = values.clamp(EDGE, 1 - EDGE)
    for _ in range(ROUNDS):
        densities = joint(values, mixture)
        responsible = densities / densities.sum(0).clamp(min=torch.finfo(values.dtype).tiny)
        mass = responsible.sum(1).clamp(min=torch.finfo(values.dtype).tiny)
        mean = (responsible @ values / mass).clamp(EDGE, 1 - EDGE)
        variance = (responsible * (values - mean[:, None]) ** 2).sum(1) / mass
        alpha = (mean * (mean * (1 - mean) / variance.clamp(min=1e-9) - 1)).clamp(min=EDGE)
        mixture = torch.stack([mass / mass.sum(), alpha, alpha * (1 - mean) / mean], 1)
    if mixture[1, 2] < 1:
        mixture[1, 2] = 1.01
    return mixture


def mixes(weights: Tensor, listed: Tensor, counted: Tensor, order: Tensor) -> Mixed:
    """Return pairs of negatives that are mixed, of those of an anchor that weigh most, by their weights.

    The one of rank r is mixed with that of rank order[r], its share being its part of both weights. An anchor with
    fewer negatives takes ranks around; one without any is paired with itself.

    Args:
        weights: of the negatives [rows, k]. listed: which rows they are [rows, k].
        counted: whether they count as negatives of the anchor [rows, k].
        order: a permutation of the ranks that are mixed [synthetic], at most k.
    """
    ranked = weights.masked_fill(~counted, -1.0).argsort(dim=1, descending=True, stable=True)
    most = counted.sum(1, keepdim=True)
    own = torch.arange(len(listed), device=listed.device)[:, None]
    ranks = torch.stack([torch.arange(len(order), device=order.device), order])[:, None]
    places = [ranked.gather(1, rank % most.clamp(min=1)) for rank in ranks]
    first, second = (torch.where(most > 0, listed.gather(1, place), own) for place in places)
    a, b = (weights.gather(1, place) for place in places)
    return Mixed(first, second, a / (a + b).clamp(min=torch.finfo(a.dtype).tiny))
