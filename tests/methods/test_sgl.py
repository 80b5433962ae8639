"""SGL: the facts that pin it to its paper and release."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.datasets.bipartite import as_users_and_items
from workbench.errors import UserError
from workbench.methods.bipartite.sgl import SGL, SGLConfig
from workbench.methods.bipartite.triples import Triples
from workbench.randomness import Randomness
from workbench.views.edges import keep_interactions

BATCH = Triples(*torch.tensor([[0, 1, 1, 19], [5, 5, 6, 0], [1, 2, 7, 5]]))


@pytest.fixture
def drawn() -> HeteroData:
    """20 users and 15 items, one of each without interactions; one interaction twice."""
    links = torch.rand(20, 15, generator=torch.Generator().manual_seed(0)) < 0.3
    links[7] = links[:, 3] = False
    pairs = links.nonzero().T
    return as_users_and_items(20, 15, torch.cat([pairs, pairs[:, :1]], 1))


def model(data: HeteroData, **parameters: object) -> SGL:
    torch.manual_seed(0)
    method = SGL(SGLConfig(**{"dim": 4, "layers": 2, **parameters}), data, Randomness(0))
    next(iter(method.batches()))
    return method


def by_hand(method: SGL, graphs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Users and items of a sub-graph a layer, of unit length, from dense matrices."""
    layers = [torch.cat([method.encoder.user, method.encoder.item])]
    for graph in graphs:
        layers.append(graph.to_dense() @ layers[-1])
    return [normalize(side, dim=1) for side in (sum(layers) / len(layers)).split([20, 15])]


@pytest.mark.parametrize("drop", ["edges", "layer"])
def test_the_losses_are_sums_over_the_batch_with_repeats(drawn: HeteroData, drop: str) -> None:
    method = model(drawn, drop=drop, drop_rate=0.4, tau=0.5, contrast=0.3, penalty=0.01)
    assert [len(graphs) for graphs in method.views] == [2, 2]
    assert torch.equal(*(graph.to_dense() for graph in method.views[0])) == (drop == "edges")
    first, second = (by_hand(method, graphs) for graphs in method.views)
    contrast = 0.0
    for side, numbers in enumerate((BATCH.user, BATCH.positive)):
        logits = first[side][numbers] @ second[side].T / 0.5
        contrast = contrast + (logits.logsumexp(1) - logits[range(4), numbers]).sum()
    users, items = (method.embed(drawn)[name] for name in ("user", "item"))
    scores = [(users[BATCH.user] * items[item]).sum(1) for item in BATCH[1:]]
    rows = [method.encoder.user[BATCH.user], *(method.encoder.item[item] for item in BATCH[1:])]
    total = -(scores[0] - scores[1]).sigmoid().log().sum() + 0.3 * contrast
    total = total + 0.01 * sum(row.square().sum() for row in rows) / 2
    step = method.step(BATCH)
    torch.testing.assert_close(step.total, total, rtol=1e-5, atol=1e-5)
    wanted = torch.autograd.grad(total, method.parameters())
    for fast, slow in zip(torch.autograd.grad(step.total, method.parameters()), wanted, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-6)
    mean = model(drawn, drop=drop, drop_rate=0.4, tau=0.5, contrast=0.3, penalty=0.01, reduction="mean")
    torch.testing.assert_close(4 * mean.step(BATCH).total, step.total)


def test_with_nothing_dropped_the_contrast_only_spreads_the_nodes(drawn: HeteroData) -> None:
    method = model(drawn, drop_rate=0.0, reduction="mean")
    sides = by_hand(method, [method.adjacency] * 2)
    spread = [
        ((side[rows] @ side.T - 1) / 0.2).exp().sum(1).log().mean()
        for side, rows in zip(sides, (BATCH.user, BATCH.positive), strict=True)
    ]
    torch.testing.assert_close(method.step(BATCH).terms["contrast"], sum(spread))


def test_as_many_interactions_or_nodes_go_as_the_rate_says() -> None:
    pairs, generator = torch.cartesian_prod(torch.arange(10), torch.arange(20)).T, torch.Generator().manual_seed(0)
    kept = keep_interactions(pairs, (10, 20), 0.25, generator)
    assert kept.shape == (2, 150) and kept.unique(dim=1).shape == kept.shape
    kept = keep_interactions(pairs, (10, 20), 0.25, generator, "nodes")
    assert [len(ends.unique()) for ends in kept] == [8, 15] and kept.shape == (2, 8 * 15)
    seen = torch.stack([torch.bincount(keep_interactions(pairs, (10, 20), 0.5, generator, "nodes")[1], minlength=20)
                        for _ in range(200)])  # fmt: skip
    torch.testing.assert_close((seen > 0).float().mean(0), torch.full((20,), 0.5), atol=0.15, rtol=0)
    assert torch.equal(keep_interactions(pairs, (10, 20), 0.0, generator, "nodes"), pairs)


def test_sub_graphs_are_drawn_once_an_epoch_and_weigh_by_their_own_degrees(drawn: HeteroData) -> None:
    method = model(drawn, drop_rate=0.5, batch_size=8)
    seen = [method.views[0][0] for _ in method.batches()]
    assert len(seen) > 5 and all(graph is seen[0] for graph in seen)
    dense = seen[0].to_dense()
    links = (dense > 0).float()
    root = links.sum(1).clamp(min=1).rsqrt()
    torch.testing.assert_close(dense, root[:, None] * links * root)
    assert not torch.equal(dense, method.views[1][0].to_dense())
    next(iter(method.batches()))
    assert not torch.equal(dense, method.views[0][0].to_dense())


def test_without_a_contrast_it_is_lightgcn_on_sums(tmp_path: Path) -> None:
    data, shared = wb.load_graph("tastes"), {"epochs": 2, "dim": 8, "batch_size": 512, "start": "xavier"}
    runs = [
        wb.fit(name, data, "small", store=tmp_path, progress=False, **shared, **more)
        for name, more in (("lightgcn", {}), ("sgl", {"contrast": 0.0, "reduction": "mean"}))
    ]
    assert torch.equal(runs[0].embeddings["user"], runs[1].embeddings["user"]) and runs[1].contrast is None


def test_the_quick_preset_beats_what_trains_nothing(tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    run = wb.fit("sgl", data, "quick", store=tmp_path, progress=False)
    table = wb.compare(run, data).set_index("name")["recall@20"]
    assert table["sgl"] > 1.3 * max(table["untrained sgl"], table["popularity"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"drop": "edge"}, "did you mean 'edges'"),
        ({"drop_rate": 1.0}, "'drop_rate' is 1.0; it must be below 1"),
        ({"reduction": "max"}, "reduction"),
    ],
)
def test_mistakes_are_named(drawn: HeteroData, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("sgl", drawn, "small", store=tmp_path, progress=False, **changed)
