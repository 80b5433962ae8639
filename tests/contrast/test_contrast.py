"""The streamed loss against a dense reference, for every filling of the contrast."""

import math
from functools import partial
from typing import NamedTuple

import pytest
import torch
from oracles import dense_contrast, dense_ratio
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES
from workbench.objectives.infonce import infonce


class Filling(NamedTuple):
    """A contrast, the tensors of it that learn, and what its pairs are turned into."""

    contrast: Contrast
    learned: list[Tensor] = []  # noqa: RUF012 - never changed
    objective: str = "infonce"
    positive_weight: float = 1.0


def fillings(n: int, dtype: torch.dtype) -> dict[str, Filling]:
    """Every row of the table of fillings; "one view" in a name says that there is one."""
    g = torch.Generator().manual_seed(n)

    def rand(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=g, dtype=dtype) + 0.1).requires_grad_()

    groups = torch.randint(3, (n,), generator=g)
    onehot = torch.eye(3, dtype=dtype)[groups]
    k = min(4, n)
    shared = torch.randint(n, (k,), generator=g)
    each = torch.randint(n, (n, k), generator=g)
    column, bias, per_pair, left, right = rand(n), rand(n), rand(n, k), rand(n, 2), rand(n, 2)
    shared_left, shared_right = rand(n, 2), rand(k, 2)
    neighbours = torch.cat([torch.arange(n).repeat(2, 1), torch.randint(n, (2, 3 * n), generator=g)], 1).unique(dim=1)
    mass = rand(neighbours.shape[1])
    table = rand(3, 3)
    parents = torch.randint(n, (2, n, 5), generator=g)
    parents[1, :, 3:] = torch.arange(n)[:, None]  # the anchor itself is mixed in
    mixed = Mixed(parents[0], parents[1], torch.tensor([0.3, 0.3, 0.3, 0.3, 0.3], dtype=dtype))
    return {
        "grace": Filling(Contrast(0.4)),
        "cold": Filling(Contrast(0.01)),
        "cold, one view": Filling(Contrast(0.01)),
        "dot": Filling(Contrast(0.8, similarity="dot")),
        "cross view only": Filling(Contrast(0.5, same_view=False)),
        "rule branch, one view": Filling(Contrast(0.4)),
        "decoupled": Filling(Contrast(0.4), positive_weight=0.0),
        "half positive": Filling(Contrast(0.4), positive_weight=0.5),
        "shared candidates": Filling(Contrast(0.4, candidates=shared)),
        "duplicate candidates": Filling(Contrast(0.4, candidates=shared.repeat(2))),
        "no candidates": Filling(Contrast(0.4, candidates=shared[:0])),
        "candidates per anchor": Filling(Contrast(0.4, candidates=each)),
        "cold candidates per anchor": Filling(Contrast(0.01, candidates=each)),
        "no candidates per anchor": Filling(Contrast(0.4, candidates=each[:, :0])),
        "weighted candidates per anchor": Filling(
            Contrast(0.4, candidates=each, weights=per_pair, bias=bias),
            [per_pair, bias],
        ),
        "weighted shared candidates": Filling(Contrast(0.4, candidates=shared, weights=column[:k]), [column]),
        "factored shared candidates": Filling(
            Contrast(0.4, candidates=shared, weights=(shared_left, shared_right)),
            [shared_left, shared_right],
        ),
        "column weights": Filling(Contrast(0.4, weights=column), [column]),
        "learned factors": Filling(Contrast(0.4, weights=(left, right)), [left, right]),
        "cold learned factors": Filling(Contrast(0.01, weights=(left, right), bias=bias), [left, right, bias]),
        "other clusters only": Filling(Contrast(0.4, weights=(onehot, 1 - onehot))),
        "cold, other clusters only": Filling(Contrast(0.01, weights=(onehot, 1 - onehot))),
        "weights by cluster": Filling(Contrast(0.4, weights=(onehot @ table, onehot)), [table]),
        "column bias": Filling(Contrast(0.4, bias=bias), [bias]),
        "column bias, cross view only": Filling(Contrast(0.4, bias=bias, same_view=False), [bias]),
        "neighbourhood positives": Filling(Contrast(0.4, positives=(neighbours, mass), bias=bias), [mass, bias]),
        "neighbourhood positives, one view": Filling(Contrast(0.4, positives=(neighbours, mass)), [mass]),
        "decoupled, weighted": Filling(Contrast(0.4), objective="dclw"),
        "decoupled candidates per anchor": Filling(Contrast(0.4, candidates=each), objective="dcl"),
        "decoupled, weighted, shared candidates": Filling(Contrast(0.4, candidates=shared), objective="dclw"),
        "attraction and repulsion": Filling(Contrast(0.4), objective="cacr"),
        "attraction and repulsion, one view": Filling(Contrast(0.4), objective="cacr"),
        "attraction to several": Filling(Contrast(0.4, positives=(neighbours, mass)), [mass], objective="cacr"),
        "repulsion by list": Filling(Contrast(0.4, candidates=each, weights=per_pair), [per_pair], objective="cacr"),
        "repulsion by weights": Filling(Contrast(0.4, weights=column), [column], objective="cacr"),
        "debiased": Filling(Contrast(0.4, class_prior=0.1)),
        "debiased to the floor": Filling(Contrast(0.4, class_prior=0.9)),
        "debiased by list": Filling(Contrast(0.4, candidates=each, weights=per_pair, class_prior=0.05), [per_pair]),
        "debiased shared": Filling(Contrast(0.4, candidates=shared, weights=column[:k], class_prior=0.05), [column]),
        "debiased factors": Filling(Contrast(0.4, weights=(left, right), class_prior=0.02), [left, right]),
        "mixed": Filling(Contrast(0.4, mixed=mixed)),
        "mixed by list": Filling(Contrast(0.4, candidates=each, mixed=mixed)),
        "mixed, one view": Filling(Contrast(0.4, candidates=shared, mixed=mixed)),
        "mixed, decoupled": Filling(Contrast(0.4, candidates=each, mixed=mixed), objective="dcl"),
    }


NAMES = list(fillings(5, torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 13])
@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradient_equal_the_dense_definition(name: str, n: int, dtype: torch.dtype) -> None:
    contrast, learned, objective, positive_weight = fillings(n, dtype)[name]
    options = {"positive_weight": positive_weight} if positive_weight != 1 else {}
    loss = partial(OBJECTIVES.get(objective), contrast, **options)
    g = torch.Generator().manual_seed(7)
    u = torch.randn(n, 6, generator=g, dtype=dtype, requires_grad=True)
    v = torch.randn(n, 6, generator=g, dtype=dtype, requires_grad=True) if "one view" not in name else None
    inputs = [u, *([] if v is None else [v]), *learned]
    weight = torch.rand(n, generator=g, dtype=dtype)
    if (objective in ("dcl", "dclw") or positive_weight == 0) and n == 1:
        with pytest.raises(UserError, match="at least one negative"):
            loss(u, v)
        return
    expected = dense_contrast(contrast, u, v, objective, positive_weight)
    wanted = torch.autograd.grad((expected * weight).sum(), inputs, allow_unused=True, retain_graph=True)
    # 1e-4 MiB holds 26 float32 numbers: blocks of a few rows that don't divide 13, and nothing is kept for backward.
    for budget in (512.0, 1e-4, 3e-4):
        value = loss(u, v, budget_mib=budget)
        tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
        torch.testing.assert_close(value, expected, **tolerance)
        found = torch.autograd.grad((value * weight).sum(), inputs, allow_unused=True, retain_graph=True)
        scale = 100 if "cold" in name else 1
        for one, other, tensor in zip(found, wanted, inputs, strict=True):
            one = torch.zeros_like(tensor) if one is None else one
            other = torch.zeros_like(tensor) if other is None else other
            torch.testing.assert_close(one, other, rtol=tolerance["rtol"] * 10, atol=tolerance["atol"] * scale)


def against_others(n: int, m: int, dtype: torch.dtype) -> dict[str, Filling]:
    """The fillings of n anchors against m other things."""
    g = torch.Generator().manual_seed(100 * n + m)

    def rand(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=g, dtype=dtype) + 0.1).requires_grad_()

    k = min(4, m)
    own = torch.stack([torch.arange(n), torch.randint(m, (n,), generator=g)])
    several = torch.cat([own, torch.stack([torch.randint(end, (2 * n,), generator=g) for end in (n, m)])], 1)
    several = several[:, torch.randperm(3 * n, generator=g)].unique(dim=1)
    mass, ones = rand(several.shape[1]), torch.ones(n, dtype=dtype)
    column, bias, per_pair, left, right = rand(m), rand(m), rand(n, k), rand(n, 2), rand(m, 2)
    each, shared = torch.randint(m, (n, k), generator=g), torch.randint(m, (k,), generator=g)
    gaps = (torch.rand(n, k, generator=g) < 0.7).to(dtype).index_fill(1, torch.tensor([0]), 1.0)

    def filling(*learned: Tensor, tau: float = 0.4, p: Tensor = own, w: Tensor = ones, weight: float = 1.0, **rest):
        return Filling(Contrast(tau, paired=False, positives=(p, w), **rest), list(learned), "infonce", weight)

    return {
        "one positive each": filling(),
        "cold": filling(tau=0.02),  # colder ones leave the range of the oracle
        "several positives": filling(mass, bias, p=several, w=mass, bias=bias),
        "column weights": filling(column, weights=column),
        "factors": filling(left, right, bias, weights=(left, right), bias=bias),
        "a shared list": filling(column, candidates=shared, weights=column[:k]),
        "a list each": filling(per_pair, bias, candidates=each, weights=per_pair, bias=bias),
        "shorter lists": filling(candidates=each, weights=gaps),
        "positives beside the candidates": filling(candidates=torch.arange(m // 2, m)),
        "decoupled": filling(mass, p=several, w=mass, weight=0.0),
        "decoupled, weighted": filling(column, bias, weights=column, bias=bias, weight=0.0),
        "decoupled, factors": filling(left, right, weights=(left, right), weight=0.0),
        "decoupled list each": filling(per_pair, candidates=each, weights=per_pair, weight=0.0),
        "half positives": filling(mass, p=several, w=mass, candidates=shared, weight=0.5),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(7, 13), (13, 7), (9, 9), (1, 6), (6, 1)])
@pytest.mark.parametrize("name", list(against_others(5, 5, torch.float64)))
def test_anchors_against_other_things_equal_the_dense_ratio(
    name: str, sizes: tuple[int, int], dtype: torch.dtype
) -> None:
    n, m = sizes
    contrast, learned, _, positive_weight = against_others(n, m, dtype)[name]
    g = torch.Generator().manual_seed(7)
    u = torch.randn(n, 6, generator=g, dtype=dtype, requires_grad=True)
    v = torch.randn(m, 6, generator=g, dtype=dtype, requires_grad=True)
    weight, inputs = torch.rand(n, generator=g, dtype=dtype), [u, v, *learned]
    tau = contrast.tau
    expected = dense_ratio(contrast, u, v, positive_weight)
    wanted = torch.autograd.grad((expected * weight).sum(), inputs, allow_unused=True)
    for budget in (512.0, 1e-4, 3e-4):
        value = infonce(contrast, u, v, budget, positive_weight)
        rtol = 1e-5 if dtype == torch.float32 else 1e-9
        torch.testing.assert_close(value, expected, rtol=rtol, atol=rtol / tau)
        gradients = torch.autograd.grad((value * weight).sum(), inputs, allow_unused=True, retain_graph=True)
        for gradient, other, tensor in zip(gradients, wanted, inputs, strict=True):
            gradient = torch.zeros_like(tensor) if gradient is None else gradient
            other = torch.zeros_like(tensor) if other is None else other
            torch.testing.assert_close(gradient, other, rtol=rtol, atol=rtol / tau)


def test_rows_of_equal_number_need_no_positives_and_are_one_direction() -> None:
    g = torch.Generator().manual_seed(3)
    u, v = torch.randn(2, 8, 5, generator=g)
    a, b = normalize(u, dim=1), normalize(v, dim=1)
    expected = torch.nn.functional.cross_entropy(a @ b.T / 0.2, torch.arange(8), reduction="none")
    torch.testing.assert_close(infonce(Contrast(0.2, paired=False), u, v), expected)
    paired = infonce(Contrast(0.2, same_view=False), u, v)
    back = torch.nn.functional.cross_entropy(b @ a.T / 0.2, torch.arange(8), reduction="none")
    torch.testing.assert_close(paired, (expected + back) / 2)


def test_no_table_of_anchors_and_other_things_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = torch.Tensor.exp_, torch.Tensor.exp
    monkeypatch.setattr(torch.Tensor, "exp_", lambda self: sizes.append(self.numel()) or original[0](self))
    monkeypatch.setattr(torch.Tensor, "exp", lambda self: sizes.append(self.numel()) or original[1](self))
    u, v = torch.randn(300, 4, requires_grad=True), torch.randn(200, 4, requires_grad=True)
    positives = torch.stack([torch.arange(300), torch.arange(300) % 200]), torch.ones(300)
    for weight in (1.0, 0.0):
        infonce(Contrast(0.4, paired=False, positives=positives), u, v, 0.05, weight).sum().backward()
    assert sizes and max(sizes) <= 0.05 * 2**20 / 4


def test_proxies_are_candidates_beside_the_positives() -> None:
    """PamC's filling: positives are nodes, the denominator runs over weighted cluster proxies only."""
    g = torch.Generator().manual_seed(5)
    nodes, proxies = torch.randn(6, 4, generator=g), torch.randn(2, 4, generator=g)
    positives = torch.stack([torch.arange(6), (torch.arange(6) + 1) % 6]), torch.ones(6)
    weights = torch.tensor([4.0, 2.0])
    contrast = Contrast(0.5, paired=False, positives=positives, candidates=torch.tensor([6, 7]), weights=weights)
    unit, middle = normalize(nodes, dim=1), normalize(proxies, dim=1)
    below = (weights * (unit @ middle.T / 0.5).exp()).sum(1).log()
    expected = below - (unit * unit.roll(-1, 0)).sum(1) / 0.5
    torch.testing.assert_close(infonce(contrast, nodes, torch.cat([nodes, proxies])), expected)


def test_a_hand_computed_value() -> None:
    u = torch.eye(2)
    # Positive cosine 1; the other node is orthogonal in both views: -2 + ln(e^2 + 1 + 1).
    torch.testing.assert_close(infonce(Contrast(0.5), u, u), torch.full((2,), math.log(math.e**2 + 2) - 2))


def test_identical_views_meet_the_closed_form_of_uniformity() -> None:
    z = normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    off = ((z @ z.T - 1) / 0.5).exp().fill_diagonal_(0).sum(1)
    torch.testing.assert_close(infonce(Contrast(0.5), z, z), torch.log(1 + 2 * off))


def test_small_temperature_does_not_overflow() -> None:
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    value = infonce(Contrast(0.001), z, -z).mean()
    value.backward()
    assert math.isfinite(value.item()) and z.grad is not None and z.grad.isfinite().all()


def test_same_bits_twice_and_kept_or_recomputed() -> None:
    u, v = torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(2))
    first, again = infonce(Contrast(0.4), u, v), infonce(Contrast(0.4), u, v)
    assert torch.equal(first, again)


def test_no_all_pairs_tensor_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = torch.Tensor.exp_
    monkeypatch.setattr(torch.Tensor, "exp_", lambda self: sizes.append(self.numel()) or original(self))
    u = torch.randn(300, 4, requires_grad=True)
    infonce(Contrast(0.4), u, u, budget_mib=0.05).sum().backward()
    assert sizes and max(sizes) <= 0.05 * 2**20 / 4 / 4 + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Contrast(0.0), "temperature tau"),
        (lambda: Contrast(similarity="cosin"), "did you mean 'cosine'"),
        (lambda: Contrast(class_prior=1.0), "below 1"),
        (lambda: Contrast(class_prior=0.1, paired=False), "paired rows only"),
        (lambda: infonce(Contrast(), torch.ones(3, 2), torch.ones(4, 2)), "the same shape in both views"),
        (lambda: infonce(Contrast(paired=False), torch.ones(3, 2)), "only one was given"),
        (lambda: infonce(Contrast(paired=False), torch.ones(3, 2), torch.ones(3, 4)), "as many columns"),
        (lambda: infonce(Contrast(paired=False), torch.ones(3, 2), torch.ones(4, 2)), "must say positives"),
        (lambda: infonce(Contrast(), torch.ones(3, 2), positive_weight=-1.0), "must not be negative"),
        (lambda: infonce(Contrast(weights=torch.ones(2)), torch.ones(3, 2), torch.ones(3, 2)), r"shape \[2\]; \[3\]"),
        (lambda: infonce(Contrast(candidates=torch.tensor([3])), torch.ones(3, 2), torch.ones(3, 2)), "outside 0..2"),
        (
            lambda: infonce(
                Contrast(positives=(torch.tensor([[0], [1]]), torch.ones(1))), torch.ones(2, 2), torch.ones(2, 2)
            ),
            "no positive",
        ),
    ],
)
def test_mistakes_are_named(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_the_pulls_and_pushes_of_an_anchor_make_up_its_loss(name: str) -> None:
    contrast = fillings(7, torch.float64)[name].contrast
    if contrast.mixed or contrast.class_prior:
        pytest.skip("synthetic negatives and corrections are no pairs of rows")
    u = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows = u if contrast.similarity == "dot" else normalize(u)
    bias = torch.zeros(7) if contrast.bias is None else contrast.bias.detach()
    losses = []
    for anchor in range(7):
        pulled, pushed = contrast.of_anchor(anchor, 7)
        assert pushed[anchor] == 0
        pushed = pushed.index_add(0, torch.tensor([anchor]), bias[anchor : anchor + 1].exp().to(pushed))
        logits = rows @ rows[anchor] / contrast.tau
        losses.append((logits + pushed.log()).logsumexp(0) - (logits + pulled.log()).logsumexp(0))
    torch.testing.assert_close(torch.stack(losses), infonce(contrast, u).detach(), rtol=1e-5, atol=1e-5)


def test_where_candidates_are_other_things_the_anchor_pushes_its_positive_too() -> None:
    pulled, pushed = Contrast(paired=False, positives=(torch.tensor([[1], [2]]), torch.tensor([1.0]))).of_anchor(1, 4)
    assert pulled.tolist() == [0, 0, 1, 0] and pushed.tolist() == [1, 1, 1, 1]
