"""The rule explorer: write a rule and see at once what it says of which node of a graph, and why."""

import html
from typing import Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError
from workbench.evaluation.scores import Embeddings
from workbench.rules import SEMANTICS, FormulaError, Semantics, suggestions
from workbench.widgets.formula import FormulaField
from workbench.widgets.home import preamble, written
from workbench.widgets.rule_scene import LABELS_TITLE, NEIGHBOURHOOD, NO_LABELS, SAMPLE, RuleScene, card, name_of
from workbench.widgets.selections import Take, selections
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row

TYPED = "(typed)"


def rule_explorer(
    graph: Data,
    rule: str = "ntsc",
    node: int | None = None,
    seed: int = 0,
    embedding: Embeddings | None = None,
    semantics: str = "crisp",
    steepness: float = 10.0,
) -> "RuleExplorer | Report":
    """Explore rules on a graph: type a formula and see at once what it says of which node, and why.

    Args:
        graph: the graph.
        rule: the first rule, a name or a formula. node: the node chosen first; None for a seeded one.
        seed: of the piece of the graph that is drawn, its layout, the splits of the probe and the bootstrap.
        embedding: a run, or a matrix [nodes, dim], whose probe errors are shown along the score.
        semantics, steepness: what the words of logic mean at first, as for `rules.evaluate`.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report with the same pictures: `figures` "graph", "values",
        "overlap" and "labels", and `explanation`.

    Raises:
        UserError: no such rule or node, a graph without nodes, or a formula that can't be evaluated on this graph.
    """
    scene = RuleScene(graph, rule, node, seed, embedding, Semantics(semantics, steepness))
    return Report(scene) if headless() else RuleExplorer(scene)


class RuleExplorer(Shell):
    """The widget.

    Attributes:
        rule, formula, semantics, steepness, part, view, node, undo: the controls; the formula has a slider for its
            first threshold.
        share, shared: the names by which nodes that the rule holds of are shared, and a shared selection is taken.
        message, card, latex, tree, told: what is told.
        figures: "graph" and "values" always; "overlap" and "labels" once their section was opened.
    """

    scene: RuleScene

    def __init__(self, scene: RuleScene) -> None:
        super().__init__(scene)
        self._broken: UserError | None = None  # what is wrong with the text, while it is no formula
        self._make_controls(name_of(scene.text))
        self._show(scene.drawn())
        self.children = self._arranged()
        self._typed()
        self.undo.keep(self.formula, self.semantics, self.steepness, self.view, self.node, self.compared)
        self.undo.keep(self.part, trait="index")
        self._observe(self._named, self.rule)
        self._observe(self._typed, self.formula)
        self._observe(self._again, self.semantics, self.steepness)
        self._observe(self._draw, self.part, trait="index")
        self._observe(self._draw, self.view, self.node)
        self._observe(self._draw_section, self.sections, trait="selected_index")
        self._observe(self._draw_section, self.compared)
        self._observe(self._tell, self.share)
        self._observe(self._take, self.shared)
        self._observe(self._take, self.shared, trait="version")

    @property
    def map(self) -> go.FigureWidget:
        """The piece of the graph."""
        return self.figures["graph"]

    def _make_controls(self, named: str | None) -> None:
        scene = self.scene
        usual = look(90, "auto")
        listed = {"options": [TYPED, *rules.names()], "value": named or TYPED, "description": "rule"}
        self.rule = ipw.Dropdown(**listed, **look(90, "1 1 300px"))
        text = rules.get(named).formula if named else scene.text
        self.formula = FormulaField(value=text, words=suggestions.words(scene.graph), rules=suggestions.named())
        self.formula.names = suggestions.attribute_names(scene.graph)
        self.formula.examples = suggestions.examples(scene.graph)
        meant = scene.evaluation.semantics
        self.semantics = ipw.Dropdown(options=SEMANTICS, value=meant.name, description="semantics", **usual)
        # No slider: one of ipywidgets rounds the number that it is given, and gives that back.
        self.steepness = ipw.FloatText(value=meant.steepness, step=1, description="steepness", **usual)
        self.steepness.disabled = meant.name == "crisp"
        hint = "a name for the nodes it is true of"
        self.share = ipw.Text(placeholder=hint, continuous_update=False, **look(58, "1 1 250px", "share as"))
        self.shared = Take(**look(36, "1 1 170px", "take"))
        self.message, self.card, self.tree, self.told = (ipw.HTML() for _ in range(4))
        self.latex = ipw.HTMLMath(layout=ipw.Layout(overflow="auto hidden", max_width="100%", padding="0 0 12px 0"))
        self.part = ipw.Select(rows=4, description="coloured by", **usual)
        self.view = ipw.Dropdown(options=[NEIGHBOURHOOD, SAMPLE], value=scene.view, description="shown", **usual)
        last = scene.terms.nodes - 1
        self.node = ipw.BoundedIntText(value=scene.node, min=0, max=last, description="node", **usual)
        listed = {"options": scene.truths, "value": scene.truths, "description": "rules"}
        self.compared = ipw.SelectMultiple(rows=12, **listed, **look(40, "230px"))
        self._overlap_box, self._labels_box = ipw.VBox(), ipw.VBox()
        self.sections = ipw.Accordion([self._overlap_box, self._labels_box], selected_index=None)
        self.sections.titles = ("Overlap with other rules", LABELS_TITLE)
        self._name("explorer", "rule", "formula", "semantics", "steepness", "message", "part", "view")
        self._name("explorer", "node", "tree", "sections", "share", "shared", "told")

    def _arranged(self) -> list[ipw.Widget]:
        left, middle = column("1 1 190px", self.semantics, self.steepness), column("1 1 330px", self.view, self.node)
        tree = ipw.Box([self.tree], layout=ipw.Layout(max_height="330px", overflow="auto", margin="0 0 12px 0"))
        self._fit = fit()
        graph, values = column("1 1 460px", self._fit, self.map), column("1 1 380px", tree, self.figures["values"])
        settings = row(left, middle, column("2 1 420px", self.part), align="flex-start")
        top = [row(self.rule, self.undo), self.formula, self.message, settings, self.card, self.latex]
        sharing = [row(self.share, self.shared), self.told]
        return [*top, row(graph, values, align="flex-start"), *sharing, self.sections]

    def _named(self) -> None:
        if self.rule.value != TYPED:
            self.formula.value = rules.get(self.rule.value).formula

    def _typed(self) -> None:
        text = self.formula.value
        named, word = name_of(text), rules.name_of(text)
        with self._quietly():
            self.rule.value = named or TYPED
        # A word alone is no name until it is one: while "degree(v)" is typed it is not yet a formula either.
        source = rules.get(word).formula if word else text
        try:
            self.scene.mean(rules.parse(source), self._semantics())
        except UserError as error:
            self._broken = error
            self._complain(error)
        else:
            self._broken = None
            self.card.value = card(named or self.scene.text)
            self.formula.threshold = self.scene.slider(text, source)
            self._show_evaluation()

    def _again(self) -> None:
        """Evaluate the same formula under other settings."""
        self.steepness.disabled = self.semantics.value == "crisp"
        try:
            self.scene.mean(self.scene.evaluation.formula, self._semantics())
        except UserError as error:
            self._complain(error)
        else:
            self._show_evaluation()

    def _semantics(self) -> Semantics:
        return Semantics(self.semantics.value, self.steepness.value)

    def call(self) -> str:
        """Return the Python that makes this explorer as it stands; a text with a mistake counts for nothing."""
        scene, given = self.scene, self.scene.embedding is not None
        first = {"graph": scene.graph} | ({"embedding": scene.embedding} if given else {})
        state: dict[str, Any] = {"rule": name_of(scene.text) or scene.text, "seed": scene.seed}
        state["node"] = None if self.view.value == SAMPLE and self.node.value == scene.first else self.node.value
        meant = scene.evaluation.semantics
        state |= {"semantics": meant.name} | ({} if meant.name == "crisp" else {"steepness": meant.steepness})
        return preamble(**first) + written(rule_explorer, *first, **state)

    def choose(self, node: int) -> None:
        """Choose a node, as a click on it does."""
        self.node.value = node

    def _complain(self, error: UserError | None) -> None:
        caret = ""
        if isinstance(error, FormulaError):
            caret = f'<pre style="margin:4px 0 0 0;line-height:1.25">{html.escape(error.caret)}</pre>'
        kept = f"<i>The picture still shows</i> <code>{html.escape(self.scene.text)}</code>"
        self.message.value = complaint(str(error or ""), 92, caret + kept)

    def _show_evaluation(self) -> None:
        scene = self.scene
        self._complain(self._broken)
        self.latex.value = rf"$\displaystyle {html.escape(rules.to_latex(scene.evaluation.formula))}$"
        with self._quietly():
            place = scene.part
            # A list box drops blanks in front, so depth is drawn by blanks that don't break.
            self.part.options = [("\u00a0" * 3 * part.depth + str(part.node), i) for i, part in enumerate(scene.parts)]
            self.part.index = place
        self._draw()
        self._draw_section()

    def _draw(self) -> None:
        scene = self.scene
        scene.part, scene.view, scene.node = self.part.index or 0, self.view.value, self.node.value
        self._show(scene.drawn())
        self.tree.value = scene.tree()
        self._tell()

    def _tell(self) -> None:
        """Tell how far the rule holds of a shared selection; share what it holds of by the name that was typed."""
        told, name = self.scene.within(), self.share.value.strip()
        if name:
            try:
                nodes = self.scene.holding()
            except UserError as error:
                told = complaint(str(error))
            else:
                told = told or f"{len(nodes):,} nodes are shared as “{html.escape(name)}”."
                if name not in selections or not np.array_equal(selections[name], nodes):
                    selections[name] = nodes
        self.told.value = told

    def _take(self) -> None:
        """Ring the nodes that another widget shares, and tell how far the rule holds of them."""
        try:
            nodes = self.shared.nodes(self.scene.terms.nodes)
        except UserError as error:
            self.told.value = complaint(str(error))
        else:
            self.scene.shared = (self.shared.value, nodes) if self.shared.value else None
            self._draw()

    def _draw_section(self) -> None:
        """Bring the section that is open up to date; a closed one costs nothing."""
        if self.sections.selected_index is not None:
            (self._draw_overlap, self._draw_labels)[self.sections.selected_index]()

    def _draw_overlap(self) -> None:
        drawn = self.scene.overlap(self.compared.value, name_of(self.scene.text) or self.scene.text)
        if drawn is None:
            shown = ipw.HTML("choose at least two rules that are true or false")
        else:
            self._show({"overlap": drawn})
            shown = column("1 1 500px", self._fit, self.figures["overlap"])
        self._overlap_box.children = (row(self.compared, shown, align="stretch"),)

    def _draw_labels(self) -> None:
        if not self.scene.measured:
            self._labels_box.children = (ipw.HTML("Training a probe on ten splits, once …"),)
        drawn = self.scene.labels()
        if drawn is None:
            self._labels_box.children = (ipw.HTML(NO_LABELS),)
        else:
            self._show({"labels": drawn})
            self._labels_box.children = (self._fit, self.figures["labels"])
