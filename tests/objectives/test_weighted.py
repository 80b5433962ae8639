"""Cross-entropy with several positives against a loop over anchors, and where it is InfoNCE."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.errors import UserError
from workbench.objectives.infonce import infonce
from workbench.objectives.weighted import supcon


def looped(views: list[Tensor], mass: Tensor, tau: float, same_view: bool = True) -> Tensor:
    """The loss of each row, the mean over its views, every pair of two of the 2 N vectors in turn."""
    rows, losses = len(mass), torch.zeros(len(mass), dtype=torch.float64)
    unit = [normalize(view, dim=1) for view in views]
    for i in range(rows):
        for a in (0, 1):
            pairs = [(b, j) for b in (0, 1) for j in range(rows) if (b, j) != (a, i) and (same_view or b != a)]
            logits = {pair: unit[a][i] @ unit[pair[0]][pair[1]] / tau for pair in pairs}
            below = torch.stack([*logits.values()]).exp().sum().log()
            total = sum(mass[i, j] for _, j in pairs)
            losses[i] += sum(mass[i, j] * (below - logits[b, j]) for b, j in pairs) / total / 2
    return losses


@pytest.mark.parametrize("same_view", [True, False])
def test_supcon_is_the_loop_over_positives_of_both_views(same_view: bool) -> None:
    g = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 7, 4, generator=g, dtype=torch.float64)
    for mass in (
        torch.eye(7).double() + (torch.arange(7)[:, None] % 3 == torch.arange(7) % 3).double().fill_diagonal_(0),
        torch.rand(7, 7, generator=g, dtype=torch.float64) * (torch.rand(7, 7, generator=g) < 0.5) + torch.eye(7),
    ):
        index = mass.nonzero().T
        contrast = Contrast(0.3, positives=(index, mass[tuple(index)]), same_view=same_view)
        torch.testing.assert_close(supcon(contrast, u, v), looped([u, v], mass, 0.3, same_view))


def test_one_positive_an_anchor_is_infonce_and_soft_targets_are_bounded_by_their_entropy() -> None:
    g = torch.Generator().manual_seed(1)
    u, v = torch.randn(2, 6, 4, generator=g, dtype=torch.float64)
    own = torch.arange(6).repeat(2, 1), torch.ones(6, dtype=torch.float64)
    for contrast in (Contrast(0.2), Contrast(0.2, positives=own)):
        torch.testing.assert_close(supcon(contrast, u, v), infonce(Contrast(0.2), u, v))
    # A cross-entropy is at least the entropy of its target, here of equal masses in both views: log 11 of 2 x 6 - 1.
    even = torch.ones(6, 6).nonzero().T, torch.ones(36, dtype=torch.float64)
    assert bool((supcon(Contrast(0.2, positives=even), u, v) > math.log(11)).all())
    same = torch.ones(6, 3, dtype=torch.float64)
    torch.testing.assert_close(
        supcon(Contrast(0.2, positives=even), same, same), torch.full((6,), math.log(11), dtype=torch.float64)
    )
    with pytest.raises(UserError, match="'supcon' takes no bias"):
        supcon(Contrast(0.2, bias=torch.zeros(6)), u, v)
