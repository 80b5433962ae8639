"""What a method makes of a graph: how strongly it pulls and pushes an anchor, which edges its views keep."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import scipy.sparse as sp
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency, hop_distances
from workbench.errors import UserError, node_number
from workbench.plots import style
from workbench.plots.contrast import PULL, PUSH
from workbench.plots.negatives import away
from workbench.plots.network import Piece, lines, piece
from workbench.plots.style import Ids

Weights = tuple[Tensor | None, Tensor | None]  # how strongly an anchor is pulled to each node, and pushed [nodes] each
TITLES = ("the anchor is pulled to each node: P·exp(B)", "and pushed from it: W·exp(B)")
MOST = 60  # nodes that have a column
# Ends, in percent, of the shares of views that keep an edge, and in which colour and width the edge is drawn.
KEPT = {25: (style.FAINT, 1.0), 50: (style.GREY, 2.0), 75: (style.COLOURS[4], 3.5), 100: (style.COLOURS[0], 5.5)}


def pair_weights(weights: Mapping[str, Weights], graph: Data, anchor: int) -> go.Figure:
    """Draw how strongly each method pulls an anchor to each node, above, and pushes it from each, below.

    A row is a method, a column is a node, by its distance from the anchor; of more than 60 nodes the nearest are shown.

    Args:
        weights: by method what `Contrast.of_anchor` returns, or the like: 1 is what GRACE does to its positive and to
            each negative; None for what a method does not do to pairs of nodes.
        graph: with the nodes. anchor: one of them.

    Raises:
        UserError: nothing to draw, weights of another length, or no such node.
    """
    nodes, anchor = int(graph.num_nodes or 0), node_number(anchor, graph.num_nodes)
    if not weights:
        raise UserError("there are no weights of pairs to draw; pass those of at least one method, by its name")
    for name, parts in weights.items():
        if wrong := [len(part) for part in parts if part is not None and len(part) != nodes]:
            raise UserError(f"{name!r} has weights of {wrong[0]} nodes, the graph has {nodes}")
    hops = hop_distances(adjacency(graph), np.full(nodes, anchor), np.arange(nodes))
    order = np.argsort(np.where(hops < 0, nodes, hops), kind="stable")[:MOST]
    shown = f"the {MOST} nearest of {nodes:,} nodes" if nodes > MOST else f"all {nodes} nodes"
    panels = {"rows": 2, "cols": 1, "shared_xaxes": True, "vertical_spacing": 0.1, "subplot_titles": TITLES}
    told = f"Node {anchor} is the anchor; a column each for {shown}. 1 is what GRACE does to a pair"
    fig = style.figure("Whom each method pulls, and from whom it pushes", told, 230 + 46 * len(weights), **panels)
    fig.update_annotations(x=0, xanchor="left", font_size=13)
    for row in range(2):
        drawn = [each[row] for each in weights.values()]
        values = np.array([np.full(nodes, np.nan) if one is None else one.numpy() for one in drawn], float)[:, order]
        fig.add_trace(_squares(values, [*weights], order, hops[order], pushed=bool(row)), row + 1, 1)
        fig.data[-1].colorbar.update(y=0.775 - 0.55 * row, len=0.45, thickness=12)
    for far in np.unique(hops[order]):
        mine = np.flatnonzero(hops[order] == far)
        fig.add_vline(x=mine[-1] + 0.5, line={"color": style.GREY, "width": 1})
        if far:
            place = {"x": mine.mean(), "y": 0, "yref": "paper", "yshift": -28, "yanchor": "top", "showarrow": False}
            fig.add_annotation(text="no path" if far < 0 else away(int(far)).removesuffix(" away"), **place)
    ticks = [f"★{node}" if node == anchor else str(node) for node in order]
    fig.update_xaxes(tickvals=np.arange(len(order)), ticktext=ticks, ticks="", showgrid=False, autotickangles=[0, 90])
    return fig.update_yaxes(autorange="reversed", ticks="", showgrid=False).update_layout(margin_t=112, margin_b=55)


def _squares(values: NDArray[np.float64], names: list[str], nodes: Ids, hops: Ids, pushed: bool) -> go.Heatmap:
    """Return a square per method and node; the colour of a pull grows with its root, so that small ones are seen."""
    low, high = min(np.nanmin(values, initial=0.0), 0.0), max(np.nanmax(values, initial=1.0), 1.0)
    stops = {low: PUSH, 0.0: style.LINE} | ({1.0: style.WARM, max(high, 1.01): PUSH} if pushed else {high: PULL})

    def shade(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return value if pushed else np.sign(value) * np.abs(value) ** 0.5

    at = shade(np.array(sorted(stops)))
    scale = [[(x - at[0]) / (at[-1] - at[0]), stops[stop]] for x, stop in zip(at, sorted(stops), strict=True)]
    said = [[f"node {node}, {away(far)}" for node, far in zip(nodes.tolist(), hops.tolist(), strict=True)]] * len(names)
    told = {"customdata": np.dstack([np.array(said, object), values]), "colorscale": scale}
    told["hovertemplate"] = "%{y}<br>%{customdata[0]}<br>%{customdata[1]:.2f}<extra></extra>"
    ticks = np.unique([low, 0, 0.25, 1, high])
    drawn = style.squares(shade(values), [*map(style.plain, names)], [*range(len(nodes))], (at[0], at[-1]), **told)
    return drawn.update(colorbar={"tickvals": shade(ticks), "ticktext": [f"{tick:.2g}" for tick in ticks]})


def kept_shares(shares: Mapping[str, Tensor], graph: Data, seed: int = 0, size: int = 80) -> go.Figure:
    """Draw in which share of a method's views each edge of a piece of the graph stays, the methods side by side.

    Args:
        shares: by method the share of each stored edge, 0 to 1 [edges]; drawn is the mean of both directions.
        graph: with the edges. seed: of the piece and its layout. size: nodes of the piece.

    Raises:
        UserError: nothing to draw, or shares of another length.
    """
    if not shares:
        raise UserError("there are no shares of edges to draw; pass those of at least one method, by its name")
    part, titles = piece(graph, size, seed), [*map(style.plain, shares)]
    panels = {"rows": 1, "cols": len(shares), "subplot_titles": titles, "horizontal_spacing": 0.03}
    fig = style.figure("How often each edge stays in a view", part.told, 440, **panels)
    for column, (name, share) in enumerate(shares.items(), start=1):
        mean = shares_of(part, graph, name, share)
        for low, high in zip((0, *KEPT), KEPT, strict=False):
            mine = (mean * 100 >= low) & ((mean * 100 < high) | (high == 100))
            colour, width = KEPT[high]
            fig.add_trace(lines(part.places, part.edges[:, mine], colour).update(line_width=width), 1, column)
        ends = part.nodes[part.edges].T.tolist()
        hover = [f"edge {i}–{j}: in {value:.0%} of the views" for (i, j), value in zip(ends, mean, strict=True)]
        middles = part.places[part.edges].mean(0)
        fig.add_trace(style.points(middles, {"size": 9, "opacity": 0, "color": style.GREY}, hover), 1, column)
        degree = np.bincount(part.edges.ravel(), minlength=len(part.nodes))
        marker = {"size": 5 + 2 * np.sqrt(degree), "color": style.INK, "line_color": style.PAPER}
        fig.add_trace(style.points(part.places, marker, [f"node {node}" for node in part.nodes]), 1, column)
    for low, high in reversed([*zip((0, *KEPT), KEPT, strict=False)]):
        entry = {"color": KEPT[high][0], "width": KEPT[high][1]}
        fig.add_scatter(x=[None], y=[None], mode="lines", line=entry, name=f"in {low} to {high} % of the views")
    style.bare(fig)
    fig.update_layout(margin={"t": 100, "l": 10, "r": 10}, legend={"orientation": "h", "y": -0.02, "x": 0})
    return fig.update_annotations(font_size=13)


def shares_of(part: Piece, graph: Data, name: str, share: Tensor) -> NDArray[np.float64]:
    """Return the mean over the stored copies of each edge of a piece, both directions among them [edges of the piece].

    A UserError where the shares, by their name, are of another length than the stored edges.
    """
    if share.shape != (graph.num_edges,):
        raise UserError(f"{name!r} has shape {list(share.shape)}, the graph has {graph.num_edges} stored edges")
    ends, shape = tuple(graph.edge_index.cpu().numpy()), (graph.num_nodes,) * 2
    start, end = part.nodes[part.edges]
    total, count = (
        sp.csr_matrix((one, ends), shape=shape) for one in (share.cpu().double().numpy(), np.ones(graph.num_edges))
    )
    return np.asarray((total[start, end] + total[end, start]) / (count[start, end] + count[end, start])).ravel()
