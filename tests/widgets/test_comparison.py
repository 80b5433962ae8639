"""The comparison: what is selected on one map is selected on the other, as an object and in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from browser import browser, lab, needs_chromium
from test_explorer import Explorer
from torch_geometric.data import Data

import workbench as wb
from workbench import widgets
from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.evaluation import agreement
from workbench.widgets import pair, shell
from workbench.widgets.pair import LISTED, line


def embeddings(nodes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two embeddings [nodes, 8], the second of which has a part of the first."""
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(nodes, 8, generator=generator) for _ in range(2))
    return one, one + 0.4 * other


@pytest.fixture
def compared(labelled: Data, monkeypatch: pytest.MonkeyPatch) -> widgets.Comparison:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    made = widgets.comparison(*embeddings(100), labelled, k=5, method="pca")
    assert isinstance(made, widgets.Comparison)
    return made


def marked(figure: go.Figure) -> list[int] | None:
    """The nodes that are set off from the others, None where none are."""
    traces = [trace for trace in figure.data if trace.customdata is not None]
    if all(trace.selectedpoints is None for trace in traces):
        return None
    return sorted(int(trace.customdata[place]) for trace in traces for place in trace.selectedpoints)


def ringed(figure: go.Figure) -> dict[str, int]:
    return {trace.name: len(trace.x) for trace in figure.data if trace.customdata is None}


def brush(figure: go.FigureWidget, nodes: list[int]) -> None:
    """Do what a lasso on the screen does."""
    found = [
        (t, list(trace.customdata).index(node))
        for t, trace in enumerate(figure.data)
        if trace.customdata is not None
        for node in nodes
        if node in trace.customdata
    ]
    points = {"trace_indexes": [t for t, _ in found], "point_indexes": [place for _, place in found]}
    points |= {"xs": [0] * len(found), "ys": [0] * len(found)}
    figure._js2py_pointsCallback = {"event_type": "plotly_selected", "points": points}


def test_a_lasso_on_either_map_selects_the_same_nodes_on_both(compared: widgets.Comparison) -> None:
    assert [marked(shown) for shown in compared.maps] == [None, None] and len(compared.selection) == 0
    for side, nodes in ((0, [3, 8, 20, 21, 77]), (1, [5, 6]), (0, [0, 99])):
        brush(compared.maps[side], nodes)
        brush(compared.maps[side], [])  # as the screen answers when the outline is taken away
        assert [marked(shown) for shown in compared.maps] == [nodes, nodes]
        assert compared.selection.tolist() == nodes and compared.selection.dtype == np.int64
    compared.selection = [9, 4, 4]
    assert [marked(shown) for shown in compared.maps] == [[4, 9], [4, 9]] and compared.selection.tolist() == [4, 9]
    with pytest.raises(UserError, match="no node 100"):
        compared.selection = [100]
    compared.maps[1]._js2py_pointsCallback = {
        "event_type": "plotly_deselect",
        "points": {"trace_indexes": [], "point_indexes": [], "xs": [], "ys": []},
    }
    assert [marked(shown) for shown in compared.maps] == [None, None] and len(compared.selection) == 0
    compared.selection = range(50)
    compared.clear.click()
    assert [marked(shown) for shown in compared.maps] == [None, None]


def test_numbers_are_those_of_the_selection(compared: widgets.Comparison, labelled: Data) -> None:
    found = agreement(*embeddings(100), labelled, 5)
    assert f"{found.summary.loc['linear CKA', 'value']:.3f}" in compared.numbers.value
    assert "selected" not in compared.numbers.value
    compared.selection = range(0, 60, 2)  # all of one class
    told = found.of(range(0, 60, 2))
    for name in ("neighbourhood overlap", "Procrustes distance", "neighbours in the group, one"):
        assert f"<td>{told[name]:.2f}</td>" in compared.numbers.value
    assert "<td>30</td>\n      <td>50</td>" in compared.numbers.value and "<th>1</th>" not in compared.numbers.value


def test_the_list_has_those_that_moved_most_of_the_selected(compared: widgets.Comparison) -> None:
    order = compared.agreement.nodes["node"].tolist()
    assert [node for _, node in compared.moved.options] == order[:LISTED] and compared.moved.value is None
    compared.selection = range(30)
    assert [node for _, node in compared.moved.options] == [node for node in order if node < 30]
    assert "of the selected" in compared.heading.value
    row = compared.agreement.nodes.iloc[0]
    compared.selection = []
    assert compared.moved.options[0][0] == f"node {row['node']} · class {row['class']} · overlap {row['overlap']:.2f}"
    compared.choose(row["node"])  # the rest is told of the one that is looked at
    assert f"class {row['class']}, degree {row['degree']}, " in compared.told.value
    assert f"distance {row['distance']:.2f} between its two places" in compared.told.value


def test_a_node_is_ringed_with_its_nearest_in_either_embedding(compared: widgets.Comparison) -> None:
    assert all(set(ringed(shown).values()) == {0} for shown in compared.maps) and compared.told.value == ""
    node = compared.moved.options[2][1]
    compared.moved.value = node
    for shown in compared.maps:
        assert sorted(ringed(shown).values()) == [1, 5, 5]
    near = [one.indices[node].tolist() for one in compared.agreement.nearest]
    both = set(near[0]) & set(near[1])
    assert f"{len(both)} of its 5 nearest are the same" in compared.told.value
    assert all(f"<b>{one}</b>" in compared.told.value for one in both)
    assert compared.chosen == node and compared.node.value == str(node) and len(compared.selection) == 0
    compared.node.value = "12"
    assert compared.chosen == 12 and "Node 12" in compared.told.value
    compared.node.value = "120"
    assert "no node 120" in compared.message.value and compared.chosen == 12
    compared.node.value = ""
    assert compared.chosen is None and compared.message.value == "" and ringed(compared.maps[0])["chosen"] == 0
    trace = compared.maps[1].data[0]
    trace._dispatch_on_click(SimpleNamespace(point_inds=[4]), None)
    node = int(trace.customdata[4])
    assert compared.chosen == node and compared.selection.tolist() == [node] == marked(compared.maps[0])
    compared.choose(7)
    assert compared.chosen == 7 and compared.selection.tolist() == [node]


def test_colour_and_map_follow_their_controls_and_the_selection_stays(compared: widgets.Comparison) -> None:
    compared.selection = [1, 2, 3]
    zoomed = (-0.1, 0.2)
    compared.maps[0].layout.xaxis.range = zoomed
    for colour in ("neighbourhood overlap", "neighbourhood hit", "class"):
        compared.colour.value = colour
        assert all(marked(shown) == [1, 2, 3] for shown in compared.maps)
        expected = pair.plots.agreement_maps(compared.agreement, compared.scene.maps(), colour, chosen=None)
        for shown, figure in zip(compared.maps, expected, strict=True):
            for one, other in zip(shown.data, figure.data, strict=True):
                np.testing.assert_array_equal(one.marker.color, other.marker.color)
    brush(compared.maps[1], [8])  # the traces that were made anew are listened to
    assert compared.selection.tolist() == [8] == marked(compared.maps[0])
    assert compared.maps[0].layout.xaxis.range == zoomed != compared.maps[1].layout.xaxis.range
    compared.method.value = "umap"
    assert "PCA of 100" in compared.maps[0].layout.title.subtitle.text and "both maps by UMAP" in compared.coming.value
    compared.wait()
    assert "UMAP" in compared.maps[0].layout.title.subtitle.text and compared.maps[0].layout.xaxis.range != zoomed
    assert all(marked(shown) == [8] for shown in compared.maps)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([t.x for t in compared.maps[0].data if t.customdata is not None])),
        np.sort(compared.scene.maps()[0].points[:, 0]),
    )


def test_of_very_many_nodes_both_maps_show_the_same_sample(labelled: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair, "DRAWN", 40)
    scene = pair.Pair(*embeddings(100), labelled, 5, None, 0)
    scene.colour, scene.method = "class", "pca"
    made = widgets.Comparison(scene)
    nodes = [np.concatenate([t.customdata for t in m.data if t.customdata is not None]) for m in made.maps]
    assert len(nodes[0]) == 40 and set(nodes[0]) == set(nodes[1])
    assert all("a seeded sample of 40 of 100" in shown.layout.title.subtitle.text for shown in made.maps)
    missing = next(node for node in range(100) if node not in nodes[0])
    made.choose(missing)
    assert "not in the sample" in made.told.value and ringed(made.maps[0])["chosen"] == 0
    made.selection = [missing, int(nodes[0][0])]
    assert made.selection.tolist() == sorted([missing, int(nodes[0][0])]) and marked(made.maps[1]) == [nodes[0][0]]


def test_runs_are_called_by_what_tells_them_apart(small_graph: Data) -> None:
    runs = [wb.fit("grace", small_graph, epochs=1, dim=8, seed=seed, progress=False) for seed in (0, 1)]
    made = widgets.comparison(*runs, small_graph, k=5, method="pca", groups=torch.arange(60) % 4)
    assert [shown.layout.title.text for shown in made.maps] == ["grace (seed=0)", "grace (seed=1)"]
    assert "confusion, grace (seed=0)" in made.children[-2].value and len(made.classes) == 2
    made.wait()
    assert [file.name[:4] for file in sorted((runs[0].path / "maps").iterdir())].count("pca-") == 1
    same = widgets.comparison(runs[0], runs[0], small_graph, k=5, method="pca")
    assert [shown.layout.title.text for shown in same.maps] == ["grace, one", "grace, other"]
    mixed = widgets.comparison(runs[0], small_graph.x, small_graph, k=5, method="pca")
    assert mixed.maps[1].layout.title.text == "matrix [60, 40]"


def test_without_classes_and_with_names(small_graph: Data) -> None:
    small_graph.y, small_graph.node_names = None, [f"<i>paper {i}</i>" for i in range(60)]
    made = widgets.comparison(*embeddings(60), small_graph, k=5, method="pca", node=3)
    assert [name for _, name in made.colour.options] == ["neighbourhood overlap", "neighbourhood hit"]
    assert made.classes == [] and "no classes" in made.children[-2].value
    made.selection = [3, 4]
    made.node.value = "paper 41"
    assert {option[0].split(" · ")[1] for option in made.moved.options} == {f"<i>paper {i}</i>" for i in (3, 4)}
    assert made.chosen == 41 and "&lt;i&gt;paper 41" in made.told.value and "<i>paper" not in made.told.value


def test_a_line_of_the_list_fits_beside_the_numbers() -> None:
    moved = {"node": 12345, "name": "scipy.interpolate.RectSphereBivariateSpline", "class": "x", "overlap": 0.071}
    assert line(moved) == "node 12345 · scipy.interp…BivariateSpline · overlap 0.07"
    assert line({name: moved[name] for name in moved if name != "name"}) == "node 12345 · class x · overlap 0.07"


def test_it_asks_for_what_exists(labelled: Data) -> None:
    one, other = embeddings(100)
    for message, given in {
        "unknown colour 'clas' of this comparison; did you mean 'class'": {"colour": "clas"},
        "did you mean 'umap'": {"method": "unap"},
        "no node 100": {"node": 100},
        "k must lie between": {"k": 100},
    }.items():
        with pytest.raises(UserError, match=message):
            widgets.comparison(one, other, labelled, **{"k": 5, "method": "pca", **given})


def test_nobody_there_to_click_gets_the_same_pictures(labelled: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    shown: list[Any] = []
    monkeypatch.setattr(shell, "display", shown.append)
    report = widgets.comparison(*embeddings(100), labelled, k=5, method="pca")
    assert isinstance(report, widgets.Report)
    report._ipython_display_()
    figures = [one for one in shown if isinstance(one, go.Figure)]
    assert figures == [report.figures[name] for name in ("maps", "classes", "change")]
    assert not any(isinstance(one, go.FigureWidget) for one in figures)
    texts = " ".join(one.data for one in shown if not isinstance(one, go.Figure))
    first = report.agreement.nodes.iloc[0]
    assert f"Node {first['node']}" in texts and "comparison appear" in texts and "Nodes that moved most" in texts
    nodes = [trace for trace in figures[0].data if trace.customdata is not None]
    assert sorted(np.concatenate([trace.customdata for trace in nodes])) == sorted([*range(100), *range(100)])
    chosen = [trace for trace in figures[0].data if trace.name == "chosen"]
    assert [len(trace.x) for trace in chosen] == [1, 1]
    labelled.y = None
    assert [*widgets.comparison(*embeddings(100), labelled, k=5, method="pca").figures] == ["maps"]


# -------------------------------------------------------------------------------------------------- a real browser


class Maps(Explorer):
    """The page with the comparison; `side` says which of its maps is looked at."""

    side = 0

    @property
    def FIGURE(self) -> str:  # type: ignore[override]
        maps = "[...document.querySelectorAll('.js-plotly-plot')].filter(e => e.layout?.dragmode == 'lasso')"
        return f"{maps}[{self.side}]"

    def selected(self, nodes: list[int]) -> None:
        """Wait until exactly these nodes are selected on both maps, and assert that they are in Python."""
        for self.side in (0, 1):
            self.marked(nodes)
        assert json.loads(self.python("print(compared.selection.tolist())")) == nodes


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Maps]:
    source = """import torch, workbench as wb
generator = torch.Generator().manual_seed(0)
one, other = (torch.randn(34, 8, generator=generator) for _ in range(2))
compared = wb.widgets.comparison(one, one + 0.4 * other, wb.load_graph('karate'), k=5, method='pca')
compared"""
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Maps) as shown:
        yield shown


@needs_chromium
def test_a_person_in_a_browser_brushes_on_either_map(screen: Maps) -> None:
    for side in (0, 1, 0):
        screen.side = side
        across = sorted((x if side == 0 else y, node) for node, (x, y) in screen.places().items())
        cut = max(range(8, 27), key=lambda i: across[i][0] - across[i - 1][0])  # where no node is near
        edge = (across[cut - 1][0] + across[cut][0]) / 2
        corners = [(0.005, 0.005), (edge, 0.005), (edge, 0.995), (0.005, 0.995)]
        screen.lasso(corners if side == 0 else [(y, x) for x, y in corners])
        screen.selected(sorted(node for _, node in across[:cut]))

    listed = json.loads(screen.python("import json; print(json.dumps(compared.moved.options))"))
    options = "[...document.querySelectorAll('.comparison-moved option')]"
    shown = f"{options}.map(o => o.textContent.replaceAll('\\u00a0', ' '))"
    screen.found(f"lines => JSON.stringify({shown}) == JSON.stringify(lines)", [line for line, _ in listed])
    screen.page.locator(".comparison-moved select").select_option(index=3)
    node = listed[3][1]
    near = agreement(*embeddings(34), load_graph("karate"), 5).nearest
    screen.page.locator(".comparison-told").get_by_text(f"Node {node}", exact=True).wait_for()
    for screen.side in (0, 1):
        places = screen.places()
        for name, nodes in (("nearest in one", near[0].indices[node]), ("nearest in other", near[1].indices[node])):
            screen.until(f"({screen.FIGURE})._fullData.some(t => !t.customdata && t.x.length == 5)")
            found = screen.found(
                f"""name => {{
                    const e = {screen.FIGURE}, X = e._fullLayout.xaxis;
                    const t = e._fullData.filter(t => t.name.startsWith('nearest'))[name == 'nearest in one' ? 0 : 1];
                    return [...t.x].map(x => X.l2p(x) / X._length);
                }}""",
                name,
            )
            assert sorted(found) == pytest.approx(sorted(places[int(one)][0] for one in nodes), abs=1e-4)

    screen.python("compared.selection = [2, 30]")
    screen.selected([2, 30])
    screen.side = 1
    name = screen.python("print(wb.load_graph('karate').y[16].item())")
    screen.click(16, name)
    screen.selected([16])
    screen.page.locator(".comparison-clear").click()
    screen.selected([])
    assert not screen.errors, screen.errors
