"""Forces on an anchor against derivatives by a table of all cosines, for each objective; gauges by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError
from workbench.objectives.forces import forces, gauges
from workbench.objectives.ordering import _ordered

TAU, ROWS, ANCHOR = 0.5, 7, 2


def views(seed: int = 0, dim: int = 5) -> tuple[Tensor, Tensor]:
    u, v = torch.randn(2, ROWS, dim, generator=torch.Generator().manual_seed(seed))
    return u, u + 0.7 * v


def by_cosines(name: str, u: Tensor, v: Tensor, positives: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivative of the anchor's loss by its cosines with the other view and with its own [rows]."""
    a, b = (normalize(x, dim=1) for x in (u, v))
    cross, same_a, same_b = ((x @ y.T).requires_grad_() for x, y in ((a, b), (a, a), (b, b)))
    losses = []
    for own_view, other in ((same_a[ANCHOR], cross[ANCHOR]), (same_b[ANCHOR], cross[:, ANCHOR])):
        keep = torch.arange(ROWS) != ANCHOR
        negatives = torch.cat([other[keep], own_view[keep]]) / TAU
        positive = other[ANCHOR] / TAU
        if name == "infonce":
            above = (other[positives] / TAU).logsumexp(0)
            losses.append(torch.logaddexp(positive, negatives.logsumexp(0)) - above)
        elif name == "dcl":
            losses.append(negatives.logsumexp(0) - positive)
        elif name == "cacr":
            cost = 2 - 2 * TAU * negatives
            losses.append(2 - 2 * other[ANCHOR] - (negatives.softmax(0) * cost).sum())
        elif name == "groco":
            losses.append(_ordered(other[None, [ANCHOR]], own_view[keep].topk(3)[0][None], 10.0, None)[0])
    loss = sum(losses) / 2
    assert isinstance(loss, Tensor)
    by_cross, by_a, by_b = torch.autograd.grad(loss, (cross, same_a, same_b))
    other = by_cross[ANCHOR] + by_cross[:, ANCHOR]
    other[ANCHOR] = by_cross[ANCHOR, ANCHOR]
    return other, (by_a + by_b)[ANCHOR]


@pytest.mark.parametrize("name", ["infonce", "dcl", "cacr", "groco"])
def test_forces_are_the_derivatives_by_each_cosine(name: str) -> None:
    u, v = views()
    asked = Part("groco", (("top", 3),)) if name == "groco" else name  # in which anchors alone have a gradient
    told = forces(asked, Contrast(TAU), u, v, ANCHOR)
    other, own = by_cosines(name, u, v, torch.tensor([ANCHOR]))
    found = {(line.row, line.view): line.force for line in told.pairs.itertuples()}
    assert len(found) == 2 * ROWS - 1 and told.rest < 1e-5
    for row in range(ROWS):
        assert math.isclose(found[row, "other"], float(other[row]), rel_tol=1e-3, abs_tol=1e-5)
        if row != ANCHOR:
            assert math.isclose(found[row, "own"], float(own[row]), rel_tol=1e-3, abs_tol=1e-5)
    assert told.pairs.query("positive")["row"].tolist() == [ANCHOR] and found[ANCHOR, "other"] < 0


def test_further_positives_are_pulled_and_synthetic_negatives_are_the_rest() -> None:
    u, v = views(1)
    index = torch.stack([torch.arange(ROWS), torch.arange(ROWS)])
    index = torch.cat([index, torch.tensor([[ANCHOR], [5]])], 1)
    pulled = Contrast(TAU, positives=(index, torch.ones(ROWS + 1)))
    told = forces("infonce", pulled, u, v, ANCHOR)
    other, _ = by_cosines("infonce", u, v, torch.tensor([ANCHOR, 5]))
    found = told.pairs[told.pairs["view"] == "other"].set_index("row")
    assert found["positive"].sum() == 2
    torch.testing.assert_close(torch.tensor(found["force"].to_numpy()).float(), other.float(), rtol=1e-3, atol=1e-5)
    first = torch.arange(ROWS).roll(1)[:, None]
    mixed = Contrast(TAU, mixed=Mixed(first, torch.arange(ROWS)[:, None], torch.full((ROWS, 1), 0.7)))
    assert forces("infonce", mixed, u, v, ANCHOR).rest > 1e-2
    labels = torch.tensor([0, 1, 0, 1, 1, 1, 1])
    assert math.isclose(gauges("infonce", mixed, u, v, labels, ANCHOR)["false_parents"], 3 / 7, rel_tol=1e-5)


def test_gauges_are_what_a_loop_says() -> None:
    u, v = views(2)
    labels = torch.tensor([0, 1, 0, 1, 0, -1, 1])
    told = gauges("infonce", Contrast(TAU), u, v, labels, ANCHOR)
    a, b = (normalize(x, dim=1) for x in (u, v))
    q = []
    for i in range(ROWS):
        for mine, other in ((a, b), (b, a)):
            rest = [j for j in range(ROWS) if j != i]
            push = sum(math.exp(float(mine[i] @ x[j]) / TAU) for x in (mine, other) for j in rest)
            q.append(push / (push + math.exp(float(mine[i] @ other[i]) / TAU)))
    assert math.isclose(told["q"], sum(q) / len(q), rel_tol=1e-4)
    lines = forces("infonce", Contrast(TAU), u, v, ANCHOR).pairs.query("not positive")
    mine = lines[lines["row"].isin([0, 4])]["force"].sum() / lines["force"].sum()
    assert math.isclose(told["false_share"], mine, rel_tol=1e-5) and 0 < told["entropy"] <= 1
    assert math.isnan(told["false_parents"]) and math.isnan(gauges("dcl", Contrast(TAU), u, v)["false_share"])


def test_pulls_on_several_positives_are_even_or_of_the_farthest_alone() -> None:
    u, v = views(3)
    index = torch.cat([torch.arange(ROWS).repeat(2, 1), torch.tensor([[ANCHOR, ANCHOR], [4, 6]])], 1)
    away = torch.tensor([0, 1, 3, 5])  # so that no row is pulled and pushed
    contrast, found = Contrast(TAU, positives=(index, torch.ones(ROWS + 2)), candidates=away), []
    for attraction in (0.0, 1.0, 200.0):
        part = Part("cacr", (("attraction", attraction), ("detached", True)))
        found.append(gauges(part, contrast, u, v, anchor=ANCHOR)["pull_entropy"])
    assert math.isclose(found[0], 1, abs_tol=1e-5) and found[0] > found[1] > found[2] and found[2] < 0.7
    assert math.isnan(gauges("cacr", contrast, u, v, anchor=0)["pull_entropy"]), "one positive has all of the pull"


def test_what_has_no_forces_is_refused_in_a_sentence() -> None:
    u, v = views()
    with pytest.raises(UserError, match="cosines of paired views"):
        forces("infonce", Contrast(TAU, similarity="dot"), u, v)
    with pytest.raises(UserError, match="there is no node 7"):
        forces("infonce", Contrast(TAU), u, v, 7)
    with pytest.raises(UserError, match="unknown objective 'infonse'; did you mean 'infonce'"):
        forces("infonse", Contrast(TAU), u, v)
