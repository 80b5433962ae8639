"""The microscope: whom samplers choose for an anchor and what is told of it, as an object and in a real browser."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastparquet
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from browser import Screen, browser, lab, needs_chromium
from plotly.colors import sample_colorscale
from scipy.sparse.csgraph import dijkstra
from torch_geometric.data import Data

import workbench as wb
from workbench import plots, widgets
from workbench.contrast.audit import audit
from workbench.contrast.negatives.context import SamplingContext
from workbench.contrast.negatives.selection import choose, context_of, select
from workbench.datasets import load_graph
from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.plots import style
from workbench.widgets import lens, shell
from workbench.widgets.lens import Look
from workbench.widgets.negative_scene import NONE
from workbench.widgets.negatives import LABELS

FOUR = ("uniform", "hop-far", "hardest", "e2neg")


@pytest.fixture
def scope(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> widgets.Microscope:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    made = widgets.microscope(small_graph, anchor=7, k=5)
    assert isinstance(made, widgets.Microscope)
    return made


def drawn(scope: Any, panel: int = 1) -> list[int]:
    """The negatives that a panel draws, in order."""
    figure = scope.rings if isinstance(scope, widgets.Microscope) else scope.figures["rings"]
    return list(next(t.customdata for t in figure.data if t.name.startswith(f"negatives {panel},")))


def expected(graph: Data, name: str, anchor: int, k: int, seed: int = 0, **options: Any) -> list[int]:
    """The negatives that a headless call chooses, in order."""
    return select(name, graph, k, seed, anchors=[anchor], **options).of(anchor).pairs()[1].tolist()


def told(figure: go.Figure) -> str:
    """All that is written outside the axes of a figure."""
    layout = figure.layout
    text = " ".join([layout.title.text, layout.title.subtitle.text or "", *(note.text for note in layout.annotations)])
    return re.sub("</?b>", "", text).replace("<br>", " ")


def agrees(scope: widgets.Microscope, graph: Data, **options: Any) -> None:
    """Assert that every panel shows what headless calls choose and measure."""
    scene, table = scope.scene, scope.table()
    for panel, (label, name) in enumerate(zip(scene.looks, scene.samplers, strict=True), start=1):
        given = options.get(name, {})
        wanted = expected(graph, name, scene.anchor, scene.k, scene.seed, **given)
        assert drawn(scope, panel) == wanted
        mine = table[table["sampler"] == label]
        assert mine["negative"].tolist() == wanted and (mine["anchor"] == scene.anchor).all()
        measured = audit(choose(context_of(graph, None, [scene.anchor]), name, scene.k, scene.seed, **given), graph)
        pairs = measured.pairs.set_index("negative").loc[wanted]
        np.testing.assert_allclose(mine["gradient_share"], pairs["gradient_share"])
        assert mine["hops"].tolist() == pairs["hops"].tolist()
        assert mine["same_class"].tolist() == pairs["same_class"].tolist()


def test_its_map_is_a_first_picture_until_it_is_measured(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    scope = widgets.microscope(small_graph, anchor=7, k=5)
    assert isinstance(scope, widgets.Microscope)
    assert "PCA of the attributes" in told(scope.map) and "is being measured" in told(scope.map)
    assert "Computing the map by PCA, and how faithful it is" in scope.coming.value
    first = [trace.x for trace in scope.map.data]
    scope.k.value = 6  # it is asked for anew, and computed once
    scope.wait()
    assert "trustworthiness" in told(scope.map) and "measured" not in told(scope.map) and not scope.coming.value
    np.testing.assert_array_equal(scope.map.data[0].x, first[0])
    scope.method.value = "umap"
    assert "PCA of the attributes" in told(scope.map) and "stands in for UMAP" in told(scope.map)
    scope.wait()
    assert "UMAP of the attributes" in told(scope.map) and "UMAP has taken the place" in scope.coming.value
    drawn = scope.scene.lens.maps["umap"][0]
    np.testing.assert_array_equal(scope.map.data[0].x, drawn.points[:, 0])
    agrees(scope, small_graph)


def test_what_is_compared_is_checked_once(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    calls: list[object] = []
    views_of = lens.views_of
    monkeypatch.setattr(lens, "views_of", lambda *given: calls.append(given) or views_of(*given))
    scope = widgets.microscope(small_graph, anchor=7, k=5)
    scope.k.value = 6
    assert len(calls) == 1
    agrees(scope, small_graph)


def test_it_opens_on_what_a_headless_call_chooses(scope: widgets.Microscope, small_graph: Data) -> None:
    agrees(scope, small_graph)
    assert [panel.value for panel in scope.samplers] == list(FOUR) and scope.anchor.value == "7"
    assert "The negatives of node 7" in told(scope.rings) and "never to train" in told(scope.rings)
    pairs = scope.scene.looks["uniform"].audit.pairs  # type: ignore[union-attr]
    numbers = f"5 negatives, {pairs['false'].sum()} false, {pairs['coupled'].sum()} coupled, q "
    assert f"uniform: {numbers}" in told(scope.rings)
    assert list(scope.tables.titles) == list(FOUR) and scope.move.layout.display == "none"


def test_each_control_changes_whom_it_shows(scope: widgets.Microscope, small_graph: Data) -> None:
    scope.anchor.value = "12"
    assert scope.scene.anchor == 12 and "node 12" in told(scope.rings) and scope.message.value == ""
    agrees(scope, small_graph)
    scope.k.value = 9
    agrees(scope, small_graph)
    scope.seed.value = 3
    agrees(scope, small_graph)
    scope.samplers[1].value = "ring"
    assert list(scope.tables.titles)[1] == "ring" and "percentile" in scope.tables.children[1].value
    agrees(scope, small_graph)
    scope.samplers[3].value = scope.samplers[2].value = NONE
    assert len(scope.scene.looks) == 2 == len(scope.tables.children)
    assert not any(t.name.startswith("negatives 3") for t in scope.rings.data)
    scope.samplers[2].value = "same-cluster"
    assert [*scope.scene.looks] == ["uniform", "ring", "same-cluster"]


def test_rings_are_hops_and_lines_are_edges(scope: widgets.Microscope, small_graph: Data) -> None:
    links = adjacency(small_graph)
    hops = dijkstra(links, directed=False, indices=7, unweighted=True)
    radius: dict[float, set[float]] = {}
    where: dict[int, tuple[float, float]] = {}
    for trace in scope.rings.data:
        if trace.name.startswith(("negatives", "context", "anchor")) and len(trace.customdata):
            for node, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
                radius.setdefault(hops[node], set()).add(round(float(np.hypot(x, y)), 6))
                if trace.name[-1] == "1" or trace.name.startswith("negatives 1"):
                    where[int(node)] = round(x, 6), round(y, 6)
    assert all(len(one) == 1 for one in radius.values())
    order = [radius[hop].pop() for hop in sorted(radius)]  # no path is infinite, and the outermost
    assert order == sorted(order) and order[0] == 0
    nodes = {place: node for node, place in where.items()}
    paths = next(t for t in scope.rings.data if t.name == "paths 1")
    ends = np.round(np.stack([paths.x, paths.y], 1).reshape(-1, 3, 2)[:, :2], 6)
    drawn_edges = [tuple(nodes[tuple(end)] for end in edge) for edge in ends]
    assert drawn_edges and all(links[one, two] == 1 and abs(hops[one] - hops[two]) == 1 for one, two in drawn_edges)
    for node in drawn(scope):  # a path of such edges leads to each negative that any leads to
        assert not np.isfinite(hops[node]) or any(node in edge for edge in drawn_edges)


def test_far_nodes_share_the_last_ring_and_lonely_anchors_have_one() -> None:
    line = torch.stack([torch.arange(29), torch.arange(1, 30)])
    graph = Data(x=torch.eye(31), edge_index=torch.cat([line, line.flip(0)], 1), num_nodes=31)
    scope = widgets.Microscope(widgets.microscope(graph, ("all",), anchor=0).scene)
    labels = next(t.text for t in scope.rings.data if t.name == "labels 1")
    assert list(labels) == ["1 hop", "2", "", "4", "", "6", "", "8", "", "10+", "no path"] and len(drawn(scope)) == 30
    scope.anchor.value = "30"
    assert next(t.text for t in scope.rings.data if t.name == "labels 1")[-1] == "no path"
    assert {"no path leads there"} == {re.search("no path leads there", one)[0] for one in scope.table()["sentence"]}


def test_sentences_tell_why_and_what_a_negative_is_like(scope: widgets.Microscope, small_graph: Data) -> None:
    chosen = select("e2neg", small_graph, 5, anchors=[7]).of(7)
    look = scope.scene.looks["e2neg"]
    assert isinstance(look, Look)
    for pair, why, sentence in zip(look.audit.pairs.to_dict("records"), chosen.sentences(), look.table["sentence"],
                                   strict=True):  # fmt: skip
        far = "no path leads there" if pair["hops"] < 0 else f"{pair['hops']} hop{'s' * (pair['hops'] > 1)} away"
        same = "same class (false negative)" if pair["same_class"] else "another class"
        start = f"node {pair['negative']}: chosen because: {why} — {far}, cosine {pair['cosine']:.2f}, takes "
        assert sentence.startswith(start) and sentence.endswith(f" % of the gradient, {same}")
        assert html.escape(why) in scope.tables.children[3].value
    told = [int(node) for node in re.findall(r"<b>node (\d+)", scope.tables.children[3].value)]
    assert told == look.table.sort_values("gradient_share", ascending=False)["negative"].tolist() != drawn(scope, 4)
    assert {"reason_cluster", "reason_displaced"} <= {*look.table.columns}


def test_colours_are_classes_hops_or_gradients(scope: widgets.Microscope, small_graph: Data) -> None:
    assert dict(scope.colour.options)[LABELS] == "class"
    trace = next(t for t in scope.rings.data if t.name == "negatives 1, class")
    wanted = [style.class_marker(int(small_graph.y[node]))["color"] for node in drawn(scope)]
    assert list(trace.marker.color) == wanted and scope.rings.layout.coloraxis.showscale is False
    table = scope.scene.looks["uniform"].audit.pairs  # type: ignore[union-attr]
    outlined = np.array(trace.marker.line.width) > 1.5
    assert outlined.tolist() == table["false"].tolist()
    scope.colour.value = "gradient share"
    trace = next(t for t in scope.rings.data if t.name == "negatives 1, gradient share")
    most = 100 * max(one.pairs["gradient_share"].max() for one in scope.scene.panels.values())  # type: ignore[union-attr]
    assert list(trace.marker.color) == sample_colorscale(style.SCALE, 100 * table["gradient_share"] / most)
    axis = scope.rings.layout.coloraxis
    assert axis.showscale and axis.cmin == 0 and axis.cmax == pytest.approx(most)
    scope.colour.value = "hops"
    trace, axis = next(t for t in scope.rings.data if t.name == "negatives 1, hops"), scope.rings.layout.coloraxis
    for hop, shade in zip(table["hops"], trace.marker.color, strict=True):
        assert shade == (style.PAPER if hop < 0 else sample_colorscale(style.SCALE, (hop - 1) / (axis.cmax - 1))[0])
    with pytest.raises(UserError, match="did you mean 'hops'"):
        plots.negative_rings(scope.scene.panels, small_graph, 7, "hop")


def test_cosines_are_those_of_the_audit(scope: widgets.Microscope, small_graph: Data) -> None:
    def agree(scene: Any) -> None:
        cosines = scene.lens.cosines(scene.anchor)
        for one in scene.panels.values():
            np.testing.assert_allclose(cosines[one.pairs["negative"]], one.pairs["cosine"], atol=1e-6)

    agree(scope.scene)
    assert sum(scope.cosines.data[0].y) == 59
    ticks = next(t for t in scope.cosines.data if t.name == "cosines 3")
    assert list(ticks.customdata) == drawn(scope, 3)
    rows = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    other = widgets.Microscope(widgets.microscope(small_graph, anchor=7, k=5, embedding=rows).scene)
    agree(other.scene)
    assert drawn(other, 3) == expected(small_graph, "hardest", 7, 5, embedding=rows)
    run = wb.fit("grace", small_graph, epochs=2, dim=8)
    trained = widgets.Microscope(widgets.microscope(small_graph, anchor=7, k=5, embedding=run).scene)
    agree(trained.scene)
    assert trained.scene.samplers[0] == "as trained" and "as trained" not in scope.scene.samplers
    assert drawn(trained, 4) == expected(small_graph, "hardest", 7, 5, embedding=run)
    assert "projections" in trained.note.value and "PCA of the embedding" in told(trained.map)


def test_what_a_training_compared_is_shown_and_said_to_be_that(small_graph: Data) -> None:
    few = wb.fit("grace", small_graph, epochs=2, dim=8, negatives="hop-far", k=4, tau=0.3, progress=False)
    scope = widgets.Microscope(widgets.microscope(small_graph, anchor=7, embedding=few).scene)
    assert [panel.value for panel in scope.samplers] == ["as trained", "uniform", "hop-far", "hardest"]
    row = few.contrast.candidates[7]
    assert drawn(scope, 1) == sorted(set(row.tolist()) - {7}) and scope.scene.lens.tau == 0.3
    assert "“as trained” shows what grace on small compared in its last step" in scope.origin.value
    assert "hop-far" in scope.origin.value and "afresh" in scope.origin.value
    assert "the last step of the training compared it" in scope.tables.children[0].value
    scope.samplers[0].value = "uniform"
    assert "Each panel asks its sampler afresh" in scope.origin.value
    few = wb.fit("e2neg", small_graph, epochs=2, dim=8, k=5, progress=False)
    centres = set(few.contrast.nodes.tolist())
    scope = widgets.Microscope(widgets.microscope(small_graph, embedding=few).scene)
    assert set(drawn(scope, 1)) == centres - {scope.scene.anchor} and scope.scene.anchor in centres
    scope.move_to(next(node for node in range(60) if node not in centres))
    assert "the training never compared node" in told(scope.rings)
    plain = widgets.Microscope(widgets.microscope(small_graph, anchor=7).scene)
    assert "no training here" in plain.origin.value and "as trained" not in plain.samplers[0].options
    with pytest.raises(UserError, match="a run that contrasted nodes"):
        widgets.microscope(small_graph, ["as trained"])


def test_a_click_tells_of_a_negative_and_a_second_one_moves_there(scope: widgets.Microscope) -> None:
    def click(figure: go.FigureWidget, name: str, node: int) -> None:
        trace = next(t for t in figure.data if t.name == name)
        trace._dispatch_on_click(SimpleNamespace(point_inds=[list(trace.customdata).index(node)]), None)

    node = drawn(scope, 3)[1]
    click(scope.rings, "negatives 3, class", node)
    assert scope.chosen == node and scope.scene.anchor == 7 and f"node {node}" in scope.told.value
    assert scope.tables.selected_index == 2 and scope.tables.children[2].value.count("box-shadow") == 1
    ringed = next(t for t in scope.rings.data if t.name == "chosen 3")
    assert len(ringed.x) == 1 and list(next(t for t in scope.map.data if t.name == "chosen").customdata) == [node]
    assert scope.move.layout.display == "" and str(node) in scope.move.description
    click(scope.rings, "negatives 3, class", node)
    assert scope.scene.anchor == node and scope.chosen is None and scope.anchor.value == str(node)
    assert scope.told.value == "" and len(next(t for t in scope.rings.data if t.name == "chosen 3").x) == 0
    click(scope.cosines, "cosines 2", drawn(scope, 2)[0])
    assert scope.chosen == drawn(scope, 2)[0]
    scope.move.click()
    assert scope.chosen is None and scope.scene.anchor != node
    other = next(t for t in scope.rings.data if t.name == "context 1").customdata[0]
    click(scope.rings, "context 1", int(other))
    assert scope.scene.anchor == other or scope.chosen == other  # it may be a negative in another panel
    click(scope.map, "all nodes", 59)
    assert 59 in (scope.scene.anchor, scope.chosen)


def test_surprises_are_seeded_and_have_something_to_tell(small_graph: Data) -> None:
    def draws(seed: int) -> list[int]:
        scope = widgets.Microscope(widgets.microscope(small_graph, ("hop-near",), anchor=0, seed=seed, k=3).scene)
        found = []
        for _ in range(6):
            scope.surprise.click()
            found.append(scope.scene.anchor)
            assert scope.anchor.value == str(scope.scene.anchor)
            assert scope.table()[["false", "coupled"]].any(axis=None)
        return found

    assert draws(0) == draws(0) != draws(1)
    first = [widgets.microscope(small_graph, k=5, seed=seed).scene.anchor for seed in (4, 4, 5)]
    assert first[0] == first[1] != first[2]


def test_what_is_wrong_with_an_anchor_is_said_and_the_picture_kept(scope: widgets.Microscope) -> None:
    before = drawn(scope)
    for text, told_ in (("60", "no node 60"), ("-1", "no node -1"), ("<b>x", "&lt;b&gt;x"), ("", "is no node")):
        scope.anchor.value = text
        assert told_ in scope.message.value and "<b>x" not in scope.message.value
        assert "Node 7 is still shown" in scope.message.value and drawn(scope) == before
    scope.anchor.value = " 9 "
    assert scope.message.value == "" and scope.scene.anchor == 9


def test_a_node_is_found_by_a_part_of_its_name(small_graph: Data) -> None:
    small_graph.node_names = [f"<i>paper {'abc'[i % 3]}{i}</i>" for i in range(60)]
    scope = widgets.Microscope(widgets.microscope(small_graph, anchor=7, k=5).scene)
    assert scope.anchor.options[3] == small_graph.node_names[3]
    for text, node in (("A57", 57), (small_graph.node_names[4], 4), ("11", 11)):
        scope.anchor.value = text
        assert (scope.scene.anchor, scope.message.value) == (node, "")
    scope.anchor.value = "paper a3"
    assert "5 names hold" in scope.message.value and "node 30 (&lt;i&gt;paper a30" in scope.message.value
    scope.anchor.value = "zzz"
    assert "no node&#x27;s name holds" in scope.message.value
    scope.anchor.value = "papr a3"
    assert "?" in scope.message.value and "?." not in scope.message.value
    shown = [scope.tables.children[0].value, scope.told.value, told(scope.rings)]
    shown += [text for t in scope.rings.data if t.text for text in t.text]
    assert not any("<i>" in one for one in shown) and "&lt;i&gt;paper" in shown[0] and "&lt;i&gt;" in shown[2]


def test_a_sampler_that_fails_is_one_sentence_in_its_panel(small_graph: Data) -> None:
    small_graph.x = None
    scope = widgets.Microscope(widgets.microscope(small_graph, anchor=7, k=5).scene)
    assert "pass an embedding" in told(scope.rings) and "hardest: nothing to show" in told(scope.rings)
    assert "compares attributes" in scope.tables.children[2].value and drawn(scope, 3) == []
    assert drawn(scope, 2) == expected(small_graph, "hop-far", 7, 5) and "q " not in told(scope.rings)
    assert "cosine" not in scope.tables.children[1].value and "nothing is said of cosines" in scope.note.value
    assert "no attributes" in told(scope.map) and sorted(scope.table()["sampler"].unique()) == [
        "e2neg",
        "hop-far",
        "uniform",
    ]
    scope.k.value = 64
    assert "gives 1 to 60" in told(scope.rings) and len(scope.table()) == 0
    scope.k.value = 3
    assert drawn(scope, 1) == expected(small_graph, "uniform", 7, 3)
    scope.samplers[1].value = "uniform"
    assert "shown in another panel" in told(scope.rings) and len(scope.scene.looks) == 4
    assert scope.table()["sampler"].value_counts().to_dict() == {"uniform": 3, "e2neg": 3}


def test_the_map_goes_away_and_comes_back(scope: widgets.Microscope, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = [t.name for t in scope.map.data]
    scope.scene.lens.maps["umap"] = "no map today"
    scope.method.value = "umap"
    assert "no map today" in told(scope.map) and not scope.map.data
    scope.method.value = "pca"
    assert [t.name for t in scope.map.data] == traces and told(scope.map).endswith(" ")


def test_without_labels_nothing_is_said_of_classes(small_graph: Data) -> None:
    small_graph.y = None
    scope = widgets.Microscope(widgets.microscope(small_graph, anchor=7, k=5).scene)
    assert list(scope.colour.options) == [("hops", "hops"), ("gradient share", "gradient share")]
    everything = told(scope.rings) + "".join(one.value for one in scope.tables.children)
    assert "false" not in everything and "class" not in everything and "label" not in told(scope.rings)
    scope.surprise.click()
    with pytest.raises(UserError, match="unknown colour 'class' of a graph without labels"):
        plots.negative_rings(scope.scene.panels, small_graph, 7, "class")


def test_very_many_negatives_are_sampled_and_it_says_so(small_graph: Data) -> None:
    graph = Data(x=torch.eye(300), edge_index=small_graph.edge_index, num_nodes=300)
    scope = widgets.Microscope(widgets.microscope(graph, ("all",), anchor=7).scene)
    assert len(scope.table()) == 299 and len(drawn(scope)) == 64
    assert "all: 299 negatives (a random 64 shown)" in told(scope.rings)
    assert all("; all: a random 64" in told(figure) for figure in (scope.cosines, scope.map))
    assert "A sample: 64 of the 299" in scope.tables.children[0].value
    assert scope.tables.children[0].value.count("every node is one") == 64
    other = next(node for node in range(300) if node not in drawn(scope) and node != 7)
    scope.choose(other)
    assert scope.scene.anchor == other  # what is not shown can't be told of


def test_options_are_handed_on_and_named(small_graph: Data) -> None:
    scope = widgets.Microscope(
        widgets.microscope(small_graph, ("hop-far", "mixing"), anchor=7, k=5, options={"hop-far": {"hops": 4}}).scene
    )
    assert drawn(scope, 1) == expected(small_graph, "hop-far", 7, 5, hops=4)
    assert "hop-far (hops=4): " in told(scope.rings) and "mixing also makes 32 synthetic negatives" in scope.note.value
    agrees(scope, small_graph, **{"hop-far": {"hops": 4}})


def test_what_is_saved_is_the_table(scope: widgets.Microscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = scope.table()
    assert list(table.columns[:3]) == ["sampler", "anchor", "negative"] and table.columns[-1] == "sentence"
    back = pd.read_csv(scope.export(tmp_path / "all.csv"), dtype=table.dtypes.drop("same_class").to_dict())
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
    assert str(table["reason_rank"].dtype) == "Int64"
    monkeypatch.chdir(tmp_path)
    scope.filename.value = "here.csv"
    scope.save.click()
    assert (tmp_path / "here.csv").exists() and str(tmp_path / "here.csv") in scope.saved.value
    scope.filename.value = "<b>here</b>"
    scope.save.click()
    assert "ends in .csv" in scope.saved.value and "<b>here" not in scope.saved.value
    scope.filename.value = "nowhere/here.csv"
    scope.save.click()
    assert "can&#x27;t be written" in scope.saved.value
    with pytest.raises(UserError, match=r"did you mean '\.csv'"):
        scope.export("table.cvs")


def test_the_table_is_written_as_parquet(scope: widgets.Microscope, tmp_path: Path) -> None:
    read, table = fastparquet.ParquetFile(scope.export(tmp_path / "all.parquet")).to_pandas(), scope.table()
    assert read["same_class"].dtype == "boolean" and read["sentence"].tolist() == table["sentence"].tolist()
    pd.testing.assert_frame_equal(read, table.astype({"same_class": "boolean"}), check_dtype=False)


def test_it_asks_for_what_exists(small_graph: Data) -> None:
    for message, given in {
        "did you mean 'uniform'": {"samplers": ("unifrom",)},
        "compares 1 to 4 different": {"samplers": ("uniform", "uniform")},
        "there is no node 60": {"anchor": 60},
        "shows 1 to 64": {"k": 65},
        "no option|unknown option": {"options": {"hop-far": {"hop": 3}}},
        "temperature": {"tau": 0.0},
        "seed is -1": {"seed": -1},
        "samplers are a list": {"samplers": 3},
        "by the name of a sampler": {"options": {"hop-far": 3}},
        "one row per node": {"embedding": torch.eye(3)},
    }.items():
        with pytest.raises(UserError, match=message):
            widgets.microscope(small_graph, **given)
    with pytest.raises(UserError, match="no nodes to look at"):
        widgets.microscope(Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=0))


def test_nobody_there_to_click_gets_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    shown: list[Any] = []
    monkeypatch.setattr(shell, "display", shown.append)
    report = widgets.microscope(load_graph("karate"), anchor=5, k=4)
    assert isinstance(report, widgets.Report)
    report._ipython_display_()
    figures = [one for one in shown if isinstance(one, go.Figure)]
    assert len(figures) == 3 and not any(isinstance(one, go.FigureWidget) for one in figures)
    texts = " ".join(one.data for one in shown if not isinstance(one, go.Figure))
    scope = widgets.Microscope(report.scene)
    assert all(scope.tables.children[panel].value in texts for panel in range(4)) and "microscope appear" in texts
    assert [drawn(report, panel) for panel in (1, 2, 3, 4)] == [drawn(scope, panel) for panel in (1, 2, 3, 4)]
    assert len(pd.read_csv(report.export(tmp_path / "all.csv"))) == len(report.table()) == len(scope.table())


def test_a_ground_for_other_anchors_shares_what_it_can(small_graph: Data) -> None:
    whole = SamplingContext(small_graph)
    first, second = (whole.for_anchors(torch.tensor([node])) for node in (3, 9))
    assert first.features is second.features is whole.features and first.links is whole.links
    assert first.anchors.tolist() == [3] and second.anchors.tolist() == [9] and whole.asked is None
    assert first.within(2) is not second.within(2) and second.clusters is not None
    for name in ("hop-far", "hardest", "same-cluster", "uniform"):
        for node, ground in ((3, first), (9, second)):
            wanted = select(name, small_graph, 6, anchors=[node])
            assert choose(ground, name, 6).negatives.tolist() == wanted.negatives.tolist()


# -------------------------------------------------------------------------------------------------- a real browser


class Page(Screen):
    """The page with the microscope."""

    FIGURE = (
        "[...document.querySelectorAll('.js-plotly-plot')]"
        ".find(e => e._fullData?.some(t => t.name?.startsWith('negatives 1,')))"
    )

    def title_holds(self, text: str) -> None:
        self.until(f"({self.FIGURE}).layout.title.text.includes({text!r})")

    def has(self, panel: int, nodes: list[int]) -> None:
        """Wait until a panel in the browser has exactly these negatives."""
        self.found(
            f"""nodes => {{
                const there = ({self.FIGURE})._fullData.find(t => t.name.startsWith('negatives {panel},'));
                return there && JSON.stringify([...(there.customdata || [])]) == JSON.stringify(nodes);
            }}""",
            nodes,
        )


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Page]:
    source = "import workbench as wb\nscope = wb.widgets.microscope(wb.load_graph('karate'), anchor=5, k=6)\nscope"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Page) as shown_:
        yield shown_


@needs_chromium
def test_a_person_in_a_browser_sees_whom_each_sampler_chooses(screen: Page) -> None:
    graph, page = load_graph("karate"), screen.page

    def agree(anchor: int, k: int, *samplers: str) -> None:
        for panel, name in enumerate(samplers, start=1):
            screen.has(panel, expected(graph, name, anchor, k))

    agree(5, 6, *FOUR)
    anchor, tables = page.locator(".microscope-anchor input"), page.locator(".microscope-tables")
    anchor.fill("16")
    anchor.press("Enter")
    screen.title_holds("node 16")
    agree(16, 6, *FOUR)
    node = expected(graph, "uniform", 16, 6)[0]
    tables.get_by_text(f"node {node}", exact=True).first.wait_for()

    page.locator(".microscope-panel-2 select").select_option("hop-near")
    agree(16, 6, "uniform", "hop-near", "hardest", "e2neg")
    page.locator(".microscope-k .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    agree(16, 8, "uniform", "hop-near", "hardest", "e2neg")

    node = expected(graph, "uniform", 16, 8)[2]
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_timeout(2_000)
    screen.click(node, "negatives 1, class")
    answer = page.locator(".microscope-told").get_by_text(f"node {node}", exact=True).first
    answer.wait_for()
    rings, box = page.locator(".microscope-rings").bounding_box(), answer.bounding_box()
    assert box["x"] >= rings["x"] + rings["width"] and rings["y"] <= box["y"] <= 750, "it is read beside the click"
    for word in ("false:", "coupled:", "q:"):
        explained = page.get_by_text(word).first.bounding_box()
        assert explained["x"] > rings["x"] and rings["y"] < explained["y"] < rings["y"] + rings["height"]
    screen.until(f"({screen.FIGURE})._fullData.some(t => t.name == 'chosen 1' && t.x?.length == 1)")
    assert page.locator(".microscope-move").inner_text() == f"make node {node} the anchor"
    screen.click(node, "negatives 1, class")
    screen.title_holds(f"node {node}")
    agree(node, 8, "uniform", "hop-near", "hardest", "e2neg")
    assert anchor.input_value() == str(node)

    page.locator(".microscope-colour select").select_option("gradient share")
    screen.until(f"({screen.FIGURE})._fullData.some(t => t.name == 'negatives 1, gradient share')")
    page.locator(".microscope-panel-3 select").select_option(NONE)
    agree(node, 8, "uniform", "hop-near", "e2neg")
    page.locator(".workbench-undo").click()
    agree(node, 8, "uniform", "hop-near", "hardest", "e2neg")
    page.locator(".microscope-panel-3 select").select_option(NONE)
    agree(node, 8, "uniform", "hop-near", "e2neg")
    anchor.click()
    page.wait_for_timeout(300)
    page.keyboard.type("33")
    anchor.press("Enter")
    agree(33, 8, "uniform", "hop-near", "e2neg")
    anchor.fill("99")
    anchor.press("Enter")
    page.locator(".microscope-message").get_by_text("there is no node 99").wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
    name = "networkx.algorithms.community.edge_current_flow_betweenness_partition"  # longer than the page is wide
    told = f"lens = scope.scene.lens; lens.names = lens.graph.node_names = ['{name}'] * 34; print('named')"
    assert screen.python(told) == "named"
    page.set_viewport_size({"width": 390, "height": 800})
    anchor.fill("32")
    anchor.press("Enter")
    screen.title_holds("betweenness")
    screen.until("[...document.querySelectorAll('.gtitle')].every(e => e.getBoundingClientRect().right < innerWidth)")
    plots_ = "[...document.querySelectorAll('.js-plotly-plot')]"
    screen.until(f"{plots_}.every(e => e._fullLayout.width == e.parentElement.clientWidth)")
    box = tables.bounding_box()
    right = "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    assert tables.locator(".lm-TabBar-tab").evaluate_all(right) <= box["x"] + box["width"]
    told = tables.locator("td:visible")
    assert told.count() and told.evaluate_all(right) <= box["x"] + box["width"], "sentences wrap"
    across = f"['xaxis', 'xaxis2', 'xaxis3'].map(name => ({screen.FIGURE})._fullLayout[name]._length)"
    assert min(page.evaluate(across)) > 200, "panels stand below one another"
    assert screen.left == []
