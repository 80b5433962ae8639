"""Typed and multiplex graphs: how much each candidate of one target weighs, and which edges a learned graph keeps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from torch import Tensor

from workbench.errors import UserError
from workbench.plots import style


def weighted_negatives(weights: pd.DataFrame) -> go.Figure:
    """Draw the weights of the negatives of one target, by what joins it with them, and by whether classes agree.

    A bar is the mean weight W of some negatives; beside it stands their share of all that pushes, W exp(s / tau).

    Args:
        weights: a row a negative, as `workbench.evaluation.typed.weighed_negatives` returns them: "weight", "share",
            "joined by" and, where there are labels, "same class".

    Raises:
        UserError: there is no negative.
    """
    if not len(weights):
        raise UserError("there is no negative whose weight could be drawn")
    by = ["joined by", *(["same class"] if "same class" in weights else [])]
    weights = weights.assign(**{"joined by": weights["joined by"].map(style.plain)})
    table = weights.groupby(by).agg(weight=("weight", "mean"), share=("share", "sum"), count=("weight", "size"))
    table = table.reset_index()
    order = [*dict.fromkeys(table.sort_values("weight")["joined by"])]
    told = f"Mean weight of {len(weights):,} negatives; beside each bar how many they are, and their share of all push"
    fig = style.figure("Whom is this target pushed from, and how hard?", told, 190 + 62 * len(order))
    parts: list[tuple[bool | None, str, int]] = [(None, "negatives", 0)]
    if len(by) > 1:
        parts = [(True, "of its own class", 1), (False, "of other classes", 0)]
    for same, name, number in parts:
        rows = table if same is None else table[table["same class"] == same]
        text = [f"{n:,}, {100 * share:.1f} %" for n, share in zip(rows["count"], rows["share"], strict=True)]
        fig.add_bar(
            x=rows["weight"], y=rows["joined by"], orientation="h", name=name, text=text, textposition="outside",
            marker_color=style.COLOURS[number], cliponaxis=False, hovertemplate="%{y}: mean weight %{x:.3f}, %{text}",
        )  # fmt: skip
    fig.update_xaxes(
        title_text="mean weight W of negatives in the denominator (no unit)",
        range=[0, 1.35 * max(table["weight"].max(), 1e-9)],
    )
    fig.update_yaxes(categoryorder="array", categoryarray=order, showgrid=False, ticks="")
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "reversed"}
    return fig.update_layout(legend=legend, margin_r=40, margin_t=116, showlegend=len(parts) > 1)


def kept_edges(
    edges: Tensor, cosine: Tensor, inside: Tensor, names: Sequence[str], y: Tensor | None = None
) -> go.Figure:
    """Draw why a learned graph keeps its edges: their cosines, by the relations in which each is.

    Args:
        edges: each once [2, edges]. cosine: learned [edges]. inside: in which relations each is [relations, edges].
        names: of the relations. y: classes of the nodes, of which the share that agrees is written down [nodes].

    Raises:
        UserError: no edge, or names of another number.
    """
    if not edges.shape[1] or len(names) != len(inside):
        raise UserError(f"{edges.shape[1]} edges in {len(inside)} relations can't be drawn by {len(names)} names")
    masks = inside.T.cpu().numpy().astype(bool)
    where = np.array([" and ".join(np.array([*map(style.plain, names)])[row]) or "no relation" for row in masks])
    groups, counts = np.unique(where, return_counts=True)
    order = groups[np.argsort(counts)]
    told = f"{edges.shape[1]:,} edges of the fused graph, by the relations in which they are"
    told += "" if y is None else "; beside each the share whose ends are of one class"
    fig = style.figure("Which edges does the fused graph keep, and why?", told, 170 + 62 * len(order))
    for name in order:
        mine = where == name
        values = cosine.cpu().numpy()[mine]
        fig.add_box(
            x=np.quantile(values, np.linspace(0, 1, 101)), name=f"{name} ({mine.sum():,})", boxpoints=False,
            marker_color=style.COLOURS[0], orientation="h",
        )  # fmt: skip
        if y is not None:
            ends = y.cpu().numpy()[edges.cpu().numpy()[:, mine]]
            note = f"{100 * (ends[0] == ends[1]).mean():.0f} %"
            fig.add_annotation(text=note, y=f"{name} ({mine.sum():,})", **style.BESIDE)
    fig.update_xaxes(title_text="learned cosine of the two ends (no unit)")
    return fig.update_yaxes(showgrid=False, ticks="").update_layout(showlegend=False, margin_r=60)
