"""How hard a loss pulls and pushes: the forces on one anchor under several objectives, and gauges over training."""

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from workbench.errors import UserError
from workbench.objectives.forces import GAUGES, Forces
from workbench.plots import style

PULL, PUSH, FALSE = style.COLOURS[2], style.COLOURS[5], style.COLOURS[0]
MOST = 1_500  # pairs that are drawn of an objective, the strongest
BINS = 20
UNITS = {"alignment": "squared distance", "uniformity": "nats", "effective_rank": "dimensions"}  # of gauges
UNITS |= {"false_share": "share of the push", "false_parents": "share of negatives"}


def force_map(told: Mapping[str, Forces], labels: ArrayLike | None = None) -> go.Figure:
    """Draw which rows an anchor is pulled to and pushed from, and how hard: one panel per objective.

    A row stands at the angle of its cosine with the anchor, which is in the middle: rows of the other view to the
    right, of its own to the left. Its height is the force, its mark an arrow that points the way the row is moved;
    positives are larger.

    Args:
        told: by the name of each objective, of one anchor.
        labels: the class of each row, below 0 for none [rows].

    Raises:
        UserError: no objective.
    """
    if not told:
        raise UserError("the forces of at least one objective are drawn")
    titles = [f"{style.plain(name)}: loss {forces.loss:.3g} nats" for name, forces in told.items()]
    note = "one arrow per row, pointing the way the loss moves it; right: rows of the other view, left: of its own view"
    panels = {"cols": len(told), "subplot_titles": titles, "horizontal_spacing": 0.06, "shared_yaxes": True}
    fig = style.figure("What the loss does to one anchor", note, 440, **panels)
    keys = [("pulled to the anchor", PULL), ("pushed away", PUSH)]
    keys += [] if labels is None else [("pushed away, of its own class: a false negative", FALSE)]
    for column, forces in enumerate(told.values(), start=1):
        strongest = forces.pairs["force"].abs().sort_values(ascending=False)
        pairs = forces.pairs.loc[strongest[strongest > 0].index[:MOST]]
        side = np.where(pairs["view"] == "other", 1, -1)
        angle = side * np.degrees(np.arccos(pairs["cosine"].clip(-1, 1).to_numpy()))
        force, same = pairs["force"].to_numpy(), _own_class(pairs, forces, labels)
        away = np.where(side * force > 0, "right", "left")
        groups = force < 0, (force > 0) & ~same, (force > 0) & same
        for (_, colour), mine in zip(keys, groups, strict=False):
            symbols = [f"triangle-{way}" for way in away[mine]]
            marker = {"symbol": symbols, "size": np.where(pairs["positive"][mine], 14, 7), "color": colour}
            # By itself plotly outlines marks of several sizes in white, on dark paper as well.
            marker |= {"line": {"width": 0.5, "color": style.PAPER}}
            said = [_said(line) for line in pairs[mine].to_dict("records")]
            places = np.stack([angle[mine], np.abs(force[mine])], 1)
            fig.add_trace(style.points(places, marker, said, nodes=pairs["row"].to_numpy()[mine]), 1, column)
        fig.add_vline(x=0, line={"color": style.GREY, "width": 1}, row=1, col=column)
    for name, colour in keys:
        key = {"mode": "markers", "marker": {"color": colour, "size": 10, "symbol": "triangle-right"}, "name": name}
        fig.add_trace(go.Scatter(x=[None], y=[None], **key), 1, 1)
    fig.update_xaxes(title="degrees from the anchor", ticksuffix="°")
    fig.update_yaxes(type="log", dtick=1, exponentformat="power").update_yaxes(
        title="force, nats per unit of cosine", col=1
    )
    return fig.update_layout(legend={"orientation": "h", "y": -0.22, "x": 0}, margin={"t": 110})


def _own_class(pairs: pd.DataFrame, forces: Forces, labels: ArrayLike | None) -> NDArray[np.bool_]:
    """Return which lines are of the anchor's class."""
    if labels is None:
        return np.zeros(len(pairs), bool)
    y = np.asarray(labels)
    return (y[pairs["row"]] == y[forces.anchor]) & (y[forces.anchor] >= 0)


def _said(line: Mapping[str, object]) -> str:
    positive = ", a positive" if line["positive"] else ""
    return (
        f"row {line['row']}, {line['view']} view{positive}<br>cosine {line['cosine']:.3f}<br>force {line['force']:.3g}"
    )


def force_histogram(told: Mapping[str, Forces], labels: ArrayLike | None = None) -> go.Figure:
    """Draw on which cosines the push of an anchor's loss falls, on its own class and on others; arguments as above."""
    if not told:
        raise UserError("the forces of at least one objective are drawn")
    panels = {"cols": len(told), "subplot_titles": [style.plain(name) for name in told], "shared_yaxes": True}
    title, note = "Which negatives take the push", "share of all that pushes the anchor away, by cosine"
    fig = style.figure(title, note, 340, **panels, horizontal_spacing=0.05)
    cosines = [forces.pairs.loc[forces.pairs["force"] > 0, "cosine"] for forces in told.values()]
    least = min((float(values.min()) for values in cosines if len(values)), default=-1.0)
    edges = np.linspace(min(least, 0.9), 1, BINS + 1)
    for column, forces in enumerate(told.values(), start=1):
        pushed = forces.pairs[(forces.pairs["force"] > 0) & ~forces.pairs["positive"]]
        same, share = _own_class(pushed, forces, labels), pushed["force"] / pushed["force"].sum()
        kinds = [("negatives", PUSH, np.ones(len(pushed), bool))]
        if labels is not None:
            kinds = [
                ("other classes", PUSH, ~same),
                ("its own class: false negatives", FALSE, same),
            ]
        for name, colour, mine in kinds:
            height = np.histogram(pushed["cosine"][mine], edges, weights=100 * share[mine])[0]
            look = {"name": name, "legendgroup": name, "showlegend": column == 1, "marker_color": colour}
            hover = f"{name}<br>cosine %{{x:.2f}}<br>%{{y:.1f}} % of the push<extra></extra>"
            bars = go.Bar(x=(edges[1:] + edges[:-1]) / 2, y=height, width=np.diff(edges), hovertemplate=hover, **look)
            fig.add_trace(bars, 1, column)
    fig.update_xaxes(title="cosine with the anchor, no unit").update_yaxes(title="% of the push", col=1)
    return fig.update_layout(barmode="stack", legend={"orientation": "h", "y": -0.28, "x": 0}, margin={"t": 100})


def gauge_curves(courses: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Draw the gauges of trainings under several objectives by epoch, one panel per gauge that any of them has.

    Args:
        courses: by the name of each objective, columns of `objectives.forces.GAUGES` by epoch.

    Raises:
        UserError: no training.
    """
    shown = [name for name in GAUGES if any(name in table and table[name].notna().any() for table in courses.values())]
    if not shown:
        raise UserError("the gauges of at least one training are drawn")
    rows = -(-len(shown) // 3)
    titles = ["<br>".join(_two_lines(GAUGES[name])) for name in shown]
    panels = {
        "rows": rows,
        "cols": 3,
        "subplot_titles": titles,
        "vertical_spacing": 0.46 / rows,
        "horizontal_spacing": 0.09,
    }
    fig = style.figure(
        "What becomes of it while the encoder learns", "0 is the untrained encoder", 130 + 250 * rows, **panels
    )
    for place, gauge in enumerate(shown):
        for number, (name, table) in enumerate(courses.items()):
            look = {
                "name": style.plain(name),
                "legendgroup": style.plain(name),
                "showlegend": place == 0,
                "mode": "lines+markers",
            }
            look |= {"line": {"color": style.COLOURS[number], "width": 2}, "marker": {"size": 5}}
            hover = f"{style.plain(name)}<br>epoch %{{x}}<br>%{{y:.3g}}<extra></extra>"
            curve = go.Scatter(x=table.index, y=table[gauge], hovertemplate=hover, **look)
            fig.add_trace(curve, place // 3 + 1, place % 3 + 1)
        fig.update_yaxes(title=UNITS.get(gauge, "no unit"), row=place // 3 + 1, col=place % 3 + 1)
    fig.update_annotations(font_size=11).update_xaxes(title="epoch")
    return fig.update_layout(legend={"orientation": "h", "y": -0.16, "x": 0}, margin={"t": 120})


def _two_lines(words: str) -> list[str]:
    head, _, rest = words.partition(": ")
    return [f"<b>{head}</b>", rest] if rest else wrap(words, 34)
