"""The map of an embedding: as points, as a density where there are very many, and over the epochs of its training."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch_geometric.data import Data, HeteroData

from workbench.evaluation import coloured, projection
from workbench.evaluation.coloured import Colour
from workbench.evaluation.neighbourhoods import NEIGHBOURS
from workbench.evaluation.projection import Map
from workbench.plots import style
from workbench.plots.style import Names
from workbench.training.run import Run

CELLS = 160  # of a density view, along the longer side
LEGEND = 32  # classes; more cannot be told apart
LETTERS = 78  # of a subtitle in a line, so that none is cut where the page is narrow
GRID = 24  # cells along each side in which the densest place of a class is looked for
ROOM = np.array([500, 380])  # pixels that a small map has for the names of its classes
UNMEASURED = "how faithful it is, is being measured …"


def embedding_map(
    run: Run, colour: Colour = "label", graph: Data | HeteroData | None = None, method: str = "umap", seed: int = 0
) -> go.Figure:
    """Draw the embedding of a run as a map of its nodes; the subtitle says how faithful it is.

    Up to 50,000 nodes are drawn as points, of more the density of a seeded sample.

    Args:
        run: a trained run.
        graph: its graph, or users and items, which are mapped together; without it, a colour of "label" loads the graph
            of that name again.
        colour: "label", "neighbourhood hit" (how faithful the map is about each node), the name of an entry of
            `run.details` with a value per node, or such values [nodes] themselves. Whole numbers are drawn as classes,
            others on a colour scale.
        method: "umap" or "pca". seed: of the map, not of the training.

    Raises:
        UserError: unknown colour or map method, values of the wrong length, or a graph that cannot be loaded again.
    """
    of = coloured.maps_of(run, colour, graph, method, seed)
    ((epoch, drawn),) = of.maps.items()
    heading = f"{of.heading}, {trained(epoch)}"
    return map_figure(drawn, of.values, of.title, heading, class_names=of.class_names, names=of.names)


def embedding_epochs(
    run: Run, colour: Colour = "label", graph: Data | HeteroData | None = None, method: str = "pca", seed: int = 0
) -> go.Figure:
    """Draw how the map of a run moved while it was trained, with a slider over the epochs.

    The run must have been trained with `fit(..., snapshots=8)` or so. Each map follows the one before, see
    `projection.project`. Arguments as for `embedding_map`, without "neighbourhood hit".

    Raises:
        UserError: the run has no snapshots; or as for `embedding_map`.
    """
    of = coloured.maps_of(run, colour, graph, method, seed, snapshots=True)
    return epochs_figure(of.maps, of.values, of.title, of.heading, of.class_names, of.names)


def map_figure(
    drawn: Map,
    values: NDArray[Any],
    title: str,
    heading: str,
    subtitle: str = "",
    class_names: Names = None,
    names: Names = None,
    height: int = 560,
    alone: int | None = None,
    items: str = "nodes",
) -> go.Figure:
    """Draw a map with its nodes coloured by a value, one for each node of the graph [nodes], mapped or not.

    Whole numbers are classes, below 0 none, and drawn as a trace each, the small classes on top; others as one trace on
    a colour scale. `customdata` holds the node of each point. Where the graph has more nodes than are drawn as points,
    squares stand for the nodes in a cell, the fuller the darker, and hold no nodes. The title is that of the values,
    the heading that of the figure; `names`, of the nodes of the graph, are shown where the mouse is. A class may stand
    `alone`, on top of all others in grey. `items` is what the points are called.
    """
    lines = [*map(style.plain, textwrap.wrap(subtitle, LETTERS)), told(drawn, len(values), items)]
    title = style.plain(title)
    fig = style.figure(style.plain(heading), "<br>".join(lines), height)
    for number, axis in enumerate((fig.layout.xaxis, fig.layout.yaxis), start=1):
        axis.update(title=f"{drawn.method.upper()} {number} (no unit)", showticklabels=False, ticks="")
    fig.update_layout(legend_title_text=title, margin_t=104 + 20 * (len(lines) - 1))
    shown = values[drawn.nodes]
    dense = len(drawn.nodes) < len(values) and len(drawn.nodes) >= projection.MAX_POINTS
    if np.issubdtype(shown.dtype, np.floating):
        return fig.add_traces(_numbers(drawn, shown, title, names, dense))
    classes = _by_class(drawn, shown, title, class_names, names, dense, alone)
    fig.update_layout(height=max(height, 190 + 20 * min(len(classes), LEGEND)))  # the legend is not to scroll
    return fig.add_traces(classes)


def epochs_figure(
    maps: Mapping[int, Map],
    values: NDArray[Any],
    title: str,
    heading: str,
    class_names: Names = None,
    names: Names = None,
) -> go.Figure:
    """Draw maps by epoch with a slider that opens at the last; other arguments as for `map_figure`."""
    epochs = sorted(maps)
    frames = []
    for epoch in epochs:
        fig = map_figure(maps[epoch], values, title, heading, trained(epoch), class_names, names, 640)
        moved = [{"type": "scattergl", "x": trace.x, "y": trace.y} for trace in fig.data]
        layout = {"title": {"text": fig.layout.title.text, "subtitle": {"text": fig.layout.title.subtitle.text}}}
        frames.append(go.Frame(name=str(epoch), data=moved, layout=layout, traces=list(range(len(moved)))))
    fig.update(frames=frames)
    fig.layout.xaxis.range, fig.layout.yaxis.range = spans([drawn.points for drawn in maps.values()])
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": str(epoch), "method": "animate", "args": [[str(epoch)], at_once]} for epoch in epochs]
    slider = {"active": len(epochs) - 1, "steps": steps, "currentvalue": {"prefix": "after epoch "}, "pad": {"t": 40}}
    return fig.update_layout(sliders=[slider])


def spans(places: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the ends of two axes [2, 2] between which all of some places [marks, 2] stand, with a margin."""
    whole = np.concatenate(places)
    low, high = whole.min(axis=0), whole.max(axis=0)
    return np.stack([low, high], axis=1) + 0.04 * np.outer(high - low, [-1, 1])


def told(drawn: Map, nodes: int, items: str = "nodes") -> str:
    """Say of a map of some nodes, or other items, what it is and how faithful, in two lines."""
    sample = "" if len(drawn.nodes) == nodes else f" · a seeded sample of {len(drawn.nodes):,} of {nodes:,} {items}"
    axes = "" if drawn.fitted == len(drawn.nodes) else f", axes by {drawn.fitted:,} of them"
    judged = "" if drawn.judged == len(drawn.nodes) else f" (on {drawn.judged:,} {items})"
    faithful = (
        f"trustworthiness {drawn.trustworthiness:.3f}{judged}, neighbourhood hit {drawn.hit:.2f} "
        f"at k = {NEIGHBOURS} (1 = faithful)"
    )
    return (
        f"{drawn.method.upper()} of {nodes:,} {items} by cosine{axes}, map seed {drawn.seed}{sample}<br>"
        f"{faithful if drawn.judged else UNMEASURED}"
    )


def class_labels(
    drawn: Map, values: NDArray[Any], class_names: Names = None, otherwise: str = "class ", alone: int | None = None
) -> list[dict[str, Any]]:
    """Return annotations that name each class where most of it lies on a map, the large ones first.

    No two of them overlap on a map of 500 x 380 pixels: a name moves to the next best place, or is left out.
    `values` are the classes of the nodes of the graph, below 0 none; `otherwise` is that of `style.class_name`.
    """
    low, span = drawn.points.min(axis=0), np.maximum(np.ptp(drawn.points, axis=0), 1e-12)
    cells = np.minimum((drawn.points - low) / span * GRID, GRID - 1).astype(int)
    shown, placed = values[drawn.nodes], list[tuple[str, NDArray[Any], NDArray[Any]]]()
    classes, counts = np.unique(shown, return_counts=True)
    for index in classes[np.argsort(-counts, kind="stable")].tolist():
        if index < 0 or alone not in (None, index):
            continue
        name = textwrap.shorten(style.class_name(index, class_names, otherwise), 24, placeholder="…")
        half = np.array([7 * len(name) + 10, 20]) / 2 / ROOM
        full = np.zeros((GRID, GRID))
        np.add.at(full, tuple(cells[shown == index].T), 1)
        full = gaussian_filter(full, 1)
        best = np.argsort(-full, axis=None)[: np.count_nonzero(full > full.max() / 20)]
        places = np.clip((np.stack(np.unravel_index(best, full.shape), axis=1) + 0.5) / GRID, half, 1 - half)
        free = [place for place in places if all((abs(place - at) >= half + its).any() for _, at, its in placed)]
        if free:
            placed.append((name, free[0], half))
    look = {"showarrow": False, "font": {"size": 12, "color": style.INK}, "bgcolor": style.PAPER, "opacity": 0.85}
    return [
        {"text": style.plain(name), "x": float(at[0]), "y": float(at[1]), "borderpad": 1, **look}
        for name, at, _ in ((name, low + at * span, half) for name, at, half in placed)
    ]


def mark(fig: go.Figure, nodes: Iterable[int] | None) -> None:
    """Set some nodes of a map off from the others, which fade; None takes the mark away."""
    chosen = None if nodes is None else np.fromiter(nodes, np.int64)
    for trace in fig.data:
        if trace.customdata is not None:
            marked = None if chosen is None else np.flatnonzero(np.isin(trace.customdata, chosen)).tolist()
            trace.selectedpoints = marked


def _nodes(
    drawn: Map, mine: NDArray[np.bool_], marker: dict[str, Any], said: str, names: Names, **more: Any
) -> go.Scattergl:
    """Return some of the mapped nodes as points, which fade while others are marked; `said` follows who they are."""
    nodes, size = drawn.nodes[mine], 6 if len(mine) <= 4_000 else 4 if len(mine) <= 10_000 else 3
    text = None if names is None else ["<br>" + style.plain(names[node]).replace("\n", "<br>") for node in nodes]
    hover = f"node %{{customdata}}{'' if names is None else '%{text}'}<br>{said}<extra></extra>"
    marked = {"marker": {"opacity": 1, "size": size + 2}}
    look = {"hovertemplate": hover, "selected": marked, "unselected": {"marker": {"opacity": 0.12}}, **more}
    return style.points(drawn.points[mine], {"size": size, **marker}, text, nodes, gl=True, **look)


def _numbers(drawn: Map, shown: NDArray[Any], title: str, names: Names, dense: bool) -> list[go.Scattergl]:
    bar = {"title": {"text": title, "side": "right"}, "thickness": 14}
    scale = {"colorscale": style.SCALE, "colorbar": bar, "showscale": True}
    known = np.isfinite(shown)
    if dense:
        cells, places, counts = _cells(drawn)
        within = np.bincount(cells[known], minlength=len(counts))
        mean = np.bincount(cells[known], shown[known], minlength=len(counts)) / np.where(within, within, np.nan)
        text = [f"{count:,} nodes<br>mean {title} {value:.4g}" for count, value in zip(counts, mean, strict=True)]
        return [style.points(places, {**_square(counts), "color": mean, **scale}, text, gl=True)]
    outline = {"width": 0.5, "color": style.MUTED}  # the dark end of the scale vanishes on dark paper
    marker = {"color": shown[known], "line": outline, **scale}
    traces = [_nodes(drawn, known, marker, f"{title} %{{marker.color:.4g}}", names)]
    if not known.all():
        traces.insert(0, _nodes(drawn, ~known, {"color": style.FAINT}, f"{title}: none", names))
    return traces


def _by_class(
    drawn: Map,
    shown: NDArray[Any],
    title: str,
    class_names: Names,
    names: Names,
    dense: bool,
    alone: int | None,
) -> list[go.Scattergl]:
    classes, counts = np.unique(shown, return_counts=True)
    traces, full = [], {}
    if dense:
        cells, places, within = _cells(drawn)
        table = np.stack([np.bincount(cells[shown == index], minlength=len(within)) for index in classes])
        most, full = classes[table.argmax(0)], _square(within)
    for index in classes[np.lexsort((-counts, classes == alone))].tolist():
        name = f"no {title}" if index < 0 and title != "class" else style.plain(style.class_name(index, class_names))
        look = style.class_marker(index if alone in (None, index) else -1)
        legend = {"name": name, "legendrank": index + 1000, "showlegend": len(classes) <= LEGEND}
        if dense:
            mine = most == index
            shares = zip(within[mine], table.max(0)[mine], strict=True)
            text = [f"{nodes:,} nodes, {own / nodes:.0%} of them {title} {name}" for nodes, own in shares]
            marker = {**full, "opacity": full["opacity"][mine], "color": look["color"]}
            traces.append(style.points(places[mine], marker, text, gl=True, **legend))
        else:
            marker = {"opacity": 0.85 if alone in (None, index) else 0.5, **look}
            traces.append(_nodes(drawn, shown == index, marker, f"{title} {name}", names, **legend))
    return traces


def _cells(drawn: Map) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return each point's cell [drawn], and of each cell that is not empty its middle [cells, 2] and its count."""
    low = drawn.points.min(axis=0)
    step = max(float(np.ptp(drawn.points, axis=0).max()), 1e-12) / CELLS
    place = np.floor((drawn.points - low) / step).astype(np.int64)
    found, cells, counts = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    return cells, low + (found + 0.5) * step, counts


def _square(counts: NDArray[np.int64]) -> dict[str, Any]:
    return {"symbol": "square", "size": 4, "opacity": 0.2 + 0.8 * np.log1p(counts) / np.log1p(counts.max())}


def trained(epochs: int) -> str:
    """Return how far a training is, in words."""
    return f"{epochs} epoch{'s' * (epochs != 1)}" if epochs else "untrained"
