"""Clusters beside classes: how sharp assignments are, which cluster holds which class, and a score along the way."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

from workbench.errors import UserError
from workbench.evaluation.clusters import compared, matched
from workbench.plots import style
from workbench.plots.style import Ids, Names

BINS = 40  # of the largest share of a node
WRITTEN = 12  # columns at most in whose squares the numbers stand


def assignment_sharpness(assigned: Mapping[str, Mapping[int, Tensor]]) -> go.Figure:
    """Draw how sure nodes are of their cluster, one panel per method, one line per epoch: the largest of their shares.

    Args:
        assigned: by method and epoch how much each node belongs to each cluster, rows summing to 1 [nodes, clusters].

    Raises:
        UserError: nothing to draw, or shares that are no matrix.
    """
    if not assigned or not all(assigned.values()):
        raise UserError("there are no assignments to draw; pass those of at least one method, by name and epoch")
    panels = {"rows": 1, "cols": len(assigned), "shared_yaxes": True, "horizontal_spacing": 0.05}
    subtitle = "the share of its nearest cluster, of all nodes; dotted: where all clusters have the same share"
    titles = [*map(style.plain, assigned)]
    fig = style.figure("How sure are nodes of their cluster?", subtitle, 380, subplot_titles=titles, **panels)
    epochs = sorted({epoch for of_epochs in assigned.values() for epoch in of_epochs})
    told = set[int]()  # epochs that the legend has
    for column, (name, of_epochs) in enumerate(assigned.items(), start=1):
        for epoch, shares in of_epochs.items():
            if shares.dim() != 2:
                raise UserError(f"assignments of {name!r} are a matrix [nodes, clusters], not {list(shares.shape)}")
            middles, counts, _ = style.binned(shares.max(1).values.double().numpy(), BINS, (0.0, 1.0))
            percent, called = 100 * counts / max(len(shares), 1), f"epoch {epoch}"
            hover = f"{called}<br>a share of %{{x:.2f}}: %{{y:.1f}} % of the nodes<extra></extra>"
            line = {"color": style.COLOURS[epochs.index(epoch) % len(style.COLOURS)], "width": 2, "shape": "hvh"}
            entry = {"name": called, "legendgroup": called, "legendrank": 1 + epoch, "showlegend": epoch not in told}
            told.add(epoch)
            curve = go.Scatter(x=middles, y=percent, mode="lines", line=line, hovertemplate=hover, **entry)
            fig.add_trace(curve, 1, column)
        even = 1 / max(next(iter(of_epochs.values())).shape[1], 1)
        fig.add_vline(x=even, line={"color": style.GREY, "dash": "dot", "width": 1.5}, row=1, col=column)
    fig.update_xaxes(title="largest share of a node", range=[0, 1.01])
    fig.update_yaxes(title="nodes, %", rangemode="tozero", col=1)
    fig.update_layout(margin={"t": 100, "b": 90}, legend={"orientation": "h", "x": 0, "y": -0.28})
    return fig.update_annotations(font_size=13)


def cluster_confusion(labels: Tensor | Ids, clusters: Tensor | Ids, names: Names = None) -> go.Figure:
    """Draw which share of each class lies in which cluster, after the one-to-one matching that accuracy counts.

    A row is a class, a column is a cluster; the column of the cluster that is matched with a class stands where its row
    does, so that what counts as right is the diagonal. Clusters that no class is matched with come last.

    Args:
        labels: the class of each node, negative for none, which leaves the node out [nodes].
        clusters: of each node [nodes]. names: of the classes.

    Raises:
        UserError: lengths that differ, or no node with a label.
    """
    truth, found = np.asarray(labels), np.asarray(clusters)
    if truth.shape != found.shape or truth.ndim != 1:
        raise UserError(
            f"classes {list(truth.shape)} and clusters {list(found.shape)} must be one number per node each"
        )
    truth, found = truth[truth >= 0], found[truth >= 0]
    if not truth.size:
        raise UserError("no node has a label, so that no cluster can be compared with a class")
    kinds, (ids, first) = np.unique(truth), np.unique(found, return_index=True)
    of_cluster = matched(truth, found)[first]
    order = np.argsort(np.where(of_cluster < 0, kinds.max() + 1, of_cluster), kind="stable")
    table: NDArray[np.float64] = contingency_matrix(truth, found)[:, order].astype(float)
    shares = 100 * table / table.sum(1, keepdims=True)
    scores = compared(truth, found)
    subtitle = f"rows add up to 100 %; the diagonal counts as right: accuracy {scores['accuracy']:.1f} %, "
    subtitle += f"NMI {scores['nmi']:.1f} %<br>{len(ids)} clusters of {truth.size:,} nodes in {len(kinds)} classes"
    fig = style.figure("Which cluster holds which class?", subtitle, 230 + 28 * len(kinds))
    few = len(ids) <= WRITTEN
    told: dict[str, Any] = {"texttemplate": "%{z:.0f}" if few else None, "colorbar_title": "%"}
    told["colorscale"] = [[0, style.LINE], [1, style.COOL if few else style.COLOURS[0]]]
    told["hovertemplate"] = "%{z:.1f} % of %{y} lie in cluster %{x}<extra></extra>"
    rows = [style.plain(style.class_name(int(kind), names, "class ")) for kind in kinds]
    fig.add_trace(style.squares(shares, rows, [str(cluster) for cluster in ids[order]], (0.0, 100.0), **told))
    fig.update_xaxes(title="cluster", type="category", showgrid=False, ticks="")
    fig.update_yaxes(title="class", type="category", autorange="reversed", showgrid=False, ticks="")
    return fig.update_layout(margin_t=100)


def score_curves(
    scores: pd.DataFrame,
    title: str,
    subtitle: str = "",
    measure: str = "accuracy",
    spread: pd.DataFrame | None = None,
    best: bool = False,
    logarithmic: bool = False,
) -> go.Figure:
    """Draw a score along epochs or steps, one line per column.

    Args:
        scores: in percent, by epoch or step; the name of the index is the title of the axis.
        title: of the figure. subtitle: below it. measure: what the scores are.
        spread: as long as the bars are to be on each side, in points, of the same index and columns.
        best: put a ring around the highest score of a line, and a dot on the last one.
        logarithmic: whether epochs or steps are, as of few that lie far apart.

    Raises:
        UserError: nothing to draw.
    """
    if scores.empty:
        raise UserError(
            "there is no score to draw; pass a table with one row per epoch or step, and one column per line"
        )
    fig = style.figure(title, subtitle, 430)
    for place, name in enumerate(scores):
        values, look = scores[name], style.class_marker(place)
        bars = None if spread is None else {"type": "data", "array": spread[name], "thickness": 1.2, "width": 4}
        line = {"color": look["color"], "width": 2, "dash": "solid" if place % 2 == 0 else "dash"}
        hover = f"{style.plain(name)}<br>{scores.index.name} %{{x}}: %{{y:.1f}} %<extra></extra>"
        drawn = {"mode": "lines" if best else "lines+markers", "hovertemplate": hover, "error_y": bars}
        fig.add_scatter(x=scores.index, y=values, name=style.plain(name), line=line, showlegend=True, **drawn)
        if best:
            dot = {"size": 9, "color": look["color"]}
            ring = {**style.RING, "size": 15, "color": look["color"]}
            fig.add_trace(style.points((values.index[-1:], values[-1:]), dot))
            fig.add_trace(style.points(([values.idxmax()], [values.max()]), ring))
    ticks = {"type": "log", "tickvals": scores.index, "ticktext": [f"{at:,}" for at in scores.index]}
    fig.update_xaxes(title=scores.index.name, **(ticks if logarithmic else {}))
    fig.update_yaxes(title=f"{measure}, %")
    return fig.update_layout(margin={"t": 90, "b": 100}, legend={"orientation": "h", "x": 0, "y": -0.2})
