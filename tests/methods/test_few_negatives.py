"""few-negatives: its directions and hops against dense ones, its views, positives and loss by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.encoders import hops
from workbench.encoders.graph import GraphTensors
from workbench.encoders.hops import HopEncoder
from workbench.methods.nodes.few_negatives import FewNegatives, FewNegativesConfig
from workbench.randomness import Randomness


def model(graph: Data, **settings: object) -> FewNegatives:
    torch.manual_seed(0)
    small = {"cut": 5, "hidden": 8, "dim": 4, "anchors": 20, "negatives": "uniform", "k": 6}
    return FewNegatives(FewNegativesConfig.from_flat(small | settings), graph, Randomness(0))


def smoothed(graph: Data, step: int) -> np.ndarray:
    """Return Â^step · X by dense matrices, a target collecting from its sources [nodes, features]."""
    nodes = graph.num_nodes
    a = np.eye(nodes)
    for source, target in graph.edge_index.T.tolist():
        if source != target:
            a[target, source] += 1
    root = np.diag(a.sum(1) ** -0.5)
    x = graph.x.to_dense().double().numpy()
    return np.linalg.matrix_power(root @ a @ root, step) @ x


@pytest.fixture(params=["undirected", "directed", "sparse"])
def graph(request: pytest.FixtureRequest, small_graph: Data) -> Data:
    edges = small_graph.edge_index[:, ::2] if request.param == "directed" else small_graph.edge_index
    x = small_graph.x.to_sparse_csr() if request.param == "sparse" else small_graph.x
    return Data(x=x, edge_index=edges, num_nodes=small_graph.num_nodes)


@pytest.mark.parametrize("looked_at", [4, 0])
def test_directions_are_the_main_ones_of_each_distance(
    graph: Data, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hops, "EXACT", looked_at)  # with 0 they are sought by products alone
    encoder = HopEncoder(graph.x.shape[1], (0, 1, 2, 4), 5, 8, 4)
    encoder.settle(GraphTensors.of(graph), torch.Generator().manual_seed(0))
    for step in encoder.steps:
        dense, found = smoothed(graph, step), getattr(encoder, f"directions_{step}").double().numpy()
        np.testing.assert_allclose(found.T @ found, np.eye(5), atol=1e-4)
        kept, most = np.linalg.norm(dense @ found), np.linalg.norm(np.linalg.svd(dense)[1][:5])
        assert kept == pytest.approx(most, rel=1e-3)
    parts = encoder.hops(GraphTensors.of(graph)).split(5, 1)
    for step, part in zip(encoder.steps, parts, strict=True):
        cut = smoothed(graph, step) @ getattr(encoder, f"directions_{step}").double().numpy()
        np.testing.assert_allclose(part, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-4)


def test_fewer_attributes_than_directions_are_kept_as_they_are(small_graph: Data) -> None:
    encoder = HopEncoder(small_graph.x.shape[1], (0, 2), 256, 8, 4)
    encoder.settle(GraphTensors.of(small_graph), torch.Generator())
    wanted = torch.cat([torch.from_numpy(smoothed(small_graph, step)).float() for step in (0, 2)], 1)
    found = encoder.hops(GraphTensors.of(small_graph))
    torch.testing.assert_close(found, torch.cat([normalize(part) for part in wanted.chunk(2, 1)], 1))


@pytest.mark.parametrize(("longest", "steps"), [(0, (0,)), (1, (0, 1)), (3, (0, 1, 2)), (4, (0, 1, 2, 4))])
def test_distances_double(longest: int, steps: tuple[int, ...]) -> None:
    assert FewNegativesConfig(farthest=longest).steps == steps


def test_a_view_keeps_a_distance_and_about_as_many_columns_as_its_rates_say(small_graph: Data) -> None:
    tested = model(small_graph, hop_drop=0.9, feature_drop=0.2)
    views = [tested.seen() for _ in range(500)]
    distances = [(columns // 5).unique() for columns in views if len(columns)]
    assert len(distances) >= 495 and {len(each) for each in distances} >= {1, 2}
    # One distance always stays, each of the other three at a tenth of the times.
    assert np.mean([len(columns) for columns in views]) / 20 == pytest.approx(0.8 * (1 + 3 * 0.1) / 4, rel=0.1)
    everything = model(small_graph, hop_drop=0.0, feature_drop=0.0).seen()
    assert torch.equal(everything, torch.arange(20))


def test_hidden_columns_count_as_zero(small_graph: Data) -> None:
    tested, columns = model(small_graph).eval(), torch.tensor([0, 3, 7, 19])
    zeroed = torch.zeros_like(tested.cached)
    zeroed[:, columns] = tested.cached[:, columns]
    torch.testing.assert_close(tested.encoder(tested.cached[:, columns], columns), tested.encoder(zeroed))


def test_positives_are_in_neighbours_or_the_node_itself(small_graph: Data) -> None:
    directed = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, ::3], num_nodes=60)
    sources = [set() for _ in range(60)]
    for source, target in directed.edge_index.T.tolist():
        sources[target].add(source)
    tested, everyone = model(directed, alone=0.25), torch.arange(60)
    drawn = torch.stack([tested.positives(everyone) for _ in range(400)])
    for node in range(60):
        others = drawn[:, node][drawn[:, node] != node]
        assert set(others.tolist()) == sources[node] - {node}
        if sources[node] - {node} and node not in sources[node]:
            assert len(others) / 400 == pytest.approx(0.75, abs=0.1)
    assert torch.equal(model(directed, alone=0.999).positives(everyone)[:5], everyone[:5])


def test_the_loss_is_the_one_that_loops_give(small_graph: Data) -> None:
    tested = model(small_graph, feature_drop=0.0, hop_drop=0.0)
    (batch,) = tested.batches()
    assert len(set(batch.n_id.tolist())) == 20
    step = tested.step(batch)
    u, v = (normalize(rows.detach().double()).tolist() for rows in step.kept["projections"])
    chosen = step.kept["contrast"].candidates.tolist()
    assert len(chosen) == 6
    losses = []
    for own, other in ((u, v), (v, u)):
        for i, row in enumerate(own):
            s = [sum(a * b for a, b in zip(row, each, strict=True)) / 0.5 for each in other]
            losses.append(math.log(math.exp(s[i]) + sum(math.exp(s[j]) for j in chosen if j != i)) - s[i])
    assert float(step.total.detach()) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_negatives_and_anchors_are_drawn_anew(small_graph: Data) -> None:
    tested = model(small_graph)
    batches = [next(iter(tested.batches())) for _ in range(2)]
    assert not torch.equal(batches[0].n_id, batches[1].n_id)
    chosen = [tested.step(batches[0]).kept["contrast"].candidates for _ in range(2)]
    assert not torch.equal(*chosen)


def test_the_hops_themselves_stand_first_in_the_embedding(small_graph: Data) -> None:
    tested = model(small_graph).eval()
    embedding = tested.embed(small_graph)
    assert torch.equal(embedding[:, :20], tested.encoder.hops(GraphTensors.of(small_graph)))
    torch.testing.assert_close(embedding[:, 20:].norm(dim=1), torch.ones(60))
