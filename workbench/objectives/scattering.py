"""Rows kept from pointing the same way: no negatives."""

from torch import Tensor
from torch.nn.functional import normalize


def scattering(z: Tensor) -> Tensor:
    """Return minus the mean squared distance of unit rows to their mean c, which is ‖c‖² - 1: a scalar in [-1, 0].

    It is lowest where the directions of the rows [rows, dim] sum to 0, whatever they are otherwise, and costs rows
    times dim. A row of zeros counts among the rows and adds nothing to c. Source: SGRL, NeurIPS 2024.
    """
    return normalize(z, dim=1).mean(0).square().sum() - 1
