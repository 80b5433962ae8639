"""Why a rule says what it says of a node: the truth tree with numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.errors import node_number
from workbench.rules.formula import (
    Binary,
    Binding,
    Call,
    Compare,
    Guard,
    Node,
    Number,
    Quantifier,
    Text,
    Truth,
    Variable,
    free_variables,
)
from workbench.rules.printing import draw, head
from workbench.rules.truth import Evaluation

MOST = 6


@dataclass(frozen=True)
class Explanation:
    """What one part of a rule is at certain nodes.

    Attributes:
        part: the part of the formula.
        value: its truth in [0, 1] or its number.
        nodes: which node each name in it means, by name.
        note: the numbers behind it, e.g. "3 of 4 nodes u fulfil it"; "" where there is nothing to add.
        inner: what it is made of; for a quantifier some of the nodes it runs over, those that decide first.
    """

    part: Node
    value: float
    nodes: dict[str, int]
    note: str = ""
    inner: tuple[Explanation, ...] = ()

    @property
    def shown(self) -> str:
        """The value in words: "true", "false", a truth such as "0.83", or a number."""
        if self.part.sort == "truth" and self.value in (0, 1):
            return str(bool(self.value)).lower()
        return _figure(self.value)

    def __str__(self) -> str:
        """Draw the tree, one part a line."""
        return draw(self, lambda part: part._line, lambda part: part.inner)

    @property
    def _line(self) -> str:
        what = head(self.part) if self.inner else str(self.part)
        return f"{self.shown}  {what}{f'   [{self.note}]' if self.note else ''}"


def explain(evaluation: Evaluation, node: int, most: int = MOST) -> Explanation:
    """Explain what a rule says of one node.

    Args:
        evaluation: the rule on a graph. node: number of the node.
        most: how many neighbours are shown below a quantifier; half as many below one that stands in another, and so
            on, but one at least.
    """
    at = node_number(node, evaluation.terms.nodes)
    evaluation.result()
    free = free_variables(evaluation.formula)
    return _Explainer(evaluation, most).part(evaluation.formula, dict.fromkeys(free, at), None, None)


def _figure(value: float) -> str:
    return f"{value + 0:.4g}"  # without the sign of -0


def _chain(part: Node, operator: str = "") -> list[Node]:
    """Return the members of a chain of one connective: a, b and c of `a and b and c`."""
    if isinstance(part, Binary) and part.operator == (operator or part.operator):
        return _chain(part.left, part.operator) + _chain(part.right, part.operator)
    return [part]


class _Explainer:
    def __init__(self, evaluation: Evaluation, most: int):
        self.evaluation, self.most, self.level = evaluation, most, 0

    def at(self, part: Node, nodes: dict[str, int], guard: Guard | None, row: int | None) -> float:
        data, over = self.evaluation.value(part, guard)
        if not over:
            return float(data)
        place = nodes[over[0]] if len(over) == 1 else row
        assert place is not None
        return float(data[place])

    def part(self, part: Node, nodes: dict[str, int], guard: Guard | None, row: int | None) -> Explanation:
        named = {name: nodes[name] for name in sorted(part.names) if name in nodes}
        whole = Explanation(part, self.at(part, nodes, guard, row), named)
        if isinstance(part, Binding):
            return self._bound(whole, part, nodes)
        if isinstance(part, Compare):
            return self._compared(whole, part, nodes, guard, row)
        parts = _chain(part) if isinstance(part, Binary) and part.operator in ("and", "or") else part.parts
        inner = [p for p in parts if not isinstance(p, Number | Text | Truth)]
        return replace(whole, inner=tuple(self.part(p, nodes, guard, row) for p in inner))

    def _compared(
        self, whole: Explanation, part: Compare, nodes: dict[str, int], guard: Guard | None, row: int | None
    ) -> Explanation:
        if isinstance(part.left, Variable):
            return replace(whole, note=" and ".join(f"{name} is node {at}" for name, at in whole.nodes.items()))
        sides = [self.at(side, nodes, guard, row) for side in (part.left, part.right)]
        deeper = [side for side in (part.left, part.right) if not isinstance(side, Number | Call) or side.parts]
        inner = tuple(self.part(side, nodes, guard, row) for side in deeper if not isinstance(side, Number))
        return replace(whole, note=f"{_figure(sides[0])} {part.operator} {_figure(sides[1])}", inner=inner)

    def _bound(self, whole: Explanation, part: Binding, nodes: dict[str, int]) -> Explanation:
        guard = part.guard
        if guard is None:
            return replace(whole, note=f"over all {self.evaluation.terms.nodes:,} nodes")
        relation = self.evaluation.terms.relation(part.domain.name)
        rows = (relation.centre == nodes[guard.over[0]]).nonzero().ravel()
        shown = part.body if isinstance(part, Quantifier) else part.term or part.condition
        decides = part.body if isinstance(part, Quantifier) else part.condition
        note = f"over {len(rows)} node{'s' * (len(rows) != 1)} {part.variable}"
        truth = None
        if decides is not None:
            truth = self.evaluation.rows(decides, guard)
            # Those that decide come first: what breaks a forall, what fulfils an exists or a condition.
            first_true = not (isinstance(part, Quantifier) and part.kind == "forall")
            rows = rows[truth[rows].argsort(descending=first_true, stable=True)]
            note = f"{int((truth[rows] >= 0.5).sum())} of {len(rows)} nodes {part.variable} fulfil it"
        most = max(1, self.most >> self.level)  # the same number at each level would be exponential in the levels
        if shown is None:  # a count without a condition has nothing below it
            return replace(whole, note=note)
        inner = []
        self.level += 1
        for at in rows[:most].tolist():
            inside = {**nodes, part.variable: int(relation.other[at])}
            below = self.part(shown, inside, guard, at)
            words = [f"{part.variable} is node {inside[part.variable]}", below.note]
            if truth is not None and shown is not decides and truth[at] < 0.5:
                words.append("left out by the condition")
            inner.append(replace(below, note="; ".join(filter(None, words))))
        self.level -= 1
        return replace(whole, note=note + f", {most} shown" * (len(rows) > most), inner=tuple(inner))
