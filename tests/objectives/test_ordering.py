"""Group ordering against closed forms, dense permutations and loops."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError
from workbench.objectives.ordering import groco, rank_mass


def soft_permutation(values: Tensor, steepness: float) -> Tensor:
    """The odd-even network of one row of values [n], by products of n x n matrices; ranks are rows."""
    n = len(values)
    product = torch.eye(n, dtype=values.dtype)
    for layer in range(n):
        swap = torch.eye(n, dtype=values.dtype)
        for i in range(layer % 2, n - 1, 2):
            kept = 0.5 + math.atan(steepness * float(values[i + 1] - values[i])) / math.pi
            swap[i : i + 2, i : i + 2] = torch.tensor([[kept, 1 - kept], [1 - kept, kept]], dtype=values.dtype)
        values, product = swap @ values, swap @ product
    return product


@pytest.mark.parametrize("n", [2, 3, 11])
def test_the_soft_permutation_is_doubly_stochastic_and_equals_the_product_of_its_swaps(n: int) -> None:
    values = torch.randn(4, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    found = rank_mass(values, torch.eye(n, dtype=torch.float64), 10.0)
    torch.testing.assert_close(found.sum(1), torch.ones(4, n, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(found.sum(2), torch.ones(4, n, dtype=torch.float64), rtol=0, atol=1e-12)
    for row, matrix in zip(values, found, strict=True):
        torch.testing.assert_close(matrix.T, soft_permutation(row, 10.0), rtol=0, atol=1e-12)
    # The steeper the swaps, the nearer to the ranks.
    sharp = rank_mass(values, torch.eye(n, dtype=torch.float64), 1e9).argmax(2)
    assert torch.equal(sharp, values.argsort(1).argsort(1))


def at(cosines: list[float]) -> Tensor:
    """Unit vectors with these cosines with the first axis, at right angles otherwise [len, len + 1]."""
    c = torch.tensor(cosines, dtype=torch.float64)
    return torch.cat([c[:, None], torch.diag((1 - c**2).sqrt())], 1)


@pytest.mark.parametrize("steepness", [1.0, 10.0])
@pytest.mark.parametrize("difference", [-0.7, 0.0, 0.6])
def test_one_positive_against_one_negative_has_a_closed_form(difference: float, steepness: float) -> None:
    anchor = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    negative, positive = at([0.1, 0.1 + difference])
    u, v = torch.stack([anchor, negative]), torch.stack([positive, negative])
    # The anchor's cosines in the first direction alone: 0.1 and 0.1 + difference.
    found = groco(Contrast(paired=False), u, v, top=1, steepness=steepness)[0]
    assert float(found) == pytest.approx(-math.log(0.5 + math.atan(steepness * difference) / math.pi), abs=1e-9)


def test_the_loss_is_flat_unless_the_swaps_are_steep() -> None:
    # Ten others spread over -0.1 to 0.4, the positive below, at the top of and above them.
    others = torch.linspace(-0.1, 0.4, 10).tolist()
    wanted = {1.0: (0.212, 0.198, 0.186), 10.0: (0.353, 0.177, 0.050), 50.0: (0.530, 0.144, 0.010)}
    for steepness, values in wanted.items():
        for cosine, value in zip((-0.2, 0.4, 0.99), values, strict=True):
            near = at([*others, cosine])
            anchor = torch.eye(near.shape[1], dtype=torch.float64)[:1]
            u, v = torch.cat([anchor, near[:-1]]), torch.cat([near[-1:], near[:-1]])
            found = groco(Contrast(paired=False), u, v, steepness=steepness)[0]
            assert float(found) == pytest.approx(value, abs=6e-4)


def loop(u: Tensor, v: Tensor, positives: list[list[int]], top: int, steepness: float, half: slice) -> Tensor:
    """One direction by a loop, with the released half over the highest ranks (or the lowest) of a dense permutation."""
    losses = []
    for i, mine in enumerate(positives):
        cosines = u @ u[i]
        cosines[i] = -9
        values = torch.cat([cosines.sort().values[-top:], (v[mine] @ u[i]).sort().values])
        positive = (torch.arange(len(values)) >= top).double()
        mass = soft_permutation(values, steepness)[half if half.start is None else slice(top, None)].sum(0)
        target = 1 - positive if half.start is None else positive
        losses.append(-(target * mass.log() + (1 - target) * (1 - mass).log()).mean())
    return torch.stack(losses)


@pytest.mark.parametrize("several", [False, True])
def test_both_views_equal_a_loop_and_both_halves_of_the_release_are_one(several: bool) -> None:
    u, v = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    a, b = normalize(u, dim=1), normalize(v, dim=1)
    listed = [[i, (i + 1) % 9, (i + 4) % 9][: 1 + i % 3] if several else [i] for i in range(9)]
    index = torch.tensor([[i, j] for i, mine in enumerate(listed) for j in mine]).T
    contrast = Contrast(positives=(index, torch.ones(index.shape[1], dtype=torch.float64)) if several else None)
    for half in (slice(4, None), slice(None, 4)):
        wanted = (loop(a, b, listed, 4, 7.0, half) + loop(b, a, listed, 4, 7.0, half)) / 2
        for budget in (512.0, 1e-3):
            torch.testing.assert_close(groco(contrast, u, v, budget, top=4, steepness=7.0), wanted)


def test_only_anchors_move_and_the_control_is_the_ratio_of_the_same_pairs() -> None:
    u, v = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    v.requires_grad_()
    assert not groco(Contrast(paired=False), u, v, top=3).requires_grad
    u.requires_grad_()
    for form in ("order", "ratio"):
        total = groco(Contrast(0.3, paired=False), u, v, top=3, loss=form).sum()
        moved = torch.autograd.grad(total, [u, v], allow_unused=True)
        assert moved[1] is None and moved[0].abs().sum() > 0
    a, b = normalize(u, dim=1), normalize(v, dim=1)
    others = ((a @ a.T).fill_diagonal_(-9).topk(3, 1).values / 0.3).exp().sum(1)
    own = ((a * b).sum(1) / 0.3).exp()
    found = groco(Contrast(0.3, paired=False), u, v, top=3, loss="ratio")
    torch.testing.assert_close(found, -(own / (own + others)).log())


@pytest.mark.parametrize(
    ("contrast", "options", "message"),
    [
        (Contrast(similarity="dot"), {}, "negatives must be 'all'"),
        (Contrast(candidates=torch.arange(2)), {}, "negatives must be 'all'"),
        (Contrast(mixed=Mixed(*torch.zeros(2, 3, 1, dtype=torch.long), torch.ones(1))), {}, "negatives must be 'all'"),
        (Contrast(), {"top": 3}, "top=3 others; 3 rows give 1 to 2"),
        (Contrast(), {"top": 1, "steepness": 0.0}, "must be above 0"),
        (Contrast(positives=(torch.zeros(2, 1, dtype=torch.long), torch.ones(1))), {"top": 1}, "has no positive"),
    ],
)
def test_what_can_not_be_ordered_is_named(contrast: Contrast, options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        groco(contrast, torch.eye(3), torch.eye(3), **options)  # type: ignore[arg-type]
