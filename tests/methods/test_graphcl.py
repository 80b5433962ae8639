"""GraphCL: the facts that pin it to its paper and release."""

import math
from pathlib import Path

import networkx
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_networkx

import workbench as wb
from workbench.contrast.pairs import Contrast
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.kinds import kind_of
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.methods.graph_sets.graphcl import GraphCL, GraphCLConfig
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.graphs import Graphs, grown


def model(data: GraphSet, **parameters: object) -> GraphCL:
    torch.manual_seed(0)
    config = GraphCLConfig(**{"dim": 8, "layers": 2, **parameters})
    return GraphCL(config, kind_of(data).inputs(data), Randomness(0))


def whole(data: GraphSet) -> Graphs:
    batch = Batch.from_data_list(data)
    return Graphs(batch.x, batch.edge_index, batch.batch, batch.ptr.diff())


def pairs(graphs: Graphs) -> set[tuple[int, int]]:
    return {*map(tuple, graphs.edge_index.T.tolist())}


def test_the_loss_of_a_batch_is_that_of_a_loop_and_of_its_closed_form() -> None:
    data = rings(graphs=7)
    learner, batch = model(data, view="identity"), Batch.from_data_list(data)
    learner.eval()
    with torch.no_grad():
        step = learner.step(batch)
    u, v = (torch.nn.functional.normalize(one) for one in step.kept["projections"])
    assert torch.equal(u, v)
    slow = []
    for i in range(7):
        scores = [math.exp(float(u[i] @ v[j]) / 0.2) for j in range(7)]
        slow.append(-math.log(scores[i] / (sum(scores) - scores[i])))
    assert float(step.total) == pytest.approx(sum(slow) / 7, abs=1e-4)
    apart = infonce(Contrast(0.2, paired=False), torch.eye(9), torch.eye(9), positive_weight=0.0)
    torch.testing.assert_close(apart, torch.full((9,), math.log(8) - 5))


def test_views_lose_and_change_what_they_say() -> None:
    data = rings(graphs=20)
    graphs = whole(data)
    few = graphs.nodes // 10
    dropped = model(data, view="nodes").copy(graphs)
    assert torch.equal(dropped.nodes, graphs.nodes - few) and int(few.min()) > 0
    noisy = model(data, view="attributes").copy(graphs)
    changed = torch.bincount(graphs.owner[(noisy.x != graphs.x).any(1)], minlength=20)
    assert torch.equal(changed, few) and torch.equal(noisy.edge_index, graphs.edge_index)
    removed = model(data, view="edges").copy(graphs)
    each = torch.bincount(graphs.owner[graphs.edge_index[0]]) // 2 // 10
    assert pairs(removed) < pairs(graphs) and len(pairs(graphs)) - len(pairs(removed)) == 2 * int(each.sum())
    swapped = model(data, view="edges", swap=True).copy(graphs)
    assert len(pairs(swapped) - pairs(graphs)) == len(pairs(graphs) - pairs(swapped)) == 2 * int(each.sum())
    assert all((b, a) in pairs(swapped) for a, b in pairs(swapped))


def test_views_as_released_keep_what_should_go_and_break_symmetry() -> None:
    data = rings(graphs=20)
    graphs = whole(data)
    left = model(data, view="nodes", form="released").copy(graphs)
    assert torch.equal(left.nodes, graphs.nodes // 10)
    removed = pairs(model(data, view="edges", form="released").copy(graphs))
    entries = torch.bincount(graphs.owner[graphs.edge_index[0]])
    assert len(pairs(graphs)) - len(removed) == int((entries // 10).sum())
    assert any((b, a) not in removed for a, b in removed)
    left = model(data, view="subgraph", form="released").copy(graphs)
    degree = 4  # of a node at most: it and its neighbours are all that can go
    assert (graphs.nodes - left.nodes <= degree).all() and (left.nodes < graphs.nodes).all()


def test_a_grown_part_is_connected_and_each_next_node_as_likely_as_any_other() -> None:
    data = rings(graphs=30)
    graphs, draw = whole(data), torch.Generator().manual_seed(0)
    part = grown(graphs, graphs.nodes // 2, draw)
    assert torch.equal(torch.bincount(graphs.owner[part]), graphs.nodes // 2)
    for number, graph in enumerate(data):
        inside = part[graphs.owner == number].nonzero()[:, 0].tolist()
        assert networkx.is_connected(to_networkx(graph, to_undirected=True).subgraph(inside))
    star = torch.tensor([[0, 0, 0, 1, 2, 3, 3, 4], [1, 2, 3, 0, 0, 0, 4, 3]])
    many = whole(GraphSet(Data(x=torch.ones(5, 1), edge_index=star) for _ in range(4000)))
    counts = grown(many, torch.full((4000,), 3), draw).view(4000, 5).float().mean(0)
    # From node 4 on it is 3 and 0; from 3 on, two of 0 and 4, or 0 and one beside it; ...
    chance = torch.zeros(5)
    around = {0: [1, 2, 3], 1: [0], 2: [0], 3: [0, 4], 4: [3]}
    for first in range(5):
        for second in around[first]:
            beside = {*around[first], *around[second]} - {first, second}
            for third in beside:
                chance[[first, second, third]] += 1 / 5 / len(around[first]) / len(beside)
    torch.testing.assert_close(counts, chance, rtol=0, atol=0.03)


def test_copies_are_learned_to_be_told_apart(tmp_path: Path) -> None:
    data = rings(graphs=40)
    run = wb.fit("graphcl", data, "small", store=tmp_path, progress=False, epochs=10, lr=3e-3)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0] - 0.3


def test_one_graph_is_refused() -> None:
    with pytest.raises(UserError, match="graphcl tells a graph from the others of its batch; this set has one"):
        model(GraphSet(rings(graphs=2)[:1]))
