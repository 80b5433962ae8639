"""ProGCL: the facts that pin it to its paper and release."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import Contrast
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.methods.nodes.mixture import fitted, joint, mixes
from workbench.methods.nodes.progcl import cosines, evened, weights_of
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness

MIXTURE = torch.tensor([[0.9, 2.0, 8.0], [0.1, 8.0, 2.0]], dtype=torch.float64)


def model(graph: Data, epoch: int = 5, **settings: Any) -> Any:
    torch.manual_seed(0)
    made: Any = METHODS.get("progcl")(configure("progcl", "small", "", settings)[1], graph, Randomness(0))
    made.before_epoch(epoch, None)
    return made


def drawn(rows: int = 9, k: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    u, v = (torch.randn(rows, 3, generator=g, dtype=torch.float64) for _ in range(2))
    return u, v, torch.randint(rows, (rows, k), generator=g)


@pytest.mark.parametrize("k", [4, 20])
def test_cosines_of_listed_pairs_are_those_of_a_loop_in_lists_of_any_length(k: int) -> None:
    u, v, listed = drawn(k=k)
    expected = [[torch.cosine_similarity(u[i], v[j], dim=0).item() for j in listed[i]] for i in range(9)]
    np.testing.assert_allclose(cosines(u, v, listed), expected)


def test_a_planted_mixture_is_found() -> None:
    g = np.random.default_rng(0)
    values = np.concatenate([g.beta(2, 8, 18000), g.beta(8, 2, 2000)])
    found = fitted(torch.from_numpy(values), 0.05)
    means = found[:, 1] / (found[:, 1] + found[:, 2])
    np.testing.assert_allclose(means, [0.2, 0.8], atol=0.05)
    np.testing.assert_allclose(found[:, 0], [0.9, 0.1], atol=0.05)


def test_densities_are_those_of_scipy() -> None:
    values = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    expected = [0.9 * stats.beta(2, 8).pdf(values), 0.1 * stats.beta(8, 2).pdf(values)]
    np.testing.assert_allclose(joint(values, MIXTURE), expected)


def test_weights_are_those_that_a_loop_gives() -> None:
    g = torch.Generator().manual_seed(1)
    similar, counted = torch.rand(5, 4, generator=g, dtype=torch.float64), torch.rand(5, 4, generator=g) < 0.8
    weights = weights_of(similar, MIXTURE, counted)
    for i in range(5):
        b = []
        for value in similar[i].tolist():
            low, high = 0.9 * stats.beta(2, 8).pdf(value), 0.1 * stats.beta(8, 2).pdf(value)
            b.append(low / (low + high) * value)
        mean = sum(one for one, counts in zip(b, counted[i], strict=True) if counts) / int(counted[i].sum())
        np.testing.assert_allclose(weights[i], [one / mean for one in b], rtol=1e-9)


def test_a_factor_of_the_scores_changes_nothing_and_equal_ones_are_grace() -> None:
    u, v, listed = drawn()
    counted = listed != torch.arange(9)[:, None]
    scores = torch.rand(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(evened(3 * scores, counted), evened(scores, counted))
    plain = Contrast(candidates=listed)
    for factor in (0.0, 0.5):  # none says anything of them; all say the same
        equal = dataclasses.replace(plain, weights=evened(torch.full_like(scores, factor), counted))
        assert torch.equal(equal.weights, torch.ones_like(scores))  # type: ignore[arg-type]
        torch.testing.assert_close(infonce(equal, u, v), infonce(plain, u, v))
    weighed = dataclasses.replace(plain, weights=evened(scores, counted))
    assert not torch.allclose(infonce(weighed, u, v), infonce(plain, u, v))


@pytest.mark.parametrize("sampler", ["uniform", "hardest"])
def test_until_the_start_all_weigh_alike_and_then_by_their_similarity(sampler: str, small_graph: Data) -> None:
    u, v = (torch.randn(60, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    before, after = (model(small_graph, epoch, negatives=sampler) for epoch in (0, 1))
    plain, weighed = (one.contrast(small_graph, u, v) for one in (before, after))
    assert before.fitted_in == -1 and after.fitted_in == 1
    listed, rows = weighed.candidates, torch.arange(60)[:, None]
    assert torch.equal(listed, plain.candidates if plain.listed else plain.candidates.expand(60, -1))
    usual = torch.ones(1) if plain.weights is None else plain.weights
    found = weights_of((cosines(u, v, listed) + 1) / 2, after.mixture, listed != rows)
    torch.testing.assert_close(weighed.weights, found * usual)
    sums = (found * (listed != rows)).sum(1)
    torch.testing.assert_close(sums, (listed != rows).sum(1).float())
    assert float(found.std()) > 0.1


def test_the_mixture_is_kept_or_fitted_anew(small_graph: Data) -> None:
    def fits(refit: int) -> list[int]:
        progcl, epochs = model(small_graph, start=2, refit=refit), []
        for epoch in range(7):
            progcl.before_epoch(epoch, None)  # type: ignore[arg-type]
            progcl.step(small_graph)
            epochs.append(int(progcl.fitted_in))
        return epochs

    assert fits(0) == [-1, -1, 2, 2, 2, 2, 2] and fits(3) == [-1, -1, 2, 2, 2, 5, 5]


def test_shuffled_weights_are_another_training_and_all_pairs_are_refused(small_graph: Data, tmp_path: Path) -> None:
    def loss(**more: Any) -> list[float]:
        run = wb.fit("progcl", small_graph, "small", store=tmp_path, progress=False, **more)
        return [float(value) for value in run.history["loss"]]

    real, shuffled, late = loss(), loss(weighing="shuffled"), loss(start=9)
    assert real[0] == shuffled[0] == late[0] and real[1] != shuffled[1] != late[1] != real[1]
    with pytest.raises(UserError, match="choose negatives='uniform' and k"):
        loss(negatives="all")


def test_batches_weigh_their_own_anchors(small_graph: Data) -> None:
    progcl = model(small_graph, batch_size=20, neighbours=3)
    for batch in progcl.batches():
        contrast = progcl.step(batch).kept["contrast"]
        assert contrast.weights.shape == (batch.batch_size, 8) and contrast.weights.isfinite().all()


def test_mixes_pair_those_that_weigh_most_by_their_ranks() -> None:
    weights = torch.tensor([[0.5, 2.0, 1.0, 9.0], [0.0, 0.0, 3.0, 0.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    listed = torch.tensor([[1, 2, 1, 0], [1, 1, 2, 1], [2, 2, 2, 2]])
    counted = listed != torch.arange(3)[:, None]
    first, second, share = mixes(weights, listed, counted, torch.tensor([2, 0, 1]))
    assert first.tolist() == [[2, 1, 1], [2, 2, 2], [2, 2, 2]]  # the last has no negative and is paired with itself
    assert second.tolist() == [[1, 2, 1], [2, 2, 2], [2, 2, 2]]
    np.testing.assert_allclose(share[:2], [[2 / 2.5, 1 / 3, 0.5 / 1.5], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize("same_view", [True, False])
def test_synthetic_negatives_are_mixes_of_similarities_by_loops_and_move_both_rows(same_view: bool) -> None:
    u, v, listed = drawn(rows=6, k=5)
    u.requires_grad_(), v.requires_grad_()
    weights = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    counted, order = listed != torch.arange(6)[:, None], torch.tensor([1, 2, 0])
    given = mixes(weights, listed, counted, order)
    contrast = Contrast(0.5, candidates=listed, mixed=given, mixes="similarities", same_view=same_view)
    total = torch.zeros((), dtype=torch.float64)
    for a, b in ((u, v), (v, u)):
        for i in range(6):
            cross = [torch.cosine_similarity(a[i], b[j], dim=0) for j in range(6)]
            within = [torch.cosine_similarity(a[i], a[j], dim=0) for j in range(6)]
            below = [cross[i] / 0.5]
            mine = [place for place in range(5) if listed[i, place] != i]
            for place in mine:
                below += [(block[listed[i, place]]) / 0.5 for block in ((cross, within) if same_view else (cross,))]
            ranked = sorted(mine, key=lambda place: -float(weights[i, place]))
            for rank, other in enumerate(order.tolist()):
                p, q = ranked[rank % len(ranked)], ranked[other % len(ranked)]
                b_p, b_q = weights[i, p], weights[i, q]
                below.append((b_p * cross[listed[i, p]] + b_q * cross[listed[i, q]]) / (b_p + b_q) / 0.5)
            total = total + (torch.stack(below).logsumexp(0) - cross[i] / 0.5) / 12
    loss = infonce(contrast, u, v).mean()
    torch.testing.assert_close(loss, total)
    for mine_, wanted in zip(torch.autograd.grad(loss, (u, v)), torch.autograd.grad(total, (u, v)), strict=True):
        torch.testing.assert_close(mine_, wanted)


def test_an_anchor_without_negatives_has_no_synthetic_one() -> None:
    u, v, _ = drawn(rows=3)
    u.requires_grad_()
    listed = torch.arange(3)[:, None]
    given = mixes(torch.ones(3, 1, dtype=torch.float64), listed, torch.zeros(3, 1, dtype=torch.bool), torch.arange(1))
    loss = infonce(Contrast(0.5, candidates=listed, mixed=given, mixes="similarities"), u, v)
    torch.testing.assert_close(loss, torch.zeros_like(loss))
    assert torch.autograd.grad(loss.sum(), u)[0].abs().max() < 1e-12
    with pytest.raises(UserError, match="unknown kind of mix 'vector' of a contrast; did you mean 'vectors'"):
        Contrast(mixes="vector")


def test_mode_mix_leaves_weights_and_adds_mixes_from_the_start_on(small_graph: Data, tmp_path: Path) -> None:
    u, v = (torch.randn(60, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    before, after = (model(small_graph, epoch, mode="mix", mixed=5) for epoch in (0, 1))
    plain, mixed = (one.contrast(small_graph, u, v) for one in (before, after))
    assert plain.mixed is None and mixed.mixes == "similarities" and mixed.mixed.first.shape == (60, 5)
    assert mixed.weights is None and torch.equal(mixed.candidates, plain.candidates)
    listed = mixed.candidates if mixed.listed else mixed.candidates.expand(60, -1)
    counted = listed != torch.arange(60)[:, None]
    weights = weights_of((cosines(u, v, listed) + 1) / 2, after.mixture, counted)
    best = listed.gather(1, weights.masked_fill(~counted, -1).argsort(dim=1, descending=True, stable=True)[:, :5])
    assert torch.equal(mixed.mixed.first, best) and all(
        sorted(a) == sorted(b) for a, b in zip(best.tolist(), mixed.mixed.second.tolist(), strict=True)
    )
    run = wb.fit("progcl", small_graph, "small", mode="mix", store=tmp_path, progress=False)
    again = wb.runs.load(run.path)
    assert again.contrast.mixes == "similarities" and torch.equal(again.contrast.mixed.share, run.contrast.mixed.share)
    shuffled = wb.fit("progcl", small_graph, "small", mode="mix", weighing="shuffled", store=tmp_path, progress=False)
    assert not torch.equal(run.embeddings, shuffled.embeddings)
    with pytest.raises(UserError, match="mode='mix' makes synthetic negatives of its own"):
        configure("progcl", "small", "", {"mode": "mix", "negatives": "mixing"})
    sampled = model(small_graph, batch_size=20, neighbours=3, mode="mix")
    for batch in sampled.batches():
        assert all(term.isfinite() for term in sampled.step(batch).terms.values())
