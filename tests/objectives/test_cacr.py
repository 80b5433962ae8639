"""Attraction and repulsion: its relation to DCL, its switches, its other costs and several positives."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import Contrast
from workbench.errors import UserError
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


def test_one_positive_is_pulled_by_its_own_distance_at_every_temperature() -> None:
    u, v = views()
    listed, none = (torch.arange(7).repeat(2, 1), torch.full((7,), 0.3)), torch.zeros(0, dtype=torch.long)
    for positives in (None, listed):
        contrast = Contrast(0.4, paired=False, candidates=none, positives=positives)  # nothing is pushed
        for temperature in (-3.0, 0.0, 1.0, 50.0):
            pulled = cacr(contrast, u, v, attraction=temperature)
            torch.testing.assert_close(pulled, 2 - 2 * torch.cosine_similarity(u, v))


def test_the_entropy_of_the_weights_of_negatives_falls_as_their_temperature_grows() -> None:
    u, v = (normalize(rows.detach()) for rows in views())
    cost, entropies = 2 - 2 * u[0] @ v[1:].T, []
    for repulsion in (1e-3, 0.9, 2.0, 20.0):
        rows = u.clone().requires_grad_()
        total = cacr(Contrast(1 / (2 * repulsion), paired=False), rows, v, detached=True)[0]
        weights = (-repulsion * cost).softmax(0)
        # With detached weights the anchor is moved away from their mean, along the sphere: they are what it uses.
        toward = 2 * (weights @ v[1:] - v[0])
        wanted = toward - (toward @ u[0]) * u[0]
        torch.testing.assert_close(torch.autograd.grad(total, rows)[0][0], wanted)
        entropies.append(float(torch.special.entr(weights).sum()))
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[0] == pytest.approx(math.log(6), abs=1e-5) and entropies[-1] < 0.7


def test_debiased_negatives_train_it(small_graph: Data) -> None:
    asked: dict[str, Any] = {"objective": "cacr", "negatives": "debiased", "k": 5, "epochs": 2, "progress": False}
    runs = [wb.fit("grace", small_graph, "defaults", **asked, correction=form) for form in ("expected", "released")]
    assert runs[0].contrast is not None and runs[0].contrast.class_prior == 0.1
    assert not torch.equal(runs[0].embeddings, runs[1].embeddings)


def released(u: Tensor, v: Tensor, repulsion: float, width: float = 0.0, prior: float = 0.0) -> Tensor:
    """The authors' two functions on one pair of views, in one direction, one pair of rows after the other."""
    u, v, each = normalize(u, dim=1), normalize(v, dim=1), []
    pulled = (u - v).square().sum(1)
    for i in range(len(u)):
        cost = torch.stack([(u[i] - v[j]).square().sum() for j in range(len(v)) if j != i])
        weights = (-repulsion * cost).softmax(0)
        each.append((weights * (-width * cost).exp()).sum() if width else -(weights * cost).sum())
    pushed = torch.stack(each)
    if width:
        return pulled.mean() + pushed.mean().log()
    return pulled.mean() + ((pushed - prior * pulled) / (1 - prior)).mean()


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_the_rbf_cost_is_the_release_in_value_and_gradient_and_each_anchor_moves_its_own_pairs_alone(
    width: float,
) -> None:
    u, v = views()
    found = cacr(Contrast(0.25, paired=False), u, v, cost="rbf", width=width)
    wanted = released(u, v, 2.0, width)
    torch.testing.assert_close(found.mean(), wanted)
    for one, other in zip(
        torch.autograd.grad(found.mean(), [u, v], retain_graph=True),
        torch.autograd.grad(wanted, [u, v]),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    moved = torch.autograd.grad(found[2], u)[0]
    assert bool((moved[torch.arange(7) != 2] == 0).all()) and moved[2].abs().sum() > 0
    small = cacr(Contrast(0.25), u, v, 1e-4, cost="rbf")  # by blocks of rows
    torch.testing.assert_close(small, cacr(Contrast(0.25), u, v, cost="rbf"))
    alone = torch.arange(7)[:, None]  # each lists itself alone, so that there is nobody to be pushed from
    same = cacr(Contrast(0.25, candidates=alone), u, v, cost="rbf")
    torch.testing.assert_close(same, 2 - 2 * torch.cosine_similarity(u, v))


@pytest.mark.parametrize("prior", [0.1, 0.5])
def test_a_class_prior_takes_off_what_the_anchors_pair_costs_where_the_release_adds_it(prior: float) -> None:
    u, v = views()
    contrast = Contrast(0.25, same_view=False, class_prior=prior)
    both = (released(u, v, 2.0, prior=prior) + released(v, u, 2.0, prior=prior)) / 2
    torch.testing.assert_close(cacr(contrast, u, v, correction="released").mean(), both)
    # With one positive, and its own distance as attraction, it is but a factor: the same direction at another rate.
    plain = cacr(Contrast(0.25, same_view=False), u, v)
    torch.testing.assert_close(cacr(contrast, u, v), plain / (1 - prior))
    # A mean over negatives of which a share costs as much as the pair, all weighted alike, is freed of that share.
    rows = torch.eye(2)[[0, 0, 1, 1, 1]]  # one of the four others is where the first row's own pair is
    found = cacr(Contrast(0.25, same_view=False, class_prior=0.25), rows, rows, weighted=False)[0]
    assert float(found) == pytest.approx(-2)  # the cost of the three that are not


def test_what_cacr_is_not_defined_for_is_named() -> None:
    u, v = views()
    with pytest.raises(UserError, match="corrects squared costs for a class prior"):
        cacr(Contrast(class_prior=0.1), u, v, cost="rbf")
    with pytest.raises(UserError, match="width of the objective 'cacr' is 0"):
        cacr(Contrast(), u, v, cost="rbf", width=0.0)
