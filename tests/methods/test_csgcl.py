"""CSGCL: the facts that pin it to its paper and release."""

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
from workbench.contrast import Contrast
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.methods.nodes.communities import of_nodes, strengths
from workbench.methods.nodes.csgcl import column_weights, edge_weights
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness


def model(graph: Data, method: str = "csgcl", epoch: int = 0, **settings: Any) -> Any:
    torch.manual_seed(0)
    made: Any = METHODS.get(method)(configure(method, "small", "", settings)[1], graph, Randomness(0))
    made.before_epoch(epoch, None)
    return made


def found(graph: Data, kind: str = "communities", seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    nodes = int(graph.num_nodes or 0)
    return of_nodes(kind, graph.edge_index, nodes, torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


@pytest.fixture
def path() -> Data:
    return Data(x=torch.eye(4), edge_index=to_undirected(torch.tensor([[0, 1, 2], [1, 2, 3]])), num_nodes=4)


def test_a_path_of_four_nodes_has_the_strengths_and_rates_of_the_hand_check(path: Data) -> None:
    communities = torch.tensor([0, 0, 1, 1])
    strength = strengths(torch.tensor([[0, 1, 2], [1, 2, 3]]), communities)
    torch.testing.assert_close(strength, torch.tensor([1 / 12, 1 / 12], dtype=torch.float64))
    weights = edge_weights(torch.tensor([[0, 1, 2], [1, 2, 3]]), communities, strength[communities])
    torch.testing.assert_close(weights, torch.tensor([1 / 12, -1 / 6, 1 / 12], dtype=torch.float64))
    csgcl = model(path, edge_drop_1=0.3)
    assert csgcl.communities[0] == csgcl.communities[1] != csgcl.communities[2] == csgcl.communities[3]
    edges = path.edge_index[:, ((path.edge_index > 1).sum(0) != 1)]
    for _ in range(30):  # within a community all stay, at min(1, 1.05); between the two none does
        kept = csgcl.views(path)[0].adjacency.to_dense().fill_diagonal_(0) > 0
        assert kept.sum() == 4 and kept[edges[0], edges[1]].all()


def test_edges_stay_at_the_rate_that_a_loop_gives(small_graph: Data) -> None:
    csgcl, rates = model(small_graph, edge_drop_1=0.2), []
    communities, c = csgcl.communities.tolist(), csgcl.strength.tolist()
    edges = [(a, b) for a, b in small_graph.edge_index.T.tolist() if a != b]
    raw = [c[a] if communities[a] == communities[b] else -(c[a] + c[b]) for a, b in edges]
    u = [(one - min(raw)) / (max(raw) - min(raw)) for one in raw]
    keep = [min(max(one / (sum(u) / len(u)) * 0.8, 0), 1) for one in u]
    for _ in range(200):
        dense = csgcl.views(small_graph)[0].adjacency.to_dense() > 0
        rates.append(torch.stack([dense[b, a] for a, b in edges]).float())
    shares = torch.stack(rates).mean(0)
    assert (shares - torch.tensor(keep)).abs().max() < 0.15  # over four standard errors of 0.035
    assert max(keep) == 1 and min(keep) == 0


def test_columns_are_dropped_at_the_rate_that_a_loop_gives() -> None:
    x = torch.tensor([[1.0, 0, 0, 0, 2], [1, -3, 0, 0, 0], [0, 0, 0, 1, 0]])
    strength = torch.tensor([0.2, 0.1, -0.1], dtype=torch.float64)
    # Weights 0.3, 0.3, 0, -0.1 and 0.4; zero counts as the highest, less as the lowest of the others.
    logs = [math.log(weight) for weight in (0.3, 0.3, 0.4, 0.3, 0.4)]
    v = [(max(logs) - one) / (max(logs) - min(logs)) for one in logs]
    np.testing.assert_allclose(column_weights(x, strength), [one / (sum(v) / 5) for one in v], rtol=1e-9, atol=1e-9)
    assert torch.equal(column_weights(x, strength), column_weights(x.to_sparse_csr(), strength))
    assert column_weights(x, 0 * strength).tolist() == [1.0] * 5


def test_strengths_sum_to_the_modularity_and_none_is_above_a_quarter() -> None:
    graph = nx.karate_club_graph()
    graph.add_edge(3, 3)
    edges = torch.tensor([*nx.Graph(list(graph.edges)).edges]).T
    both = Data(edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=34)  # the loop is stored twice
    communities, each = found(both)
    groups = [set((communities == k).nonzero()[:, 0].tolist()) for k in range(int(communities.max()) + 1)]
    values = [float(each[communities == k][0]) for k in range(len(groups))]
    modularity = nx.community.modularity(nx.Graph(list(graph.edges)), groups)
    assert sum(values) == pytest.approx(modularity, rel=1e-12) and max(values) <= 0.25 and len(groups) > 1


def test_an_isolated_node_has_no_strength_and_communities_depend_on_the_seed_alone(small_graph: Data) -> None:
    first, again = found(small_graph), found(small_graph)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert first[1][58:].tolist() == [0.0, 0.0]


def test_placebos_have_the_same_strengths_elsewhere(small_graph: Data) -> None:
    (communities, real), (_, other), (_, degree) = (
        found(small_graph, kind) for kind in ("communities", "permuted", "degree")
    )
    assert not torch.equal(real, other) and other[58:].tolist() == [0.0, 0.0]
    by_community = [
        {float(values[communities == k].unique().item()) for k in communities.unique()} for values in (real, other)
    ]
    assert by_community[0] == by_community[1]
    count = nx.Graph(small_graph.edge_index.T.tolist()).degree
    ratio = float(degree.max()) / max(count[node] for node in range(58))
    assert degree.max() == real.max() and degree[0].item() == pytest.approx(ratio * count[0])


def test_the_term_of_the_anchor_cancels_and_only_differences_act() -> None:
    g = torch.Generator().manual_seed(0)
    u, v = (torch.randn(7, 4, generator=g, dtype=torch.float64) for _ in range(2))
    c, gamma, tau = torch.rand(7, generator=g, dtype=torch.float64) / 4, 3.0, 0.5
    loss = infonce(Contrast(tau, bias=gamma / tau * c), u, v)
    torch.testing.assert_close(loss, infonce(Contrast(tau, bias=gamma / tau * (c + 0.1)), u, v))
    a, b = (torch.nn.functional.normalize(one, dim=1) for one in (u, v))
    for i in range(7):
        both = []
        for one, other in ((a, b), (b, a)):
            pair = [math.exp(float(one[i] @ other[j]) / tau + gamma * float(c[i] + c[j]) / tau) for j in range(7)]
            own = [
                math.exp(float(one[i] @ one[j]) / tau + gamma * float(c[i] + c[j]) / tau) for j in range(7) if j != i
            ]
            both.append(-math.log(pair[i] / (sum(pair) + sum(own))))
        assert loss[i].item() == pytest.approx(sum(both) / 2)
    assert not torch.allclose(loss, infonce(Contrast(tau), u, v))


def test_the_weight_of_the_strengths_grows_from_the_start_on(small_graph: Data) -> None:
    weights = [model(small_graph, epoch=epoch, start=20, gamma=0.5).weight for epoch in (0, 20, 45, 70, 500)]
    assert weights == [0.0, 0.0, 0.25, 0.5, 0.5]
    biased = model(small_graph, epoch=50)
    bias = biased.step(small_graph).kept["contrast"].bias
    torch.testing.assert_close(bias, 0.5 * biased.strength / biased.config.tau)
    assert model(small_graph, epoch=0).step(small_graph).kept["contrast"].bias is None


def test_with_one_community_it_is_grace_to_the_last_bit() -> None:
    edges = torch.combinations(torch.arange(6)).T
    graph = Data(x=torch.eye(6), edge_index=to_undirected(edges), num_nodes=6)
    csgcl, grace = model(graph, epoch=100), model(graph, "grace")
    assert len(csgcl.communities.unique()) == 1 and csgcl.weight == 1
    for _ in range(3):
        assert torch.equal(csgcl.step(graph).total, grace.step(graph).total)


def test_views_and_bias_are_switched_apart(small_graph: Data, tmp_path: Path) -> None:
    def loss(method: str, **more: Any) -> list[float]:
        run = wb.fit(method, small_graph, "small", store=tmp_path, progress=False, **more)
        return [float(value) for value in run.history["loss"]]

    grace, neither = loss("grace"), loss("csgcl", adaptive=False, gamma=0.0)
    assert neither == grace
    views, bias, both = loss("csgcl", gamma=0.0), loss("csgcl", adaptive=False), loss("csgcl")
    assert bias[0] == grace[0] and bias[1:] != grace[1:]  # it is 0 in the first epoch
    assert views[0] == both[0] != grace[0] and views[1:] != both[1:]
    assert loss("csgcl", strength="permuted") != both != loss("csgcl", strength="degree")


def test_a_batch_has_the_strengths_of_the_whole_graph(small_graph: Data) -> None:
    csgcl = model(small_graph, epoch=50, batch_size=20, neighbours=1000, edge_drop_1=0.0)
    for batch in csgcl.batches():
        contrast, anchors = csgcl.step(batch).kept["contrast"], batch.n_id[: batch.batch_size]
        torch.testing.assert_close(contrast.bias, 0.5 / csgcl.config.tau * csgcl.strength[anchors])
    # With equal strengths, edges within a community stay and those between two go.
    csgcl.strength, csgcl.least, csgcl.span, csgcl.mean = torch.full((60,), 0.1), -0.2, 0.3, 0.1
    for batch in csgcl.batches():
        kept = csgcl.views(batch)[0].adjacency.to_dense().fill_diagonal_(0) > 0
        edges = GraphTensors.of(batch).adjacency().to_dense().fill_diagonal_(0) > 0
        group = csgcl.communities[batch.n_id]
        assert torch.equal(kept, edges & (group[:, None] == group)) and not torch.equal(kept, edges)


def test_chosen_negatives_are_biased_too_and_an_objective_without_bias_is_refused(small_graph: Data) -> None:
    csgcl = model(small_graph, epoch=50, negatives="uniform", k=5)
    contrast = csgcl.step(small_graph).kept["contrast"]
    assert contrast.candidates.shape[-1] == 5 and len(contrast.bias) == 60
    with pytest.raises(UserError, match="'cacr' takes no strengths; set gamma=0"):
        model(small_graph, objective="cacr")
    assert model(small_graph, objective="cacr", gamma=0.0).step(small_graph).total.isfinite()


def test_a_graph_without_edges_has_the_loss_of_grace(small_graph: Data) -> None:
    bare = Data(x=small_graph.x, edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=60)
    assert torch.equal(model(bare).step(bare).total, model(bare, "grace").step(bare).total)
