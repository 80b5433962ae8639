"""Figures of clusters: the right numbers in the right places."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_plots import comparison

from workbench import plots
from workbench.errors import UserError


def test_shares_are_counted_by_epoch_in_percent_of_the_nodes() -> None:
    shares = torch.tensor([[0.51, 0.3, 0.19], [0.99, 0.01, 0.0], [0.985, 0.015, 0.0], [0.1, 0.09, 0.81]])
    figure = plots.assignment_sharpness({"pamc": {20: torch.full((4, 3), 1 / 3), 70: shares}, "scgc": {70: shares}})
    first, last, other = figure.data
    assert [trace.name for trace in figure.data] == ["epoch 20", "epoch 70", "epoch 70"]
    assert first.y[np.argmin(np.abs(first.x - 1 / 3))] == 100 and sum(first.y) == 100
    filled = {round(float(x), 4): y for x, y in zip(last.x, last.y, strict=True) if y}
    assert filled == {0.5125: 25, 0.8125: 25, 0.9875: 50}
    assert list(other.y) == list(last.y) and other.line == last.line != first.line
    assert [trace.showlegend for trace in figure.data] == [True, True, False]
    assert [shape.x0 for shape in figure.layout.shapes] == [1 / 3, 1 / 3]
    for nothing in ({}, {"pamc": {}}):
        with pytest.raises(UserError, match="there are no assignments to draw"):
            plots.assignment_sharpness(nothing)
    with pytest.raises(UserError, match=r"assignments of 'pamc' are a matrix \[nodes, clusters\], not \[4\]"):
        plots.assignment_sharpness({"pamc": {3: torch.ones(4)}})


def test_the_cluster_of_a_class_stands_in_its_column_and_others_come_last() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, -1])
    clusters = torch.tensor([7, 7, 7, 3, 5, 5, 3, 1, 3])
    figure = plots.cluster_confusion(labels, clusters, ["a", "b", "<b>"])
    (drawn,) = figure.data
    assert list(drawn.y) == ["a", "b", "&lt;b&gt;"] and list(drawn.x)[:2] == ["7", "5"]
    assert sorted(list(drawn.x)[2:]) == ["1", "3"]
    by_cluster = {cluster: list(column) for cluster, column in zip(drawn.x, np.array(drawn.z).T, strict=True)}
    assert by_cluster == {"7": [75, 0, 0], "5": [0, 100, 0], "3": [25, 0, 50], "1": [0, 0, 50]}
    assert "accuracy 75.0 %" in figure.layout.title.subtitle.text  # 3 + 2 + 1 of 8
    with pytest.raises(UserError, match=r"classes \[9\] and clusters \[8\] must be one number per node each"):
        plots.cluster_confusion(labels, clusters[:8])
    with pytest.raises(UserError, match="no node has a label"):
        plots.cluster_confusion(torch.full((3,), -1), torch.zeros(3))


def test_a_ring_is_around_the_best_and_a_dot_on_the_last() -> None:
    scores = pd.DataFrame({"pamc": [10.0, 40.0, 30.0], "scgc": [1.0, 2.0, 3.0]}, pd.Index([0, 35, 70], name="epoch"))
    figure = plots.score_curves(scores, "title", best=True)
    lines = {trace.name: list(trace.y) for trace in figure.data if trace.name}
    assert lines == {"pamc": [10, 40, 30], "scgc": [1, 2, 3]} and figure.layout.xaxis.title.text == "epoch"
    marks = [(trace.marker.symbol, trace.x[0], trace.y[0]) for trace in figure.data if not trace.name]
    assert marks == [(None, 70, 30), ("circle-open", 35, 40), (None, 70, 3), ("circle-open", 70, 3)]
    figure = plots.score_curves(scores, "title", spread=scores / 10, logarithmic=True)
    assert len(figure.data) == 2 and list(figure.data[0].error_y.array) == [1, 4, 3]
    assert figure.layout.xaxis.type == "log" and figure.layout.xaxis.ticktext == ("0", "35", "70")
    with pytest.raises(UserError, match="there is no score to draw"):
        plots.score_curves(pd.DataFrame(), "title")


@pytest.mark.parametrize(
    ("protocol", "title"), [("k-means", "clusters"), ("random-10-90", "a probe on frozen embeddings")]
)
def test_a_chart_of_clusters_speaks_of_no_probe(protocol: str, title: str) -> None:
    figure = plots.results_chart(comparison().assign(protocol=protocol))
    assert figure.layout.title.text == f"Accuracy of {title}"
