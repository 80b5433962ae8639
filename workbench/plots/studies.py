"""Studies: paired differences, what conditions cost and earn against a number, published numbers beside ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.errors import UserError, unknown
from workbench.evaluation import mean_interval
from workbench.plots import style
from workbench.studies import results
from workbench.studies.families import chosen_negatives
from workbench.studies.published import Cell
from workbench.studies.study import Study
from workbench.studies.verdicts import BETTER, MARGIN, REPRODUCED, UNDECIDED, WORSE, Verdict

MEASURES = {"accuracy": "accuracy, %", "ms_an_epoch": "milliseconds an epoch", "peak_mib": "peak memory, MiB"}
_LOOK = {
    REPRODUCED: (style.COLOURS[2], "circle"),
    BETTER: (style.COLOURS[0], "triangle-up"),
    WORSE: (style.COLOURS[5], "triangle-down"),
    UNDECIDED: (style.GREY, "diamond"),
}


def difference_chart(differences: pd.DataFrame, title: str = "Does it matter what the rules say?") -> go.Figure:
    """Draw paired differences in accuracy with their intervals, one row a pair of conditions, one colour a graph.

    The differences are those of `workbench.studies.differences`; none, from a single training seed, is a UserError.
    """
    if differences.empty:
        raise UserError("there is no difference to draw; intervals take at least two training seeds of both conditions")
    table = differences.assign(pair=differences["first"] + " − " + differences["second"])
    seeds = " or ".join(str(count) for count in sorted(set(table["seeds"])))
    subtitle = f"mean and 95 % t interval over {seeds} training seeds, same splits; 0 = no difference"
    fig = style.figure(title, subtitle)
    pairs = [*dict.fromkeys(table["pair"])]
    graphs = table["data"].unique()
    for index, graph in enumerate(graphs):
        part = table[table["data"] == graph]
        # Graphs stand below each other within a row, so that intervals don't cover one another.
        shift = 0.24 * (index - (len(graphs) - 1) / 2)
        at = part["difference"], [pairs.index(pair) + shift for pair in part["pair"]]
        bars = style.interval(part["difference"], part["low"], part["high"], 1.8, 5)
        ends = [f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}] points" for row in part.itertuples()]
        hover = [f"{graph}: {pair}<br>{words}" for pair, words in zip(part["pair"], ends, strict=True)]
        marker = {"size": 9, **style.class_marker(index)}
        fig.add_trace(style.points(at, marker, hover, name=graph, error_x=bars, showlegend=True))
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    fig.update_xaxes(title="difference in accuracy, percentage points")
    fig.update_yaxes(tickvals=list(range(len(pairs))), ticktext=pairs, range=[len(pairs) - 0.5, -0.5], ticks="")
    return fig.update_layout(height=190 + (20 + 13 * len(graphs)) * len(pairs))


def budget_chart(rows: pd.DataFrame, study: Study, graph: str | None = None) -> go.Figure:
    """Draw accuracy, time and memory against the number of negatives, a line a sampler, all negatives as a band.

    Args:
        rows: the long table. study: whose it is, "negatives" or one like it.
        graph: which graph; None for the only one.

    Returns:
        Three panels; a dot is a mean over the training seeds, its bar the 95 % t interval of the accuracy (from two
        seeds on) or the range of the cost, grey band and line are those of all negatives.

    Raises:
        UserError: no such graph, several and none named, or several objectives.
    """
    table = _negatives(rows, study, graph)
    subtitle = (
        f"means over {table['seed'].nunique()} training seeds ({study.protocols[0]}, {study.conditions[0].method}, "
        f"{int(table['epochs'].iloc[0])} epochs); bars: 95 % t interval of the accuracy, range of the costs"
        "<br>grey: all other nodes as negatives"
    )
    base = make_subplots(1, len(MEASURES), horizontal_spacing=0.09)
    fig = style.figure(f"How many negatives are enough on {table['data'].iloc[0]}?", subtitle, 430, base)
    limited = table.dropna(subset="k")
    ticks = sorted(limited["k"].unique())
    for column, (measure, title) in enumerate(MEASURES.items(), start=1):
        for index, (sampler, part) in enumerate(limited.groupby("sampler", sort=False)):
            ends = part.groupby("k")[measure].apply(_ends)
            mean, low, high = np.array(ends.tolist()).T
            marker = {"size": 7, **style.class_marker(index)}
            apart = ends.index * 1.06 ** (index - 2)  # a little, so that intervals don't cover one another
            hover = [f"{sampler}, k = {k:g}<br>{m:.1f} [{a:.1f}, {b:.1f}] {title}" for k, (m, a, b) in ends.items()]
            legend: dict[str, Any] = {"name": str(sampler), "legendgroup": str(sampler), "showlegend": column == 1}
            line: dict[str, Any] = {"mode": "lines+markers", "line": {"width": 1.5, "color": marker["color"]}}
            bars = style.interval(mean, low, high, 1.2, 3)
            fig.add_trace(style.points((apart, mean), marker, hover, error_y=bars, **line, **legend), 1, column)
        # A band is drawn only beside traces that are there already.
        whole = _ends(table.loc[table["k"].isna(), measure])
        below = {"layer": "below", "row": 1, "col": column}
        fig.add_hrect(y0=whole[1], y1=whole[2], fillcolor=style.FAINT, opacity=0.5, line_width=0, **below)
        fig.add_hline(y=whole[0], line={"color": style.GREY, "width": 1.5}, **below)
        x_title = "negatives an anchor, at most"
        fig.update_xaxes(
            type="log", tickvals=ticks, ticktext=[f"{k:g}" for k in ticks], row=1, col=column, title=x_title
        )
        fig.update_yaxes(title=title, rangemode="normal" if column == 1 else "tozero", row=1, col=column)
    legend = {"orientation": "h", "y": -0.28, "x": 0, "font": {"size": 12}}
    return fig.update_layout(legend=legend, margin={"t": 95, "b": 110})


def claims_chart(verdicts: Sequence[tuple[Cell, Verdict]]) -> go.Figure:
    """Draw by how much ours differs from each published number that was run, with its 90 % interval.

    Args:
        verdicts: numbers with their verdicts; those without a score of ours are left out, and counted in the subtitle.

    Raises:
        UserError: none of them was run.
    """
    run = pd.DataFrame(
        {"id": cell.id, "published": cell.value, "off": verdict.ours - cell.value, **vars(verdict)}
        for cell, verdict in verdicts
        if verdict.ours == verdict.ours
    )
    if not len(run):
        raise UserError("none of these numbers was run here; `workbench claims run CLAIM` trains what one takes")
    subtitle = f"90 % intervals; a number whose interval lies within the band of {MARGIN:g} point is reproduced"
    if left := len(verdicts) - len(run):
        subtitle += f"<br>not shown, since not run or not comparable: {left} published numbers"
    fig = style.figure("Ours minus published", subtitle, 170 + 30 * len(run))
    fig.add_vrect(x0=-MARGIN, x1=MARGIN, fillcolor=style.LINE, line_width=0, layer="below")
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    for word, (colour, symbol) in _LOOK.items():
        mine = run[run["word"] == word]
        if not len(mine):
            continue
        bars = style.interval(mine["off"], mine["low"].fillna(mine["off"]), mine["high"].fillna(mine["off"]))
        marker = {"color": colour, "symbol": symbol, "size": 10}
        ours = [f"published {row.published}, ours {row.ours:.1f}<br>{row.seeds} seeds" for row in mine.itertuples()]
        more: dict[str, Any] = {"hovertemplate": "%{y}<br>%{text}<extra></extra>", "error_x": bars, "showlegend": True}
        fig.add_trace(style.points((mine["off"], mine["id"]), marker, ours, name=word, **more))
    fig.update_xaxes(title="accuracy, percentage points", zeroline=False)
    fig.update_yaxes(categoryorder="array", categoryarray=run["id"].tolist()[::-1], showgrid=False)
    return fig


def _negatives(rows: pd.DataFrame, study: Study, graph: str | None) -> pd.DataFrame:
    """Return the trainings on one graph with their sampler and number of negatives."""
    graphs = rows["data"].unique().tolist()
    if graph is None and len(graphs) != 1:
        raise UserError(f"the rows are of {len(graphs)} graphs ({', '.join(graphs)}): say which by graph=")
    if graph is not None and graph not in graphs:
        raise unknown("graph", graph, graphs, "among the rows")
    table = results.wide(rows[(rows["data"] == (graph or graphs[0])) & (rows["kind"] == "trained")], study.protocols[0])
    chosen = {condition.name: chosen_negatives(condition) for condition in study.conditions}
    table = table[table["condition"].isin(chosen)]
    table[["sampler", "k", "objective"]] = [chosen[name] for name in table["condition"]]
    if table["objective"].nunique() != 1:
        raise UserError(f"the rows hold {table['objective'].nunique()} objectives; budget_chart draws one at a time")
    return table


def _ends(values: pd.Series) -> tuple[float, float, float]:
    """Return the mean of a measure with the ends of its bar.

    Of the accuracy the 95 % t interval, of a cost the least and the most; of a single value itself.
    """
    if len(values) < 2 or values.name != "accuracy":
        return float(values.mean()), float(values.min()), float(values.max())
    interval = mean_interval(values.tolist())
    return interval.mean, interval.low, interval.high
