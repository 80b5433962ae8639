"""Small pieces of a graph, laid out for drawing: around some nodes, with the edges of a view, or as stars of E2Neg."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import breadth_first_order, connected_components
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency, hop_distances
from workbench.errors import UserError, node_number
from workbench.plots import style
from workbench.plots.style import Ids, Names
from workbench.training.run import Run

BRANCHES = 5
KINDS = (("dropped", style.LINE), ("one kept", style.COLOURS[1]), ("both directions kept", style.COLOURS[0]))


class Piece(NamedTuple):
    """A connected piece of a graph; the first node is the one that it was grown from."""

    nodes: Ids  # [shown]
    edges: Ids  # positions in `nodes`, each undirected edge once [2, drawn]
    places: NDArray[np.float64]  # [shown, 2]
    told: str  # what is shown, in words


def piece(graph: Data | sp.csr_matrix, size: int = 120, seed: int = 0, start: int | None = None) -> Piece:
    """Cut a piece of at most `size` nodes: grown by hops from a node, or from a seeded node of the largest component.

    Each node brings in at most five others, so that a hub does not fill the picture; every edge between the nodes that
    were reached is kept. Instead of the graph its adjacency [nodes, nodes] will do; errors as of `node_number`.
    """
    links = adjacency(graph) if isinstance(graph, Data) else graph
    generator = np.random.default_rng(seed)
    start = _first(links, generator) if start is None else node_number(start, links.shape[0])
    reached = [start]
    for node in reached:  # grows while it is walked; ends at `size`
        near = links.indices[links.indptr[node] : links.indptr[node + 1]]
        fresh = np.setdiff1d(near, reached)
        reached += generator.permutation(fresh)[: min(BRANCHES, size - len(reached))].tolist()
    words = f"{len(reached)} of {links.shape[0]:,} nodes, grown from node {start} (seed {seed})"
    return _laid_out(links, np.array(reached), seed, words)


def ego(graph: Data | sp.csr_matrix, node: int, hops: int = 2, size: int = 120, seed: int = 0) -> Piece:
    """Cut the neighbourhood of a node: everything within some hops, directions left out, or a seeded part of it.

    Where it has more than `size` nodes, some of each hop are drawn at random, so that the piece stays connected.
    Arguments and errors as for `piece`.
    """
    links = adjacency(graph) if isinstance(graph, Data) else graph
    rings, met = [np.array([node_number(node, links.shape[0])])], np.zeros(links.shape[0], bool)
    for _ in range(hops):
        met[rings[-1]] = True
        near = np.unique(links[rings[-1]].indices)
        rings.append(near[~met[near]])
    generator, kept = np.random.default_rng(seed), [rings[0]]
    for hop, ring in enumerate(rings[1:], start=1):
        # A hub's own neighbours leave a third of the room to what lies behind them.
        room, behind = size - sum(map(len, kept)), sum(map(len, rings[hop + 1 :]))
        joined = ring[links[ring][:, kept[-1]].getnnz(axis=1) > 0]
        kept.append(np.sort(generator.permutation(joined)[: max(2 * room // 3, room - behind)]))
    reached, whole = np.concatenate(kept), sum(map(len, rings))
    far = f"within {hops} edge{'s' * (hops > 1)} of node {node}"
    share = "all" if len(reached) == whole else f"a seeded part of the {whole:,}"
    return _laid_out(links, reached, seed, f"{len(reached)} of {links.shape[0]:,} nodes: {share} {far}")


def around(graph: Data | sp.csr_matrix, nodes: Ids, size: int = 90, seed: int = 0) -> Piece:
    """Cut some nodes, at least one, and those of their neighbours that have the most edges to them.

    Of many nodes those are kept that one reaches first from a seeded one of the largest piece that they make up among
    themselves, two thirds of `size`; neighbours fill the rest. Arguments as for `piece`.
    """
    links, nodes = adjacency(graph) if isinstance(graph, Data) else graph, np.unique(nodes)
    inside = links[nodes][:, nodes]
    start = _first(inside, np.random.default_rng(seed))
    order = breadth_first_order(inside, start, directed=False, return_predecessors=False)
    order = np.concatenate([order, np.setdiff1d(np.arange(len(nodes)), order)])
    shown = nodes[order[: 2 * size // 3]]
    ties = np.asarray(links[shown].sum(axis=0)).ravel()
    ties[nodes] = 0
    near = np.flatnonzero(ties)
    near = near[np.argsort(-ties[near], kind="stable")][: size - len(shown)]
    grown = f"{len(shown)} of {len(nodes):,} nodes, grown from node {shown[0]}"
    words = grown if len(shown) < len(nodes) else f"all {len(nodes)} nodes" if len(nodes) > 1 else f"node {nodes[0]}"
    others = f"and {len(near)} of their {np.count_nonzero(ties):,}" if len(near) else "no other"
    return _laid_out(links, np.concatenate([shown, near]), seed, f"{words}, {others} neighbours")


def _first(links: sp.csr_matrix, generator: np.random.Generator) -> int:
    """Draw the node that a piece is grown from: one of the largest component of an undirected adjacency."""
    if not links.shape[0]:
        raise UserError("there is nothing to draw: this graph has no nodes")
    _, component = connected_components(links, directed=False)
    return int(generator.choice(np.flatnonzero(component == np.bincount(component).argmax())))


def _laid_out(links: sp.csr_matrix, nodes: Ids, seed: int, told: str) -> Piece:
    inside = sp.triu(links[nodes][:, nodes], k=1).tocoo()
    drawn = nx.empty_graph(len(nodes))
    drawn.add_edges_from(zip(inside.row.tolist(), inside.col.tolist(), strict=True))
    places = nx.spring_layout(drawn, seed=seed, iterations=120, k=1.6 / np.sqrt(len(nodes)))
    return Piece(nodes, np.stack([inside.row, inside.col]), np.array([*places.values()]), told)


def lines(places: NDArray[np.float64], edges: Ids, colour: str = style.FAINT) -> go.Scatter:
    """Return edges [2, drawn] between places [shown, 2] as one trace."""
    ends = places[edges]  # [2, drawn, 2]
    broken = np.full((1, edges.shape[1]), np.nan)
    x, y = (np.concatenate([ends[:, :, axis], broken]).T.ravel() for axis in (0, 1))
    return go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": 1}, hoverinfo="skip", showlegend=False)


def neighbourhood_map(
    part: Piece, selected: Ids, classes: Ids | None = None, class_names: Names = None, names: Names = None
) -> go.Figure:
    """Draw a piece of a graph in which the selected nodes are ringed.

    Classes are of each node of the graph [nodes], below 0 for none; without them all nodes look alike. `class_names`
    are of the classes, `names` of the nodes of the graph.
    """
    fig = style.figure("In the graph", part.told, 420)
    fig.add_trace(lines(part.places, part.edges))
    ringed = np.isin(part.nodes, selected)
    kinds = np.zeros(len(part.nodes), int) if classes is None else classes[part.nodes]
    for kind in np.unique(kinds):
        mine = kinds == kind
        name = "nodes" if classes is None else style.plain(style.class_name(int(kind), class_names))
        marker: dict[str, Any] = {
            **style.class_marker(int(kind)),
            "size": np.where(ringed[mine], 11, 7),
            "line": {"width": np.where(ringed[mine], 2, 0.5), "color": style.INK},
            "opacity": np.where(ringed[mine], 1.0, 0.65),
        }
        said = {i: "" if names is None else f"<br>{style.plain(names[i])}" for i in part.nodes[mine].tolist()}
        hover = [f"node {i}{called}<br>{name}" for i, called in said.items()]
        marks = style.points(part.places[mine], marker, hover, part.nodes[mine], name=name)
        fig.add_trace(marks.update(showlegend=classes is not None))
    style.bare(fig)
    return fig.update_layout(legend_title_text="class; selected nodes are ringed", margin={"l": 10, "r": 10})


def directions_kept(graph: Data, name: str, mask: Tensor, part: Piece) -> NDArray[np.int64]:
    """Return how many directions of each edge of a piece stay in a view, 0 to 2 [edges of the piece].

    The view, by its name, is non-zero where a stored edge stays [edges]; of another length it is a UserError.
    """
    if mask.shape != (graph.num_edges,):
        raise UserError(f"{name!r} has shape {list(mask.shape)}, the graph has {graph.num_edges} stored edges")
    values = (mask.cpu().numpy() != 0).astype(np.int8)
    left = sp.csr_matrix((values, tuple(graph.edge_index.cpu().numpy())), shape=(graph.num_nodes, graph.num_nodes))
    start, end = part.nodes[part.edges]
    counted: NDArray[np.int64] = np.asarray(left[start, end] + left[end, start]).ravel()
    return counted


def views(graph: Data, kept: Mapping[str, Tensor], seed: int = 0, size: int = 80) -> go.Figure:
    """Draw which edges of a piece of the graph, `size` nodes, stay in each view, the views side by side.

    By its name a view is non-zero where a stored edge stays [edges], as `views.keep_edges` gives; of another length it
    is a UserError.
    """
    part = piece(graph, size, seed)
    counted = [directions_kept(graph, name, mask, part) for name, mask in kept.items()]
    titles = [
        f"{style.plain(name)}: {float((mask != 0).float().mean()):.0%} of the directed edges kept"
        for name, mask in kept.items()
    ]
    panels = {"rows": 1, "cols": len(kept), "subplot_titles": titles, "horizontal_spacing": 0.04}
    fig = style.figure("Edges that stay in a view", part.told, 440, **panels)
    for column, directions in enumerate(counted, start=1):
        for count, (name, colour) in enumerate(KINDS):
            drawn = lines(part.places, part.edges[:, directions == count], colour)
            drawn.update(name=name, showlegend=column == 1, legendgroup=name, line_width=1.6, legendrank=1000 - count)
            fig.add_trace(drawn, row=1, col=column)
        hover = [f"node {node}" for node in part.nodes]
        fig.add_trace(style.points(part.places, {"size": 6, "color": style.MUTED}, hover), 1, column)
    style.bare(fig)
    fig.update_layout(margin_t=100, legend={"orientation": "h", "y": -0.02, "x": 0})
    return fig.update_annotations(font_size=13)


def star_table(run: Run | Mapping[str, Tensor], graph: Data) -> pd.DataFrame:
    """List the edges of the stars of a run of "e2neg", or of its details "centres" [k] and "stars" [2, star_edges].

    A row has "centre", "neighbour", "hops" between them (-1: no path) and "same", whether their classes agree (None
    without labels). A run without stars is a UserError.
    """
    details = run.details if isinstance(run, Run) else run
    if "stars" not in details or "centres" not in details:
        raise UserError("there are no stars here: only runs of 'e2neg' keep details 'centres' and 'stars'")
    neighbour, centre = details["stars"].cpu().numpy()
    hops = hop_distances(adjacency(graph), centre, neighbour)
    labels = _labels(graph)
    same = None if labels is None else labels[neighbour] == labels[centre]
    return pd.DataFrame({"centre": centre, "neighbour": neighbour, "hops": hops, "same": same})


def _labels(graph: Data) -> NDArray[np.int64] | None:
    """Return the class of each node [nodes], None where there is no such one."""
    return None if graph.y is None or graph.y.dim() > 1 else graph.y.cpu().numpy()


def stars(run: Run | Mapping[str, Tensor], graph: Data, shown: Sequence[int] | None = None) -> go.Figure:
    """Draw some stars of a run of "e2neg" or of its details, and three distributions over all of them.

    Labels of the graph, where it has any, colour the nodes. Up to six centres are shown, the first six when None. A run
    without stars, or a node that is no centre, is a UserError.
    """
    table = star_table(run, graph)
    centres = table["centre"].unique().tolist()
    shown = centres[:6] if shown is None else list(shown)[:6]
    if wrong := [node for node in shown if node not in centres]:
        raise UserError(f"node {wrong[0]} is no centre of a star; the centres are {', '.join(map(str, centres))}")
    titles = [f"centre {centre}" for centre in shown] + [""] * (6 - len(shown))
    panels = {"rows": 3, "cols": 3, "subplot_titles": titles, "vertical_spacing": 0.09, "horizontal_spacing": 0.11}
    counts = f"{len(centres)} stars, {len(table):,} star edges; shown: {len(shown)}, a ring per hop from the centre"
    title = f"The stars of E2Neg on {style.plain(getattr(graph, 'name', 'the graph'))}"
    fig = style.figure(title, counts, 780, **panels)
    labels = _labels(graph)
    named: set[str] = set()
    for place, centre in enumerate(shown):
        row, column = place // 3 + 1, place % 3 + 1
        leaves = table[table["centre"] == centre]
        places = _rings(leaves["hops"].to_numpy())
        spokes = np.stack([np.arange(1, len(places)), np.zeros(len(places) - 1, int)])
        fig.add_trace(lines(places, spokes, style.LINE), row=row, col=column)
        nodes = np.concatenate([[centre], leaves["neighbour"].to_numpy()])
        classes = np.full(len(nodes), -1) if labels is None else labels[nodes]
        for index in np.unique(classes[1:]):
            mine = 1 + np.flatnonzero(classes[1:] == index)
            name = style.plain(style.class_name(int(index), graph.get("class_names"), "class "))
            look: dict[str, Any] = {"name": name, "legendgroup": name, "legendrank": 1000 + int(index)}
            look |= {"hovertemplate": f"%{{text}}<br>{name}<extra></extra>", "showlegend": name not in named}
            hover, marker = [f"node {node}" for node in nodes[mine]], {"size": 7, **style.class_marker(int(index))}
            fig.add_trace(style.points(places[mine], marker, hover, **look), row, column)
            named.add(name)
        marker = {"size": 16, "line": {"width": 2, "color": style.INK}, **style.class_marker(int(classes[0]))}
        fig.add_trace(style.points(places[:1], marker, [f"centre {centre}"]), row, column)
        style.bare(fig, row, column)
    _distributions(fig, table)
    return fig.update_layout(bargap=0.08, margin_t=110).update_annotations(font_size=12)


def _rings(hops: np.ndarray) -> np.ndarray:
    """Place a centre at the origin and its leaves on one ring for each number of hops: [1 + leaves, 2]."""
    ring = np.unique(hops, return_inverse=True)[1] + 1
    alike = pd.Series(ring).groupby(ring)
    angle = 2 * np.pi * alike.cumcount() / alike.transform("size") + 0.7 * ring
    return np.vstack([[0, 0], np.stack([ring * np.cos(angle), ring * np.sin(angle)], axis=1)])


def _distributions(fig: go.Figure, table: pd.DataFrame) -> None:
    """Fill the bottom row: size of the stars, hops of their edges, share of the centre's class."""
    each, hops = table.groupby("centre"), table["hops"].value_counts().sort_index()
    sizes, counts, _ = style.binned(each.size(), 20)
    far = ["none" if hop < 0 else str(hop) for hop in hops.index]
    bars = [(sizes, counts, "neighbours of a centre", "centres"), (far, hops, "hops from the centre", "star edges")]
    if table["same"].notna().any():
        shares, counts, _ = style.binned(100 * each["same"].mean(), 20, (0, 100))
        bars.append((shares, counts, "neighbours of the centre's class, %", "centres"))
    else:
        style.bare(fig, 3, 3)
    for column, (x, y, across, up) in enumerate(bars, start=1):
        fig.add_bar(x=x, y=y, marker_color=style.COLOURS[0], showlegend=False, row=3, col=column)
        fig.update_xaxes(title=across, row=3, col=column)
        fig.update_yaxes(title=up, row=3, col=column)
    fig.update_xaxes(type="category", row=3, col=2)
