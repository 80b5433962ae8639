"""Scores of methods and baselines, side by side."""

import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.plots import style

_WANTED = (
    "name",
    "kind",
    "accuracy",
    "spread over splits",
    "training seeds",
    "spread over seeds",
    "protocol",
    "solver",
)


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
    if missing := [name for name in _WANTED if name not in table]:
        raise UserError(f"the table has no column {missing[0]!r}: results_chart draws what compare() returned")
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
