"""Negatives, sampler by sampler: what they are like, and those of one anchor among all cosines and on a map."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch_geometric.data import Data

from workbench.contrast.audit import Audit
from workbench.contrast.measures import node_classes
from workbench.errors import UserError
from workbench.evaluation.projection import Map
from workbench.plots import style
from workbench.plots.maps import UNMEASURED
from workbench.plots.style import Ids, Names

Panels = Mapping[str, Audit | str]  # by sampler its audit, or a sentence that says why there is none
Mapped = tuple[Map, str]  # a map and what it is of, in words
MOST = 64  # negatives that are drawn or told one by one; of more, a sample
NARROW = 58  # letters in a line under the title of a figure of half a page
NOWHERE = np.full((1, 2), None)  # of what stands in the legend alone
PANELS = {
    "false negatives (% of pairs)": "false negatives,<br>% of pairs",
    "gradient on false negatives (%)": "gradient on false<br>negatives, %",
    "within 2 hops (% of pairs)": "within 2 hops,<br>% of pairs",
    "coupling factor q (mean)": "coupling factor q,<br>mean (no unit)",
}
EXPECTED = "false negatives expected of random pairs (%)"
MARKS = ("circle-open", "diamond-open", "square-open", "triangle-up-open")  # open, so that one node can bear several


def audit_chart(audits: Mapping[str, Audit]) -> go.Figure:
    """Draw what the negatives of several samplers are like, a row per sampler, a panel per quantity.

    The audits, by name, are those of `workbench.audit`; none is a UserError. The intervals are 95 % bootstrap intervals
    over the audited anchors; the dashed line is the rate of false negatives among random pairs.
    """
    if not audits:
        raise UserError("there is no audit to draw; pass at least one, by the name of its sampler")
    names = list(audits)
    panels = {"rows": 1, "cols": len(PANELS), "shared_yaxes": True, "horizontal_spacing": 0.03}
    counts = sorted({len(audit.anchors) for audit in audits.values()})
    subtitle = f"{' or '.join(map(str, counts))} anchors, 95 % bootstrap intervals over them; labels are used to look"
    fig = style.figure("What are these negatives like?", subtitle, 170 + 30 * len(names), **panels)
    for column, (quantity, title) in enumerate(PANELS.items(), start=1):
        rows = [audit.summary.loc[quantity, ["value", "low", "high"]] for audit in audits.values()]
        value, low, high = np.array(rows, float).T
        hover = [f"{name}<br>{a:.3g} [{b:.3g}, {c:.3g}]" for name, (a, b, c) in zip(names, rows, strict=True)]
        marker = {"size": 9, "color": style.COLOURS[0]}
        dots = style.points((value, names), marker, hover, error_x=style.interval(value, low, high), cliponaxis=False)
        fig.add_trace(dots, 1, column)
        fig.update_xaxes(title=title, rangemode="tozero", row=1, col=column)
        if quantity.startswith("false"):
            expected = next(iter(audits.values())).summary.loc[EXPECTED, "value"]
            if expected == expected:
                fig.add_vline(x=expected, line={"dash": "dash", "color": style.GREY, "width": 1.2}, row=1, col=column)
    fig.update_yaxes(autorange="reversed", ticks="", categoryorder="array", categoryarray=names)
    return fig.update_layout(margin={"b": 80})


def numbers(audit: Audit | str) -> str:
    """Tell the numbers of a sampler for one anchor, e.g. "12 negatives, 3 false, 1 coupled, q 0.93"."""
    if isinstance(audit, str):
        return "nothing to show"
    pairs, q = audit.pairs, float(audit.anchors["q"].iloc[0]) if len(audit.anchors) else np.nan
    sample = f" (a random {MOST} shown)" if len(pairs) > MOST else ""
    false = f"{int(pairs['false'].sum()):,} false, " if pairs["same_class"].notna().any() else ""
    coupled = f"{int(pairs['coupled'].sum()):,} coupled" + (f", q {q:.2f}" if np.isfinite(q) else "")
    return f"{len(pairs):,} negative{'s' * (len(pairs) != 1)}{sample}, {false}{coupled}"


def shown_pairs(audit: Audit | str) -> pd.DataFrame:
    """Return the rows of `audit.pairs` that are shown one by one: up to 64, of more a seeded sample."""
    if isinstance(audit, str):
        return pd.DataFrame(columns=["negative", "hops", "cosine", "gradient_share", "false", "coupled"])
    if len(audit.pairs) <= MOST:
        return audit.pairs
    kept = np.sort(np.random.default_rng(0).choice(len(audit.pairs), MOST, replace=False))
    return audit.pairs.iloc[kept]


def sampled(panels: Panels) -> str:
    """Say that some negatives are not shown, where that is so, at the end of a sentence."""
    many = [label for label, audit in panels.items() if not isinstance(audit, str) and len(audit.pairs) > MOST]
    return style.plain(f"; {' and '.join(many)}: a random {MOST}") if many else ""


def classes(graph: Data) -> Ids | None:
    """Return the class of each node, -1 for none [nodes]; None where the graph has no one class per node."""
    labels: Ids = np.maximum(node_classes(graph), -1)
    return labels if (labels >= 0).any() else None


def called(node: int, names: Names) -> str:
    """Return "node 12", with its name in brackets where it has one; not escaped."""
    return f"node {node}" + (f" ({names[node]})" if names is not None else "")


def sampler_colour(place: int) -> str:
    """Return the colour of the sampler in a panel, counted from 0."""
    return style.COLOURS[(0, 5, 2, 6)[place % 4]]


def away(hops: int) -> str:
    """Return how far a node is, in words."""
    return "no path leads there" if hops < 0 else f"{hops} hop{'s' * (hops != 1)} away"


def negative_cosines(
    panels: Panels, cosines: NDArray[np.float64], anchor: int, chosen: int | None = None, names: Names = None
) -> go.Figure:
    """Draw where the negatives of each sampler lie among an anchor's cosines with each node [nodes].

    The cosines are those that the audit measures; a `chosen` node is marked; `names` are of the nodes.
    """
    axes = {"rows": 2, "cols": 1, "shared_xaxes": True, "row_heights": [0.6, 0.4], "vertical_spacing": 0.06}
    others = np.delete(cosines, anchor)
    said = others[np.isfinite(others)]
    every = f"grey: all {len(others):,} other nodes; a tick for each negative"
    every += sampled(panels)
    note = every if len(said) else "nothing to compare: no attributes, and no embedding was given"
    lines = textwrap.wrap(note, NARROW)
    fig = style.figure("Where they lie among all cosines", "<br>".join(lines), 430, **axes)
    low, high = (float(said.min()), float(said.max())) if len(said) else (0.0, 1.0)
    low, high = (low - 0.05, high + 0.05) if high - low < 1e-9 else (low, high)
    middles, counts, width = style.binned(said, 40, (low, high))
    look = {"marker": {"color": style.FAINT, "line": {"width": 0}}, "showlegend": False, "name": "all others"}
    about = "cosine about %{x:.2f}: %{y:,} nodes<extra></extra>"
    fig.add_bar(x=middles, y=counts, width=width, hovertemplate=about, row=1, col=1, **look)
    for place, audit in enumerate(panels.values()):
        pairs = shown_pairs(audit)
        nodes, at = pairs["negative"].to_numpy(np.int64), np.column_stack([pairs["cosine"], [-place] * len(pairs)])
        hover = [f"{style.plain(called(i, names))}<br>cosine {x:.3f}" for i, x in zip(nodes, at[:, 0], strict=True)]
        tick = {"symbol": "line-ns-open", "size": 17, "color": sampler_colour(place), "line": {"width": 1.6}}
        ticks = style.points(at, tick, hover, nodes, name=f"cosines {place + 1}")
        ring = style.points(at[nodes == chosen], {**style.RING, "size": 19}, name=f"chosen {place + 1}")
        fig.add_traces([ticks, ring], 2, 1)
    words = [style.plain(label if len(label) <= 16 else f"{label[:15]}…") for label in panels]
    top, margin = np.log10(max(counts.max(initial=1), 1)) + 0.2, (high - low) * 0.03
    fig.update_layout(
        title={"xref": "container", "x": 0.02}, margin={"t": 54 + 16 * len(lines), "b": 45, "l": 60}, bargap=0
    )
    fig.update_layout(**style.PANNED)
    fig.update_yaxes(type="log", title="nodes (log scale)", range=[-0.3, top], dtick=1, row=1, col=1)
    labels = {"tickmode": "array", "tickvals": [-place for place in range(len(words))], "ticktext": words, "ticks": ""}
    fig.update_yaxes(showgrid=False, range=[-max(len(words), 1) + 0.4, 0.6], **labels, row=2, col=1)
    fig.update_xaxes(range=[low - margin, high + margin])
    return fig.update_xaxes(title="cosine with the anchor (no unit)", row=2, col=1)


def negative_map(
    panels: Panels,
    mapped: Mapped | str,
    anchor: int,
    chosen: int | None = None,
    names: Names = None,
    shared: tuple[str, Ids] | None = None,
) -> go.Figure:
    """Draw the negatives of each sampler on a map of all nodes; other arguments as for `negative_cosines`.

    Instead of the map there may be a sentence that says why there is none. A selection of nodes, `shared` by its name,
    stands out from the others.
    """
    fig = style.figure("Where they lie on the map", "", 430)
    style.bare(fig)
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "itemclick": False, "itemdoubleclick": False}
    # A figure on the screen keeps what it is not told to change, so that a note which is not needed is empty.
    note = style.plain(textwrap.fill(mapped, 55)).replace("\n", "<br>") if isinstance(mapped, str) else ""
    fig.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text=note)
    fig.update_layout(margin={"t": 70, "b": 70, "l": 10, "r": 10}, legend=legend, **style.PANNED)
    if isinstance(mapped, str):
        return fig
    drawn, what = mapped
    trust = f"trustworthiness {drawn.trustworthiness:.2f} (1 = faithful)" if drawn.judged else UNMEASURED
    axes = "" if drawn.fitted == len(drawn.nodes) else f", axes by {drawn.fitted:,} nodes"
    lines = [*textwrap.wrap(f"{what}{axes}{sampled(panels)}", NARROW), *textwrap.wrap(trust, NARROW)]
    fig.update_layout(title_subtitle_text="<br>".join(lines), margin_t=40 + 16 * len(lines))

    def add(name: str, wanted: Any, marker: dict[str, Any], legend: str = "") -> None:
        mine = np.isin(drawn.nodes, wanted)  # a map of a sample lacks some
        text = [style.plain(called(node, names)) for node in drawn.nodes[mine].tolist()]
        fig.add_trace(style.points(drawn.points[mine], marker, text, drawn.nodes[mine], gl=True, name=name))
        if legend:
            lost = len(wanted) - int(mine.sum())
            legend += f" ({lost} not on the map)" if lost else ""
            fig.add_trace(style.points(NOWHERE, marker, gl=True, name=legend, showlegend=True))

    marker = {"size": 4 if len(drawn.nodes) <= 4_000 else 3, "color": style.FAINT}
    every = {"name": "all nodes", "hovertemplate": "node %{customdata}<extra></extra>"}
    fig.add_trace(style.points(drawn.points, marker, None, drawn.nodes, gl=True, **every))
    if shared is not None:
        look = {"size": 7, "color": style.COOL, "line": {"width": 1, "color": style.MUTED}}
        add("shared", shared[1], look, style.quoted(shared[0]))
    for place, (label, audit) in enumerate(panels.items()):
        look = {"symbol": MARKS[place % 4], "size": 10 + place, "color": sampler_colour(place), "line": {"width": 2}}
        short = style.plain(label if len(label) <= 24 else f"{label[:23]}…")
        add(f"negatives {place + 1}", shown_pairs(audit)["negative"].to_numpy(np.int64), look, short)
    add("anchor", [anchor], {"symbol": "star", "size": 17, "color": style.INK}, "the anchor")
    add("chosen", [] if chosen is None else [chosen], {**style.RING, "size": 24})
    return fig
