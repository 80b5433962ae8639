"""The map of an embedding: as points, as a density where there are very many, and over the epochs of its training."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets import content_hash, load_graph
from workbench.errors import UserError, unknown
from workbench.evaluation import projection
from workbench.evaluation.projection import Map
from workbench.plots import style
from workbench.training.run import Run

HITS = "neighbourhood hit"
CELLS = 160  # of a density view, along the longer side
LEGEND = 32  # classes; more cannot be told apart


def embedding_map(
    run: Run,
    colour: str | Tensor | np.ndarray = "label",
    graph: Data | None = None,
    method: str = "umap",
    seed: int = 0,
) -> go.Figure:
    """Draw the embedding of a run as a map of its nodes.

    Args:
        run: a trained run.
        colour: "label", "neighbourhood hit" (how faithful the map is about each node), the name of an entry of
            `run.details` with one value a node, or such values [nodes] themselves. Whole numbers are drawn as classes,
            others on a colour scale.
        graph: the graph of the run; without it, a colour of "label" loads the graph of that name again.
        method: "umap" or "pca".
        seed: seed of the map, not of the training.

    Returns:
        A figure whose subtitle says how faithful the map is. Up to 50,000 nodes are drawn as points, of more the
        density of a seeded sample.

    Raises:
        UserError: unknown colour or map method, values of the wrong length, or a graph that cannot be loaded again.
    """
    graph = _graph_of(run, colour, graph)
    values, title = _values(run, colour, graph)
    drawn = projection.project(run.embeddings, method, seed, _folder(run))
    if title == HITS:
        values = np.full(len(run.embeddings), np.nan)
        values[drawn.nodes] = drawn.hits
    heading = f"{run.method} on {run.graph}, seed {run.seed}, {_trained(len(run.history))}"
    return map_figure(drawn, values, title, heading, **_names(graph, title))


def embedding_epochs(
    run: Run,
    colour: str | Tensor | np.ndarray = "label",
    graph: Data | None = None,
    method: str = "pca",
    seed: int = 0,
) -> go.Figure:
    """Draw how the map of a run moved while it was trained, with a slider over the epochs.

    The run must have been trained with `fit(..., snapshots=8)` or so. Each map follows the one before, see
    `projection.project`. Arguments as for `embedding_map`, without "neighbourhood hit".

    Raises:
        UserError: the run has no snapshots; or as for `embedding_map`.
    """
    if not run.snapshots:
        raise UserError("this run kept no embedding on the way: train it with fit(..., snapshots=8) to see its epochs")
    graph = _graph_of(run, colour, graph)
    values, title = _values(run, colour, graph)
    if title == HITS:
        raise UserError("the neighbourhood hit belongs to one map: colour the epochs by 'label' or by values [nodes]")
    maps = dict(projection.over_epochs(run.snapshots, method, seed, _folder(run)))
    return epochs_figure(maps, values, title, f"{run.method} on {run.graph}, seed {run.seed}", **_names(graph, title))


def map_figure(
    drawn: Map,
    values: NDArray[Any],
    title: str,
    heading: str,
    subtitle: str = "",
    class_names: Sequence[str] | None = None,
    names: Sequence[object] | None = None,
    height: int = 560,
) -> go.Figure:
    """Draw a map with its nodes coloured by a value.

    Args:
        drawn: the map.
        values: one value for each node of the graph [nodes], mapped or not; whole numbers are classes, below 0 none.
        title: what the values are called; above the legend.
        heading: title of the figure.
        subtitle: a line that stands before what is said of the map.
        class_names: a name for each class.
        names: a name for each node of the graph [nodes], shown where the mouse is.
        height: pixels.

    Returns:
        A figure with a trace a class, the small classes on top, or one trace on a colour scale; `customdata` holds the
        node of each point. Where the graph has more nodes than are drawn as points, squares stand for the nodes in a
        cell, the fuller the darker, and hold no nodes.
    """
    fig = style.figure(heading, "<br>".join(filter(None, [subtitle, told(drawn, len(values))])), height)
    axis = drawn.method.upper()
    fig.update_xaxes(title=f"{axis} 1 (no unit)", showticklabels=False, ticks="")
    fig.update_yaxes(title=f"{axis} 2 (no unit)", showticklabels=False, ticks="")
    fig.update_layout(legend_title_text=title, margin_t=124 if subtitle else 104)
    shown = values[drawn.nodes]
    dense = len(drawn.nodes) < len(values) and len(drawn.nodes) >= projection.MAX_POINTS
    if np.issubdtype(shown.dtype, np.floating):
        return fig.add_traces(_numbers(drawn, shown, title, names, dense))
    classes = _by_class(drawn, shown, title, class_names, names, dense)
    fig.update_layout(height=max(height, 190 + 20 * min(len(classes), LEGEND)))  # the legend is not to scroll
    return fig.add_traces(classes)


def epochs_figure(
    maps: Mapping[int, Map],
    values: NDArray[Any],
    title: str,
    heading: str,
    class_names: Sequence[str] | None = None,
    names: Sequence[object] | None = None,
) -> go.Figure:
    """Draw maps by epoch with a slider that opens at the last; other arguments as for `map_figure`."""
    epochs = sorted(maps)
    figures = {
        epoch: map_figure(maps[epoch], values, title, heading, _trained(epoch), class_names, names, 640)
        for epoch in epochs
    }
    fig = figures[epochs[-1]]
    frames = [
        go.Frame(
            name=str(epoch),
            data=[{"type": "scattergl", "x": trace.x, "y": trace.y} for trace in one.data],
            layout={"title": {"text": heading, "subtitle": {"text": one.layout.title.subtitle.text}}},
            traces=list(range(len(one.data))),
        )
        for epoch, one in figures.items()
    ]
    fig.update(frames=frames)
    everywhere = np.concatenate([one.points for one in maps.values()])
    for axis, (low, high) in zip("xy", np.stack([everywhere.min(0), everywhere.max(0)], axis=1), strict=True):
        fig.layout[f"{axis}axis"].range = [low - 0.04 * (high - low), high + 0.04 * (high - low)]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": str(epoch), "method": "animate", "args": [[str(epoch)], at_once]} for epoch in epochs]
    slider = {"active": len(epochs) - 1, "steps": steps, "currentvalue": {"prefix": "after epoch "}, "pad": {"t": 40}}
    return fig.update_layout(sliders=[slider])


def told(drawn: Map, nodes: int) -> str:
    """Say of a map of some of a graph's nodes what it is and how faithful, in two lines."""
    sample = "" if len(drawn.nodes) == nodes else f" · a seeded sample of {len(drawn.nodes):,} of {nodes:,} nodes"
    judged = "" if drawn.judged == len(drawn.nodes) else f" (on {drawn.judged:,} nodes)"
    return (
        f"{drawn.method.upper()} of {nodes:,} nodes by cosine, map seed {drawn.seed}{sample}<br>"
        f"trustworthiness {drawn.trustworthiness:.3f}{judged}, neighbourhood hit {drawn.hit:.2f} "
        f"at k = {projection.NEIGHBOURS} (1 = faithful)"
    )


def mark(fig: go.Figure, nodes: Iterable[int] | None) -> None:
    """Set some nodes of a map off from the others, which fade; None takes the mark away."""
    chosen = None if nodes is None else np.fromiter(nodes, np.int64)
    for trace in fig.data:
        if trace.customdata is not None:
            places = None if chosen is None else np.flatnonzero(np.isin(trace.customdata, chosen)).tolist()
            trace.selectedpoints = places


_WHO = ("node %{customdata}<br>", "node %{customdata}%{text}<br>")


def _size(points: int) -> int:
    return 6 if points <= 4_000 else 4 if points <= 10_000 else 3


def _faded(points: int) -> dict[str, Any]:
    """Return how marked points look, and those that are not, once some are."""
    marked = {"opacity": 1, "size": _size(points) + 2}
    return {"selected": {"marker": marked}, "unselected": {"marker": {"opacity": 0.12}}}


def _numbers(
    drawn: Map, shown: NDArray[Any], title: str, names: Sequence[object] | None, dense: bool
) -> list[go.Scattergl]:
    scale = {"colorscale": style.SCALE, "colorbar": {"title": title}, "showscale": True}
    known = np.isfinite(shown)
    if dense:
        cells, places, counts = _cells(drawn)
        within = np.bincount(cells[known], minlength=len(counts))
        mean = np.bincount(cells[known], shown[known], minlength=len(counts)) / np.where(within, within, np.nan)
        marker = {**_square(counts), "color": mean, **scale}
        text = [f"{count:,} nodes<br>mean {title} {value:.4g}" for count, value in zip(counts, mean, strict=True)]
        return [go.Scattergl(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, text=text,
                             hovertemplate="%{text}<extra></extra>")]  # fmt: skip
    outline = {"width": 0.5, "color": style.MUTED}  # the dark end of the scale vanishes on dark paper
    parts = [(known, {"color": shown[known], "line": outline, **scale}, " %{marker.color:.4g}")]
    if not known.all():
        parts.insert(0, (~known, {"color": style.FAINT}, ": none"))
    return [
        go.Scattergl(
            x=drawn.points[mine, 0], y=drawn.points[mine, 1], mode="markers", showlegend=False,
            marker={"size": _size(len(shown)), **marker}, customdata=drawn.nodes[mine],
            text=_text(drawn.nodes[mine], names), **_faded(len(shown)),
            hovertemplate=_WHO[names is not None] + title + f"{value}<extra></extra>",
        )
        for mine, marker, value in parts
    ]  # fmt: skip


def _by_class(
    drawn: Map,
    shown: NDArray[Any],
    title: str,
    class_names: Sequence[str] | None,
    names: Sequence[object] | None,
    dense: bool,
) -> list[go.Scattergl]:
    classes, counts = np.unique(shown, return_counts=True)
    traces, full = [], {}
    if dense:
        cells, places, within = _cells(drawn)
        table = np.stack([np.bincount(cells[shown == one], minlength=len(within)) for one in classes])
        most, full = classes[table.argmax(0)], _square(within)
    for index in classes[np.argsort(-counts, kind="stable")]:
        name = f"no {title}" if index < 0 else class_names[index] if class_names else str(index)
        if index < 0 and title == "class":
            name = "no label"
        common: dict[str, Any] = {"mode": "markers", "name": name, "legendrank": int(index) + 1000,
                                  "showlegend": len(classes) <= LEGEND}  # fmt: skip
        if dense:
            mine = most == index
            marker = {**full, "opacity": full["opacity"][mine], "color": style.class_marker(int(index))["color"]}
            text = [f"{n:,} nodes, {m / n:.0%} of them {title} {name}"
                    for n, m in zip(within[mine], table.max(0)[mine], strict=True)]  # fmt: skip
            traces.append(go.Scattergl(x=places[mine, 0], y=places[mine, 1], marker=marker, text=text,
                                       hovertemplate="%{text}<extra></extra>", **common))  # fmt: skip
            continue
        mine = shown == index
        marker = {"size": _size(len(shown)), "opacity": 0.85, **style.class_marker(int(index))}
        traces.append(go.Scattergl(
            x=drawn.points[mine, 0], y=drawn.points[mine, 1], marker=marker, customdata=drawn.nodes[mine],
            text=_text(drawn.nodes[mine], names), **_faded(len(shown)), **common,
            hovertemplate=_WHO[names is not None] + f"{title} {name}<extra></extra>",
        ))  # fmt: skip
    return traces


def _text(nodes: NDArray[np.int64], names: Sequence[object] | None) -> list[str] | None:
    return None if names is None else [f"<br>{names[node]}" for node in nodes]


def _cells(drawn: Map) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return each point's cell [drawn], and of each cell that is not empty its middle [cells, 2] and its count."""
    low = drawn.points.min(axis=0)
    step = max(float(np.ptp(drawn.points, axis=0).max()), 1e-12) / CELLS
    place = np.floor((drawn.points - low) / step).astype(np.int64)
    found, cells, counts = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    return cells, low + (found + 0.5) * step, counts


def _square(counts: NDArray[np.int64]) -> dict[str, Any]:
    return {"symbol": "square", "size": 4, "opacity": 0.2 + 0.8 * np.log1p(counts) / np.log1p(counts.max())}


def _trained(epochs: int) -> str:
    return f"{epochs} epoch{'s' * (epochs != 1)}" if epochs else "untrained"


def _folder(run: Run) -> Any:
    return run.path / "maps" if run.path else None


def _names(graph: Data | None, title: str) -> dict[str, Any]:
    classes = getattr(graph, "class_names", None) if title == "class" else None
    return {"class_names": classes, "names": getattr(graph, "node_names", None)}


def _values(run: Run, colour: str | Tensor | np.ndarray, graph: Data | None) -> tuple[NDArray[Any], str]:
    """Return one value a node [nodes] and what it is called."""
    title = "colour"
    if isinstance(colour, str):
        if colour == HITS:
            return np.zeros(len(run.embeddings)), HITS
        if colour != "label" and colour not in run.details:
            fitting = [name for name, value in run.details.items() if value.shape == (len(run.embeddings),)]
            raise unknown("colour", colour, ["label", HITS, *fitting], f"of a run of {run.method!r}")
        title = "class" if colour == "label" else colour
        if colour == "label":
            if graph is None or graph.y is None:
                raise UserError(f"graph {run.graph!r} has no labels: colour by {', '.join(run.details) or 'an array'}")
            colour = graph.y
        else:
            colour = run.details[colour]
    values = np.asarray(colour.cpu() if isinstance(colour, Tensor) else colour)
    if values.shape != (len(run.embeddings),):
        raise UserError(f"{title} has shape {list(values.shape)}; a map is coloured by one value for each of the "
                        f"{len(run.embeddings)} nodes")  # fmt: skip
    return values, title


def _graph_of(run: Run, colour: str | Tensor | np.ndarray, graph: Data | None) -> Data | None:
    """Return the graph of a run: the one given, or where its labels are asked for the one that its name loads."""
    if graph is None and isinstance(colour, str) and colour == "label":
        try:
            graph = load_graph(run.graph)
        except UserError as error:
            why = str(error).split(";")[0]
            raise UserError(f"the labels of {run.graph!r} are not stored with the run: pass graph= ({why})") from error
        if content_hash(graph) != run.graph_hash:
            raise UserError(
                f"the graph that loads as {run.graph!r} is not the one of this run: pass the latter as graph="
            )
    if graph is not None and graph.num_nodes != len(run.embeddings):
        raise UserError(f"the run has {len(run.embeddings)} nodes, the graph given has {graph.num_nodes}: pass the "
                        f"graph of the run")  # fmt: skip
    return graph
