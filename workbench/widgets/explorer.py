"""The embedding explorer: brush a group on the map and see who they are, in a table and in the graph."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError, node_number, unknown
from workbench.evaluation import projection
from workbench.plots import maps, network, style
from workbench.plots.neighbourhoods import neighbourhood_map
from workbench.widgets.atlas import CLASS, CLUSTER, ERROR, LABELS, RULE, Atlas, found_node
from workbench.widgets.brush import Brush
from workbench.widgets.live import Controls, Fit, Report, headless, live, update

if TYPE_CHECKING:
    from workbench.training.run import Run

TRAINED = "as trained"
NO_EDGES, OWN_EDGES, ALL_EDGES = "none", "of the selected nodes", "all"
ROWS = 200  # of the table
MANY_EDGES = 200_000  # more make the map a blot, and slow


def embedding_explorer(
    run: "Run",
    graph: Data,
    colour: str | None = None,
    method: str = "umap",
    node: int | None = None,
    rule: str = "ntsc-soft",
    seed: int = 0,
) -> "EmbeddingExplorer | EmbeddingReport":
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
        The widget; the last expression of a cell shows it. With WORKBENCH_HEADLESS=1, when nobody is there to click,
        a static report with the same pictures.

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
    kind = EmbeddingReport if headless() else EmbeddingExplorer
    return kind(atlas, colour, method, chosen, rule)


class EmbeddingReport(Report):
    """The pictures of the embedding explorer without its controls.

    Attributes:
        atlas: what is looked at. selection: a node and its nearest in the embedding, int64 [selected].
        figures: "map", "faithfulness", "graph" and, for a run with snapshots, "epochs".
        nearest: the nearest nodes of that node.
    """

    def __init__(self, atlas: Atlas, colour: str, method: str, node: int | None, rule: str):
        self.atlas, drawn = atlas, atlas.map(method)
        node = int(np.random.default_rng(atlas.seed).choice(drawn.nodes)) if node is None else node
        self.nearest = atlas.nearest(node, drawn)
        self.selection = np.append(node, self.nearest["node"].to_numpy())
        self.figures: dict[str, go.Figure] = {
            "map": _map(atlas, drawn, colour, rule),
            "faithfulness": _map(atlas, drawn, maps.HITS, rule),
            "graph": _graph(atlas, self.selection),
        }
        if atlas.epochs:
            over = {epoch: atlas.map(method, epoch) for epoch in atlas.epochs}
            values, title = atlas.values(CLASS if atlas.classes is not None else CLUSTER, rule, drawn)
            classes = atlas.class_names if title == CLASS else None
            self.figures["epochs"] = maps.epochs_figure(over, values, title, _heading(atlas), classes, atlas.names)
        told = f"<h4>{_of_node(atlas, node)}</h4>{_table(self.nearest)}<p>{atlas.summary(self.selection)}</p>"
        marked = go.Figure(self.figures["map"])
        maps.mark(marked, self.selection)
        rest = [self.figures[name] for name in ("graph", "faithfulness", "epochs") if name in self.figures]
        super().__init__("embedding explorer", [self.figures["map"], told, marked, *rest])


class EmbeddingExplorer(Controls, ipw.VBox):
    """The widget; its parts are attributes, so that a script can set what a hand would.

    Attributes:
        colour, rule, method, links, epoch, node: the controls.
        message, told, near, table: what is told. map, graph: the figures.
        selection: the selected nodes, int64 [selected]. chosen: the node whose nearest are listed, or None.
    """

    def __init__(self, atlas: Atlas, colour: str, method: str, node: int | None, rule: str) -> None:
        super().__init__()
        self.atlas, self.chosen = atlas, node
        self.selection: np.ndarray = np.empty(0, np.int64)
        self._make_controls(colour, method, rule)
        self._drawn = atlas.map(method)
        self.map = live(self._figure())
        self._brush = Brush(self.map, self._brushed)
        self.graph = live(_graph(atlas, np.array([0])))
        shown = ipw.Layout(flex="1 1 420px", min_width="0", display="none")
        self._graph_box = ipw.VBox([Fit(layout=ipw.Layout(width="100%")), self.graph], layout=shown)
        self.children = self._arranged()
        self._listen()
        self._connect()
        if node is not None:
            self.choose(node)
        else:
            self._tell()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a figure tells a new screen no changes but those that it is asked for at this moment."""
        for figure in (self.map, self.graph):
            figure._repr_mimebundle_()
        return super()._repr_mimebundle_(**options)

    # ---------------------------------------------------------------------------------------------------- parts

    def _make_controls(self, colour: str, method: str, rule: str) -> None:
        atlas, wide = self.atlas, ipw.Layout(width="auto", flex="1 1 240px", min_width="0")

        def narrow(pixels: int) -> dict[str, str]:
            return {"description_width": f"{pixels}px"}

        self.colour = ipw.Dropdown(options=atlas.colours(), value=colour, description="coloured by",
                                   layout=ipw.Layout(width="auto", flex="2 1 370px"), style=narrow(78))  # fmt: skip
        self.rule = ipw.Combobox(value=rule, options=rules.names(), description="rule", continuous_update=False,
                                 layout=wide, style=narrow(32), disabled=colour != RULE)  # fmt: skip
        self.method = ipw.Dropdown(options=projection.names(), value=method, description="map", style=narrow(32),
                                   layout=ipw.Layout(width="150px"))  # fmt: skip
        self.links = ipw.Dropdown(options=[NO_EDGES, OWN_EDGES, ALL_EDGES], description="edges", style=narrow(40),
                                  layout=ipw.Layout(width="220px"))  # fmt: skip
        epochs = [(str(epoch), epoch) for epoch in atlas.epochs] + [(TRAINED, TRAINED)]
        self.epoch = ipw.SelectionSlider(options=epochs, value=TRAINED, description="epoch", continuous_update=False,
                                         style=narrow(42), layout=ipw.Layout(width="auto", flex="1 1 300px"),
                                         disabled=not atlas.epochs)  # fmt: skip
        self.node = ipw.Text(placeholder="a node's number" if atlas.names is None else "number or part of a name",
                             description="node", continuous_update=False, style=narrow(36),
                             layout=ipw.Layout(width="240px"))  # fmt: skip
        self.message, self.told, self.near, self.table = (ipw.HTML() for _ in range(4))
        for name in ("colour", "rule", "method", "links", "epoch", "node", "message", "told", "near", "table"):
            getattr(self, name).add_class(f"embedding-{name}")

    def _arranged(self) -> list[ipw.Widget]:
        row = ipw.Layout(flex_flow="row wrap", align_items="center")
        hint = (
            "Draw a lasso or a box to select nodes; click one to list its nearest in the embedding; double click to "
            "select nothing."
        )
        if self.map.data[0].customdata is None:
            hint = "So many nodes are drawn as a density. Select them from Python: explorer.select(nodes)."
        if not self.atlas.epochs:
            hint += " This run kept no embedding on the way: fit(..., snapshots=8) gives a slider over its epochs."
        left = [Fit(layout=ipw.Layout(width="100%")), self.map]
        right = [self.node, ipw.Box([self.near], layout=ipw.Layout(max_height="500px", overflow="auto"))]
        return [
            ipw.HBox([self.colour, self.rule, self.method, self.links], layout=row),
            ipw.HBox([self.epoch], layout=row), self.message,
            ipw.HTML(f'<div style="opacity:.75;font-size:12px;line-height:1.4">{hint}</div>'),
            ipw.HBox([
                ipw.VBox(left, layout=ipw.Layout(flex="3 1 520px", min_width="0")),
                ipw.VBox(right, layout=ipw.Layout(flex="1 1 300px", min_width="0")),
            ], layout=ipw.Layout(flex_flow="row wrap", align_items="flex-start")),
            self.told,
            ipw.HBox([
                ipw.Box([self.table], layout=ipw.Layout(flex="1 1 420px", min_width="0", max_height="420px",
                                                        overflow="auto")),
                self._graph_box,
            ], layout=ipw.Layout(flex_flow="row wrap", align_items="flex-start")),
        ]  # fmt: skip

    def _connect(self) -> None:
        for control in (self.colour, self.rule, self.links):
            control.observe(lambda _: self._unless_quiet(self._draw), "value")
        for control in (self.method, self.epoch):
            control.observe(lambda _: self._unless_quiet(self._move), "value")
        self.node.observe(lambda _: self._unless_quiet(self._typed), "value")

    @property
    def _epoch(self) -> int | None:
        return None if self.epoch.value == TRAINED else self.epoch.value

    # ------------------------------------------------------------------------------------- what a hand changes

    def select(self, nodes: Iterable[int]) -> None:
        """Select nodes, as a lasso does.

        Raises:
            UserError: there is no such node.
        """
        found = [node_number(node, self.atlas.nodes) for node in nodes]
        self.selection = np.unique(np.array(found, np.int64))
        self._draw()
        self._show_selection()

    def choose(self, node: int) -> None:
        """List the nearest nodes of one and select it with them, as a click on it does.

        Raises:
            UserError: there is no such node.
        """
        self.chosen = node_number(node, self.atlas.nodes)
        with self._quietly():
            self.node.value = str(self.chosen)
        near = self.atlas.nearest(self.chosen, self._drawn, self._epoch)
        self.select([self.chosen, *near["node"]])

    def _typed(self) -> None:
        if not self.node.value.strip():
            return
        try:
            node = found_node(self.node.value, self.atlas.names, self.atlas.nodes)
        except UserError as error:
            self._complain(str(error))
            return
        self.message.value = ""
        self.choose(node)

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds:
            self.choose(int(trace.customdata[points.point_inds[0]]))

    def _brushed(self, nodes: np.ndarray) -> None:
        self.chosen, self.selection = None, nodes
        with self._quietly():
            self.node.value = ""
        if self.links.value == OWN_EDGES:
            self._draw()
        self._show_selection()

    # -------------------------------------------------------------------------------------------- what follows

    def _move(self) -> None:
        method, epoch = self.method.value, self._epoch
        for lacking in self.atlas.maps(method, epoch):
            self.message.value = f"computing the map {'of epoch ' + str(lacking) if lacking is not None else TRAINED} …"
        self.message.value = ""
        self._drawn = self.atlas.map(method, epoch)
        self._draw()
        self._tell()

    def _draw(self) -> None:
        self.rule.disabled = self.colour.value != RULE
        try:
            figure = self._figure()
        except UserError as error:
            self._complain(f"{error}. The map still shows {self.map.layout.legend.title.text or 'what it did'}.")
            return
        if self.message.value:
            self.message.value = ""
        if update(self.map, figure):
            self._listen()
        self._brush.mark(self.selection)

    def _figure(self) -> go.Figure:
        fig = _map(self.atlas, self._drawn, self.colour.value, self.rule.value, self._epoch)
        if self.links.value != NO_EDGES and fig.data[0].customdata is not None:
            lines = self.atlas.overlay(self._drawn, self.selection if self.links.value == OWN_EDGES else None)
            fig.add_traces([lines])
            fig.data = (fig.data[-1], *fig.data[:-1])  # below the nodes
        return fig.update_layout(dragmode="lasso", clickmode="event")

    def _listen(self) -> None:
        for trace in self.map.data:
            if trace.customdata is not None:
                trace.on_click(self._clicked)
        self._brush.listen()

    def _show_selection(self) -> None:
        self._tell()
        self._graph_box.layout.display = "" if len(self.selection) else "none"
        if len(self.selection):
            update(self.graph, _graph(self.atlas, self.selection))

    def _tell(self) -> None:
        atlas, nodes = self.atlas, self.selection
        self.told.value = f'<p style="line-height:1.5">{atlas.summary(nodes)}</p>'
        if self.chosen is None:
            self.near.value = ""
        else:
            found = atlas.nearest(self.chosen, self._drawn, self._epoch)
            self.near.value = f"<b>{_of_node(atlas, self.chosen)}</b>{_table(found)}"
        facts = atlas.facts(nodes[:ROWS], self._drawn, self.colour.value, self.rule.value) if len(nodes) else None
        more = f"<p>{ROWS} of {len(nodes):,}; explorer.facts() has them all</p>" if len(nodes) > ROWS else ""
        self.table.value = "" if facts is None else _table(facts) + more

    def facts(self) -> pd.DataFrame:
        """Return the table of the selected nodes, one row a node."""
        return self.atlas.facts(self.selection, self._drawn, self.colour.value, self.rule.value)

    def _complain(self, text: str) -> None:
        look = f"border-left:4px solid {style.COLOURS[1]};padding:2px 10px;line-height:1.5"
        self.message.value = f'<div style="{look}">{html.escape(text)}</div>'


# ------------------------------------------------------------------------------------------------------- helpers


def _heading(atlas: Atlas) -> str:
    return f"{atlas.run.method} on {atlas.run.graph}, seed {atlas.run.seed}"


def _map(atlas: Atlas, drawn: projection.Map, colour: str, rule: str, epoch: int | None = None) -> go.Figure:
    values, title = atlas.values(colour, rule, drawn)
    after = atlas.run.epochs if epoch is None else epoch
    moment = f"after {after} epoch{'s' * (after != 1)}" if after else "untrained"
    note = LABELS if colour in (CLASS, ERROR) else ""
    classes = atlas.class_names if colour == CLASS else None
    heading = f"{_heading(atlas)}, {moment}"
    return maps.map_figure(drawn, values, title, heading, note and f"colour {note}", classes, atlas.hover(), 580)


def _graph(atlas: Atlas, nodes: np.ndarray) -> go.Figure:
    part = network.around(atlas.links, nodes, seed=atlas.seed)
    return neighbourhood_map(part, nodes, atlas.classes, atlas.class_names, atlas.names)


def _of_node(atlas: Atlas, node: int) -> str:
    name = f" ({html.escape(str(atlas.names[node]))})" if atlas.names is not None else ""
    kind = f", class {html.escape(atlas.called(node))}" if atlas.called(node) else ""
    return f"Nearest in the embedding to node {node}{name}{kind}, degree {atlas.degree[node]}"


def _table(table: pd.DataFrame) -> str:
    """Return a table as HTML, its numbers short and its words escaped."""
    shown = table.copy()
    for name, column in table.items():
        if pd.api.types.is_float_dtype(column):
            whole = bool((column.dropna() == column.dropna().round()).all())
            shown[name] = [
                "–" if pd.isna(v) else f"{v:.0f}" if whole and name != "cosine" else f"{v:.3g}" for v in column
            ]
    look = ".workbench-table td, .workbench-table th { padding: 1px 14px 1px 0; text-align: left; line-height: 1.6 }"
    return f"<style>{look}</style>" + shown.to_html(index=False, border=0, escape=True, classes="workbench-table")
