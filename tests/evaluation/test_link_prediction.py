"""Links that are held out: nothing sees them before they are scored, and each measure is what it says."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

import workbench as wb
from workbench.cli import main
from workbench.contrast.negatives.context import SamplingContext
from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.kinds import kind_of
from workbench.datasets.links import HELD_OUT, hold_out_links, links_of, pairs_without_link
from workbench.datasets.structure import adjacency
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.evaluation import BASELINES, evaluate
from workbench.evaluation.links import measured


@pytest.fixture
def graph() -> Data:
    """80 nodes in four groups, with a loop, a repeated edge, edges stored in one direction only, and weights."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(80) % 4
    pairs = torch.randint(80, (2, 1500), generator=draw)
    edges = to_undirected(pairs[:, y[pairs[0]] == y[pairs[1]]])
    edges = torch.cat([edges[:, 3:], edges[:, :1], torch.tensor([[5], [5]])], 1)
    x = torch.eye(4)[y] + 0.3 * torch.rand(80, 4, generator=draw)
    return Data(x=x, edge_index=edges, y=y, edge_weight=torch.arange(edges.shape[1]), name="groups")


def pairs_of(edges: Any) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in zip(*edges.tolist(), strict=True)}


@pytest.mark.parametrize("seed", [0, 1])
def test_no_held_out_link_is_left_anywhere_that_a_method_or_a_rule_looks(graph: Data, seed: int) -> None:
    cut = hold_out_links(graph, test=0.2, validation=0.1, seed=seed)
    held = pairs_of(torch.cat([cut[key] for key in HELD_OUT], 1))
    whole = pairs_of(graph.edge_index)
    links = {(u, v) for u, v in whole if u != v}
    assert [cut[key].shape[1] for key in HELD_OUT] == [int(0.1 * len(links)), int(0.2 * len(links))]
    assert held <= links and len(held) == sum(cut[key].shape[1] for key in HELD_OUT)
    assert pairs_of(cut.edge_index) == whole - held
    assert torch.equal(graph.edge_index[:, cut.edge_weight], cut.edge_index), "weights stay beside their edges"
    inputs = kind_of(cut).inputs(cut)
    assert set(inputs.keys()) == {"num_nodes", "x", "edge_index"}
    for seen in (cut, inputs):
        context = SamplingContext(seen)
        for a in (adjacency(seen), context.links, GraphTensors.of(seen).adjacency().to_dense()):
            assert not any(a[u, v] or a[v, u] for u, v in held)
        again = Data(x=cut.x, edge_index=torch.tensor([*whole - held]).T, num_nodes=80)
        assert torch.equal(wb.rules.evaluate("degree(v) > 12", seen), wb.rules.evaluate("degree(v) > 12", again))
    assert wb.graphs.content_hash(cut) not in (wb.graphs.content_hash(graph), wb.graphs.content_hash(inputs))
    assert pairs_of(hold_out_links(graph, seed=seed + 1).test_edge_index) != pairs_of(
        hold_out_links(graph, seed=seed).test_edge_index
    )


def test_each_pair_without_a_link_is_drawn_alike_and_none_with_one() -> None:
    links = np.array([[0, 0, 2], [1, 3, 4]])
    free = {*itertools.combinations(range(5), 2)} - {*zip(*links.tolist(), strict=True)}
    counts = dict.fromkeys(free, 0)
    for seed in range(700):
        drawn = [*zip(*pairs_without_link(links, (5,), 3, np.random.default_rng(seed)).tolist(), strict=True)]
        assert len({*drawn}) == 3
        for pair in drawn:
            counts[pair] += 1
    assert all(abs(count - 300) < 5 * np.sqrt(300 * 4 / 7) for count in counts.values())
    every = pairs_without_link(links, (5,), 99, np.random.default_rng(0))
    assert {*zip(*every.tolist(), strict=True)} == free
    items = pairs_without_link(links, (3, 5), 99, np.random.default_rng(0))
    assert {*zip(*items.tolist(), strict=True)} == {*itertools.product(range(3), range(5))} - {(0, 1), (0, 3), (2, 4)}
    whole = np.stack(np.triu_indices(4, 1))
    assert pairs_without_link(whole, (4,), 5, np.random.default_rng(0)).shape == (2, 0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_measures_are_those_of_a_loop(ties: bool) -> None:
    draw = np.random.default_rng(0)
    true, false = draw.normal(0.7, 1, 40), draw.normal(0, 1, 120)
    if ties:
        true, false = true.round(), false.round()
    ranks = [1 + sum(f > t for f in false) + sum(f == t for f in false) / 2 for t in true]
    wins = [(t > f) + (t == f) / 2 for t in true for f in false]
    wanted = {"auc": np.mean(wins), "mrr": np.mean([1 / rank for rank in ranks])}
    for k in (20, 50):
        wanted[f"hits@{k}"] = np.mean([t > sorted(false)[-k] for t in true])
    precision, recall, area = 0.0, 0.0, 0.0
    for threshold in sorted({*true, *false}, reverse=True):
        found, wrong = (true >= threshold).mean(), (false >= threshold).mean()
        precision = found / (found + wrong)
        area, recall = area + (found - recall) * precision, found
    wanted["average_precision"] = area
    assert measured(true, false) == pytest.approx({name: 100 * value for name, value in wanted.items()})


def test_baselines_of_pairs_by_a_loop(graph: Data) -> None:
    cut = hold_out_links(graph)
    a = adjacency(cut).toarray()
    pairs = np.stack(np.triu_indices(80, 1))[:, ::17]
    near = [{*np.flatnonzero(row)} for row in a]
    shared = [near[u] & near[v] for u, v in pairs.T]
    wanted = {
        "common-neighbours": [len(both) for both in shared],
        "adamic-adar": [sum(1 / np.log(len(near[w])) for w in both) for both in shared],
        "preferential-attachment": [len(near[u]) * len(near[v]) for u, v in pairs.T],
    }
    for name, scores in wanted.items():
        assert np.allclose(BASELINES.get(name).embed(cut)(pairs), scores), name


def test_groups_are_found_and_noise_is_not(graph: Data) -> None:
    cut, noise = hold_out_links(graph), torch.randn(80, 8, generator=torch.Generator().manual_seed(0))
    for solver in ("cosine", "dot product", "logistic"):
        scores = evaluate(cut.x, cut, "links", splits=3, solver=solver, progress=False)
        assert scores.main > 85 and scores.main.std > 0 and scores.solver == solver
        assert abs(evaluate(noise, cut, "links", splits=3, solver=solver, progress=False).main - 50) < 12
    assert scores.per_split["C"].notna().all() and list(scores.measures)[:2] == ["auc", "average_precision"]
    assert (
        evaluate(cut.x, cut, "links", splits=3, solver="logistic", progress=False).as_dict()["auc"]
        == scores.as_dict()["auc"]
    )
    sparse = evaluate(cut.x.to_sparse_csr(), cut, "links", splits=2, progress=False)
    assert sparse.main == pytest.approx(evaluate(cut.x, cut, "links", splits=2, progress=False).main)


def test_a_run_that_saw_the_links_is_refused_and_one_that_did_not_is_compared(graph: Data, tmp_path: Path) -> None:
    cut = hold_out_links(graph)
    quick: dict[str, Any] = {"preset": "small", "epochs": 2, "progress": False, "store": tmp_path}
    with pytest.raises(UserError, match="trained on another 'groups', which may have the links that are held out"):
        evaluate(wb.fit("grace", graph, **quick), cut, "links")
    with pytest.raises(UserError, match=r"no links of graph 'groups' are held out \(test_edge_index\)"):
        evaluate(graph.x, graph, "links")
    run = wb.fit("grace", cut, **quick)
    table = wb.compare(run, cut, "links", splits=2, progress=False)
    assert table["kind"].tolist() == ["baseline"] * 5 + ["untrained", "trained"] and table["AUC"].between(0, 100).all()
    assert "AUC % (± over splits)" in wb.evaluation.format(table)
    assert evaluate(run, cut, "links", splits=2).main == table["AUC"].iloc[-1]


def test_users_and_items_are_scored_by_the_same_measures() -> None:
    tastes = wb.load_graph("tastes")
    popular = evaluate(BASELINES.get("popularity").embed(tastes), tastes, "interactions", splits=2, progress=False)
    near = evaluate(BASELINES.get("item-cosine").embed(tastes), tastes, "interactions", splits=2, progress=False)
    assert near.main > popular.main > 45 and near.solver == "dot product"


def test_a_name_holds_links_out_from_the_command_line_on(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (wb.load_graph(name) for name in ("karate:links", "karate:links", "karate:links:1"))
    assert first.name == "karate:links" and other.name == "karate:links:1"
    assert torch.equal(first.test_edge_index, again.test_edge_index) and first.test_edge_index.shape == (2, 7)
    assert not torch.equal(first.test_edge_index, other.test_edge_index)
    assert main(["fit", "grace", "karate:links", "--preset", "small", "-p", "epochs=1", "--protocol", "links"]) == 0
    assert main(["evaluate", "grace/karate:links", "--protocol", "links", "--solver", "dot product"]) == 0
    told = capsys.readouterr().out
    assert "grace on karate:links" in told and "(links, cosine" in told and "(links, dot product" in told


def changed(graph: Data, **changes: Any) -> Data:
    return graph.clone().update(changes)


@pytest.mark.filterwarnings("ignore:mine.csv. the graph has no attributes")
def test_what_cannot_be_held_out_or_scored_is_refused_in_a_sentence(graph: Data, tmp_path: Path) -> None:
    cut, none = hold_out_links(graph), torch.empty(2, 0, dtype=torch.long)
    whole = torch.combinations(torch.arange(9)).T
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(f"{u},{v}" for u, v in whole.T.tolist()))
    seen, outside = cut.edge_index[:, :1].flip(0), torch.tensor([[0], [80]])
    cases = [
        (lambda: hold_out_links(cut), "links of 'groups' are held out already"),
        (lambda: hold_out_links(graph, test=0.6, validation=0.5), "0.6 and 0.5 of the"),
        (lambda: hold_out_links(changed(graph, edge_index=none)), "of the 0 links of 'groups' can't be held out"),
        (lambda: hold_out_links(Data(x=torch.ones(1, 2), edge_index=none)), "of the 0 links of 'graph' can't be held"),
        (lambda: wb.load_graph("tastes:links"), "'tastes' is no single graph"),
        (lambda: wb.load_graph("nothing:links"), "'nothing'"),
        (lambda: wb.load_graph(f"{file}:links"), "attributes from the edges: degree, which would tell of the links"),
        (lambda: wb.fit("grace", changed(cut, test_edge_index=seen)), "1 links of test_edge_index are among the edges"),
        (lambda: wb.fit("grace", changed(cut, val_edge_index=outside)), "val_edge_index names nodes outside 0 to 79"),
        (lambda: evaluate(cut.x, changed(cut, test_edge_index=none), "links"), "so none can be predicted"),
        (lambda: evaluate(cut.x, cut, "links", solver="liblinear"), "liblinear"),
        (lambda: evaluate(cut.x, cut, "links", splits=0), "splits must be a whole number from 1"),
        (lambda: evaluate(cut.x * torch.nan, cut, "links"), "not finite"),
        (
            lambda: evaluate(torch.ones(9, 1), hold_out_links(Data(x=torch.ones(9, 1), edge_index=whole)), "links"),
            "has 0 pairs without a link, too few",
        ),
        (
            lambda: evaluate(cut.x, changed(cut, val_edge_index=None), "links", solver="logistic"),
            "chooses C by validation links",
        ),
        (
            lambda: evaluate(lambda users: np.ones((2, 2)), as_users_and_items(2, 2, whole[:, :1]), "interactions"),
            "no links",
        ),
    ]
    for mistake, sentence in cases:
        with pytest.raises(UserError) as told:
            mistake()
        assert sentence in str(told.value) and "\n" not in str(told.value)


def test_own_files_hold_links_out_where_attributes_tell_nothing_of_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(f"{u},{(u + step) % 40}" for u in range(40) for step in (1, 2, 5)))
    mine = wb.load_graph(f"{file}:links", features="identity")
    assert mine.name == "mine:links" and mine.test_edge_index.shape == (2, 12) and links_of(mine).shape == (2, 102)
