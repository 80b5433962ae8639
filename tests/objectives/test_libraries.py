"""Objectives against those of other libraries.

Not among them is lightly, whose losses ask for torchvision: with its files of 1.6.0 alone DCL, DCLW and Sinkhorn's
assignments had the same values and gradients.
"""

from typing import Any

import diffsort
import pytest
import torch
from pytorch_metric_learning import losses
from torch import Tensor

from workbench.contrast import Contrast
from workbench.objectives.gated import gated_supcon
from workbench.objectives.infonce import infonce
from workbench.objectives.ordering import rank_mass
from workbench.objectives.weighted import supcon

TIGHT: Any = {"rtol": 1e-6, "atol": 1e-6}


def views(rows: int = 12, dim: int = 5) -> tuple[Tensor, Tensor]:
    u, v = torch.randn(2, rows, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return u, u + 0.8 * v


def test_infonce_and_supcon_are_those_of_pytorch_metric_learning() -> None:
    (u, v), own = views(), torch.arange(12)
    both, classes = torch.cat([u, v]), own % 4
    wanted = losses.NTXentLoss(temperature=0.3)(both, own.repeat(2))
    torch.testing.assert_close(infonce(Contrast(0.3), u, v).mean(), wanted, **TIGHT)
    wanted = losses.SupConLoss(temperature=0.3)(both, classes.repeat(2))
    index = (classes[:, None] == classes).nonzero().T
    positives = index, torch.ones(index.shape[1], dtype=torch.float64)
    torch.testing.assert_close(supcon(Contrast(0.3, positives=positives), u, v).mean(), wanted, **TIGHT)
    pairs = torch.arange(4).repeat(2, 1).T
    found = gated_supcon(both, classes.repeat(2), pairs, torch.ones(4, 5, dtype=torch.float64), 0.3)
    torch.testing.assert_close(found.mean(), wanted, **TIGHT)


@pytest.mark.parametrize("steepness", [1.0, 10.0])
@pytest.mark.parametrize("n", [2, 11])
def test_the_soft_permutation_is_that_of_diffsort(n: int, steepness: float) -> None:
    values = torch.randn(6, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    sorter = diffsort.DiffSortNet("odd_even", n, steepness=steepness, distribution="cauchy")
    found = rank_mass(values, torch.eye(n, dtype=torch.float64), steepness)
    torch.testing.assert_close(found, sorter(values)[1], rtol=0, atol=1e-5)
