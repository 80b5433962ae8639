"""The embedding explorer: brush a group on the map and see who they are, in a table and in the graph."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data, HeteroData
from traitlets import Tuple

from workbench import rules
from workbench.errors import UserError, node_number
from workbench.evaluation import projection
from workbench.evaluation.neighbourhoods import typed_as
from workbench.evaluation.recommending import one_graph
from workbench.training.run import Run
from workbench.widgets.embedding_scene import ALL_EDGES, NO_EDGES, OWN_EDGES, RULE, EmbeddingScene
from workbench.widgets.home import WRITTEN, preamble, written
from workbench.widgets.kinds import ALL, Kinds
from workbench.widgets.live import zoom_out
from workbench.widgets.search import search_field, zoom
from workbench.widgets.selections import Take, selections
from workbench.widgets.shell import Report, Shell, complaint, fit, headless, look, row, sentences, small, wide
from workbench.widgets.tables import table

TRAINED = "as trained"
ROWS = 200  # of the table


def embedding_explorer(
    run: Run,
    graph: Data | HeteroData,
    colour: str | None = None,
    method: str = "umap",
    node: int | None = None,
    rule: str = "ntsc-soft",
    seed: int = 0,
) -> "EmbeddingExplorer | Report":
    """Explore the embedding of a run: who lies where, who is near whom, in the embedding and in the graph.

    Args:
        run: a trained run; with `fit(..., snapshots=8)` it has a slider over the epochs of its training.
        graph: the graph that it was trained on, or users and items, which are then the nodes of one graph, the users
            first; labels, where it has any, are used to look.
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
    if isinstance(graph, HeteroData) and getattr(run, "kind", "") == "bipartite":
        run, graph = one_graph(run, graph)
    scene = EmbeddingScene(run, graph, colour, method, node, rule, seed)
    return Report(scene) if headless() else EmbeddingExplorer(scene)


class EmbeddingExplorer(Shell):
    """The widget.

    Attributes:
        colour, rule, method, links, epoch, node, whole, share, shared, alone: the controls.
        message, told, near, table: what is told. figures: "map" and "graph".
        looked_at: the selected nodes and the chosen one, or None, for the button that goes back.

    The map opens as a first picture by PCA, and says so; `coming` says what is being computed meanwhile.
    """

    scene: EmbeddingScene
    looked_at = Tuple()

    def __init__(self, scene: EmbeddingScene) -> None:
        super().__init__(scene)
        self._make_controls()
        self._show({"map": self._figure(), "graph": scene.draw_graph()})
        self._brush(self._brushed, "map")
        self.children = self._arranged()
        self.looked_at = self._state
        self.undo.keep(self.colour, self.rule, self.method, self.links, self.epoch, self.alone)
        self.undo.keep(self, trait="looked_at")
        self._observe(self._draw, self.colour, self.rule, self.links, self.alone)
        self._observe(self._move, self.method, self.epoch)
        self._observe(self._typed, self.node)
        self._observe(self._shared_as, self.share)
        self._observe(self._take, self.shared)
        self._observe(self._take, self.shared, trait="version")
        self.observe(self._back, "looked_at")
        self.whole.on_click(lambda _: zoom_out(self.map))
        self._mark(scene.selection)
        self._tell()
        self._follow(bool(scene.drawn.judged))

    def _make_controls(self) -> None:
        scene = self.scene
        self.colour = ipw.Dropdown(options=scene.colours(), value=scene.colour, **look(78, "2 1 290px", "coloured by"))
        usual: dict[str, Any] = {"value": scene.rule, "disabled": scene.colour != RULE, "continuous_update": False}
        self.rule = ipw.Combobox(options=rules.names(), **usual, **look(32, "1 1 190px", "rule"))
        self.method = ipw.Dropdown(options=projection.names(), value=scene.method, **look(32, "130px", "map"))
        self.links = ipw.Dropdown(options=[NO_EDGES, OWN_EDGES, ALL_EDGES], **look(40, "190px", "edges"))
        usual = {"value": TRAINED, "disabled": not scene.epochs, "continuous_update": False}
        epochs = [(str(epoch), epoch) for epoch in scene.epochs] + [(TRAINED, TRAINED)]
        self.epoch = ipw.SelectionSlider(options=epochs, **usual, **look(42, "1 1 300px", "epoch"))
        self.node = search_field(scene.names, **look(36, "1 1 240px", "node"))
        self.whole = ipw.Button(icon="expand", tooltip="show the whole map", layout=ipw.Layout(width="42px"))
        hint = "a name for the selected nodes"
        self.share = ipw.Text(placeholder=hint, continuous_update=False, **look(58, "1 1 250px", "share as"))
        self.shared = Take(**look(36, "1 1 170px", "take"))
        self.kinds = Kinds()
        self.alone = self.kinds.chosen
        self.message, self.told, self.near, self.table = (ipw.HTML() for _ in range(4))
        self._name("embedding", "colour", "rule", "method", "links", "epoch", "node", "message", "told", "near")
        self._name("embedding", "table", "coming", "whole", "share", "shared", "alone")

    def _arranged(self) -> list[ipw.Widget]:
        hint = (
            "Draw a lasso or a box to select nodes; click one to list its nearest in the embedding; double click to "
            "select nothing."
        )
        if self.map.data[0].customdata is None:
            hint = "So many nodes are drawn as a density. Select them from Python: explorer.select(nodes)."
        if not self.scene.epochs:
            hint += " This run kept no embedding on the way: fit(..., snapshots=8) gives a slider over its epochs."
        self._near_box = ipw.Box([self.near], layout=wide("1 1 470px", max_height="520px", overflow="auto"))
        facts = ipw.Box([self.table], layout=ipw.Layout(max_height="420px", overflow="auto"))
        self._graph_box = ipw.VBox([fit(), self.graph], layout=wide("1 1 420px", display="none"))
        self.epoch.layout.display = "" if self.scene.epochs else "none"
        return [
            row(self.colour, self.rule, self.method, self.links),
            row(self.node, self.whole, self.epoch, self.undo),
            self.message,
            self.coming,
            ipw.HTML(small(hint)),
            fit(),
            self.map,
            self.kinds,
            self.told,
            row(self.share, self.shared),
            row(self._near_box, self._graph_box, align="flex-start"),
            facts,
        ]

    def call(self) -> str:
        """Return the Python that makes this explorer as it stands."""
        scene, node = self.scene, self.scene.chosen
        usual = scene.colours()[0][1]
        state = {"colour": None if scene.colour == usual else scene.colour, "method": scene.method, "rule": scene.rule}
        made = written(embedding_explorer, "run", "graph", **state, node=node, seed=scene.seed)
        controls = {"links": NO_EDGES, "epoch": TRAINED, "alone": ALL}
        now = {name: getattr(self, name).value for name in controls}
        lines = [f"explorer.{name}.value = {now[name]!r}" for name in controls if now[name] != controls[name]]
        if node is None and 0 < len(self.selection) <= WRITTEN:
            lines.append(f"explorer.select({self.selection.tolist()})")
        elif node is None and len(self.selection):
            lines.append(f"# {len(self.selection):,} nodes are selected, explorer.selection: share them by a name")
        made = "\n".join([f"explorer = {made}", *lines, "explorer"]) if lines else made
        return preamble(run=scene.run, graph=scene.graph) + made

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
            self._typed_in(self.node.value, self.scene.graph, self._find)

    def _find(self, node: int) -> None:
        """Choose a node that was looked for, and show the part of the map where it stands."""
        self.choose(node)
        if not zoom(self.map, self.scene.drawn, node):
            self.message.value = complaint(f"Node {node} is not in the sample that the map shows.")

    def _shared_as(self) -> None:
        """Share the selected nodes by the name that was typed, for as long as it stands there."""
        if name := self.share.value.strip():
            selections[name] = self.selection

    def _take(self) -> None:
        """Select what another widget shares."""
        if self.shared.value and self.shared.value != self.share.value.strip():
            try:
                nodes = self.shared.nodes(self.scene.nodes)
            except UserError as error:
                self.message.value = complaint(str(error))
            else:
                self.scene.chosen = None
                self.select(nodes)

    @property
    def _state(self) -> tuple[tuple[int, ...], int | None]:
        return tuple(self.selection.tolist()), self.scene.chosen

    def _back(self, _: Any) -> None:
        """Select what was selected before."""
        if self.looked_at != self._state:
            nodes, self.scene.chosen = self.looked_at
            self.select(nodes)

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
        before = scene.colour, scene.rule, scene.edges, scene.alone
        try:
            figure = self._figure()
        except UserError as error:
            scene.colour, scene.rule, scene.edges, scene.alone = before
            with self._quietly():
                self.kinds.offer(scene.kinds())
            kept = self.map.layout.legend.title.text or "what it did"
            self.message.value = complaint(sentences(error, f"The map still shows {kept}"))
            return
        self.message.value = ""
        self._show({"map": figure})
        self._mark(self.selection)

    def _figure(self) -> go.Figure:
        scene = self.scene
        scene.colour, scene.rule, scene.edges = self.colour.value, self.rule.value, self.links.value
        with self._quietly():
            self.kinds.offer(scene.kinds())
        scene.alone = None if self.alone.value == ALL else self.alone.value
        return scene.draw_map().update_layout(dragmode="lasso", clickmode="event", showlegend=False)

    def _listen(self, name: str) -> None:
        if name == "map":  # a click in the graph chooses nothing
            super()._listen(name)

    def _tell(self) -> None:
        """Tell of the selected nodes and of the chosen one."""
        scene, count = self.scene, len(self.selection)
        with self._quietly():
            self.node.value = "" if scene.chosen is None else typed_as(scene.chosen, scene.names, scene.ids)
        self.told.value = f'<p style="line-height:1.5">{scene.summary()}</p>'
        self.near.value = "" if scene.chosen is None else scene.near()
        self._near_box.layout.display = "" if self.near.value else "none"
        more = f"<p>{ROWS} of {count:,}; explorer.facts() has them all</p>" if count > ROWS else ""
        self.table.value = table(scene.facts(ROWS)) + more if count else ""
        self._graph_box.layout.display = "" if count else "none"

    def _selected(self) -> None:
        """Tell of other selected nodes, and draw them in the graph."""
        self._tell()
        self.looked_at = self._state
        self._shared_as()
        if len(self.selection):
            self._show({"graph": self.scene.draw_graph()})
        self._changed()

    def _on_screen(self) -> list[str]:
        return ["map", "graph"] if len(self.selection) else ["map"]
