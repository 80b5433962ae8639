"""Why a rule says what it says of a node: the truth tree with numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from workbench.errors import node_number
from workbench.rules import syntax
from workbench.rules.printing import draw, head
from workbench.rules.syntax import Node
from workbench.rules.truth import Evaluation

MOST = 6  # neighbours shown below a quantifier; half as many below one that stands in another, and so on


@dataclass(frozen=True)
class Explanation:
    """What one part of a rule is at certain nodes.

    Attributes:
        part: the part of the formula. value: its truth in [0, 1] or its number.
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
        """Draw the tree, one part per line."""

        def line(part: Explanation) -> str:
            what = head(part.part) if part.inner else str(part.part)
            return f"{part.shown}  {what}{f'   [{part.note}]' if part.note else ''}"

        return draw(self, line, lambda part: part.inner)


class _Place(NamedTuple):
    """Where a part is looked at: the node that each name means, and the row of the pairs that a guard ties."""

    nodes: dict[str, int]
    guard: syntax.Guard | None = None
    row: int | None = None
    most: int = MOST


def explain(evaluation: Evaluation, node: int) -> Explanation:
    """Explain what a rule on a graph says of one node, by its number."""
    at = node_number(node, evaluation.terms.nodes)
    evaluation.result()
    free = syntax.free_variables(evaluation.formula)
    return _explained(evaluation, evaluation.formula, _Place(dict.fromkeys(free, at)))


def _figure(value: float) -> str:
    return f"{value + 0:.4g}"  # without the sign of -0


def _chain(part: Node, operator: str) -> list[Node]:
    """Return the members of a chain of one connective: a, b and c of `a and b and c`."""
    if isinstance(part, syntax.Binary) and part.operator == operator:
        return _chain(part.left, operator) + _chain(part.right, operator)
    return [part]


def _value(evaluation: Evaluation, part: Node, place: _Place) -> float:
    data, over = evaluation.value(part, place.guard)
    if not over:
        return float(data)
    at = place.nodes[over[0]] if len(over) == 1 else place.row
    assert at is not None
    return float(data[at])


def _explained(evaluation: Evaluation, part: Node, place: _Place) -> Explanation:
    nodes = {name: place.nodes[name] for name in sorted(part.names)}
    whole, note = Explanation(part, _value(evaluation, part, place), nodes), ""
    if isinstance(part, syntax.Binding):
        return _bound(evaluation, whole, part, place)
    parts = list(part.parts)
    if isinstance(part, syntax.Compare) and isinstance(part.left, syntax.Variable):
        note = " and ".join(f"{name} is node {at}" for name, at in nodes.items())
    elif isinstance(part, syntax.Compare):
        note = f" {part.operator} ".join(_figure(_value(evaluation, side, place)) for side in parts)
        parts = [side for side in parts if side.parts or not isinstance(side, syntax.Call)]
    elif isinstance(part, syntax.Binary) and part.operator in ("and", "or"):
        parts = _chain(part, part.operator)
    inner = (_explained(evaluation, p, place) for p in parts if not isinstance(p, syntax.WRITTEN))
    return replace(whole, note=note, inner=tuple(inner))


def _bound(evaluation: Evaluation, whole: Explanation, part: syntax.Binding, place: _Place) -> Explanation:
    guard, variable = part.guard, part.variable
    if guard is None:
        return replace(whole, note=f"over all {evaluation.terms.nodes:,} nodes")
    relation = evaluation.terms.relation(guard.domain)
    rows = (relation.centre == place.nodes[guard.over[0]]).nonzero().ravel()
    note = f"over {len(rows)} node{'s' * (len(rows) != 1)} {variable}"
    decides, truth = part.condition if isinstance(part, syntax.Aggregate) else part.parts[0], None
    if decides is not None:
        truth = evaluation.rows(decides, guard)
        # Those that decide come first: what breaks a forall, what fulfils an exists or a condition.
        rows = rows[truth[rows].argsort(descending=part.kind != "forall", stable=True)]
        note = f"{int((truth[rows] >= 0.5).sum())} of {len(rows)} nodes {variable} fulfil it"
    if not part.parts:  # a count without a condition has nothing below it
        return replace(whole, note=note)
    most = max(1, place.most)  # the same number at each level would be exponential in the levels
    inner, shown = [], part.parts[0]
    for row in rows[:most].tolist():
        node = int(relation.other[row])
        below = _explained(evaluation, shown, _Place({**place.nodes, variable: node}, guard, row, most // 2))
        words = [f"{variable} is node {node}", below.note]
        if truth is not None and shown is not decides and truth[row] < 0.5:
            words.append("left out by the condition")
        inner.append(replace(below, note="; ".join(filter(None, words))))
    return replace(whole, note=note + f", {most} shown" * (len(rows) > most), inner=tuple(inner))
