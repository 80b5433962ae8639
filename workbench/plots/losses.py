"""Learning curves: loss terms, and the accuracy of a probe, by epoch."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.plots import style
from workbench.training.run import Run


class History(NamedTuple):
    """The history of a training: a row per epoch, as of a run; `name` tells it from others of its method."""

    method: str
    name: str
    table: pd.DataFrame


def loss_curves(runs: Run | Sequence[Run]) -> go.Figure:
    """Draw each loss term of one or more runs in a panel of its own; runs of the same method share their panels.

    Without a run that has a trained epoch it is a UserError.
    """
    runs = [run for run in ([runs] if isinstance(runs, Run) else list(runs)) if len(run.history)]
    if not runs:
        raise UserError("loss_curves needs at least one run with a trained epoch")
    graphs = ", ".join(dict.fromkeys(run.graph for run in runs))
    histories = [History(run.method, name, run.history) for run, name in zip(runs, style.run_labels(runs), strict=True)]
    return term_curves(histories, f"Loss terms on {graphs}")


def term_curves(histories: Sequence[History], heading: str, until: int | None = None, height: int = 0) -> go.Figure:
    """Draw each loss term of trainings in a panel of its own, also of one that is under way.

    Where `until` is given the axis of epochs ends there, so that a curve grows along it. A height, in pixels, is given
    for a figure that takes half of the page; 0 is for the whole width and 250 per row.
    """
    panels = list(dict.fromkeys((history.method, term) for history in histories for term in _terms(history.table)))
    columns = 2 if len(panels) in (2, 4) else min(2 if height else 3, len(panels))
    rows = -(-len(panels) // columns)
    titles = [method if term == "loss" else f"{method}: {term}" for method, term in panels]
    across, down = (0.22, 0.36) if height else (0.09, 0.4)
    grid = {"rows": rows, "cols": columns, "subplot_titles": titles}
    grid |= {"horizontal_spacing": across, "vertical_spacing": down / rows}
    note, pixels = "one panel per term, each with its own scale", height or 120 + 250 * rows
    fig = style.figure(style.plain(heading), note, pixels, **grid)
    for number, history in enumerate(histories):
        earlier = [other.method for other in histories[:number]].count(history.method)
        alone = [other.method for other in histories].count(history.method) == 1
        for term in _terms(history.table):
            place = panels.index((history.method, term))
            name = style.plain(history.name)
            hover = f"{name}<br>epoch %{{x}}<br>{term} %{{y:.5g}}<extra></extra>"
            legend = {"name": name, "legendgroup": name, "showlegend": not alone and term == "loss"}
            line = {"mode": "lines", "line": {"color": style.COLOURS[earlier % len(style.COLOURS)], "width": 1.8}}
            curve = go.Scatter(x=history.table.index, y=history.table[term], hovertemplate=hover, **legend, **line)
            fig.add_trace(curve, place // columns + 1, place % columns + 1)
    for place, (_, term) in enumerate(panels):
        axes = {"row": place // columns + 1, "col": place % columns + 1}
        unit, lowest = "squared distance" if term == "cross" else "nats", not height or place + columns >= len(panels)
        fig.update_xaxes(title="epoch" if lowest else "", range=until and [0, until], **axes)
        fig.update_yaxes(title=f"{term},{'<br>' if height and rows > 1 else ' '}{unit}", **axes)
    fig.update_yaxes(exponentformat="power", showticklabels=any(len(history.table) for history in histories))
    fig.update_layout(
        margin={"t": 100, "l": 76 if height else 60}, legend={"orientation": "h", "y": -0.35 / rows, "x": 0}
    )
    return fig.update_annotations(font_size=13)


def accuracy_curve(
    accuracies: Mapping[int, float], ranks: Mapping[int, float], told: str, until: int, height: int, width: int
) -> go.Figure:
    """Draw the accuracy of a probe, percent by epoch, as it was measured now and then while a method trained.

    Beside it, on an axis of its own, the effective rank of the embedding, in dimensions. The subtitle tells how
    accuracy was measured, or why it was not, in lines of `width` letters; epochs end at `until`.
    """
    lines = wrap(told, width)
    fig = style.figure("Accuracy of a probe, and effective rank", "<br>".join(lines), height)
    line = {"mode": "lines+markers", "line": {"color": style.COLOURS[2], "width": 1.8}, "cliponaxis": False}
    hover = "epoch %{x}<br>accuracy %{y:.1f} %<extra></extra>"
    fig.add_scatter(x=[*accuracies], y=[*accuracies.values()], name="accuracy", hovertemplate=hover, **line)
    fig.update_xaxes(title="epoch", range=[0, until])
    fig.update_yaxes(title="accuracy, %", showticklabels=bool(accuracies))
    rank = {"mode": "lines+markers", "line": {"color": style.COLOURS[1], "width": 1.8, "dash": "dot"}}
    hover = "epoch %{x}<br>effective rank %{y:.1f} dimensions<extra></extra>"
    fig.add_scatter(x=[*ranks], y=[*ranks.values()], name="effective rank", yaxis="y2", hovertemplate=hover, **rank)
    axis = {"title": "effective rank, dotted", "overlaying": "y", "side": "right", "rangemode": "tozero"}
    fig.update_layout(yaxis2={**axis, "showgrid": False, "showticklabels": bool(ranks)})
    return fig.update_layout(margin={"t": 66 + 17 * max(2, len(lines)), "l": 76, "r": 76}, showlegend=False)


def _terms(history: pd.DataFrame) -> list[str]:
    """Return the total and the terms of a loss; a single term that is the total is named once."""
    terms = [name for name in history.columns if name not in ("loss", "seconds")]
    return ["loss"] if len(terms) <= 1 else ["loss", *terms]
