"""Objectives that take no contrast, by hand and against plain statements; the registry of those that do."""

import math

import pytest
import torch

from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES, names
from workbench.objectives.bootstrap import bootstrap
from workbench.objectives.cacr import cacr
from workbench.objectives.clusters import sinkhorn, swapped_cross_entropy
from workbench.objectives.discriminator import binary_cross_entropy, jensen_shannon
from workbench.objectives.infonce import dcl, dclw, infonce
from workbench.objectives.ranking import bayesian_personalised_ranking, triplet
from workbench.objectives.reconstruction import scaled_cosine_error


def test_objectives_on_pairs_by_name_and_by_hand() -> None:
    assert {"cacr", "dcl", "dclw", "infonce", "supcon", "triplet"} <= set(names())
    u = torch.eye(2)
    # Positive cosine 1, the other node orthogonal in both views; tau 0.5.
    wanted = {"infonce": math.log(math.e**2 + 2) - 2, "dcl": math.log(2) - 2, "dclw": math.log(2) - 2, "cacr": -2.0}
    wanted["supcon"] = wanted["infonce"]
    for name, value in wanted.items():
        torch.testing.assert_close(OBJECTIVES.get(name)(Contrast(0.5), u, u), torch.full((2,), value))
    half = infonce(Contrast(0.5), u, u, positive_weight=0.5)
    torch.testing.assert_close(half, torch.full((2,), math.log(math.e**2 / 2 + 2) - 2))


def test_options_of_the_pair_objectives() -> None:
    g = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 5, 3, generator=g, dtype=torch.float64)
    cosine = torch.cosine_similarity(u, v)
    weight = 2 - 5 * (cosine / 0.1).softmax(0)
    expected = dcl(Contrast(0.4), u, v) + (1 - weight) * cosine / 0.4
    torch.testing.assert_close(dclw(Contrast(0.4), u, v, sigma=0.1), expected)
    # Several positives: the colder the attraction, the more the farthest alone counts.
    index = torch.cat([torch.arange(5).repeat(2, 1), torch.stack([torch.arange(5), (torch.arange(5) + 1) % 5])], 1)
    contrast = Contrast(0.4, positives=(index, torch.ones(10, dtype=torch.float64)))
    values = [cacr(contrast, u, v, attraction=t).sum() for t in (-50.0, 0.0, 1.0, 50.0)]
    assert values == sorted(values)


def test_with_detached_weights_cacr_pushes_two_tau_times_as_hard_as_dcl() -> None:
    g = torch.Generator().manual_seed(1)
    u, v = torch.randn(2, 6, 4, generator=g, dtype=torch.float64)
    leaf, tau = u.clone().requires_grad_(), 0.4
    unit, other = torch.nn.functional.normalize(leaf, dim=1), torch.nn.functional.normalize(v, dim=1)
    cosine = unit @ other.T
    weight = (cosine.detach() / tau).fill_diagonal_(-math.inf).softmax(1)
    detached = (2 - 2 * cosine.diag() - (weight * (2 - 2 * cosine)).sum(1)).sum()
    # DCL of one direction only, its candidates being the other view's rows.
    one_way = dcl(Contrast(tau, paired=False), leaf, v).sum()
    a, b = (torch.autograd.grad(value, leaf, retain_graph=True)[0] for value in (detached, one_way))
    torch.testing.assert_close(a, 2 * tau * b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("objective", "contrast", "message"),
    [
        (cacr, Contrast(similarity="dot"), "takes cosines"),
        (cacr, Contrast(bias=torch.zeros(3)), "no mixed negatives or bias"),
        (cacr, Contrast(mixed=Mixed(*torch.zeros(2, 3, 1, dtype=torch.long), torch.ones(1))), "no mixed negatives"),
        (triplet, Contrast(similarity="dot"), "takes cosines"),
        (dclw, Contrast(similarity="dot"), "by its cosine"),
        (dclw, Contrast(paired=False, positives=(torch.arange(3).repeat(2, 1), torch.ones(3))), "has no such"),
        (dcl, Contrast(candidates=torch.zeros(0, dtype=torch.long)), "at least one negative"),
    ],
)
def test_contrasts_that_an_objective_is_not_defined_for(objective: object, contrast: Contrast, message: str) -> None:
    with pytest.raises(UserError, match=message):
        objective(contrast, torch.eye(3), torch.eye(3))  # type: ignore[operator]


def test_discriminators_by_hand() -> None:
    zeros, far = torch.zeros(4), torch.full((4,), 30.0)
    assert float(binary_cross_entropy(zeros, zeros[:2])) == pytest.approx(math.log(2))
    assert float(jensen_shannon(zeros, torch.zeros(2, 7))) == pytest.approx(0)
    assert float(binary_cross_entropy(far, -far)) == pytest.approx(0, abs=1e-9)
    assert float(jensen_shannon(far, -far)) == pytest.approx(-2 * math.log(2))
    # Logits ln 3 are probabilities 3/4: -ln(3/4) of a true pair, -ln(1/4) of a false one.
    three = torch.tensor([math.log(3)])
    assert float(binary_cross_entropy(three, three)) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert float(jensen_shannon(three, three.repeat(5))) == pytest.approx(math.log(4 / 3) + math.log(4) - math.log(4))


def test_a_bootstrap_target_has_no_gradient() -> None:
    prediction = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]], requires_grad=True)
    target = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], requires_grad=True)
    value = bootstrap(prediction, target)
    assert value.tolist() == pytest.approx([0, 2, 4])
    value.sum().backward()
    assert prediction.grad is not None and target.grad is None


def test_the_scaled_cosine_error_by_hand() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    y = torch.tensor([[0.0, 3.0], [2.0, 4.0], [-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    value = scaled_cosine_error(x, y, 3.0)
    assert value.tolist() == pytest.approx([1, 0, 8, 1], abs=1e-6)
    assert scaled_cosine_error(x[:1], torch.tensor([[1.0, 1.0]]), 1.0).tolist() == pytest.approx([1 - 2**-0.5])
    value.sum().backward()
    assert y.grad is not None and y.grad.isfinite().all()
    # A cosine that rounds above 1 gives no nan at a power that is no whole number.
    near = torch.rand(1000, 9, generator=torch.Generator().manual_seed(0))
    assert scaled_cosine_error(near, 3 * near, 1.5).isfinite().all()


def test_sinkhorn_equals_the_plain_products_and_uses_all_prototypes_alike() -> None:
    g = torch.Generator().manual_seed(2)
    scores = 0.3 * torch.randn(256, 50, generator=g, dtype=torch.float64)
    plain = (scores / 0.05).exp().T
    for _ in range(3):  # the release's loop
        plain = plain / plain.sum(1, keepdim=True) / 50
        plain = plain / plain.sum(0, keepdim=True) / 256
    codes = sinkhorn(scores)
    torch.testing.assert_close(codes, (plain * 256).T, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(codes.sum(1), torch.ones(256, dtype=torch.float64))
    usage = [float((sinkhorn(scores, iterations=n).sum(0) * 50 / 256 - 1).abs().max()) for n in (1, 3, 30, 300)]
    assert usage == sorted(usage, reverse=True) and usage[-1] < 1e-3 < usage[0]
    assert sinkhorn(scores.float() * 1000).isfinite().all()  # exp(scores / epsilon) would overflow


def test_swapped_cross_entropy_by_hand() -> None:
    alone = torch.randn(5, 1, generator=torch.Generator().manual_seed(0))
    assert swapped_cross_entropy(alone, alone).tolist() == [0] * 5  # one prototype
    # Two rows, each at a prototype of its own: codes are one-hot, predictions softmax([1, 0] / tau).
    scores = torch.eye(2, requires_grad=True)
    value = swapped_cross_entropy(scores, scores, tau=0.5, epsilon=0.01)
    assert value.tolist() == pytest.approx([math.log(1 + math.exp(-2))] * 2)
    mixed = swapped_cross_entropy(scores, scores.detach().flip(0), tau=0.5, epsilon=0.01)
    assert mixed.tolist() == pytest.approx([math.log(1 + math.exp(2))] * 2)


def test_ranking_by_hand() -> None:
    value = bayesian_personalised_ranking(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 100.0, -math.log(3)]))
    assert value.tolist() == pytest.approx([math.log(2), 100, math.log(4 / 3)])
