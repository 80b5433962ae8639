"""Graphs of a set drawn where they lie on the map of its embedding."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

from workbench.evaluation.projection import Map
from workbench.plots import style
from workbench.plots.maps import told
from workbench.plots.network import lines
from workbench.plots.style import Names

CELLS = (6, 5)  # of the map, across and down; one graph is drawn in each
MOST_NODES = 120  # of a graph that is drawn


def graph_atlas(
    drawn: Map, graphs: Sequence[Data], classes: NDArray[np.int64] | None = None, class_names: Names = None
) -> go.Figure:
    """Draw a map of a set of graphs, and in each of its cells the graph that lies nearest to the middle of the others.

    Points are all graphs. A graph that is drawn stands in the middle of its cell, so that none covers another, and in
    the colour of its class; of more than 120 nodes, where its neighbours are, stands a point alone.

    Args:
        drawn: where the graphs lie.
        graphs: the set.
        classes: of each graph [graphs], below 0 for none; None draws all alike.
        class_names: of the classes.
    """
    fig = style.figure("Graphs where they lie", told(drawn, len(graphs), "graphs"), 720)
    places = _spread(drawn.points)
    kinds = np.zeros(len(graphs), np.int64) if classes is None else classes
    chosen, middles = _chosen(places)
    fig.add_trace(style.points(places, {"size": 4, "color": style.FAINT}, name="all graphs"))
    for kind in np.unique(kinds[drawn.nodes[chosen]]):
        mine = kinds[drawn.nodes[chosen]] == kind
        name = "graphs" if classes is None else style.plain(style.class_name(int(kind), class_names, "class "))
        marker = {**style.class_marker(int(kind)), "size": 5}
        nodes, ends, hover, of = [], [], list[str](), list[int]()
        for row, middle in zip(chosen[mine], middles[mine], strict=True):
            number = int(drawn.nodes[row])
            shape, edges = laid_out(graphs[number])
            nodes.append(middle + 0.4 * shape)
            ends.append(np.hstack([nodes[-1][edges], np.full((len(edges), 1, 2), np.nan)]).reshape(-1, 2))
            hover += [f"graph {number}<br>{name}<br>{graphs[number].num_nodes} nodes"] * len(shape)
            of += [number] * len(shape)
        line = {"color": style.class_marker(int(kind))["color"], "width": 1.2}
        x, y = np.concatenate(ends).T
        fig.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False))
        marks = style.points(np.concatenate(nodes), marker, hover, np.array(of), name=name)
        fig.add_trace(marks.update(showlegend=classes is not None))
    style.bare(fig)
    return fig.update_layout(legend_title_text="class", margin={"l": 10, "r": 10})


def graph_drawing(graph: Data, number: int, said: str = "", names: Names = None) -> go.Figure:
    """Draw one graph of a set; nodes are coloured by their largest attribute where attributes are one-hot.

    Args:
        graph: undirected.
        number: of it in the set.
        said: what stands below the title, e.g. its class.
        names: of the columns of attributes.
    """
    subtitle = f"{graph.num_nodes} nodes, {graph.num_edges // 2} edges" + (f"; {said}" if said else "")
    fig = style.figure(f"Graph {number}", style.plain(subtitle), 420)
    if graph.num_nodes > MOST_NODES:
        return fig.update_layout(annotations=[{"text": f"more than {MOST_NODES} nodes", "showarrow": False}])
    shape, edges = laid_out(graph)
    fig.add_trace(lines(shape, edges.T))
    x = graph.x.numpy()
    one_hot = bool(((x == 0) | (x == 1)).all() and (x.sum(1) == 1).all())
    kinds = x.argmax(1) if one_hot else np.zeros(len(x), np.int64)
    for kind in np.unique(kinds):
        mine = kinds == kind
        name = style.plain(style.class_name(int(kind), names, "attribute "))
        marker = {**style.class_marker(int(kind)), "size": 9, "line": {"width": 0.5, "color": style.INK}}
        hover = [f"node {node}<br>{name}" for node in np.flatnonzero(mine)]
        fig.add_trace(style.points(shape[mine], marker, hover, name=name).update(showlegend=one_hot))
    style.bare(fig)
    return fig.update_layout(margin={"l": 10, "r": 10})


def laid_out(graph: Data, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return places of the nodes in [-1, 1] [nodes, 2], all at 0 where there are too many, and the edges [edges, 2]."""
    if graph.num_nodes > MOST_NODES:
        return np.zeros((1, 2)), np.empty((0, 2), np.int64)
    drawn = to_networkx(graph, to_undirected=True, remove_self_loops=True)
    found = nx.spring_layout(drawn, seed=seed, iterations=80, k=1.2 / np.sqrt(max(len(drawn), 1)))
    places = np.array([found[node] for node in range(len(drawn))], dtype=np.float64).reshape(-1, 2)
    places -= (places.max(0) + places.min(0)) / 2 if len(places) else 0
    widest = np.abs(places).max(initial=0)
    return places / widest if widest else places, np.array(drawn.edges, np.int64).reshape(-1, 2)


def _spread(points: Any) -> NDArray[np.float64]:
    """Return places that fill as many units as there are cells, each axis by itself [drawn, 2]."""
    low, high = points.min(0), points.max(0)
    filled: NDArray[np.float64] = (points - low) / np.where(high > low, high - low, 1) * CELLS
    return filled


def _chosen(places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return one row for each cell that has any, and the middles of those cells [cells, 2]."""
    cells = np.minimum(places.astype(np.int64), np.array(CELLS) - 1)
    away = np.linalg.norm(places - cells - 0.5, axis=1)
    order = np.lexsort((away, cells[:, 1], cells[:, 0]))
    first = np.unique(cells[order], axis=0, return_index=True)[1]
    rows = order[np.sort(first)]
    return rows, cells[rows] + 0.5
