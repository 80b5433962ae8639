"""The embedding explorer: brush a group on the map and see who they are, in a table and in the graph."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError, node_number, unknown
from workbench.evaluation import projection
from workbench.widgets.atlas import RULE, Atlas
from workbench.widgets.embedding_scene import ALL_EDGES, NO_EDGES, OWN_EDGES, ROWS, EmbeddingScene, table
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, hint_of, look, row, small, wide

if TYPE_CHECKING:
    from workbench.training.run import Run

TRAINED = "as trained"


def embedding_explorer(
    run: "Run",
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
    atlas = Atlas(run, graph, seed)
    known = [name for _, name in atlas.colours()]
    colour = colour or known[0]
    if colour not in known:
        raise unknown("colour", colour, known, "of the embedding explorer on this graph")
    projection.projections.get(method)
    rules.formula(rule)
    chosen = None if node is None else node_number(node, atlas.nodes)
    scene = EmbeddingScene(atlas, colour, method, chosen, rule)
    return Report(scene) if headless() else EmbeddingExplorer(scene)


class EmbeddingExplorer(Shell):
    """The widget.

    Attributes:
        colour, rule, method, links, epoch, node: the controls.
        message, told, near, table: what is told. figures: "map" and "graph".
    """

    scene: EmbeddingScene

    def __init__(self, scene: EmbeddingScene) -> None:
        super().__init__(scene)
        self._make_controls()
        self._show({"map": self._figure(), "graph": scene.graph()})
        self._brush(self._brushed, "map")
        self.children = self._arranged()
        self._observe(self._draw, self.colour, self.rule, self.links)
        self._observe(self._move, self.method, self.epoch)
        self._observe(self._typed, self.node)
        if scene.chosen is not None:
            self.choose(scene.chosen)
        else:
            self._tell()

    def _make_controls(self) -> None:
        atlas, scene = self.atlas, self.scene
        usual: dict[str, Any] = {"value": scene.colour, "description": "coloured by"}
        self.colour = ipw.Dropdown(options=atlas.colours(), **usual, **look(78, "2 1 370px"))
        usual = {"value": scene.rule, "options": rules.names(), "disabled": scene.colour != RULE}
        self.rule = ipw.Combobox(description="rule", continuous_update=False, **usual, **look(32, "1 1 240px"))
        usual = {"value": scene.method, "description": "map"}
        self.method = ipw.Dropdown(options=projection.names(), **usual, **look(32, "150px"))
        usual = {"options": [NO_EDGES, OWN_EDGES, ALL_EDGES], "description": "edges"}
        self.links = ipw.Dropdown(**usual, **look(40, "220px"))
        epochs = [(str(epoch), epoch) for epoch in atlas.epochs] + [(TRAINED, TRAINED)]
        usual = {"value": TRAINED, "continuous_update": False, "disabled": not atlas.epochs}
        self.epoch = ipw.SelectionSlider(options=epochs, description="epoch", **usual, **look(42, "1 1 300px"))
        usual = {"placeholder": hint_of(atlas.names), "continuous_update": False}
        self.node = ipw.Text(description="node", **usual, **look(36, "240px"))
        self.message, self.told, self.near, self.table = (ipw.HTML() for _ in range(4))
        self._name("embedding", "colour", "rule", "method", "links", "epoch", "node", "message", "told", "near")
        self._name("embedding", "table")

    def _arranged(self) -> list[ipw.Widget]:
        hint = (
            "Draw a lasso or a box to select nodes; click one to list its nearest in the embedding; double click to "
            "select nothing."
        )
        if self.map.data[0].customdata is None:
            hint = "So many nodes are drawn as a density. Select them from Python: explorer.select(nodes)."
        if not self.atlas.epochs:
            hint += " This run kept no embedding on the way: fit(..., snapshots=8) gives a slider over its epochs."
        near = ipw.Box([self.near], layout=ipw.Layout(max_height="500px", overflow="auto"))
        facts = ipw.Box([self.table], layout=wide("1 1 420px", max_height="420px", overflow="auto"))
        self._graph_box = ipw.VBox([fit(), self.graph], layout=wide("1 1 420px", display="none"))
        left, right = column("3 1 520px", fit(), self.map), column("1 1 300px", self.node, near)
        return [
            row(self.colour, self.rule, self.method, self.links),
            row(self.epoch),
            self.message,
            ipw.HTML(small(hint)),
            row(left, right, align="flex-start"),
            self.told,
            row(facts, self._graph_box, align="flex-start"),
        ]

    def select(self, nodes: Iterable[int]) -> None:
        """Select nodes, as a lasso does."""
        numbers = [node_number(node, self.atlas.nodes) for node in nodes]
        self.scene.selection = np.unique(np.array(numbers, np.int64))
        self._draw()
        self._show_selection()

    def choose(self, node: int) -> None:
        """List the nearest nodes of one and select it with them, as a click on it does."""
        self.scene.choose(node_number(node, self.atlas.nodes))
        with self._quietly():
            self.node.value = str(self.chosen)
        self._draw()
        self._show_selection()

    def _typed(self) -> None:
        if self.node.value.strip():
            self._typed_in(self.node.value, self.atlas.names, self.atlas.nodes, self.choose)

    def _brushed(self, nodes: np.ndarray) -> None:
        self.scene.chosen, self.scene.selection = None, nodes
        with self._quietly():
            self.node.value = ""
        if self.links.value == OWN_EDGES:
            self._draw()
        self._show_selection()

    def _move(self) -> None:
        scene, epoch = self.scene, None if self.epoch.value == TRAINED else self.epoch.value
        for lacking in self.atlas.maps(self.method.value, epoch):
            self.message.value = f"computing the map {'of epoch ' + str(lacking) if lacking is not None else TRAINED} …"
        self.message.value = ""
        scene.method, scene.epoch = self.method.value, epoch
        scene.drawn = self.atlas.map(scene.method, epoch)
        self._draw()
        self._tell()

    def _draw(self) -> None:
        self.rule.disabled = self.colour.value != RULE
        scene = self.scene
        before = scene.colour, scene.rule, scene.links
        try:
            figure = self._figure()
        except UserError as error:
            scene.colour, scene.rule, scene.links = before
            kept = self.map.layout.legend.title.text or "what it did"
            self.message.value = complaint(f"{error}. The map still shows {kept}.")
            return
        if self.message.value:
            self.message.value = ""
        self._show({"map": figure})
        self._mark(self.selection)

    def _figure(self) -> go.Figure:
        scene = self.scene
        scene.colour, scene.rule, scene.links = self.colour.value, self.rule.value, self.links.value
        return scene.map().update_layout(dragmode="lasso", clickmode="event")

    def _listen(self, name: str) -> None:
        if name == "map":  # a click in the graph chooses nothing
            super()._listen(name)

    def _show_selection(self) -> None:
        self._tell()
        self._graph_box.layout.display = "" if len(self.selection) else "none"
        if len(self.selection):
            self._show({"graph": self.scene.graph()})

    def _tell(self) -> None:
        scene, nodes = self.scene, self.selection
        self.told.value = f'<p style="line-height:1.5">{self.atlas.summary(nodes)}</p>'
        near = "" if self.chosen is None else f"<b>{scene.heading_of_chosen()}</b>{table(scene.nearest)}"
        more = f"<p>{ROWS} of {len(nodes):,}; explorer.facts() has them all</p>" if len(nodes) > ROWS else ""
        self.near.value, self.table.value = near, table(scene.facts(ROWS)) + more if len(nodes) else ""
