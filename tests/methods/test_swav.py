"""SwAV on nodes: the facts that pin its assignments and its prototypes to the paper and the release."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.methods.nodes.swav import SwAV, SwAVConfig
from workbench.objectives.clusters import sinkhorn, swapped_cross_entropy
from workbench.randomness import Randomness


def model(graph: Data, **parameters: object) -> SwAV:
    torch.manual_seed(0)
    return SwAV(SwAVConfig(**{"dim": 8, "projection": 8, "prototypes": 5, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, **more: object) -> wb.Run:
    return wb.fit("swav", graph, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def cosines(rows: int, prototypes: int, dim: int = 16, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    u, c = (torch.randn(n, dim, generator=g, dtype=torch.float64) for n in (rows, prototypes))
    return normalize(u) @ normalize(c).T


def released_sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """The authors' loop on exponentials: rows are prototypes, columns are samples."""
    q = (scores / epsilon).exp().T
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(1, keepdim=True) * q.shape[0]
        q /= q.sum(0, keepdim=True) * q.shape[1]
    return (q * q.shape[1]).T


@pytest.mark.parametrize("iterations", [1, 3, 10])
def test_assignments_are_those_of_the_release(iterations: int) -> None:
    scores = cosines(256, 50)
    found = sinkhorn(scores, 0.05, iterations)
    torch.testing.assert_close(found, released_sinkhorn(scores, 0.05, iterations), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.sum(1), torch.ones(256, dtype=torch.float64))


def test_each_iteration_uses_the_prototypes_more_alike() -> None:
    scores = cosines(256, 50, dim=128)
    error = [float((sinkhorn(scores, 0.05, n).sum(0) * 50 / 256 - 1).abs().max()) for n in (0, 1, 3, 10)]
    assert error[0] > 0.3 > 0.25 > error[1] > 0.1 > 0.02 > error[2] > 1e-3 > 1e-4 > error[3]


def test_large_scores_do_not_overflow_and_a_shifted_row_changes_nothing_in_the_limit() -> None:
    scores = cosines(40, 6)
    shifted = scores + torch.arange(40)[:, None].eq(7) * 0.5
    torch.testing.assert_close(sinkhorn(shifted, 0.05, 300), sinkhorn(scores, 0.05, 300))
    far = sinkhorn((scores * 100).float(), 0.05)
    assert far.isfinite().all()
    torch.testing.assert_close(far.sum(1), torch.ones(40))


def test_equal_usage_is_forced_upon_classes_of_unequal_size() -> None:
    # Nine rows in ten point at the first of two prototypes, and still each prototype gets half of all rows.
    scores = torch.tensor([[1.0, 0.0]] * 90 + [[0.0, 1.0]] * 10, dtype=torch.float64)
    codes = sinkhorn(scores, 0.05, 300)
    torch.testing.assert_close(codes.sum(0), torch.full((2,), 50.0, dtype=torch.float64))
    torch.testing.assert_close(codes[0], torch.tensor([5 / 9, 4 / 9], dtype=torch.float64), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(codes[-1], torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=1e-6, atol=1e-6)
    even = sinkhorn(scores[40:], 0.05, 300)[:50].sum(0)  # 50 against 10
    torch.testing.assert_close(even, torch.tensor([30.0, 20.0], dtype=torch.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1e-8, 1e6])
def test_extreme_temperatures_are_finite(epsilon: float) -> None:
    scores = cosines(8, 3).float().requires_grad_()
    codes = sinkhorn(scores, epsilon)
    torch.testing.assert_close(codes.sum(1), torch.ones(8))
    for tau in (1e-8, 1e6):
        losses = swapped_cross_entropy(scores, scores.flip(0), tau, epsilon)
        assert losses.isfinite().all() and torch.autograd.grad(losses.sum(), scores)[0].isfinite().all()


def test_the_loss_by_hand(small_graph: Data) -> None:
    # Two nodes at two prototypes, both temperatures 1: assignment and prediction are e/(e+1) and 1/(e+1) alike.
    p = math.e / (math.e + 1)
    found = swapped_cross_entropy(torch.eye(2), torch.eye(2), 1.0, 1.0)
    torch.testing.assert_close(found, torch.full((2,), -p * math.log(p) - (1 - p) * math.log(1 - p)))
    crossed = swapped_cross_entropy(torch.eye(2), torch.eye(2).flip(0), 1.0, 1.0)
    torch.testing.assert_close(crossed, torch.full((2,), -(1 - p) * math.log(p) - p * math.log(1 - p)))
    single = model(small_graph, prototypes=1)
    assert single.step(single.inputs).total.abs().item() < 1e-6


def test_a_step_equals_a_loop_and_assignments_have_no_gradient(small_graph: Data) -> None:
    swav = model(small_graph)
    step = swav.step(swav.inputs)
    u, v = (swav.scores(projected) for projected in step.kept["projections"])
    torch.testing.assert_close(u[3, 2], torch.cosine_similarity(step.kept["projections"][0][3], swav.prototypes[2], 0))
    codes = [released_sinkhorn(scores.detach().double(), 0.05, 3) for scores in (u, v)]
    slow = torch.zeros(())
    for node in range(60):
        for code, predicting in ((codes[0], v), (codes[1], u)):
            total = (predicting[node] / 0.1).exp().sum()
            for k in range(5):
                slow = slow - code[node, k].float() * ((predicting[node, k] / 0.1).exp() / total).log() / 120
    torch.testing.assert_close(step.total, slow, rtol=1e-5, atol=1e-6)
    fast, plain = (torch.autograd.grad(loss, swav.prototypes, retain_graph=True)[0] for loss in (step.total, slow))
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)


def test_crops_predict_both_assignments_and_a_full_queue_takes_part_in_them() -> None:
    u, v, crop, earlier = (cosines(20, 6, seed=seed) for seed in range(4))
    found = swapped_cross_entropy(u, v, crops=[crop], earlier=torch.stack([earlier, earlier.flip(0)]))
    slow = torch.zeros(20, dtype=torch.float64)
    for scores, others, predicting in ((u, earlier, (v, crop)), (v, earlier.flip(0), (u, crop))):
        codes = released_sinkhorn(torch.cat([others, scores]), 0.05, 3)[20:]
        slow = slow - sum((codes * (scores / 0.1).log_softmax(1)).sum(1) for scores in predicting) / 4
    torch.testing.assert_close(found, slow)


def test_the_queue_holds_the_latest_nodes_and_counts_once_it_is_full(small_graph: Data) -> None:
    plain, queued = model(small_graph, batch_size=30), model(small_graph, batch_size=30, queue=50, crops=1)
    seen = []
    for step, batch in enumerate([*queued.batches(), *queued.batches()]):
        before = queued.earlier.clone()
        seen.append(queued.step(batch).kept["projections"][0].detach())
        wanted = torch.cat([seen[-1], before[0]])[:50]
        assert torch.equal(queued.earlier[0], wanted) and queued.earlier.shape == (2, 50, 8)
        assert int(queued.seen) == 30 * (step + 1)
    assert torch.equal(queued.earlier[0], torch.cat(seen[::-1])[:50])
    assert not hasattr(plain, "earlier") and not queued.earlier.requires_grad


def test_prototypes_have_unit_length_and_stay_while_they_are_frozen(small_graph: Data, tmp_path: Path) -> None:
    drawn, frozen, moved = (
        fit(small_graph, tmp_path, epochs=epochs, frozen=3, lr=0.01).weights["prototypes"] for epochs in (0, 3, 4)
    )
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(len(moved)))
    torch.testing.assert_close(frozen, drawn, rtol=0, atol=1e-6)
    assert (moved - drawn).abs().max() > 1e-3


def test_without_sinkhorn_the_prototypes_fall_out_of_use(tmp_path: Path) -> None:
    graph = wb.graphs.planted(nodes=300, classes=4, homophily=0.9, seed=0)
    used = {
        iterations: len(
            fit(graph, tmp_path, epochs=60, lr=0.01, prototypes=20, iterations=iterations).details["cluster"].unique()
        )
        for iterations in (0, 3)
    }
    assert used[0] < 0.5 * used[3], used


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prototypes": 0}, "'prototypes' is 0; it must be at least 1"),
        ({"epsilon": 0.0}, "'epsilon' is 0.0; it must be above 0"),
        ({"k": 5}, "unknown parameter 'k' of method 'swav'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
