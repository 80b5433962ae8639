"""Rules on a graph: the map of what they say, its distribution, their overlap, what labels say of it, and why."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.plots import network, style
from workbench.plots.negatives import called
from workbench.rules import Explanation
from workbench.rules.printing import head
from workbench.rules.readings import SCORE, Reading

FALSE, TRUE = style.COLOURS[1::-1]
_GRADED = [[0, FALSE], [0.5, style.LINE], [1, TRUE]]
_CRISP = [[0, FALSE], [0.5, FALSE], [0.5, TRUE], [1, TRUE]]
_CALLED = {"truth": "", "graded": "truth", "share": "share", "number": "number"}
_NOTHING = "nothing to say of it: no pairs"


def rule_scores(graph: Data, scores: Tensor | Mapping[str, Tensor], seed: int = 0, size: int = 120) -> go.Figure:
    """Draw a score per node on a piece of the graph, `size` nodes, next to its distribution over all nodes.

    The score is float [nodes], else a UserError; of several by name, each has a row of panels on the same piece.
    """
    named = {"score": scores} if isinstance(scores, Tensor) else dict(scores)
    for name, score in named.items():
        if score.shape != (graph.num_nodes,):
            raise UserError(f"score {name!r} has shape {list(score.shape)}, the graph has {graph.num_nodes} nodes")
    part, rows = network.piece(graph, size, seed), len(named)
    note, panels = f"left: {part.told}; right: all nodes", {"rows": rows, "cols": 2, "column_widths": [0.6, 0.4]}
    space = {"horizontal_spacing": 0.16, "vertical_spacing": 0.22 / rows}
    fig = style.figure("Rule scores of the nodes", note, 100 + 330 * rows, **panels, **space)
    for row, (name, score) in enumerate(named.items(), start=1):
        values = score.detach().cpu().double().numpy()
        reading = Reading(name, values, "number", "")
        bar = {"title": style.plain(name), "x": 0.51, "y": 1 - (row - 0.5) / rows, "len": 0.85 / rows, "thickness": 12}
        scale = {"colorbar": bar, "cmin": values.min(), "cmax": values.max()}
        fig.add_traces(rule_map(reading, part).update_traces(marker=scale, selector={"mode": "markers"}).data, row, 1)
        fig.add_traces(rule_values(reading).data, row, 2)
        style.bare(fig, row, 1)
        fig.update_xaxes(title=f"{style.plain(name)} (no unit)", row=row, col=2)
        fig.update_yaxes(title="nodes", row=row, col=2)
    return fig


def rule_map(
    reading: Reading,
    part: network.Piece,
    chosen: int | None = None,
    names: style.Names = None,
    shared: tuple[str, NDArray[np.int64]] | None = None,
) -> go.Figure:
    """Colour a piece of a graph by what a rule, or a part of it, says of each node, and ring a chosen one.

    The names of the nodes are shown under the pointer. A selection of nodes, `shared` by its name, is ringed, too.
    """
    scale, clipped = _scale(reading)
    title = textwrap.wrap(reading.text, 62, max_lines=2, placeholder=" …")
    fig = _figure(title, [*textwrap.wrap(reading.meaning + clipped, 66), part.told], 540)
    if part.edges.size:
        fig.add_trace(network.lines(part.places, part.edges))
    values = reading.values[part.nodes]
    hover = [f"{style.plain(called(i, names))}<br>{_shown(reading.values[i], reading.kind)}" for i in part.nodes]
    bar = {"thickness": 12, "len": 0.6, "title": {"text": _CALLED[reading.kind]}, "tickmode": "auto"}
    if reading.kind == "truth":
        bar |= {"tickmode": "array", "tickvals": [0, 1], "ticktext": ["false", "true"], "len": 0.3}
    scale |= {"size": 11, "colorbar": bar, "line": {"width": 0.7, "color": style.MUTED}}
    nothing = {"size": 9, "symbol": "circle-open", "color": style.GREY}
    for name, mine, marker in (("nodes", ~np.isnan(values), scale), (_NOTHING, np.isnan(values), nothing)):
        if mine.any():
            text, look = np.array(hover)[mine].tolist(), {"color": values[mine], **marker}
            trace = style.points(part.places[mine], look, text, part.nodes[mine], name=name)
            fig.add_trace(trace.update(showlegend=name == _NOTHING))
    if shared is not None:
        mine = part.places[np.isin(part.nodes, shared[1])]
        ring = {**style.RING, "size": 17, "color": style.COLOURS[3], "line": {"width": 3}}
        fig.add_trace(style.points(mine, ring, name=style.quoted(shared[0]), showlegend=True))
    if chosen is not None and chosen in part.nodes:
        ring, name = {**style.RING, "size": 20, "line": {"width": 3}}, f"node {chosen}, chosen"
        fig.add_trace(style.points(part.places[part.nodes == chosen], ring, name=name, showlegend=True))
    style.bare(fig)
    fig.update_layout(legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top"}, showlegend=True)
    return fig.update_layout(margin={"l": 10, "r": 10, "b": 40}, **style.PANNED)


def rule_values(reading: Reading, chosen: int | None = None) -> go.Figure:
    """Draw how what a rule says is spread over all nodes, and where a chosen one stands: two counts, or a histogram."""
    said, truth = reading.values[np.isfinite(reading.values)], reading.kind == "truth"
    without = f"; {len(reading.values) - len(said):,} have no value" if len(said) < len(reading.values) else ""
    fig = _figure(["All nodes"], [f"{len(reading.values):,} nodes{without}"], 300)
    x, counts, width, title = _bars(said, reading.kind)
    if truth:
        words = zip(("false", "true"), counts, strict=True)
        ticks = [f"{word}<br>{count:,} ({count / max(len(said), 1):.0%})" for word, count in words]
        fig.update_xaxes(tickmode="array", tickvals=x, ticktext=ticks, range=[-0.6, 1.6])
    else:  # said outright, since a figure on the screen keeps what it is not told to change
        fig.update_xaxes(tickmode="auto", range=[x[0] - width, x[-1] + width])
    hover = [f"{_shown(middle, reading.kind)}: {count:,} nodes" for middle, count in zip(x, counts, strict=True)]
    marker = {"color": x, "line": {"width": 0.5, "color": style.MUTED}, **_scale(reading)[0]}
    look = {"textposition": "none", "hovertemplate": "%{text}<extra></extra>", "showlegend": False}
    fig.add_bar(x=x, y=counts, width=width, marker=marker, text=hover, **look)
    top = 1.2 * max(int(counts.max()), 1)
    if chosen is not None and np.isfinite(reading.values[chosen]):
        beyond = 0 if truth else width / 2  # what was gathered in the last bar is marked at its end
        value = float(np.clip(reading.values[chosen], x[0] - beyond, x[-1] + beyond))
        part = (value - x[0]) / max(x[-1] - x[0], width)
        side = "center" if truth else "right" if part < 0.3 else "left" if part > 0.7 else "center"
        line = {"color": style.INK, "width": 2, "dash": "dot"}
        text = ["", f"node {chosen}: {_shown(reading.values[chosen], reading.kind)}"]
        drawn = {"mode": "lines+text", "text": text, "textposition": f"top {side}", "line": line}
        fig.add_scatter(x=[value, value], y=[0, top], showlegend=False, hoverinfo="skip", **drawn)
    fig.update_xaxes(title=title)
    fig.update_yaxes(title="nodes", range=[0, 1.15 * top])
    return fig


def rule_overlap(held: Mapping[str, NDArray[np.bool_]], left_out: Mapping[str, str] | None = None) -> go.Figure:
    """Draw how far rules hold of the same nodes: the Jaccard index of each two sets of nodes.

    By its name a rule holds of each node or not [nodes]; fewer than two rules are a UserError. Others were left out,
    and the subtitle says why, as from `rules.readings.flags`.
    """
    if len(held) < 2:
        raise UserError(f"an overlap takes at least two rules that are true or false, not {len(held)}")
    sets = np.stack(list(held.values())).astype(np.float64)
    both = sets @ sets.T
    size = both.diagonal()
    either = size[:, None] + size - both
    jaccard = np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0)
    shown = np.where(np.tri(len(sets), k=-1, dtype=bool), jaccard, np.nan)[1:, :-1]
    names = [style.plain(name) for name in held]
    labels = [f"{name} ({int(count):,})" for name, count in zip(names, size, strict=True)]
    what = (
        "Jaccard index of the crisp truths: nodes that both hold of over nodes that either holds of; in brackets the "
    )
    lines = [
        line
        for why in [what + "nodes of each", *_reasons(left_out or {})]
        for line in textwrap.wrap(why, 62, break_on_hyphens=False)
    ]
    fig = _figure(["Overlap between rules"], lines, 280 + 30 * len(names))
    counts = np.vectorize("<br>{:,.0f} nodes both, {:,.0f} either".format)(both, either)
    text = [
        [f"{row} and {name}{counts[i, j]}" for j, name in enumerate(names[:-1])] for i, row in enumerate(names[1:], 1)
    ]
    look = {"colorscale": [[0, style.LINE], [1, style.COOL]], "colorbar_title": "Jaccard", "texttemplate": "%{z:.2f}"}
    look |= {"text": text, "hovertemplate": "%{text}<br>Jaccard %{z:.3f}<extra></extra>"}
    fig.add_trace(style.squares(shown, labels[1:], labels[:-1], (0, 1), **look))
    # Rules that hold of no node have no index; their square says so, lest the axes look empty.
    row, column = np.argwhere(np.isnan(jaccard) & np.tri(len(sets), k=-1, dtype=bool)).T
    if row.size:
        hover = [f"{names[i]} and {names[j]}<br>hold of no node" for i, j in zip(row, column, strict=True)]
        places = {"x": [labels[j] for j in column], "y": [labels[i] for i in row], "hovertext": hover}
        fig.add_scatter(**places, mode="text", text="–", textfont_color=style.MUTED, hoverinfo="text", name="no index")
    plain = {"showgrid": False, "ticks": "", "showline": False}
    return fig.update_yaxes(autorange="reversed", **plain).update_xaxes(tickangle=-35, **plain)


def rule_strata(
    tables: Mapping[str, pd.DataFrame | str], rule: str = "the rule", told: str = "", kind: str = "number"
) -> go.Figure:
    """Draw what labels say of groups of nodes of like score, one panel per question.

    Args:
        tables: by what was averaged the table of `evaluation.strata.strata`, or why there is none, which is written in
            its place, as from `evaluation.strata.label_tables`.
        rule: what the groups are made by. told: more for the subtitle.
        kind: what the groups are made of, as in `rules.readings.Reading`: those of a "truth" are called false and true.
    """
    if not tables:
        raise UserError("rule_strata draws the tables of evaluation.strata.strata, and there is none")
    panels = {"rows": 1, "cols": len(tables), "horizontal_spacing": 0.12, "subplot_titles": list(tables)}
    what = "mean over the nodes of a group with its 95 % bootstrap interval over these nodes"
    title = f"What labels say: {textwrap.shorten(rule, 60, placeholder=' …')}"
    fig = _figure([title], [what, *textwrap.wrap(told, 100)], 400, **panels)
    for column, table in enumerate(tables.values(), start=1):
        if isinstance(table, str):
            # Placed on the paper, since the browser drops axes that nothing is drawn on.
            middle = sum(fig.get_subplot(1, column).xaxis.domain) / 2
            why = "<br>".join(map(style.plain, textwrap.wrap(table, 40)))
            fig.add_annotation(text=why, x=middle, xref="paper", xanchor="center", y=0.5, yref="paper", showarrow=False)
            style.bare(fig, 1, column)
            continue
        # A place of its own for each group: two groups may read alike once rounded.
        place = np.arange(len(table))
        ticks = [f"{_group(row.low, row.high, kind)}<br>{row.nodes:,} nodes" for row in table.itertuples()]
        mean, low, high = (100 * table[name] for name in ("mean", "from", "to"))
        hover = [f"{tick}<br>{value:.1f} %" for tick, value in zip(ticks, mean, strict=True)]
        bars = style.interval(mean, low, high)
        fig.add_trace(style.points((place, mean), {"size": 10, "color": TRUE}, hover, error_y=bars), 1, column)
        # Visible, too, is said outright, since a figure on the screen keeps what it is not told to change.
        axes = {"visible": True, "row": 1, "col": column}
        fig.update_yaxes(title="mean, %", rangemode="tozero", **axes)
        fig.update_xaxes(title="score" if kind == "number" else "truth", range=[-0.6, len(table) - 0.4], **axes)
        fig.update_xaxes(tickvals=place, ticktext=ticks, tickangle=0, tickfont_size=11, **axes)
    return fig.update_layout(margin_t=fig.layout.margin.t + 30).update_annotations(font_size=13)


def truth_tree(explanation: Explanation, opened: int = 4) -> str:
    """Return the truth tree of a node, its first levels unfolded, as HTML in which the formula is escaped."""
    return f'<div style="font-size:13px;line-height:1.6">{_branch(explanation, opened)}</div>'


def _branch(explanation: Explanation, opened: int) -> str:
    part, inner = explanation.part, explanation.inner
    colour, ink = "rgba(128,128,128,.25)", "inherit"  # which reads on light pages and on dark ones
    if part.sort == "truth":
        colour, ink = (TRUE, style.PAPER) if explanation.value >= 0.5 else (FALSE, style.INK)
    look = f"background:{colour};color:{ink};border-radius:4px;padding:1px 6px;margin-right:6px"
    badge = f'<span style="{look}">{html.escape(explanation.shown)}</span>'
    text, note = html.escape(head(part) if inner else str(part)), html.escape(explanation.note)
    note = note and f'<span style="opacity:0.75;margin-left:8px">{note}</span>'
    line = f'{badge}<code style="background:none;color:inherit">{text}</code>{note}'
    if not inner:
        return f'<div style="margin:2px 0 2px 16px">{line}</div>'
    branches = "".join(_branch(below, opened - 1) for below in inner)
    opening = f'<details{" open" * (opened > 0)} style="margin:2px 0"><summary style="cursor:pointer">{line}</summary>'
    box = '<div style="margin-left:5px;padding-left:10px;border-left:1px solid rgba(128,128,128,.5)">'
    return f"{opening}{box}{branches}</div></details>"


def _figure(title: Sequence[str], lines: Sequence[str], height: int, **panels: Any) -> go.Figure:
    """Return a figure with lines of title and of explanation in a margin that holds them.

    The explanation is part of the title: a subtitle of plotly's is put into the title where the figure is drawn hidden.
    """
    small = "".join(style.small(style.plain(line)) for line in lines)
    fig = style.figure("<br>".join(map(style.plain, title)) + small, "", height, **panels)
    place = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 20}}
    return fig.update_layout(title=place, margin_t=32 + 21 * (len(title) + len(lines)))


def _shown(value: float, kind: str) -> str:
    if np.isnan(value):
        return _NOTHING
    return str(bool(value)).lower() if kind == "truth" else f"{value:.4g}"


def _reasons(left_out: Mapping[str, str]) -> list[str]:
    """Return one line per reason why rules are left out, at most three besides that they are scores."""
    reasons = [why for why in dict.fromkeys(left_out.values()) if why != SCORE]

    def names(some: Sequence[str]) -> str:
        return ", ".join(name for name, why in left_out.items() if why in some)

    lines = [f"left out as scores, neither true nor false: {names([SCORE])}"] if names([SCORE]) else []
    lines += [f"left out: {names([why])} ({textwrap.shorten(why, 140, placeholder=' …')})" for why in reasons[:3]]
    return lines + ([f"left out for other reasons: {names(reasons[3:])}"] if reasons[3:] else [])


def _group(low: float, high: float, kind: str) -> str:
    if kind == "truth":
        return _shown(low, kind)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def _scale(reading: Reading) -> tuple[dict[str, Any], str]:
    """Return the colours of a reading, and what to add where they don't reach over all its values."""
    if reading.kind == "truth":
        return {"colorscale": _CRISP, "cmin": -0.5, "cmax": 1.5}, ""
    if reading.kind != "number":
        return {"colorscale": _GRADED, "cmin": 0, "cmax": 1}, ""
    said = reading.values[np.isfinite(reading.values)]
    low, high = map(float, np.quantile(said, [0.02, 0.98])) if said.size else (0.0, 1.0)
    if low == high:
        low, high = float(said.min()), float(said.max())
    clipped = said.size and (said.min() < low or said.max() > high)
    note = "; colours end at its 2nd and 98th percentile" if clipped else ""
    return {"colorscale": style.SCALE, "cmin": low, "cmax": high if high > low else low + 1}, note


def _bars(said: NDArray[np.float64], kind: str) -> tuple[NDArray, NDArray, float, str]:
    """Return where bars stand, how many nodes each holds, their width, and the title of their axis."""
    if kind == "truth":
        return np.array([0.0, 1.0]), np.array([(said == 0).sum(), (said == 1).sum()]), 0.7, ""
    if kind != "number":
        return *style.binned(said, 20, (0, 1)), f"{_CALLED[kind]} (no unit)"
    low, high = (said.min(), said.max()) if said.size else (0.0, 1.0)
    tail, title = float(np.quantile(said, 0.99)) if said.size else high, "number (no unit)"
    if high - low > 2 * (tail - low) > 0:  # a few far nodes would squeeze all others into one bar
        high, said = tail, np.minimum(said, tail)
        title = f"number (no unit; the last bar holds all from {tail:.4g} on)"
    if high - low <= 60 and (said == np.round(said)).all():
        counts = np.bincount((said - low).astype(int), minlength=int(high - low) + 1)
        return low + np.arange(len(counts)), counts, 0.9, title
    return *style.binned(said, 40, (low, high)), title
