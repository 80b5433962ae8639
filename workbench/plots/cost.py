"""What training gains over what trains nothing, against what it costs."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.plots import style
from workbench.plots.scores import COMPARED, FEWEST, asked_by, check

REACH = 4.0  # percentage points at which a colour of gains is full
_LETTER = 6.5 / 250  # pixels of a name's, and of a panel's width
_HIGH = 350  # pixels of a panel


def cost_chart(table: pd.DataFrame) -> go.Figure:
    """Draw accuracy against seconds of training of what `workbench.compare` returned, beside what trains nothing.

    It takes the rows of one graph of `workbench.studies.leaderboard.board` as well. A filled dot is a method once
    trained, the hollow one on its line the same encoder untrained; dashed lines are the baselines. Names stand at the
    trained ones that no other beats in both accuracy and seconds; the others tell theirs on hover. The custom data of a
    dot is the place of its row in the table. A UserError says that the table is empty, lacks a column, mixes protocols
    or holds nothing trained.
    """
    check(table, (*COMPARED, "seconds"), "cost_chart draws what compare() returned")
    protocol, _ = asked_by(table, "cost_chart")
    table = table.reset_index(drop=True)
    trained = table[(table["kind"] == "trained") & (table["seconds"] > 0)].sort_values("seconds", kind="stable")
    if not len(trained):
        raise UserError("the table holds nothing that was trained; cost_chart draws trainings")
    before = table[table["kind"] == "untrained"].set_index("name")["accuracy"]
    starts = trained["name"].map(lambda name: before.get(f"untrained {name}", np.nan))
    if "over untrained" in trained:  # trainings of one method in several settings, which share a start
        starts = trained["accuracy"] - trained["over untrained"]
    fig = style.figure("What training gains, and what it costs", "filled: trained; hollow: the same encoder untrained")
    width, height = np.ptp(np.log10(trained["seconds"])), np.ptp(table["accuracy"])
    right, top = -np.inf, -np.inf  # of the name before
    best = trained["accuracy"].cummax().shift(fill_value=-np.inf)
    told = zip(trained.index, trained.to_dict("records"), starts, trained["accuracy"] > best, strict=True)
    for place, row, start, front in told:
        name, colour = style.plain(row["name"]), style.COLOURS[0] if front else style.GREY
        hover = f"{name}<br>{row['seconds']:.3g} s<br>{row['accuracy']:.1f} %, untrained {start:.1f} %<extra></extra>"
        shown = {"size": [9, 11], "symbol": ["circle-open", "circle"], "color": colour, "line_color": style.PAPER}
        both = [row["seconds"]] * 2, [start, row["accuracy"]]
        line = {"color": colour, "width": 1.5}
        more: dict[str, Any] = {"mode": "lines+markers", "line": line, "hovertemplate": hover}
        fig.add_trace(style.points(both, shown, nodes=np.array([place, place]), **more))
        if front:
            at, half = np.log10(row["seconds"]), _LETTER * width * len(row["name"]) / 2
            at_once = _HIGH * row["accuracy"] / height
            lift = max(14, top - at_once if at - half < right else 0)  # not upon the name before
            right, top = at + half, at_once + lift + 14
            fig.add_annotation(x=at, y=row["accuracy"], text=name, showarrow=False, yshift=lift)
    beside, apart = np.inf, 0.05 * np.ptp(table["accuracy"])  # of two labels, so that equal baselines can be read
    floors = table[table["kind"] == "baseline"].sort_values("accuracy", ascending=False, kind="stable")
    for row in floors.to_dict("records"):
        fig.add_hline(row["accuracy"], line={"color": style.GREY, "dash": "dash", "width": 1})
        beside = min(row["accuracy"], beside - apart)
        words = f"{style.plain(row['name'])} {row['accuracy']:.1f}"
        fig.add_annotation(y=beside, text=words, xanchor="left", showarrow=False, xref="paper", x=1.01)
    fig.update_xaxes(title="seconds of training", type="log", dtick="D2")
    fig.update_yaxes(title=f"accuracy, % ({protocol})")
    return fig.update_layout(height=520, margin={"r": 210})


def gains_chart(board: pd.DataFrame) -> go.Figure:
    """Draw how far each training ends above the best baseline of each graph, in percentage points of accuracy.

    Rows are trainings, the best on average first; what stands in bold lies on one side of the baseline with its whole
    95 % interval over three or more training seeds. The board is that of `workbench.studies.leaderboard.board`; a
    UserError says that it holds nothing trained.
    """
    check(board, ("data", "name", "kind", "floor", "over floor", "low", "high"), "gains_chart draws a leaderboard")
    trained = board[board["kind"] == "trained"]
    if trained.empty:
        raise UserError("the board holds nothing that was trained; gains_chart draws trainings")
    sure = trained["training seeds"].ge(FEWEST) & (trained["low"].gt(0) | trained["high"].lt(0))
    words = [
        f"<b>{gain:+.1f}</b>" if known else f"{gain:+.1f}"
        for gain, known in zip(trained["over floor"], sure, strict=True)
    ]
    told = trained.assign(words=words)
    order = trained.groupby("name")["over floor"].mean().sort_values(ascending=False).index
    graphs = trained["data"].unique()
    gains, texts = (
        told.pivot(index="name", columns="data", values=v).loc[order, graphs] for v in ("over floor", "words")
    )
    best = board[board["kind"] == "baseline"].groupby("data")["accuracy"].max()
    heads = [
        f"{style.plain(graph)}<br>{trained.loc[trained['data'] == graph, 'floor'].iloc[0]} {best[graph]:.1f}"
        for graph in graphs
    ]
    subtitle = "bold: its 95 % interval over three or more training seeds lies on that side of the baseline"
    fig = style.figure("Accuracy over the best of what trains nothing, percentage points", subtitle)
    scale = [[0, style.WARM], [0.5, style.LINE], [1, style.COOL]]
    more = {"text": texts.fillna(""), "texttemplate": "%{text}", "colorscale": scale, "showscale": False}
    hover = "%{y} on %{x}: %{z:+.1f}<extra></extra>"
    fig.add_trace(style.squares(gains, [*map(style.plain, order)], heads, (-REACH, REACH), hovertemplate=hover, **more))
    fig.update_xaxes(side="top", ticks="", showgrid=False)
    fig.update_yaxes(autorange="reversed", ticks="", showgrid=False)
    return fig.update_layout(height=190 + 24 * len(order), margin={"t": 140})
