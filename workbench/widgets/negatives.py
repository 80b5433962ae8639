"""The microscope: whom several strategies choose as the negatives of one anchor, side by side, and why."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from torch import Tensor
from torch_geometric.data import Data

from workbench import plots
from workbench.contrast.negatives.selection import SAMPLERS
from workbench.errors import UserError, node_number
from workbench.evaluation import projection
from workbench.plots.negatives import COLOURS, headline
from workbench.randomness import Randomness
from workbench.widgets.lens import LABELS, MOST, NONE, PANELS, SUGGESTED, Lens, Look, Options, Scene
from workbench.widgets.live import Controls, Fit, Report, headless, live, update

if TYPE_CHECKING:
    from workbench.training.run import Run


def microscope(
    graph: Data,
    strategies: Sequence[str] = ("uniform", "hop-far", "hardest", "e2neg"),
    anchor: int | None = None,
    k: int = 12,
    seed: int = 0,
    embedding: "Run | Tensor | None" = None,
    tau: float = 0.5,
    options: Options | None = None,
) -> "Microscope | MicroscopeReport":
    """Look at the negatives that up to four strategies choose for one anchor, side by side.

    Args:
        graph: the graph; its labels, where it has any, are used to look and never to choose.
        strategies: names of one to four strategies.
        anchor: whose negatives; None for a seeded node with something to tell.
        k: how many negatives, 1 to 64.
        seed: of what the strategies draw, and of the anchors that are drawn.
        embedding: a run, or a matrix [nodes, dim], that similarities are of; None for the attributes.
        tau: temperature of the loss whose gradients are looked at.
        options: further options by the name of a strategy, e.g. {"hop-far": {"hops": 4}}.

    Returns:
        The widget; the last expression of a cell shows it. With WORKBENCH_HEADLESS=1, when nobody is there to click,
        a static report with the same pictures and sentences.

    Raises:
        UserError: no such strategy, option or node, a graph without nodes, or a number out of range.
    """
    Randomness(seed)  # refuses what is no seed
    if not isinstance(graph, Data):
        raise UserError(
            f"the microscope looks at a torch_geometric Data, not {type(graph).__name__}; load_graph makes one"
        )
    if not isinstance(options or {}, Mapping) or not all(isinstance(one, Mapping) for one in (options or {}).values()):
        raise UserError('options are given by the name of a strategy, e.g. {"hop-far": {"hops": 4}}')
    if not isinstance(strategies, str | list | tuple):
        raise UserError(f"strategies are a list of names, e.g. ['uniform', 'hop-far'], not {strategies!r}")
    lens = Lens(graph, embedding, tau, options or {})
    named = lens.checked(strategies)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST:
        raise UserError(f"k={k} negatives were asked for; the microscope shows 1 to {MOST}")
    generator = np.random.default_rng(seed)
    node = lens.drawn(generator, named, k, seed) if anchor is None else node_number(anchor, lens.nodes)
    scene = Scene(lens, named, node, k, seed)
    return MicroscopeReport(scene) if headless() else Microscope(scene)


class MicroscopeReport(Report):
    """The pictures and sentences of the microscope without its controls.

    Attributes:
        scene: what is shown. figures: "rings", "cosines" and "map".
    """

    def __init__(self, scene: Scene):
        self.scene = scene
        self.figures: dict[str, go.Figure] = {"rings": scene.rings(), "cosines": scene.cosines(), "map": scene.map()}
        told = "".join(f"<h4>{_heading(scene, label)}</h4>{_scrolled(scene.sentences(label))}" for label in scene.looks)
        super().__init__("microscope", [*self.figures.values(), told + scene.note()])

    def table(self) -> pd.DataFrame:
        """Return one row a strategy and negative: the audit, the strategy's reasons ("reason_...") and the sentence."""
        return self.scene.table()

    def export(self, path: str | Path) -> Path:
        """Write the table as .csv or .parquet, by the ending; errors as of `Scene.export`."""
        return self.scene.export(path)


class Microscope(Controls, ipw.VBox):
    """The widget; its parts are attributes, so that a script can set what a hand would.

    Attributes:
        anchor, surprise, k, seed, colour, method, strategies, filename, save, move: the controls.
        message, saved, told, note: what is told. tables: the sentences, one tab a panel.
        rings, cosines, map: the figures.
        scene: what is shown. chosen: the negative that is looked at, or None.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.chosen: int | None = None
        self._draws = np.random.default_rng(scene.seed)
        self._make_controls()
        self.rings = live(scene.rings(self.colour.value))
        self.cosines, self.map = live(scene.cosines()), live(scene.map(self.method.value))
        self.children = self._arranged()
        self._tell()
        self._listen()
        self._connect()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a figure tells a new screen no changes but those that it is asked for at this moment."""
        for figure in (self.rings, self.cosines, self.map):
            figure._repr_mimebundle_()
        return super()._repr_mimebundle_(**options)

    # ---------------------------------------------------------------------------------------------------- parts

    def _make_controls(self) -> None:
        scene, lens, narrow = self.scene, self.scene.lens, {"description_width": "58px"}
        wide = ipw.Layout(width="auto", flex="1 1 160px", min_width="0")
        names = list(dict.fromkeys(map(str, lens.names)))[:SUGGESTED] if lens.names is not None else []
        self.anchor = ipw.Combobox(
            value=str(scene.anchor), options=names, description="anchor", continuous_update=False, style=narrow,
            placeholder="a node's number" if lens.names is None else "number or part of a name", layout=wide,
        )  # fmt: skip
        self.surprise = ipw.Button(description="surprise me", icon="random", layout=ipw.Layout(width="130px"))
        self.k = ipw.IntSlider(value=scene.k, min=1, max=MOST, description="k", continuous_update=False,
                               style={"description_width": "18px"}, layout=wide)  # fmt: skip
        self.seed = ipw.BoundedIntText(
            value=scene.seed, min=0, max=2**31 - 1, description="seed", style={"description_width": "36px"},
            layout=ipw.Layout(width="130px"),
        )  # fmt: skip
        colours = [(LABELS if name == "class" else name, name) for name in COLOURS[not lens.labelled :]]
        self.colour = ipw.Dropdown(options=colours, description="coloured by", style={"description_width": "82px"},
                                   layout=ipw.Layout(width="auto", flex="2 1 300px"))  # fmt: skip
        self.method = ipw.Dropdown(options=projection.names(), value="pca", description="map", style=narrow,
                                   layout=ipw.Layout(width="160px"))  # fmt: skip
        shown = [*scene.strategies, *[NONE] * (PANELS - len(scene.strategies))]
        self.strategies = [
            ipw.Dropdown(options=([NONE] if place else []) + SAMPLERS.names(), value=name, style=narrow, layout=wide,
                         description=f"panel {place + 1}")
            for place, name in enumerate(shown)
        ]  # fmt: skip
        self.filename = ipw.Text(value="negatives.csv", description="file", style={"description_width": "30px"})
        self.save = ipw.Button(description="save as CSV", icon="download", layout=ipw.Layout(width="130px"))
        self.move = ipw.Button(layout=ipw.Layout(width="auto", display="none"))
        self.message, self.saved, self.told, self.note = (ipw.HTML() for _ in range(4))
        self.tables = ipw.Tab()
        for name in ("anchor", "surprise", "k", "seed", "colour", "method", "message", "told", "tables", "save",
                     "saved", "filename", "rings", "move"):  # fmt: skip
            if hasattr(self, name):
                getattr(self, name).add_class(f"microscope-{name}")
        for place, panel in enumerate(self.strategies):
            panel.add_class(f"microscope-panel-{place + 1}")

    def _arranged(self) -> list[ipw.Widget]:
        row = ipw.Layout(flex_flow="row wrap", align_items="center")
        half = ipw.Layout(flex="1 1 400px", min_width="0")
        hint = ipw.HTML(
            '<div style="opacity:.75;font-size:12px;line-height:1.4">Click a negative to read why it was chosen, '
            "and once more to make it the anchor; a click on any other node makes that one the anchor.</div>"
        )
        return [
            ipw.HBox([self.anchor, self.surprise, self.k, self.seed], layout=row),
            ipw.HBox(self.strategies, layout=row),
            ipw.HBox([self.colour, self.method], layout=row),
            self.message, hint, Fit(layout=ipw.Layout(width="100%")), self.rings,
            ipw.HBox([ipw.VBox([self.cosines], layout=half), ipw.VBox([self.map], layout=half)], layout=row),
            ipw.HBox([self.told, self.move], layout=row), self.tables, self.note,
            ipw.HBox([self.filename, self.save, self.saved], layout=row),
        ]  # fmt: skip

    def _connect(self) -> None:
        self.anchor.observe(lambda _: self._unless_quiet(self._typed), "value")
        for control in (self.k, self.seed, *self.strategies):
            control.observe(lambda _: self._unless_quiet(self._again), "value")
        self.seed.observe(lambda change: setattr(self, "_draws", np.random.default_rng(change["new"])), "value")
        for control in (self.colour, self.method):
            control.observe(lambda _: self._draw(), "value")
        self.surprise.on_click(lambda _: self.draw_anchor())
        self.move.on_click(lambda _: self.move_to(self.scene.anchor if self.chosen is None else self.chosen))
        self.save.on_click(lambda _: self._save())

    # ------------------------------------------------------------------------------------- what a hand changes

    def _typed(self) -> None:
        try:
            node = self.scene.lens.found(self.anchor.value)
        except UserError as error:
            kept = f"Node {self.scene.anchor} is still shown."
            self.message.value = _complaint(f"{error}. {kept}")
            return
        self.move_to(node)

    def _again(self) -> None:
        """Look at the same anchor by other strategies, another k or another seed."""
        named = tuple(panel.value for panel in self.strategies)
        self._show(replace(self.scene, strategies=named, k=self.k.value, seed=self.seed.value))

    def move_to(self, node: int) -> None:
        """Make a node the anchor."""
        node = node_number(node, self.scene.lens.nodes)
        with self._quietly():
            if self.scene.lens.names is None or self.anchor.value.strip().isdecimal():
                self.anchor.value = str(node)
        self.chosen, self.message.value = None, ""
        self._show(replace(self.scene, anchor=node))

    def draw_anchor(self) -> None:
        """Move to a drawn anchor, as the button "surprise me" does."""
        scene = self.scene
        named = [name for name in scene.strategies if name != NONE]
        node = scene.lens.drawn(self._draws, named, scene.k, scene.seed)
        with self._quietly():
            self.anchor.value = str(node)
        self.move_to(node)

    def choose(self, node: int) -> None:
        """Look at a negative, as a click on it does; a node that is none, or the one looked at, becomes the anchor."""
        node = node_number(node, self.scene.lens.nodes)
        negative = any(
            isinstance(one, Look) and (one.shown["negative"] == node).any() for one in self.scene.looks.values()
        )
        if node == self.scene.anchor or not negative or node == self.chosen:
            self.move_to(node)
        else:
            self.chosen = node
            self._draw()

    def table(self) -> pd.DataFrame:
        """Return one row a strategy and negative: the audit, the strategy's reasons ("reason_...") and the sentence."""
        return self.scene.table()

    def export(self, path: str | Path) -> Path:
        """Write the table as .csv or .parquet, by the ending; errors as of `Scene.export`."""
        return self.scene.export(path)

    def _save(self) -> None:
        name = self.filename.value.strip()
        try:
            if Path(name).suffix != ".csv":
                raise UserError(f"the button writes CSV, so the file's name ends in .csv, not {name[-20:]!r}")
            path = self.export(name).resolve()
        except UserError as error:
            self.saved.value = _complaint(str(error))
            return
        self.saved.value = f"{len(self.table()):,} rows written to <code>{html.escape(str(path))}</code>"

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds and trace.customdata is not None:
            self.choose(int(trace.customdata[points.point_inds[0]]))

    # -------------------------------------------------------------------------------------------- what follows

    def _show(self, scene: Scene) -> None:
        self.scene = scene
        self._draw()

    def _draw(self) -> None:
        scene, chosen, method = self.scene, self.chosen, self.method.value
        self.note.value = "choosing and measuring …" if method in scene.lens._maps else "computing the map …"
        drawn = (
            (self.rings, scene.rings(self.colour.value, chosen)),
            (self.cosines, scene.cosines(chosen)),
            (self.map, scene.map(method, chosen)),
        )
        if any([update(shown, figure) for shown, figure in drawn]):
            self._listen()
        self._tell()

    def _listen(self) -> None:
        for trace in (*self.rings.data, *self.cosines.data, *self.map.data):
            if trace.customdata is not None:
                trace.on_click(self._clicked)

    def _tell(self) -> None:
        scene, labels = self.scene, list(self.scene.looks)
        found = [ipw.HTML(_scrolled(scene.sentences(label, self.chosen))) for label in labels]
        if len(found) == len(self.tables.children):
            for old, new in zip(self.tables.children, found, strict=True):
                old.value = new.value
        else:
            self.tables.children = found
        self.tables.titles = labels
        self.told.value = scene.of_chosen(self.chosen)
        self.move.layout.display = "none" if self.chosen is None else ""
        self.move.description = f"make node {self.chosen} the anchor"
        self.note.value = scene.note()
        holding = [place for place, one in enumerate(scene.looks.values())
                   if isinstance(one, Look) and (one.shown["negative"] == self.chosen).any()]  # fmt: skip
        if holding and self.tables.selected_index not in holding:
            self.tables.selected_index = holding[0]


# ------------------------------------------------------------------------------------------------------- helpers


def _heading(scene: Scene, label: str) -> str:
    return html.escape(headline(label, scene.panels[label]))


def _scrolled(text: str) -> str:
    return f'<div style="max-height:340px;overflow:auto">{text}</div>'


def _complaint(text: str) -> str:
    bar = f"border-left:4px solid {plots.rules.FALSE};padding:2px 10px"
    return f'<div style="{bar};line-height:1.5">{html.escape(text)}</div>'
