"""The evaluator of rules: a number for each node, in time of order edges for each level of nesting.

Each part of a formula is a tensor over nothing, over the nodes, or over the pairs that the nearest quantifier runs
over. Nothing ever needs all pairs of nodes; a formula that would is refused with the reason.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.rules.formula import (
    Aggregate,
    Binary,
    Call,
    Compare,
    Node,
    Number,
    Quantifier,
    Text,
    Truth,
    Unary,
    Variable,
    Binding,
    factors,
    free_variables,
    rebuilt,
    thresholds,
)
from workbench.rules.printing import brief
from workbench.rules.semantics import Guard, Semantics, Value, divided
from workbench.rules.terms import Relation, Terms


class Evaluation:
    """One evaluation of a formula on a graph; it keeps the value of each part, to be looked at afterwards.

    Args:
        formula: a syntax tree. terms: the graph. semantics: what the logic means.
        moved: float [count], other values for the formula's thresholds in the order of `thresholds(formula)`, a tensor
            or a sequence; they may require a gradient.
    """

    def __init__(
        self, formula: Node, terms: Terms, semantics: Semantics, moved: Tensor | Sequence[float] | None = None
    ):
        self.formula, self.terms, self.semantics = formula, terms, semantics
        self._kept: dict[tuple[Node, tuple[str, str, str] | None], Value] = {}
        self._moved: dict[int, Tensor] = {}
        if moved is not None:
            places, values = thresholds(formula), _as_tensor(moved)
            if values.shape != (len(places),):
                raise UserError(f"the formula has {len(places)} thresholds; values of shape {list(values.shape)} given")
            if len({id(place) for place in places}) < len(places):
                self.formula = rebuilt(formula)
                places = thresholds(self.formula)
            values = values.to(terms.edge_index.device, torch.float64)
            self._moved = {id(place): values[i] for i, place in enumerate(places)}

    def result(self) -> Tensor:
        """Return the truth or score of each node, float64 [nodes]; a rule that names no node is the same for all."""
        value = self.value(self.formula, None)
        data = value.data.expand(self.terms.nodes) if not value.over else value.data
        outside = ~torch.isfinite(data.float())
        if bool(outside.any()):
            node = int(outside.nonzero()[0])
            raise UserError(f"the score of node {node} is {float(data[node]):g}, which is outside the range of float32")
        return data

    def value(self, part: Node, guard: Guard | None) -> Value:
        """Return the value of a part below a quantifier, computed once."""
        key = (part, guard and (guard.relation.name, guard.centre, guard.other))
        if self._moved and thresholds(part):
            return self._finite(part, guard)  # two equal parts may have different thresholds now
        if key not in self._kept:
            self._kept[key] = self._finite(part, guard)
        return self._kept[key]

    def rows(self, part: Node, guard: Guard) -> Tensor:
        """Return the value of a part for each pair that a quantifier ties together [rows of its relation]."""
        spread = self._spread(self.value(part, guard), (guard.centre, guard.other), guard)
        return spread.expand(len(guard.relation.centre))

    def _finite(self, part: Node, guard: Guard | None) -> Value:
        value = self._compute(part, guard)
        if part.sort == "number" and not bool(torch.isfinite(value.data).all()):
            raise UserError(f"`{brief(part)}` is no finite number somewhere; mend what stands in it, e.g. ln(1 + ...)")
        return value

    def _compute(self, part: Node, guard: Guard | None) -> Value:
        match part:
            case Number() | Truth():
                return self._number(float(part.value))
            case Unary():
                inner = self.value(part.operand, guard)
                return inner._replace(data=1 - inner.data if part.operator == "not" else -inner.data)
            case Binary():
                a, b, over = self._aligned(part, part.left, part.right, guard)
                compute = _arithmetic if part.sort == "number" else self.semantics.join
                return Value(compute(part.operator, a, b), over)
            case Compare():
                return self._compared(part, guard)
            case Call():
                return self._called(part, guard)
            case Quantifier() | Aggregate():
                return self._bound(part)
        raise TypeError(f"{type(part).__name__} has no value")

    def _number(self, value: float) -> Value:
        return Value(torch.tensor(value, dtype=torch.float64, device=self.terms.edge_index.device), ())

    def _aligned(self, part: Node, left: Node, right: Node, guard: Guard | None) -> tuple[Tensor, Tensor, tuple]:
        """Bring two values to the same nodes or pairs."""
        values = self.value(left, guard), self.value(right, guard)
        over = tuple(dict.fromkeys([*values[0].over, *values[1].over]))
        if len(over) > 1:
            over = self._pair_of(part, over, guard)
        a, b = (self._spread(value, over, guard) for value in values)
        return a, b, over

    def _pair_of(self, part: Node, over: Iterable[str], guard: Guard | None) -> tuple[str, ...]:
        if guard is None or not set(over) <= {guard.centre, guard.other}:
            names = sorted(over)
            tied = f"; only {guard.centre} and {guard.other} are tied by an edge there" if guard else ""
            raise UserError(
                f"`{brief(part)}` speaks of {' and '.join(names)} at once, which would need all pairs of nodes{tied}; "
                f"tie them by an edge, e.g. exists {names[-1]} in N({names[0]}): ..., or compare with an aggregate "
                "such as max(... for w in V)"
            )
        return (guard.centre, guard.other)

    def _spread(self, value: Value, over: tuple[str, ...], guard: Guard | None) -> Tensor:
        if value.over == over or not value.over:
            return value.data
        assert guard is not None
        return value.data[guard.relation.centre if value.over == (guard.centre,) else guard.relation.other]

    def _compared(self, part: Compare, guard: Guard | None) -> Value:
        if isinstance(part.left, Variable) and isinstance(part.right, Variable):
            names = (part.left.name, part.right.name)
            if names[0] == names[1]:
                return self._number(float(part.operator == "="))
            over = self._pair_of(part, names, guard)
            assert guard is not None
            same = guard.relation.centre == guard.relation.other
            return Value((same if part.operator == "=" else ~same).double(), over)
        a, b, over = self._aligned(part, part.left, part.right, guard)
        a, b = (self._moved.get(id(side), data) for side, data in ((part.left, a), (part.right, b)))
        return Value(self.semantics.compare(part.operator, *torch.broadcast_tensors(a, b)), over)

    def _called(self, part: Call, guard: Guard | None) -> Value:
        names, options = part.variables, dict(part.options)
        if not names:
            return self._function(part, guard)
        if len(names) == 1:
            argument = next((a.value for a in part.arguments if isinstance(a, Number | Text)), None)
            return Value(self.terms.node(part.name, argument, **options), names)
        if names[0] == names[1]:
            nodes = torch.arange(self.terms.nodes, device=self.terms.edge_index.device)
            return Value(self.terms.pair(part.name, Relation("itself", nodes, nodes), **options), names[:1])
        over = self._pair_of(part, names, guard)
        assert guard is not None
        relation = guard.relation
        if part.name == "multiplicity" and names != over:  # the one term in which the order of both nodes matters
            relation = Relation(f"{relation.name} turned", relation.other, relation.centre)
        return Value(self.terms.pair(part.name, relation, **options), over)

    def _function(self, part: Call, guard: Guard | None) -> Value:
        if part.name in ("min", "max"):
            a, b, over = self._aligned(part, part.arguments[0], part.arguments[1], guard)
            return Value((torch.minimum if part.name == "min" else torch.maximum)(a, b), over)
        inner = self.value(part.arguments[0], guard)
        compute = {"abs": torch.abs, "ln": torch.log, "exp": torch.exp, "sqrt": torch.sqrt}[part.name]
        return inner._replace(data=compute(inner.data))

    # ------------------------------------------------------------------------------- quantifiers and aggregates

    def _bound(self, part: Binding) -> Value:
        if part.domain.centre is None:
            return self._over_all(part)
        relation = self.terms.relation(part.domain.name)
        guard = Guard(relation, part.domain.centre, part.variable)
        for body in part.parts:
            _check_reach(body, part, guard)
        rows = [self.rows(body, guard) for body in part.parts]
        return Value(self._reduced(part, rows, relation.centre, self.terms.nodes), (part.domain.centre,))

    def _reduced(self, part: Binding, rows: list[Tensor], group: Tensor, groups: int) -> Tensor:
        """Reduce the rows of a quantifier's body, or of an aggregate's condition and term, to one number a group."""
        if isinstance(part, Quantifier):
            return self.semantics.all_of(part.kind, rows[0], group, groups)
        held = rows[-1] if part.condition is not None else torch.ones_like(rows[0] if rows else group.double())
        count = held.new_zeros(groups).index_add(0, group, held)
        if part.kind == "count":
            return count
        term = rows[0]
        if part.kind in ("sum", "mean"):
            total = term.new_zeros(groups).index_add(0, group, term * held)
            # A graded condition may hold a little only; nothing is held at all where the mean is 0.
            return total if part.kind == "sum" else divided(total, count)
        kept = held >= 0.5
        term, group = term[kept], group[kept]
        return term.new_zeros(groups).scatter_reduce(0, group, term, f"a{part.kind}", include_self=False)

    def _over_all(self, part: Binding) -> Value:
        """Evaluate over V: where the body speaks of the running node alone, or is a sum that can be taken apart."""
        nodes = self.terms.nodes
        inside = part.parts
        if frozenset[str]().union(*map(free_variables, inside)) <= {part.variable}:
            rows = [self.value(body, None) for body in inside]
            group = torch.zeros(nodes, dtype=torch.long, device=self.terms.edge_index.device)
            return Value(self._reduced(part, [row.data.expand(nodes) for row in rows], group, 1)[0], ())
        apart = None
        if isinstance(part, Aggregate) and part.kind in ("sum", "mean") and part.condition is None:
            assert part.term is not None
            apart = self._taken_apart(part.term, part.variable)
        if apart is not None and len({value.over for value in apart if value.over}) > 1:
            apart = None
        if apart is None:
            raise UserError(
                f"`{brief(part)}` would need all pairs of nodes; over V a rule may take the sum or mean of products of "
                f"cos, dot and terms of one node, or compare with an aggregate of {part.variable} alone, e.g. "
                f"degree(v) >= max(degree({part.variable}) for {part.variable} in V)"
            )
        total = torch.stack(torch.broadcast_tensors(*(value.data for value in apart))).sum(0)
        over = max((value.over for value in apart), key=len)
        return Value(total / max(nodes, 1) if part.kind == "mean" else total, over)

    def _taken_apart(self, term: Node, variable: str) -> list[Value] | None:
        """Return the values whose sum is the sum of a term over all nodes, or None where pairs would be needed.

        The sum over w of f(w) g(v) <z_w, z_v> is g(v) <sum_w f(w) z_w, z_v>: of order nodes.
        """
        if isinstance(term, Unary) and term.operator == "-":
            inner = self._taken_apart(term.operand, variable)
            return inner and [value._replace(data=-value.data) for value in inner]
        if isinstance(term, Binary) and term.operator in "+-":
            left, right = self._taken_apart(term.left, variable), self._taken_apart(term.right, variable)
            if left is None or right is None:
                return None
            return left + [v._replace(data=-v.data) if term.operator == "-" else v for v in right]
        inside, outside, joint = self._number(1.0).data, self._number(1.0), None
        for factor, inverted in factors(term):
            names = free_variables(factor)
            if isinstance(factor, Call) and factor.name in ("cos", "dot") and len(set(factor.variables)) == 2:
                if joint is not None or inverted or variable not in names:
                    return None
                joint = factor
            elif names <= {variable}:
                inside = (divided if inverted else torch.mul)(inside, self.value(factor, None).data)
            elif variable not in names and len(names) == 1:
                value = self.value(factor, None)
                if outside.over and outside.over != value.over:
                    return None
                outside = Value((divided if inverted else torch.mul)(outside.data, value.data), value.over)
            else:
                return None
        inside = inside.expand(self.terms.nodes)
        if joint is None:
            return [outside._replace(data=outside.data * inside.sum())]
        over = tuple(name for name in joint.variables if name != variable)
        if outside.over and outside.over != over:
            return None
        pca = dict(joint.options).get("pca")
        return [Value(outside.data * self.terms.products_with_sum(inside, pca, joint.name == "cos"), over)]


def _arithmetic(operator: str, a: Tensor, b: Tensor) -> Tensor:
    if operator in "+-*":
        return a + b if operator == "+" else a - b if operator == "-" else a * b
    return divided(a, b) if operator == "/" else a**b


def _as_tensor(moved: Tensor | Sequence[float]) -> Tensor:
    """Return the values of thresholds as a tensor, with the gradients that they require."""
    try:
        if not isinstance(moved, Tensor):
            parts = [torch.as_tensor(value, dtype=torch.float64) for value in moved]
            moved = torch.stack(parts) if parts else torch.zeros(0)
        if not bool(moved.isnan().any()):
            return moved
    except (TypeError, ValueError, RuntimeError):
        pass  # refused below
    shown = " ".join(repr(moved).split())[:60]
    raise UserError(f"moved holds a number for each of the formula's thresholds, e.g. [1.0, 2.5], not {shown}")


def _check_reach(body: Node, part: Binding, guard: Guard) -> None:
    """Refuse a body that speaks of other nodes than the two that its quantifier ties together."""
    outside = free_variables(body) - {guard.centre, guard.other}
    if outside:
        name = min(outside)
        raise UserError(
            f"`{brief(body)}` speaks of {name} below `{part.variable} in {part.domain}`, where only {guard.centre} "
            f"and {guard.other} are tied by an edge; it would need all paths from {name} over {guard.centre} to "
            f"{guard.other}: move what it says of {name} out of these brackets, or run over N2({name})"
        )
