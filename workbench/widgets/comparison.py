"""The comparison of two embeddings: brush a group on the map of one and see where its nodes are on the other's."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from workbench.errors import node_number, unknown
from workbench.evaluation import projection
from workbench.plots import agreement as plots
from workbench.widgets.live import live
from workbench.widgets.pair import MOVED, Pair, line, tables
from workbench.widgets.shell import Report, Shell, column, fit, headless, hint_of, look, row, small

if TYPE_CHECKING:
    from workbench.evaluation.scores import Embeddings


def comparison(
    one: "Embeddings",
    other: "Embeddings",
    graph: Data,
    k: int = 15,
    colour: str | None = None,
    method: str = "umap",
    node: int | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> "Comparison | Report":
    """Compare two embeddings of one graph: their maps side by side, linked, and the numbers where they disagree.

    Two training seeds of one configuration differ as well: look at these first to know what a difference is worth.

    Args:
        one: a run, or a matrix [nodes, dim]. other: a second; the dimensions may differ.
        graph: the graph of both; labels, where it has any, are used to look.
        k: how many nearest nodes make a neighbourhood.
        colour: "class", "neighbourhood overlap" or "neighbourhood hit"; None for the class, or without any the overlap.
        method: of the maps, "umap" or "pca".
        node: whose nearest are ringed first; None for none in the widget, in the report for the one that moved most.
        groups: a whole number a node to take for its class [nodes]; None for the labels, if any.
        seed: of the maps, the bootstrap and the shuffled rows.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report with the same pictures: `figures` "maps" and, with
        classes, "classes" and "change". Both have the measures as `.agreement`.

    Raises:
        UserError: an embedding that doesn't fit the graph, no such colour, map method or node, or k or groups out of
            range.
    """
    projection.projections.get(method)
    pair = Pair(one, other, graph, k, groups, seed)
    known = plots.colours(pair.agreement)
    pair.colour, pair.method = colour or known[0], method
    if pair.colour not in known:
        raise unknown("colour", pair.colour, known, "of this comparison")
    pair.chosen = None if node is None else node_number(node, pair.nodes)
    return Report(pair) if headless() else Comparison(pair)


class Comparison(Shell):
    """The widget.

    Attributes:
        colour, method, node, clear, moved: the controls; `moved` lists the nodes that moved most.
        message, told, numbers: what is told. maps: the two figures. classes: what is told of classes.
    """

    scene: Pair

    def __init__(self, pair: Pair):
        super().__init__(pair)
        self._selection: NDArray[np.int64] = np.empty(0, np.int64)
        self._make_controls()
        self._show(self._figures())
        self.maps = self.figures["one"], self.figures["other"]
        self._brush(self._select, "one", "other")
        self.classes = [live(figure) for figure in pair.by_class()]
        self.figures |= {f"class {place}": figure for place, figure in enumerate(self.classes)}
        self.children = self._arranged()
        self._tell()
        self._observe(self._draw, self.colour)
        self._observe(lambda: self._draw(moved=True), self.method)
        self._observe(self._typed, self.node)
        self._observe(lambda: self._choose(self.moved.value), self.moved)
        self.clear.on_click(lambda _: self._select([], None))

    @property
    def selection(self) -> NDArray[np.int64]:
        """The selected nodes, ascending, int64 [selected]; setting it selects them on both maps."""
        return self._selection

    @selection.setter
    def selection(self, nodes: Iterable[int]) -> None:
        self._select([node_number(node, self.scene.nodes) for node in nodes])

    def _make_controls(self) -> None:
        pair = self.scene
        colours = plots.colours(pair.agreement)
        known = [(f"{name} — {plots.LOOK}" if name == plots.CLASS else name, name) for name in colours]
        usual: dict[str, Any] = {"value": pair.colour, "description": "coloured by"}
        self.colour = ipw.Dropdown(options=known, **usual, **look(78, "1 1 260px"))
        usual = {"value": pair.method, "description": "maps"}
        self.method = ipw.Dropdown(options=projection.names(), **usual, **look(40, "160px"))
        usual = {"placeholder": hint_of(pair.node_names), "continuous_update": False}
        self.node = ipw.Text(description="node", **usual, **look(40, "240px"))
        self.clear = ipw.Button(description="select nothing", icon="times", layout=ipw.Layout(width="150px"))
        self.moved = ipw.Select(rows=10, layout=ipw.Layout(width="auto"))
        self.heading, self.message, self.told, self.numbers = (ipw.HTML() for _ in range(4))
        self._name("comparison", "colour", "method", "node", "clear", "moved", "heading", "message", "told", "numbers")

    def _arranged(self) -> list[ipw.Widget]:
        half = "1 1 400px"
        hint = small(
            "Draw a lasso or a box on either map to select nodes on both; click a node, or choose it in the list, to "
            "ring it and its nearest in either embedding; double click to select nothing."
        )
        by_class = "This graph has no classes: groups= takes any."
        if self.classes:
            by_class = tables({"By class": self.agreement.classes.rename(columns=self.scene.headings)})
        return [
            row(self.colour, self.method, self.node, self.clear, align="flex-start"),
            self.message,
            ipw.HTML(hint),
            fit(),
            row(*(column(half, shown) for shown in self.maps), align="flex-start"),
            row(column(half, self.numbers), column(half, self.heading, self.moved, self.told), align="flex-start"),
            *self.classes,
            ipw.HTML(by_class),
        ]

    def choose(self, node: int) -> None:
        """Ring a node and its nearest in either embedding, as the list does."""
        self._choose(node_number(node, self.scene.nodes))

    def _choose(self, node: int | None) -> None:
        self.scene.chosen = node
        self._draw()
        self._tell()

    def _typed(self) -> None:
        if self.node.value:
            self._typed_in(self.node.value, self.scene.node_names, self.scene.nodes, self._choose)
        else:
            self.message.value = ""
            self._choose(None)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            node = int(trace.customdata[points.point_inds[0]])
            self._select([node], node)

    def _select(self, nodes: ArrayLike, *chosen: int | None) -> None:
        self._selection = np.unique(np.asarray(nodes, np.int64))
        self._choose(*chosen or (self.scene.chosen,))

    def _figures(self) -> dict[str, go.Figure]:
        self.scene.method, self.scene.colour = self.method.value, self.colour.value
        drawn = dict(zip(("one", "other"), self.scene.drawn(), strict=True))
        for figure in drawn.values():
            figure.update_layout(dragmode="lasso", clickmode="event", uirevision="map")
        return drawn

    def _draw(self, moved: bool = False) -> None:
        drawn = self._figures()
        for name, figure in {} if moved else drawn.items():  # what a hand has zoomed to stays
            shown = self.figures[name].layout
            figure.update_layout(xaxis_range=shown.xaxis.range, yaxis_range=shown.yaxis.range)
        self._show(drawn)
        self._mark(self._selection)

    def _tell(self) -> None:
        selection, pair = self._selection, self.scene
        self.numbers.value = pair.numbers(selection)
        self.told.value = "" if pair.chosen is None else pair.of_node(pair.chosen)
        self.heading.value = f"<b>{MOVED}{', of the selected' if len(selection) > 1 else ''}</b>"
        rows = pair.moved_of(selection)
        with self._quietly():
            self.node.value = "" if pair.chosen is None else str(pair.chosen)
            options = [(line(moved), int(moved["node"])) for moved in rows.to_dict("records")]
            if options != list(self.moved.options):
                self.moved.options = options
            self.moved.value = pair.chosen if pair.chosen in rows["node"].to_numpy() else None
