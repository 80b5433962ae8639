"""LightGCL: the facts that pin it to its paper and release."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import logsigmoid
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.datasets.bipartite import as_users_and_items
from workbench.errors import UserError
from workbench.methods.bipartite.lightgcl import LightGCL, LightGCLConfig
from workbench.methods.bipartite.triples import Triples
from workbench.randomness import Randomness


@pytest.fixture
def drawn() -> HeteroData:
    """50 users and 40 items, one of each without interactions."""
    g = torch.Generator().manual_seed(0)
    links = torch.rand(50, 40, generator=g) < 0.2
    links[7] = links[:, 3] = False
    return as_users_and_items(50, 40, links.nonzero().T)


BATCH = Triples(*torch.tensor([[0, 1, 1, 49], [5, 5, 6, 0], [1, 2, 5, 5]]))


def model(data: HeteroData, **parameters: object) -> LightGCL:
    torch.manual_seed(0)
    method = LightGCL(LightGCLConfig(**{"dim": 8, **parameters}), data, Randomness(0))
    with torch.no_grad():
        method.encoder.user.normal_(std=0.5)
        method.encoder.item.normal_(std=0.5)
    return method


def fit(data: object, store: Path, preset: str = "small", **more: object) -> wb.Run:
    return wb.fit("lightgcl", data, preset, store=store, progress=False, **more)  # type: ignore[arg-type]


def dense(method: LightGCL) -> torch.Tensor:
    return method.adjacency.to_dense()[:50, 50:]


@pytest.mark.parametrize("rank", [5, 40])
def test_the_second_view_is_that_of_the_dense_truncated_decomposition(drawn: HeteroData, rank: int) -> None:
    method = model(drawn, rank=rank)
    layers = method.encoder.layers(method.adjacency)
    u, s, v = torch.linalg.svd(dense(method).double())
    low = ((u[:, :rank] * s[:rank]) @ v[:rank]).float()
    whole = torch.zeros(90, 90)
    whole[:50, 50:], whole[50:, :50] = low, low.T
    found = method.low_rank(layers)
    assert len(found) == 3 and found[0] is layers[0]
    for layer in (1, 2):  # of the graph's layer before, not of its own
        torch.testing.assert_close(found[layer], whole @ layers[layer - 1], rtol=1e-4, atol=1e-5)
    same = all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, layers, strict=True))
    assert same == (rank == 40), "by all singular vectors both views are the same"


def test_of_full_rank_and_one_layer_the_contrast_is_a_norm_and_what_it_is_pushed_from(drawn: HeteroData) -> None:
    method = model(drawn, rank=40, layers=1, clamp=0.0)
    users, items = method.encoder.combined(method.encoder.layers(method.adjacency))
    wanted = 0.0
    for e, numbers in ((users, BATCH.user), (items, torch.cat(BATCH[1:]))):
        own = e[numbers].square().sum(1) / 0.2  # both views are the same, so that a positive pair is a square
        wanted = wanted + ((e[numbers] @ e.T / 0.2).logsumexp(1) - own).mean()
    torch.testing.assert_close(method.step(BATCH).terms["contrast"], wanted, rtol=1e-4, atol=1e-5)


def test_the_control_has_other_directions_of_the_same_length(drawn: HeteroData) -> None:
    known, random = model(drawn).factors, model(drawn, view="random").factors
    assert torch.equal(known[1], random[1]) and not torch.allclose(known[0], random[0], atol=0.1)
    for side in random[::2]:
        torch.testing.assert_close(side.T @ side, torch.eye(5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("clamp", [0.0, 0.5])
def test_the_losses_are_those_of_plain_sums_with_repeats(drawn: HeteroData, clamp: float) -> None:
    method = model(drawn, clamp=clamp, tau=0.5, penalty=0.01)
    r, z, users, items = dense(method), [], method.encoder.user, method.encoder.item
    u, s, v = torch.linalg.svd(r)
    low = (u[:, :5] * s[:5]) @ v[:5]
    z = [(users, items)]
    for _ in range(2):
        z.append((r @ z[-1][1], r.T @ z[-1][0]))
    e_u, e_i = (sum(layer[side] for layer in z) for side in (0, 1))
    g_u, g_i = users + sum(low @ layer[1] for layer in z[:2]), items + sum(low.T @ layer[0] for layer in z[:2])
    contrast = 0.0
    for g, e, numbers in ((g_u, e_u, BATCH.user), (g_i, e_i, torch.cat(BATCH[1:]))):
        own = (g[numbers] * e[numbers]).sum(1) / 0.5
        own = own.clamp(-clamp, clamp) if clamp else own
        contrast = contrast + ((g[numbers] @ e.T / 0.5).exp().sum(1).log() - own).mean()
    scores = [(e_u[BATCH.user] * e_i[item]).sum(1) for item in BATCH[1:]]
    ranking = -logsigmoid(scores[0] - scores[1]).mean()
    total = ranking + 0.2 * contrast + 0.01 * (users.square().sum() + items.square().sum())
    step = method.step(BATCH)
    torch.testing.assert_close(step.terms["contrast"], contrast, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(step.total, total, rtol=1e-4, atol=1e-5)
    wanted = torch.autograd.grad(total, method.parameters())
    for fast, slow in zip(torch.autograd.grad(step.total, method.parameters()), wanted, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-3, atol=1e-5)
    shown = step.kept["contrast"]
    assert shown.nodes.tolist() == [0, 1, 49] and [len(z) for z in step.kept["projections"]] == [3, 50]


def test_beyond_the_clamp_a_positive_pair_is_only_pushed(drawn: HeteroData) -> None:
    method = model(drawn)
    anchors = torch.eye(2, 8).requires_grad_()
    for length, pulled in ((0.5, True), (3.0, False)):  # logits of 2.5 and 15, the clamp is 5
        candidates = (length * torch.eye(2, 8)).requires_grad_()
        loss = method.contrasted(anchors, candidates, torch.tensor([0]))[0]
        gradient = torch.autograd.grad(loss, candidates)[0]
        own = math.exp(5 * length) / (math.exp(5 * length) + 1)
        assert gradient[0, 0].item() == pytest.approx(5 * (own - pulled), rel=1e-4)
        assert (gradient[0, 0] < 0) == pulled and gradient[1, 0] > 0


def test_long_embeddings_overflow_nothing(drawn: HeteroData) -> None:
    method = model(drawn)
    with torch.no_grad():
        method.encoder.user.mul_(100)
    assert method.step(BATCH).total.isfinite()


def test_dropped_interactions_are_drawn_for_each_direction_apart(drawn: HeteroData) -> None:
    method = model(drawn, edge_drop=0.5)
    whole, seen = method.adjacency.to_dense(), method.dropped().to_dense()
    assert set((seen / whole)[whole > 0].tolist()) == {0.0, 2.0}
    assert 0.4 < (seen[whole > 0] > 0).float().mean() < 0.6 and not torch.equal(seen, seen.T)
    drops = [method.dropped().to_dense() for _ in range(2)]
    assert not torch.equal(*drops)
    method.dropped = lambda: method.adjacency  # type: ignore[method-assign]
    plain = model(drawn)
    slow, fast = (torch.autograd.grad(one.step(BATCH).total, one.parameters()) for one in (method, plain))
    torch.testing.assert_close(slow, fast)
    assert torch.equal(method.embed(drawn)["user"], plain.embed(drawn)["user"]), "all are embedded along"


def test_without_a_contrast_it_is_lightgcn_with_its_settings(tmp_path: Path) -> None:
    data, shared = wb.load_graph("tastes"), {"epochs": 2, "dim": 8, "batch_size": 512, "penalty": 0.0}
    plain = {"layers": 2, "combine": "sum", "start": "xavier", "draw": "interactions"}
    other = wb.fit("lightgcn", data, "small", store=tmp_path, progress=False, **shared, **plain)
    run = fit(data, tmp_path, contrast=0.0, **shared)
    assert torch.equal(run.embeddings["user"], other.embeddings["user"]) and run.contrast is None


def test_the_quick_preset_beats_what_trains_nothing(tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    table = wb.compare(fit(data, tmp_path, "quick", epochs=20), data).set_index("name")["recall@20"]
    assert table["lightgcl"] > 1.3 * max(table["untrained lightgcl"], table["popularity"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"view": "random-svd"}, "did you mean 'random'"),
        ({"tau": 0.0}, "'tau' is 0.0; it must be above 0"),
        ({"edge_drop": 1.0}, "'edge_drop' is 1.0; it must be below 1"),
        ({"ranks": 3}, "did you mean 'rank'"),
    ],
)
def test_mistakes_are_named(drawn: HeteroData, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(drawn, tmp_path, **changed)
