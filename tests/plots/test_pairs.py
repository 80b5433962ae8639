"""Pulls and pushes of an anchor, and the edges that views keep: figures show the numbers that were given."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from test_plots import ring

from workbench import plots
from workbench.errors import UserError
from workbench.plots import style
from workbench.plots.pairs import KEPT, shares_of


def colour_at(squares: go.Heatmap, z: float) -> tuple[str, str, float]:
    """The two stops of the scale that a value lies between, and where."""
    at = (z - squares.zmin) / (squares.zmax - squares.zmin)
    for (low, one), (high, other) in zip(squares.colorscale, squares.colorscale[1:], strict=False):
        if low - 1e-9 <= at <= high + 1e-9:
            return one, other, (at - low) / (high - low)
    raise AssertionError(f"{z} is beyond the scale")


def test_each_square_is_the_weight_of_its_node_and_nodes_stand_by_distance() -> None:
    graph, pull = ring(), torch.zeros(40)
    pull[[7, 6, 20]] = torch.tensor([1.0, 0.25, -0.04])
    push = torch.linspace(0, 2, 40)
    fig = plots.pair_weights({"one": (pull, None), "two": (None, push)}, graph, 7)
    above, below = (trace for trace in fig.data if trace.type == "heatmap")
    nodes = [int(text.strip("★")) for text in fig.layout.xaxis.ticktext]
    assert nodes[0] == 7 and nodes[1:3] == [6, 8] and sorted(nodes) == [*range(40)]
    np.testing.assert_allclose(above.z[0], (pull.sign() * pull.abs().sqrt())[nodes].numpy(), atol=1e-6)
    assert np.isnan(above.z[1]).all() and np.isnan(below.z[0]).all()
    np.testing.assert_allclose(below.z[1], push[nodes].numpy(), atol=1e-6)
    assert list(above.y) == list(below.y) == ["one", "two"]
    told = above.customdata[0, nodes.index(20)]
    assert told[0].startswith("node 20, ") and float(told[1]) == pytest.approx(-0.04)


def test_nothing_is_neutral_and_one_lies_between_it_and_the_strongest_push() -> None:
    pull, push = torch.zeros(40), torch.full((40,), 3.0)
    pull[:2] = torch.tensor([1.0, -0.5])
    fig = plots.pair_weights({"one": (pull, push)}, ring(), 7)
    above, below = (trace for trace in fig.data if trace.type == "heatmap")
    assert colour_at(above, 0.0)[1:] == (style.LINE, pytest.approx(1))
    assert colour_at(above, 1.0)[1:] == (style.COLOURS[2], pytest.approx(1))
    assert colour_at(above, -(0.5**0.5))[::2] == (style.COLOURS[5], pytest.approx(0))
    assert colour_at(below, 0.0)[::2] == (style.LINE, pytest.approx(0))
    assert colour_at(below, 1.0)[1:] == (style.WARM, pytest.approx(1))
    assert colour_at(below, 3.0)[1:] == (style.COLOURS[5], pytest.approx(1))


def test_of_a_large_graph_the_nearest_nodes_are_shown() -> None:
    fig = plots.pair_weights({"one": (torch.ones(100), torch.ones(100))}, ring(100), 3)
    assert len(fig.data[0].z[0]) == 60 and "the 60 nearest of 100 nodes" in fig.layout.title.subtitle.text


def test_an_edge_is_drawn_by_the_mean_share_of_its_directions() -> None:
    graph = ring()
    share = torch.rand(graph.num_edges, generator=torch.Generator().manual_seed(0))
    part = plots.network.piece(graph, 30)
    expected = []
    for a, b in part.nodes[part.edges].T:
        both = [
            float(value)
            for value, (i, j) in zip(share, graph.edge_index.T.tolist(), strict=True)
            if {i, j} == {int(a), int(b)}
        ]
        expected.append(sum(both) / len(both))
    np.testing.assert_allclose(shares_of(part, graph, "one", share), expected, rtol=1e-6)
    fig = plots.kept_shares({"one": share}, graph, size=30)
    drawn = {(trace.line.color, trace.line.width): int(np.isnan(trace.x).sum()) for trace in fig.data[:4]}
    bounds = zip((0, *KEPT), KEPT, strict=False)
    assert drawn == {KEPT[high]: sum(low / 100 <= value < high / 100 for value in expected) for low, high in bounds}


def test_what_can_not_be_drawn_is_said() -> None:
    graph = ring()
    with pytest.raises(UserError, match="'one' has weights of 3 nodes, the graph has 40"):
        plots.pair_weights({"one": (torch.ones(3), None)}, graph, 0)
    with pytest.raises(UserError, match="there is no node 40"):
        plots.pair_weights({"one": (None, None)}, graph, 40)
    with pytest.raises(UserError, match="at least one method"):
        plots.pair_weights({}, graph, 0)
    with pytest.raises(UserError, match="at least one method"):
        plots.kept_shares({}, graph)
    with pytest.raises(UserError, match=r"'one' has shape \[3\], the graph has"):
        plots.kept_shares({"one": torch.ones(3)}, graph)
