"""The negatives of one anchor of several samplers, on rings of hops around it, with the paths that lead there."""

import textwrap
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import scipy.sparse as sp
from numpy.typing import NDArray
from plotly.colors import sample_colorscale
from scipy.sparse.csgraph import dijkstra
from torch_geometric.data import Data

from workbench.contrast.audit import Audit
from workbench.datasets.structure import adjacency
from workbench.errors import unknown
from workbench.plots import network, style
from workbench.plots.negatives import NOWHERE, Panels, away, called, classes, numbers, sampler_colour, shown_pairs
from workbench.plots.style import Ids

COLOURS = ("class", "hops", "gradient share")
RINGS = 10  # farther nodes share the last ring
NO_PATH = "no path"
READING = (
    "false: of the anchor's own class, so pushed away by mistake; "
    "coupled: some node lies within 2 hops of both, so an encoder of two layers moves them together; "
    "q: from 0 to 1, how much of the pull to its positive the anchor keeps: near 0 its negatives are all easy"
)
_NAMED = 5  # rings; of more every second has its label, so that they stay apart
_AROUND = 16  # neighbours, and neighbours' neighbours, that are drawn beside the paths
_APART = 0.5  # by which the ring of those without a path stands off
_LETTERS = 28  # in a line above a panel, so that it stays above it in one column of a paper
_GAP = np.radians(24)  # to both sides of where the rings' labels stand


class _Ego(NamedTuple):
    """A tree of shortest paths from an anchor to its negatives, with some of its neighbourhood, laid out on rings.

    The edges of the paths, and all others, are positions in `nodes` [2, edges]; the anchor is the first node.
    """

    nodes: Ids
    places: NDArray[np.float64]  # [drawn, 2]
    marked: NDArray[np.bool_]  # the anchor and its negatives [drawn]
    paths: Ids
    others: Ids


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
        panels: by sampler the audit of its negatives of this anchor, or a sentence that says why there is none.
        graph: labels and names are looked at where it has them. links: its undirected adjacency, where it is at hand.
        anchor: whose negatives. chosen: a node to ring.
        colour: "class", "hops" or "gradient share"; None for classes where there are labels, else hops.

    Raises:
        UserError: no such colour, or classes of a graph without labels.
    """
    labels, names = classes(graph), graph.get("node_names")
    known = COLOURS[labels is None :]
    colour = colour or known[0]
    if colour not in known:
        raise unknown("colour", colour, known, "" if labels is not None else "of a graph without labels")
    links = adjacency(graph) if links is None else links
    hops, before = dijkstra(links, directed=True, indices=anchor, unweighted=True, return_predecessors=True)
    pairs = {label: shown_pairs(audit) for label, audit in panels.items()}
    audited = [pairs[label] for label, audit in panels.items() if isinstance(audit, Audit)]
    whole = pd.concat(audited or [shown_pairs("")])
    words = _ring_names(whole["hops"].to_numpy(np.int64), hops)
    rings = len(words) - (words[-1] == NO_PATH)
    top = float(whole["gradient_share"].astype(float).max())
    top = 1.0 if np.isnan(top) else top
    scale = {"class": None, "hops": (1.0, max(rings, 2.0)), "gradient share": (0.0, 100 * top)}[colour]
    coloured = labels if scale is None else None
    fig = _grid(len(panels), style.plain(called(anchor, names)), labels is not None)
    for place, (label, audit) in enumerate(panels.items()):
        nodes = pairs[label]["negative"].to_numpy(np.int64)
        ego = _laid_out(links, hops, before.astype(np.int64), anchor, nodes, rings)
        empty = isinstance(audit, str)
        _frame(fig, place, label, audit, words)
        marker, text = _marker(pairs[label], coloured, top, scale), _hover(pairs[label], labels, graph)
        at, name = ego.places[pd.Index(ego.nodes).get_indexer(nodes)], f"negatives {place + 1}, {colour}"
        traces = [*_surroundings(place, ego, empty, names), style.points(at, marker, text, nodes, name=name)]
        if not empty:
            star, ring = _star(coloured, anchor, 19), {**style.RING, "size": 27, "line": {"width": 2.5}}
            text = [f"the anchor, {style.plain(called(anchor, names))}"]
            traces.append(style.points(ego.places[:1], star, text, ego.nodes[:1], name=f"anchor {place + 1}"))
            traces.append(style.points(ego.places[ego.nodes == chosen], ring, name=f"chosen {place + 1}"))
        fig.add_traces(traces, place // 2 + 1, place % 2 + 1)
    seen = np.append(anchor, whole["negative"].to_numpy(np.int64))
    fig.add_traces(_legend(graph, labels, coloured, seen), 1, 1)
    return _bar(fig, colour, scale)


def _laid_out(links: sp.csr_matrix, hops: Any, before: Ids, anchor: int, negatives: Ids, rings: int) -> _Ego:
    """Lay out the paths that lead to some negatives, by hops [nodes] and who stands before a node on its path."""
    step = np.setdiff1d(negatives[np.isfinite(hops[negatives])], anchor)
    steps = [step]
    while len(step := np.setdiff1d(before[step], anchor)):  # one hop nearer each time
        steps.append(step)
    paths = np.unique(np.concatenate(steps))
    # The last ring holds whatever is farther, so no paths.
    shown = np.append(paths[(hops[paths] < rings) | np.isin(paths, negatives)], anchor)
    generator = np.random.default_rng(0)
    for hop in (1, 2):
        ring = np.setdiff1d(np.flatnonzero(hops == hop), shown)
        ring = ring[np.isin(before[ring], shown)]
        shown = np.append(shown, generator.permutation(ring)[:_AROUND])
    inside = np.setdiff1d(np.union1d(paths, shown), anchor)
    tree = nx.DiGraph(zip(before[inside].tolist(), inside.tolist(), strict=True))
    tree.add_node(anchor)
    walk = [*nx.dfs_preorder_nodes(tree, anchor)]
    leaves = [node for node in walk if not tree[node]]
    middle = dict(zip(leaves, _spread(np.where(np.isin(leaves, negatives), 1.0, 0.4)), strict=True))
    below: dict[int, list[float]] = {}
    for node in reversed(walk):  # a node stands in the middle of its leaves
        below[node] = [angle for child in tree[node] for angle in below[child]] or [middle[node]]
    drawn = [node for node in walk if node in shown]
    apart = np.setdiff1d(negatives, drawn)
    nodes = np.append(drawn, apart)
    angles = np.append([np.mean(below[node]) for node in drawn], _spread(np.ones(len(apart))))
    ring = np.minimum(hops[nodes], rings)
    radius = np.where(np.isfinite(hops[nodes]), _radius(ring), _radius(rings + 1) + _APART) * (nodes != anchor)
    places = radius[:, None] * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    links = sp.triu(links[nodes][:, nodes], k=1).tocoo()
    start, end = nodes[links.row], nodes[links.col]
    near = np.minimum(hops[start], hops[end]) < rings
    leading = (before[start] == end) | (before[end] == start)
    edges = np.stack([links.row, links.col])
    marked = np.isin(nodes, [anchor, *negatives])
    return _Ego(nodes, places, marked, edges[:, leading & near], edges[:, ~leading & near])


def _spread(room: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles at which what takes some room each stands around the anchor."""
    return _GAP + (2 * np.pi - 2 * _GAP) * (room.cumsum() - room / 2) / room.sum()


def _radius(ring: Any) -> Any:
    return (ring + 0.6) ** 0.85  # the inner rings are not to be crowded


def _ring_names(far: Ids, hops: Any) -> list[str]:
    """Return what stands at each ring, the innermost first; the last is for negatives without a path, if there are any.

    The negatives are `far` away, -1 without a path; `hops` are of all nodes, infinite without a path.
    """
    rings = int(np.clip(far.max(initial=1), min(2, np.max(hops[np.isfinite(hops)])), RINGS))
    words = ["1 hop", *map(str, range(2, rings + 1))][:rings]
    if far.max(initial=1) > RINGS:
        words[-1] = f"{RINGS}+"
    return [*words, NO_PATH] if (far < 0).any() else words


def _grid(count: int, name: str, labelled: bool) -> go.Figure:
    rows, columns = max(1, (count + 1) // 2), min(max(count, 1), 2)
    panels = {"rows": rows, "cols": columns, "horizontal_spacing": 0.03, "vertical_spacing": 0.08}
    note = "One ring per hop; the more of the anchor's gradient a negative takes, the larger it is"
    note += "<br>labels are used to look, never to train" if labelled else ""
    fig = style.figure(f"The negatives of {name}", note, 230 + 430 * rows, **panels)
    style.bare(fig)
    legend = {"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "itemclick": False, "itemdoubleclick": False}
    margin = {"l": 10, "r": 10, "t": 160, "b": 90}
    fig.update_layout(title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 30}})
    return fig.update_layout(margin=margin, dragmode="pan", hovermode="closest", legend=legend)


def _frame(fig: go.Figure, place: int, label: str, audit: Audit | str, words: list[str]) -> None:
    """Draw the rings of a panel, their labels and what is told of it."""
    axes = {"row": place // 2 + 1, "col": place % 2 + 1}
    apart = _APART * np.array([word == NO_PATH for word in words])
    radii = _radius(np.arange(1, len(words) + 1)) + apart
    number, edge = str(place + 1) if place else "", _radius(len(words)) + 0.9 + apart[-1]
    fig.update_xaxes(range=[-edge, edge], constrain="domain", **axes)
    fig.update_yaxes(range=[-edge, edge], constrain="domain", scaleanchor=f"x{number}", **axes)
    square, name = f'<span style="color:{sampler_colour(place)}">■</span>', style.plain(label)
    told = style.plain(textwrap.fill(numbers(audit), _LETTERS)).replace("\n", "<br>")
    text = f"{square} <b>{name}</b>:<br>{told}"
    explained = {} if isinstance(audit, str) else {"hovertext": READING.replace("; ", "<br>")}
    above = {
        **explained,
        "xref": f"x{number} domain",
        "yref": f"y{number} domain",
        "x": 0.5,
        "y": 1.0,
        "yanchor": "bottom",
    }
    fig.add_annotation(text=text, showarrow=False, font={"size": 12}, **above)
    if isinstance(audit, str):
        why, font = style.plain(textwrap.fill(audit, 44)).replace("\n", "<br>"), {"size": 13, "color": style.MUTED}
        fig.add_annotation(x=0, y=0, text=why, showarrow=False, font=font, **axes)
        radii, apart, words = radii[:0], apart[:0], []
    circle = np.append(np.exp(1j * np.linspace(0, 2 * np.pi, 73)), np.nan)
    quiet: dict[str, Any] = {"showlegend": False, "hoverinfo": "skip", **axes}
    for name, dash, mine in (("rings", "solid", apart == 0), (NO_PATH, "dot", apart > 0)):
        drawn = (radii[mine][:, None] * circle).ravel()
        line = {"color": style.LINE, "width": 1, "dash": dash}
        fig.add_scatter(x=drawn.real, y=drawn.imag, mode="lines", line=line, name=f"{name} {place + 1}", **quiet)
    small = {"size": 10, "color": style.MUTED}
    rings = len(words) - apart.astype(bool).sum()
    if rings > _NAMED:
        words = [word if n < 1 or n >= rings or (rings - n) % 2 else "" for n, word in enumerate(words)]
    written = {"mode": "text", "text": words, "textposition": "top center", "textfont": small}
    fig.add_scatter(x=np.zeros(len(radii)), y=radii, name=f"labels {place + 1}", **written, **quiet)


def _surroundings(place: int, ego: _Ego, empty: bool, names: Any) -> list[go.Scatter]:
    """Return the neighbourhood and the paths of a panel, in grey."""
    traces = []
    for word, edges, shade in (("other edges", ego.others, style.LINE), ("paths", ego.paths, style.FAINT)):
        lines = network.lines(ego.places, edges[:, :0] if empty else edges, shade)
        traces.append(lines.update(name=f"{word} {place + 1}"))
    plain = ~ego.marked & (not empty)
    text = [f"{style.plain(called(node, names))}<br>no negative here" for node in ego.nodes[plain].tolist()]
    marker, name = {"size": 5, "color": style.FAINT}, f"context {place + 1}"
    return [*traces, style.points(ego.places[plain], marker, text, ego.nodes[plain], name=name)]


def _star(labels: Ids | None, anchor: int, size: int) -> dict[str, Any]:
    shade = style.INK if labels is None else style.class_marker(int(labels[anchor]))["color"]
    return {"symbol": "star", "size": size, "color": shade, "line": {"width": 1.5, "color": style.INK}}


def _marker(pairs: pd.DataFrame, labels: Ids | None, top: float, scale: tuple[float, float] | None) -> dict[str, Any]:
    """Return the marks of negatives: coloured by class or on a scale, large by gradient share, outlined where false."""
    share, hops = pairs["gradient_share"].to_numpy(np.float64), pairs["hops"].to_numpy(np.float64)
    false = pairs["false"].to_numpy(bool)
    size = np.where(np.isfinite(share), 8 + 12 * np.sqrt(np.nan_to_num(share) / max(top, 1e-12)), 12)
    size = size * np.clip(np.sqrt(16 / max(len(pairs), 1)), 0.6, 1)  # many are not to hide each other
    width, shade = np.where(false, np.minimum(2.5, 0.22 * size), 0.8), np.where(false, style.INK, style.MUTED)
    marker: dict[str, Any] = {"size": size, "line": {"width": width, "color": shade}, "opacity": 1}
    if scale is None and labels is not None:
        looks = [style.class_marker(int(label)) for label in labels[pairs["negative"].to_numpy(np.int64)]]
        return {**marker, "color": [look["color"] for look in looks], "symbol": [look["symbol"] for look in looks]}
    low, high = scale or (0.0, 1.0)
    values = np.where(hops < 0, np.nan, hops) if low == 1 else 100 * share
    part = np.clip((np.nan_to_num(values) - low) / max(high - low, 1e-12), 0, 1)
    shades = np.array(sample_colorscale(style.SCALE, part), dtype=object)
    return {**marker, "color": np.where(np.isnan(values), style.PAPER, shades).tolist(), "symbol": "circle"}


def _hover(pairs: pd.DataFrame, labels: Ids | None, graph: Data) -> list[str]:
    """Return what is told of each negative under the pointer."""
    names, titles = graph.get("node_names"), graph.get("class_names")
    texts = []
    for pair in pairs.to_dict("records"):
        lines = [called(pair["negative"], names), away(pair["hops"])]
        if np.isfinite(pair["cosine"]):
            lines.append(f"cosine {pair['cosine']:.3f}, {100 * pair['gradient_share']:.1f} % of the gradient")
        if labels is not None and (label := int(labels[pair["negative"]])) >= 0:
            same = " – the anchor's, so a false negative" if pair["false"] else ""
            lines.append(f"class {label if titles is None else titles[label]}{same}")
        texts.append("<br>".join(map(style.plain, lines)))
    return texts


def _bar(fig: go.Figure, colour: str, scale: tuple[float, float] | None) -> go.Figure:
    """Add the scale's colour bar, and room below; the marks have their colours, so that no path can be empty."""
    title = {"hops": "hops (empty: no path)", "gradient share": "share of the gradient, %"}.get(colour, "")
    place = {"x": 1.0, "xanchor": "right", "y": 0, "yanchor": "top", "ypad": 0, "orientation": "h"}
    bar = {"title": {"text": title, "side": "top", "font": {"size": 11}}, "thickness": 10, "len": 0.42, **place}
    low, high = scale or (0.0, 1.0)
    marker = {"color": [low], "coloraxis": "coloraxis", "size": 0.1, "opacity": 0}
    fig.add_trace(style.points(NOWHERE, marker, name="scale"), 1, 1)
    axis = {"colorscale": style.SCALE, "showscale": scale is not None, "colorbar": bar, "cmin": low, "cmax": high}
    names = [str(trace.name) for trace in fig.data if trace.showlegend]
    room = max(60, 20 + 19 * style.legend_rows(names, 700))  # where plotly has to make it, it clips the panels
    return fig.update_layout(coloraxis=axis, margin_b=room)


def _legend(graph: Data, labels: Ids | None, coloured: Ids | None, seen: Ids) -> list[go.Scatter]:
    """Return one entry for each kind of mark, and for each class where classes are the colours.

    `coloured` are the labels where they are the colours; `seen` are the nodes that are marked, the anchor first.
    """
    entries: list[tuple[str, dict[str, Any]]] = [
        ("the anchor", _star(coloured, int(seen[0]), 13)),
        ("neighbours, paths", {"color": style.FAINT, "size": 6}),
    ]
    if labels is not None:
        entries.append(("false negative", {**style.RING, "size": 11, "line": {"width": 2.5}}))
    if coloured is not None:
        titles, there = graph.get("class_names"), np.unique(coloured[coloured >= 0])
        if len(there) > 12:  # then only those that are to be seen
            there = np.setdiff1d(coloured[seen], [-1])
        for label in there.tolist():
            named = f"class {label}" if titles is None else textwrap.shorten(str(titles[label]), 22, placeholder="…")
            entries.append((style.plain(named), {"size": 10, **style.class_marker(label)}))
    return [style.points(NOWHERE, marker, name=named, showlegend=True) for named, marker in entries]
