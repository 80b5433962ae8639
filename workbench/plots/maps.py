"""The map of an embedding."""

import numpy as np
import plotly.graph_objects as go
from torch import Tensor
from torch_geometric.data import Data

from workbench import projection
from workbench.errors import UserError, unknown
from workbench.graphs import content_hash, load_graph
from workbench.plots import style
from workbench.runs import Run


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
        colour: "label", the name of an entry of `run.details` with one value a node, or such values [nodes] themselves.
            Whole numbers are drawn as classes, others on a colour scale.
        graph: the graph of the run; without it, a colour of "label" loads the graph of that name again.
        method: "umap" or "pca".
        seed: seed of the map, not of the training.

    Returns:
        A figure whose subtitle carries the map's trustworthiness at 15 neighbours.

    Raises:
        UserError: unknown colour or map method, values of the wrong length, or a graph that cannot be loaded again.
    """
    nodes = len(run.embeddings)
    if graph is None and isinstance(colour, str) and colour == "label":
        graph = _reload(run)
    if graph is not None and graph.num_nodes != nodes:
        raise UserError(f"the run has {nodes} nodes, the graph given has {graph.num_nodes}: pass the graph of the run")
    values, title = _values(run, colour, graph)
    drawn = projection.project(run.embeddings, method, seed, run.path / "maps" if run.path else None)
    share = "" if len(drawn.nodes) == nodes else f" · a seeded sample of {len(drawn.nodes):,} of {nodes:,} nodes"
    judged = "" if drawn.judged == len(drawn.nodes) else f", measured on {drawn.judged:,} nodes"
    subtitle = (
        f"{method.upper()} of [{nodes:,}, {run.embeddings.shape[1]}] by cosine, map seed {seed}{share}<br>"
        f"trustworthiness {drawn.trustworthiness:.3f} at k = {projection.NEIGHBOURS}{judged} (1 = faithful)"
    )
    trained = f"{len(run.history)} epochs" if len(run.history) else "untrained"
    fig = style.figure(f"{run.method} on {run.graph}, seed {run.seed}, {trained}", subtitle, 560)
    fig.update_xaxes(title=f"{method.upper()} 1 (no unit)", showticklabels=False, ticks="")
    fig.update_yaxes(title=f"{method.upper()} 2 (no unit)", showticklabels=False, ticks="")
    fig.update_layout(legend_title_text=title, margin_t=100)
    names = getattr(graph, "node_names", None)
    hover = np.array([f"node {i}" + (f"<br>{names[i]}" if names else "") for i in drawn.nodes])
    places, values = drawn.points, values[drawn.nodes]
    size = 7 if len(places) <= 4_000 else 5 if len(places) <= 10_000 else 3
    if np.issubdtype(values.dtype, np.floating):
        marker = {"size": size, "color": values, "colorscale": style.SCALE, "colorbar": {"title": title}}
        text = [f"{name}<br>{title} {value:.4g}" for name, value in zip(hover, values, strict=True)]
        return fig.add_scattergl(x=places[:, 0], y=places[:, 1], mode="markers", marker=marker, text=text,
                                 hovertemplate="%{text}<extra></extra>")  # fmt: skip
    classes, counts = np.unique(values, return_counts=True)
    titles = getattr(graph, "class_names", None) if title == "class" else None
    fig.update_layout(height=max(560, 190 + 20 * min(len(classes), 32)))  # the legend is not to scroll
    for index in classes[np.argsort(-counts, kind="stable")]:  # the small classes on top
        mine = values == index
        name = "no label" if index < 0 and title == "class" else titles[index] if titles else str(index)
        marker = {"size": size, "opacity": 0.85, **style.class_marker(int(index))}
        fig.add_scattergl(x=places[mine, 0], y=places[mine, 1], mode="markers", marker=marker, name=name,
                          legendrank=int(index) + 1000, text=hover[mine], showlegend=len(classes) <= 32,
                          hovertemplate="%{text}<br>" + f"{title} {name}<extra></extra>")  # fmt: skip
    return fig


def _values(run: Run, colour: str | Tensor | np.ndarray, graph: Data | None) -> tuple[np.ndarray, str]:
    """Return one value a node [nodes] and what it is called."""
    title = "colour"
    if isinstance(colour, str):
        if colour != "label" and colour not in run.details:
            fitting = [name for name, value in run.details.items() if value.shape == (len(run.embeddings),)]
            raise unknown("colour", colour, ["label", *fitting], f"of a run of {run.method!r}")
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


def _reload(run: Run) -> Data:
    """Load the graph of a run again by its name, and make sure that it is the one that was trained on."""
    try:
        graph = load_graph(run.graph)
    except UserError as error:
        told = str(error).split(";")[0]
        raise UserError(f"the labels of {run.graph!r} are not stored with the run: pass graph= ({told})") from error
    if content_hash(graph) != run.graph_hash:
        raise UserError(f"the graph that loads as {run.graph!r} is not the one of this run: pass the latter as graph=")
    return graph
