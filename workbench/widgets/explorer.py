"""The embedding explorer: brush a group on the map and see who they are, in a table and in the graph."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError, node_number
from workbench.evaluation import projection
from workbench.training.run import Run
from workbench.widgets.embedding_scene import ALL_EDGES, NO_EDGES, OWN_EDGES, RULE, EmbeddingScene, table
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, hint_of, look, row, small, wide

TRAINED = "as trained"
ROWS = 200  # of the table


def embedding_explorer(
    run: Run,
    graph: Data,
    colour: str | None = None,
    method: str = "umap",
    node: int | None = None,
    rule: str = "ntsc-soft",
    seed: int = 0,
) -> "EmbeddingExplorer | Report":
    """Explore the embedding of a run: who lies where, who is near whom, in the embedding and in the graph.

    Args:
        run: a trained run; with `fit(..., snapshots=8)` it has a slider over the epochs of its training.
        graph: the graph that it was trained on; labels, where it has any, are used to look.
        colour: "class", "cluster", "degree", "rule score", "probe error" or "neighbourhood hit"; None for the class,
            or without labels the cluster.
        method: of the map, "umap" or "pca".
        node: whose nearest nodes are shown first; None for none in the widget, and a seeded one in the report.
        rule: whose score nodes can be coloured by, a name or a formula.
        seed: of the map, the clusters, the probe's splits and the drawing of the graph.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report with the same pictures: `figures` "map",
        "faithfulness", "graph" and, for a run with snapshots, "epochs"; `selection`, a node and its `nearest`.

    Raises:
        UserError: a run of another graph, no such colour, map method, rule or node.
    """
    scene = EmbeddingScene(run, graph, colour, method, node, rule, seed)
    return Report(scene) if headless() else EmbeddingExplorer(scene)


class EmbeddingExplorer(Shell):
    """The widget.

    Attributes:
        colour, rule, method, links, epoch, node: the controls.
        message, told, near, table: what is told. figures: "map" and "graph".

    The map opens as a first picture by PCA, and says so; `coming` says what is being computed meanwhile.
    """

    scene: EmbeddingScene

    def __init__(self, scene: EmbeddingScene) -> None:
        super().__init__(scene)
        self._make_controls()
        self._show({"map": self._figure(), "graph": scene.draw_graph()})
        self._brush(self._brushed, "map")
        self.children = self._arranged()
        self._observe(self._draw, self.colour, self.rule, self.links)
        self._observe(self._move, self.method, self.epoch)
        self._observe(self._typed, self.node)
        self._mark(scene.selection)
        self._tell()
        self._follow(bool(scene.drawn.judged))

    def _make_controls(self) -> None:
        scene = self.scene
        self.colour = ipw.Dropdown(options=scene.colours(), value=scene.colour, **look(78, "2 1 370px", "coloured by"))
        usual: dict[str, Any] = {"value": scene.rule, "disabled": scene.colour != RULE, "continuous_update": False}
        self.rule = ipw.Combobox(options=rules.names(), **usual, **look(32, "1 1 240px", "rule"))
        self.method = ipw.Dropdown(options=projection.names(), value=scene.method, **look(32, "150px", "map"))
        self.links = ipw.Dropdown(options=[NO_EDGES, OWN_EDGES, ALL_EDGES], **look(40, "220px", "edges"))
        usual = {"value": TRAINED, "disabled": not scene.epochs, "continuous_update": False}
        epochs = [(str(epoch), epoch) for epoch in scene.epochs] + [(TRAINED, TRAINED)]
        self.epoch = ipw.SelectionSlider(options=epochs, **usual, **look(42, "1 1 300px", "epoch"))
        self.node = ipw.Text(placeholder=hint_of(scene.names), continuous_update=False, **look(36, "240px", "node"))
        self.message, self.told, self.near, self.table = (ipw.HTML() for _ in range(4))
        self._name("embedding", "colour", "rule", "method", "links", "epoch", "node", "message", "told", "near")
        self._name("embedding", "table", "coming")

    def _arranged(self) -> list[ipw.Widget]:
        hint = (
            "Draw a lasso or a box to select nodes; click one to list its nearest in the embedding; double click to "
            "select nothing."
        )
        if self.map.data[0].customdata is None:
            hint = "So many nodes are drawn as a density. Select them from Python: explorer.select(nodes)."
        if not self.scene.epochs:
            hint += " This run kept no embedding on the way: fit(..., snapshots=8) gives a slider over its epochs."
        near = ipw.Box([self.near], layout=ipw.Layout(max_height="500px", overflow="auto"))
        facts = ipw.Box([self.table], layout=wide("1 1 420px", max_height="420px", overflow="auto"))
        self._graph_box = ipw.VBox([fit(), self.graph], layout=wide("1 1 420px", display="none"))
        left, right = column("3 1 520px", fit(), self.map), column("1 1 300px", self.node, near)
        return [
            row(self.colour, self.rule, self.method, self.links),
            row(self.epoch),
            self.message,
            self.coming,
            ipw.HTML(small(hint)),
            row(left, right, align="flex-start"),
            self.told,
            row(facts, self._graph_box, align="flex-start"),
        ]

    def select(self, nodes: Iterable[int]) -> None:
        """Select nodes, as a lasso does."""
        numbers = [node_number(node, self.scene.nodes) for node in nodes]
        self.scene.selection = np.unique(np.array(numbers, np.int64))
        self._draw()
        self._selected()

    def choose(self, node: int) -> None:
        """List the nearest nodes of one and select it with them, as a click on it does."""
        self.scene.choose(node)
        self._draw()
        self._selected()

    def _typed(self) -> None:
        if self.node.value.strip():
            self._typed_in(self.node.value, self.scene.names, self.scene.nodes, self.choose)

    def _brushed(self, nodes: np.ndarray) -> None:
        self.scene.chosen, self.scene.selection = None, nodes
        if self.links.value == OWN_EDGES:
            self._draw()
        self._selected()

    def _move(self) -> None:
        epoch = None if self.epoch.value == TRAINED else self.epoch.value
        there = self.scene.move(self.method.value, epoch)
        self._draw()
        self._tell()
        self._follow(there)

    def _follow(self, there: bool) -> None:
        """Compute beside the kernel the map that a first picture is shown of, if it isn't there."""
        scene = self.scene
        if there:
            self._forget()
        else:
            compute = partial(scene.maps.compute, scene.method, scene.epoch)
            self._later(f"{scene.awaited} and how faithful it is", compute, self._arrive)

    def _arrive(self) -> None:
        """Show the map in place of its first picture."""
        scene = self.scene
        first = scene.drawn
        scene.arrive()
        self._draw()
        self._tell()
        self._replaced(first, scene.drawn, self.map)

    def _draw(self) -> None:
        self.rule.disabled = self.colour.value != RULE
        scene = self.scene
        before = scene.colour, scene.rule, scene.edges
        try:
            figure = self._figure()
        except UserError as error:
            scene.colour, scene.rule, scene.edges = before
            kept = self.map.layout.legend.title.text or "what it did"
            self.message.value = complaint(f"{error}. The map still shows {kept}.")
            return
        self.message.value = ""
        self._show({"map": figure})
        self._mark(self.selection)

    def _figure(self) -> go.Figure:
        scene = self.scene
        scene.colour, scene.rule, scene.edges = self.colour.value, self.rule.value, self.links.value
        return scene.draw_map().update_layout(dragmode="lasso", clickmode="event")

    def _listen(self, name: str) -> None:
        if name == "map":  # a click in the graph chooses nothing
            super()._listen(name)

    def _tell(self) -> None:
        """Tell of the selected nodes and of the chosen one."""
        scene, count = self.scene, len(self.selection)
        with self._quietly():
            self.node.value = "" if scene.chosen is None else str(scene.chosen)
        self.told.value = f'<p style="line-height:1.5">{scene.summary()}</p>'
        self.near.value = "" if scene.chosen is None else scene.near()
        more = f"<p>{ROWS} of {count:,}; explorer.facts() has them all</p>" if count > ROWS else ""
        self.table.value = table(scene.facts(ROWS)) + more if count else ""
        self._graph_box.layout.display = "" if count else "none"

    def _selected(self) -> None:
        """Tell of other selected nodes, and draw them in the graph."""
        self._tell()
        if len(self.selection):
            self._show({"graph": self.scene.draw_graph()})
