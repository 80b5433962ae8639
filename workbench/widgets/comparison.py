"""The comparison of two embeddings: brush a group on the map of one and see where its nodes are on the other's."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from torch_geometric.data import Data

from workbench.errors import UserError, node_number, unknown
from workbench.evaluation import projection
from workbench.plots import agreement as plots
from workbench.widgets.atlas import found_node
from workbench.widgets.brush import Brush
from workbench.widgets.live import live
from workbench.widgets.pair import MOVED, Pair, line, tables
from workbench.widgets.shell import Report, Shell, complaint, fit, headless, narrow, row, small, wide

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
        one: a run, or a matrix [nodes, dim].
        other: a second; the dimensions may differ.
        graph: the graph of both; labels, where it has any, are used to look.
        k: how many nearest nodes make a neighbourhood.
        colour: "class", "neighbourhood overlap" or "neighbourhood hit"; None for the class, or without any the overlap.
        method: of the maps, "umap" or "pca".
        node: whose nearest nodes are ringed first; None for none in the widget, and the one that moved most in the
            report.
        groups: a whole number a node to take for its class [nodes]; None for the labels, if any.
        seed: of the maps, the bootstrap and the shuffled rows.

    Returns:
        The widget; the last expression of a cell shows it. With WORKBENCH_HEADLESS=1, when nobody is there to click,
        a static report with the same pictures: `figures` "maps" and, with classes, "classes" and "change". Both have
        the measures as `.agreement`.

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
    """The widget; its parts are attributes, so that a script can set what a hand would.

    Attributes:
        colour, method, node, clear, moved: the controls; `moved` lists the nodes that moved most.
        message, told, numbers: what is told. maps: the two figures. classes: what is told of classes.
        scene: the pair. agreement: what was measured.
    """

    def __init__(self, pair: Pair):
        super().__init__()
        self.scene, self.agreement = pair, pair.agreement
        self._selection: NDArray[np.int64] = np.empty(0, np.int64)
        self._make_controls()
        self._show(self._figures())
        self.maps = self.figures["one"], self.figures["other"]
        self._brushes = [Brush(shown, self._select) for shown in self.maps]
        self.classes = [live(figure) for figure in pair.by_class()]
        self.figures |= {f"class {place}": figure for place, figure in enumerate(self.classes)}
        self.children = self._arranged()
        self._tell()
        for brush in self._brushes:
            brush.listen()
        self._connect()

    @property
    def chosen(self) -> int | None:
        """The node that is ringed with its nearest, or None."""
        return self.scene.chosen

    @property
    def selection(self) -> NDArray[np.int64]:
        """The selected nodes, ascending, int64 [selected]; setting it selects them on both maps."""
        return self._selection

    @selection.setter
    def selection(self, nodes: Iterable[int]) -> None:
        self._select([node_number(node, self.scene.nodes) for node in nodes])

    # ---------------------------------------------------------------------------------------------------- parts

    def _make_controls(self) -> None:
        pair = self.scene
        known = [
            (f"{name} — {plots.LOOK}" if name == plots.CLASS else name, name) for name in plots.colours(self.agreement)
        ]
        look = {"layout": ipw.Layout(flex="1 1 260px"), "style": narrow(78)}
        self.colour = ipw.Dropdown(options=known, value=pair.colour, description="coloured by", **look)
        look = {"layout": ipw.Layout(width="160px"), "style": narrow(40)}
        self.method = ipw.Dropdown(options=projection.names(), value=pair.method, description="maps", **look)
        hint = "number" if pair.node_names is None else "number or part of a name"
        look = {"layout": ipw.Layout(width="240px"), "style": narrow(40)}
        self.node = ipw.Text(description="node", continuous_update=False, placeholder=hint, **look)
        self.clear = ipw.Button(description="select nothing", icon="times", layout=ipw.Layout(width="150px"))
        self.moved = ipw.Select(rows=10, layout=ipw.Layout(width="auto"))
        self.heading, self.message, self.told, self.numbers = (ipw.HTML() for _ in range(4))
        self._name("comparison", "colour", "method", "node", "clear", "moved", "heading", "message", "told", "numbers")

    def _arranged(self) -> list[ipw.Widget]:
        half = wide("1 1 400px")
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
            row(*(ipw.VBox([shown], layout=half) for shown in self.maps), align="flex-start"),
            row(
                ipw.VBox([self.numbers], layout=half),
                ipw.VBox([self.heading, self.moved, self.told], layout=half),
                align="flex-start",
            ),
            *self.classes,
            ipw.HTML(by_class),
        ]

    def _connect(self) -> None:
        self._observe(self._draw, self.colour)
        self._observe(lambda: self._draw(moved=True), self.method)
        self._observe(self._typed, self.node)
        self._observe(lambda: self._choose(self.moved.value), self.moved)
        self.clear.on_click(lambda _: self._cleared())

    # ------------------------------------------------------------------------------------- what a hand changes

    def choose(self, node: int) -> None:
        """Ring a node and its nearest in either embedding, as the list does.

        Raises:
            UserError: there is no such node.
        """
        self._choose(node_number(node, self.scene.nodes))

    def _choose(self, node: int | None) -> None:
        self.scene.chosen = node
        self._draw()
        self._tell()

    def _typed(self) -> None:
        text, pair = self.node.value, self.scene
        try:
            node = found_node(text, pair.node_names, pair.nodes) if text else None
        except UserError as error:
            self.message.value = complaint(str(error))
            return
        self.message.value = ""
        self._choose(node)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.scene.chosen = int(trace.customdata[points.point_inds[0]])
            self._select([self.scene.chosen])

    def _cleared(self) -> None:
        self.scene.chosen = None
        self._select([])

    def _select(self, nodes: ArrayLike) -> None:
        self._selection = np.unique(np.asarray(nodes, np.int64))
        self._draw()
        self._tell()

    # -------------------------------------------------------------------------------------------- what follows

    def _figures(self) -> dict[str, go.Figure]:
        self.scene.method, self.scene.colour = self.method.value, self.colour.value
        drawn = dict(zip(("one", "other"), self.scene.drawn(), strict=True))
        for figure in drawn.values():
            figure.update_layout(dragmode="lasso", clickmode="event", uirevision="map")
        return drawn

    def _draw(self, moved: bool = False) -> None:
        drawn = self._figures()
        for name, figure in drawn.items():
            if not moved:  # what a hand has zoomed to stays
                shown = self.figures[name].layout
                figure.update_layout(xaxis_range=shown.xaxis.range, yaxis_range=shown.yaxis.range)
        self._show(drawn)
        for brush in self._brushes:
            brush.listen()
            brush.mark(self._selection)

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
