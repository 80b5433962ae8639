"""Scores: of methods side by side, under every protocol, condition against condition, and beside published ones."""

import textwrap
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError, unknown
from workbench.evaluation import mean_interval, protocols
from workbench.evaluation.splits import CLUSTERED
from workbench.plots import style
from workbench.studies import results
from workbench.studies.families import chosen_negatives
from workbench.studies.published import Cell
from workbench.studies.study import Study
from workbench.studies.verdicts import BETTER, MARGIN, REPRODUCED, UNDECIDED, WORSE, Verdict

FEWEST = 3  # seeds of which an interval of the accuracy is drawn
MEASURES = {"accuracy": "accuracy, %", "ms_an_epoch": "milliseconds per epoch", "peak_mib": "peak memory, MiB"}
_LOOK = {
    REPRODUCED: (style.COLOURS[2], "circle"),
    BETTER: (style.COLOURS[0], "triangle-up"),
    WORSE: (style.COLOURS[5], "triangle-down"),
    UNDECIDED: (style.GREY, "diamond"),
}
_BOTH = ("accuracy", "training seeds", "protocol", "solver")
COMPARED = ("name", "kind", "spread over splits", "spread over seeds", *_BOTH)
_LENS = ("normalised", "own", "flawed", "low", "high", "interval", *_BOTH)
_WAYS = {True: ("rows divided by their L2 norm", -0.17), False: ("rows as they are", 0.17)}
_LETTERS = 100  # letters of a line below the figure


def results_chart(table: pd.DataFrame) -> go.Figure:
    """Draw accuracy and its spread for each row that `workbench.compare` returned: trained in colour, all else in grey.

    A dot stands at each mean; the thin bar is one standard deviation over the splits, and where a row holds several
    training seeds, the thick bar is one standard deviation over their means. A UserError says that the table is empty,
    lacks a column, or mixes protocols.
    """
    check(table, COMPARED, "results_chart draws what compare() returned")
    protocol, solver = asked_by(table, "results_chart")
    flaw = protocols.get(protocol).flawed
    clustered = protocols.get(protocol).probe in CLUSTERED
    subtitle = f"thin bar: standard deviation over the {'starts of k-means' if clustered else 'splits'}"
    if (table["training seeds"] > 1).any():
        subtitle += "; thick bar: over the training seeds"
    title = f"Accuracy of {'clusters' if clustered else 'a probe on frozen embeddings'}"
    fig = style.figure(title, subtitle + (f"<br>FLAWED: {flaw}" if flaw else ""))
    table = table.assign(name=table["name"].map(style.plain))
    colours = cycle(style.COLOURS)
    for row in table.to_dict("records"):
        colour, symbol = (next(colours), "circle") if row["kind"] == "trained" else (style.GREY, "circle-open")
        for column, thickness, cap in (("spread over splits", 1.5, 5), ("spread over seeds", 5, 0)):
            if column == "spread over seeds" and pd.isna(row[column]):
                continue
            bar = {"type": "data", "array": [row[column]], "thickness": thickness, "width": cap}
            hover = f"{row['name']}<br>{row['accuracy']:.2f} ± {row[column]:.2f} ({column})<extra></extra>"
            at, marker = ([row["accuracy"]], [row["name"]]), {"color": colour, "size": 10, "symbol": symbol}
            fig.add_trace(style.points(at, marker, error_x=bar, hovertemplate=hover))
        written = f"{row['accuracy']:.1f} ± {row['spread over splits']:.1f}"
        fig.add_annotation(y=row["name"], text=written, **style.BESIDE)
    fig.update_xaxes(title=f"accuracy, % ({protocol}, {solver})")
    fig.update_yaxes(categoryorder="array", categoryarray=table["name"][::-1].tolist(), ticks="")
    return fig.update_layout(height=170 + 34 * len(table) + (20 if flaw else 0), margin={"r": 95, "t": 100})


def protocol_lens(table: pd.DataFrame) -> go.Figure:
    """Draw what each protocol says of the same embedding, with rows normalised and as they are.

    The table is what `evaluation.lens` returned; a UserError says which column it lacks. A dot stands at each mean,
    open where the protocol is flawed, with a bar for its interval and its number beside it, bold where the protocol
    treats rows so. Below stand the flaws and what was left out, and why.
    """
    check(table, _LENS, "protocol_lens draws what evaluation.lens() returned")
    table = table.fillna({"flawed": ""})  # an empty word is nan after a file
    ends = table[["low", "high"]].to_numpy(float)
    table["ends"] = ["" if np.isnan(low) else f" [{low:.1f}, {high:.1f}]" for low, high in ends]
    own, seeds = table.loc[table["own"], "accuracy"], int(table["training seeds"].max())
    subtitle = f"the same embedding gets {own.min():.1f} to {own.max():.1f} %, scored in each protocol's own way (bold)"
    bars = "± standard deviation over the splits of one embedding, which describes and tests nothing"
    if seeds > 1:
        subtitle = subtitle.replace("embedding gets", "embeddings get")
        bars = f"95 % t interval over {seeds} training seeds"
    elif table["low"].isna().all():
        bars = "none, one split of one embedding has no spread"
    fig = style.figure("How much of a score is protocol?", f"{subtitle}<br>bars: {bars}")
    first = table.drop_duplicates("protocol")
    ticks = []
    for row in first.itertuples():
        probe = protocols.get(row.protocol).probe.replace("-", " ")
        ticks.append(f"{row.protocol}{', FLAWED' if row.flawed else ''}<br>{probe}, {row.solver}")
    places = {name: place for place, name in enumerate(first["protocol"])}
    for index, (normalised, (way, shift)) in enumerate(_WAYS.items()):
        part = table[table["normalised"] == normalised]
        look, at = style.class_marker(index), part["protocol"].map(places) + shift
        symbols = [look["symbol"] + ("-open" if flaw else "") for flaw in part["flawed"]]
        bar = style.interval(*(part[name] for name in ("accuracy", "low", "high")))
        marker, facts = {**look, "symbol": symbols, "size": 10}, part[["protocol", "ends", "interval"]].to_numpy()
        hover = f"%{{customdata[0]}}, {way}<br>%{{x:.1f}} %%{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>"
        more: dict[str, Any] = {"error_x": bar, "name": way, "showlegend": True, "hovertemplate": hover}
        fig.add_trace(style.points((part["accuracy"], at), marker, None, facts, **more))
        for y, row in zip(at, part.itertuples(), strict=True):
            written = f"{row.accuracy:.1f}{row.ends}"
            fig.add_annotation(text=f"<b>{written}</b>" if row.own else written, y=y, **style.BESIDE)
    flawed = first[first["flawed"] != ""].itertuples()
    notes = [f"{row.protocol} (open marks) is FLAWED: {row.flawed}" for row in flawed]
    notes += [f"left out: {reason}" for reason in table.attrs.get("left out", {}).values()]
    lines = [line for note in notes for line in textwrap.wrap(note, _LETTERS)]
    below = {"x": 0, "y": 0, "yref": "paper", "yanchor": "top", "yshift": -60, "align": "left"}
    fig.add_annotation(text="<br>".join(lines), font={"color": style.MUTED}, **{**style.BESIDE, **below})
    fig.update_xaxes(title="accuracy, %")
    ticked = {"tickvals": list(places.values()), "ticktext": ticks, "ticks": ""}
    fig.update_yaxes(range=[len(places) - 0.5, -0.5], showgrid=False, **ticked)
    title = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 18}}  # leaves the legend its line
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    margin = {"r": 125, "t": 125, "b": 78 + 17 * len(lines)}
    return fig.update_layout(height=203 + 56 * len(places) + 17 * len(lines), title=title, legend=legend, margin=margin)


def difference_chart(differences: pd.DataFrame, title: str = "Does it matter what the rules say?") -> go.Figure:
    """Draw paired differences in accuracy with their intervals, one row per pair of conditions, one colour per graph.

    The differences are those of `workbench.studies.differences`; none, from a single training seed, is a UserError.
    """
    if differences.empty:
        raise UserError("there is no difference to draw; intervals take at least two training seeds of both conditions")
    table = differences.assign(pair=differences["first"] + " − " + differences["second"])
    seeds = " or ".join(str(count) for count in sorted(set(table["seeds"])))
    subtitle = f"mean and 95 % t interval over {seeds} training seeds, same splits; 0 = no difference"
    fig = style.figure(title, subtitle)
    graphs = table["data"].unique()
    numbers = {name: table[name].factorize()[0] for name in ("pair", "data")}
    table = table.assign(row=numbers["pair"], within=numbers["data"]).sort_values(["row", "within"])
    # Graphs stand below each other within a row, as many as it has, so that no interval covers another.
    table["place"] = np.arange(len(table)) + 1.5 * table["row"]
    for index, graph in enumerate(graphs):
        part = table[table["data"] == graph]
        at = part["difference"], part["place"]
        bars = style.interval(part["difference"], part["low"], part["high"], 1.8, 5)
        ends = [f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}] points" for row in part.itertuples()]
        hover = [f"{graph}: {pair}<br>{words}" for pair, words in zip(part["pair"], ends, strict=True)]
        marker = {"size": 9, **style.class_marker(index)}
        fig.add_trace(style.points(at, marker, hover, name=graph, error_x=bars, showlegend=True))
    fig.add_vline(x=0, line={"color": style.GREY, "width": 1})
    fig.update_xaxes(title="difference in accuracy, percentage points")
    middles = table.groupby("pair", sort=False)["place"].mean()
    rim = [table["place"].iloc[-1] + 1.25, -1.25]
    fig.update_yaxes(tickvals=[*middles], ticktext=[*middles.index], range=rim, ticks="")
    return fig.update_layout(height=190 + 13 * len(table) + 20 * len(middles))


def budget_chart(rows: pd.DataFrame, study: Study, graph: str | None = None) -> go.Figure:
    """Draw accuracy, time and memory against the number of negatives, a line per sampler, all negatives as a band.

    A dot is a mean over the training seeds, its bar the 95 % t interval of the accuracy, which ends at 0 and 100 %, or
    the range of the cost and of fewer than three seeds; grey band and line are those of all negatives.

    Args:
        rows: the long table. study: whose it is, "negatives" or one like it.
        graph: which graph; None for the only one.

    Raises:
        UserError: no such graph, several and none named, or several objectives.
    """
    table = _negatives(rows, study, graph)
    seeds = table["seed"].nunique()
    intervals = "95 % t interval of the accuracy, which ends at 100 %; range of the costs"
    intervals = intervals if seeds >= FEWEST else "the range, as an interval takes three seeds"
    subtitle = (
        f"means over {seeds} training seed{'s' * (seeds != 1)} ({study.protocols[0]}, {study.conditions[0].method}, "
        f"{int(table['epochs'].iloc[0])} epochs)<br>bars: {intervals}"
        "<br>grey: all other nodes as negatives"
    )
    heading, panels = f"How many negatives are enough on {table['data'].iloc[0]}?", {"rows": 1, "cols": len(MEASURES)}
    fig = style.figure(heading, subtitle, 430, horizontal_spacing=0.09, **panels)
    limited = table.dropna(subset="k")
    ticks = sorted(limited["k"].unique())
    for column, (measure, title) in enumerate(MEASURES.items(), start=1):
        for index, (sampler, part) in enumerate(limited.groupby("sampler", sort=False)):
            ends = part.groupby("k")[measure].apply(_ends, measure)
            mean, low, high = np.array(ends.tolist()).T
            marker = {"size": 7, **style.class_marker(index)}
            apart = ends.index * 1.06 ** (index - 2)  # a little, so that intervals don't cover one another
            hover = [f"{sampler}, k = {k:g}<br>{m:.1f} [{a:.1f}, {b:.1f}] {title}" for k, (m, a, b) in ends.items()]
            look: dict[str, Any] = {"name": str(sampler), "legendgroup": str(sampler), "showlegend": column == 1}
            look |= {"mode": "lines+markers", "line": {"width": 1.5, "color": marker["color"]}}
            bars = style.interval(mean, low, high, 1.2, 3)
            fig.add_trace(style.points((apart, mean), marker, hover, error_y=bars, **look), 1, column)
        # A band is drawn only beside traces that are there already.
        whole = _ends(table.loc[table["k"].isna(), measure], measure)
        below = {"layer": "below", "row": 1, "col": column}
        fig.add_hrect(y0=whole[1], y1=whole[2], fillcolor=style.FAINT, opacity=0.5, line_width=0, **below)
        fig.add_hline(y=whole[0], line={"color": style.GREY, "width": 1.5}, **below)
        fig.update_yaxes(title=title, rangemode="normal" if column == 1 else "tozero", row=1, col=column)
    fig.update_xaxes(
        type="log", title="negatives per anchor, at most", tickvals=ticks, ticktext=[f"{k:g}" for k in ticks]
    )
    legend = {"orientation": "h", "y": -0.28, "x": 0, "font": {"size": 12}}
    return fig.update_layout(legend=legend, margin={"t": 112, "b": 110})


def claims_chart(verdicts: Sequence[tuple[Cell, Verdict]]) -> go.Figure:
    """Draw by how much ours differs from each published number that was run, with its 90 % interval.

    Numbers whose verdict has no score of ours are left out, and counted in the subtitle; only such is a UserError.
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
        if (mine := run[run["word"] == word]).empty:
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


def _ends(values: pd.Series, measure: str) -> tuple[float, float, float]:
    """Return the mean of a measure and the ends of its bar: a 95 % t interval of the accuracy, the range of a cost.

    The t interval of two seeds is twelve times as wide as their difference is large, and tells of no share in percent.
    """
    if len(values) < FEWEST or measure != "accuracy":
        return float(values.mean()), float(values.min()), float(values.max())
    interval = mean_interval(values.tolist())
    return interval.mean, max(interval.low, 0.0), min(interval.high, 100.0)


def asked_by(table: pd.DataFrame, chart: str) -> tuple[str, str]:
    """Return the protocol and the solver of a comparison; a UserError where a chart would mix several."""
    if len(asked := table[["protocol", "solver"]].drop_duplicates()) != 1:
        raise UserError(f"the table holds {len(asked)} protocols or solvers; {chart} draws one at a time")
    protocol, solver = asked.iloc[0]
    return protocol, solver


def check(table: pd.DataFrame, columns: tuple[str, ...], wanted: str) -> None:
    """Raise a UserError that names the first column which a table lacks, and what would have it."""
    if missing := [name for name in columns if name not in table]:
        raise UserError(f"the table has no column {missing[0]!r}: {wanted}")
