"""The same embedding under every protocol."""

import textwrap

import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.plots import style

_WAYS = {True: ("rows divided by their L2 norm", -0.17), False: ("rows as they are", 0.17)}
_LETTERS = 100  # letters of a line below the figure


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
    wanted = ["protocol", "normalised", "own", "flawed", "accuracy", "low", "high", "interval", "training seeds",
              "solver"]  # fmt: skip
    if missing := [name for name in wanted if name not in table]:
        raise UserError(f"the table has no column {missing[0]!r}: protocol_lens draws what evaluation.lens() returned")
    table = table.fillna({"flawed": ""})  # an empty word is nan after a file
    table["ends"] = ["" if pd.isna(low) else f" [{low:.1f}, {high:.1f}]"
                     for low, high in zip(table["low"], table["high"], strict=True)]  # fmt: skip
    own, seeds = table.loc[table["own"], "accuracy"], int(table["training seeds"].max())
    told = f"the same embedding gets {own.min():.1f} to {own.max():.1f} %, scored in each protocol's own way (bold)"
    bars = "± standard deviation over the splits of one embedding, which describes and tests nothing"
    if seeds > 1:
        told = told.replace("embedding gets", "embeddings get")
        bars = f"95 % t interval over {seeds} training seeds"
    elif table["low"].isna().all():
        bars = "none, one split of one embedding has no spread"
    fig = style.figure("How much of a score is protocol?", f"{told}<br>bars: {bars}")
    first = table.drop_duplicates("protocol")
    probes = [protocols.get(name).probe.replace("-", " ") for name in first["protocol"]]
    ticks = [f"{row.protocol}{', FLAWED' if row.flawed else ''}<br>{probe}, {row.solver}"
             for row, probe in zip(first.itertuples(), probes, strict=True)]  # fmt: skip
    places = {name: place for place, name in enumerate(first["protocol"])}
    for index, (normalised, (way, shift)) in enumerate(_WAYS.items()):
        part = table[table["normalised"] == normalised]
        look, at = style.class_marker(index), part["protocol"].map(places) + shift
        symbols = [look["symbol"] + ("-open" if flaw else "") for flaw in part["flawed"]]
        error = {"type": "data", "symmetric": False, "array": part["high"] - part["accuracy"],
                 "arrayminus": part["accuracy"] - part["low"], "thickness": 1.5, "width": 4}  # fmt: skip
        hover = f"%{{customdata[0]}}, {way}<br>%{{x:.1f}} %%{{customdata[1]}}<br>%{{customdata[2]}}<extra></extra>"
        fig.add_scatter(x=part["accuracy"], y=at, mode="markers", error_x=error, name=way, hovertemplate=hover,
                        marker={"color": look["color"], "symbol": symbols, "size": 10},
                        customdata=part[["protocol", "ends", "interval"]])  # fmt: skip
        for y, row in zip(at, part.itertuples(), strict=True):
            written = f"{row.accuracy:.1f}{row.ends}"
            fig.add_annotation(text=f"<b>{written}</b>" if row.own else written, x=1.01, xref="paper", xanchor="left",
                               y=y, showarrow=False)  # fmt: skip
    lines = [line for note in _notes(first) for line in textwrap.wrap(note, _LETTERS)]
    fig.add_annotation(text="<br>".join(lines), x=0, xref="paper", xanchor="left", y=0, yref="paper", yanchor="top",
                       yshift=-60, align="left", showarrow=False, font={"color": style.MUTED})  # fmt: skip
    fig.update_xaxes(title="accuracy, %")
    fig.update_yaxes(tickvals=list(places.values()), ticktext=ticks, range=[len(places) - 0.5, -0.5], ticks="",
                     showgrid=False)  # fmt: skip
    title = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 18}}  # leaves the legend its line
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
    margin = {"r": 125, "t": 125, "b": 78 + 17 * len(lines)}
    return fig.update_layout(height=203 + 56 * len(places) + 17 * len(lines), title=title, legend=legend, margin=margin)


def _notes(table: pd.DataFrame) -> list[str]:
    flawed = table[table["flawed"] != ""]
    notes = [f"{row.protocol} (open marks) is FLAWED: {row.flawed}" for row in flawed.itertuples()]
    return notes + [f"left out: {reason}" for reason in table.attrs.get("left out", {}).values()]
