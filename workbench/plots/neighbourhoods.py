"""Where nodes stand in the graph: they and their neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.plots import network, style
from workbench.plots.network import Piece


def neighbourhood_map(
    part: Piece,
    selected: NDArray[np.int64],
    classes: NDArray[np.int64] | None = None,
    class_names: Sequence[str] | None = None,
    names: Sequence[object] | None = None,
) -> go.Figure:
    """Draw a piece of a graph in which some nodes are ringed.

    Args:
        part: the piece, e.g. of `network.around`. selected: the nodes that are ringed.
        classes: of each node of the graph [nodes], below 0 for none; None draws all nodes alike.
        class_names, names: of the classes, and of the nodes of the graph.
    """
    fig = style.figure("In the graph", part.told, 420)
    fig.add_trace(network.lines(part.places, part.edges))
    ringed = np.isin(part.nodes, selected)
    kinds = np.zeros(len(part.nodes), int) if classes is None else classes[part.nodes]
    for kind in np.unique(kinds):
        mine = kinds == kind
        name = "nodes" if classes is None else style.class_name(int(kind), class_names)
        marker: dict[str, Any] = {
            **style.class_marker(int(kind)),
            "size": np.where(ringed[mine], 11, 7),
            "line": {"width": np.where(ringed[mine], 2, 0.5), "color": style.INK},
            "opacity": np.where(ringed[mine], 1.0, 0.65),
        }
        hover = [f"node {i}" + ("" if names is None else f"<br>{names[i]}") + f"<br>{name}" for i in part.nodes[mine]]
        marks = style.points(part.places[mine], marker, hover, part.nodes[mine], name=name)
        fig.add_trace(marks.update(showlegend=classes is not None))
    style.bare(fig)
    return fig.update_layout(legend_title_text="class; selected nodes are ringed", margin={"l": 10, "r": 10})
