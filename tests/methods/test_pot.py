"""POT: its bounds against every drop of edges and against loops, and that without weight it is its host."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

import workbench as wb
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.methods.nodes.bounds import Bound, Box, Lines, form, lowest
from workbench.methods.nodes.pot import HOSTS
from workbench.randomness import Randomness

RATE = 0.5
BOUNDS: tuple[Bound, ...] = ("official", "exact", "certified")


def made(seed: int, activation: Any = "relu") -> tuple[Data, GCN, Tensor]:
    """Return a graph of 5 nodes, an encoder of it, and a form for each node."""
    g = torch.Generator().manual_seed(seed)
    edge_index = to_undirected(torch.randint(5, (2, 6), generator=g))
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    graph = Data(x=torch.randn(5, 3, generator=g), edge_index=edge_index, num_nodes=5)
    encoder = GCN((3, 4, 2), activation)
    for weights in [*encoder.weights, *encoder.biases]:
        weights.data = torch.randn(weights.shape, generator=g)
    return graph, encoder, form(torch.randn(5, 2, generator=g))


def bounded(graph: Data, encoder: GCN, held: Tensor, bound: Bound, rate: float = RATE) -> Tensor:
    view = GraphTensors.of(graph).whole
    degree = view.adjacency.crow_indices().diff() - 1
    with torch.no_grad():
        return lowest(encoder, view, Box.of(view, degree, rate, bound != "official"), held, bound)


def every_value(graph: Data, encoder: GCN, held: Tensor) -> Tensor:
    """Return the form of each node for each way of dropping edges within the rate [ways, nodes]."""
    source, target = graph.edge_index
    ways = []
    for node in range(graph.num_nodes):
        edges = (target == node).nonzero()[:, 0].tolist()
        most = min(max(len(edges) - 1, 0), round(RATE * len(edges)))
        ways.append([lost for count in range(most + 1) for lost in itertools.combinations(edges, count)])
    values = []
    for way in itertools.product(*ways):
        keep = torch.ones(len(source))
        keep[[edge for lost in way for edge in lost]] = 0
        view = View(graph.x, None, GraphTensors.of(graph).adjacency(keep))
        with torch.no_grad():
            values.append((encoder(view) * held).sum(1))
    return torch.stack(values)


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_no_drop_of_edges_gets_below_the_certified_bound_and_some_below_the_official_one(activation: str) -> None:
    below = {bound: 0 for bound in BOUNDS}
    for seed in range(6):
        graph, encoder, held = made(seed, activation)
        least = every_value(graph, encoder, held).amin(0)
        for bound in BOUNDS:
            below[bound] += int((least < bounded(graph, encoder, held, bound) - 1e-5).sum())
    assert below["certified"] == 0 and below["official"] > 0 and below["exact"] > 0, below


@pytest.mark.parametrize("bound", ["exact", "certified"])
def test_where_no_edge_can_be_lost_the_bound_is_the_value(bound: Bound) -> None:
    for seed, activation in ((0, "relu"), (1, "prelu")):
        graph, encoder, held = made(seed, activation)
        value = (encoder(GraphTensors.of(graph).whole) * held).sum(1).detach()
        torch.testing.assert_close(bounded(graph, encoder, held, bound, rate=0.0), value, rtol=1e-4, atol=1e-5)
        assert (bounded(graph, encoder, held, bound) < value - 1e-3).any()


def looped(graph: Data, encoder: GCN, held: Tensor, bound: Bound) -> Tensor:
    """Return the bounds that are no certificate, entry by entry."""
    n, (w1, w2), (b1, b2) = 5, encoder.weights, encoder.biases
    links = torch.zeros(n, n)
    links[graph.edge_index[1], graph.edge_index[0]] = 1
    d = links.sum(1)
    lost = [min(max(float(d[i]) - 1, 0), round(RATE * float(d[i]))) for i in range(n)]
    clean, low, high = torch.zeros(3, n, n)
    for i, j in itertools.product(range(n), repeat=2):
        if i == j or links[i, j]:
            clean[i, j] = ((d[i] + 1) * (d[j] + 1)) ** -0.5
            high[i, j] = ((d[i] + 1 - lost[i]) * (d[j] + 1 - lost[j])) ** -0.5
            low[i, j] = clean[i, j] if i == j or (bound == "exact" and lost[i] == 0) else 0
    first = graph.x @ w1
    second = encoder.activation(clean @ first + b1) @ w2

    def lines(mixed: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        slope, offset = torch.zeros(2, *mixed.shape)
        for i, c in itertools.product(range(n), range(mixed.shape[1])):
            ends = [sorted((float(low[i, j] * mixed[j, c]), float(high[i, j] * mixed[j, c]))) for j in range(n)]
            least, most = (sum(end[side] for end in ends) + float(bias[c]) for side in (0, 1))
            if least >= 0:
                slope[i, c] = 1
            elif most > 0:
                slope[i, c], offset[i, c] = most / (most - least), -most * least / (most - least)
        return slope, offset

    (s1, o1), (s2, o2) = lines(first, b1), lines(second, b2)
    sums, back, found = clean @ first + b1, (held * s2) @ w2.T, []
    for i in range(n):
        total = sum(float(held[i, c]) * (float(s2[i, c] * b2[c]) + float(o2[i, c]) * (held[i, c] < 0)) for c in (0, 1))
        for j, k in itertools.product(range(n), range(4)):
            weight = back[i if bound == "exact" else j, k]
            total += float(clean[i, j] * weight * (s1[j, k] * sums[j, k] + (o1[j, k] if weight < 0 else 0)))
        found.append(total)
    return torch.tensor(found)


@pytest.mark.parametrize("bound", ["official", "exact"])
def test_bounds_that_are_no_certificate_are_those_that_loops_give(bound: Bound) -> None:
    for seed in range(3):
        graph, encoder, held = made(seed)
        with torch.no_grad():
            wanted = looped(graph, encoder, held, bound)
        torch.testing.assert_close(bounded(graph, encoder, held, bound), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", BOUNDS)
def test_an_isolated_node_has_its_value_by_hand(bound: Bound) -> None:
    graph = Data(x=torch.tensor([[1.0, 2.0]]), edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=1)
    encoder = GCN((2, 2, 2))
    for weight in encoder.weights:
        weight.data = torch.eye(2)
    assert bounded(graph, encoder, torch.tensor([[3.0, -1.0]]), bound).item() == pytest.approx(1.0)


def test_lines_enclose_the_activation() -> None:
    low, high = torch.tensor([[-2.0], [-3.0], [1.0]]), torch.tensor([[1.0], [-1.0], [2.0]])
    for slope in (0.0, 0.25):
        lines = Lines.of(low, high, slope)
        for x in (low + (high - low) * share for share in torch.linspace(0, 1, 11)):
            value = torch.where(x >= 0, x, slope * x)
            assert (lines.slope * x <= value + 1e-6).all() and (value <= lines.slope * x + lines.offset + 1e-6).all()


def test_a_node_is_held_against_its_row_less_the_mean_of_the_others() -> None:
    other = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    unit = other / other.norm(dim=1, keepdim=True)
    held = form(other)
    for i in range(4):
        torch.testing.assert_close(held[i], unit[i] - sum(unit[j] for j in range(4) if j != i) / 3)
    random = form(other, torch.Generator().manual_seed(0))
    torch.testing.assert_close(random.norm(dim=1), held.norm(dim=1))
    assert not torch.allclose(random, held)


@pytest.mark.parametrize("host", HOSTS)
def test_without_weight_it_is_its_host_to_the_bit_and_with_it_another(
    host: str, small_graph: Data, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"start": 1} if host == "progcl" else {}
    settings |= {"negatives": "uniform", "k": 5, "centrality": "degree"}
    own = {name: value for name, value in settings.items() if name in METHODS.get(host).Config.types()}
    shared = {"tau": 0.9, "edge_drop_1": 0.4, "edge_drop_2": 0.3, "feature_drop_1": 0.1, "feature_drop_2": 0.0}
    same = {"lr": 0.01, "weight_decay": 1e-5, **shared}
    plain = wb.fit(host, small_graph, "small", store=tmp_path, progress=False, **own, **same)
    runs = [
        wb.fit("pot", small_graph, "small", store=tmp_path, progress=False, host=host, kappa=kappa, **settings, **same)
        for kappa in (0.0, 0.4)
    ]
    assert torch.equal(runs[0].embeddings, plain.embeddings) and "compactness" not in runs[0].history
    assert not torch.equal(runs[1].embeddings, plain.embeddings)
    row = runs[1].history.iloc[0]
    assert row["loss"] == pytest.approx(0.6 * row["contrast"] + 0.4 * row["compactness"], rel=1e-5)


def test_a_batch_with_all_neighbours_has_the_bounds_of_the_whole_graph(small_graph: Data) -> None:
    config = configure("pot", "small", "", {"batch_size": 20, "neighbours": 1000})[1]
    model = METHODS.get("pot")(config, small_graph, Randomness(0))
    held = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    for bound in ("exact", "certified"):
        whole = bounded(small_graph, model.encoder, held, bound, 0.4)  # type: ignore[arg-type]
        for batch in model.batches():
            anchors, view = batch.n_id[: batch.batch_size], GraphTensors.of(batch).whole
            found = lowest(model.encoder, view, model.boxes(batch)[0], held[anchors], bound)  # type: ignore
            torch.testing.assert_close(found, whole[anchors], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": 1}, "layers is 1; the bound is of two graph convolutions"),
        ({"bound": "official", "batch_size": 20}, "bound='exact' and 'certified' take batch_size"),
        ({"host": "progcl"}, "choose negatives='uniform' and k"),
        ({"host": "dgi"}, "'host' 'dgi' of method 'pot'; valid: costa, gca"),
    ],
)
def test_what_has_no_bound_is_refused(settings: dict[str, Any], message: str, small_graph: Data) -> None:
    with pytest.raises(UserError, match=message):
        wb.fit("pot", small_graph, "small", progress=False, **settings)
