"""The stars of E2Neg: each centre with the neighbours that its row is averaged over."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency, hop_distances
from workbench.errors import UserError
from workbench.plots import network, style
from workbench.training.run import Run


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
    same = None if graph.y is None else graph.y.cpu().numpy()[neighbour] == graph.y.cpu().numpy()[centre]
    return pd.DataFrame({"centre": centre, "neighbour": neighbour, "hops": hops, "same": same})


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
    base = make_subplots(3, 3, subplot_titles=titles, vertical_spacing=0.09, horizontal_spacing=0.11)
    counts = f"{len(centres)} stars, {len(table):,} star edges; shown: {len(shown)}, a ring a hop from the centre"
    fig = style.figure(f"The stars of E2Neg on {getattr(graph, 'name', 'the graph')}", counts, 780, base)
    labels = None if graph.y is None else graph.y.cpu().numpy()
    named: set[str] = set()
    for place, centre in enumerate(shown):
        row, column = place // 3 + 1, place % 3 + 1
        leaves = table[table["centre"] == centre]
        places = _rings(leaves["hops"].to_numpy())
        spokes = np.stack([np.arange(1, len(places)), np.zeros(len(places) - 1, int)])
        fig.add_trace(network.lines(places, spokes, style.LINE), row=row, col=column)
        nodes = np.concatenate([[centre], leaves["neighbour"].to_numpy()])
        classes = np.full(len(nodes), -1) if labels is None else labels[nodes]
        for index in np.unique(classes[1:]):
            mine = 1 + np.flatnonzero(classes[1:] == index)
            name = style.class_name(int(index), graph.get("class_names"), "class ")
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
    order = np.argsort(hops, kind="stable")
    ring = np.unique(hops, return_inverse=True)[1][order] + 1
    _, start, count = np.unique(ring, return_index=True, return_counts=True)
    within = np.arange(len(ring)) - np.repeat(start, count)
    angle = 2 * np.pi * within / np.repeat(count, count) + 0.7 * ring
    places = np.zeros((len(hops) + 1, 2))
    places[1:][order] = np.stack([ring * np.cos(angle), ring * np.sin(angle)], axis=1)
    return places


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
