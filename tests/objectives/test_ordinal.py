"""SupCon on numbers: a loop, its limit of equal labels, and the labels of mixes."""

import math

import pytest
import torch
from torch.nn.functional import normalize

import workbench as wb
from workbench.contrast import Contrast
from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.methods.arrays.supremix import SupReMix, SupReMixConfig
from workbench.objectives.ordinal import Mixes, distance_weights, mixed, supremix
from workbench.objectives.weighted import supcon
from workbench.randomness import Randomness


def drawn(labels: torch.Tensor, window: float = 1.5, count: int = 40) -> tuple[torch.Tensor, Mixes]:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(len(labels), 4, generator=g, dtype=torch.float64)
    return rows, mixed(rows, labels, count, window, g)


def test_the_label_of_a_mix_is_mixed_as_its_vectors_are_and_that_of_a_positive_one_is_the_anchors() -> None:
    labels = torch.tensor([0.0, 1.0, 1.2, 2.0, 3.1, 3.2, 9.0], dtype=torch.float64)
    # Rows are at angles proportional to small labels, so that a mix says by its direction which label it has.
    angle = labels / 1000
    rows = torch.stack([angle.cos(), angle.sin()], 1)
    mixes = mixed(rows, labels, 40, 1.5, torch.Generator().manual_seed(0))
    told = 1000 * torch.atan2(mixes.vectors[..., 1], mixes.vectors[..., 0])
    torch.testing.assert_close(told[mixes.there], mixes.labels[mixes.there], rtol=1e-4, atol=1e-4)
    positive = mixes.positive.any(1)
    assert positive.tolist() == [False, True, True, True, True, False, False], "both sides within 1.5"
    assert torch.equal(mixes.labels[mixes.positive], labels[:, None].expand_as(mixes.labels)[mixes.positive])
    negative = mixes.labels[:, :40]
    own = ((negative - labels[:, None]) / (labels[None] - labels[:, None]).abs().amax(1, keepdim=True)).abs()
    assert bool(mixes.there[:, :40].all()) and bool((negative != labels[:, None]).all()) and own.max() <= 1
    assert bool((distance_weights(labels[:, None], mixes.labels) >= 1).all())


def test_equal_labels_everywhere_are_supcon_and_there_is_nothing_to_mix() -> None:
    rows, mixes = drawn(torch.zeros(8, dtype=torch.float64))
    assert not mixes.there.any()
    every = torch.ones(4, 4).nonzero().T, torch.ones(16, dtype=torch.float64)
    expected = supcon(Contrast(0.3, positives=every), rows[:4], rows[4:])
    found = supremix(rows, torch.zeros(8, dtype=torch.float64), 0.3, mixes)
    torch.testing.assert_close((found[:4] + found[4:]) / 2, expected)


def test_the_loss_is_the_loop_over_others_and_mixes_and_mixes_have_no_gradient() -> None:
    labels = torch.tensor([0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 7.0], dtype=torch.float64)
    rows, mixes = drawn(labels, count=3)
    rows.requires_grad_()
    found, unit = supremix(rows, labels, 0.4, mixes), normalize(rows, dim=1)
    for i in range(7):
        others = [((unit[i] @ unit[j] / 0.4).item(), labels[j], labels[j] == labels[i]) for j in range(7) if j != i]
        each = zip(mixes.vectors[i], mixes.labels[i], mixes.positive[i], mixes.there[i], strict=True)
        others += [((unit[i] @ vector / 0.4).item(), y, positive) for vector, y, positive, there in each if there]
        below = sum((abs(labels[i] - y) + 1) * torch.tensor(s).exp() for s, y, _ in others)
        losses = [torch.as_tensor(below).log() - s for s, _, positive in others if positive]
        assert found[i].item() == pytest.approx(float(sum(losses)) / max(len(losses), 1), abs=1e-6)
    assert found[6].item() == 0 and not mixes.vectors.requires_grad


def test_shares_of_negative_mixes_are_of_beta_2_8_and_the_window_is_a_share_of_the_range() -> None:
    labels = torch.tensor([0.0, 10.0] * 20, dtype=torch.float64)
    _, mixes = drawn(labels, count=500)
    # Between labels 0 and 10 a mix's label says the anchor's share of it.
    share = torch.where(labels[:, None] == 0, 10 - mixes.labels[:, :500], mixes.labels[:, :500]) / 10
    assert float(share.mean()) == pytest.approx(0.2, abs=0.005)
    assert float(share.var()) == pytest.approx(2 * 8 / (10**2 * 11), abs=0.001)
    for most, below in ((0.1, 0.225159), (0.2, 0.563792), (0.5, 0.980469)):  # of 9 uniform numbers two are below
        assert float((share < most).double().mean()) == pytest.approx(below, abs=0.01)
    assert not mixes.there[:, 500:].any(), "no label lies between two"
    rows = Rows(x=torch.randn(11, 3), targets=torch.tensor([*range(10), math.nan]) * 7)
    method = SupReMix(SupReMixConfig(channels=2, dim=4, window=0.25), rows, Randomness(0))
    spread = float(rows.targets[:10].std(correction=0))
    assert method.window == pytest.approx(0.25 * 63 / spread) and len(next(iter(method.batches())).n_id) == 10


def test_numbers_are_given_where_they_may_be_seen() -> None:
    rows = Rows(x=torch.randn(12, 3), y=torch.linspace(0, 1, 12), train_mask=torch.arange(12) < 8)
    told = kind_of(rows).targets(rows, "numbers")
    assert torch.equal(told[:8], rows.y[:8]) and bool(told[8:].isnan().all())
    classes = kind_of(rows).targets((rows.x, torch.arange(12) - 1), "numbers")
    assert classes.dtype == torch.float32 and bool(classes[0].isnan()) and classes[1:].tolist() == [*range(11)]
    run = wb.fit("supremix", rows, "small", progress=False)
    assert "supervised by 8 labels" in repr(run) and run.history["loss"].notna().all()
    level = Rows(x=rows.x, y=torch.full((12,), 0.5))
    assert wb.fit("supremix", level, "small", progress=False).embeddings.isfinite().all()
    with pytest.raises(UserError, match="learns from labels, one number per item, and these data have none"):
        wb.fit("supremix", rows.x, "small", progress=False)
    with pytest.raises(UserError, match="learns from labels, one class per item, and these data have none"):
        wb.fit("hydra", rows, "small", progress=False)
