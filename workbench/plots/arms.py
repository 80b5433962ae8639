"""Arms of a comparison: paired differences between them, and what they cost and earn against a number."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.errors import UserError, unknown
from workbench.evaluation import mean_interval
from workbench.plots import style

MEASURES = {"accuracy": "accuracy, %", "ms an epoch": "milliseconds an epoch", "peak MiB": "peak memory, MiB"}


def difference_chart(differences: pd.DataFrame, title: str = "Does it matter what the rules say?") -> go.Figure:
    """Draw paired differences in accuracy with their intervals, one row a pair of arms, one colour a graph.

    Args:
        differences: what `differences` of `workbench.studies.placebo` or `workbench.studies.budget` returned.
        title: of the figure.

    Raises:
        UserError: there is no difference to draw, which takes two training seeds.
    """
    if differences.empty:
        raise UserError("there is no difference to draw; intervals take at least two training seeds of both arms")
    seeds = sorted({int(count) for count in differences["seeds"]})
    told = (
        f"mean and 95 % t interval over {' or '.join(map(str, seeds))} training seeds, same splits; 0 = no difference"
    )
    fig = style.figure(title, told)
    pairs = list(dict.fromkeys(f"{a} − {b}" for a, b in zip(differences["first"], differences["second"], strict=True)))
    graphs = list(dict.fromkeys(differences["graph"]))
    for index, graph in enumerate(graphs):
        part = differences[differences["graph"] == graph]
        names = [f"{a} − {b}" for a, b in zip(part["first"], part["second"], strict=True)]
        # Graphs stand below each other within a row, so that intervals don't cover one another.
        shift = 0.24 * (index - (len(graphs) - 1) / 2)
        error = {"type": "data", "symmetric": False, "array": part["high"] - part["difference"],
                 "arrayminus": part["difference"] - part["low"], "thickness": 1.8, "width": 5}  # fmt: skip
        hover = [f"{graph}: {name}<br>{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}] points"
                 for name, row in zip(names, part.itertuples(), strict=True)]  # fmt: skip
        fig.add_scatter(x=part["difference"], y=[pairs.index(name) + shift for name in names], mode="markers",
                        name=graph, error_x=error, text=hover, hovertemplate="%{text}<extra></extra>",
                        marker={"size": 9, **style.class_marker(index)})  # fmt: skip
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    fig.update_xaxes(title="difference in accuracy, percentage points")
    fig.update_yaxes(tickvals=list(range(len(pairs))), ticktext=pairs, range=[len(pairs) - 0.5, -0.5], ticks="")
    return fig.update_layout(height=190 + (20 + 13 * len(graphs)) * len(pairs))


def budget_chart(rows: pd.DataFrame, graph: str | None = None) -> go.Figure:
    """Draw accuracy, time and memory against the number of negatives, a line a strategy, all negatives as a band.

    Args:
        rows: what `workbench.studies.budget.run` returned, of one graph or several below each other.
        graph: which graph; None for the only one.

    Returns:
        Three panels; a dot is a mean over the training seeds, its bar the 95 % t interval of the accuracy (from two
        seeds on) or the range of the cost, grey band and line are those of all negatives.

    Raises:
        UserError: no such graph, several and none named, or several objectives.
    """
    graphs = rows["graph"].unique().tolist()
    if graph is None and len(graphs) != 1:
        raise UserError(f"the rows are of {len(graphs)} graphs ({', '.join(graphs)}): say which by graph=")
    if graph is not None and graph not in graphs:
        raise unknown("graph", graph, graphs, "among the rows")
    rows = rows[(rows["graph"] == (graph or graphs[0]))].dropna(subset=["strategy"])
    if rows["objective"].nunique() != 1:
        raise UserError(f"the rows hold {rows['objective'].nunique()} objectives; budget_chart draws one at a time")
    first = rows.iloc[0]
    told = (
        f"means over {rows['seed'].nunique()} training seeds ({first['protocol']}, {first['method']}, "
        f"{int(first['epochs'])} epochs); bars: 95 % t interval of the accuracy, range of the costs"
        "<br>grey: all other nodes as negatives"
    )
    base = make_subplots(1, len(MEASURES), horizontal_spacing=0.09)
    fig = style.figure(f"How many negatives are enough on {graph or graphs[0]}?", told, 430, base)
    chosen = rows.dropna(subset=["k"])
    ticks = sorted(chosen["k"].unique())
    for column, (measure, title) in enumerate(MEASURES.items(), start=1):
        for index, (strategy, part) in enumerate(chosen.groupby("strategy", sort=False)):
            known = [k for k in ticks if (part["k"] == k).any()]
            points = [_ends(part[part["k"] == k][measure]) for k in known]
            mean, low, high = np.array(points).T
            # Strategies stand a little apart, so that their intervals don't cover one another.
            at = [k * 1.06 ** (index - 2) for k in known]
            error = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "width": 3,
                     "thickness": 1.2}  # fmt: skip
            hover = [f"{strategy}, k = {k:g}<br>{m:.1f} [{a:.1f}, {b:.1f}] {title}"
                     for k, m, a, b in zip(known, mean, low, high, strict=True)]  # fmt: skip
            marker = {"size": 7, **style.class_marker(index)}
            fig.add_scatter(x=at, y=mean, error_y=error, mode="lines+markers", name=str(strategy), row=1, col=column,
                            marker=marker, line={"width": 1.5, "color": marker["color"]}, showlegend=column == 1,
                            legendgroup=str(strategy), text=hover, hovertemplate="%{text}<extra></extra>")  # fmt: skip
        whole = _ends(rows[rows["k"].isna()][measure])  # plotly draws a band only beside traces that are there already
        below = {"layer": "below", "row": 1, "col": column}
        fig.add_hrect(y0=whole[1], y1=whole[2], fillcolor=style.FAINT, opacity=0.5, line_width=0, **below)
        fig.add_hline(y=whole[0], line={"color": style.GREY, "width": 1.5}, **below)
        fig.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{k:g}" for k in ticks], row=1, col=column,
                         title="negatives an anchor, at most")  # fmt: skip
        fig.update_yaxes(title=title, rangemode="normal" if column == 1 else "tozero", row=1, col=column)
    legend = {"orientation": "h", "y": -0.28, "x": 0, "font": {"size": 12}}
    return fig.update_layout(legend=legend, margin={"t": 95, "b": 110})


def _ends(values: pd.Series) -> tuple[float, float, float]:
    """Return the mean of a measure with the ends of its bar.

    Of the accuracy the 95 % t interval, of a cost the least and the most; of a single value itself.
    """
    if len(values) < 2 or values.name != "accuracy":
        return float(values.mean()), float(values.min()), float(values.max())
    interval = mean_interval(values.tolist())
    return interval.mean, interval.low, interval.high
