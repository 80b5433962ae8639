"""The comparison of two embeddings: brush a group on the map of one and see where its nodes are on the other's."""

import html
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
from workbench.plots.style import COLOURS
from workbench.widgets.atlas import found_node
from workbench.widgets.brush import Brush
from workbench.widgets.live import Controls, Fit, Report, headless, live, update
from workbench.widgets.pair import Pair, line, small, tables

if TYPE_CHECKING:
    from workbench.evaluation.scores import Embeddings

MOVED = "Nodes that moved most"


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
) -> "Comparison | ComparisonReport":
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
        a static report with the same pictures. Both have the measures as `.agreement`.

    Raises:
        UserError: an embedding that doesn't fit the graph, no such colour, map method or node, or k or groups out of
            range.
    """
    projection.projections.get(method)
    pair = Pair(one, other, graph, k, groups, seed)
    known = plots.colours(pair.agreement)
    colour = colour or known[0]
    if colour not in known:
        raise unknown("colour", colour, known, "of this comparison")
    chosen = None if node is None else node_number(node, pair.nodes)
    return (ComparisonReport if headless() else Comparison)(pair, colour, method, chosen)


class ComparisonReport(Report):
    """The pictures of the comparison without its controls.

    Attributes:
        agreement: what was measured. figures: "maps" and, with classes, "classes" and "change".
        moved: the nodes that moved most.
    """

    def __init__(self, pair: Pair, colour: str, method: str, chosen: int | None):
        self.agreement, self.moved = pair.agreement, pair.moved(np.empty(0, np.int64))
        chosen = int(self.moved["node"].iloc[0]) if chosen is None else chosen
        drawn = plots.side_by_side(
            pair.figures(method, colour, chosen),
            f"{pair.names[0]} and {pair.names[1]}; node {chosen} and its nearest are ringed",
        )
        self.figures = {"maps": drawn, **dict(zip(("classes", "change"), pair.by_class(), strict=False))}
        rest = [self.figures[name] for name in ("classes", "change") if name in self.figures]
        listed = tables({MOVED: self.moved.head(15).rename(columns=pair.told)})
        numbers = pair.numbers(np.empty(0, np.int64))
        super().__init__("comparison", [drawn, f"<p>{pair.of_node(chosen)}</p>{numbers}", *rest, listed])


class Comparison(Controls, ipw.VBox):
    """The widget; its parts are attributes, so that a script can set what a hand would.

    Attributes:
        colour, method, node, clear, moved: the controls; `moved` lists the nodes that moved most.
        message, told, numbers: what is told. maps: the two figures. classes: what is told of classes.
        agreement: what was measured. chosen: the node that is ringed with its nearest, or None.
    """

    def __init__(self, pair: Pair, colour: str, method: str, chosen: int | None):
        super().__init__()
        self.pair, self.agreement, self.chosen = pair, pair.agreement, chosen
        self._selection: NDArray[np.int64] = np.empty(0, np.int64)
        self._make_controls(colour, method)
        self.maps = tuple(map(live, self._figures()))
        self._brushes = [Brush(shown, self._select) for shown in self.maps]
        self.classes = [live(figure) for figure in pair.by_class()]
        self.children = self._arranged()
        self._tell()
        self._listen()
        self._connect()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a figure tells a new screen no changes but those that it is asked for at this moment."""
        for figure in (*self.maps, *self.classes):
            figure._repr_mimebundle_()
        return super()._repr_mimebundle_(**options)

    @property
    def selection(self) -> NDArray[np.int64]:
        """The selected nodes, ascending, int64 [selected]; setting it selects them on both maps."""
        return self._selection

    @selection.setter
    def selection(self, nodes: Iterable[int]) -> None:
        self._select([node_number(node, self.pair.nodes) for node in nodes])

    # ---------------------------------------------------------------------------------------------------- parts

    def _make_controls(self, colour: str, method: str) -> None:
        names = [(f"{name} — {plots.LOOK}" if name == plots.CLASS else name, name)
                 for name in plots.colours(self.agreement)]  # fmt: skip
        self.colour = ipw.Dropdown(options=names, value=colour, description="coloured by",
                                   layout=ipw.Layout(flex="1 1 260px"),
                                   style={"description_width": "78px"})  # fmt: skip
        self.method = ipw.Dropdown(options=projection.names(), value=method, description="maps",
                                   style={"description_width": "40px"}, layout=ipw.Layout(width="160px"))  # fmt: skip
        self.node = ipw.Text(description="node", continuous_update=False, style={"description_width": "40px"},
                             placeholder="number" if self.pair.node_names is None else "number or part of a name",
                             layout=ipw.Layout(width="240px"))  # fmt: skip
        self.clear = ipw.Button(description="select nothing", icon="times", layout=ipw.Layout(width="150px"))
        self.moved = ipw.Select(rows=10, layout=ipw.Layout(width="auto"))
        self.heading, self.message, self.told, self.numbers = (ipw.HTML() for _ in range(4))
        for name in ("colour", "method", "node", "clear", "moved", "heading", "message", "told", "numbers"):
            getattr(self, name).add_class(f"comparison-{name}")

    def _arranged(self) -> list[ipw.Widget]:
        row = ipw.Layout(flex_flow="row wrap", align_items="flex-start")
        half = ipw.Layout(flex="1 1 400px", min_width="0")
        hint = small(
            "Draw a lasso or a box on either map to select nodes on both; click a node, or choose it in the list, to "
            "ring it and its nearest in either embedding; double click to select nothing."
        )
        fit = Fit(layout=ipw.Layout(width="100%"))
        return [
            ipw.HBox([self.colour, self.method, self.node, self.clear], layout=row), self.message, ipw.HTML(hint), fit,
            ipw.HBox([ipw.VBox([shown], layout=half) for shown in self.maps], layout=row),
            ipw.HBox([ipw.VBox([self.numbers], layout=half),
                      ipw.VBox([self.heading, self.moved, self.told], layout=half)], layout=row),
            *self.classes, ipw.HTML(tables({"By class": self.agreement.classes.rename(columns=self.pair.told)})
                                    if self.classes else "This graph has no classes: groups= takes any."),
        ]  # fmt: skip

    def _connect(self) -> None:
        self.colour.observe(lambda _: self._draw(), "value")
        self.method.observe(lambda _: self._draw(moved=True), "value")
        self.node.observe(lambda _: self._unless_quiet(self._typed), "value")
        self.moved.observe(lambda _: self._unless_quiet(lambda: self._choose(self.moved.value)), "value")
        self.clear.on_click(lambda _: self._cleared())

    def _listen(self) -> None:
        for shown, brush in zip(self.maps, self._brushes, strict=True):
            brush.listen()
            for trace in shown.data:
                if trace.customdata is not None:
                    trace.on_click(self._clicked)

    # ------------------------------------------------------------------------------------- what a hand changes

    def choose(self, node: int) -> None:
        """Ring a node and its nearest in either embedding, as the list does.

        Raises:
            UserError: there is no such node.
        """
        self._choose(node_number(node, self.pair.nodes))

    def _choose(self, node: int | None) -> None:
        self.chosen = node
        self._draw()
        self._tell()

    def _typed(self) -> None:
        try:
            node = found_node(self.node.value, self.pair.node_names, self.pair.nodes) if self.node.value else None
        except UserError as error:
            self.message.value = (
                f'<div style="border-left:4px solid {COLOURS[1]};padding:2px 10px">{html.escape(str(error))}</div>'
            )
            return
        self.message.value = ""
        self._choose(node)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.chosen = int(trace.customdata[points.point_inds[0]])
            self._select([self.chosen])

    def _cleared(self) -> None:
        self.chosen = None
        self._select([])

    def _select(self, nodes: ArrayLike) -> None:
        self._selection = np.unique(np.asarray(nodes, np.int64))
        self._draw()
        self._tell()

    # -------------------------------------------------------------------------------------------- what follows

    def _figures(self) -> tuple[go.Figure, go.Figure]:
        drawn = self.pair.figures(self.method.value, self.colour.value, self.chosen)
        for figure in drawn:
            figure.update_layout(dragmode="lasso", clickmode="event", uirevision="map")
        return drawn

    def _draw(self, moved: bool = False) -> None:
        figures = self._figures()
        if not moved:  # what a hand has zoomed to stays
            for shown, figure in zip(self.maps, figures, strict=True):
                figure.update_layout(xaxis_range=shown.layout.xaxis.range, yaxis_range=shown.layout.yaxis.range)
        if any([update(shown, figure) for shown, figure in zip(self.maps, figures, strict=True)]):
            self._listen()
        for brush in self._brushes:
            brush.mark(self._selection)

    def _tell(self) -> None:
        selection = self._selection
        self.numbers.value = self.pair.numbers(selection)
        self.told.value = "" if self.chosen is None else self.pair.of_node(self.chosen)
        self.heading.value = f"<b>{MOVED}{', of the selected' if len(selection) > 1 else ''}</b>"
        rows = self.pair.moved(selection)
        with self._quietly():
            self.node.value = "" if self.chosen is None else str(self.chosen)
            options = [(line(row), int(row["node"])) for row in rows.to_dict("records")]
            if options != list(self.moved.options):
                self.moved.options = options
            self.moved.value = self.chosen if self.chosen in rows["node"].to_numpy() else None
