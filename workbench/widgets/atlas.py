"""The atlas of a set of graphs: a map of its embedding, on which a click, or the mouse above a point, draws a graph."""

from collections.abc import Sequence
from functools import cached_property

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import projection
from workbench.evaluation.embeddings import check_same
from workbench.evaluation.projection import Map
from workbench.plots import atlas, maps
from workbench.training.run import Run
from workbench.widgets.home import preamble, written
from workbench.widgets.shell import Report, Shell, headless, row, small


def graph_atlas(
    run: Run, graphs: Sequence[Data], method: str = "umap", graph: int = 0, seed: int = 0
) -> "GraphAtlas | Report":
    """Explore the embedding of a set of graphs: the map of all, and the drawing of the one that is looked at.

    Args:
        run: a trained run.
        graphs: the set that it was trained on; classes, where it has any, are used to look.
        method: of the map, "umap" or "pca".
        graph: which one is drawn first.
        seed: of the map.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report: `figures` "map", "graph", and "atlas", which has
        graphs drawn all over the map.

    Raises:
        UserError: other data than a set of graphs, a run of another set, or no such graph or map method.
    """
    scene = AtlasScene(run, graphs, method, graph, seed)
    return Report(scene) if headless() else GraphAtlas(scene)


class AtlasScene:
    """What the atlas shows.

    Attributes:
        run, graphs, method, seed: as for `graph_atlas`.
        chosen: number of the graph that is drawn.
    """

    widget = "atlas of graphs"

    def __init__(self, run: Run, graphs: Sequence[Data], method: str, graph: int, seed: int):
        kind = kind_of(graphs)
        if kind.name != "graph-sets":
            raise UserError(f"the atlas shows sets of graphs; this is {kind.words}, which embedding_explorer shows")
        check_same(run, graphs)
        self.run, self.graphs, self.method, self.seed, self.chosen = run, graphs, method, seed, 0
        y = kind.labels(graphs)
        self.classes = None if y is None else y.numpy().astype(np.int64)
        self.choose(graph)

    @cached_property
    def drawn(self) -> Map:
        """The map."""
        return projection.project(self.run.embeddings, self.method, self.seed)

    def choose(self, graph: int) -> None:
        """Choose the graph that is drawn; a UserError where there is none of that number."""
        if not 0 <= graph < len(self.graphs):
            raise UserError(f"there is no graph {graph}; the set has graphs 0 to {len(self.graphs) - 1}")
        self.chosen = graph

    def draw_map(self) -> go.Figure:
        """Draw the map of all graphs; the chosen one is ringed where it is mapped."""
        values = np.zeros(len(self.graphs), np.int64) if self.classes is None else self.classes
        names = [f"graph {number}" for number in range(len(self.graphs))]
        heading = f"Graphs as {self.run.method} embeds them"
        return maps.map_figure(self.drawn, values, "class", heading, names=names, items="graphs")

    def draw_graph(self) -> go.Figure:
        """Draw the chosen graph."""
        said = "" if self.classes is None else f"class {self.classes[self.chosen]}"
        return atlas.graph_drawing(self.graphs[self.chosen], self.chosen, said)

    def figures(self) -> dict[str, go.Figure]:
        """Draw "map", "graph" and "atlas"."""
        shown = {"map": self.draw_map(), "graph": self.draw_graph()}
        return {**shown, "atlas": atlas.graph_atlas(self.drawn, self.graphs, self.classes)}

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        return [figures["atlas"], figures["graph"]]


class GraphAtlas(Shell):
    """The widget.

    Attributes:
        number: the control that chooses a graph, as a click on the map or the mouse above a point does.
        message: what is wrong. figures: "map" and "graph".
    """

    scene: AtlasScene

    def __init__(self, scene: AtlasScene) -> None:
        super().__init__(scene)
        self.message = ipw.HTML()
        last = len(scene.graphs) - 1
        self.number = ipw.BoundedIntText(value=scene.chosen, min=0, max=last, description="graph")
        hint = small("A click on a point, or the mouse above it, draws its graph.")
        self._show({"map": scene.draw_map(), "graph": scene.draw_graph()})
        shown = row(self.figures["map"], self.figures["graph"], align="flex-start")
        self.children = (row(self.number, self.undo, ipw.HTML(hint)), self.message, shown)
        self.undo.keep(self.number)
        self._observe(self._numbered, self.number)

    def _listen(self, name: str) -> None:
        """Listen to clicks on the points of the map, and to the mouse above them."""
        super()._listen(name)
        if name == "map":
            for trace in self.figures[name].data:
                if trace.customdata is not None:
                    trace.on_hover(self._clicked)

    def _numbered(self) -> None:
        self.choose(self.number.value)

    def choose(self, node: int) -> None:
        """Draw a graph, by its number."""
        self.scene.choose(node)
        self.number.value = node
        self._show({"graph": self.scene.draw_graph()})

    def call(self) -> str:
        """Return the Python that makes this widget as it stands."""
        state = {"method": self.scene.method, "graph": self.scene.chosen, "seed": self.scene.seed}
        return preamble(run=self.scene.run, graphs=self.scene.graphs) + written(graph_atlas, "run", "graphs", **state)
