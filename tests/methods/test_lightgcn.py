"""LightGCN: the facts that pin it to its paper and release."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data, HeteroData

import workbench as wb
from workbench.datasets.bipartite import as_users_and_items
from workbench.errors import UserError
from workbench.methods.bipartite.lightgcn import LightGCN, LightGCNConfig
from workbench.methods.bipartite.triples import Draw, Triples
from workbench.objectives.ranking import bayesian_personalised_ranking
from workbench.randomness import Randomness

PAIRS = torch.tensor([[0, 0, 1, 1, 2, 3, 3, 3], [0, 1, 1, 2, 0, 0, 1, 1]])  # the last one twice


@pytest.fixture
def few() -> HeteroData:
    """Five users, the last without interactions, and five items, the last two without."""
    return as_users_and_items(5, 5, PAIRS)


def model(data: HeteroData, **parameters: object) -> LightGCN:
    torch.manual_seed(0)
    return LightGCN(LightGCNConfig(**{"dim": 4, **parameters}), data, Randomness(0))


def fit(data: object, store: Path, preset: str = "small", **more: object) -> wb.Run:
    return wb.fit("lightgcn", data, preset, store=store, progress=False, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("combine", ["mean", "sum"])
def test_layers_are_those_of_a_loop_over_neighbours(few: HeteroData, combine: str) -> None:
    method = model(few, layers=3, combine=combine)
    pairs = {*zip(*PAIRS.tolist(), strict=True)}
    taken = [[i for u, i in pairs if u == user] for user in range(5)]
    takers = [[u for u, i in pairs if i == item] for item in range(5)]
    users, items = [method.encoder.user], [method.encoder.item]
    zero = torch.zeros(4)
    for _ in range(3):
        before = users[-1], items[-1]
        users.append(
            torch.stack([sum((before[1][i] / (len(m) * len(takers[i])) ** 0.5 for i in m), zero) for m in taken])
        )
        items.append(
            torch.stack([sum((before[0][u] / (len(m) * len(taken[u])) ** 0.5 for u in m), zero) for m in takers])
        )
    share = 4 if combine == "mean" else 1
    found = method.embed(few)
    torch.testing.assert_close(found["user"], sum(users) / share)
    torch.testing.assert_close(found["item"], sum(items) / share)
    wanted = torch.autograd.grad((sum(users) / share).square().sum(), method.parameters())
    gradients = torch.autograd.grad(found["user"].square().sum(), method.parameters())
    for fast, slow in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(fast, slow)


def test_one_user_and_one_item_meet_halfway_and_no_layer_is_matrix_factorisation(few: HeteroData) -> None:
    pair = as_users_and_items(1, 2, torch.tensor([[0], [0]]))
    method = model(pair, layers=1)
    user, item = method.encoder.user, method.encoder.item
    found = method.embed(pair)
    torch.testing.assert_close(found["user"][0], (user[0] + item[0]) / 2)
    torch.testing.assert_close(found["item"], torch.stack([(user[0] + item[0]) / 2, item[1] / 2]))
    method = model(few, layers=0)
    assert torch.equal(method.embed(few)["item"], method.encoder.item)


def test_the_loss_is_that_of_each_triple() -> None:
    assert bayesian_personalised_ranking(torch.ones(1), torch.ones(1)).item() == pytest.approx(math.log(2))
    data = as_users_and_items(1, 2, torch.tensor([[0], [0]]))
    method = model(data, layers=1, dim=1, penalty=0.5)
    with torch.no_grad():
        method.encoder.user.fill_(2.0)
        method.encoder.item.copy_(torch.tensor([[4.0], [6.0]]))
    step = method.step(Triples(*torch.tensor([[0, 0], [0, 0], [1, 1]])))
    # Both ends of the one edge become 3, the item without any 3 as well: scores 9 and 9.
    assert step.terms["ranking"].item() == pytest.approx(math.log(2))
    assert step.terms["norms"].item() == pytest.approx((4 + 16 + 36) / 2)
    assert step.total.item() == pytest.approx(math.log(2) + 14)


@pytest.mark.parametrize("by", ["users", "interactions"])
def test_triples_are_of_what_was_taken_and_what_was_not(few: HeteroData, by: str) -> None:
    draw = Draw(few, by, torch.Generator().manual_seed(0))
    batches = [batch for _ in range(600) for batch in draw.epoch(3)]
    assert {len(batch.user) for batch in batches} == {3, 1} and len(batches) == 600 * 3
    user, positive, negative = (torch.cat(parts) for parts in zip(*batches, strict=True))
    taken = torch.zeros(5, 5, dtype=torch.bool)
    taken[tuple(PAIRS)] = True
    seen = torch.zeros(2, 5, 5)
    for place, item in enumerate((positive, negative)):
        seen[place].index_put_((user, item), torch.ones(()), accumulate=True)
    assert not seen[0][~taken].any() and not seen[1][taken].any() and not seen[:, 4].any()
    counts = [1 / 4 / row.sum() if by == "users" else 1 / taken.sum() for row in taken]
    expected = torch.stack([torch.where(row, share, 0.0) for row, share in zip(taken, counts, strict=True)])
    expected[4] = 0
    torch.testing.assert_close(seen[0] / len(user), expected, atol=0.02, rtol=0)
    share = (~taken[:4]) * (expected.sum(1) / (~taken).sum(1))[:4, None]
    torch.testing.assert_close(seen[1][:4] / len(user), share, atol=0.02, rtol=0)


def test_who_took_all_or_nothing_is_in_no_triple(tmp_path: Path) -> None:
    data = as_users_and_items(3, 2, torch.tensor([[0, 0, 1], [0, 1, 0]]))
    for by in ("users", "interactions"):
        for batch in Draw(data, by, torch.Generator()).epoch(10):
            assert set(batch.user.tolist()) == {1} and set(batch.negative.tolist()) == {1}
    assert fit(data, tmp_path).embeddings["user"].isfinite().all()
    for pairs in (torch.tensor([[0, 0], [0, 1]]), torch.zeros(2, 0, dtype=torch.long)):
        with pytest.raises(UserError, match="the method made no batch of these data"):
            fit(as_users_and_items(3, 2, pairs), tmp_path)


def test_the_quick_preset_beats_what_trains_nothing(tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    table = wb.compare(fit(data, tmp_path, "quick", epochs=20), data).set_index("name")["recall@20"]
    assert table["lightgcn"] > 1.3 * max(table["untrained lightgcn"], table["popularity"])


def test_the_exported_module_is_the_encoder_and_needs_pyg_only(few: HeteroData, tmp_path: Path) -> None:
    for combine in ("mean", "sum"):
        run = fit(few, tmp_path, combine=combine)
        files = {file.name for file in run.export(tmp_path / combine)}
        assert {"user-embeddings.csv", "item-embeddings.csv", "encoder.py", "encoder.pt"} <= files
        source = (tmp_path / combine / "encoder.py").read_text(encoding="utf-8")
        assert "workbench" not in source and "torch.arange(10)" in source and "5 users" in source
        spec = importlib.util.spec_from_file_location("exported", tmp_path / combine / "encoder.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        edges = PAIRS[:, :-1] + torch.tensor([[0], [5]])
        found = module.load()(torch.arange(10), torch.cat([edges, edges.flip(0)], 1))
        torch.testing.assert_close(found, torch.cat([*run.embeddings.values()]), rtol=0, atol=1e-6)


def test_other_interactions_of_the_same_users_and_items_are_encoded(few: HeteroData, tmp_path: Path) -> None:
    run = fit(few, tmp_path, layers=2)
    links = torch.zeros(5, 5)
    links[tuple(PAIRS)] = links[4, 4] = 1.0  # the last user and the last item had none
    found = run.encode(as_users_and_items(5, 5, links.nonzero().T))
    whole = torch.zeros(10, 10)
    whole[:5, 5:], whole[5:, :5] = links, links.T
    root = whole.sum(1).clamp(min=1).rsqrt()
    step = root[:, None] * whole * root
    start = torch.cat([run.weights["encoder.user"], run.weights["encoder.item"]])
    torch.testing.assert_close(torch.cat([*found.values()]), (start + step @ start + step @ step @ start) / 3)
    assert not torch.allclose(found["user"][4], run.embeddings["user"][4])
    with pytest.raises(UserError, match="trained on 5 users; these data have 6"):
        run.encode(as_users_and_items(6, 5, PAIRS))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"layer": 2}, r"unknown parameter 'layer' of method 'lightgcn'.*did you mean 'layers'"),
        ({"draw": "user"}, "did you mean 'users'"),
        ({"layers": -1}, "'layers' is -1; it must be at least 0"),
        ({"negatives": "uniform"}, "unknown parameter 'negatives' of method 'lightgcn'"),
    ],
)
def test_mistakes_are_named(few: HeteroData, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(few, tmp_path, **changed)


def test_data_that_do_not_fit_are_told(few: HeteroData, small_graph: Data, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"method 'lightgcn' learns on users and items .*; this is one graph"):
        fit(small_graph, tmp_path)
    with pytest.raises(UserError, match="no interactions are held out"):
        wb.evaluate(fit(few, tmp_path), few, "full-ranking")
