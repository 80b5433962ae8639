"""Maps as figures: hits, marks, the density of very many nodes, and the slider over epochs."""

import numpy as np
import pytest
import torch
from test_plots import made, ring

from workbench import plots
from workbench.datasets import content_hash
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.evaluation.coloured import HITS
from workbench.plots import maps


def test_a_map_tells_how_faithful_it_is_and_can_be_coloured_by_it() -> None:
    run, graph = made(), ring()
    drawn = projection.project(run.embeddings, "pca")
    figure = plots.embedding_map(run, HITS, graph, "pca")
    np.testing.assert_array_equal(figure.data[0].marker.color, drawn.hits)
    told = figure.layout.title.subtitle.text
    assert f"neighbourhood hit {drawn.hits.mean():.2f} at k = 15" in told
    assert f"trustworthiness {drawn.trustworthiness:.3f}" in told and "PCA of 40 nodes" in told
    assert figure.layout.xaxis.title.text == "PCA 1 (no unit)"


def test_the_same_nodes_in_another_order_are_refused() -> None:
    graph = ring()
    other = ring()
    other.x, other.y = other.x.flip(0), other.y.flip(0)
    run = made(graph_hash=content_hash(graph))
    assert len(plots.embedding_map(run, graph=graph, method="pca").data) == 4
    with pytest.raises(UserError, match="order of its items"):
        plots.embedding_map(run, graph=other, method="pca")


def test_marked_nodes_stay_and_the_others_fade() -> None:
    figure = plots.embedding_map(made(), graph=ring(), method="pca")
    maps.mark(figure, [1, 5, 6])
    marked = {node for trace in figure.data for node in np.asarray(trace.customdata)[list(trace.selectedpoints)]}
    assert marked == {1, 5, 6} and all(trace.unselected.marker.opacity < 0.2 for trace in figure.data)
    maps.mark(figure, [])
    assert all(len(trace.selectedpoints) == 0 for trace in figure.data)
    maps.mark(figure, None)
    assert all(trace.selectedpoints is None for trace in figure.data)


def test_of_very_many_nodes_the_density_of_a_sample_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MAX_POINTS", 300)
    monkeypatch.setattr(maps, "CELLS", 6)
    run, graph = made(nodes=400), ring(400)
    graph.y[:40] = -1
    figure = plots.embedding_map(run, graph=graph, method="pca")
    assert "a seeded sample of 300 of 400 nodes" in figure.layout.title.subtitle.text
    drawn = projection.project(run.embeddings, "pca")
    low, step = drawn.points.min(0), float(np.ptp(drawn.points, axis=0).max()) / 6
    cells: dict[tuple[int, int], list[int]] = {}
    for node, point in zip(drawn.nodes, drawn.points, strict=True):
        cells.setdefault(tuple(np.floor((point - low) / step).astype(int)), []).append(int(node))
    found = {}
    for trace in figure.data:
        assert trace.customdata is None
        for x, y, text in zip(trace.x, trace.y, trace.text, strict=True):
            found[tuple(np.floor((np.array([x, y]) - low) / step).astype(int))] = (trace.name, text)
    assert found.keys() == cells.keys()
    for cell, nodes in cells.items():
        kinds, counts = np.unique(graph.y[nodes], return_counts=True)
        most = kinds[counts.argmax()]
        name = "no label" if most < 0 else f"kind {most}"
        assert found[cell] == (name, f"{len(nodes):,} nodes, {counts.max() / len(nodes):.0%} of them class {name}")
    fullest = max(figure.data, key=lambda trace: trace.marker.opacity.max())
    assert fullest.marker.opacity.max() == 1 and min(trace.marker.opacity.min() for trace in figure.data) < 0.5

    values = torch.linspace(0, 1, 400)
    shaded = plots.embedding_map(run, values, graph, "pca").data[0]
    for x, y, value in zip(shaded.x, shaded.y, shaded.marker.color, strict=True):
        nodes = cells[tuple(np.floor((np.array([x, y]) - low) / step).astype(int))]
        assert value == pytest.approx(values[nodes].mean().item(), abs=1e-6)


def test_the_epochs_of_a_run_are_frames_of_one_figure() -> None:
    generator = torch.Generator().manual_seed(0)
    snapshots = {epoch: torch.randn(40, 6, generator=generator).half() for epoch in (0, 2, 5)}
    run, graph = made(snapshots=snapshots), ring()
    figure = plots.embedding_epochs(run, graph=graph, method="pca")
    drawn = dict(projection.over_epochs(snapshots, "pca"))
    assert [frame.name for frame in figure.frames] == ["0", "2", "5"]
    for frame in figure.frames:
        one = drawn[int(frame.name)]
        for place, trace in zip(frame.traces, frame.data, strict=True):
            nodes = figure.data[place].customdata
            np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), one.points[nodes])
        assert f"neighbourhood hit {one.hit:.2f}" in frame.layout.title.subtitle.text
    assert figure.frames[0].layout.title.subtitle.text.startswith("untrained<br>")
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == ["0", "2", "5"] and slider.active == 2
    np.testing.assert_array_equal(figure.data[0].x, drawn[5].points[figure.data[0].customdata, 0])
    low, high = figure.layout.xaxis.range
    assert all((one.points[:, 0] >= low).all() and (one.points[:, 0] <= high).all() for one in drawn.values())
    with pytest.raises(UserError, match="snapshots=8"):
        plots.embedding_epochs(made(), graph=graph)
    with pytest.raises(UserError, match="belongs to one map"):
        plots.embedding_epochs(run, HITS, graph)
