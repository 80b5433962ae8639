"""Attraction and repulsion: its relation to DCL, its switches and several positives."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.objectives.cacr import cacr
from workbench.objectives.infonce import dcl


def views(rows: int = 7, others: int = 7) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(3)
    return tuple(  # type: ignore[return-value]
        torch.randn(n, 4, generator=g, dtype=torch.float64).requires_grad_() for n in (rows, others)
    )


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("repulsion", [0.9, 2.0])
def test_with_detached_weights_the_gradient_is_that_of_dcl_times_two_tau(repulsion: float, paired: bool) -> None:
    (u, v), contrast = views(), Contrast(1 / (2 * repulsion), paired)
    found = torch.autograd.grad(cacr(contrast, u, v, detached=True).sum(), [u, v])
    wanted = torch.autograd.grad(dcl(contrast, u, v).sum(), [u, v])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other / repulsion, rtol=1e-12, atol=1e-12)
    through = torch.autograd.grad(cacr(contrast, u, v).sum(), [u, v])
    assert not torch.allclose(through[0], found[0])
    torch.testing.assert_close(cacr(contrast, u, v, detached=True), cacr(contrast, u, v))


def test_several_positives_and_both_switches_equal_a_loop() -> None:
    u, v = views(3, 6)
    index = torch.stack([torch.arange(3).repeat(2), torch.arange(6)])
    contrast = Contrast(0.4, paired=False, positives=(index, torch.ones(6, dtype=torch.float64)))
    cost = 2 - 2 * normalize(u, dim=1) @ normalize(v, dim=1).T
    for attraction in (0.0, 1.0):
        for weighted in (True, False):
            rows = []
            for i in range(3):
                near, far = [i, i + 3], [j for j in range(6) if j % 3 != i]
                pulled = (attraction * cost[i, near]).softmax(0)
                pushed = (-(1.25 if weighted else 0.0) * cost[i, far]).softmax(0)
                rows.append(pulled @ cost[i, near] - pushed @ cost[i, far])
            found = cacr(contrast, u, v, attraction=attraction, weighted=weighted)
            torch.testing.assert_close(found, torch.stack(rows))


def test_the_weights_gather_on_the_nearest_negative_as_the_temperature_falls() -> None:
    u, v = (rows.detach() for rows in views())
    nearest = (2 - 2 * normalize(u) @ normalize(v).T).fill_diagonal_(9).amin(1)
    own = 2 - 2 * torch.cosine_similarity(u, v)
    away = [float((own - cacr(Contrast(tau, False), u, v) - nearest).sum()) for tau in (2.0, 0.5, 0.1, 1e-3)]
    assert away == sorted(away, reverse=True) and away[-1] == pytest.approx(0, abs=1e-6)
