"""Mixed negatives: closed forms of their cosines, whom they move, and when they join."""

import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

import workbench as wb
from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.negatives.sampled import SampledContrast
from workbench.contrast.negatives.samplers import similar
from workbench.contrast.pairs import Mixed
from workbench.contrast.synthetic import mixed_log_mass
from workbench.errors import UserError
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness


def cosine_of_mix(rows: Tensor, first: int, second: int, share: float) -> float:
    """Return the cosine of row 0 with a mix of two rows, by the loss's own kernel."""
    parents = (torch.full((len(rows), 1), row) for row in (first, second))
    mixed = Mixed(*parents, torch.tensor([share], dtype=rows.dtype))
    return float(mixed_log_mass(Contrast(1.0, mixed=mixed), rows, None)[0])


@pytest.mark.parametrize("cosine", [-0.5, 0.0, 0.8])
@pytest.mark.parametrize("own", [0.0, 0.2, 0.5])
def test_a_negative_with_the_anchor_mixed_in_has_a_closed_form_and_is_never_easier(cosine: float, own: float) -> None:
    rows = torch.tensor([[1.0, 0.0], [cosine, math.sqrt(1 - cosine**2)]], dtype=torch.float64)
    found = cosine_of_mix(rows, 1, 0, 1 - own)
    length = math.sqrt(own**2 + (1 - own) ** 2 + 2 * own * (1 - own) * cosine)
    assert found == pytest.approx((own + (1 - own) * cosine) / length, abs=1e-9)
    assert found == pytest.approx(cosine) if own == 0 else found > cosine
    if (own, cosine) == (0.5, 0.0):
        assert found == pytest.approx(0.7071, abs=1e-4)


def test_a_mix_of_two_others_can_be_harder_than_both() -> None:
    a = math.sqrt(0.5)
    rows = torch.tensor([[1.0, 0.0, 0.0], [a, a, 0.0], [a, 0.0, a]], dtype=torch.float64)
    found = cosine_of_mix(rows, 1, 2, 0.5)
    assert found == pytest.approx(a / math.sqrt(0.25 + 0.25 + 0.5 * 0.5)) and found > a + 0.1
    assert cosine_of_mix(rows, 1, 1, 0.3) == pytest.approx(a)  # a plain duplicate


def test_mixing_the_anchor_in_adds_nothing_where_they_are_one_and_opposite_rows_have_no_direction() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    for own in (0.0, 0.2, 0.5):
        assert cosine_of_mix(rows, 1, 0, 1 - own) == pytest.approx(1, abs=1e-12)
    # Half of each of two opposite rows is a vector of no length, which has the cosine of neither.
    assert cosine_of_mix(rows, 2, 0, 0.5) == 0 and cosine_of_mix(rows, 2, 0, 0.5 + 1e-3) == pytest.approx(-1)
    leaf = rows.clone().requires_grad_()
    parents = torch.tensor([[2], [2], [0]]), torch.arange(3)[:, None]
    for tau in (1e-4, 0.5):
        contrast = Contrast(tau, mixed=Mixed(*parents, torch.tensor([0.5], dtype=torch.float64)))
        (moved,) = torch.autograd.grad(infonce(contrast, leaf, leaf).sum(), leaf)
        assert moved.isfinite().all()


@pytest.mark.parametrize("pool", ["e2neg", "same-cluster"])
def test_negatives_and_parents_are_of_the_pool_that_was_asked_for(pool: str, small_graph: Data) -> None:
    chosen = wb.negatives.select("mixing", small_graph, k=7, pool=pool, synthetic=4, harder=3, parents=3)
    source = wb.negatives.select(pool, small_graph, k=7, anchors=torch.arange(60))
    assert chosen.mixed is not None
    for anchor, listed, first, second in zip(range(60), chosen.negatives, *chosen.mixed[:2], strict=True):
        among = set((source.negatives if source.shared else source.negatives[anchor]).tolist()) - {anchor, -1}
        assert set(listed.tolist()) - {-1} == among and (among or pool == "same-cluster")
        if among:
            assert set(first.tolist()) <= set(listed[:3].tolist()) >= set(second[:4].tolist())
            assert set(second[4:].tolist()) == {anchor}
    assert all(sentence.startswith(("a centre of", "drawn from")) for sentence in chosen.sentences())
    with pytest.raises(UserError, match="hops=3 is of negatives that are drawn"):
        wb.negatives.select("mixing", small_graph, k=7, pool=pool, hops=3)


def test_a_training_finds_the_centres_of_its_pool_once(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    plain = similar.e2neg
    monkeypatch.setattr(similar, "e2neg", lambda *asked: found.append(1) or plain(*asked))
    part = Part("mixing", (("pool", "e2neg"),))
    sampled = SampledContrast(Contrast(0.5), small_graph, Randomness(0), part, k=6)
    u, v = torch.randn(2, 60, 8, generator=torch.Generator().manual_seed(1))
    contrasts = [sampled(u, v), sampled(v, u)]
    assert len(found) == 1
    assert torch.equal(*(one.candidates.unique() for one in contrasts))  # the centres, and rows that list themselves


def test_nothing_synthetic_is_moved() -> None:
    u, v = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u.requires_grad_(), v.requires_grad_()
    parents = (1 + torch.arange(5)[:, None]) % 5, torch.arange(5)[:, None]
    contrast = Contrast(0.5, candidates=torch.zeros(5, 0, dtype=torch.long), mixed=Mixed(*parents, torch.tensor([0.6])))
    moved = torch.autograd.grad(infonce(contrast, u, v)[2], [u, v])
    others = torch.arange(5) != 2
    assert all(bool((part[others] == 0).all()) and part[2].abs().sum() > 0 for part in moved)


def test_each_kind_joins_after_its_warm_up_and_none_at_all_is_infonce_to_the_bit(small_graph: Data) -> None:
    u, v = torch.randn(2, 60, 8, generator=torch.Generator().manual_seed(1))

    def contrasts(steps: int, **options: int) -> list[Contrast]:
        part = Part("mixing", tuple(sorted(options.items())))
        sampled = SampledContrast(Contrast(0.5), small_graph, Randomness(0), part, k=6)
        return [sampled(u, v) for _ in range(steps)]

    waiting = contrasts(5, synthetic=3, harder=2, parents=4, warm_up=2)
    assert [0 if one.mixed is None else one.mixed.first.shape[1] for one in waiting] == [0, 0, 3, 3, 5]
    none = contrasts(1, synthetic=0, harder=0)[0]
    plain = Contrast(0.5, candidates=none.candidates)
    assert none.mixed is None and torch.equal(infonce(none, u, v), infonce(plain, u, v))
    assert torch.equal(infonce(none, u, v), infonce(waiting[0], u, v))


def test_batches_of_a_training_count_its_steps_and_what_is_mixed_is_far_away(small_graph: Data) -> None:
    from workbench.methods.arrays.simclr import SimCLR, SimCLRConfig

    rows = wb.datasets.arrays.Rows(x=torch.rand(24, 6, 5))
    negatives = {"name": "mixing", "warm_up": 3, "parents": 4}
    model = SimCLR(SimCLRConfig(channels=2, dim=4, batch_size=12, negatives=negatives, k=5), rows, Randomness(0))
    kept = [model.step(batch).kept["contrast"].mixed for _ in range(4) for batch in model.batches()]
    assert [0 if one is None else one.first.shape[1] for one in kept] == [0, 0, 0, 16, 16, 16, 32, 32]
    far = wb.negatives.select("mixing", small_graph, k=5, hops=3)
    near = wb.negatives.SamplingContext(small_graph).within(2)
    for anchor, first in zip(far.anchors.tolist(), far.mixed.first.tolist(), strict=True):
        assert not set(near[anchor].indices) & (set(first) - {anchor})
