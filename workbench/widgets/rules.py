"""The rule explorer: write a rule and see at once what it says of which node of a graph, and why."""

import html

import ipywidgets as ipw
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError
from workbench.evaluation.scores import Embeddings
from workbench.rules import SEMANTICS, FormulaError, Semantics
from workbench.widgets.rule_scene import LABELS_TITLE, NEIGHBOURHOOD, NO_LABELS, SAMPLE, RuleScene, card, moved, name_of
from workbench.widgets.shell import Report, Shell, column, complaint, fit, headless, look, row, small

TYPED = "(typed)"


def rule_explorer(
    graph: Data,
    rule: str = "ntsc",
    node: int | None = None,
    seed: int = 0,
    embedding: Embeddings | None = None,
) -> "RuleExplorer | Report":
    """Explore rules on a graph: type a formula and see at once what it says of which node, and why.

    Args:
        graph: the graph.
        rule: the first rule, a name or a formula. node: the node chosen first; None for a seeded one.
        seed: of the piece of the graph that is drawn, its layout, the splits of the probe and the bootstrap.
        embedding: a run, or a matrix [nodes, dim], whose probe errors are shown along the score.

    Returns:
        The widget, or with WORKBENCH_HEADLESS=1 a static report with the same pictures: `figures` "graph", "values",
        "overlap" and "labels", and `explanation`.

    Raises:
        UserError: no such rule or node, a graph without nodes, or a formula that can't be evaluated on this graph.
    """
    scene = RuleScene(graph, rule, node, seed, embedding)
    return Report(scene) if headless() else RuleExplorer(scene)


class RuleExplorer(Shell):
    """The widget.

    Attributes:
        rule, formula, semantics, steepness, threshold, part, view, node: the controls.
        message, card, latex, tree: what is told.
        figures: "graph" and "values" always; "overlap" and "labels" once their section was opened.
    """

    scene: RuleScene

    def __init__(self, scene: RuleScene) -> None:
        super().__init__(scene)
        self._tree = scene.evaluation.formula  # as typed; the scene's has its threshold where the slider is
        self._digits = 0  # of the slider's steps
        self._broken: UserError | None = None  # what is wrong with the text, while it is no formula
        self._make_controls(name_of(scene.text))
        self._show(scene.drawn())
        self.children = self._arranged()
        self._show_rule()
        self._observe(self._named, self.rule)
        self._observe(self._typed, self.formula)
        self._observe(self._again, self.semantics, self.steepness, self.threshold)
        self._observe(self._draw, self.part, trait="index")
        self._observe(self._draw, self.view, self.node)
        self._observe(self._draw_section, self.sections, trait="selected_index")
        self._observe(self._draw_section, self.compared)

    @property
    def map(self) -> go.FigureWidget:
        """The piece of the graph."""
        return self.figures["graph"]

    def _make_controls(self, named: str | None) -> None:
        scene = self.scene
        usual = look(90, "auto")
        self.rule = ipw.Dropdown(options=[TYPED, *rules.names()], value=named or TYPED, description="rule", **usual)
        text = rules.get(named).formula if named else scene.text
        self.formula = ipw.Textarea(value=text, rows=2, description="formula", **look(90, "auto"))
        self.formula.layout.height = "58px"
        self.semantics = ipw.Dropdown(options=SEMANTICS, description="semantics", **usual)
        ends = {"value": 10, "base": 10, "min": -1, "max": 3, "step": 0.1, "readout_format": ".3g"}
        self.steepness = ipw.FloatLogSlider(description="steepness", disabled=True, **ends, **usual)
        self.threshold = ipw.FloatSlider(description="threshold", **usual)
        self.message, self.card, self.moves, self.tree = (ipw.HTML() for _ in range(4))
        self.moves.layout.margin = "0 0 0 96px"
        self.latex = ipw.HTMLMath(layout=ipw.Layout(overflow="auto hidden", max_width="100%", padding="0 0 12px 0"))
        self.part = ipw.Select(rows=5, description="coloured by", **usual)
        self.view = ipw.Dropdown(options=[NEIGHBOURHOOD, SAMPLE], value=scene.view, description="shown", **usual)
        last = scene.terms.nodes - 1
        self.node = ipw.BoundedIntText(value=scene.node, min=0, max=last, description="node", **usual)
        listed = {"options": scene.truths, "value": scene.truths, "rows": 12, "description": "rules"}
        self.compared = ipw.SelectMultiple(**listed, **look(40, "230px"))
        self._overlap_box, self._labels_box = ipw.VBox(), ipw.VBox()
        self.sections = ipw.Accordion([self._overlap_box, self._labels_box], selected_index=None)
        self.sections.titles = ("Overlap with other rules", LABELS_TITLE)
        self._name("explorer", "rule", "formula", "semantics", "steepness", "threshold", "message", "part", "view")
        self._name("explorer", "node", "tree", "sections")

    def _arranged(self) -> list[ipw.Widget]:
        left = column("1 1 380px", self.semantics, self.steepness, self.threshold, self.moves)
        right = column("1 1 380px", self.part, self.view, self.node)
        tree = ipw.Box([self.tree], layout=ipw.Layout(max_height="330px", overflow="auto", margin="0 0 12px 0"))
        self._fit = fit()
        graph, values = column("1 1 460px", self._fit, self.map), column("1 1 380px", tree, self.figures["values"])
        top = [self.rule, self.formula, self.message, row(left, right, align="flex-start"), self.card, self.latex]
        return [*top, row(graph, values, align="flex-start"), self.sections]

    def _named(self) -> None:
        if self.rule.value != TYPED:
            self.formula.value = rules.get(self.rule.value).formula

    def _typed(self) -> None:
        text = self.formula.value
        named = name_of(text)
        with self._quietly():
            self.rule.value = named or TYPED
        try:
            # A word alone is no name until it is one: while "degree(v)" is typed it is not yet a formula either.
            tree = rules.formula(named) if named else rules.parse(text)
            self.scene.mean(tree, self._semantics())
        except UserError as error:
            self._broken = error
            self._complain(error)
        else:
            self._tree, self._broken = tree, None
            self._show_rule()

    def _again(self) -> None:
        """Evaluate the same formula under other settings."""
        self.steepness.disabled = self.semantics.value == "crisp"
        try:
            self.scene.mean(moved(self._tree, self.threshold.value, self._digits), self._semantics())
        except UserError as error:
            self._complain(error)
        else:
            self._show_evaluation()

    def _semantics(self) -> Semantics:
        return Semantics(self.semantics.value, self.steepness.value)

    def choose(self, node: int) -> None:
        """Choose a node, as a click on it does."""
        self.node.value = node

    def _complain(self, error: UserError | None) -> None:
        caret = ""
        if isinstance(error, FormulaError):
            caret = f'<pre style="margin:4px 0 0 0;line-height:1.25">{html.escape(error.caret)}</pre>'
        kept = f"<i>The picture still shows</i> <code>{html.escape(self.scene.text)}</code>"
        self.message.value = complaint(str(error or ""), 92, caret + kept)

    def _show_rule(self) -> None:
        with self._quietly():
            self._set_threshold()
        self.card.value = card(str(self._tree) if self.rule.value == TYPED else self.rule.value)
        self._show_evaluation()

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

    def _set_threshold(self) -> None:
        """Put the slider around the first threshold of the formula, over what it is compared with."""
        slider, threshold = self.threshold, self.scene.range()
        slider.disabled = threshold is None
        if threshold is None:
            self.moves.value = small("the formula compares with no number that could be moved")
            return
        text, value, (low, high, self._digits) = threshold
        with slider.hold_sync(), slider.hold_trait_notifications():  # all at once, or the ends might cross on the way
            slider.min, slider.max, slider.step, slider.value = low, high, 10.0**-self._digits, value
        slider.readout_format = f".{max(self._digits, 0)}f"
        self.moves.value = small(f"moves the {value:g} in <code>{html.escape(text)}</code>")

    def _draw(self) -> None:
        scene = self.scene
        scene.part, scene.view, scene.node = self.part.index or 0, self.view.value, self.node.value
        self._show(scene.drawn())
        self.tree.value = scene.tree()

    def _draw_section(self) -> None:
        """Bring the section that is open up to date; a closed one costs nothing."""
        if self.sections.selected_index is not None:
            (self._draw_overlap, self._draw_labels)[self.sections.selected_index]()

    def _draw_overlap(self) -> None:
        typed = self.rule.value == TYPED or self.scene.evaluation.formula != self._tree
        drawn = self.scene.overlap(self.compared.value, self.scene.text if typed else self.rule.value)
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
