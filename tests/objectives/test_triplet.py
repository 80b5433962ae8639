"""The triplet hinge against a loop over anchors, their positives and all negatives."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.objectives.ranking import triplet


def looped(contrast: Contrast, u: Tensor, v: Tensor | None, margin: float) -> Tensor:
    """Write out the hinge of each anchor with its most similar negative in each direction."""
    rows, u = len(u), normalize(u, dim=1)
    listed = torch.eye(rows, dtype=u.dtype)
    if contrast.positives is not None:
        listed = torch.zeros_like(listed).index_put(tuple(contrast.positives[0]), contrast.positives[1])
    v = u if v is None else normalize(v, dim=1)
    total = []
    for a, b in ((u, v), (v, u)):
        for i in range(rows):
            among = range(rows) if contrast.candidates is None else contrast.candidates[i].tolist()
            others = [j for j in among if not listed[i, j] and i != j]
            banks = (b, a) if contrast.same_view else (b,)
            far = [a[i] @ bank[j] for bank in banks for j in others]
            terms = [
                listed[i, p] * torch.relu(margin + torch.stack(far).max() - a[i] @ b[p]) if far else 0 * a[i, 0]
                for p in range(rows)
                if listed[i, p]
            ]
            total.append(torch.stack(terms).sum() / listed[i].sum())
    return torch.stack(total).view(2, rows).mean(0)


@pytest.mark.parametrize("case", ["own", "listed positives", "one view", "listed negatives", "other view only"])
def test_the_triplet_hinge_is_a_loop_in_value_and_gradient(case: str) -> None:
    g = torch.Generator().manual_seed(4)
    u, v = (rows.requires_grad_() for rows in torch.randn(2, 9, 3, generator=g, dtype=torch.float64))
    pairs = torch.tensor([[*range(9), 0, 0, 3], [*range(9), 4, 5, 8]])
    mass = torch.ones(12, dtype=torch.float64)
    mass[9] = 2.5
    contrast = {
        "listed positives": Contrast(0.3, positives=(pairs, mass)),
        "listed negatives": Contrast(0.3, candidates=torch.randint(9, (9, 2), generator=g), positives=(pairs, mass)),
        "other view only": Contrast(0.3, same_view=False),
    }.get(case, Contrast(0.3))
    second = None if case == "one view" else v
    values = [form(contrast, u, second, margin=0.4) for form in (triplet, looped)]
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    assert (values[0] > 0).any()
    gradients = [torch.autograd.grad(value.sum(), u)[0] for value in values]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)
    few = triplet(contrast, u, second, budget_mib=1e-3, margin=0.4)  # by blocks of rows
    torch.testing.assert_close(few, values[0], rtol=1e-12, atol=1e-12)


def test_a_triplet_needs_both_sides() -> None:
    u = torch.eye(2)
    assert triplet(Contrast(), u, u).tolist() == [0, 0]  # told apart by more than the margin
    assert triplet(Contrast(), torch.ones(2, 3), torch.ones(2, 3)).tolist() == pytest.approx([0.5, 0.5])
    assert triplet(Contrast(), u[:1], u[:1]).tolist() == [0]
    everything = torch.cartesian_prod(torch.arange(2), torch.arange(2)).T
    assert triplet(Contrast(positives=(everything, torch.ones(4))), u, u).tolist() == [0, 0]
