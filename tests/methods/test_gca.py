"""GCA: the facts that pin it to its paper and release."""

import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

import workbench as wb
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.methods import METHODS, configure
from workbench.methods.nodes.gca import GCA, GCAConfig, centrality, lack, users
from workbench.methods.nodes.two_views import kept_shares
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns


def model(graph: Data, method: str = "gca", **settings: Any) -> Any:
    torch.manual_seed(0)
    return METHODS.get(method)(configure(method, "small", "", settings)[1], graph, Randomness(0))


@pytest.fixture
def star() -> Data:
    leaves = torch.arange(1, 6)
    x = torch.eye(6)
    return Data(x=x, edge_index=to_undirected(torch.stack([leaves, 0 * leaves])), num_nodes=6)


def test_edges_into_the_hub_of_a_star_stay_and_the_others_go_most(star: Data) -> None:
    gca = model(star)
    # s is ln 5 for the five edges into the hub and 0 for the others; the mean of ln 5 - s is half of ln 5.
    assert gca.of_targets.tolist() == [0.0, *[2.0] * 5]
    kept = {True: 0, False: 0}
    for _ in range(50):
        for view in gca.views(star):
            dense = view.adjacency.to_dense() > 0
            kept[True] += int(dense[0, 1:].sum())
            kept[False] += int(dense[1:, 0].sum())
    assert kept[True] == 500 and kept[False] < 300  # dropped at min(0.7, 2 * 0.2) and min(0.7, 2 * 0.4)


def test_shares_of_views_that_keep_an_edge_or_a_column_are_counted(star: Data) -> None:
    star.edge_index = torch.cat([star.edge_index, torch.tensor([[3], [3]])], 1)
    counted, again = model(star), model(star)
    edges, columns = kept_shares(counted.views, star, draws=30)
    views = [again.views(star)[1] for _ in range(30)]
    dense = [view.adjacency.to_dense() > 0 for view in views]
    expected = [sum(bool(kept[target, source]) for kept in dense) / 30 for source, target in star.edge_index.T.tolist()]
    np.testing.assert_allclose(edges, expected, rtol=1e-6)
    np.testing.assert_allclose(columns, torch.stack([view.columns for view in views]).mean(0), rtol=1e-6)
    hub = star.edge_index[1] == 0
    assert (edges[hub] == 1).all() and edges[-1] == 1 and 0 < edges[~hub].min() < 0.6


def test_weights_are_those_that_loops_give(small_graph: Data) -> None:
    gca = model(small_graph)
    edges = [edge for edge in small_graph.edge_index.T.tolist() if edge[0] != edge[1]]
    degree = [sum(target == node for _, target in edges) for node in range(60)]
    s = [math.log(degree[target]) for _, target in edges]
    expected = [(max(s) - one) / (max(s) - sum(s) / len(s)) for one in s]
    targets = GraphTensors.of(small_graph).edge_index[1]
    np.testing.assert_allclose(gca.of_targets[targets], expected, rtol=1e-5)
    total = [sum(degree[i] for i in range(60) if small_graph.x[i, f] > 0) for f in range(40)]
    logs = [math.log(value) for value in total]
    mean = sum(logs) / len(logs)
    np.testing.assert_allclose(gca.of_columns, [(max(logs) - s) / (max(logs) - mean) for s in logs], rtol=1e-5)


def test_the_mean_rate_is_the_one_that_is_asked_for_where_no_cap_acts(small_graph: Data) -> None:
    gca = model(small_graph, centrality="pagerank")
    targets = GraphTensors.of(small_graph).edge_index[1]
    assert gca.of_targets[targets].mean().item() == pytest.approx(1, rel=1e-5)
    assert gca.of_columns.mean().item() == pytest.approx(1, rel=1e-5)


def test_centralities_are_those_of_networkx() -> None:
    graph = nx.karate_club_graph()
    edges = to_undirected(torch.tensor(list(graph.edges)).T)
    data, g = Data(edge_index=edges, num_nodes=34), torch.Generator().manual_seed(0)
    found = centrality("eigenvector", data, g)
    expected = nx.eigenvector_centrality_numpy(nx.Graph(list(graph.edges)))
    ordered = np.array([expected[node] for node in range(34)])
    np.testing.assert_allclose(found, ordered / ordered.max(), rtol=1e-8)
    rank = nx.pagerank(nx.Graph(list(graph.edges)), tol=1e-14, max_iter=1000)
    np.testing.assert_allclose(centrality("pagerank", data, g), [rank[node] for node in range(34)], rtol=1e-8)
    degree, dealt = (centrality(kind, data, g) for kind in ("degree", "shuffled"))
    assert degree.tolist() == [graph.degree(node) for node in range(34)]
    assert not torch.equal(degree, dealt) and torch.equal(degree.sort().values, dealt.sort().values)


def test_eigenvector_centrality_settles_on_a_bipartite_graph_and_is_positive_elsewhere(star: Data) -> None:
    edges = torch.cat([star.edge_index, torch.tensor([[6, 7], [7, 6]])], 1)
    found = centrality("eigenvector", Data(edge_index=edges, num_nodes=9), torch.Generator())
    torch.testing.assert_close(found[:6], torch.tensor([1.0, *[5**-0.5] * 5], dtype=torch.float64))
    assert (found[6:] > 0).all() and found[6:].max() < 1e-6


@pytest.mark.parametrize("kind", ["degree", "pagerank", "eigenvector", "shuffled"])
def test_with_equal_centralities_the_loss_is_that_of_grace_to_the_last_bit(kind: str) -> None:
    around = torch.arange(12)
    edge_index = to_undirected(torch.stack([around, (around + 1) % 12]))
    x = torch.stack([torch.roll(torch.tensor([1.0] * 3 + [0.0] * 9), shift) for shift in range(12)])
    graph = Data(x=x, edge_index=edge_index, num_nodes=12)
    gca, grace = model(graph, centrality=kind), model(graph, "grace")
    for _ in range(3):
        assert torch.equal(gca.step(graph).total, grace.step(graph).total)


def test_uniform_centrality_is_grace_and_others_are_not(small_graph: Data, tmp_path: Path) -> None:
    def loss(method: str, **more: Any) -> list[float]:
        run = wb.fit(method, small_graph, "small", store=tmp_path, progress=False, **more)
        return [float(value) for value in run.history["loss"]]

    grace = loss("grace")
    assert loss("gca", centrality="uniform") == grace
    found = [loss("gca", centrality=kind) for kind in ("degree", "pagerank", "eigenvector", "shuffled")]
    assert all(one != grace for one in found) and len({tuple(one) for one in found}) == 4


def test_an_unused_column_is_skipped_or_as_released_drops_all(small_graph: Data) -> None:
    graph = small_graph.clone()
    graph.x[:, 7] = 0
    skipped, released = (model(graph, unused=kind, feature_drop_1=0.0) for kind in ("skipped", "drops-all"))
    others = torch.arange(40) != 7
    assert skipped.of_columns[7] == 1 and skipped.of_columns[others].mean().item() == pytest.approx(1, rel=1e-5)
    assert skipped.views(graph)[0].columns.tolist() == [1.0] * 40
    dropped = torch.stack([1 - released.views(graph)[0].columns for _ in range(200)])
    assert 0.67 < dropped.mean() < 0.73  # three standard errors are 0.015
    full = model(small_graph, unused="drops-all")
    assert torch.equal(full.of_columns, model(small_graph).of_columns)


def test_edges_of_a_batch_have_the_rates_of_the_whole_graph(small_graph: Data) -> None:
    gca = model(small_graph, batch_size=20, most=0.9999999, edge_drop_1=0.999999)
    gca.of_targets = (torch.arange(60) % 2).float()  # edges into nodes of odd numbers go, the others stay
    for batch in gca.batches():
        kept = gca.views(batch)[0].adjacency.to_dense().fill_diagonal_(0) > 0
        rows, edges = batch.n_id % 2 == 0, GraphTensors.of(batch).adjacency().to_dense().fill_diagonal_(0) > 0
        assert torch.equal(kept, edges & rows[:, None])


def test_sparse_attributes_have_the_same_rates(small_graph: Data) -> None:
    central = centrality("degree", small_graph, torch.Generator())
    assert torch.equal(users(small_graph.x, central), users(small_graph.x.to_sparse_csr(), central))


def test_a_graph_without_edges_has_the_views_of_grace(small_graph: Data) -> None:
    bare = Data(x=small_graph.x, edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=60)
    assert torch.equal(model(bare).step(bare).total, model(bare, "grace").step(bare).total)


def test_equal_weights_and_things_outside_of_the_mean_are_1() -> None:
    assert lack(torch.tensor([3.0, 3.0, 9.0]), torch.tensor([2.0, 1.0, 0.0])).tolist() == [1.0, 1.0, 1.0]


def test_a_rate_for_each_draws_what_one_for_all_does_and_both_directions_share_the_mean() -> None:
    def g() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    assert torch.equal(keep_edges(999, 0.3, g()), keep_edges(999, torch.full((999,), 0.3), g()))
    assert torch.equal(keep_columns(999, 0.3, g()), keep_columns(999, torch.full((999,), 0.3), g()))
    pairs = torch.arange(500).repeat(2)
    rates = torch.cat([torch.full((500,), 0.1), torch.full((500,), 0.5)])
    kept = keep_edges(1000, rates, g(), pairs)
    assert torch.equal(kept[:500], kept[500:])
    assert torch.equal(kept, keep_edges(1000, 0.3, g(), pairs))


def test_the_activation_of_the_release_has_one_slope_and_is_exported() -> None:
    encoder = GCA.make_encoder(GCAConfig(activation="rrelu"), {"features": 3})
    assert isinstance(encoder, GCN)
    activation = encoder.activation
    assert activation(torch.tensor([-24.0, 1.0])).tolist() == pytest.approx([-5.5, 1.0])
    assert "LeakyReLU" in str(encoder.plain().layers)
