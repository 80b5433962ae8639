"""What is left of the edges in a view."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import scipy.sparse as sp
from plotly.subplots import make_subplots
from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.plots import network, style

KINDS = (("dropped", style.LINE), ("one kept", style.COLOURS[1]), ("both directions kept", style.COLOURS[0]))


def views(graph: Data, kept: Mapping[str, Tensor], seed: int = 0, size: int = 80) -> go.Figure:
    """Draw which edges of a piece of the graph stay in each view, the views side by side on the same piece.

    Args:
        graph: the whole graph.
        kept: by the name of the view, non-zero where a stored edge stays [edges], as `views.keep_edges` gives.
        seed: seed of the piece and its layout.
        size: most nodes drawn.

    Raises:
        UserError: a view that does not have one value for each stored edge.
    """
    part = network.piece(graph, size, seed)
    titles = []
    for name, mask in kept.items():
        if mask.shape != (graph.num_edges,):
            raise UserError(f"{name!r} has shape {list(mask.shape)}, the graph has {graph.num_edges} stored edges")
        titles.append(f"{name}: {float((mask != 0).float().mean()):.0%} of the directed edges kept")
    base = make_subplots(1, len(kept), subplot_titles=titles, horizontal_spacing=0.04)
    fig = style.figure("Edges that stay in a view", part.told, 440, base)
    for column, mask in enumerate(kept.values(), start=1):
        values = (mask.cpu().numpy() != 0).astype(np.int8)
        left = sp.csr_matrix((values, tuple(graph.edge_index.cpu().numpy())), shape=(graph.num_nodes, graph.num_nodes))
        start, end = part.nodes[part.edges]
        directions = np.asarray(left[start, end] + left[end, start]).ravel()
        for count, (name, colour) in enumerate(KINDS):
            lines = network.lines(part.places, part.edges[:, directions == count], colour)
            lines.update(name=name, showlegend=column == 1, legendgroup=name, line_width=1.6, legendrank=1000 - count)
            fig.add_trace(lines, row=1, col=column)
        hover = [f"node {node}" for node in part.nodes]
        fig.add_trace(style.points(part.places, {"size": 6, "color": style.MUTED}, hover), 1, column)
        style.bare(fig, 1, column)
    fig.update_layout(margin_t=100, legend={"orientation": "h", "y": -0.02, "x": 0})
    return fig.update_annotations(font_size=13)
