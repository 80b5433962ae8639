"""D-SLA: the facts that pin it to its paper and release."""

import math
from itertools import combinations
from pathlib import Path

import networkx
import pytest
import torch
from torch_geometric.data import Batch, Data

import workbench as wb
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.kinds import kind_of
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.evaluation.ladders import edit_order
from workbench.methods.graph_sets.d_sla import DSLA, DSLAConfig
from workbench.objectives.ladders import discrepancy, ladder_margin
from workbench.randomness import Randomness
from workbench.views.graphs import ladders


def model(data: GraphSet, **parameters: object) -> DSLA:
    torch.manual_seed(0)
    config = DSLAConfig(**{"dim": 8, **parameters})
    return DSLA(config, kind_of(data).inputs(data), Randomness(0))


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rungs(data: GraphSet, copies: int, strength: float, **more: bool) -> tuple[list[list[set]], torch.Tensor]:
    """Return the entries of each graph and its copies, nodes numbered through, and the edits [copies, graphs]."""
    batch = Batch.from_data_list(data)
    edges, edits = ladders(batch.edge_index, batch.ptr.diff(), copies, strength, draw(), **more)
    found: list[list[set]] = [[set() for _ in data] for _ in range(copies + 1)]
    for a, b in edges.T.tolist():
        copy, node = divmod(a, batch.num_nodes)
        found[copy][int(batch.batch[node])].add((node, b - copy * batch.num_nodes))
    return found, edits


@pytest.mark.parametrize("directed", [False, True])
def test_the_edits_of_a_ladder_are_the_differences_of_its_sets_of_edges(directed: bool) -> None:
    data = rings(graphs=100)
    found, edits = rungs(data, 3, 0.05, directed=directed)
    for number, graph in enumerate(data):
        own = found[0][number]
        first = max(1, int(0.05 * (graph.num_edges if directed else graph.num_edges // 2)))
        for k in (1, 2, 3):
            gone, came = own - found[k][number], found[k][number] - own
            wanted = k * first * (1 if directed else 2)
            assert len(gone) == len(came) == wanted and edits[k - 1, number] == 2 * wanted
            assert directed or all((b, a) in found[k][number] for a, b in found[k][number])
    if directed:
        assert any((b, a) not in found[3][number] for number in range(100) for a, b in found[3][number])


def test_edits_are_the_edit_distance_of_small_graphs_whose_nodes_are_known_by_name() -> None:
    draws = [networkx.gnm_random_graph(5, 5, seed=seed) for seed in range(6)]
    data = GraphSet([wb_graph(graph) for graph in draws])
    found, edits = rungs(data, 2, 0.2)
    for number in range(6):
        named = [networkx.Graph() for _ in range(3)]
        for graph, copies in zip(named, found, strict=True):
            graph.add_nodes_from((node, {"name": node}) for node in range(5 * number, 5 * number + 5))
            graph.add_edges_from(copies[number])
        for k in (1, 2):
            nominal = edits[k - 1, number].item() / 2
            far = {"node_del_cost": lambda _: 99, "node_ins_cost": lambda _: 99}
            same = networkx.graph_edit_distance(
                named[0], named[k], node_subst_cost=lambda a, b: 99 * (a["name"] != b["name"]), **far
            )
            assert same == nominal
            assert networkx.graph_edit_distance(named[0], named[k]) <= nominal, "nodes without names may change places"


def wb_graph(graph: networkx.Graph) -> Data:
    edges = torch.tensor(list(graph.to_directed().edges)).T
    return Data(x=torch.ones(len(graph), 1), edge_index=edges)


def test_a_copy_that_may_gain_what_it_lost_is_nearer_than_its_nominal_distance() -> None:
    complete = wb_graph(networkx.complete_graph(4))
    _, edits = rungs(GraphSet([complete] * 3), 2, 0.2)
    assert not edits.any(), "nothing can be joined"
    found, edits = rungs(GraphSet([complete] * 3), 2, 0.2, again=True)
    assert edits.tolist() == [[4] * 3, [8] * 3] and found[2] == found[0]


def test_the_terms_are_those_of_loops_and_their_closed_forms() -> None:
    away, edits = torch.rand(3, 5, generator=draw()), torch.tensor([2.0, 4.0, 6.0])[:, None].expand(3, 5)
    slow = [((away[i] / edits[i] - away[j] / edits[j]) ** 2).mean() for i, j in combinations(range(3), 2)]
    torch.testing.assert_close(discrepancy(away, edits), sum(slow) / 3)
    torch.testing.assert_close(discrepancy(1.5 * edits, edits), torch.tensor(0.0))
    h = torch.randn(5, 4, generator=draw())
    pairs = [
        max(0.0, float(2 + away[k, g] - (h[g] - h[other]).norm()))
        for k in range(3) for g in range(5) for other in range(5) if g != other
    ]  # fmt: skip
    assert float(ladder_margin(h, away, 2.0)) == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
    assert ladder_margin(100 * torch.eye(5), away, 5.0) == 0


def test_a_judge_that_cannot_tell_loses_the_logarithm_of_the_ladder() -> None:
    data = rings(graphs=6)
    learner = model(data)
    torch.nn.init.zeros_(learner.judge[-1].weight)
    step = learner.step(Batch.from_data_list(data))
    assert step.terms["discriminate"].item() == pytest.approx(math.log(4))
    assert step.weights["discrepancy"] == 0.7 and "margin" not in step.terms


def test_a_graph_that_cannot_be_edited_tells_nothing() -> None:
    data = GraphSet([wb_graph(networkx.complete_graph(4)) for _ in range(4)])
    step = model(data).step(Batch.from_data_list(data))
    assert step.total.item() == 0


def test_distances_are_learned_and_shuffled_ones_are_not(tmp_path: Path) -> None:
    data = rings(graphs=32)
    seen, unseen = GraphSet(data[:24]), GraphSet(data[24:])
    order = {}
    for distances in ("own", "shuffled"):
        run = wb.fit(
            "d-sla", seen, "small", store=tmp_path, progress=False, epochs=20, dim=16, lr=1e-2, distances=distances
        )
        order[distances] = run.history["discrepancy"].iloc[-1]
        order_of_unseen = edit_order(run.encode, unseen, strength=0.05)
        assert len(order_of_unseen) == 8 and (abs(order_of_unseen) <= 1).all()
    assert order["own"] < order["shuffled"]


def test_order_within_ladders_is_1_where_distance_counts_edits_and_needs_a_ladder() -> None:
    data = rings(graphs=10)
    exact = torch.nn.functional.one_hot

    def places(graphs: GraphSet) -> torch.Tensor:
        codes = [exact(g.edge_index[0] * 25 + g.edge_index[1], 625).sum(0).float() for g in graphs]
        return torch.stack(codes)

    assert edit_order(places, data) == pytest.approx([1] * 10)
    with pytest.raises(UserError, match="a ladder of 1 copies has no order"):
        edit_order(places, data, copies=1)
    with pytest.raises(UserError, match="all are too small or complete"):
        edit_order(places, [wb_graph(networkx.complete_graph(3))])
