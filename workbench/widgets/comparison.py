"""The comparison of two embeddings: brush a group on the map of one and see where its nodes are on the other's."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import ipywidgets as ipw
import numpy as np
from numpy.typing import ArrayLike
from torch_geometric.data import Data
from traitlets import Tuple

from workbench.errors import UserError, node_number, unknown
from workbench.evaluation import projection
from workbench.evaluation.neighbourhoods import typed_as
from workbench.evaluation.scores import Embeddings
from workbench.plots import agreement as plots
from workbench.widgets.brush import Ids
from workbench.widgets.home import WRITTEN, preamble, written
from workbench.widgets.pair import MOVED, Pair, line, tables
from workbench.widgets.search import search_field
from workbench.widgets.selections import Take
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row, small


def comparison(
    one: Embeddings,
    other: Embeddings,
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
        groups: a whole number per node to take for its class [nodes]; None for the labels, if any.
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
    return Report(pair) if headless() else Comparison(pair, groups)


class Comparison(Shell):
    """The widget.

    Attributes:
        colour, method, node, clear, shared, moved: the controls; `moved` lists the nodes that moved most.
        message, told, numbers: what is told. maps: the two figures. classes: what is told of classes.
        looked_at: the selected nodes and the ringed one, or None, for the button that goes back.

    The maps open as first pictures by PCA; `coming` says what is being computed meanwhile.
    """

    scene: Pair
    looked_at = Tuple()

    def __init__(self, pair: Pair, groups: ArrayLike | None = None):
        super().__init__(pair)
        self._groups = groups
        self._make_controls()
        pair.at_hand()
        self._show(pair.drawn())
        self.maps = self.figures["one"], self.figures["other"]
        self._brush(lambda nodes: self._select(nodes, pair.chosen), "one", "other")
        self._show(pair.by_class())
        self.classes = list(self.figures.values())[2:]
        self.children = self._arranged()
        self._tell()
        self.undo.keep(self.colour, self.method)
        self.undo.keep(self, trait="looked_at")
        self.observe(self._back, "looked_at")
        self._observe(self._draw, self.colour)
        self._observe(self._move, self.method)
        self._observe(self._take, self.shared)
        self._observe(self._take, self.shared, trait="version")
        self._observe(self._typed, self.node)
        self._observe(lambda: self.choose(self.moved.value), self.moved)
        self.clear.on_click(lambda _: self._select([], None))
        self._follow(pair.at_hand())

    @property
    def selection(self) -> Ids:
        """The selected nodes, ascending, int64 [selected]; setting it selects them on both maps."""
        return self.scene.selection

    @selection.setter
    def selection(self, nodes: Iterable[int]) -> None:
        self._select([node_number(node, self.scene.nodes) for node in nodes], self.scene.chosen)

    def _make_controls(self) -> None:
        pair = self.scene
        colours = plots.colours(pair.agreement)
        known = [(f"{name} (used to look)" if name == plots.CLASS else name, name) for name in colours]
        self.colour = ipw.Dropdown(options=known, value=pair.colour, **look(78, "1 1 260px", "coloured by"))
        self.method = ipw.Dropdown(options=projection.names(), value=pair.method, **look(40, "160px", "maps"))
        self.node = search_field(pair.node_names, **look(40, "240px", "node"))
        self.shared = Take(**look(36, "160px", "take"))
        self.clear = ipw.Button(description="select nothing", icon="times", layout=ipw.Layout(width="150px"))
        self.moved = ipw.Select(rows=10, layout=ipw.Layout(width="auto"))
        self.heading, self.message, self.told, self.numbers = (ipw.HTML() for _ in range(4))
        self._name("comparison", "colour", "method", "node", "clear", "moved", "heading", "message", "told", "numbers")
        self._name("comparison", "shared", "coming")

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
            row(self.colour, self.method, self.node, self.shared, self.clear, self.undo, align="flex-start"),
            self.message,
            self.coming,
            ipw.HTML(hint),
            fit(),
            row(*(column(half, shown) for shown in self.maps), align="flex-start"),
            row(column(half, self.numbers), column(half, self.heading, self.moved, self.told), align="flex-start"),
            *self.classes,
            ipw.HTML(by_class),
        ]

    def choose(self, node: int | None) -> None:
        """Ring a node and its nearest in either embedding, as the list does; None for none."""
        self.scene.chosen = None if node is None else node_number(node, self.scene.nodes)
        self._draw()
        self._tell()

    def _typed(self) -> None:
        if self.node.value:
            self._typed_in(self.node.value, self.scene.graph, self.choose)
        else:
            self.message.value = ""
            self.choose(None)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            node = int(trace.customdata[points.point_inds[0]])
            self._select([node], node)

    def _select(self, nodes: ArrayLike, chosen: int | None) -> None:
        self.scene.selection = np.unique(np.asarray(nodes, np.int64))
        self.choose(chosen)

    def _take(self) -> None:
        """Select what another widget shares."""
        try:
            nodes = self.shared.nodes(self.scene.nodes)
        except UserError as error:
            self.message.value = complaint(str(error))
        else:
            self._select(nodes, None)

    def _back(self, _: Any) -> None:
        """Select what was selected before."""
        if self.looked_at != self._state:
            self._select(*self.looked_at)

    @property
    def _state(self) -> tuple[tuple[int, ...], int | None]:
        return tuple(self.scene.selection.tolist()), self.scene.chosen

    def call(self) -> str:
        """Return the Python that makes this comparison as it stands."""
        pair, usual = self.scene, plots.colours(self.scene.agreement)[0]
        of = {name: embedding for name, embedding in zip(("one", "other"), pair.embeddings, strict=True)}
        state = {"k": pair.agreement.k, "colour": None if pair.colour == usual else pair.colour, "method": pair.method}
        grouped = [] if self._groups is None else ["groups=groups"]
        made = written(comparison, *of, "graph", *grouped, **state, node=pair.chosen, seed=pair.seed)
        if 0 < len(pair.selection) <= WRITTEN:
            made = f"compared = {made}\ncompared.selection = {pair.selection.tolist()}\ncompared"
        more = {"groups": self._groups} if grouped else {}
        return preamble(**of, graph=pair.graph, **more) + made

    def _move(self) -> None:
        self.scene.method = self.method.value
        there = self.scene.at_hand()
        self._draw(moved=True)
        self._follow(there)

    def _follow(self, there: bool) -> None:
        """Compute beside the kernel the maps that first pictures stand in for, if they aren't there."""
        if there:
            self._forget()
        else:
            method = self.method.value
            what = f"both maps by {method.upper()}, and how faithful they are"
            self._later(what, partial(self.scene.compute, method), lambda: self._draw(moved=True))

    def _draw(self, moved: bool = False) -> None:
        self.scene.method, self.scene.colour = self.method.value, self.colour.value
        drawn = self.scene.drawn()
        for name, figure in {} if moved else drawn.items():  # what a hand has zoomed to stays
            shown = self.figures[name].layout
            figure.update_layout(xaxis_range=shown.xaxis.range, yaxis_range=shown.yaxis.range)
        self._show(drawn)
        self._mark(self.scene.selection)

    def _tell(self) -> None:
        pair = self.scene
        self.numbers.value = pair.numbers()
        self.told.value = "" if pair.chosen is None else pair.of_node(pair.chosen)
        self.heading.value = f"<b>{MOVED}{', of the selected' if len(pair.selection) > 1 else ''}</b>"
        rows, self.looked_at = pair.moved, self._state
        with self._quietly():
            self.node.value = (
                "" if pair.chosen is None else typed_as(pair.chosen, pair.node_names, pair.graph.get("node_ids"))
            )
            self.moved.options = [(line(moved), int(moved["node"])) for moved in rows.to_dict("records")]
            self.moved.value = pair.chosen if pair.chosen in set(rows["node"]) else None
