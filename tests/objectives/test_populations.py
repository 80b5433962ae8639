"""The terms of SepCLR: closed values, and loops over pairs."""

import math

import pytest
import torch

from workbench.objectives.populations import alignment, joint_entropy, uniformity


def test_closed_values() -> None:
    alike, apart = torch.ones(6, 3, dtype=torch.float64), 40 * torch.eye(6, dtype=torch.float64)
    for value in (uniformity(alike), joint_entropy(alike, 2 * alike), alignment(alike, alike)):
        assert float(value) == pytest.approx(0, abs=1e-6)
    assert float(joint_entropy(apart, alike)) == pytest.approx(-math.log(6), abs=1e-6)
    assert float(joint_entropy(alike, apart)) == pytest.approx(-math.log(6), abs=1e-6)
    assert float(alignment(alike, 0 * alike)) == pytest.approx(3)
    # Three rows at 0 and one a unit away: three of six pairs have the kernel exp(-1).
    rows = torch.tensor([[0.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
    assert float(uniformity(rows)) == pytest.approx(math.log((3 + 3 / math.e) / 6), abs=1e-9)
    assert float(alignment(rows[:0], rows[:0])) == float(joint_entropy(rows[:0], rows[:0])) == 0


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_sums_over_pairs_are_loops_in_value_and_gradient(t: float) -> None:
    g = torch.Generator().manual_seed(0)
    c, s = (rows.requires_grad_() for rows in torch.randn(2, 7, 3, generator=g, dtype=torch.float64))

    def kernel(x: torch.Tensor, i: int, j: int) -> torch.Tensor:
        return (-(x[i] - x[j]).square().sum() / (2 * t)).exp()

    pairs = [kernel(c, i, j) for i in range(7) for j in range(7) if i != j]
    means = [torch.stack([kernel(c, i, j) * kernel(s, i, j) for j in range(7)]).mean().log() for i in range(7)]
    looped = (torch.stack(pairs).mean().log(), torch.stack(means).mean())
    for value, expected in zip((uniformity(c, t), joint_entropy(c, s, t)), looped, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(*(torch.autograd.grad(one, c)[0] for one in (value, expected)))


@pytest.mark.parametrize("t", [1e-6, 0.5, 1e6])
def test_nothing_is_more_even_than_far_points_nor_less_than_equal_ones(t: float) -> None:
    g = torch.Generator().manual_seed(1)
    for scale in (1e-3, 1.0, 1e3):
        rows = scale * torch.randn(9, 4, generator=g, dtype=torch.float64)
        rows.requires_grad_()
        spread, joint = uniformity(rows, t), joint_entropy(rows, rows, t)
        assert spread.item() <= 1e-9 and -math.log(9) - 1e-9 <= joint.item() <= 1e-9
        for value in (spread, joint):
            assert torch.autograd.grad(value, rows, retain_graph=True)[0].isfinite().all()
    # Where all rows are alike, which is the maximum, nothing pulls them anywhere.
    alike = torch.ones(6, 3, dtype=torch.float64, requires_grad=True)
    for value in (uniformity(alike), joint_entropy(alike, alike)):
        torch.testing.assert_close(torch.autograd.grad(value, alike)[0], torch.zeros(6, 3).double(), atol=1e-9, rtol=0)
