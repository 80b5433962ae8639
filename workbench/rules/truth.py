"""The evaluator of rules: a number for each node, in time of order edges for each level of nesting.

Each part of a formula is a tensor over nothing, over the nodes, or over the pairs that the nearest quantifier runs
over. Nothing ever needs all pairs of nodes; a formula that would is refused with the reason.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.rules import syntax
from workbench.rules.printing import brief
from workbench.rules.semantics import Semantics
from workbench.rules.syntax import Node
from workbench.rules.terms import Relation, Terms


class Value(NamedTuple):
    """What a part of a formula is: a scalar (over no node), [nodes] (over one), or [rows] of a relation (over two)."""

    data: Tensor
    over: tuple[str, ...]


def _divided(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b, and 0 where b is 0; the inner choice keeps the gradient there from being nan."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))


_Compute = Callable[..., Tensor]
_ARITHMETIC: dict[str, _Compute] = {"+": torch.add, "-": torch.sub, "*": torch.mul, "/": _divided, "^": torch.pow}
_ARITHMETIC |= {"abs": torch.abs, "ln": torch.log, "exp": torch.exp, "sqrt": torch.sqrt}
_ARITHMETIC |= {"min": torch.minimum, "max": torch.maximum}


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
        self._kept: dict[tuple[Node, syntax.Guard | None], Value] = {}
        self._moved: dict[int, Tensor] = {}
        if moved is not None:
            self.formula = syntax.rebuilt(formula)  # so that no part stands in it twice
            places, values = syntax.thresholds(self.formula), _as_tensor(moved)
            if values.shape != (len(places),):
                raise UserError(f"the formula has {len(places)} thresholds; values of shape {list(values.shape)} given")
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

    def value(self, part: Node, guard: syntax.Guard | None) -> Value:
        """Return the value of a part below a quantifier, computed once."""
        moved = self._moved and syntax.thresholds(part)  # two equal parts may have different thresholds then
        if not moved and (part, guard) in self._kept:
            return self._kept[part, guard]
        value = self._compute(part, guard)
        if part.sort == "number" and not bool(torch.isfinite(value.data).all()):
            raise UserError(f"`{brief(part)}` is no finite number somewhere; mend what stands in it, e.g. ln(1 + ...)")
        if not moved:
            self._kept[part, guard] = value
        return value

    def rows(self, part: Node, guard: syntax.Guard) -> Tensor:
        """Return the value of a part for each pair that a quantifier ties together [rows of its relation]."""
        return self._spread(self.value(part, guard), guard.over, guard).expand(len(self._relation(guard).centre))

    def _relation(self, guard: syntax.Guard) -> Relation:
        return self.terms.relation(guard.domain)

    def _compute(self, part: Node, guard: syntax.Guard | None) -> Value:
        match part:
            case syntax.Number() | syntax.Truth():
                return self._number(float(part.value))
            case syntax.Unary(operator):
                return self._joined(part, guard, (lambda a: 1 - a) if operator == "not" else torch.neg)
            case syntax.Binary(operator):
                return self._joined(part, guard, _ARITHMETIC.get(operator) or partial(self.semantics.join, operator))
            case syntax.Compare(_, syntax.Variable(), syntax.Variable()):
                return self._same(part, guard)
            case syntax.Compare():
                return self._joined(part, guard, partial(self._compare, part))
            case syntax.Call(name):
                return self._term(part, guard) if part.variables else self._joined(part, guard, _ARITHMETIC[name])
            case syntax.Binding():
                return self._bound(part)
        raise TypeError(f"{type(part).__name__} has no value")

    def _number(self, value: float) -> Value:
        return Value(torch.tensor(value, dtype=torch.float64, device=self.terms.edge_index.device), ())

    def _joined(self, part: Node, guard: syntax.Guard | None, compute: _Compute) -> Value:
        """Compute a value from those of its parts, which are brought to the same nodes or pairs."""
        values = [self.value(side, guard) for side in part.parts]
        over = tuple(dict.fromkeys(name for value in values for name in value.over))
        if len(over) > 1:
            guard = self._tied(part, over, guard)
            over = guard.over
        return Value(compute(*(self._spread(value, over, guard) for value in values)), over)

    def _tied(self, part: Node, over: Collection[str], guard: syntax.Guard | None) -> syntax.Guard:
        """Return the guard, which must tie the nodes that a part speaks of."""
        if guard is not None and set(over) <= set(guard.over):
            return guard
        names = sorted(over)
        tied = f"; only {' and '.join(guard.over)} are tied by an edge there" if guard else ""
        raise UserError(
            f"`{brief(part)}` speaks of {' and '.join(names)} at once, which would need all pairs of nodes{tied}; "
            f"tie them by an edge, e.g. exists {names[-1]} in N({names[0]}): ..., or compare with an aggregate "
            "such as max(... for w in V)"
        )

    def _spread(self, value: Value, over: tuple[str, ...], guard: syntax.Guard | None) -> Tensor:
        if value.over in (over, ()):
            return value.data
        assert guard is not None
        relation = self._relation(guard)
        return value.data[relation.centre if value.over == guard.over[:1] else relation.other]

    def _same(self, part: syntax.Compare, guard: syntax.Guard | None) -> Value:
        """Compare two names of nodes."""
        if part.left == part.right:
            return self._number(float(part.operator == "="))
        guard = self._tied(part, part.names, guard)
        _, centre, other = self._relation(guard)
        return Value((centre == other if part.operator == "=" else centre != other).double(), guard.over)

    def _compare(self, part: syntax.Compare, a: Tensor, b: Tensor) -> Tensor:
        a, b = (self._moved.get(id(side), data) for side, data in ((part.left, a), (part.right, b)))
        return self.semantics.compare(part.operator, *torch.broadcast_tensors(a, b))

    def _term(self, part: syntax.Call, guard: syntax.Guard | None) -> Value:
        names, options = part.variables, dict(part.options)
        if len(names) == 1:
            argument = next((a.value for a in part.arguments if isinstance(a, syntax.Number | syntax.Text)), None)
            return Value(self.terms.node(part.name, argument, **options), names)
        if names[0] == names[1]:
            nodes = torch.arange(self.terms.nodes, device=self.terms.edge_index.device)
            return Value(self.terms.pair(part.name, Relation("itself", nodes, nodes), **options), names[:1])
        guard = self._tied(part, names, guard)
        relation = self._relation(guard)
        if part.name == "multiplicity" and names != guard.over:  # the one term in which the order of both nodes matters
            relation = Relation(f"{relation.name} turned", relation.other, relation.centre)
        return Value(self.terms.pair(part.name, relation, **options), guard.over)

    def _bound(self, part: syntax.Binding) -> Value:
        guard = part.guard
        if guard is None:
            return self._over_all(part)
        centre, other = guard.over
        for body in part.parts:
            # It may speak of the two nodes only that are tied together.
            if outside := syntax.free_variables(body) - {centre, other}:
                name = min(outside)
                raise UserError(
                    f"`{brief(body)}` speaks of {name} below `{other} in {part.domain}`, where only {centre} and "
                    f"{other} are tied by an edge; it would need all paths from {name} over {centre} to {other}: move "
                    f"what it says of {name} out of these brackets, or run over N2({name})"
                )
        rows = [self.rows(body, guard) for body in part.parts]
        return Value(self._reduced(part, rows, self._relation(guard).centre, self.terms.nodes), (centre,))

    def _reduced(self, part: syntax.Binding, rows: list[Tensor], group: Tensor, groups: int) -> Tensor:
        """Reduce the rows of a quantifier's body, or of an aggregate's condition and term, to one number per group."""
        if isinstance(part, syntax.Quantifier):
            return self.semantics.all_of(part.kind, rows[0], group, groups)
        assert isinstance(part, syntax.Aggregate)
        held = rows[-1] if part.condition is not None else torch.ones_like(rows[0] if rows else group.double())
        count = held.new_zeros(groups).index_add(0, group, held)
        if part.kind == "count":
            return count
        term = rows[0]
        if part.kind in ("sum", "mean"):
            total = term.new_zeros(groups).index_add(0, group, term * held)
            # A graded condition may hold a little only; nothing is held at all where the mean is 0.
            return total if part.kind == "sum" else _divided(total, count)
        kept = held >= 0.5
        term, group = term[kept], group[kept]
        return term.new_zeros(groups).scatter_reduce(0, group, term, f"a{part.kind}", include_self=False)

    def _over_all(self, part: syntax.Binding) -> Value:
        """Evaluate over V: where the body speaks of the running node alone, or is a sum that can be taken apart."""
        nodes, apart = self.terms.nodes, list[Value]()
        if syntax.free_variables(*part.parts) <= {part.variable}:
            rows = [self.value(body, None).data.expand(nodes) for body in part.parts]
            group = torch.zeros(nodes, dtype=torch.long, device=self.terms.edge_index.device)
            return Value(self._reduced(part, rows, group, 1)[0], ())
        if part.kind in ("sum", "mean") and len(part.parts) == 1:  # without a condition
            apart = self._taken_apart(part.parts[0], part.variable)
        over = {value.over for value in apart if value.over}
        if not apart or len(over) > 1:
            raise UserError(
                f"`{brief(part)}` would need all pairs of nodes; over V a rule may take the sum or mean of products of "
                f"cos, dot and terms of one node, or compare with an aggregate of {part.variable} alone, e.g. "
                f"degree(v) >= max(degree({part.variable}) for {part.variable} in V)"
            )
        total = torch.stack(torch.broadcast_tensors(*(value.data for value in apart))).sum(0)
        return Value(total / max(nodes, 1) if part.kind == "mean" else total, *over or [()])

    def _taken_apart(self, term: Node, variable: str) -> list[Value]:
        """Return the values whose sum is the sum of a term over all nodes, and none where pairs would be needed.

        The sum over w of f(w) g(v) <z_w, z_v> is g(v) <sum_w f(w) z_w, z_v>: of order nodes.
        """
        if isinstance(term, syntax.Unary):
            return [value._replace(data=-value.data) for value in self._taken_apart(term.operand, variable)]
        if isinstance(term, syntax.Binary) and term.operator in "+-":
            left = self._taken_apart(term.left, variable)
            right = self._taken_apart(term.right if term.operator == "+" else syntax.Unary("-", term.right), variable)
            return left + right if left and right else []
        inside, outside, joint = self._number(1.0).data, self._number(1.0), None
        for factor, inverted in syntax.factors(term):
            names, times = syntax.free_variables(factor), _divided if inverted else torch.mul
            if isinstance(factor, syntax.Call) and factor.name in ("cos", "dot") and len(set(factor.variables)) == 2:
                if joint is not None or inverted or variable not in names:
                    return []
                joint = factor
            elif names <= {variable}:
                inside = times(inside, self.value(factor, None).data)
            elif len(names) == 1:
                value = self.value(factor, None)
                if outside.over not in ((), value.over):
                    return []
                outside = Value(times(outside.data, value.data), value.over)
            else:
                return []
        inside = inside.expand(self.terms.nodes)
        if joint is None:
            return [outside._replace(data=outside.data * inside.sum())]
        over = tuple(name for name in joint.variables if name != variable)
        if outside.over not in ((), over):
            return []
        pca = dict(joint.options).get("pca")
        return [Value(outside.data * self.terms.products_with_sum(inside, pca, joint.name == "cos"), over)]


def _as_tensor(moved: Tensor | Sequence[float]) -> Tensor:
    """Return the values of thresholds as a tensor, with the gradients that they require."""
    with suppress(TypeError, ValueError, RuntimeError):  # refused below
        if not isinstance(moved, Tensor):
            parts = [torch.as_tensor(value, dtype=torch.float64) for value in moved]
            moved = torch.stack(parts) if parts else torch.zeros(0)
        if not bool(moved.isnan().any()):
            return moved
    shown = " ".join(repr(moved).split())[:60]
    raise UserError(f"moved holds a number for each of the formula's thresholds, e.g. [1.0, 2.5], not {shown}")
