"""InfoNCE and its decoupled forms: how one's gradient is the other's, and what the weights of DCLW are."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.measures import coupling
from workbench.errors import UserError
from workbench.methods.nodes.e2neg.config import E2NegConfig
from workbench.methods.nodes.e2neg.e2neg import E2Neg
from workbench.objectives.infonce import dcl, dclw, infonce
from workbench.randomness import Randomness


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


@pytest.mark.parametrize(
    ("tau", "shares"),
    [
        (0.1, (0.008, 0.042, 0.079, 0.31, 0.71)),
        (0.2, (0.14, 0.47, 0.64, 0.90, 0.98)),
        (0.5, (0.61, 0.90, 0.95, 0.99, 1.0)),
    ],
)
def test_the_share_grows_with_negatives_and_temperature_as_was_simulated(tau: float, shares: tuple[float, ...]) -> None:
    # A trained state: the positive pair at cosine 0.9, negatives normal around 0 with a standard deviation of 0.2.
    g, anchors = torch.Generator().manual_seed(0), 400
    for count, share in zip((9, 49, 98, 499, 2707), shares, strict=True):
        logits = 0.2 * torch.randn(1, 1, anchors * count, generator=g, dtype=torch.float64) / tau
        positive = torch.full((1, anchors), 0.9 / tau, dtype=torch.float64)
        weight, anchor = (
            torch.ones(anchors * count, dtype=torch.float64),
            torch.arange(anchors).repeat_interleave(count),
        )
        assert float(coupling(logits, positive, weight, anchor).mean()) == pytest.approx(share, rel=0.06, abs=0.006)


def test_towards_temperature_0_they_are_hinges_and_towards_infinity_counts() -> None:
    u, v = views()
    own, away = (u * v).sum(1), -2 * torch.eye(40)
    hardest = [torch.maximum((a @ b.T + away).amax(1), (a @ a.T + away).amax(1)) for a, b in ((u, v), (v, u))]
    cold, hot = Contrast(1e-5), Contrast(1e6)
    gap = torch.stack(hardest) - own
    torch.testing.assert_close(1e-5 * dcl(cold, u, v), gap.mean(0), rtol=0, atol=1e-4)
    torch.testing.assert_close(1e-5 * infonce(cold, u, v), gap.clamp(min=0).mean(0), rtol=0, atol=1e-4)
    for loss, count in ((dcl, 78), (infonce, 79)):
        torch.testing.assert_close(loss(hot, u, v), torch.full((40,), math.log(count)).double(), rtol=0, atol=1e-4)


def test_within_e2neg_dcl_is_uniformity_alone_and_each_anchor_moves_by_its_share(small_graph: Data) -> None:
    torch.manual_seed(0)
    few = {"dim": 8, "k": 6, "min_neighbours": 10, "neighbours": 12, "tau": 0.5}
    model = E2Neg(E2NegConfig(**few, objective="dcl"), small_graph, Randomness(0))  # type: ignore[arg-type]
    step = model.step(model.inputs)
    u, contrast = step.kept["projections"][0], step.kept["contrast"]
    unit = normalize(u.detach(), dim=1)
    others = (unit @ unit.T / 0.5).fill_diagonal_(-math.inf).logsumexp(1) + math.log(2)  # in either view
    # Both views are one matrix: the positive pair has a cosine of 1 and nothing to pull.
    torch.testing.assert_close(step.total.detach(), (others - 2).mean())
    rows = u.detach().clone().requires_grad_()
    q = torch.sigmoid(others - 2)
    for anchor in range(len(unit)):
        coupled, free = (torch.autograd.grad(loss(contrast, rows, rows)[anchor], rows)[0] for loss in (infonce, dcl))
        torch.testing.assert_close(coupled, q[anchor] * free, rtol=1e-4, atol=1e-6)
    with pytest.raises(UserError, match="floor of InfoNCE"):
        E2NegConfig(**few, objective="dcl", stop_within=0.1)  # type: ignore[arg-type]
