"""The rule explorer: write a rule and see at once what it says of which node of a graph, and why."""

import html
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import plots, rules
from workbench.errors import UserError
from workbench.evaluation.scores import matrix_of
from workbench.plots import network, readings
from workbench.plots.network import Piece
from workbench.rules import SEMANTICS, Evaluation, Explanation, FormulaError, Rule, Semantics, Terms
from workbench.rules.explanation import explain
from workbench.rules.formula import Compare, Node, Number
from workbench.rules.tree import rebuilt
from workbench.widgets.live import Controls, Fit, Report, digits, headless, live, span, update

if TYPE_CHECKING:
    from workbench.evaluation.scores import Embeddings

TYPED = "(typed)"
NEIGHBOURHOOD, SAMPLE = "neighbourhood of the chosen node", "a piece of the graph"
LABELS_TITLE = "What labels say — labels are used here to look, never to train"


def rule_explorer(
    graph: Data,
    rule: str = "ntsc",
    node: int | None = None,
    seed: int = 0,
    embedding: "Embeddings | None" = None,
) -> "RuleExplorer | RuleReport":
    """Explore rules on a graph: type a formula and see at once what it says of which node, and why.

    Args:
        graph: the graph.
        rule: the first rule, a name or a formula.
        node: the node chosen first; None for a seeded one.
        seed: of the piece of the graph that is drawn, its layout, the splits of the probe and the bootstrap.
        embedding: a run, or a matrix [nodes, dim], whose probe errors are shown along the score.

    Returns:
        The widget; the last expression of a cell shows it. With WORKBENCH_HEADLESS=1, when nobody is there to click,
        a static report with the same pictures.

    Raises:
        UserError: no such rule or node, a graph without nodes, or a formula that can't be evaluated on this graph.
    """
    if not graph.num_nodes:
        raise UserError("this graph has no nodes to look at")
    if headless():
        return RuleReport(graph, rule, node, seed, embedding)
    return RuleExplorer(graph, rule, node, seed, embedding)


class RuleReport(Report):
    """The pictures of the rule explorer without its controls.

    Attributes:
        figures: by name, see `plots.rule_report`.
        explanation: the truth tree of the chosen node.
    """

    def __init__(self, graph: Data, rule: str, node: int | None, seed: int, embedding: "Embeddings | None"):
        terms = Terms(graph)
        self.figures: dict[str, go.Figure] = plots.rule_report(terms, rule, node, seed=seed, embedding=embedding)
        if node is None:
            node = network.first(terms.undirected, np.random.default_rng(seed))
        self.explanation: Explanation = rules.explain(rule, terms, node)
        parts = [_card(rule) + _tree(self.explanation, node, graph), *map(self.figures.get, ("graph", "values"))]
        labels = self.figures.get("labels", "<p>This graph has no labels.</p>")
        super().__init__("rule explorer", [*parts, self.figures["overlap"], f"<h4>{LABELS_TITLE}</h4>", labels])


class RuleExplorer(Controls, ipw.VBox):
    """The widget; its parts are attributes, so that a script can set what a hand would.

    Attributes:
        rule, formula, semantics, steepness, threshold, part, view, node: the controls.
        message, card, latex, tree: what is told.
        map, values: the figures that are always shown; overlap and labels are made when their section is opened.
    """

    def __init__(
        self,
        graph: Data,
        rule: str = "ntsc",
        node: int | None = None,
        seed: int = 0,
        embedding: "Embeddings | None" = None,
    ) -> None:
        super().__init__()
        self._graph, self._seed, self._embedding = graph, seed, embedding
        self._terms = Terms(graph)
        self._pieces: dict[object, Piece] = {}
        self._errors: tuple[np.ndarray | None, str] | None = None
        if embedding is not None:
            matrix_of(embedding, graph)  # what doesn't fit is refused here, not when a section is opened
        self._quiet = False
        self._broken: UserError | None = None  # what is wrong with the text, while it is no formula
        self._tree = rules.formula(rule)
        self._evaluation = self._evaluated(self._tree)
        first = self._piece(SAMPLE, None) if node is None else self._piece(NEIGHBOURHOOD, node)
        self._make_controls(_name(rule), int(first.nodes[0]), NEIGHBOURHOOD if node is not None else SAMPLE)
        self._parts = readings.parts(self._evaluation)
        self._make_pictures()
        self.children = self._arranged()
        self._show_rule()
        self._connect()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the widget; a figure tells a new screen no changes but those that it is asked for at this moment."""
        for figure in filter(None, (self.map, self.values, self.overlap, self.labels)):
            figure._repr_mimebundle_()
        return super()._repr_mimebundle_(**options)

    # ---------------------------------------------------------------------------------------------------- parts

    def _make_controls(self, named: str | None, node: int, view: str) -> None:
        wide, style = ipw.Layout(width="auto"), {"description_width": "90px"}
        self.rule = ipw.Dropdown(
            options=[TYPED, *rules.names()], value=named or TYPED, description="rule", style=style, layout=wide
        )
        self.formula = ipw.Textarea(
            value=rules.get(named).formula if named else str(self._tree), rows=2, description="formula", style=style,
            layout=ipw.Layout(width="auto", height="58px"), continuous_update=True,
        )  # fmt: skip
        self.semantics = ipw.Dropdown(options=SEMANTICS, description="semantics", style=style, layout=wide)
        self.steepness = ipw.FloatLogSlider(
            value=10, base=10, min=-1, max=3, step=0.1, description="steepness", style=style, layout=wide,
            readout_format=".3g", disabled=True,
        )  # fmt: skip
        self.threshold = ipw.FloatSlider(description="threshold", style=style, layout=wide)
        self.moves = ipw.HTML()
        self.message, self.card = ipw.HTML(), ipw.HTML()
        self.latex = ipw.HTMLMath(layout=ipw.Layout(overflow="auto hidden", max_width="100%", padding="0 0 12px 0"))
        self.part = ipw.Select(rows=5, description="coloured by", style=style, layout=wide)
        self.view = ipw.Dropdown(
            options=[NEIGHBOURHOOD, SAMPLE], value=view, description="shown", style=style, layout=wide
        )
        self.node = ipw.BoundedIntText(
            value=node, min=0, max=self._terms.nodes - 1, description="node", style=style, layout=wide
        )
        for name in ("rule", "formula", "semantics", "steepness", "threshold", "message", "part", "view", "node"):
            getattr(self, name).add_class(f"explorer-{name}")

    def _make_pictures(self) -> None:
        drawn, chosen = self._drawn_map(), self.node.value
        self.map, self.values = live(drawn), live(plots.rule_values(self._reading(), chosen))
        self._listen()
        self.tree = ipw.HTML()
        self.tree.add_class("explorer-tree")
        named = [name for name in rules.names() if rules.formula(name).sort == "truth"]
        self.compared = ipw.SelectMultiple(
            options=named, value=named, rows=min(len(named), 12), description="rules", layout=ipw.Layout(width="230px"),
            style={"description_width": "40px"},
        )  # fmt: skip
        self.overlap: go.FigureWidget | None = None
        self.labels: go.FigureWidget | None = None
        self._fit = Fit(layout=ipw.Layout(width="100%"))
        self._overlap_box, self._labels_box = ipw.VBox(), ipw.VBox()
        self.sections = ipw.Accordion([self._overlap_box, self._labels_box], selected_index=None)
        self.sections.titles = ("Overlap with other rules", LABELS_TITLE)
        self.sections.add_class("explorer-sections")

    def _arranged(self) -> list[ipw.Widget]:
        half = ipw.Layout(flex="1 1 380px", min_width="0")
        left = ipw.VBox([self.semantics, self.steepness, self.threshold, self.moves], layout=half)
        right = ipw.VBox([self.part, self.view, self.node], layout=half)
        row = ipw.Layout(flex_flow="row wrap", align_items="flex-start")
        tree = ipw.Box([self.tree], layout=ipw.Layout(max_height="330px", overflow="auto", margin="0 0 12px 0"))
        pictures = [
            ipw.VBox([self._fit, self.map], layout=ipw.Layout(flex="1 1 460px", min_width="0")),
            ipw.VBox([tree, self.values], layout=ipw.Layout(flex="1 1 380px", min_width="0")),
        ]
        return [
            self.rule, self.formula, self.message, ipw.HBox([left, right], layout=row), self.card, self.latex,
            ipw.HBox(pictures, layout=row), self.sections,
        ]  # fmt: skip

    def _connect(self) -> None:
        self.rule.observe(self._named, "value")
        self.formula.observe(self._typed, "value")
        self.semantics.observe(self._meant, "value")
        self.steepness.observe(self._meant, "value")
        self.threshold.observe(self._moved, "value")
        self.part.observe(lambda _: self._unless_quiet(self._draw), "index")
        self.view.observe(lambda _: self._unless_quiet(self._draw_map), "value")
        self.node.observe(lambda _: self._unless_quiet(self._draw_chosen), "value")
        self.sections.observe(lambda _: self._draw_sections(), "selected_index")
        self.compared.observe(lambda _: self._draw_sections(), "value")

    # ------------------------------------------------------------------------------------- what a hand changes

    def _named(self, change: Any) -> None:
        if not self._quiet and change["new"] != TYPED:
            self.formula.value = rules.get(change["new"]).formula

    def _typed(self, change: Any) -> None:
        text = self.formula.value
        named = _name(text)
        with self._quietly():
            self.rule.value = named or TYPED
        try:
            # A word alone is no name until it is one: while "degree(v)" is typed it is not yet a formula either.
            tree = rules.formula(named) if named else rules.parse(text)
            evaluation = self._evaluated(tree)
        except UserError as error:
            self._broken = error
            self._complain(error)
            return
        self._tree, self._evaluation, self._broken = tree, evaluation, None
        self._show_rule()

    def _meant(self, _: Any) -> None:
        self.steepness.disabled = self.semantics.value == "crisp"
        self._again()

    def _moved(self, _: Any) -> None:
        if not self._quiet:
            self._again()

    def _again(self) -> None:
        """Evaluate the same formula under other settings."""
        try:
            self._evaluation = self._evaluated(self._now())
        except UserError as error:
            self._complain(error)
            return
        self._show_evaluation()

    def _clicked(self, trace: Any, points: Any, _: Any) -> None:
        if points.point_inds and trace.customdata is not None:
            self.choose(int(trace.customdata[points.point_inds[0]]))

    def choose(self, node: int) -> None:
        """Choose a node, as a click on it does."""
        self.node.value = node

    # -------------------------------------------------------------------------------------------- what follows

    def _evaluated(self, tree: Node) -> Evaluation:
        meant = Semantics(self.semantics.value, self.steepness.value) if hasattr(self, "semantics") else Semantics()
        evaluation = Evaluation(tree, self._terms, meant)
        evaluation.result()
        return evaluation

    def _now(self) -> Node:
        """Return the formula with its first threshold where the slider is.

        The number is replaced in the tree, so that every text that is shown has the number that counts.
        """
        movable = rules.thresholds(self._tree)
        if not movable or self.threshold.value == movable[0].value:
            return self._tree
        # The screen gives back numbers such as 6.000000000000001.
        value = round(self.threshold.value, max(0, digits(self.threshold.step)))
        if value == movable[0].value:
            return self._tree
        return rebuilt(self._tree, {id(movable[0]): Number(value, at=movable[0].at)})

    def _complain(self, error: UserError) -> None:
        caret = ""
        if isinstance(error, FormulaError):
            caret = f'<pre style="margin:4px 0 0 0;line-height:1.25">{html.escape(error.caret)}</pre>'
        kept = f"<i>The picture still shows</i> <code>{html.escape(str(self._evaluation.formula))}</code>"
        self.message.value = (
            f'<div style="border-left:4px solid {plots.rules.FALSE};padding:2px 10px;margin-left:92px;line-height:1.5">'
            f"{html.escape(str(error))}{caret}{kept}</div>"
        )

    def _show_rule(self) -> None:
        with self._quietly():
            self._set_threshold()
        name = self.rule.value
        self.card.value = _card(name if name != TYPED else str(self._tree))
        self._show_evaluation()

    def _show_evaluation(self) -> None:
        self.message.value = ""
        if self._broken:
            self._complain(self._broken)
        self.latex.value = rf"$\displaystyle {html.escape(rules.to_latex(self._evaluation.formula))}$"
        found = readings.parts(self._evaluation)
        before = self.part.index if len(found) == len(self._parts) else 0
        self._parts = found
        with self._quietly():
            # A list box drops blanks in front, so depth is drawn by blanks that don't break.
            self.part.options = [(" " * 3 * part.depth + str(part.node), i) for i, part in enumerate(found)]
            self.part.index = before or 0
        self._draw()
        self._draw_tree()
        self._draw_sections()

    def _set_threshold(self) -> None:
        """Put the slider around the first threshold of the formula, over what it is compared with."""
        movable = rules.thresholds(self._tree)
        self.threshold.disabled = not movable
        if not movable:
            self.moves.value = _hint("the formula compares with no number that could be moved")
            return
        compared = next(
            part for part in readings.parts(self._evaluation)
            if isinstance(part.node, Compare) and movable[0] in (part.node.left, part.node.right)
        )  # fmt: skip
        assert isinstance(compared.node, Compare)
        side = compared.node.left if compared.node.right is movable[0] else compared.node.right
        data = self._evaluation.value(side, compared.guard).data.detach().cpu().double().numpy().ravel()
        low, high, step = span(data, movable[0].value)
        slider = self.threshold
        slider.min, slider.max = min(slider.min, low), max(slider.max, high)  # never crossed on the way
        slider.value = movable[0].value
        slider.min, slider.max, slider.step = low, high, step
        slider.readout_format = f".{max(0, digits(step))}f"
        slider.value = movable[0].value
        text = html.escape(str(compared.node))
        self.moves.value = _hint(f"moves the {movable[0].value:g} in <code>{text}</code>")

    def _piece(self, view: str, node: int | None) -> Piece:
        """Return the piece to draw; each layout is made once."""
        whole = self._pieces.get(SAMPLE)
        if view == SAMPLE and whole is not None and (node is None or node in whole.nodes):
            return whole
        links, key = self._terms.undirected, SAMPLE if view == SAMPLE else node
        if key not in self._pieces or view == SAMPLE:
            if view == SAMPLE:
                self._pieces[key] = network.piece(links, seed=self._seed, start=node)
            else:
                assert node is not None
                self._pieces[key] = network.ego(links, node, seed=self._seed)
        return self._pieces[key]

    def _reading(self) -> readings.Reading:
        return readings.read(self._evaluation, self._parts[self.part.index or 0])

    def _draw(self) -> None:
        self._draw_map()
        update(self.values, plots.rule_values(self._reading(), self.node.value))

    def _draw_chosen(self) -> None:
        self._draw()
        self._draw_tree()

    def _drawn_map(self) -> go.Figure:
        piece = self._piece(self.view.value, self.node.value)
        return plots.rule_map(self._reading(), piece, self.node.value, getattr(self._graph, "node_names", None))

    def _draw_map(self) -> None:
        if update(self.map, self._drawn_map()):
            self._listen()

    def _listen(self) -> None:
        for trace in self.map.data:
            if trace.customdata is not None:
                trace.on_click(self._clicked)

    def _draw_tree(self) -> None:
        self.tree.value = _tree(explain(self._evaluation, self.node.value), self.node.value, self._graph)

    def _draw_sections(self) -> None:
        """Bring the section that is open up to date; a closed one costs nothing."""
        if self.sections.selected_index == 0:
            self._draw_overlap()
        elif self.sections.selected_index == 1:
            self._draw_labels()

    def _draw_overlap(self) -> None:
        named = [*self.compared.value]
        typed = str(self._now()) if self.rule.value == TYPED or self._now() != self._tree else None
        ours = self.rule.value if typed is None else typed
        names = [*named, ours] if ours not in named else named
        held, left_out = readings.flags(self._terms, names)
        left_out |= {name: readings.SCORE for name in rules.names() if rules.formula(name).sort == "number"}
        if len(held) < 2:
            self._overlap_box.children = (self.compared, ipw.HTML("choose at least two rules that are true or false"))
            return
        drawn = plots.rule_overlap(held, left_out)
        if self.overlap is None:
            self.overlap = live(drawn)
        update(self.overlap, drawn)
        wide = ipw.VBox([self._fit, self.overlap], layout=ipw.Layout(flex="1 1 500px", min_width="0"))
        self._overlap_box.children = (ipw.HBox([self.compared, wide], layout=ipw.Layout(flex_flow="row wrap")),)

    def _draw_labels(self) -> None:
        if self._graph.y is None:
            self._labels_box.children = (ipw.HTML("This graph has no labels."),)
            return
        if self._errors is None:
            if self._embedding is not None:
                self._labels_box.children = (ipw.HTML("Training a probe on ten splits, once …"),)
            self._errors = readings.errors_of(self._embedding, self._graph, self._seed)
        errors, told = self._errors
        reading = readings.read(self._evaluation)
        tables = readings.label_tables(reading.values, self._graph, errors, self._seed)
        drawn = plots.rule_strata(tables, str(self._evaluation.formula), told, reading.kind)
        if self.labels is None:
            self.labels = live(drawn)
        update(self.labels, drawn)
        self._labels_box.children = (self._fit, self.labels)


# ------------------------------------------------------------------------------------------------------- helpers


def _name(rule: str) -> str | None:
    """Return the name of a rule that is given by its name or by the text of its formula; None for any other."""
    known = {rules.get(name).formula: name for name in rules.names()}
    return known.get(rule.strip()) or rules.name_of(rule)


def _card(rule: str) -> str:
    """Tell in a few lines what a rule says and where it comes from."""
    name = _name(rule)
    if name is None:
        return f'<div style="margin:4px 0"><b>A formula of your own</b> <code>{html.escape(rule)}</code></div>'
    named: Rule = rules.get(name)
    told = f"<b>{html.escape(named.name)}</b> — {html.escape(named.says)}"
    small = " · ".join(html.escape(text.strip()) for text in (named.source, named.note) if text.strip())
    return f'<div style="margin:4px 0;line-height:1.5">{told}<br><span style="opacity:0.75">{small}</span></div>'


def _hint(text: str) -> str:
    return f'<div style="margin-left:96px;opacity:0.75;font-size:12px;line-height:1.3">{text}</div>'


def _tree(explanation: Explanation, node: int, graph: Data) -> str:
    names = getattr(graph, "node_names", None)
    called = f" ({html.escape(str(names[node]))})" if names else ""
    return f"<b>Why, for node {node}{called}</b>{plots.truth_tree(explanation)}"
