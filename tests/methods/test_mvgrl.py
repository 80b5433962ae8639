"""MVGRL: the facts that pin it to its paper and release."""

import math
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

import workbench as wb
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.mvgrl import MVGRL, MVGRLConfig
from workbench.randomness import Randomness
from workbench.views import diffusion
from workbench.views.diffusion import personalised_pagerank

EXACT = {"steps": 100, "entries": 1000}


def model(graph: Data, **parameters: object) -> MVGRL:
    torch.manual_seed(0)
    return MVGRL(MVGRLConfig(**{"dim": 8, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, **more: object) -> wb.Run:
    return wb.fit("mvgrl", graph, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def directed(nodes: int = 12) -> Data:
    g = torch.Generator().manual_seed(2)
    return Data(x=torch.rand(nodes, 5, generator=g), edge_index=torch.randint(nodes, (2, 30), generator=g))


@pytest.mark.parametrize("block", [1 << 22, 30])
def test_the_diffusion_is_the_series_and_the_inverse(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(diffusion, "BLOCK", block)
    adjacency = GraphTensors(directed()).adjacency()
    dense, one = adjacency.to_dense().double(), torch.eye(12, dtype=torch.float64)
    found = personalised_pagerank(adjacency, 0.2, 100, 12).to_dense().double()
    series = sum(0.2 * 0.8**k * torch.linalg.matrix_power(dense, k) for k in range(100))
    torch.testing.assert_close(found, series, atol=1e-6, rtol=0)
    torch.testing.assert_close(found, 0.2 * torch.linalg.inv(one - 0.8 * dense), atol=1e-6, rtol=0)
    few = personalised_pagerank(adjacency, 0.2, 3, 12).to_dense().double()
    first = sum(0.2 * 0.8**k * torch.linalg.matrix_power(dense, k) for k in range(3))
    torch.testing.assert_close(few, first + 0.8**3 * torch.linalg.matrix_power(dense, 3), atol=1e-6, rtol=0)


def test_of_each_row_the_largest_entries_are_kept() -> None:
    adjacency = GraphTensors(directed()).adjacency()
    whole, cut = (personalised_pagerank(adjacency, 0.2, 10, entries).to_dense() for entries in (12, 4))
    for row, kept in zip(whole, cut, strict=True):
        assert sorted(kept[kept > 0].tolist()) == sorted(row[row > 0].tolist())[-4:]
        assert torch.equal(kept[kept > 0], row[kept > 0])


@pytest.mark.parametrize("steps", [1, 10])
def test_rows_sum_to_1_on_a_regular_graph_and_without_edges_the_diffusion_changes_nothing(steps: int) -> None:
    ring = to_undirected(torch.stack([torch.arange(9), (torch.arange(9) + 1) % 9]))
    sums = personalised_pagerank(GraphTensors(Data(x=torch.eye(9), edge_index=ring)).adjacency(), 0.2, steps, 9)
    torch.testing.assert_close(sums.to_dense().sum(1), torch.ones(9))
    bare = GraphTensors(Data(x=torch.eye(9), edge_index=ring[:, :0])).adjacency()
    torch.testing.assert_close(personalised_pagerank(bare, 0.2, steps, 4).to_dense(), torch.eye(9))


def test_nodes_are_judged_by_the_summary_of_the_other_view(small_graph: Data) -> None:
    mvgrl = model(small_graph)
    h = torch.randn(4, 20, 8, generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(mvgrl.matrix)
    torch.nn.init.normal_(mvgrl.bias)
    with torch.no_grad():
        first, second = h[0].mean(0).sigmoid(), h[1].mean(0).sigmoid()
        pairs = [(h[1], first, 1), (h[0], second, 1), (h[3], first, -1), (h[2], second, -1)]
        logits = [sign * (row @ mvgrl.matrix @ c + mvgrl.bias) for rows, c, sign in pairs for row in rows]
        slow = sum(-logit.sigmoid().log() for logit in logits) / 80
        torch.testing.assert_close(mvgrl.judge(*h), slow.squeeze())
        mvgrl.matrix.zero_()
        mvgrl.bias.zero_()
        assert mvgrl.step(mvgrl.inputs).total.item() == pytest.approx(math.log(2), abs=1e-6)


def test_the_second_encoder_sees_the_diffusion_and_the_sum_embeds(small_graph: Data) -> None:
    mvgrl, adjacency = model(small_graph, **EXACT), GraphTensors.of(small_graph).adjacency().to_dense()
    diffused = 0.2 * torch.linalg.inv(torch.eye(60) - 0.8 * adjacency)
    expected = torch.zeros(60, 8)
    for encoder, matrix in ((mvgrl.encoder.first, adjacency), (mvgrl.encoder.second, diffused)):
        expected += encoder.activation(matrix @ small_graph.x @ encoder.weights[0])
    torch.testing.assert_close(mvgrl.embed(small_graph), expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(mvgrl.encoder.first.weights[0], mvgrl.encoder.second.weights[0])
    made = mvgrl.online.diffused(mvgrl.inputs)
    assert mvgrl.online.diffused(mvgrl.inputs) is made is mvgrl.encoder.diffused(mvgrl.inputs)
    control = model(small_graph, second_view="adjacency")
    assert control.online.diffused(small_graph) is GraphTensors.of(small_graph).whole.adjacency


@pytest.mark.parametrize("changed", [{}, {"entries": 5}, {"second_view": "adjacency"}])
def test_an_exported_encoder_gives_the_embedding(small_graph: Data, tmp_path: Path, changed: dict) -> None:
    run = fit(small_graph, tmp_path / "runs", **changed)
    run.export(tmp_path / "plain")
    space: dict = {"__file__": str(tmp_path / "plain" / "encoder.py"), "__name__": "plain"}
    exec(compile((tmp_path / "plain" / "encoder.py").read_text(), "encoder.py", "exec"), space)
    with torch.no_grad():
        embedded = space["load"]()(small_graph.x, small_graph.edge_index)
    # Where entries of a row are equal, either may be cut.
    same = (embedded - run.embeddings).abs().amax(1) < 1e-5
    assert same.all() if "entries" not in changed else same.float().mean() > 0.9


def test_a_batch_cuts_the_diffusion_to_the_nodes_at_hand(small_graph: Data) -> None:
    mvgrl = model(small_graph, batch_size=20, neighbours=2)
    whole = mvgrl.online.diffused(mvgrl.inputs).to_dense()
    for batch in mvgrl.batches():
        anchors = mvgrl.sampled_anchors(batch)
        assert anchors is not None
        found = mvgrl.cut(mvgrl.online.diffused(mvgrl.inputs), anchors, batch.n_id).to_dense()
        assert torch.equal(found, whole[anchors][:, batch.n_id])
        assert mvgrl.step(batch).total.isfinite()


def test_nothing_is_learned_from_a_corruption_that_changes_nothing(small_graph: Data, tmp_path: Path) -> None:
    settings = {"epochs": 60, "lr": 0.01, "patience": 0}
    control = fit(small_graph, tmp_path, corruption="identity", **settings)
    assert control.history["loss"].min() >= math.log(2) - 1e-6
    assert fit(small_graph, tmp_path, **settings).history["loss"].iloc[-1] < 0.6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teleport": 1.5}, "'teleport' is 1.5; it must be at most 1"),
        ({"entries": 0}, "'entries' is 0; it must be at least 1"),
        ({"second_view": "adjacent"}, "did you mean 'adjacency'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
