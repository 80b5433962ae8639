"""Rows kept from pointing the same way: no negatives."""

from torch import Tensor
from torch.nn.functional import normalize


def scattering(z: Tensor) -> Tensor:
    """Return minus the mean squared distance of unit rows to their mean c, which is ‖c‖² - 1: a scalar in [-1, 0].

    It is lowest where the directions of the rows [rows, dim] sum to 0, whatever they are otherwise, and costs rows
    times dim. Source: SGRL, NeurIPS 2024; a row of zeros counts as if it had a direction at right angles to all others.
    """
    return normalize(z, dim=1).mean(0).square().sum() - 1
