"""One look for all figures: the template, the colour and symbol of a class, the colour of a method."""

import dataclasses
from collections.abc import Sequence

import plotly.graph_objects as go
import plotly.io as pio

from workbench.runs import Run

# Okabe and Ito's palette without its yellow, which is lost on white; wine (Paul Tol, "muted") takes its place.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#882255", "#222222")
SYMBOLS = ("circle", "diamond", "x", "triangle-up")
GREY = "#8A8A8A"
LIGHT = "#D5D5D5"
SCALE = "Viridis"  # even in lightness, so that it reads in each kind of colour vision

_AXIS = {
    "showgrid": True,
    "gridcolor": "#EDEDED",
    "zeroline": False,
    "linecolor": "#999999",
    "showline": True,
    "ticks": "outside",
    "tickcolor": "#999999",
    "ticklen": 4,
    "title": {"font": {"size": 13}, "standoff": 8},
    "automargin": True,
}
pio.templates["workbench"] = go.layout.Template(
    layout={
        "font": {"family": "Inter, Helvetica Neue, Arial, DejaVu Sans, sans-serif", "size": 12, "color": "#222222"},
        "title": {
            "font": {"size": 16},
            "subtitle": {"font": {"size": 12, "color": "#5A5A5A"}},
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
        },
        "colorway": COLOURS,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 60, "r": 20, "t": 80, "b": 50},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"align": "left", "bgcolor": "white"},
        "legend": {"itemsizing": "constant", "font": {"size": 11}, "tracegroupgap": 0},
        "colorscale": {"sequential": SCALE},
    }
)


def figure(title: str, subtitle: str = "", height: int = 420, base: go.Figure | None = None) -> go.Figure:
    """Return `base`, or an empty figure, in the workbench's look; it takes the width of the page."""
    fig = go.Figure() if base is None else base
    fig.update_layout(template="workbench", height=height, title={"text": title, "subtitle": {"text": subtitle}})
    return fig


def class_marker(index: int) -> dict[str, str]:
    """Return the colour and symbol of a class, the same in each figure; 32 classes can be told apart.

    A negative index means "no label" and is a grey circle.
    """
    if index < 0:
        return {"color": LIGHT, "symbol": "circle"}
    return {"color": COLOURS[index % len(COLOURS)], "symbol": SYMBOLS[index // len(COLOURS) % len(SYMBOLS)]}


def bare(fig: go.Figure, row: int | None = None, col: int | None = None) -> None:
    """Hide the axes of a panel in which places have no unit, and keep its aspect."""
    fig.update_xaxes(visible=False, row=row, col=col)
    fig.update_yaxes(visible=False, row=row, col=col)


def run_labels(runs: Sequence[Run]) -> list[str]:
    """Name each run by its method and by whatever else tells it from the other runs of that method."""
    labels = []
    for run in runs:
        facts = [_facts(other) for other in runs if other.method == run.method]
        mine = _facts(run)
        differing = [f"{key}={value}" for key, value in mine.items() if any(other[key] != value for other in facts)]
        labels.append(f"{run.method} ({', '.join(differing)})" if differing else run.method)
    return labels


def _facts(run: Run) -> dict[str, object]:
    return {"graph": run.graph, "seed": run.seed, **dataclasses.asdict(run.config)}
