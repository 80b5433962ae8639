"""Rule scores, on the graph and as a distribution."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.plots import network, style


def rule_scores(graph: Data, scores: Tensor | Mapping[str, Tensor], seed: int = 0, size: int = 120) -> go.Figure:
    """Draw a score per node on a piece of the graph, next to its distribution over all nodes.

    Args:
        graph: the graph that was scored.
        scores: float [nodes], or several such by name, one row of panels each on the same piece of the graph.
        seed: seed of the piece and its layout.
        size: most nodes drawn.

    Raises:
        UserError: a score whose length is not the number of nodes.
    """
    named = {"score": scores} if isinstance(scores, Tensor) else dict(scores)
    for name, score in named.items():
        if score.shape != (graph.num_nodes,):
            raise UserError(f"score {name!r} has shape {list(score.shape)}, the graph has {graph.num_nodes} nodes")
    part, rows = network.piece(graph, size, seed), len(named)
    base = make_subplots(rows, 2, column_widths=[0.6, 0.4], horizontal_spacing=0.16, vertical_spacing=0.22 / rows)
    fig = style.figure("Rule scores of the nodes", f"left: {part.told}; right: all nodes", 100 + 330 * rows, base)
    places = part.places
    for row, (name, score) in enumerate(named.items(), start=1):
        values = score.detach().cpu().double().numpy()
        shown = values[part.nodes]
        middle = 1 - (row - 0.5) / rows
        fig.add_trace(network.lines(places, part.edges), row=row, col=1)
        marker = {
            "color": shown,
            "colorscale": style.SCALE,
            "cmin": values.min(),
            "cmax": values.max(),
            "size": 9,
            "line": {"width": 0.5, "color": "#555555"},
            "colorbar": {"title": name, "x": 0.51, "y": middle, "len": 0.85 / rows, "thickness": 12},
        }
        hover = [f"node {i}<br>{name} {value:.4g}" for i, value in zip(part.nodes, shown, strict=True)]
        fig.add_scatter(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, showlegend=False, text=hover,
                        hovertemplate="%{text}<extra></extra>", row=row, col=1)  # fmt: skip
        counts, edges = np.histogram(values, bins=40)
        fig.add_bar(x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), marker_color=style.COLOURS[0],
                    marker_line={"width": 0.5, "color": "white"}, showlegend=False, row=row, col=2,
                    hovertemplate=f"{name} %{{x:.3g}}<br>%{{y}} nodes<extra></extra>")  # fmt: skip
        style.bare(fig, row=row, col=1)
        fig.update_xaxes(title=f"{name} (no unit)", row=row, col=2)
        fig.update_yaxes(title="nodes", row=row, col=2)
    return fig
