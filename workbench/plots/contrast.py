"""What a contrast does, in one picture: two views of a small graph, what is pulled together and what pushed apart."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast.measures import node_classes
from workbench.errors import UserError, node_number
from workbench.plots import style
from workbench.plots.network import Piece, directions_kept, lines, piece
from workbench.plots.style import Names

PULL, PUSH = style.COLOURS[2], style.COLOURS[5]
APART = 2.4  # between the middles of the two views, whose places lie in [-1, 1]


def pulled_and_pushed(
    graph: Data, kept: Mapping[str, Tensor], anchor: int, negatives: Sequence[int], seed: int = 0
) -> go.Figure:
    """Draw an anchor in one view, its positive and some negatives in the other, and what the loss does to each pair.

    Where the graph has labels they colour the nodes, and a negative of the anchor's own class is called a false one.

    Args:
        graph: a small one, of which all is drawn. kept: by the names of two views, as for `views`.
        anchor: whose loss. negatives: some of the nodes that it is pushed away from. seed: of the layout.

    Raises:
        UserError: not two views, one of another length, or no such node.
    """
    if len(kept) != 2:
        raise UserError(f"a contrast is drawn between two views, not {len(kept)}")
    nodes = [node_number(node, graph.num_nodes) for node in (anchor, *negatives)]
    part = piece(graph, graph.num_nodes, seed, anchor)
    where = {int(node): place for place, node in enumerate(part.nodes)}
    if missing := [node for node in nodes if node not in where]:
        raise UserError(f"node {missing[0]} has no path to node {anchor}, around which the graph is drawn")
    labels = node_classes(graph)
    fig = style.figure("What is pulled together, and what is pushed apart", f"Node {anchor} is the anchor", 460)
    sides = {name: part.places + np.array([shift, 0]) for name, shift in zip(kept, (0, APART), strict=True)}
    for (name, places), mask in zip(sides.items(), kept.values(), strict=True):
        _view(fig, places, part, graph, labels, directions_kept(graph, name, mask, part) > 0)
        fig.add_annotation(x=places[:, 0].mean(), y=1.18, text=style.plain(name), showarrow=False, font_size=13)
    (left, right), here = sides.values(), where[nodes[0]]
    own = [labels[node] == labels[nodes[0]] >= 0 for node in nodes[1:]]
    pairs = [("pulled together: the same node", PULL, "solid", [here])]
    pairs += [
        (
            f"pushed apart: {what}",
            PUSH,
            dash,
            [where[node] for node, mine in zip(nodes[1:], own, strict=True) if mine == same],
        )
        for what, dash, same in (("another class", "dash", False), ("its own class, a false negative", "solid", True))
    ]
    for name, colour, dash, ends in pairs:
        places = np.stack([np.repeat(left[[here]], len(ends), 0), right[ends]])
        ties = np.arange(2 * len(ends)).reshape(2, -1)
        look = {"name": name, "showlegend": bool(ends), "line": {"color": colour, "width": 2.5, "dash": dash}}
        fig.add_trace(lines(places.reshape(-1, 2), ties).update(look))
        ring = {**style.RING, "size": 17, "color": colour}
        fig.add_trace(style.points(right[ends], ring, legendgroup=name))
    star = {"symbol": "star", "size": 19, "color": style.INK, "line": {"width": 1, "color": style.PAPER}}
    fig.add_trace(style.points(left[[here]], star, [f"node {anchor}, the anchor"], name="the anchor", showlegend=True))
    style.bare(fig)
    return fig.update_layout(legend={"orientation": "h", "y": -0.02, "x": 0}, margin={"l": 10, "r": 10})


def _view(
    fig: go.Figure,
    places: NDArray[np.float64],
    part: Piece,
    graph: Data,
    labels: NDArray[np.int64],
    there: NDArray[np.bool_],
) -> None:
    """Draw one view: the edges that it keeps, faint where they were dropped, and the nodes by class."""
    fig.add_trace(lines(places, part.edges[:, ~there], style.LINE))
    fig.add_trace(lines(places, part.edges[:, there], style.GREY))
    names: Names = graph.get("class_names")
    for index in np.unique(labels[part.nodes]):
        mine = labels[part.nodes] == index
        said = style.plain(style.class_name(int(index), names, "class "))
        marker = {"size": 9, **style.class_marker(int(index)), "line": {"width": 0.5, "color": style.INK}}
        fig.add_trace(style.points(places[mine], marker, [f"node {node}, {said}" for node in part.nodes[mine]]))
