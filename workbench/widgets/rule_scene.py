"""What the rule explorer looks at: a rule on a graph, what it says of which node, and why."""

import html
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
from torch_geometric.data import Data

from workbench import plots, rules
from workbench.errors import UserError
from workbench.evaluation import strata
from workbench.evaluation.embeddings import Embeddings, matrix_of
from workbench.plots import network
from workbench.plots.negatives import called
from workbench.plots.network import Piece
from workbench.rules import Evaluation, Explanation, Semantics, Terms, readings
from workbench.rules.explanation import explain
from workbench.rules.syntax import Compare, Node, Part
from workbench.widgets import formula
from workbench.widgets.brush import Ids

NEIGHBOURHOOD, SAMPLE = "neighbourhood of the chosen node", "a piece of the graph"
LABELS_TITLE = "What labels say — labels are used here to look, never to train"
NO_LABELS = "This graph has no labels."


class RuleScene:
    """A rule on a graph, of which a node and a part of the rule are looked at; arguments as for `rule_explorer`.

    Attributes:
        graph, terms: the graph, and what rules are made of on it. evaluation: of the rule; `mean` sets it.
        node: the chosen node. first: the one at the beginning.
        view: which piece of the graph is drawn, NEIGHBOURHOOD or SAMPLE.
        truths: the named rules that are true or false.
        parts: of the rule. part: which of them is drawn, by its place; 0 is the whole.
        shared: a name and the nodes that are shared by it, see `selections`, or None.
    """

    widget = "rule explorer"

    def __init__(
        self,
        graph: Data,
        rule: str = "ntsc",
        node: int | None = None,
        seed: int = 0,
        embedding: Embeddings | None = None,
        semantics: Semantics | None = None,
    ):
        if not graph.num_nodes:
            raise UserError("this graph has no nodes to look at")
        if embedding is not None:
            matrix_of(embedding, graph)  # what doesn't fit is refused here, not when a section is opened
        self.graph, self.terms, self.seed, self.embedding = graph, Terms(graph), seed, embedding
        self._pieces: dict[object, Piece] = {}
        self._errors: tuple[np.ndarray | None, str] | None = None
        self.truths = [name for name in rules.names() if rules.formula(name).sort == "truth"]
        self.parts: list[Part] = []
        self.shared: tuple[str, Ids] | None = None
        self.part, self.view = 0, SAMPLE if node is None else NEIGHBOURHOOD
        self.mean(rules.formula(rule), semantics or Semantics())
        self.node = self.first = int(self._piece(node).nodes[0])

    def mean(self, tree: Node, semantics: Semantics) -> None:
        """Evaluate a formula in place of the one before, which stays where this one can't be evaluated."""
        evaluation = Evaluation(tree, self.terms, semantics)
        evaluation.result()
        parts = readings.parts(evaluation)
        if len(parts) != len(self.parts):
            self.part = 0
        self.evaluation, self.parts = evaluation, parts

    @property
    def text(self) -> str:
        """The formula as it is written."""
        return str(self.evaluation.formula)

    @property
    def reading(self) -> readings.Reading:
        """What the part that is drawn says of each node."""
        return readings.read(self.evaluation, self.parts[self.part])

    @property
    def explanation(self) -> Explanation:
        """The truth tree of the chosen node."""
        return explain(self.evaluation, self.node)

    @property
    def measured(self) -> bool:
        """Whether the errors of a probe are known, so that labels can be looked at without a pause."""
        return self.graph.y is None or self.embedding is None or self._errors is not None

    def figures(self) -> dict[str, go.Figure]:
        """Draw "graph", "values", "overlap" (of crisp truths always), and "labels" where the graph has labels."""
        overlap, labels = self.overlap(self.truths, name_of(self.text) or self.text), self.labels()
        more = {"overlap": overlap, "labels": labels}
        return self.drawn() | {name: figure for name, figure in more.items() if figure is not None}

    def page(self, figures: dict[str, go.Figure]) -> list[str | go.Figure]:
        """Return what the static twin shows."""
        shown = [card(self.text) + self.tree(), *(figures[name] for name in ("graph", "values", "overlap"))]
        return [*shown, f"<h4>{LABELS_TITLE}</h4>", figures.get("labels", f"<p>{NO_LABELS}</p>")]

    def drawn(self) -> dict[str, go.Figure]:
        """Draw a piece of the graph, "graph", and how the values are spread over all nodes, "values"."""
        reading, names = self.reading, self.graph.get("node_names")
        graph = plots.rule_map(reading, self._piece(self.node), self.node, names, self.shared)
        return {"graph": graph, "values": plots.rule_values(reading, self.node)}

    def holding(self) -> Ids:
        """Return the nodes of which the part that is drawn holds; a UserError where it is no truth of nodes."""
        reading = self.reading
        if reading.kind == "number":
            raise UserError(
                f"{reading.text} is a number of each node; compare it, e.g. {reading.text} > 1, to share nodes"
            )
        if reading.kind == "share":
            raise UserError(f"{reading.text} is true of pairs; choose a part that is true of nodes, to share these")
        return np.flatnonzero(reading.values > 0.5)

    def within(self) -> str:
        """Tell how far what is drawn holds in the selection that is shared, and outside, as HTML; "" without one."""
        if self.shared is None:
            return ""
        name, nodes = self.shared
        reading, mine = self.reading, np.isin(np.arange(self.terms.nodes), nodes)
        told = []
        for who, values in ((f"“{html.escape(name)}”", reading.values[mine]), ("the others", reading.values[~mine])):
            said, count = values[np.isfinite(values)], f"{len(values):,}"
            if reading.kind == "truth":
                held = int(said.sum())
                told.append(f"true of {held:,} of the {count} nodes of {who} ({held / max(len(values), 1):.0%})")
            else:
                told.append(f"on average {said.mean() if len(said) else np.nan:.3g} over the {count} nodes of {who}")
        return f"It is {', and '.join(told)}."

    def overlap(self, compared: Sequence[str], ours: str) -> go.Figure | None:
        """Draw how far rules and ours, a name or a formula, hold of the same nodes; None for fewer than two."""
        scores = set(rules.names()) - set(self.truths)
        held, left_out = readings.flags(self.terms, list(dict.fromkeys([*compared, ours, *sorted(scores)])))
        return plots.rule_overlap(held, left_out) if len(held) > 1 else None

    def labels(self) -> go.Figure | None:
        """Draw what labels say of groups of nodes of like score; None where there are none."""
        if self.graph.y is None:
            return None
        if self._errors is None:
            self._errors = strata.errors_of(self.embedding, self.graph, self.seed)
        errors, note = self._errors
        reading = readings.read(self.evaluation)
        tables = strata.label_tables(reading.values, self.graph, errors, self.seed)
        return plots.rule_strata(tables, self.text, note, reading.kind)

    def tree(self) -> str:
        """Return the truth tree of the chosen node as HTML."""
        who = html.escape(called(self.node, self.graph.get("node_names")))
        return f"<b>Why, for {who}</b>{plots.truth_tree(self.explanation)}"

    def _piece(self, node: int | None) -> Piece:
        """Return the piece to draw; each layout is made once."""
        pieces, links = self._pieces, self.terms.undirected
        if node is not None and self.view == NEIGHBOURHOOD:
            if node not in pieces:
                pieces[node] = network.ego(links, node, seed=self.seed)
            return pieces[node]
        if SAMPLE not in pieces or (node is not None and node not in pieces[SAMPLE].nodes):
            pieces[SAMPLE] = network.piece(links, seed=self.seed, start=node)
        return pieces[SAMPLE]

    def slider(self, text: str, source: str) -> dict[str, Any]:
        """Return what a slider has to know of the first threshold, see `formula.movable`; only `of` if there is none.

        The rule was read from `source`; it is the text, unless this is the name of a rule.
        """
        movable = rules.thresholds(self.evaluation.formula)
        for part in self.parts:
            node = part.node
            if movable and isinstance(node, Compare) and movable[0] in (node.left, node.right):
                side = node.left if node.right is movable[0] else node.right
                data = self.evaluation.value(side, part.guard).data.detach().cpu().double().numpy().ravel()
                return formula.movable(text, source, movable[0], str(side), span(data, movable[0].value))
        return {"of": text}


def span(data: np.ndarray, value: float) -> tuple[float, float, int]:
    """Return the ends of a slider over what a threshold is compared with, and the digits of its steps."""
    # A few far nodes would make the slider too coarse for all others.
    low, high = (float(end) for end in np.quantile(data, [0, 0.95])) if data.size else (value, value)
    low, high = min(low, value), max(high, value)
    if low == high:
        low, high = low - 1, high + 1
    whole = value == round(value) and (data == np.round(data)).all()
    digits = 0 if whole else int(-np.floor(np.log10((high - low) / 200)))
    step = 10.0**-digits
    return round(np.floor(low / step) * step, digits), round(np.ceil(high / step) * step, digits), digits


@cache
def _names() -> dict[str, str]:
    """Return the name of each named rule by the text of its formula, as its author and as the language writes it."""
    names = rules.names()
    return {text: name for name in names for text in (rules.get(name).formula, str(rules.formula(name)))}


def name_of(rule: str) -> str | None:
    """Return the name of a rule that is given by its name or by the text of its formula; None for any other."""
    return _names().get(rule.strip()) or rules.name_of(rule)


def card(rule: str) -> str:
    """Tell in a few lines what a rule says and where it comes from."""
    name = name_of(rule)
    if name is None:
        return f'<div style="margin:4px 0"><b>A formula of your own</b> <code>{html.escape(rule)}</code></div>'
    named = rules.get(name)
    says = f"<b>{html.escape(named.name)}</b> — {html.escape(named.says)}"
    small = " · ".join(html.escape(text.strip()) for text in (named.source, named.note) if text.strip())
    return f'<div style="margin:4px 0;line-height:1.5">{says}<br><span style="opacity:0.75">{small}</span></div>'
