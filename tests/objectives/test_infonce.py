"""InfoNCE and its decoupled forms: how one's gradient is the other's, and what the weights of DCLW are."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.objectives.infonce import dcl, dclw, infonce


def views(rows: int = 40, dim: int = 8) -> tuple[Tensor, Tensor]:
    u, v = torch.randn(2, rows, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return normalize(u), normalize(u + 0.5 * v)


@pytest.mark.parametrize("tau", [0.07, 0.5])
def test_the_gradient_of_an_anchor_of_infonce_is_that_of_dcl_times_the_share_of_the_negatives(tau: float) -> None:
    u, v = views()
    u.requires_grad_()
    contrast = Contrast(tau, paired=False)  # one direction, so that an anchor has one share
    with torch.no_grad():
        e = (u @ v.T / tau).exp()
        q = 1 - e.diag() / e.sum(1)
    for row in (0, 17):
        coupled, decoupled = (torch.autograd.grad(loss(contrast, u, v)[row], u)[0] for loss in (infonce, dcl))
        torch.testing.assert_close(coupled, q[row] * decoupled, rtol=1e-9, atol=1e-12)
    # The values say the same: q is exp(DCL - InfoNCE).
    torch.testing.assert_close((dcl(contrast, u, v) - infonce(contrast, u, v)).exp(), q)


def test_the_weights_of_dclw_are_one_on_average_fixed_and_largest_where_the_pair_is_apart() -> None:
    u, v = views()
    cosine = (u * v).sum(1)
    weight = 1 - (dclw(Contrast(0.3), u, v) - dcl(Contrast(0.3), u, v)) * 0.3 / cosine
    torch.testing.assert_close(weight, 2 - 40 * (cosine / 0.5).softmax(0))
    assert float(weight.mean()) == pytest.approx(1) and int(weight.argmax()) == int(cosine.argmin())
    u.requires_grad_()
    a, b = normalize(u, dim=1), normalize(v, dim=1)
    fixed = (dcl(Contrast(0.3), u, v) - (weight - 1).detach() * (a * b).sum(1) / 0.3).sum()
    found, wanted = (torch.autograd.grad(total, u)[0] for total in (dclw(Contrast(0.3), u, v).sum(), fixed))
    torch.testing.assert_close(found, wanted)


def test_dcl_can_be_negative_and_infonce_can_not() -> None:
    u = torch.eye(3)
    # Positive cosine 1, four negatives of cosine 0: ln 4 - 1 / tau.
    torch.testing.assert_close(dcl(Contrast(0.1), u, u), torch.full((3,), math.log(4) - 10))
    assert (infonce(Contrast(0.1), u, u) > 0).all()
