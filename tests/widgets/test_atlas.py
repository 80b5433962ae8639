"""The atlas of graphs: a map, and the drawing of the graph that is looked at."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.plots import graph_atlas as drawn_atlas
from workbench.plots import graph_drawing
from workbench.widgets import GraphAtlas, Report, graph_atlas


@pytest.fixture
def trained(tmp_path: Path) -> tuple[wb.Run, GraphSet]:
    data = rings(graphs=30)
    return wb.fit("graphcl", data, "small", store=tmp_path, progress=False, epochs=1), data


def test_a_click_the_mouse_and_a_number_draw_a_graph(trained, monkeypatch) -> None:
    run, data = trained
    monkeypatch.setenv("WORKBENCH_HEADLESS", "0")
    widget = graph_atlas(run, data, "pca", graph=4)
    assert isinstance(widget, GraphAtlas) and widget.figures["graph"].layout.title.text == "Graph 4"
    widget.number.value = 7
    assert widget.figures["graph"].layout.title.text == "Graph 7" and widget.scene.chosen == 7
    assert f"{data[7].num_nodes} nodes" in widget.figures["graph"].layout.title.subtitle.text
    points = [trace for trace in widget.figures["map"].data if trace.customdata is not None]
    assert sorted(np.concatenate([trace.customdata for trace in points]).tolist()) == list(range(30))
    for trace in points:
        (hovered,) = trace._hover_callbacks
        hovered(trace, type("Points", (), {"point_inds": [2]})(), None)
        assert widget.number.value == int(trace.customdata[2])
    assert f"graph_atlas(run, graphs, method='pca', graph={widget.number.value})" in widget.call().replace('"', "'")


def test_the_static_twin_has_graphs_all_over_the_map_and_none_covers_another(trained, monkeypatch) -> None:
    run, data = trained
    monkeypatch.setenv("WORKBENCH_HEADLESS", "1")
    twin = graph_atlas(run, data, "pca")
    assert isinstance(twin, Report) and set(twin.figures) == {"map", "graph", "atlas"}
    marks = [trace for trace in twin.figures["atlas"].data if trace.customdata is not None]
    cells: dict[int, set[tuple[int, int]]] = {}
    for trace in marks:
        for number, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
            cells.setdefault(int(number), set()).add((int(x), int(y)))
    assert len(cells) >= 8 and all(len(cell) == 1 for cell in cells.values())
    assert len(set.union(*cells.values())) == len(cells)
    assert sum(len(trace.x) for trace in marks) == sum(data[number].num_nodes for number in cells)


def test_what_can_not_be_drawn_is_told(trained) -> None:
    run, data = trained
    with pytest.raises(UserError, match="there is no graph 30; the set has graphs 0 to 29"):
        graph_atlas(run, data, graph=30)
    with pytest.raises(UserError, match="the atlas shows sets of graphs; this is one graph"):
        graph_atlas(run, data[0])
    with pytest.raises(UserError, match="differs from it"):
        graph_atlas(run, GraphSet(data[:20]))
    none = torch.empty(2, 0, dtype=torch.long)
    for graph in (Data(x=torch.ones(1, 2), edge_index=none), Data(x=torch.ones(0, 2), edge_index=none)):
        assert graph_drawing(graph, 0).layout.title.text == "Graph 0"
    large = Data(x=torch.ones(500, 2), edge_index=none)
    assert "more than 120 nodes" in graph_drawing(large, 0).layout.annotations[0].text
    drawn_atlas(projection.project(torch.rand(8, 3), "pca"), [large] * 8)
