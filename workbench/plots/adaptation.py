"""Adaptations of a pretrained encoder: what they give for what they train, and what goes on inside each scheme."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from torch import Tensor

from workbench.adaptation.blocks import SELECTION, entropy
from workbench.errors import UserError
from workbench.plots import style
from workbench.plots.scores import check

ADAPTED = ("accuracy", "untrained", "trained", "head")


def adaptation_chart(table: pd.DataFrame, floors: Mapping[str, float]) -> go.Figure:
    """Draw the accuracy of adaptations against how many numbers they train, the classifier's among them.

    A filled dot is an adaptation of the pretrained encoder, the hollow one on its line the same one of an untrained
    encoder; dashed lines are what has no encoder.

    Args:
        table: a row a plan, by its name; columns "accuracy" and "untrained" in percent, numbers "trained" and "head".
        floors: accuracies in percent by name.

    Raises:
        UserError: the table is empty or lacks a column.
    """
    check(table, ADAPTED, "adaptation_chart draws adaptations with their receipts")
    told = "filled: of the pretrained encoder; hollow: the same of an untrained one; dashed: without an encoder"
    fig = style.figure("What adapting gains, and how much of it is trained", told)
    table = table.assign(numbers=table["trained"] + table["head"]).sort_values(["numbers", "accuracy"])
    for place, (name, row) in enumerate(table.iterrows()):
        called, marker = style.plain(name), style.class_marker(place)
        hover = (
            f"{called}<br>{row['numbers']:,.0f} numbers<br>{row['accuracy']:.1f} %, untrained {row['untrained']:.1f} %"
        )
        both = [row["numbers"]] * 2, [row["untrained"], row["accuracy"]]
        symbols = [f"{marker['symbol']}-open", marker["symbol"]]
        shown = {"size": 11, "symbol": symbols, "color": marker["color"], "line_color": marker["color"]}
        line = {"color": marker["color"], "width": 1.5}
        fig.add_trace(style.points(both, shown, [hover] * 2, mode="lines", line=line, hoverinfo="skip"))
        fig.add_trace(style.points(both, shown, [hover] * 2))
        fig.add_trace(style.points(([None], [None]), {**shown, "symbol": symbols[1]}, name=called, showlegend=True))
    beside, apart = np.inf, 0.06 * max(np.ptp(table[["accuracy", "untrained"]]), 1)  # of labels of equal floors
    for name, value in sorted(floors.items(), key=lambda floor: -floor[1]):
        beside = min(value, beside - apart)
        fig.add_hline(value, line={"color": style.GREY, "dash": "dash", "width": 1})
        fig.add_annotation(y=beside, text=f"{style.plain(name)} {value:.1f}", **style.BESIDE)
    wide = max(np.ptp(np.log10(table["numbers"])), 1)
    ends = [np.log10(table["numbers"].min()) - 0.06 * wide, np.log10(table["numbers"].max()) + 0.06 * wide]
    fig.update_xaxes(title="trained numbers, the classifier's among them (no unit)", type="log", range=ends, dtick=1)
    fig.update_yaxes(title="accuracy, %, on unseen labels")
    below = 19 * style.legend_rows([*map(str, table.index)], 620)
    legend = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
    return fig.update_layout(legend=legend, height=470 + below, margin={"r": 190, "b": 60 + below})


def compression_curves(curves: pd.DataFrame) -> go.Figure:
    """Draw accuracy by what is left of the differences between trained experts and what they are kept beside.

    A curve that is flat up to the control, of which nothing is left, says that experts had nothing of their own.

    Args:
        curves: a row a compression; columns "base" (what differences are from), "how" they are compressed, "left"
            (words, the same for each base), "accuracy" in percent, and "control", true where nothing is left.

    Raises:
        UserError: the table is empty or lacks a column.
    """
    check(curves, ("base", "how", "left", "accuracy", "control"), "compression_curves draws compressions")
    told = "ring: the control, of which nothing is left; a curve that is flat up to it had nothing to lose"
    fig = style.figure("What do experts lose by compression?", told, 420)
    order = [style.plain(word) for word in dict.fromkeys(curves["left"])]
    bases = [*dict.fromkeys(curves["base"])]
    for (name, _), rows in curves.groupby(["base", "how"], sort=False):
        called, marker = style.plain(name), {"size": 9, **style.class_marker(bases.index(name))}
        left = [*map(style.plain, rows["left"])]
        hover = [f"{called}, {one}: {value:.1f} %" for one, value in zip(left, rows["accuracy"], strict=True)]
        line = {"color": marker["color"], "width": 1.5}
        places = left, rows["accuracy"].to_numpy()
        fig.add_trace(
            style.points(places, marker, hover, name=called, legendgroup=called, mode="lines+markers", line=line)
        )
    for name in bases:
        next(fig.select_traces({"name": style.plain(name)})).showlegend = True
    control = curves[curves["control"]]
    ring = {**style.RING, "size": 17}
    fig.add_trace(style.points(([*map(style.plain, control["left"])], control["accuracy"].to_numpy()), ring))
    fig.update_xaxes(title="what is left of each difference", categoryorder="array", categoryarray=order)
    fig.update_yaxes(title="accuracy, %, on unseen labels")
    return fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin_t=116)


def layer_angles(turned: Mapping[str, float]) -> go.Figure:
    """Draw by which angle a training turned each layer, by block; one that has none, for it was 0, is left out.

    Args:
        turned: degrees by the layer's name, e.g. "0.attention", as `workbench.adaptation.angles` returns them.

    Raises:
        UserError: there is no layer, or a name is none of a layer.
    """
    named = all(re.fullmatch(r"\d+\..+", str(name)) for name in turned)
    if not turned or not named or not all(isinstance(angle, int | float) for angle in turned.values()):
        raise UserError("angles are degrees by the name of a layer, e.g. '0.attention': {'0.attention': 3.5}")
    told = "Angle between a layer's weights before and after; one that was left as it was has 0"
    fig = style.figure("Which layers did the training turn?", told, 380)
    split = [(*name.partition("."), angle) for name, angle in turned.items()]
    for number, unit in enumerate(dict.fromkeys(unit for _, _, unit, _ in split)):
        rows = [(f"block {int(block) + 1}", angle) for block, _, kind, angle in split if kind == unit]
        x, y = zip(*rows, strict=True)
        fig.add_bar(
            x=x, y=y, name=style.plain(unit.replace("_", "-")), marker_color=style.COLOURS[number],
            text=[f"{angle:.1f}" for angle in y], textposition="outside", cliponaxis=False,
            hovertemplate="%{x}: %{y:.2f} degrees",
        )  # fmt: skip
    fig.update_yaxes(title="angle, degrees")
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
    return fig.update_layout(legend=legend, margin_t=116, showlegend=len(fig.data) > 1)


def expert_load(loads: Mapping[str, Tensor]) -> go.Figure:
    """Draw which share of the tokens each expert, or adapter, of each unit got, and how even that is.

    Args:
        loads: by name, tokens that each got [units, experts].

    Raises:
        UserError: there are none, or a unit without tokens.
    """
    shares = {name: load.double() / load.sum(1, keepdim=True) for name, load in loads.items()}
    if not shares or any(not bool(share.isfinite().all()) for share in shares.values()):
        raise UserError("there is no load to draw, or a unit that got no token")
    rows, told = dict[str, dict[str, float]](), list[str]()
    for name, share in shares.items():
        even = entropy(share) / np.log(share.shape[1]) if share.shape[1] > 1 else 1.0
        told.append(f"{style.plain(name)} {even:.2f}")
        for unit, values in enumerate(share.tolist(), 1):
            rows[f"{style.plain(name)}, unit {unit}"] = {f"no. {i}": 100 * v for i, v in enumerate(values, 1)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    words = table.map(lambda value: "" if np.isnan(value) else f"{value:.0f} %")
    subtitle = f"Share of the tokens; entropy over that of an even load: {', '.join(told)}"
    fig = style.figure("Who gets the tokens?", subtitle, 190 + 34 * len(table))
    fig.add_trace(
        style.squares(
            table, [*table.index], [*table.columns], (0, 100), text=words, texttemplate="%{text}", showscale=False,
            colorscale=[[0, style.LINE], [1, style.COOL]], hovertemplate="%{y}, %{x}: %{z:.1f} %<extra></extra>",
        )
    )  # fmt: skip
    fig.update_xaxes(side="top", ticks="", showgrid=False)
    fig.update_yaxes(autorange="reversed", ticks="", showgrid=False)
    return fig.update_layout(margin_t=130)


def merging_gate(p: Tensor, y: Tensor, members: Sequence[str], names: style.Names = None) -> go.Figure:
    """Draw what a gate makes of its inputs: the mean probability of each member by class, and how sure it is.

    Args:
        p: probability of each member [inputs, members]. y: classes of the inputs, negative for none [inputs].
        members, names: of members, and of classes.

    Raises:
        UserError: sizes that don't fit.
    """
    if p.shape != (len(y), len(members)) or not len(y):
        raise UserError(
            f"a gate [{', '.join(map(str, p.shape))}] is none of {len(y)} inputs and {len(members)} members"
        )
    p, y = p.double().cpu(), y.cpu()
    sure = torch.special.entr(p).sum(1)
    verdict = "selection, not merging" if float(sure.mean()) < SELECTION else "weights are mixed"
    told = f"Mean entropy {float(sure.mean()):.3f} nats, of {np.log(len(members)):.3f} at most: {verdict}"
    panels = {"rows": 1, "cols": 2, "column_widths": [0.62, 0.38], "horizontal_spacing": 0.14}
    heads = ["mean probability of each member", "entropy of each input"]
    fig = style.figure(
        "Whose weights does the gate take?", told, 230 + 40 * len(members), **panels, subplot_titles=heads
    )
    classes = y.unique().tolist()
    means = torch.stack([p[y == label].mean(0) for label in classes], 1).numpy()
    columns = [style.plain(style.class_name(label, names, "class ")) for label in classes]
    fig.add_trace(
        style.squares(
            means, [*map(style.plain, members)], columns, (0, 1), text=means, texttemplate="%{text:.2f}",
            showscale=False, colorscale=[[0, style.LINE], [1, style.COOL]],
            hovertemplate="%{y} on %{x}: %{z:.3f}<extra></extra>",
        ), 1, 1,
    )  # fmt: skip
    middles, counts, width = style.binned(sure.numpy(), 20, (0, float(np.log(len(members)))))
    fig.add_bar(
        x=middles, y=100 * counts / len(y), width=width, marker_color=style.COLOURS[0], showlegend=False,
        hovertemplate="about %{x:.2f} nats: %{y:.1f} %<extra></extra>", row=1, col=2,
    )  # fmt: skip
    fig.add_vline(SELECTION, line={"color": style.GREY, "dash": "dash", "width": 1}, row=1, col=2)
    fig.update_xaxes(ticks="", showgrid=False, type="category", row=1, col=1)
    fig.update_yaxes(autorange="reversed", ticks="", showgrid=False, row=1, col=1)
    fig.update_xaxes(title="entropy, nats", row=1, col=2)
    fig.update_yaxes(title="% of inputs", row=1, col=2)
    return fig.update_layout(margin_t=120)
