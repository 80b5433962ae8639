"""Figures: the right numbers in the right places, and one look."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench import audit, negatives, plots, studies
from workbench.config import Parameters
from workbench.errors import UserError
from workbench.evaluation import coloured, projection
from workbench.methods import Preset
from workbench.plots import network, style
from workbench.plots.negatives import EXPECTED, PANELS
from workbench.studies import results
from workbench.training.run import Run


@dataclass(frozen=True)
class Settings(Parameters):
    tau: float = 0.5


def ring(nodes: int = 40, classes: int = 4) -> Data:
    """A ring with a chord from node 0 to each fifth node."""
    around = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    chords = torch.stack([torch.zeros(nodes // 5 - 1, dtype=torch.long), torch.arange(5, nodes, 5)])
    graph = Data(
        x=torch.eye(nodes),
        edge_index=to_undirected(torch.cat([around, chords], dim=1), num_nodes=nodes),
        y=torch.arange(nodes) % classes,
    )
    graph.name, graph.class_names = "ring", [f"kind {k}" for k in range(classes)]
    graph.node_names = [f"n{i}" for i in range(nodes)]
    return graph


def made(method: str = "grace", epochs: int = 5, nodes: int = 40, **changes: object) -> Run:
    """A run that was never trained."""
    epoch = np.arange(1, epochs + 1)
    history = pd.DataFrame({"loss": 9.0 / epoch, "seconds": 0.1 * epoch}, index=pd.Index(epoch, name="epoch"))
    if method == "str-gcl":
        history[["base", "rule", "cross"]] = np.outer(1 / epoch, [4.0, 4.0, 1.0])
    fields: dict[str, object] = {
        "method": method,
        "graph": "ring",
        "graph_hash": None,  # of any graph
        "config": Settings(),
        "asked": Preset("defaults"),
        "seed": 0,
        "embeddings": torch.randn(nodes, 6, generator=torch.Generator().manual_seed(0)),
        "history": history,
        "contrast": None,
        "seconds": 0.5,
        "peak_mib": 1.0,
        "device": "cpu",
        "versions": {},
        "path": None,
        "complete": True,
        "details": {},
    }
    return Run(**{**fields, **changes})  # type: ignore[arg-type]


def by_name(figure: object) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data if trace.name}


def test_map_draws_each_node_once_at_its_place_under_its_class() -> None:
    run, graph = made(), ring()
    figure = plots.embedding_map(run, graph=graph, method="pca")
    expected = projection.project(run.embeddings, "pca").points
    assert set(by_name(figure)) == set(graph.class_names)
    for index, name in enumerate(graph.class_names):
        trace = by_name(figure)[name]
        assert trace.type == "scattergl"
        np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), expected[graph.y.numpy() == index])
        assert (trace.customdata[0], trace.text[0]) == (index, f"<br>n{index}")
    title = figure.layout.title
    assert title.text == "grace on ring, seed 0, 5 epochs"
    assert f"{projection.project(run.embeddings, 'pca').trustworthiness:.3f}" in title.subtitle.text


def test_a_class_looks_the_same_in_each_figure() -> None:
    graph = ring()
    first = by_name(plots.embedding_map(made(), graph=graph, method="pca"))
    graph.y = torch.where(graph.y == 0, 3, graph.y)  # class 0 dies out, class 3 grows
    second = by_name(plots.embedding_map(made("e2neg"), graph=graph, method="pca"))
    details = {"centres": torch.tensor([0]), "stars": torch.tensor([[1, 2, 3, 39], [0, 0, 0, 0]])}
    third = by_name(plots.stars(details, ring()))
    for name in ("kind 1", "kind 2", "kind 3"):
        looks = {(each[name].marker.color, each[name].marker.symbol) for each in (first, second, third)}
        assert len(looks) == 1


def test_nodes_without_a_label_are_said_to_have_none() -> None:
    graph = ring()
    graph.y[::2] = -1
    assert len(by_name(plots.embedding_map(made(), graph=graph, method="pca"))["no label"].x) == 20


def test_map_takes_any_value_a_node() -> None:
    values = torch.linspace(0, 1, 40)
    run = made(details={"ntsc": values, "centres": torch.tensor([1, 2])})
    for figure in (plots.embedding_map(run, "ntsc", method="pca"), plots.embedding_map(run, values, method="pca")):
        np.testing.assert_allclose(figure.data[0].marker.color, values)
    assert plots.embedding_map(run, "ntsc", method="pca").data[0].marker.colorbar.title.text == "ntsc"
    assert len(plots.embedding_map(run, torch.arange(40) % 3, method="pca").data) == 3


def test_map_without_the_graph_loads_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coloured, "load_graph", lambda name: ring())
    assert len(plots.embedding_map(made(), method="pca").data) == 4
    with pytest.raises(UserError, match="differs from it in content"):
        plots.embedding_map(made(graph_hash="1"), method="pca")


def test_map_of_a_graph_that_is_not_there_asks_for_it() -> None:  # through the real load_graph
    with pytest.raises(UserError, match="pass graph="):
        plots.embedding_map(made(graph="nowhere-to-be-found"), method="pca")


def test_map_refuses_what_does_not_fit() -> None:
    run = made(details={"ntsc": torch.rand(40), "centres": torch.tensor([1, 2])})
    with pytest.raises(UserError, match="did you mean 'ntsc'"):
        plots.embedding_map(run, "ntcs")
    with pytest.raises(UserError, match=r"centres has shape \[2\]"):
        plots.embedding_map(run, "centres", method="pca")
    with pytest.raises(UserError, match="did you mean 'umap'"):
        plots.embedding_map(run, "ntsc", method="unap")
    with pytest.raises(UserError, match=r"class has shape \[30\]"):
        plots.embedding_map(run, graph=ring(30))


def test_loss_curves_hold_the_history_in_a_panel_a_term() -> None:
    run = made("str-gcl")
    figure = plots.loss_curves([made(), run])
    assert [note.text for note in figure.layout.annotations] == [
        "grace", "str-gcl", "str-gcl: base", "str-gcl: rule", "str-gcl: cross",
    ]  # fmt: skip
    assert len({trace.xaxis for trace in figure.data}) == 5
    np.testing.assert_array_equal(figure.data[4].y, run.history["cross"])
    np.testing.assert_array_equal(figure.data[4].x, run.history.index)
    assert figure.layout.yaxis.title.text == "loss, nats"
    assert figure.layout.yaxis5.title.text == "cross, squared distance"
    assert len({(axis.domain) for axis in plots.loss_curves(run).select_xaxes()}) == 2  # four panels: two by two


def test_runs_of_one_method_share_panels_and_are_named_by_what_differs() -> None:
    figure = plots.loss_curves([made(), made(seed=1), made(config=Settings(tau=0.1))])
    assert [trace.name for trace in figure.data] == [
        "grace (seed=0, tau=0.5)", "grace (seed=1, tau=0.5)", "grace (seed=0, tau=0.1)",
    ]  # fmt: skip
    assert {trace.xaxis for trace in figure.data} == {"x"}
    assert len({trace.line.color for trace in figure.data}) == 3


def test_loss_curves_need_an_epoch() -> None:
    with pytest.raises(UserError, match="trained epoch"):
        plots.loss_curves(made(epochs=0))


def test_rule_scores_colour_the_piece_and_count_all_nodes() -> None:
    graph, scores = ring(), torch.arange(40).float()
    figure = plots.rule_scores(graph, {"ntsc": scores, "lgtc": -scores}, size=15)
    part = network.piece(graph, 15)
    drawn = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]
    assert len(drawn) == 2 and len(part.nodes) == 15
    np.testing.assert_array_equal(drawn[0].marker.color, scores.numpy()[part.nodes])
    np.testing.assert_array_equal(drawn[1].marker.color, -scores.numpy()[part.nodes])
    assert (drawn[0].marker.cmin, drawn[0].marker.cmax) == (0, 39)
    assert [sum(trace.y) for trace in figure.data if trace.type == "bar"] == [40, 40]
    assert part.told in figure.layout.title.subtitle.text and "15 of 40 nodes" in part.told


def test_rule_scores_refuse_a_score_of_another_length() -> None:
    with pytest.raises(UserError, match=r"score 'ntsc' has shape \[39\]"):
        plots.rule_scores(ring(), {"ntsc": torch.rand(39)})


def test_views_tell_edges_kept_both_ways_one_way_and_not_at_all() -> None:
    graph = ring()
    row, column = graph.edge_index
    keep = torch.ones(graph.num_edges)
    keep[(row == 0) & (column == 1)] = 0  # one direction
    keep[((row == 1) & (column == 2)) | ((row == 2) & (column == 1))] = 0  # both
    figure = plots.views(graph, {"view 1": torch.ones(graph.num_edges), "view 2": keep}, size=40)
    drawn = {(trace.xaxis, trace.name): np.isnan(trace.x.astype(float)).sum() for trace in figure.data if trace.name}
    edges = graph.num_edges // 2
    assert drawn == {
        ("x", "both directions kept"): edges, ("x", "one kept"): 0, ("x", "dropped"): 0,
        ("x2", "both directions kept"): edges - 2, ("x2", "one kept"): 1, ("x2", "dropped"): 1,
    }  # fmt: skip
    assert figure.layout.annotations[1].text == f"view 2: {1 - 3 / graph.num_edges:.0%} of the directed edges kept"
    with pytest.raises(UserError, match=r"'view 1' has shape \[3\]"):
        plots.views(graph, {"view 1": torch.ones(3)})


def test_a_piece_is_a_connected_part_of_the_largest_component() -> None:
    graph = ring()
    graph.edge_index = torch.cat([graph.edge_index, torch.tensor([[40, 41], [41, 40]])], dim=1)
    graph.x, graph.y = torch.eye(42), torch.zeros(42, dtype=torch.long)
    pairs = set(map(tuple, graph.edge_index.T.tolist()))
    for seed in range(5):
        part = network.piece(graph, 12, seed)
        assert len(set(part.nodes.tolist())) == 12 and part.nodes.max() < 40
        inside = {(int(part.nodes[i]), int(part.nodes[j])) for i, j in part.edges.T}
        chosen = set(part.nodes.tolist())
        assert {tuple(sorted(pair)) for pair in inside} == {(i, j) for i, j in pairs if {i, j} <= chosen and i < j}
        again = network.piece(graph, 12, seed)
        assert again.places.tobytes() == part.places.tobytes()
    assert len(network.piece(graph, 500).nodes) == 40


def test_star_table_counts_hops_and_class_mates_by_hand() -> None:
    graph = ring()  # node 0 is joined to 1, 39, 5, 10, ..., 35; classes are the remainder by 4
    details = {
        "centres": torch.tensor([0, 7]),
        "stars": torch.tensor([[0, 1, 2, 4, 35, 8, 11], [0, 0, 0, 0, 0, 7, 7]]),
    }
    table = plots.star_table(details, graph)
    assert table["hops"].tolist() == [0, 1, 2, 2, 1, 1, 4]
    assert table["same"].tolist() == [True, False, False, True, False, False, True]
    assert table["centre"].tolist() == [0] * 5 + [7] * 2


def test_stars_draw_a_ring_for_each_hop() -> None:
    graph = ring()
    details = {"centres": torch.tensor([0, 7]), "stars": torch.tensor([[1, 2, 4, 35, 8, 11], [0, 0, 0, 0, 7, 7]])}
    figure = plots.stars(details, graph, shown=[0])
    leaves = [trace for trace in figure.data if trace.type == "scatter" and trace.name]
    radius = {text: np.hypot(x, y) for t in leaves for x, y, text in zip(t.x, t.y, t.text, strict=True)}
    expected = {"node 1": 1, "node 35": 1, "node 2": 2, "node 4": 2}
    assert radius == pytest.approx(expected)
    assert [note.text for note in figure.layout.annotations] == ["centre 0"]
    sizes, hops, shares = (trace for trace in figure.data if trace.type == "bar")
    assert sum(sizes.y) == 2 and dict(zip(hops.x, hops.y, strict=True)) == {"1": 3, "2": 2, "4": 1}
    assert {x: y for x, y in zip(shares.x, shares.y, strict=True) if y} == {27.5: 1, 52.5: 1}  # 1 of 4, 1 of 2


def test_stars_without_labels_and_without_stars() -> None:
    graph = ring()
    graph.y = None
    details = {"centres": torch.tensor([0]), "stars": torch.tensor([[1, 2], [0, 0]])}
    figure = plots.stars(details, graph)
    assert len([trace for trace in figure.data if trace.type == "bar"]) == 2
    with pytest.raises(UserError, match="only runs of 'e2neg'"):
        plots.stars(made(), graph)
    with pytest.raises(UserError, match="node 3 is no centre"):
        plots.stars(details, graph, shown=[3])


def comparison() -> pd.DataFrame:
    """A table as compare() makes it, with made-up numbers."""
    return pd.DataFrame(
        {
            "name": ["raw attributes", "propagated attributes Â²X", "untrained grace", "grace", "e2neg"],
            "kind": ["baseline", "baseline", "untrained", "trained", "trained"],
            "accuracy": [50.0, 70.0, 60.0, 80.0, 75.0],
            "spread over splits": [1.0, 2.0, 1.5, 0.5, 0.7],
            "training seeds": [0, 0, 3, 3, 1],
            "seconds": [np.nan, np.nan, 0.0, 8.0, 2.0],
            "spread over seeds": [np.nan, np.nan, 0.3, 0.2, np.nan],
            "protocol": "random-10-10-80",
            "solver": "fast",
        }
    )


def test_results_chart_shows_each_mean_with_its_spreads() -> None:
    table = comparison()
    figure = plots.results_chart(table)
    over_splits = [trace for trace in figure.data if "over splits" in trace.hovertemplate]
    over_seeds = [trace for trace in figure.data if "over seeds" in trace.hovertemplate]
    assert [(trace.y[0], trace.x[0], trace.error_x.array[0]) for trace in over_splits] == list(
        table[["name", "accuracy", "spread over splits"]].itertuples(index=False, name=None)
    )
    assert [(trace.y[0], trace.error_x.array[0]) for trace in over_seeds] == [("untrained grace", 0.3), ("grace", 0.2)]
    grey = {trace.y[0] for trace in figure.data if trace.marker.color == style.GREY}
    assert grey == {"raw attributes", "propagated attributes Â²X", "untrained grace"}
    assert figure.layout.yaxis.categoryarray[-1] == "raw attributes"  # drawn on top
    assert figure.layout.xaxis.title.text == "accuracy, % (random-10-10-80, fast)"


def test_cost_chart_joins_each_training_to_its_start_and_names_those_that_none_beats() -> None:
    table = comparison()
    slow = {**table.iloc[-1].to_dict(), "name": "slower", "accuracy": 79.0, "seconds": 9.0}
    table = pd.concat([table, pd.DataFrame([slow])], ignore_index=True)
    figure = plots.cost_chart(table)
    lines = {trace.hovertemplate.split("<br>")[0]: trace for trace in figure.data}
    assert list(lines) == ["e2neg", "grace", "slower"]
    assert list(lines["grace"].x) == [8.0, 8.0] and list(lines["grace"].y) == [60.0, 80.0]
    assert np.isnan(lines["e2neg"].y[0]) and lines["e2neg"].y[1] == 75.0  # its start is not in the table
    assert lines["slower"].marker.color == style.GREY != lines["grace"].marker.color
    said = {note.text for note in figure.layout.annotations}
    assert {"grace", "e2neg", "raw attributes 50.0", "propagated attributes Â²X 70.0"} <= said and "slower" not in said
    assert [shape.y0 for shape in figure.layout.shapes] == [70.0, 50.0]
    level = plots.cost_chart(table.assign(accuracy=table["accuracy"].replace(50.0, 70.0)))
    first, second = (note.y for note in level.layout.annotations if "attributes" in note.text)
    assert first == 70.0 and first - second >= 0.9  # labels of equal baselines stand apart
    near = table.assign(
        seconds=table["seconds"].replace(8.0, 1.05 * float(table.loc[table["name"] == "e2neg", "seconds"].iloc[0]))
    )
    near.loc[near["name"] == "grace", "accuracy"] = 75.5
    heights = {note.text: note.yshift for note in plots.cost_chart(near).layout.annotations if note.yshift}
    assert heights["e2neg"] == 14 and heights["grace"] >= 20  # its name is not to lie upon the other
    for wrong, words in (
        (table[table["kind"] != "trained"], "nothing that was trained"),
        (table.drop(columns="seconds"), "no column 'seconds'"),
        (table.assign(protocol=[*["public"] * 2, *["random-10-90"] * 4]), "2 protocols or solvers; cost_chart"),
    ):
        with pytest.raises(UserError, match=words):
            plots.cost_chart(wrong)


def test_results_chart_refuses_mixed_protocols_and_marks_a_flawed_one() -> None:
    table = comparison()
    table.loc[0, "protocol"] = "public"
    with pytest.raises(UserError, match="2 protocols"):
        plots.results_chart(table)
    with pytest.raises(UserError, match="no column 'accuracy'"):
        plots.results_chart(table.drop(columns="accuracy"))
    assert "FLAWED" in plots.results_chart(table.assign(protocol="pygcl-swapped")).layout.title.subtitle.text


def test_audits_are_drawn_with_their_intervals_and_the_rate_of_random_pairs() -> None:
    graph = ring()
    chosen = {name: negatives.select(name, graph, k=4) for name in ("uniform", "hop-near")}
    audits = {name: audit(one, graph) for name, one in chosen.items()}
    fig = plots.audit_chart(audits)
    assert [list(trace.y) for trace in fig.data] == [list(audits)] * 4
    for trace, quantity in zip(fig.data, PANELS, strict=True):
        rows = [one.summary.loc[quantity] for one in audits.values()]
        np.testing.assert_allclose(trace.x, [row["value"] for row in rows])
        np.testing.assert_allclose(np.add(trace.x, trace.error_x.array), [row["high"] for row in rows])
    assert fig.layout.shapes[0].x0 == audits["uniform"].summary.loc[EXPECTED, "value"]
    with pytest.raises(UserError, match="no audit to draw"):
        plots.audit_chart({})


def test_no_bar_of_the_budget_goes_beyond_a_hundred_and_two_seeds_have_their_range() -> None:
    rows, study = results.read("negatives"), studies.load("negatives")
    rows = rows[(rows["data"] == "cora") & (rows["kind"] == "trained")].copy()
    accuracy, seeds = rows["metric"] == "accuracy", sorted(rows["seed"].dropna().unique())
    rows.loc[accuracy, "value"] = 99.9 - 3.0 * (rows["seed"] == seeds[0]).astype(float)
    for shown in (rows, rows[rows["seed"].isin(seeds[:2])]):
        fig = plots.budget_chart(shown, study, "cora")
        bars = [trace for trace in fig.data if trace.error_y.array is not None and trace.yaxis in (None, "y")]
        tops = np.concatenate([np.asarray(bar.y) + np.asarray(bar.error_y.array) for bar in bars])
        assert len(tops) > 5 and tops.max() == pytest.approx(100 if shown is rows else 99.9)
