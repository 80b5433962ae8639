"""The streamed loss against a dense reference, for every filling of the contrast."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast, loss
from workbench.contrast import loss as contrast_loss
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError


def dense(c: Contrast, u: Tensor, v: Tensor | None) -> Tensor:
    """The definition, with every pair written out: P and W as full matrices."""
    n, eye = len(u), torch.eye(len(u), dtype=u.dtype)
    if c.similarity == "cosine":
        u, v = normalize(u, dim=1), None if v is None else normalize(v, dim=1)
    w = torch.ones(n, n, dtype=u.dtype)
    if isinstance(c.weights, tuple) and c.candidates is None:
        w = c.weights[0] @ c.weights[1].T
    elif c.candidates is not None:
        listed = c.candidates.expand(n, -1) if c.candidates.dim() == 1 else c.candidates
        values = torch.ones(listed.shape, dtype=u.dtype)
        if isinstance(c.weights, tuple):
            values = c.weights[0] @ c.weights[1].T
        elif c.weights is not None:
            values = c.weights.expand(listed.shape)
        w = torch.zeros(n, n, dtype=u.dtype).scatter_add(1, listed, values)
    elif c.weights is not None:
        w = c.weights.expand(n, n)
    p = eye if c.positives is None else torch.zeros_like(eye).index_put(tuple(c.positives[0]), c.positives[1])
    b = torch.zeros(n, dtype=u.dtype) if c.bias is None else c.bias
    w_cross, w_same = w * (1 - eye) + c.positive_weight * eye, w * (1 - eye)
    losses = []
    for a, o in ((u, u),) if v is None else ((u, v), (v, u)):
        if c.objective == "cacr":
            losses.append(dense_cacr(c, a, o, w_same, p, both=v is not None and c.same_view))
            continue
        cross, same = ((a @ x.T / c.tau + b).double() for x in (o, a))
        peak = cross.detach().amax(1, keepdim=True)
        denominator = (w_cross * (cross - peak).exp()).sum(1)
        if v is not None and c.same_view:
            denominator = denominator + (w_same * (same - peak).exp()).sum(1)
        if c.mixed is not None:
            for bank in (o, a) if v is not None and c.same_view else (o,):
                for i in range(n):
                    for first, second in zip(c.mixed.first[i], c.mixed.second[i], strict=True):
                        other = a[i] if second == i else bank[second]
                        mix = c.mixed.share[0] * bank[first] + (1 - c.mixed.share[0]) * other
                        logit = a[i] @ (mix / mix.norm()).detach() / c.tau
                        denominator = denominator + torch.eye(n)[i] * (logit - peak[i]).exp()
        if c.class_prior:
            banks, own = 1 + (v is not None and c.same_view), cross.diag()
            negative = denominator * peak[:, 0].exp() - c.positive_weight * own.exp()
            count = banks * w_same.sum(1)
            corrected = (negative - c.class_prior * count * own.exp()) / (1 - c.class_prior)
            least = count * math.exp(-1 / c.tau)
            denominator = (torch.maximum(corrected, least) + c.positive_weight * own.exp()) * (-peak[:, 0]).exp()
        logs = (p * (cross - peak).exp()).sum(1).log() + peak[:, 0]
        if c.objective == "dclw":
            logs = logs * (2 - n * (cross.diag().detach() * c.tau / 0.5).softmax(0))
        losses.append(torch.where(denominator > 0, denominator.log() + peak[:, 0] - logs, 0.0))
    return torch.stack(losses).mean(0).to(u.dtype)


def dense_cacr(c: Contrast, a: Tensor, o: Tensor, w: Tensor, p: Tensor, both: bool) -> Tensor:
    """Attraction minus repulsion by a loop over the anchors."""
    rows = []
    for i in range(len(a)):
        near = [(2 - 2 * a[i] @ bank[j], w[i, j]) for bank in ((o, a) if both else (o,)) for j in range(len(a))]
        near = [(cost, weight) for cost, weight in near if weight > 0]
        pulled = [(2 - 2 * a[i] @ o[j], p[i, j]) for j in range(len(a)) if p[i, j] > 0]
        total = sum(m * cost.exp() * cost for cost, m in pulled) / sum(m * cost.exp() for cost, m in pulled)
        if near:
            t = 1 / (2 * c.tau)
            pushed = sum(m * (-t * cost).exp() * cost for cost, m in near)
            total = total - pushed / sum(m * (-t * cost).exp() for cost, m in near)
        rows.append(total)
    return torch.stack(rows).double()


def fillings(n: int, dtype: torch.dtype) -> dict[str, tuple[Contrast, list[Tensor]]]:
    """Every row of the table of fillings: the contrast and the tensors of it that learn."""
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
        "grace": (Contrast(0.4), []),
        "cold": (Contrast(0.01), []),
        "cold, one view": (Contrast(0.01, views=1), []),
        "dot": (Contrast(0.8, similarity="dot"), []),
        "cross view only": (Contrast(0.5, same_view=False), []),
        "rule branch": (Contrast(0.4, views=1), []),
        "decoupled": (Contrast(0.4, positive_weight=0.0), []),
        "half positive": (Contrast(0.4, positive_weight=0.5), []),
        "shared candidates": (Contrast(0.4, candidates=shared), []),
        "duplicate candidates": (Contrast(0.4, candidates=shared.repeat(2)), []),
        "no candidates": (Contrast(0.4, candidates=shared[:0]), []),
        "candidates per anchor": (Contrast(0.4, candidates=each), []),
        "cold candidates per anchor": (Contrast(0.01, candidates=each), []),
        "no candidates per anchor": (Contrast(0.4, candidates=each[:, :0]), []),
        "weighted candidates per anchor": (
            Contrast(0.4, candidates=each, weights=per_pair, bias=bias),
            [per_pair, bias],
        ),
        "weighted shared candidates": (Contrast(0.4, candidates=shared, weights=column[:k]), [column]),
        "factored shared candidates": (
            Contrast(0.4, candidates=shared, weights=(shared_left, shared_right)),
            [shared_left, shared_right],
        ),
        "column weights": (Contrast(0.4, weights=column), [column]),
        "learned factors": (Contrast(0.4, weights=(left, right)), [left, right]),
        "cold learned factors": (Contrast(0.01, weights=(left, right), bias=bias), [left, right, bias]),
        "other clusters only": (Contrast(0.4, weights=(onehot, 1 - onehot)), []),
        "cold, other clusters only": (Contrast(0.01, weights=(onehot, 1 - onehot)), []),
        "weights by cluster": (Contrast(0.4, weights=(onehot @ table, onehot)), [table]),
        "column bias": (Contrast(0.4, bias=bias), [bias]),
        "column bias, cross view only": (Contrast(0.4, bias=bias, same_view=False), [bias]),
        "neighbourhood positives": (Contrast(0.4, positives=(neighbours, mass), bias=bias), [mass, bias]),
        "neighbourhood positives, one view": (Contrast(0.4, views=1, positives=(neighbours, mass)), [mass]),
        "decoupled, weighted": (Contrast(0.4, objective="dclw"), []),
        "decoupled candidates per anchor": (Contrast(0.4, candidates=each, objective="dcl"), []),
        "decoupled, weighted, shared candidates": (Contrast(0.4, candidates=shared, objective="dclw"), []),
        "attraction and repulsion": (Contrast(0.4, objective="cacr"), []),
        "attraction and repulsion, one view": (Contrast(0.4, views=1, objective="cacr"), []),
        "attraction to several": (Contrast(0.4, positives=(neighbours, mass), objective="cacr"), [mass]),
        "repulsion by list": (Contrast(0.4, candidates=each, weights=per_pair, objective="cacr"), [per_pair]),
        "repulsion by weights": (Contrast(0.4, weights=column, objective="cacr"), [column]),
        "debiased": (Contrast(0.4, class_prior=0.1), []),
        "debiased to the floor": (Contrast(0.4, class_prior=0.9), []),
        "debiased by list": (Contrast(0.4, candidates=each, weights=per_pair, class_prior=0.05), [per_pair]),
        "debiased shared": (Contrast(0.4, candidates=shared, weights=column[:k], class_prior=0.05), [column]),
        "debiased factors": (Contrast(0.4, weights=(left, right), class_prior=0.02), [left, right]),
        "mixed": (Contrast(0.4, mixed=mixed), []),
        "mixed by list": (Contrast(0.4, candidates=each, mixed=mixed), []),
        "mixed, one view": (Contrast(0.4, views=1, candidates=shared, mixed=mixed), []),
        "mixed, decoupled": (Contrast(0.4, candidates=each, mixed=mixed, objective="dcl"), []),
    }


NAMES = list(fillings(5, torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 13])
@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradient_equal_the_dense_definition(name: str, n: int, dtype: torch.dtype) -> None:
    contrast, learned = fillings(n, dtype)[name]
    g = torch.Generator().manual_seed(7)
    u = torch.randn(n, 6, generator=g, dtype=dtype, requires_grad=True)
    v = torch.randn(n, 6, generator=g, dtype=dtype, requires_grad=True) if contrast.views == 2 else None
    inputs = [u, *([] if v is None else [v]), *learned]
    weight = torch.rand(n, generator=g, dtype=dtype)
    if contrast.positive_weight == 0 and n == 1:
        with pytest.raises(UserError, match="at least one negative"):
            loss(contrast, u, v)
        return
    expected = dense(contrast, u, v)
    wanted = torch.autograd.grad((expected * weight).sum(), inputs, allow_unused=True, retain_graph=True)
    # 1e-4 MiB holds 26 float32 numbers: blocks of a few rows that don't divide 13, and nothing is kept for backward.
    for budget in (512.0, 1e-4, 3e-4):
        value = loss(contrast, u, v, budget_mib=budget)
        tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-9}
        torch.testing.assert_close(value, expected, **tolerance)
        found = torch.autograd.grad((value * weight).sum(), inputs, allow_unused=True, retain_graph=True)
        scale = 100 if "cold" in name else 1
        for one, other, tensor in zip(found, wanted, inputs, strict=True):
            one = torch.zeros_like(tensor) if one is None else one
            other = torch.zeros_like(tensor) if other is None else other
            torch.testing.assert_close(one, other, rtol=tolerance["rtol"] * 10, atol=tolerance["atol"] * scale)


def test_a_hand_computed_value() -> None:
    u = torch.eye(2)
    # Positive cosine 1; the other node is orthogonal in both views: -2 + ln(e^2 + 1 + 1).
    torch.testing.assert_close(loss(Contrast(0.5), u, u), torch.full((2,), math.log(math.e**2 + 2) - 2))


def test_identical_views_meet_the_closed_form_of_uniformity() -> None:
    z = normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    off = ((z @ z.T - 1) / 0.5).exp().fill_diagonal_(0).sum(1)
    torch.testing.assert_close(loss(Contrast(0.5), z, z), torch.log(1 + 2 * off))


def test_small_temperature_does_not_overflow() -> None:
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    value = loss(Contrast(0.001), z, -z).mean()
    value.backward()
    assert math.isfinite(value.item()) and z.grad is not None and z.grad.isfinite().all()


def test_same_bits_twice_and_kept_or_recomputed() -> None:
    u, v = torch.randn(2, 40, 8, generator=torch.Generator().manual_seed(2))
    first, again = loss(Contrast(0.4), u, v), loss(Contrast(0.4), u, v)
    assert torch.equal(first, again)


def test_no_all_pairs_tensor_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    original = torch.Tensor.exp_
    monkeypatch.setattr(torch.Tensor, "exp_", lambda self: sizes.append(self.numel()) or original(self))
    u = torch.randn(300, 4, requires_grad=True)
    loss(Contrast(0.4), u, u, budget_mib=0.05).sum().backward()
    assert sizes and max(sizes) <= 0.05 * 2**20 / 4 / 4 + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Contrast(0.0), "temperature tau"),
        (lambda: Contrast(similarity="cosin"), "did you mean 'cosine'"),
        (lambda: Contrast(views=3), "must be 1 or 2"),
        (lambda: loss(Contrast(), torch.ones(3, 2)), "don't match its views"),
        (lambda: loss(Contrast(weights=torch.ones(2)), torch.ones(3, 2), torch.ones(3, 2)), r"shape \[2\]; \[3\]"),
        (lambda: loss(Contrast(candidates=torch.tensor([3])), torch.ones(3, 2), torch.ones(3, 2)), "outside 0..2"),
        (
            lambda: loss(
                Contrast(positives=(torch.tensor([[0], [1]]), torch.ones(1))), torch.ones(2, 2), torch.ones(2, 2)
            ),
            "no positive",
        ),
    ],
)
def test_mistakes_are_named(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_negatives_per_anchor() -> None:
    assert Contrast().negatives_per_anchor(50) == 98
    assert Contrast(same_view=False).negatives_per_anchor(50) == 49
    assert Contrast(candidates=torch.arange(8)).negatives_per_anchor(50) == 16
    assert contrast_loss is loss
