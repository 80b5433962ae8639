"""Counts of cycles and paths: exact on every small graph, and told by marks where messages alone can't."""

from itertools import combinations
from math import comb

import networkx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.structure import simple_paths
from workbench.datasets.synthetic.counts import TARGETS, counts, substructures
from workbench.encoders.base import ENCODERS
from workbench.errors import UserError

GIN = {"layers": 4, "activation": "relu", "norm": "none", "dropout": 0.0, "pooling": "sum", "concatenate": True}


def data(graph: networkx.Graph) -> Data:
    edges = torch.tensor(list(graph.to_directed().edges), dtype=torch.long).reshape(-1, 2).T
    return Data(x=torch.ones(len(graph), 1), edge_index=edges)


def test_counts_are_those_of_brute_force_and_closed_forms_on_all_graphs_of_up_to_six_nodes() -> None:
    atlas = [graph for graph in networkx.graph_atlas_g() if 0 < len(graph) <= 6]
    found = substructures([data(graph) for graph in atlas])
    assert len(found) == 208
    for graph, row in zip(atlas, found.long().tolist(), strict=True):
        cycles = np.bincount([len(cycle) for cycle in networkx.simple_cycles(graph)], minlength=7)
        assert row[:4] == cycles[3:].tolist()
        pairs = combinations(graph, 2)
        lengths = [len(path) - 1 for a, b in pairs for path in networkx.all_simple_paths(graph, a, b)]
        paths = np.bincount(lengths, minlength=6)
        assert row[4:] == paths[3:].tolist()
        a = networkx.to_numpy_array(graph)
        degrees = a.sum(0)
        assert row[0] == np.trace(np.linalg.matrix_power(a, 3)) / 6
        assert row[1] == (np.trace(np.linalg.matrix_power(a, 4)) - 2 * (degrees**2).sum() + degrees.sum()) / 8
        two = len(simple_paths(data(graph).edge_index, len(graph), 2)) / 2
        assert two == paths[2] == (degrees * (degrees - 1) / 2).sum()
    for n in (4, 7):
        row = substructures([data(networkx.complete_graph(n))])[0]
        assert row[:2].tolist() == [comb(n, 3), 3 * comb(n, 4)]


def test_the_named_set_has_regular_and_random_graphs_and_their_counts() -> None:
    made = counts(graphs=20, seed=1)
    degrees = [torch.bincount(graph.edge_index[0], minlength=graph.num_nodes) for graph in made]
    assert [int(d.min()) == int(d.max()) for d in degrees[::2]] == [True] * 10
    assert {int(d[0]) for d in degrees[::2]} == {3, 4} and made.targets == TARGETS
    torch.testing.assert_close(torch.cat([graph.y for graph in made]), substructures(made))
    assert wb.datasets.content_hash(counts(20, 1)) == wb.datasets.content_hash(made)


def encode(name: str, graphs: list[Data], seed: int = 0, **options: object) -> torch.Tensor:
    torch.manual_seed(seed)
    encoder = ENCODERS.get(name)(1, 64, **options).eval()
    with torch.no_grad():
        return encoder.embed(GraphSet(graphs))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_two_triangles_and_a_hexagon_differ_for_a_rooted_encoder_alone(k: int) -> None:
    triangles = networkx.disjoint_union(networkx.cycle_graph(3), networkx.cycle_graph(3))
    pair = [data(triangles), data(networkx.cycle_graph(6))]
    plain = encode("gin", pair, **GIN)
    torch.testing.assert_close(plain[0], plain[1], rtol=1e-6, atol=1e-6)
    rooted = encode("rooted", pair, k=k)
    assert (rooted[0] - rooted[1]).norm() > 1e-2 * rooted[0].norm()


def test_a_rooted_encoder_sees_no_numbering_and_no_neighbouring_graph() -> None:
    graphs = [data(networkx.gnp_random_graph(9, 0.25, seed=seed)) for seed in range(4)]
    alone = Data(x=torch.ones(1, 1), edge_index=torch.empty(2, 0, dtype=torch.long))
    graphs.append(alone)
    for k in (0, 1):
        together = encode("rooted", graphs, k=k)
        torch.testing.assert_close(together, torch.cat([encode("rooted", [graph], k=k) for graph in graphs]))
        order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
        moved = [Data(x=graphs[0].x, edge_index=order[graphs[0].edge_index])]
        torch.testing.assert_close(encode("rooted", moved, k=k)[0], together[0])
        assert together.isfinite().all() and bool(together[-1].any()) == (k == 0)
    with pytest.raises(UserError, match="k of the encoder is 4; a path that is marked has 0 to 3 edges"):
        encode("rooted", graphs, k=4)


def test_marks_predict_cycles_of_four_at_a_third_of_the_error_of_plain_sums() -> None:
    made = counts(graphs=120)
    error = {}
    for name, options in (("gin", GIN), ("rooted", {"k": 1, "concatenate": True})):
        scores = wb.evaluate(encode(name, made, **options), made, "ridge-10-folds", progress=False)
        error[name] = scores.per_split["nmae 4-cycles"].mean()
        assert set(scores.measures) == {"r2", "nmae"} and "ridge" in str(scores)
    assert error["rooted"] <= error["gin"] / 3


def test_a_ridge_is_that_of_its_normal_equations_and_constant_targets_are_left_out() -> None:
    g = torch.Generator().manual_seed(0)
    graphs = GraphSet([data(networkx.path_graph(3)) for _ in range(60)], targets=("told", "constant"))
    z = torch.randn(60, 3, generator=g)
    for number, graph in enumerate(graphs):
        graph.y = torch.tensor([[2 * z[number, 0] - z[number, 1] + 5, 1.5]])
    scores = wb.evaluate(z, graphs, "ridge-10-folds", progress=False)
    assert scores.main > 99.99 and scores.measures["nmae"] < 0.1
    assert scores.per_split["nmae constant"].isna().all()
    noise = wb.evaluate(torch.randn(60, 3, generator=g), graphs, "ridge-10-folds", progress=False)
    assert noise.main < 20 and noise.measures["nmae"] > 50


def test_classes_are_no_numbers_and_numbers_no_classes() -> None:
    with pytest.raises(UserError, match=r"'rings' has no numbers to predict: y of each graph must be floating-point"):
        wb.evaluate(torch.randn(200, 3), wb.load_graph("rings"), "ridge-10-folds")
    with pytest.raises(UserError, match="has no labels"):
        wb.evaluate(torch.randn(20, 3), counts(20), "svc-10-folds")
