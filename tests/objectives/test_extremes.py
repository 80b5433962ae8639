"""Every objective on pairs at the ends of what it may be given: temperatures, rows, classes."""

import pytest
import torch
from torch import Tensor

from workbench.contrast import Contrast
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES, names


def drawn(kind: str) -> Tensor:
    """Return six rows in two views [2, 6, 4]."""
    rows = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    made = {
        "random": rows,
        "alike": torch.ones(2, 6, 4),
        "opposite": torch.stack([torch.ones(6, 4), -torch.ones(6, 4)]),
        "zero": torch.zeros(2, 6, 4),
        "one zero": torch.cat([torch.zeros(2, 1, 4), rows[:, 1:]], 1),
        "huge": 1e18 * rows,
        "tiny": 1e-20 * rows,
    }
    return made[kind]


def positives(rows: int, kind: str) -> tuple[Tensor, Tensor] | None:
    """Return none listed, or all rows as positives of all: a single class."""
    index = torch.ones(rows, rows).nonzero().T
    return (index, torch.ones(index.shape[1])) if kind == "one class" else None


@pytest.mark.parametrize("kind", ["random", "alike", "opposite", "zero", "one zero", "huge", "tiny"])
@pytest.mark.parametrize("name", names())
def test_losses_and_gradients_are_finite_at_every_temperature(name: str, kind: str) -> None:
    options = {"top": 3} if name == "groco" else {}
    for tau in (1e-8, 1e-4, 0.5, 1e6):
        for classes in ("own", "one class"):
            for same_view in (True, False):
                u, v = (rows.clone().requires_grad_() for rows in drawn(kind))
                contrast = Contrast(tau, positives=positives(6, classes), same_view=same_view)
                losses = OBJECTIVES.get(name)(contrast, u, v, **options)
                assert losses.shape == (6,) and losses.isfinite().all(), (tau, classes, same_view)
                moved = torch.autograd.grad(losses.sum(), [u, v], allow_unused=True)
                assert all(part is None or bool(part.isfinite().all()) for part in moved), (tau, classes, same_view)


@pytest.mark.parametrize("name", names())
def test_a_single_row_is_told_or_costs_nothing(name: str) -> None:
    """Nothing is left to be told from: a loss of 0 where attraction alone is 0, or a sentence that says so."""
    u = torch.ones(1, 3)
    try:
        found = OBJECTIVES.get(name)(Contrast(0.5), u, u)
    except UserError as error:
        assert "at least one negative" in str(error) or "was asked for top=10 others" in str(error)
        return
    torch.testing.assert_close(found, torch.zeros(1))
    assert name in ("cacr", "infonce", "supcon", "triplet")


@pytest.mark.parametrize("name", names())
def test_positives_that_are_fewer_than_anchors_are_named(name: str) -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    options = {"top": 2} if name == "groco" else {}
    index = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
    contrast = Contrast(0.5, positives=(index, torch.ones(5)))
    massless = Contrast(0.5, positives=(torch.arange(6).repeat(2, 1), (torch.arange(6) < 5).float()))
    for lacking in (contrast, massless):
        if name == "triplet":  # which has a loss of 0 there
            assert float(OBJECTIVES.get(name)(lacking, rows, rows.flip(1))[5]) == 0
            continue
        with pytest.raises(UserError, match="has no positive; give each anchor at least one"):
            OBJECTIVES.get(name)(lacking, rows, rows.flip(1), **options)
