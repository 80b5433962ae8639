"""The embedding explorer: what each control changes, driven as an object and in a real browser."""

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from browser import PATIENCE, Screen, browser, lab, needs_chromium
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

import workbench as wb
from workbench import rules, widgets
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.evaluation.strata import probe_errors
from workbench.plots import network
from workbench.widgets import embedding_scene, shell
from workbench.widgets.embedding_scene import EmbeddingScene
from workbench.widgets.tables import table


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[wb.Run, Data]:
    graph = wb.load_graph("karate")
    store = tmp_path_factory.mktemp("runs")
    return wb.fit("grace", graph, "defaults", epochs=6, dim=8, snapshots=3, store=store, progress=False), graph


@pytest.fixture
def explorer(trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch) -> widgets.EmbeddingExplorer:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    made = widgets.embedding_explorer(*trained, method="pca")
    assert isinstance(made, widgets.EmbeddingExplorer)
    made.wait()
    return made


def places(figure: go.Figure) -> dict[int, tuple[float, float]]:
    traces = [trace for trace in figure.data if trace.customdata is not None]
    return {int(n): (x, y) for t in traces for n, x, y in zip(t.customdata, t.x, t.y, strict=True)}


def marked(figure: go.Figure) -> set[int]:
    return {int(t.customdata[i]) for t in figure.data if t.customdata is not None for i in t.selectedpoints or ()}


def lasso(shown: go.FigureWidget, nodes: set[int]) -> None:
    """Do what plotly does when a lasso was drawn, and what it answers when the outline is taken away."""
    for chosen in (nodes, set()):
        for trace in shown.data:
            inside = [] if trace.customdata is None else np.flatnonzero(np.isin(trace.customdata, list(chosen)))
            trace._dispatch_on_selection(SimpleNamespace(point_inds=list(map(int, inside))), None)


def test_cosines_in_a_table_have_as_many_decimals() -> None:
    assert re.findall(r"<td>([\d.–]+)</td>", table(pd.DataFrame({"cosine": [0.5, 0.1234, 1.0, np.nan]}))) == [
        "0.500",
        "0.123",
        "1.000",
        "–",
    ]


def test_it_opens_on_the_map_coloured_by_class(
    explorer: widgets.EmbeddingExplorer, trained: tuple[wb.Run, Data]
) -> None:
    drawn = projection.project(trained[0].embeddings, "pca")
    assert places(explorer.map) == {n: tuple(map(float, drawn.points[n])) for n in range(34)}
    assert "uses labels to look, never to train" in explorer.map.layout.title.subtitle.text
    assert f"neighbourhood hit {drawn.hit:.2f}" in explorer.map.layout.title.subtitle.text
    assert "Nothing is selected" in explorer.told.value and explorer.graph.data
    assert "degree 16" in next(t.text[list(t.customdata).index(0)] for t in explorer.map.data if 0 in t.customdata)
    assert explorer._graph_box.layout.display == "none"


def test_a_lasso_selects_and_the_selection_can_be_read_and_set(explorer: widgets.EmbeddingExplorer) -> None:
    lasso(explorer.map, {3, 7, 33})
    assert explorer.selection.tolist() == [3, 7, 33] and explorer.selection.dtype == np.int64
    assert marked(explorer.map) == {3, 7, 33}, "it stays when the outline is taken away"
    assert "3 of 34 nodes" in explorer.told.value and "1 edges among them" in explorer.told.value
    table = explorer.facts()
    assert table["node"].tolist() == [3, 7, 33] and table["degree"].tolist() == [6, 4, 17]
    assert explorer._graph_box.layout.display == "" and explorer.home.figures == ["map", "graph"]
    assert {3, 7, 33} <= {int(n) for t in explorer.graph.data if t.customdata is not None for n in t.customdata}
    explorer.colour.value = "degree"
    assert marked(explorer.map) == {3, 7, 33} and explorer.selection.tolist() == [3, 7, 33]
    explorer.select([5, 5, 2])
    assert explorer.selection.tolist() == [2, 5] and marked(explorer.map) == {2, 5}
    lasso(explorer.map, {9})  # the traces were made anew with the colour
    assert explorer.selection.tolist() == [9]
    explorer.map.data[-1]._dispatch_on_deselect(SimpleNamespace(point_inds=[]))
    assert explorer.selection.size == 0 and all(t.selectedpoints is None for t in explorer.map.data)
    assert explorer._graph_box.layout.display == "none" and explorer.table.value == ""
    assert explorer.home.figures == list(explorer._papers()) == ["map"]  # what is hidden is not printed
    with pytest.raises(UserError, match="there is no node 34"):
        explorer.select([34])


def test_a_click_lists_the_nearest_in_the_embedding_not_on_the_map(
    explorer: widgets.EmbeddingExplorer, trained: tuple[wb.Run, Data]
) -> None:
    run, graph = trained
    assert explorer._near_box.layout.display == "none"  # it takes no room from the graph while there is nothing in it
    trace = explorer.map.data[0]
    node = int(trace.customdata[2])
    trace._dispatch_on_click(SimpleNamespace(point_inds=[2]), None)
    unit = torch.nn.functional.normalize(run.embeddings)
    cosines = {j: float(unit[node] @ unit[j]) for j in range(34) if j != node}
    found = explorer.nearest
    best = sorted(cosines, key=cosines.get, reverse=True)[:15]  # type: ignore[arg-type]
    np.testing.assert_allclose(found["cosine"], [cosines[j] for j in best], atol=1e-6)
    links, points = to_networkx(graph, to_undirected=True), explorer.scene.drawn.points
    for row in found.itertuples():
        assert row._4 == nx.shortest_path_length(links, node, row.node)
        closer = [
            j
            for j in range(34)
            if np.linalg.norm(points[j] - points[node]) < np.linalg.norm(points[row.node] - points[node])
        ]
        assert row._5 == len(closer)  # the node itself is among those that are closer
    assert set(explorer.selection) == {node, *found["node"]} and marked(explorer.map) == set(explorer.selection)
    assert f"Nearest in the embedding to node {node}" in explorer.near.value and explorer.node.value == str(node)
    assert explorer._near_box.layout.display == ""
    explorer.node.value = "40"
    assert "there is no node 40" in explorer.message.value and explorer.chosen == node
    explorer.node.value = "11"
    assert explorer.message.value == "" and explorer.chosen == 11


def test_each_colour_shows_its_values(explorer: widgets.EmbeddingExplorer, trained: tuple[wb.Run, Data]) -> None:
    run, graph = trained

    def shown() -> dict[int, float]:
        return {int(n): v for t in explorer.map.data for n, v in zip(t.customdata, t.marker.color, strict=True)}

    explorer.colour.value = "degree"
    degree = torch.bincount(graph.edge_index[0])
    assert shown() == pytest.approx({i: np.log10(1 + int(degree[i])) for i in range(34)})
    assert explorer.map.data[0].marker.colorbar.title.text == "degree, log10(1 + edges)" and explorer.rule.disabled
    explorer.colour.value = "neighbourhood hit"
    assert shown() == pytest.approx(dict(enumerate(projection.project(run.embeddings, "pca").hits)))
    explorer.colour.value = "rule score"
    assert not explorer.rule.disabled
    assert shown() == pytest.approx(dict(enumerate(rules.evaluate("ntsc-soft", graph).tolist())), rel=1e-6)
    explorer.rule.value = "degree(v) + 1"
    assert shown() == pytest.approx({i: int(degree[i]) + 1 for i in range(34)})
    before = shown()
    explorer.rule.value = "degre(v)"
    assert "degree" in explorer.message.value and "still shows" in explorer.message.value and shown() == before
    explorer.colour.value = "cluster"
    assert explorer.message.value == "" and len(explorer.map.data) == 4  # as many as there are classes
    explorer.colour.value = "probe error"
    assert "wants at least 50" in explorer.message.value
    explorer.colour.value = "class"
    assert explorer.message.value == "" and {t.name for t in explorer.map.data} == {"0", "1", "2", "3"}


def test_the_error_of_a_probe_is_that_of_the_strata_and_nodes_without_one_are_grey(labelled: Data) -> None:
    labelled.y[:20] = -1
    run = wb.fit("grace", labelled, "defaults", epochs=1, dim=8, progress=False)
    explorer = widgets.embedding_explorer(run, labelled, "probe error", "pca")
    errors = probe_errors(run, labelled)
    none, known = explorer.map.data
    assert set(none.customdata) == set(np.flatnonzero(np.isnan(errors))) >= set(range(20))
    np.testing.assert_allclose(known.marker.color, errors[known.customdata])
    assert ": none" in none.hovertemplate


def test_a_first_picture_is_there_before_the_map_and_before_it_is_known_how_faithful_that_is(
    trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    run, graph = wb.runs.load(shutil.copytree(trained[0].path, tmp_path / "copy")), trained[1]
    shutil.rmtree(run.path / "maps", ignore_errors=True)
    pca, go_on, project = projection.project(run.embeddings, "pca"), threading.Event(), projection.project

    def waiting(*given: Any) -> projection.Map:
        assert go_on.wait(60)
        return project(*given)

    monkeypatch.setattr(projection, "project", waiting)
    explorer = widgets.embedding_explorer(run, graph, "neighbourhood hit", node=4)
    explorer.colour.value = "degree"  # a hand is not held up meanwhile
    explorer.colour.value = "neighbourhood hit"
    told = explorer.map.layout.title.subtitle.text
    assert "PCA of 34 nodes" in told and "stands in for UMAP" in told and "is being measured" in told
    assert "Computing UMAP and how faithful it is" in explorer.coming.value
    assert places(explorer.map) == {n: tuple(map(float, pca.points[n])) for n in range(34)}
    assert explorer.map.data[0].hovertemplate.endswith("none<extra></extra>") and len(explorer.nearest) == 15
    explorer.map.layout.xaxis.range = (0, 1)
    go_on.set()
    explorer.wait()
    umap, told = projection.project(run.embeddings, "umap"), explorer.map.layout.title.subtitle.text
    assert places(explorer.map) == {n: tuple(map(float, umap.points[n])) for n in range(34)}
    assert f"neighbourhood hit {umap.hit:.2f}" in told and "UMAP of 34" in told and "stands in" not in told
    np.testing.assert_array_equal(explorer.map.data[0].marker.color, umap.hits)
    assert "UMAP has taken the place of the first picture by PCA" in explorer.coming.value
    assert explorer.map.layout.xaxis.autorange and marked(explorer.map) == set(explorer.selection)

    go_on.clear()  # what was stored is there at once, and places that stay are not said to be others
    again = widgets.embedding_explorer(run, graph)
    assert places(again.map) == places(explorer.map) and not again.coming.value
    again.method.value = "pca"
    assert "stands in" not in again.map.layout.title.subtitle.text and "PCA" in again.coming.value
    again.method.value = "umap"  # nobody waits for PCA any more
    go_on.set()
    again.wait()
    assert places(again.map) == places(explorer.map) and not again.coming.value


def test_a_map_that_fails_is_told_and_the_first_picture_stays(
    trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    monkeypatch.setattr(projection, "kept", lambda *_: None)

    def failing(*_: Any) -> projection.Map:
        raise MemoryError("too <many> nodes")

    monkeypatch.setattr(projection, "project", failing)
    explorer = widgets.embedding_explorer(*trained, method="umap")
    explorer.wait()
    assert "MemoryError: too &lt;many&gt; nodes" in explorer.coming.value
    assert "stands in for UMAP" in explorer.map.layout.title.subtitle.text


def test_the_kernel_shows_what_has_come_when_it_is_free(
    trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    monkeypatch.setattr(projection, "kept", lambda *_: None)

    async def cell() -> widgets.EmbeddingExplorer:
        explorer = widgets.embedding_explorer(*trained, method="pca")
        for _ in range(2_000):
            if not explorer.coming.value:
                break
            await asyncio.sleep(0.01)
        return explorer

    assert "trustworthiness" in asyncio.run(cell()).map.layout.title.subtitle.text


def test_the_slider_shows_the_maps_of_the_epochs_and_edges_lie_below(
    explorer: widgets.EmbeddingExplorer, trained: tuple[wb.Run, Data]
) -> None:
    run, graph = trained
    drawn = dict(projection.over_epochs(run.snapshots, "pca"))
    explorer.choose(4)
    for epoch in (3, 0, 6):
        explorer.epoch.value = epoch
        explorer.wait()
        assert places(explorer.map) == {n: tuple(map(float, drawn[epoch].points[n])) for n in range(34)}
        moment = f"after {epoch} epochs" if epoch else "untrained"
        assert moment in explorer.map.layout.title.text and marked(explorer.map) == set(explorer.selection)
    explorer.epoch.value = 0
    assert not explorer.coming.value, "a map that was computed is at hand"
    found = explorer.nearest["node"].tolist()
    unit = run.snapshots[0].float()
    assert set(found) == {j for j in (unit @ unit[4]).argsort(descending=True)[:16].tolist() if j != 4}
    explorer.links.value = "all"
    lines = explorer.map.data[0]
    assert lines.mode == "lines" and np.isnan(np.asarray(lines.x)).sum() == graph.num_edges // 2
    explorer.select([0])
    explorer.links.value = "of the selected nodes"
    lines = explorer.map.data[0]
    assert np.isnan(np.asarray(lines.x)).sum() == 16  # of node 0
    assert any(np.isclose(lines.x[i : i + 2], explorer.scene.drawn.points[0, 0]).any() for i in range(0, 48, 3))
    lasso(explorer.map, {11})
    assert np.isnan(np.asarray(explorer.map.data[0].x)).sum() == 1


def test_what_it_is_asked_for_must_exist(trained: tuple[wb.Run, Data], small_graph: Data) -> None:
    with pytest.raises(UserError, match="did you mean 'class'"):
        widgets.embedding_explorer(*trained, colour="clas")
    with pytest.raises(UserError, match="did you mean 'umap'"):
        widgets.embedding_explorer(*trained, method="unap")
    with pytest.raises(UserError, match="did you mean 'ntsc'"):
        widgets.embedding_explorer(*trained, rule="ntcs")
    with pytest.raises(UserError, match="there is no node -1"):
        widgets.embedding_explorer(*trained, node=-1)
    with pytest.raises(UserError, match="differs from it in content"):
        widgets.embedding_explorer(trained[0], small_graph)
    with pytest.raises(UserError, match="one row per node"):
        widgets.embedding_explorer(trained[0].embeddings, small_graph)


def test_a_graph_without_labels_names_or_snapshots(small_graph: Data) -> None:
    del small_graph.y
    small_graph.node_names = [f"<i>{i}</i>" for i in range(60)]
    run = wb.fit("grace", small_graph, "defaults", epochs=1, dim=8, progress=False)
    explorer = widgets.embedding_explorer(run, small_graph, method="pca")
    assert explorer.colour.value == "cluster" and "class" not in dict(explorer.colour.options).values()
    assert explorer.epoch.disabled and len(explorer.map.data) == embedding_scene.CLUSTERS
    explorer.node.value = "<i>59"
    assert explorer.chosen == 59 and "<i>" not in explorer.near.value and "<i>" not in explorer.table.value
    assert all("<i>" not in text for t in explorer.map.data for text in t.text)
    explorer.node.value = "<i>5"
    assert "names hold" in explorer.message.value


def test_a_density_view_has_no_nodes_to_brush(trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MAX_POINTS", 20)
    explorer = widgets.embedding_explorer(*trained, method="pca")
    hints = [one.value for one in explorer.children if hasattr(one, "value") and isinstance(one.value, str)]
    assert any("explorer.select(nodes)" in hint for hint in hints)
    explorer.select([1, 2])
    explorer.links.value = "all"
    assert "2 of 34 nodes" in explorer.told.value and explorer.map.data[0].mode == "markers"


def test_nobody_there_to_click_gets_the_same_pictures(
    trained: tuple[wb.Run, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    report = widgets.embedding_explorer(*trained, method="pca", node=5)
    assert isinstance(report, widgets.Report)
    assert set(report.figures) == {"map", "faithfulness", "graph", "epochs"}
    shown: list[Any] = []
    monkeypatch.setattr(shell, "display", shown.append)
    report._ipython_display_()
    figures = [one for one in shown if isinstance(one, go.Figure)]
    assert len(figures) == 5 and marked(figures[1]) == set(report.selection) == {5, *report.nearest["node"]}
    assert places(figures[0]) == places(
        widgets.EmbeddingExplorer(EmbeddingScene(*trained, "class", "pca", None, "ntsc")).map
    )
    assert len(figures[-1].frames) == 3


def test_a_piece_around_nodes_holds_them_and_their_closest_neighbours() -> None:
    graph = wb.load_graph("karate")
    links = to_networkx(graph, to_undirected=True)
    part = network.around(graph, np.array([0, 11, 33]), size=12)
    assert set(part.nodes[:3]) == {0, 11, 33} and len(part.nodes) == 12
    ties = {n: len(set(links[n]) & {0, 11, 33}) for n in links if n not in (0, 11, 33)}
    drawn = [ties[int(n)] for n in part.nodes[3:]]
    assert drawn == sorted(ties.values(), reverse=True)[:9]
    assert part.told == f"all 3 nodes, and 9 of their {sum(v > 0 for v in ties.values())} neighbours"
    many = network.around(graph, np.arange(30), size=12)
    assert len(many.nodes) == 11 and (many.nodes[:8] < 30).all() and (many.nodes[8:] >= 30).all()
    assert "8 of 30 nodes, grown from node" in many.told
    inner = links.subgraph(many.nodes[:8].tolist())
    assert nx.is_connected(inner)
    assert network.around(Data(edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=3), np.array([1])).told == (
        "node 1, no other neighbours"
    )


# -------------------------------------------------------------------------------------------------- a real browser


class Explorer(Screen):
    """The page with the embedding explorer."""

    FIGURE = "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout && e.layout.dragmode == 'lasso')"

    @property
    def drawn(self) -> str:
        return f"{self.FIGURE}?._fullData?.some(t => t.customdata)"

    def lasso(self, corners: list[tuple[float, float]]) -> None:
        """Draw a lasso through corners given as shares of the map's width and height."""
        left, top, width, height = self.box()
        points = [(left + x * width, top + y * height) for x, y in [*corners, corners[0]]]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=8)
        self.page.mouse.up()

    def hover(self, node: int) -> None:
        """Move the mouse over a node until the page tells of it; a figure that is drawn anew forgets what it told."""
        left, top, width, height = self.box()
        x, y = self.places()[node]
        for _ in range(PATIENCE // 3_000):
            self.over(f"() => [{left + x * width}, {top + y * height}]")
            with suppress(Exception):
                self.page.wait_for_function(f"() => ({self.FIGURE}).querySelector('.hoverlayer text')", timeout=3_000)
                return
        raise AssertionError(f"the figure shows no label of node {node}")

    def box(self) -> list[float]:
        """Return left, top, width and height of the map on the page, in pixels."""
        return self.found(
            f"""() => {{
                const e = {self.FIGURE};
                e.scrollIntoView({{block: 'center'}});
                const box = e.querySelector('.nsewdrag').getBoundingClientRect();
                return [box.left, box.top, box.width, box.height];
            }}"""
        )

    def places(self) -> dict[int, tuple[float, float]]:
        """Return where each node stands on the page, as shares of the map's width and height."""
        found = self.found(
            f"""() => {{
                const e = {self.FIGURE}, X = e._fullLayout.xaxis, Y = e._fullLayout.yaxis;
                return e._fullData.filter(t => t.customdata).flatMap(t => [...t.customdata].map((node, i) =>
                    [node, X.l2p(t.x[i]) / X._length, Y.l2p(t.y[i]) / Y._length]));
            }}"""
        )
        return {node: (x, y) for node, x, y in found}

    def marked(self, nodes: list[int]) -> None:
        """Wait until exactly these nodes are marked on the page."""
        self.found(
            f"""nodes => {{
                const found = ({self.FIGURE})._fullData.filter(t => t.customdata)
                    .flatMap(t => [...(t.selectedpoints ?? [])].map(i => t.customdata[i]));
                return JSON.stringify(found.sort((a, b) => a - b)) == JSON.stringify(nodes);
            }}""",
            nodes,
        )


@pytest.fixture
def screen(tmp_path: Path, trained: tuple[wb.Run, Data]) -> Iterator[Explorer]:
    source = "import workbench as wb\ngraph = wb.load_graph('karate')\n"
    source += f"run = wb.runs.load({str(trained[0].path)!r})\n"
    source += "explorer = wb.widgets.embedding_explorer(run, graph, method='pca')\nexplorer"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Explorer) as shown:
        yield shown


@needs_chromium
def test_a_person_in_a_browser_brushes_clicks_and_slides(screen: Explorer, trained: tuple[wb.Run, Data]) -> None:
    page, told = screen.page, screen.page.locator(".embedding-told")
    across = sorted((x, node) for node, (x, _) in screen.places().items())
    gaps = [(across[i][0] - across[i - 1][0], i) for i in range(8, 27)]
    cut = max(gaps)[1]  # the lasso's edge runs where no node is near
    right = (across[cut - 1][0] + across[cut][0]) / 2
    expected = sorted(node for _, node in across[:cut])
    screen.lasso([(0.005, 0.005), (right, 0.005), (right, 0.995), (0.005, 0.995)])
    told.get_by_text(f"{len(expected)} of 34 nodes").wait_for()
    screen.marked(expected)
    assert json.loads(screen.python("print(explorer.selection.tolist())")) == expected
    screen.until(f"({screen.FIGURE}).layout.selections?.length == 0")

    # The kernel hears of lassos and clicks, not of each node that the mouse passes over.
    screen.python(
        "heard = []\nexplorer.map.observe("
        "lambda change: change['new'] and heard.append(change['new']['event_type']), '_js2py_pointsCallback')"
    )
    screen.hover(across[cut][1])
    screen.lasso([(right, 0.005), (0.995, 0.005), (0.995, 0.995), (right, 0.995)])
    screen.hover(across[-1][1])
    screen.hover(across[-2][1])
    told.get_by_text(f"{34 - len(expected)} of 34 nodes").wait_for()
    screen.marked(sorted(set(range(34)) - set(expected)))
    assert screen.python("print(set(heard))") == "{'plotly_selected'}"

    node = expected[0]
    name = screen.python(f"print(int(graph.y[{node}]))")
    screen.click(node, name)  # inside of where the lasso was
    page.locator(".embedding-near").get_by_text(f"Nearest in the embedding to node {node},").wait_for()
    near = json.loads(screen.python("print(explorer.selection.tolist())"))
    assert len(near) == 16 and node in near
    screen.marked(near)

    page.locator(".embedding-epoch .noUi-handle, .embedding-epoch [role=slider]").first.press("ArrowLeft")
    screen.until(f"({screen.FIGURE}).layout.title.text.includes('after 6 epochs')")
    drawn = dict(projection.over_epochs(trained[0].snapshots, "pca"))
    page.locator(".embedding-epoch .noUi-handle, .embedding-epoch [role=slider]").first.press("ArrowLeft")
    screen.until(f"({screen.FIGURE}).layout.title.text.includes('after 3 epochs')")
    screen.found(
        f"""([node, x]) => ({screen.FIGURE})._fullData.some(t => t.customdata
            && Math.abs(t.x[[...t.customdata].indexOf(node)] - x) < 1e-4)""",
        [node, float(drawn[3].points[node, 0])],
    )
    page.locator(".embedding-colour select").select_option(label="degree")
    screen.until(f"({screen.FIGURE})._fullData.some(t => t.marker?.colorbar?.title?.text?.includes('log10'))")
    screen.marked(sorted(near))
    page.locator(".embedding-links select").select_option(label="all")
    screen.until(f"({screen.FIGURE})._fullData[0]?.mode == 'lines'")
    page.locator(".embedding-node input").fill("99")
    page.locator(".embedding-node input").press("Enter")
    page.locator(".embedding-message").get_by_text("there is no node 99").wait_for()
    page.locator(".embedding-colour select").select_option(index=0)
    screen.until(f"({screen.FIGURE})._fullData.length > 3")
    screen.python("explorer.select([1, 2, 3])")
    screen.marked([1, 2, 3])

    # On a laptop the map takes the width that there is, and nothing that is told of it is cut.
    page.set_viewport_size({"width": 1280, "height": 800})
    screen.until(f"({screen.FIGURE}).clientWidth < 900")
    screen.until(f"({screen.FIGURE}).querySelector('.nsewdrag').getBoundingClientRect().width > 700")
    edge = f"({screen.FIGURE}).getBoundingClientRect().right"
    told_of = f"[...({screen.FIGURE}).querySelectorAll('.gtitle-subtitle, .annotation-text')]"
    screen.until(f"{told_of}.length >= 3 && {told_of}.every(e => e.getBoundingClientRect().right <= {edge})")

    # A class alone, by the mouse and by the keys; and back.
    others = f"({screen.FIGURE})._fullData.filter(t => t.customdata && t.marker.color == '#C8C8C8').map(t => t.name)"
    page.locator(".embedding-alone button").get_by_text("2", exact=True).click()
    screen.until(f'JSON.stringify({others}.sort()) == \'["0","1","3"]\'')
    screen.until(f"{told_of}.filter(e => e.textContent == 'class 2').length == 1 && {told_of}.length == 2")
    page.locator(".embedding-alone button").get_by_text("3", exact=True).press("Enter")
    screen.until(f'JSON.stringify({others}.sort()) == \'["0","1","2"]\'')
    page.locator(".workbench-undo").press("Enter")
    screen.until(f'JSON.stringify({others}.sort()) == \'["0","1","3"]\'')
    screen.marked([1, 2, 3])

    # What is typed replaces the number that stands there, and the map shows where that node is.
    span = f"(e => e.layout.xaxis.range[1] - e.layout.xaxis.range[0])({screen.FIGURE})"
    wide = page.evaluate(f"() => {span}")
    field = page.locator(".embedding-node input")
    for number in ("33", "16"):
        field.click()
        page.wait_for_timeout(300)
        page.keyboard.type(number)
        page.keyboard.press("Enter")
        page.locator(".embedding-near").get_by_text(f"Nearest in the embedding to node {number},").wait_for()
    screen.until(f"{span} < {wide} / 3")
    page.locator(".embedding-whole").click()
    screen.until(f"{span} > {wide} / 2")
    page.evaluate(f"() => {{ {screen.FIGURE}.querySelector('[data-val=in]').click() }}")
    screen.until(f"{span} < {wide} / 1.8")
    page.locator(".embedding-whole").click()
    screen.until(f"{span} > {wide} / 1.2")
    near = json.loads(screen.python("print(explorer.selection.tolist())"))
    page.locator(".embedding-share input").fill("near <16>")
    page.locator(".embedding-share input").press("Enter")
    page.locator(".embedding-shared option").get_by_text("near <16>", exact=True).wait_for(state="attached")
    assert json.loads(screen.python("print(wb.widgets.selections['near <16>'].tolist())")) == near
    assert "node=16" in screen.python("print(explorer.call())")
    assert not screen.errors, screen.errors


def test_nodes_named_by_numbers_are_looked_for_by_name(small_graph: Data) -> None:
    small_graph.node_names = [str(1000 - i) for i in range(60)]
    run = wb.fit("grace", small_graph, preset="quick", epochs=1, progress=False)
    explorer = widgets.embedding_explorer(run, small_graph, method="pca")
    assert isinstance(explorer, widgets.EmbeddingExplorer)
    explorer.node.value = "990"
    assert explorer.chosen == 10 and explorer.node.value == "990" and "node 10 (990)" in explorer.near.value
    near = wb.neighbours(run, "990", 15, small_graph)
    assert explorer.nearest["name"].tolist() == near["name"].tolist()
    explorer.node.value = "10"  # nobody's name, though some node has that number
    assert "no node&#x27;s name is &#x27;10&#x27;" in explorer.message.value and explorer.chosen == 10
    small_graph.node_ids = [f"n{i}" for i in range(60)]
    explorer.close()
    explorer = widgets.embedding_explorer(run, small_graph, method="pca")
    explorer.node.value = "n12"
    assert explorer.chosen == 12 and explorer.node.value == "988"
    explorer.scene.selection = np.array([12])
    assert explorer.facts()["id"].tolist() == ["n12"]
    explorer.close()
