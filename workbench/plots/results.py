"""Scores of methods and baselines, side by side."""

import pandas as pd
import plotly.graph_objects as go

from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.plots import style


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
    wanted = [
        "name",
        "kind",
        "accuracy",
        "spread over splits",
        "training seeds",
        "spread over seeds",
        "protocol",
        "solver",
    ]
    if missing := [name for name in wanted if name not in table]:
        raise UserError(f"the table has no column {missing[0]!r}: results_chart draws what compare() returned")
    if len(asked := table[["protocol", "solver"]].drop_duplicates()) != 1:
        raise UserError(f"the table holds {len(asked)} protocols or solvers; results_chart draws one at a time")
    protocol, solver = asked.iloc[0]
    flaw = protocols.get(protocol).flawed
    told = "thin bar: standard deviation over the splits"
    if (table["training seeds"] > 1).any():
        told += "; thick bar: over the training seeds"
    fig = style.figure("Accuracy of a probe on frozen embeddings", told + (f"<br>FLAWED: {flaw}" if flaw else ""))
    methods = iter(style.COLOURS * len(table))
    colours = [next(methods) if kind == "trained" else style.GREY for kind in table["kind"]]
    for row, colour in zip(table.to_dict("records"), colours, strict=True):
        drawn = [("spread over splits", 1.5, 5), ("spread over seeds", 5, 0)]
        for place, (column, thickness, cap) in enumerate(drawn):
            if place and pd.isna(row[column]):
                continue
            error = {"type": "data", "array": [row[column]], "thickness": thickness, "width": cap}
            marker = {"color": colour, "size": 10, "symbol": "circle" if row["kind"] == "trained" else "circle-open"}
            fig.add_scatter(x=[row["accuracy"]], y=[row["name"]], error_x=error, mode="markers", marker=marker,
                            showlegend=False, hovertemplate=f"{row['name']}<br>{row['accuracy']:.2f} ± "
                            f"{row[column]:.2f} ({column})<extra></extra>")  # fmt: skip
        fig.add_annotation(x=1.01, xref="paper", xanchor="left", y=row["name"], showarrow=False,
                           text=f"{row['accuracy']:.1f} ± {row['spread over splits']:.1f}")  # fmt: skip
    fig.update_xaxes(title=f"accuracy, % ({protocol}, {solver})")
    fig.update_yaxes(categoryorder="array", categoryarray=table["name"][::-1].tolist(), ticks="")
    return fig.update_layout(height=170 + 34 * len(table) + (20 if flaw else 0), margin={"r": 95, "t": 100})
