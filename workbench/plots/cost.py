"""What training gains over what trains nothing, against what it costs."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.plots import style
from workbench.plots.scores import COMPARED, asked_by, check


def cost_chart(table: pd.DataFrame) -> go.Figure:
    """Draw accuracy against seconds of training of what `workbench.compare` returned, beside what trains nothing.

    A filled dot is a method once trained, the hollow one on its line the same encoder untrained; dashed lines are the
    baselines. Names stand at the trained ones that no other beats in both accuracy and seconds; the others tell theirs
    on hover. A UserError says that the table is empty, lacks a column, mixes protocols or holds nothing trained.
    """
    check(table, (*COMPARED, "seconds"), "cost_chart draws what compare() returned")
    protocol, _ = asked_by(table, "cost_chart")
    trained = table[(table["kind"] == "trained") & (table["seconds"] > 0)].sort_values("seconds", kind="stable")
    if not len(trained):
        raise UserError("the table holds nothing that was trained; cost_chart draws trainings")
    before = table[table["kind"] == "untrained"].set_index("name")["accuracy"]
    fig = style.figure("What training gains, and what it costs", "filled: trained; hollow: the same encoder untrained")
    best = trained["accuracy"].cummax().shift(fill_value=-np.inf)
    for row, front in zip(trained.to_dict("records"), trained["accuracy"] > best, strict=True):
        name, colour = style.plain(row["name"]), style.COLOURS[0] if front else style.GREY
        start = before.get(f"untrained {row['name']}", np.nan)
        hover = f"{name}<br>{row['seconds']:.3g} s<br>{row['accuracy']:.1f} %, untrained {start:.1f} %<extra></extra>"
        shown = {"size": [9, 11], "symbol": ["circle-open", "circle"], "color": colour}
        both = [row["seconds"]] * 2, [start, row["accuracy"]]
        line = {"color": colour, "width": 1.5}
        fig.add_trace(style.points(both, shown, mode="lines+markers", line=line, hovertemplate=hover))
        if front:
            fig.add_annotation(x=np.log10(row["seconds"]), y=row["accuracy"], text=name, showarrow=False, yshift=14)
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
