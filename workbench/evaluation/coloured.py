"""The maps of a run with a value for each node: all that a figure of an embedding is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data, HeteroData

from workbench.datasets import kind_of, load_graph, several_labels
from workbench.errors import UserError, unknown
from workbench.evaluation import projection
from workbench.evaluation.embeddings import Embeddings, check_same
from workbench.evaluation.projection import Map
from workbench.evaluation.recommending import one_graph
from workbench.training.run import Run

HITS = "neighbourhood hit"
Colour = str | Tensor | np.ndarray


@dataclass(frozen=True)
class Coloured:
    """Maps of a run by epoch and a value for each node, mapped or not; whole numbers are classes, below 0 none."""

    maps: dict[int, Map]
    values: NDArray[Any]  # [nodes]
    title: str  # what the values are called
    heading: str  # what run it is
    class_names: Sequence[str] | None
    names: Sequence[object] | None  # of the nodes


def maps_of(
    run: Run, colour: Colour, graph: Data | HeteroData | None, method: str, seed: int, snapshots: bool = False
) -> Coloured:
    """Map the trained embedding of a run, or its snapshots, each following the one before, and keep the maps beside it.

    Args:
        colour: "label", "neighbourhood hit" of a single map, the name of an entry of `run.details`, or values [nodes].
        graph: the graph of the run, or users and items, which are mapped together; without it, a colour of "label"
            loads the graph of that name again.
        method: of `projection.names()`. seed: of the map, not of the training.
    """
    if snapshots and not run.snapshots:
        raise UserError("this run kept no embedding on the way: train it with fit(..., snapshots=8) to see its epochs")
    if graph is None and isinstance(colour, str) and colour == "label":
        try:
            graph = load_graph(run.graph)
        except UserError as error:
            message = f"the labels of {run.graph!r} are not stored with the run: pass graph= ({error})"
            raise UserError(message) from error
    if isinstance(graph, HeteroData) and run.kind == "bipartite":
        run, graph = one_graph(run, graph)
    if graph is not None:
        check_same(run, graph)
    values, title = _values(run, colour, graph)
    if snapshots and title == HITS:
        raise UserError("the neighbourhood hit belongs to one map: colour the epochs by 'label' or by values [nodes]")
    options = method, seed, map_folder(run)
    if snapshots:
        maps = dict(projection.over_epochs(run.snapshots, *options))
    else:
        maps = {run.epochs: projection.project(run.embeddings, *options)}
    if title == HITS:
        values = maps[run.epochs].hits_of(len(run.embeddings))
    class_names = getattr(graph, "class_names", None) if title == "class" else None
    heading = f"{run.method} on {run.graph}, seed {run.seed}"
    return Coloured(maps, values, title, heading, class_names, getattr(graph, "node_names", None))


def map_folder(run: Embeddings | None) -> Path | None:
    """Return where the maps of a run are kept, None where the run is not stored or is a matrix."""
    path = getattr(run, "path", None)
    return path / "maps" if path else None


def _values(run: Run, colour: Colour, graph: Any) -> tuple[NDArray[Any], str]:
    """Return one value per node [nodes] and what it is called."""
    title = "colour"
    if isinstance(colour, str):
        if colour == HITS:
            return np.zeros(len(run.embeddings)), HITS
        if colour == "label":
            y = None if graph is None else kind_of(graph).labels(graph)
            if y is None:
                raise UserError(f"graph {run.graph!r} has no labels: colour by {', '.join(run.details) or 'an array'}")
            if several_labels(graph):
                raise UserError(
                    f"graph {run.graph!r} has several labels per node, which a map can't be coloured by at once: "
                    "colour by one of them, graph.y[:, 0], or by 'neighbourhood hit'"
                )
            title, colour = "class", y
        elif colour in run.details:
            title, colour = colour, run.details[colour]
        else:
            fitting = [name for name, value in run.details.items() if value.shape == (len(run.embeddings),)]
            raise unknown("colour", colour, ["label", HITS, *fitting], f"of a run of {run.method!r}")
    wanted = f"one value for each of the {len(run.embeddings)} nodes"
    try:
        values = np.asarray(colour.cpu() if isinstance(colour, Tensor) else colour)
    except ValueError:
        raise UserError(f"a map is coloured by {wanted}, not by rows of several lengths") from None
    if values.shape != (len(run.embeddings),):
        raise UserError(f"{title} has shape {list(values.shape)}; a map is coloured by {wanted}")
    return values, title
