"""The negatives of one anchor under several strategies: on rings of hops, among all cosines, and on a map."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import scipy.sparse as sp
from numpy.typing import NDArray
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots
from scipy.sparse.csgraph import dijkstra
from torch_geometric.data import Data

from workbench.contrast.audit import Audit, node_classes
from workbench.datasets.structure import adjacency
from workbench.errors import unknown
from workbench.evaluation.projection import Map
from workbench.plots import network, style
from workbench.plots.ego import APART, Ego, radius_of

Panels = Mapping[str, Audit | str]
Ids = NDArray[np.int64]
COLOURS = ("class", "hops", "gradient share")
MOST = 64  # negatives that are drawn or told one by one; of more, a sample
RINGS = 10  # farther nodes share the last ring
MARKS = ("circle-open", "diamond-open", "square-open", "triangle-up-open")  # open, so that one node can bear several


def headline(label: str, audit: Audit | str) -> str:
    """Tell the numbers of a strategy for one anchor, e.g. "uniform: 12 negatives, 3 false, 1 coupled, q 0.93"."""
    if isinstance(audit, str):
        return f"{label}: nothing to show"
    pairs, q = audit.pairs, float(audit.anchors["q"].iloc[0]) if len(audit.anchors) else np.nan
    sample = f" ({MOST} shown, a sample)" if len(pairs) > MOST else ""
    told = [f"{len(pairs):,} negative{'s' * (len(pairs) != 1)}{sample}"]
    if pairs["same_class"].notna().any():
        told.append(f"{int(pairs['false'].sum()):,} false")
    told.append(f"{int(pairs['coupled'].sum()):,} coupled")
    return f"{label}: {', '.join(told)}" + (f", q {q:.2f}" if np.isfinite(q) else "")


def shown_pairs(audit: Audit | str) -> pd.DataFrame:
    """Return the rows of `audit.pairs` that are shown one by one: up to 64, of more a seeded sample."""
    if isinstance(audit, str):
        return pd.DataFrame({name: [] for name in ("negative", "hops", "cosine", "gradient_share", "false", "coupled")})
    if len(audit.pairs) <= MOST:
        return audit.pairs
    kept = np.sort(np.random.default_rng(0).choice(len(audit.pairs), MOST, replace=False))
    return audit.pairs.iloc[kept]


def classes(graph: Data) -> Ids | None:
    """Return the class of each node, -1 for none [nodes]; None where the graph has no one class a node."""
    labels: Ids = np.maximum(node_classes(graph), -1)
    return labels if (labels >= 0).any() else None


def called(node: int, names: Sequence[object] | None) -> str:
    """Return "node 12", with its name in brackets where it has one; not escaped."""
    return f"node {node}" + (f" ({names[node]})" if names is not None else "")


def strategy_colour(place: int) -> str:
    """Return the colour of the strategy in a panel, counted from 0."""
    return style.COLOURS[(0, 5, 2, 6)[place % 4]]


# ------------------------------------------------------------------------------------------------------- rings


def negative_rings(
    panels: Panels,
    graph: Data,
    anchor: int,
    colour: str | None = None,
    chosen: int | None = None,
    links: sp.csr_matrix | None = None,
) -> go.Figure:
    """Draw an anchor's negatives on rings of their hop distance, with the paths that lead there and its neighbourhood.

    Args:
        panels: by strategy the audit of its negatives of this anchor, or a sentence that says why there is none.
        graph: the graph; labels and names are looked at where it has them.
        anchor: whose negatives.
        colour: "class", "hops" or "gradient share"; None for classes where there are labels, else hops.
        chosen: a node to ring.
        links: the undirected adjacency [nodes, nodes], where it is at hand.

    Raises:
        UserError: no such colour, or classes of a graph without labels.
    """
    labels, names = classes(graph), graph.get("node_names")
    colour = colour or COLOURS[labels is None]
    known = COLOURS[labels is None :]
    if colour not in known:
        raise unknown("colour", colour, known, "" if labels is not None else "of a graph without labels")
    links = adjacency(graph) if links is None else links
    hops, before = dijkstra(links, directed=True, indices=anchor, unweighted=True, return_predecessors=True)
    pairs = {label: shown_pairs(audit) for label, audit in panels.items()}
    far = np.concatenate([one["hops"].to_numpy(np.int64) for one in pairs.values()] or [np.empty(0, np.int64)])
    rings = int(np.clip(far.max(initial=1), min(2, np.max(hops[np.isfinite(hops)])), RINGS))
    last = rings + int((far < 0).any())
    words = ["1 hop", *map(str, range(2, rings + 1)), "no path"][:last]
    if far.max(initial=1) > RINGS:
        words[rings - 1] = f"{RINGS}+"
    fig = _grid(len(panels), anchor, names, labels is not None)
    top = max((float(one["gradient_share"].max()) for one in pairs.values() if len(one)), default=np.nan)
    top = top if np.isfinite(top) else 1.0
    scale = {"class": None, "hops": (1.0, max(rings, 2.0)), "gradient share": (0.0, 100 * top)}[colour]
    for place, (label, audit) in enumerate(panels.items()):
        ego = Ego(links, hops, before.astype(np.int64), anchor, pairs[label]["negative"].to_numpy(np.int64), rings)
        axes = {"row": place // 2 + 1, "col": place % 2 + 1}
        _frame(fig, place, headline(label, audit), audit if isinstance(audit, str) else "", words, axes)
        _ground(fig, place, ego, isinstance(audit, str), names, axes)
        marker = _marker(pairs[label], labels if scale is None else None, top, scale)
        text = _hover(pairs[label], labels, graph)
        places = ego.places[ego.position(pairs[label]["negative"].to_numpy(np.int64))]
        fig.add_scatter(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, showlegend=False, text=text,
                        customdata=pairs[label]["negative"].to_numpy(np.int64), name=f"negatives {place + 1}, {colour}",
                        hovertemplate="%{text}<extra></extra>", **axes)  # fmt: skip
        if isinstance(audit, Audit):
            _ends(fig, place, ego, chosen, labels if scale is None else None, names, axes)
    seen = np.concatenate([[anchor], *(one["negative"].to_numpy(np.int64) for one in pairs.values())])
    _legend(fig, graph, labels, labels if scale is None else None, seen)
    return _bar(fig, colour, scale)


def _grid(count: int, anchor: int, names: Any, labelled: bool) -> go.Figure:
    rows, columns = max(1, (count + 1) // 2), min(max(count, 1), 2)
    base = make_subplots(rows, columns, horizontal_spacing=0.03, vertical_spacing=0.08)
    name = html.escape(called(anchor, names))
    told = "One ring a hop; the more of the anchor's gradient a negative takes, the larger it is"
    if labelled:
        told += "; labels are used to look, never to train"
    fig = style.figure(f"The negatives of {name}", told, 230 + 430 * rows, base)
    style.bare(fig)
    legend = {"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "itemclick": False, "itemdoubleclick": False}
    return fig.update_layout(margin={"l": 10, "r": 10, "t": 140, "b": 90}, dragmode="pan", hovermode="closest",
                             legend=legend)  # fmt: skip


def _frame(fig: go.Figure, place: int, title: str, problem: str, words: list[str], axes: dict[str, int]) -> None:
    """Draw the rings of a panel, their labels and what is told of it."""
    number, edge = str(place + 1) if place else "", radius_of(len(words)) + 0.9 + APART * (words[-1] == "no path")
    fig.update_xaxes(range=[-edge, edge], constrain="domain", **axes)
    fig.update_yaxes(range=[-edge, edge], constrain="domain", scaleanchor=f"x{number}", **axes)
    label, between, numbers = map(html.escape, title.rpartition(": "))
    text = f'<span style="color:{strategy_colour(place)}">■</span> <b>{label}</b>{between.strip()}<br>{numbers}'
    fig.add_annotation(x=0.5, y=1.0, xref=f"x{number} domain", yref=f"y{number} domain", yanchor="bottom",
                       showarrow=False, text=text, font={"size": 12})  # fmt: skip
    if problem:
        told = "<br>".join(map(html.escape, textwrap.wrap(problem, 44)))
        fig.add_annotation(x=0, y=0, text=told, showarrow=False, font={"size": 13, "color": style.MUTED}, **axes)
    radii = [] if problem else [radius_of(i) + APART * (word == "no path") for i, word in enumerate(words, start=1)]
    circle = np.append(np.exp(1j * np.linspace(0, 2 * np.pi, 73)), np.nan)
    for name, dash in (("rings", "solid"), ("no path", "dot")):
        drawn = np.array([r for i, r in enumerate(radii) if (words[i] == "no path") == (dash == "dot")])
        points = (drawn[:, None] * circle).ravel()
        line = {"color": style.LINE, "width": 1, "dash": dash}
        fig.add_scatter(x=points.real, y=points.imag, mode="lines", line=line, name=f"{name} {place + 1}",
                        showlegend=False, hoverinfo="skip", **axes)  # fmt: skip
    fig.add_scatter(x=[0.0] * len(radii), y=radii, text=words[: len(radii)], mode="text", textposition="top center",
                    name=f"labels {place + 1}", showlegend=False, hoverinfo="skip",
                    textfont={"size": 10, "color": style.MUTED}, **axes)  # fmt: skip


def _ground(fig: go.Figure, place: int, ego: Ego, empty: bool, names: Any, axes: dict[str, int]) -> None:
    """Draw the neighbourhood and the paths of a panel, in grey."""
    none = np.empty((2, 0), np.int64)
    for word, edges, shade in (("other edges", ego.others, style.LINE), ("paths", ego.tree, style.FAINT)):
        drawn = network.lines(ego.places, none if empty else edges, shade)
        fig.add_trace(drawn.update(name=f"{word} {place + 1}"), **axes)
    plain = ~ego.marked & (not empty)
    nodes, places = ego.nodes[plain], ego.places[plain]
    text = [html.escape(called(node, names)) for node in nodes.tolist()]
    fig.add_scatter(x=places[:, 0], y=places[:, 1], mode="markers", marker={"size": 5, "color": style.FAINT}, text=text,
                    customdata=nodes, name=f"context {place + 1}", showlegend=False,
                    hovertemplate="%{text}<br>no negative here<extra></extra>", **axes)  # fmt: skip


def _ends(fig: go.Figure, place: int, ego: Ego, chosen: int | None, labels: Ids | None, names: Any,
          axes: dict[str, int]) -> None:  # fmt: skip
    """Draw the anchor of a panel, and a ring around the node that was chosen."""
    anchor = int(ego.nodes[0])
    shade = style.INK if labels is None else style.class_marker(int(labels[anchor]))["color"]
    marker = {"symbol": "star", "size": 19, "color": shade, "line": {"width": 1.5, "color": style.INK}}
    fig.add_scatter(x=[0], y=[0], mode="markers", marker=marker, name=f"anchor {place + 1}", showlegend=False,
                    customdata=[anchor], text=[html.escape(called(anchor, names))],
                    hovertemplate="the anchor, %{text}<extra></extra>", **axes)  # fmt: skip
    ringed = ego.places[ego.nodes == chosen] if chosen is not None else ego.places[:0]
    marker = {"symbol": "circle-open", "size": 27, "color": style.INK, "line": {"width": 2.5}}
    fig.add_scatter(x=ringed[:, 0], y=ringed[:, 1], mode="markers", marker=marker, name=f"chosen {place + 1}",
                    showlegend=False, hoverinfo="skip", **axes)  # fmt: skip


def _marker(pairs: pd.DataFrame, labels: Ids | None, top: float, scale: tuple[float, float] | None) -> dict[str, Any]:
    """Return the marks of negatives: coloured by class or on a scale, large by gradient share, outlined where false."""
    share, hops = pairs["gradient_share"].to_numpy(np.float64), pairs["hops"].to_numpy(np.float64)
    false = pairs["false"].to_numpy(bool)
    size = np.where(np.isfinite(share), 8 + 12 * np.sqrt(np.nan_to_num(share) / max(top, 1e-12)), 12)
    size = size * np.clip(np.sqrt(16 / max(len(pairs), 1)), 0.6, 1)  # many are not to hide each other
    outline = {
        "width": np.where(false, np.minimum(2.5, 0.22 * size), 0.8),
        "color": np.where(false, style.INK, style.MUTED),
    }
    marker: dict[str, Any] = {"size": size, "line": outline, "opacity": 1}
    if scale is None and labels is not None:
        looks = [style.class_marker(int(one)) for one in labels[pairs["negative"].to_numpy(np.int64)]]
        return {**marker, "color": [look["color"] for look in looks], "symbol": [look["symbol"] for look in looks]}
    low, high = scale or (0.0, 1.0)
    values = np.where(hops < 0, np.nan, hops) if low == 1 else 100 * share
    part = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-12), 0, 1)
    shades = np.array(sample_colorscale(style.SCALE, part), dtype=object)
    return {**marker, "color": np.where(np.isnan(values), style.PAPER, shades).tolist(), "symbol": "circle"}


def away(hops: int) -> str:
    """Return how far a node is, in words."""
    return "no path leads there" if hops < 0 else f"{hops} hop{'s' * (hops != 1)} away"


def _hover(pairs: pd.DataFrame, labels: Ids | None, graph: Data) -> list[str]:
    """Return what is told of each negative under the pointer."""
    names, titles = graph.get("node_names"), graph.get("class_names")
    told = []
    for pair in pairs.to_dict("records"):
        lines = [called(pair["negative"], names), away(pair["hops"])]
        if np.isfinite(pair["cosine"]):
            lines.append(f"cosine {pair['cosine']:.3f}, {100 * pair['gradient_share']:.1f} % of the gradient")
        if labels is not None and (label := int(labels[pair["negative"]])) >= 0:
            same = " – the anchor's, so a false negative" if pair["false"] else ""
            lines.append(f"class {label if titles is None else titles[label]}{same}")
        told.append("<br>".join(map(html.escape, lines)))
    return told


def _bar(fig: go.Figure, colour: str, scale: tuple[float, float] | None) -> go.Figure:
    """Add the colour bar of the scale; the marks have their colours already, so that no path can be empty."""
    title = {"hops": "hops (empty: no path)", "gradient share": "share of the gradient, %"}.get(colour, "")
    bar = {"orientation": "h", "title": {"text": title, "side": "top", "font": {"size": 11}}, "thickness": 10,
           "len": 0.42, "x": 1.0, "xanchor": "right", "y": 0, "yanchor": "top", "ypad": 0}  # fmt: skip
    low, high = scale or (0.0, 1.0)
    marker = {"color": [low], "coloraxis": "coloraxis", "size": 0.1, "opacity": 0}
    fig.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name="scale", showlegend=False,
                    hoverinfo="skip", row=1, col=1)  # fmt: skip
    axis = {"colorscale": style.SCALE, "showscale": scale is not None, "colorbar": bar, "cmin": low, "cmax": high}
    return fig.update_layout(coloraxis=axis)


def _legend(fig: go.Figure, graph: Data, labels: Ids | None, coloured: Ids | None, seen: Ids) -> None:
    """Add one entry for each kind of mark, and for each class where classes are the colours.

    Args:
        fig: gets them. graph: names its classes. labels: of the graph, None for none [nodes].
        coloured: the labels again where they are the colours, else None. seen: nodes that are marked, the anchor first.
    """
    shade = style.INK if coloured is None else style.class_marker(int(coloured[seen[0]]))["color"]
    entries: list[tuple[str, dict[str, Any]]] = [
        ("the anchor", {"symbol": "star", "color": shade, "size": 13, "line": {"width": 1.5, "color": style.INK}}),
        ("neighbours, paths", {"color": style.FAINT, "size": 6}),
    ]
    if labels is not None:
        outlined = {"symbol": "circle-open", "color": style.INK, "size": 11, "line": {"width": 2.5}}
        entries.append(("false negative", outlined))
    if coloured is not None:
        titles, there = graph.get("class_names"), np.unique(coloured[coloured >= 0])
        if len(there) > 12:  # then only those that are to be seen
            there = np.setdiff1d(coloured[seen], [-1])
        for label in there.tolist():
            named = f"class {label}" if titles is None else textwrap.shorten(str(titles[label]), 22, placeholder="…")
            entries.append((html.escape(named), {"size": 10, **style.class_marker(label)}))
    for named, marker in entries:
        fig.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=named, hoverinfo="skip", row=1, col=1)


# ------------------------------------------------------------------------------------------- cosines and the map


def negative_cosines(
    panels: Panels,
    cosines: NDArray[np.float64],
    anchor: int,
    chosen: int | None = None,
    names: Sequence[object] | None = None,
) -> go.Figure:
    """Draw where the negatives of each strategy lie among an anchor's cosines to all other nodes.

    Args:
        panels: by strategy its audit, or a sentence that says why there is none.
        cosines: of the anchor with each node, as the audit measures them [nodes].
        anchor: whose negatives.
        chosen: a node that is marked.
        names: a name for each node [nodes].
    """
    base = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    fig = style.figure("Where they lie among all cosines", "", 430, base)
    others = np.delete(cosines, anchor)
    said = others[np.isfinite(others)]
    low, high = (float(said.min()), float(said.max())) if len(said) else (0.0, 1.0)
    low, high = (low - 0.05, high + 0.05) if high - low < 1e-9 else (low, high)
    counts, edges = np.histogram(said, bins=40, range=(low, high))
    middle, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    marker = {"color": style.FAINT, "line": {"width": 0}}
    fig.add_bar(x=middle, y=counts, width=width, marker=marker, name="all others", showlegend=False,
                 hovertemplate="cosine about %{x:.2f}: %{y:,} nodes<extra></extra>", row=1, col=1)  # fmt: skip
    words = []
    for place, (label, audit) in enumerate(panels.items()):
        pairs = shown_pairs(audit)
        words.append(html.escape(label if len(label) <= 16 else f"{label[:15]}…"))
        hover = [html.escape(called(node, names)) for node in pairs["negative"].tolist()]
        tick = {"symbol": "line-ns-open", "size": 17, "color": strategy_colour(place), "line": {"width": 1.6}}
        fig.add_scatter(x=pairs["cosine"], y=[-place] * len(pairs), mode="markers", marker=tick, text=hover,
                        customdata=pairs["negative"].to_numpy(np.int64), name=f"cosines {place + 1}", showlegend=False,
                        hovertemplate="%{text}<br>cosine %{x:.3f}<extra></extra>", row=2, col=1)  # fmt: skip
        mine = (pairs["negative"] == chosen).to_numpy(bool)
        ring = {"symbol": "circle-open", "size": 19, "color": style.INK, "line": {"width": 2}}
        fig.add_scatter(x=pairs["cosine"][mine], y=[-place] * int(mine.sum()), mode="markers", marker=ring,
                        name=f"chosen {place + 1}", showlegend=False, hoverinfo="skip", row=2, col=1)  # fmt: skip
    told = f"grey: all {len(others):,} other nodes; a tick for each negative"
    if not len(said):
        told = "nothing to compare: no attributes, and no embedding was given"
    title = {"subtitle": {"text": told}, "xref": "container", "x": 0.02}
    fig.update_layout(title=title, margin={"t": 70, "b": 45, "l": 60}, dragmode="pan", bargap=0, hovermode="closest",
                      modebar_orientation="v")  # fmt: skip
    fig.update_yaxes(type="log", title="nodes (log scale)", range=[-0.3, np.log10(max(counts.max(initial=1), 1)) + 0.2],
                     dtick=1, row=1, col=1)  # fmt: skip
    fig.update_yaxes(tickmode="array", tickvals=[-place for place in range(len(words))], ticktext=words, showgrid=False,
                     range=[-max(len(words), 1) + 0.4, 0.6], ticks="", row=2, col=1)  # fmt: skip
    margin = (high - low) * 0.03
    fig.update_xaxes(range=[low - margin, high + margin])
    return fig.update_xaxes(title="cosine with the anchor (no unit)", row=2, col=1)


@dataclass(frozen=True)
class Mapped:
    """A map and what it is of, in words."""

    drawn: Map
    told: str


def negative_map(
    panels: Panels,
    mapped: Mapped | str,
    anchor: int,
    chosen: int | None = None,
    names: Sequence[object] | None = None,
) -> go.Figure:
    """Draw the negatives of each strategy on a map of all nodes.

    Args:
        panels: by strategy its audit, or a sentence that says why there is none.
        mapped: the map, or a sentence that says why there is none.
        anchor: whose negatives; it is marked.
        chosen: a node that is marked.
        names: a name for each node [nodes].
    """
    fig = style.figure("Where they lie on the map", "", 430)
    style.bare(fig)
    legend = {"orientation": "h", "y": -0.02, "yanchor": "top", "x": 0, "itemclick": False, "itemdoubleclick": False}
    # A figure on the screen keeps what it is not told to change, so that a note which is not needed is empty.
    problem = mapped if isinstance(mapped, str) else ""
    fig.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False,
                       text="<br>".join(map(html.escape, textwrap.wrap(problem, 55))))  # fmt: skip
    fig.update_layout(margin={"t": 70, "b": 70, "l": 10, "r": 10}, dragmode="pan", hovermode="closest",
                      modebar_orientation="v", legend=legend)  # fmt: skip
    if isinstance(mapped, str):
        return fig
    drawn = mapped.drawn
    nodes, points = drawn.nodes, drawn.points
    fig.update_layout(
        title_subtitle_text=f"{mapped.told}<br>trustworthiness {drawn.trustworthiness:.2f} (1 = faithful)"
    )

    def add(name: str, wanted: Any, marker: dict[str, Any], legend: str = "") -> None:
        wanted = np.asarray(wanted, np.int64)
        there = np.minimum(np.searchsorted(nodes, wanted), len(nodes) - 1)
        there = there[nodes[there] == wanted]  # a map of a sample lacks some
        lost = len(wanted) - len(there)
        text = [html.escape(called(node, names)) for node in nodes[there].tolist()]
        fig.add_scattergl(x=points[there, 0], y=points[there, 1], mode="markers", marker=marker, text=text,
                          customdata=nodes[there], name=name, showlegend=False,
                          hovertemplate="%{text}<extra></extra>")  # fmt: skip
        if legend:
            fig.add_scattergl(x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip",
                              name=legend + (f" ({lost} not on the map)" if lost else ""))  # fmt: skip

    size = 4 if len(nodes) <= 4_000 else 3
    fig.add_scattergl(x=points[:, 0], y=points[:, 1], mode="markers", marker={"size": size, "color": style.FAINT},
                      customdata=nodes, name="all nodes", showlegend=False,
                      hovertemplate="node %{customdata}<extra></extra>")  # fmt: skip
    for place, (label, audit) in enumerate(panels.items()):
        look = {"symbol": MARKS[place % 4], "size": 10 + place, "color": strategy_colour(place), "line": {"width": 2}}
        short = html.escape(label if len(label) <= 24 else f"{label[:23]}…")
        add(f"negatives {place + 1}", shown_pairs(audit)["negative"], look, short)
    add("anchor", [anchor], {"symbol": "star", "size": 17, "color": style.INK}, "the anchor")
    add("chosen", [] if chosen is None else [chosen], {"symbol": "circle-open", "size": 24, "color": style.INK})
    return fig
