"""The microscope: whom several samplers choose as the negatives of one anchor, side by side, and why."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
from torch import Tensor
from torch_geometric.data import Data
from traitlets import Tuple

from workbench.errors import UserError, node_number
from workbench.evaluation import projection
from workbench.evaluation.neighbourhoods import typed_as
from workbench.plots.negatives import MOST
from workbench.plots.rings import COLOURS, READING
from workbench.randomness import Randomness
from workbench.training.run import Run
from workbench.widgets.home import preamble, written
from workbench.widgets.lens import PANELS, Lens, Look, Options
from workbench.widgets.negative_scene import NONE, Scene
from workbench.widgets.search import search_field
from workbench.widgets.selections import Take
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row, small

RINGS, ABOVE = 300, 170  # pixels of a row of panels beside the sentences, and of what is above them
LABELS = "class (uses labels)"


def microscope(
    graph: Data,
    samplers: Sequence[str] | None = None,
    anchor: int | None = None,
    k: int = 12,
    seed: int = 0,
    embedding: Run | Tensor | None = None,
    tau: float | None = None,
    options: Options | None = None,
) -> "Microscope | Report":
    """Look at the negatives that up to four samplers choose for one anchor, and at those that a training used.

    Args:
        graph: the graph; its labels, where it has any, are used to look and never to choose.
        samplers: names of one to four, "as trained" for the negatives that the run compared in its last step; None for
            that, where there is a run, and some others.
        anchor: whose negatives; None for a seeded node with something to tell.
        k: how many negatives, 1 to 64; "as trained" has as many as the training had.
        seed: of what the samplers draw, and of the anchors that are drawn.
        embedding: a run, or a matrix [nodes, dim], that similarities are of; None for the attributes.
        tau: temperature of the loss whose gradients are looked at; None for the run's, or 0.5.
        options: further options by the name of a sampler, e.g. {"hop-far": {"hops": 4}}.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report with the same pictures and sentences.

    Raises:
        UserError: no such sampler, option or node, a graph without nodes, or a number out of range.
    """
    Randomness(seed)  # refuses what is no seed
    if not isinstance(graph, Data):
        kind = type(graph).__name__
        told = "load_graph makes one, and wb.user_negatives tells the negatives of one user of users and items"
        raise UserError(f"the microscope looks at a torch_geometric Data, not {kind}; {told}")
    options = options or {}
    if not isinstance(options, Mapping) or not all(isinstance(values, Mapping) for values in options.values()):
        raise UserError('options are given by the name of a sampler, e.g. {"hop-far": {"hops": 4}}')
    if not isinstance(samplers, str | list | tuple | None):
        raise UserError(f"samplers are a list of names, e.g. ['uniform', 'hop-far'], not {samplers!r}")
    lens = Lens(graph, embedding, tau, options)
    named = lens.checked(samplers)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST:
        raise UserError(f"k={k} negatives were asked for; the microscope shows 1 to {MOST}")
    generator = np.random.default_rng(seed)
    node = lens.drawn(generator, named, k, seed) if anchor is None else node_number(anchor, lens.nodes)
    scene = Scene(lens, named, node, k, seed)
    return Report(scene) if headless() else Microscope(scene)


class Microscope(Shell):
    """The widget.

    Attributes:
        anchor, surprise, k, seed, colour, method, samplers, shared, filename, save, move: the controls.
        origin: which negatives are those of a training. message, coming, saved, told, note: what else is told.
        tables: the sentences, one tab per panel.
        figures: "rings", "cosines" and "map". chosen: the negative that is looked at, or None.
        looked_at: anchor and chosen, for the button that goes back.
    """

    scene: Scene
    looked_at = Tuple()

    def __init__(self, scene: Scene) -> None:
        super().__init__(replace(scene, hasty=True))
        self.chosen: int | None = None
        self._draws = np.random.default_rng(scene.seed)
        self._make_controls()
        self._draw()
        self.children = self._arranged()
        self.undo.keep(self.k, self.seed, self.colour, self.method, *self.samplers)
        self.undo.keep(self, trait="looked_at")
        self.observe(self._back, "looked_at")
        self._observe(self._take, self.shared)
        self._observe(self._take, self.shared, trait="version")
        self._observe(self._typed, self.anchor)
        self._observe(self._again, self.k, self.seed, *self.samplers)
        self.seed.observe(lambda change: setattr(self, "_draws", np.random.default_rng(change["new"])), "value")
        self._observe(self._draw, self.colour, self.method)
        self.surprise.on_click(lambda _: self.draw_anchor())
        self.move.on_click(lambda _: self.move_to(self.scene.anchor if self.chosen is None else self.chosen))
        self.save.on_click(lambda _: self._save())

    def _make_controls(self) -> None:
        scene, lens, broad = self.scene, self.scene.lens, look(58, "1 1 160px")
        anchor = typed_as(scene.anchor, lens.names, lens.ids)
        self.anchor = search_field(lens.names, value=anchor, description="anchor", **broad)
        button = ipw.Layout(width="130px")
        self.surprise = ipw.Button(description="surprise me", icon="random", layout=button)
        ends = {"value": scene.k, "min": 1, "max": MOST, "continuous_update": False}
        self.k = ipw.IntSlider(description="k", **ends, **look(18, "1 1 160px"))
        ends = {"value": scene.seed, "min": 0, "max": 2**31 - 1}
        self.seed = ipw.BoundedIntText(description="seed", **ends, **look(36, "130px"))
        colours = [(LABELS if name == "class" else name, name) for name in COLOURS[not lens.labelled :]]
        self.colour = ipw.Dropdown(options=colours, description="coloured by", **look(82, "2 1 300px"))
        usual = {"value": "pca", "description": "map"}
        self.method = ipw.Dropdown(options=projection.names(), **usual, **look(58, "160px"))
        self.shared = Take(**look(36, "160px", "take"))
        self.samplers = []
        for place, name in enumerate([*scene.samplers, *[NONE] * (PANELS - len(scene.samplers))], start=1):
            choices = [NONE] * (place > 1) + lens.choices
            self.samplers.append(ipw.Dropdown(options=choices, value=name, description=f"panel {place}", **broad))
            self.samplers[-1].add_class(f"microscope-panel-{place}")
        self.filename = ipw.Text(value="negatives.csv", description="file", style={"description_width": "30px"})
        self.save = ipw.Button(description="save as CSV", icon="download", layout=button)
        self.move = ipw.Button(layout=ipw.Layout(width="auto", display="none"))
        self.origin, self.message, self.saved, self.told, self.within, self.note = (ipw.HTML() for _ in range(6))
        self.tables = ipw.Tab()
        self._name("microscope", "anchor", "surprise", "k", "seed", "colour", "method", "message", "told", "tables")
        self._name("microscope", "save", "saved", "filename", "move", "origin", "coming", "shared", "within")

    def _arranged(self) -> list[ipw.Widget]:
        self.rings.add_class("microscope-rings")
        hint = small(
            "Click a negative to read why it was chosen, and once more to make it the anchor; a click on any other "
            "node makes that one the anchor."
        )
        reading = small("<br>".join(html.escape(line) for line in READING.split("; ")))
        self._beside = column("1 1 230px", self.told, self.move, ipw.HTML(hint), self.within, ipw.HTML(reading))
        self._beside.layout.padding = "8px 0 8px 8px"
        controls = [row(self.anchor, self.surprise, self.k, self.seed), row(*self.samplers), self.origin]
        controls += [row(self.colour, self.method, self.shared, self.undo), self.message, self.coming]
        answers = row(column("3 1 520px", self.rings), self._beside, align="stretch")
        below = row(column("1 1 400px", self.cosines), column("1 1 400px", self.map))
        return [*controls, fit(), answers, below, self.tables, self.note, row(self.filename, self.save, self.saved)]

    def call(self) -> str:
        """Return the Python that makes this microscope as it stands."""
        scene, lens = self.scene, self.scene.lens
        named = [name for name in scene.samplers if name != NONE]
        usual = named == list(lens.checked(None))
        state: dict[str, Any] = {
            "samplers": None if usual else named,
            "anchor": scene.anchor,
            "k": scene.k,
            "seed": scene.seed,
        }
        state |= {"tau": None if lens.tau == lens.usual_tau else lens.tau, "options": lens.options or None}
        of: dict[str, Any] = {}
        if lens.embedding is not None:
            of = {"run" if isinstance(lens.embedding, Run) else "embedding": lens.embedding}
        made = written(microscope, "graph", *(f"embedding={name}" for name in of), **state)
        lines = [] if self.colour.index == 0 else [f"scope.colour.value = {self.colour.value!r}"]
        lines += [] if self.method.value == "pca" else [f"scope.method.value = {self.method.value!r}"]
        made = "\n".join([f"scope = {made}", *lines, "scope"]) if lines else made
        return preamble(graph=lens.graph, **of) + made

    def _typed(self) -> None:
        lens = self.scene.lens
        kept = f"Node {self.scene.anchor} is still shown."
        self._typed_in(self.anchor.value, lens.graph, self._look_at, kept)

    def _again(self) -> None:
        """Look at the same anchor by other samplers, another k or another seed."""
        named = tuple(panel.value for panel in self.samplers)
        self.scene = replace(self.scene, samplers=named, k=self.k.value, seed=self.seed.value)
        self._draw()

    def move_to(self, node: int) -> None:
        """Make a node the anchor."""
        node = node_number(node, self.scene.lens.nodes)
        with self._quietly():
            self.anchor.value = typed_as(node, self.scene.lens.names, self.scene.lens.ids)
        self._look_at(node)

    def _look_at(self, node: int, chosen: int | None = None) -> None:
        self.chosen, self.message.value = chosen, ""
        self.scene = replace(self.scene, anchor=node)
        self._draw()

    def _back(self, _: Any) -> None:
        """Look at what was looked at before."""
        if self.looked_at != (self.scene.anchor, self.chosen):
            node, chosen = self.looked_at
            with self._quietly():
                self.anchor.value = typed_as(node, self.scene.lens.names, self.scene.lens.ids)
            self._look_at(node, chosen)

    def _take(self) -> None:
        """Set the nodes off that another widget shares."""
        try:
            nodes = self.shared.nodes(self.scene.lens.nodes)
        except UserError as error:
            self.message.value = complaint(str(error))
        else:
            self.message.value = ""
            self.scene = replace(self.scene, shared=(self.shared.value, nodes) if len(nodes) else None)
            self._draw()

    def draw_anchor(self) -> None:
        """Move to a drawn anchor, as the button "surprise me" does."""
        scene = self.scene
        named = [name for name in scene.samplers if name != NONE]
        self.move_to(scene.lens.drawn(self._draws, named, scene.k, scene.seed))

    def choose(self, node: int) -> None:
        """Look at a negative, as a click on it does; a node that is none, or the one looked at, becomes the anchor."""
        node = node_number(node, self.scene.lens.nodes)
        if node == self.scene.anchor or not self._holding(node) or node == self.chosen:
            self.move_to(node)
        else:
            self.chosen = node
            self._draw()

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        panel = [int(number) for number in re.findall(r"^negatives (\d)", trace.name or "")]
        # The sentences stand beside the panel that was clicked.
        lower = bool(panel) and panel[0] > 2
        self._beside.layout.justify_content = "flex-end" if lower else "flex-start"
        super()._clicked(trace, points, _)

    def _holding(self, node: int | None) -> list[int]:
        """Return the panels that show a node as a negative."""
        looks = enumerate(self.scene.looks.values())
        return [place for place, look in looks if isinstance(look, Look) and (look.shown["negative"] == node).any()]

    def _save(self) -> None:
        name = self.filename.value.strip()
        try:
            if Path(name).suffix != ".csv":
                raise UserError(f"the button writes CSV, so the file's name ends in .csv, not {name[-20:]!r}")
            path = html.escape(str(self.export(name).resolve()))
            self.saved.value = f"{len(self.table()):,} rows written to <code>{path}</code>"
        except UserError as error:
            self.saved.value = complaint(str(error))

    def _draw(self) -> None:
        method, scene = self.method.value, self.scene
        first = scene.lens.first_picture(method)
        drawn = scene.at_once(self.colour.value, method, self.chosen)
        rows = (len(scene.looks) + 1) // 2
        drawn["rings"].update_layout(height=ABOVE + RINGS * max(rows, 1) + drawn["rings"].layout.margin.b)
        self._show(drawn)
        self._tell()
        self.looked_at = scene.anchor, self.chosen
        if scene.coming:
            self._later(f"whom {' and '.join(scene.coming)} chooses", scene.compute, self._again)
        elif method in scene.lens.maps or isinstance(first, str):
            self._forget()
        else:
            what = f"the map by {method.upper()}, and how faithful it is"
            self._later(what, partial(scene.lens.map, method), lambda: self._arrive(method, first[0]))

    def _arrive(self, method: str, first: projection.Map) -> None:
        """Show the map in place of its first picture."""
        mapped = self.scene.lens.map(method)
        self._show({"map": self.scene.draw_map(mapped, self.chosen)})
        if not isinstance(mapped, str):
            self._replaced(first, mapped[0], self.map)

    def _tell(self) -> None:
        scene, labels = self.scene, list(self.scene.looks)
        texts = [scene.sentences(label, self.chosen) for label in labels]
        if len(texts) != len(self.tables.children):
            self.tables.children = [ipw.HTML() for _ in texts]
        for shown, text in zip(self.tables.children, texts, strict=True):
            shown.value = text
        self.tables.titles = labels
        self.origin.value, self.told.value, self.note.value = scene.origin(), scene.of_chosen(self.chosen), scene.note()
        self.within.value = scene.within()
        self.move.layout.display = "none" if self.chosen is None else ""
        self.move.description = f"make node {self.chosen} the anchor"
        holding = self._holding(self.chosen)
        if holding and self.tables.selected_index not in holding:
            self.tables.selected_index = holding[0]
