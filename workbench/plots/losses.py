"""The course of the training."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.errors import UserError
from workbench.plots import style
from workbench.runs import Run


def loss_curves(runs: Run | Sequence[Run]) -> go.Figure:
    """Draw each loss term of one or more runs in a panel of its own; runs of the same method share their panels.

    Args:
        runs: a run or several, of the same or of different methods.

    Raises:
        UserError: no run, or none with a trained epoch.
    """
    runs = [run for run in ([runs] if isinstance(runs, Run) else list(runs)) if len(run.history)]
    if not runs:
        raise UserError("loss_curves needs at least one run with a trained epoch")
    panels = list(dict.fromkeys((run.method, term) for run in runs for term in _terms(run)))
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = -(-len(panels) // columns)
    titles = [method if term == "loss" else f"{method}: {term}" for method, term in panels]
    base = make_subplots(rows, columns, subplot_titles=titles, horizontal_spacing=0.09, vertical_spacing=0.4 / rows)
    graphs = ", ".join(dict.fromkeys(run.graph for run in runs))
    fig = style.figure(f"Loss terms on {graphs}", "one panel a term, each with its own scale", 120 + 250 * rows, base)
    for run, name in zip(runs, style.run_labels(runs), strict=True):
        among = [other for other in runs if other.method == run.method]
        for term in _terms(run):
            place = panels.index((run.method, term))
            fig.add_scatter(
                x=run.history.index,
                y=run.history[term],
                mode="lines",
                line={"color": style.COLOURS[among.index(run) % len(style.COLOURS)], "width": 1.8},
                name=name,
                legendgroup=name,
                showlegend=len(among) > 1 and term == "loss",
                row=place // columns + 1,
                col=place % columns + 1,
                hovertemplate=f"{name}<br>epoch %{{x}}<br>{term} %{{y:.5g}}<extra></extra>",
            )
    for place, (_, term) in enumerate(panels):
        unit = "squared distance" if term == "cross" else "nats"
        fig.update_xaxes(title="epoch", row=place // columns + 1, col=place % columns + 1)
        fig.update_yaxes(title=f"{term}, {unit}", row=place // columns + 1, col=place % columns + 1)
    fig.update_annotations(font_size=13)
    return fig.update_layout(margin_t=100, legend={"orientation": "h", "y": -0.35 / rows, "x": 0})


def _terms(run: Run) -> list[str]:
    """Return the total and the terms of a run's loss; a single term that is the total is named once."""
    terms = [name for name in run.history.columns if name not in ("loss", "seconds")]
    return ["loss"] if len(terms) <= 1 else ["loss", *terms]
