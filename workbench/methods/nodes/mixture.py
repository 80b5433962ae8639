"""A mixture of two Beta distributions of similarities, of true negatives and of false ones, as ProGCL fits it."""

import torch
from torch import Tensor
from torch.distributions import Beta

ROUNDS = 10  # of expectation and maximisation
EDGE = 1e-4  # similarities are kept this far from 0 and 1, where densities may be infinite (ours)


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
