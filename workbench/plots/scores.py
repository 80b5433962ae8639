"""Scores of methods and baselines side by side, and of one embedding under every protocol."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.plots import style

_BOTH = ("accuracy", "training seeds", "protocol", "solver")
_COMPARED = ("name", "kind", "spread over splits", "spread over seeds", *_BOTH)
_LENS = ("normalised", "own", "flawed", "low", "high", "interval", *_BOTH)
_WAYS = {True: ("rows divided by their L2 norm", -0.17), False: ("rows as they are", 0.17)}
_LETTERS = 100  # letters of a line below the figure


def results_chart(table: pd.DataFrame) -> go.Figure:
    """Draw accuracy and its spread for each row of a comparison: trained methods in colour, all else in grey.

    Args:
        table: what `workbench.compare` returned.

    Returns:
        A figure with a dot at each mean; the thin bar is one standard deviation over the splits, and where a row holds
        several training seeds, the thick bar is one standard deviation over their means.

    Raises:
        UserError: the table is empty, lacks a column, or mixes protocols.
    """
    _check(table, _COMPARED, "results_chart draws what compare() returned")
    if len(asked := table[["protocol", "solver"]].drop_duplicates()) != 1:
        raise UserError(f"the table holds {len(asked)} protocols or solvers; results_chart draws one at a time")
    protocol, solver = asked.iloc[0]
    flaw = protocols.get(protocol).flawed
    subtitle = "thin bar: standard deviation over the splits"
    if (table["training seeds"] > 1).any():
        subtitle += "; thick bar: over the training seeds"
    fig = style.figure("Accuracy of a probe on frozen embeddings", subtitle + (f"<br>FLAWED: {flaw}" if flaw else ""))
    methods = iter(style.COLOURS * len(table))
    colours = [next(methods) if kind == "trained" else style.GREY for kind in table["kind"]]
    for row, colour in zip(table.to_dict("records"), colours, strict=True):
        marker = {"color": colour, "size": 10, "symbol": "circle" if row["kind"] == "trained" else "circle-open"}
        for column, thickness, cap in (("spread over splits", 1.5, 5), ("spread over seeds", 5, 0)):
            if column == "spread over seeds" and pd.isna(row[column]):
                continue
            bar = {"type": "data", "array": [row[column]], "thickness": thickness, "width": cap}
            hover = f"{row['name']}<br>{row['accuracy']:.2f} ± {row[column]:.2f} ({column})<extra></extra>"
            at = [row["accuracy"]], [row["name"]]
            fig.add_trace(style.points(at, marker, error_x=bar, hovertemplate=hover))
        written = f"{row['accuracy']:.1f} ± {row['spread over splits']:.1f}"
        fig.add_annotation(y=row["name"], text=written, **style.BESIDE)
    fig.update_xaxes(title=f"accuracy, % ({protocol}, {solver})")
    fig.update_yaxes(categoryorder="array", categoryarray=table["name"][::-1].tolist(), ticks="")
    return fig.update_layout(height=170 + 34 * len(table) + (20 if flaw else 0), margin={"r": 95, "t": 100})


def protocol_lens(table: pd.DataFrame) -> go.Figure:
    """Draw what each protocol says of the same embedding, with rows normalised and as they are.

    Args:
        table: what `evaluation.lens` returned.

    Returns:
        A figure with a dot at each mean, open where the protocol is flawed, and a bar for its interval; the numbers
        stand beside them, bold where the protocol treats rows so. Below stand the flaws and what was left out, and why.

    Raises:
        UserError: the table lacks a column.
    """
    _check(table, _LENS, "protocol_lens draws what evaluation.lens() returned")
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
        ends_of = style.interval(*(part[name] for name in ("accuracy", "low", "high")))
        marker = {"color": look["color"], "symbol": symbols, "size": 10}
        hover = f"%{{customdata[0]}}, {way}<br>%{{x:.1f}} %%{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>"
        more: dict[str, Any] = {"error_x": ends_of, "name": way, "showlegend": True, "hovertemplate": hover}
        facts = part[["protocol", "ends", "interval"]].to_numpy()
        fig.add_trace(style.points((part["accuracy"], at), marker, None, facts, **more))
        for y, row in zip(at, part.itertuples(), strict=True):
            written = f"{row.accuracy:.1f}{row.ends}"
            fig.add_annotation(text=f"<b>{written}</b>" if row.own else written, y=y, **style.BESIDE)
    lines = [line for note in _notes(first) for line in textwrap.wrap(note, _LETTERS)]
    below = {"x": 0, "y": 0, "yref": "paper", "yanchor": "top", "yshift": -60, "align": "left"}
    fig.add_annotation(text="<br>".join(lines), font={"color": style.MUTED}, **{**style.BESIDE, **below})
    fig.update_xaxes(title="accuracy, %")
    ticked = {"tickvals": list(places.values()), "ticktext": ticks, "ticks": ""}
    fig.update_yaxes(range=[len(places) - 0.5, -0.5], showgrid=False, **ticked)
    title = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 18}}  # leaves the legend its line
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    margin = {"r": 125, "t": 125, "b": 78 + 17 * len(lines)}
    return fig.update_layout(height=203 + 56 * len(places) + 17 * len(lines), title=title, legend=legend, margin=margin)


def _check(table: pd.DataFrame, columns: tuple[str, ...], wanted: str) -> None:
    if missing := [name for name in columns if name not in table]:
        raise UserError(f"the table has no column {missing[0]!r}: {wanted}")


def _notes(table: pd.DataFrame) -> list[str]:
    flawed = table[table["flawed"] != ""]
    notes = [f"{row.protocol} (open marks) is FLAWED: {row.flawed}" for row in flawed.itertuples()]
    return notes + [f"left out: {reason}" for reason in table.attrs.get("left out", {}).values()]
