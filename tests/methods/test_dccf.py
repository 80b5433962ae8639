"""DCCF: the facts that pin it to its paper and release."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.datasets.bipartite import as_users_and_items, interactions
from workbench.errors import UserError
from workbench.methods.bipartite.dccf import DCCF, DCCFConfig
from workbench.methods.bipartite.triples import Triples
from workbench.randomness import Randomness

BATCH = Triples(*torch.tensor([[0, 1, 1, 19], [5, 5, 6, 0], [1, 2, 7, 5]]))
VIEWS = ["graph", "intents", "adaptive", "intent-adaptive"]


@pytest.fixture
def drawn() -> HeteroData:
    """20 users and 15 items, one of each without interactions."""
    links = torch.rand(20, 15, generator=torch.Generator().manual_seed(0)) < 0.3
    links[7] = links[:, 3] = False
    return as_users_and_items(20, 15, links.nonzero().T)


def model(data: HeteroData, **parameters: object) -> DCCF:
    torch.manual_seed(0)
    return DCCF(DCCFConfig(**{"dim": 4, "intents": 3, **parameters}), data, Randomness(0))


def by_hand(method: DCCF, without: str = "") -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """Layers and views of dense matrices."""
    links = (method.adjacency.to_dense() > 0).float()
    root = links.sum(1).clamp(min=1).rsqrt()
    layers, views = [torch.cat([method.encoder.user, method.encoder.item])], []
    for _ in range(2):
        x = layers[-1]
        sides = ((x[:20], method.encoder.user_intent), (x[20:], method.encoder.item_intent))
        seen = {"graph": root[:, None] * links * root @ x}
        seen["intents"] = torch.cat([(side @ c).softmax(1) @ c.T for side, c in sides])
        for name, source in (("adaptive", "graph"), ("intent-adaptive", "intents")):
            unit = normalize(seen[source])
            alpha = links * (unit @ unit.T + 1) / 2
            seen[name] = alpha / alpha.sum(1, keepdim=True).clamp(min=1e-12) @ x
        views.append({name: view for name, view in seen.items() if name != without})
        layers.append(x + sum(views[-1].values()))
    return layers, views


@pytest.mark.parametrize("without", ["nothing", "intents", "adaptive", "intent-adaptive"])
def test_layers_and_losses_are_those_of_dense_matrices(drawn: HeteroData, without: str) -> None:
    method = model(drawn, without=without, tau=0.5, penalty=0.01)
    layers, views = by_hand(method, without)
    assert list(method.encoder.layers_and_views(method.links)[1][0]) == [name for name in VIEWS if name != without]
    users, items = sum(layers).split([20, 15])
    torch.testing.assert_close(method.embed(drawn)["item"], items, rtol=1e-4, atol=1e-5)
    scores = [(users[BATCH.user] * items[item]).sum(1) for item in BATCH[1:]]
    total = torch.nn.functional.softplus(scores[1] - scores[0]).mean()
    rows = [method.encoder.user[BATCH.user], *(method.encoder.item[item] for item in BATCH[1:])]
    total = total + 0.01 * sum(row.square().sum() for row in rows)
    total = total + 5e-3 * (method.encoder.user_intent.square().sum() + method.encoder.item_intent.square().sum())
    for layer in views:
        for numbers in (torch.tensor([0, 1, 19]), torch.tensor([20, 25, 26])):
            unit = {name: normalize(view[numbers]) for name, view in layer.items()}
            for name in set(unit) - {"graph"}:
                logits = unit["graph"] @ unit[name].T / 0.5
                total = total + 0.1 * (logits.logsumexp(1) - logits.diag()).mean()
    step = method.step(BATCH)
    torch.testing.assert_close(step.total, total, rtol=1e-5, atol=1e-6)
    wanted = torch.autograd.grad(total, method.parameters())
    for fast, slow in zip(torch.autograd.grad(step.total, method.parameters()), wanted, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-3, atol=1e-6)


def test_the_adaptive_weights_of_a_row_sum_to_one(drawn: HeteroData) -> None:
    method, alone = model(drawn), torch.tensor([7, 23])
    seen = method.encoder.views(torch.cat([method.encoder.user, method.encoder.item]), method.links)["graph"]
    weights = method.encoder.alpha(seen, method.links)
    sums = method.links.pattern.matrix(weights).to_dense().sum(1)
    assert weights.min() > 0 and not sums[alone].any()
    torch.testing.assert_close(sums[sums > 0], torch.ones(33))


def test_equal_embeddings_are_averaged_plainly_and_empty_intents_say_nothing(drawn: HeteroData) -> None:
    method = model(drawn)
    with torch.no_grad():
        for side in (method.encoder.user, method.encoder.item):
            side.copy_(torch.tensor([1.0, 2.0, -1.0, 0.5]).expand_as(side))
        method.encoder.user_intent.zero_()
        method.encoder.item_intent.zero_()
    x = torch.cat([method.encoder.user, method.encoder.item])
    views = method.encoder.views(x, method.links)
    assert not views["intents"].any()
    links = (method.adjacency.to_dense() > 0).float()
    torch.testing.assert_close(views["adaptive"], links / links.sum(1, keepdim=True).clamp(min=1) @ x)
    torch.testing.assert_close(views["intent-adaptive"], views["adaptive"])  # cosine 0 on each edge weighs alike


def test_one_intent_is_the_same_for_all(drawn: HeteroData) -> None:
    method = model(drawn, intents=1)
    x = torch.cat([method.encoder.user, method.encoder.item])
    users, items = method.encoder.views(x, method.links)["intents"].split([20, 15])
    torch.testing.assert_close(users, method.encoder.user_intent.T.expand(20, 4))
    torch.testing.assert_close(items, method.encoder.item_intent.T.expand(15, 4))


def test_the_control_deals_the_same_weights_out_to_other_interactions(drawn: HeteroData) -> None:
    own, other = model(drawn), model(drawn, shuffled=True)
    seen = own.encoder.views(torch.cat([own.encoder.user, own.encoder.item]), own.links)["graph"]
    unit, half = normalize(seen.detach()), len(own.links.pattern.rows) // 2
    cosines = (unit[own.links.pattern.rows] * unit[own.links.pattern.columns]).sum(1)[:half]
    dealt = torch.zeros(35, 35)
    dealt[own.links.pattern.rows[:half], own.links.pattern.columns[:half]] = (cosines[other.links.drawn] + 1) / 2
    dealt = dealt + dealt.T
    found = other.links.pattern.matrix(other.encoder.alpha(seen, other.links)).to_dense()
    torch.testing.assert_close(found, dealt / dealt.sum(1, keepdim=True).clamp(min=1e-12))
    assert not torch.allclose(found, own.links.pattern.matrix(own.encoder.alpha(seen, own.links)).to_dense(), atol=0.01)


@pytest.mark.parametrize("draw", ["users", "interactions"])
def test_an_epoch_has_as_many_batches_as_asked_for(drawn: HeteroData, draw: str) -> None:
    sizes = [len(batch.user) for batch in model(drawn, batch_size=50, batches=5, draw=draw).batches()]
    assert sizes == [50] * 5
    count = interactions(drawn).shape[1]
    assert sum(len(b.user) for b in model(drawn, batch_size=50, batches=0, draw=draw).batches()) == count


@pytest.mark.parametrize("changed", [{"without": "intents"}, {"combine": "mean"}])
def test_the_exported_module_is_the_encoder(drawn: HeteroData, tmp_path: Path, changed: dict) -> None:
    run = wb.fit("dccf", drawn, "small", store=tmp_path, progress=False, **changed)
    run.export(tmp_path / "out")
    spec = importlib.util.spec_from_file_location("exported", tmp_path / "out" / "encoder.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    edges = interactions(drawn) + torch.tensor([[0], [20]])
    found = module.load()(torch.arange(35), torch.cat([edges, edges.flip(0)], 1))
    torch.testing.assert_close(found, torch.cat([*run.embeddings.values()]), rtol=1e-5, atol=1e-5)


def test_the_quick_preset_beats_what_trains_nothing(tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    run = wb.fit("dccf", data, "quick", store=tmp_path, progress=False)
    table = wb.compare(run, data).set_index("name")["recall@20"]
    assert table["dccf"] > 1.3 * max(table["untrained dccf"], table["popularity"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"without": "adaptiv"}, "did you mean 'adaptive'"),
        ({"intents": 0}, "'intents' is 0; it must be at least 1"),
        ({"combine": "product"}, "combine"),
    ],
)
def test_mistakes_are_named(drawn: HeteroData, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("dccf", drawn, "small", store=tmp_path, progress=False, **changed)
