"""Formulas as data: the syntax tree of a rule, and walks over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, NamedTuple

from workbench.rules.vocabulary import TERMS

AGGREGATES = ("sum", "mean", "max", "min", "count")
TRUTHS = ("not", "and", "or", "implies", "iff")  # the operators on truths


@dataclass(frozen=True)
class Node:
    """A part of a formula.

    Attributes:
        sort: "truth", "number", "node", "text" or "domain".
        at: where it begins in the text, in characters; two parts are equal wherever they stand.
    """

    sort: ClassVar[str]
    at: int = field(default=0, compare=False, repr=False, kw_only=True)

    @cached_property
    def depth(self) -> int:
        """How many levels it has, its own included."""
        return 1 + max((part.depth for part in self.parts), default=0)

    def _below(self) -> list[Node]:
        values = chain.from_iterable(v if isinstance(v, tuple) else (v,) for v in vars(self).values())
        return [value for value in values if isinstance(value, Node)]

    @property
    def parts(self) -> tuple[Node, ...]:
        """The parts right below, in reading order, without variables and domains."""
        return tuple(node for node in self._below() if not isinstance(node, Variable | Domain))

    @property
    def names(self) -> frozenset[str]:
        """The nodes that this part itself names, its own parts left out."""
        below = self._below()
        centres = {node.centre for node in below if isinstance(node, Domain) and node.centre}
        return frozenset(centres | {node.name for node in below if isinstance(node, Variable)})


@dataclass(frozen=True)
class Number(Node):
    """A number that was written, with its minus sign where one stands right before it."""

    sort = "number"
    value: float


@dataclass(frozen=True)
class Text(Node):
    """The name of an attribute."""

    sort = "text"
    value: str


@dataclass(frozen=True)
class Truth(Node):
    """`true` or `false`."""

    sort = "truth"
    value: bool


WRITTEN = Number | Text | Truth


@dataclass(frozen=True)
class Variable(Node):
    """A node of the graph by the name that the rule gives it."""

    sort = "node"
    name: str


@dataclass(frozen=True)
class Domain(Node):
    """What a variable runs over: `V`, all nodes, or nodes around a centre, e.g. `N(v)`."""

    sort = "domain"
    name: str
    centre: str | None = None


@dataclass(frozen=True)
class Call(Node):
    """A term or predicate of nodes, or a function of numbers, e.g. `cos(u, v, pca=8)`, `abs(...)`."""

    name: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, int], ...] = ()

    @property
    def sort(self) -> str:  # type: ignore[override]
        """Whether it is a number or a truth."""
        return TERMS[self.name].sort if self.name in TERMS else "number"

    @property
    def variables(self) -> tuple[str, ...]:
        """The nodes that a term speaks of, in order; empty for a function."""
        return tuple(argument.name for argument in self.arguments if isinstance(argument, Variable))


@dataclass(frozen=True)
class Operation(Node):
    """An operator on one or two parts."""

    operator: str

    @property
    def sort(self) -> str:  # type: ignore[override]
        """Whether it is a number or a truth."""
        return "truth" if self.operator in TRUTHS else "number"


@dataclass(frozen=True)
class Unary(Operation):
    """`not` of a truth, or `-` of a number."""

    operand: Node


@dataclass(frozen=True)
class Binary(Operation):
    """Two numbers joined by + - * / ^, or two truths by and, or, implies, iff."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Compare(Node):
    """A comparison of two numbers, or whether two names mean the same node."""

    sort = "truth"
    operator: str
    left: Node
    right: Node


class Guard(NamedTuple):
    """What ties two nodes below a quantifier: the name of its domain; the node it is around, and the running one."""

    domain: str
    over: tuple[str, str]


@dataclass(frozen=True)
class Binding(Node):
    """What binds a variable that runs over a domain."""

    variable: str
    domain: Domain
    kind: str

    @property
    def guard(self) -> Guard | None:
        """What ties its variable to the node that its domain is around; None over all nodes."""
        return Guard(self.domain.name, (self.domain.centre, self.variable)) if self.domain.centre else None


@dataclass(frozen=True)
class Quantifier(Binding):
    """`forall` or `exists` over a domain."""

    sort = "truth"
    body: Node


@dataclass(frozen=True)
class Aggregate(Binding):
    """`sum`, `mean`, `max`, `min` or `count` over a domain; only where the condition holds, if there is one."""

    sort = "number"
    term: Node | None
    condition: Node | None = None


def free_variables(*nodes: Node) -> frozenset[str]:
    """Return the names of nodes that formulas speak of without binding them by a quantifier or an aggregate."""
    free: set[str] = set()
    for node in nodes:
        inner = free_variables(*node.parts)
        free |= node.names | (inner - {node.variable} if isinstance(node, Binding) else inner)
    return frozenset(free)


class Part(NamedTuple):
    """A part of a formula where it stands: below which guard, if any, and how deep; 0 is the whole."""

    node: Node
    guard: Guard | None
    depth: int


def walk(node: Node, guard: Guard | None = None, depth: int = 0) -> Iterator[Part]:
    """Yield a formula and all its parts in reading order."""
    yield Part(node, guard, depth)
    for part in node.parts:
        yield from walk(part, node.guard if isinstance(node, Binding) else guard, depth + 1)


def subformulas(node: Node) -> list[Node]:
    """Return the parts that say something of a node or an edge, the whole first; numbers that are written are not."""
    return list(dict.fromkeys(part.node for part in walk(node) if not isinstance(part.node, WRITTEN)))


def thresholds(node: Node) -> list[Number]:
    """Return the numbers that a comparison compares with directly, in reading order; they can be moved or learned."""
    compared = (part.node for part in walk(node) if isinstance(part.node, Compare))
    return [side for part in compared for side in (part.left, part.right) if isinstance(side, Number)]


def rebuilt(node: Node, swap: Mapping[int, Node] | None = None) -> Node:
    """Return an equal tree of different objects; `swap` says by its id which part makes room for another."""

    def again(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(again, value))
        return rebuilt(value, swap) if isinstance(value, Node) else value

    if swap and id(node) in swap:
        return swap[id(node)]
    return replace(node, **{part.name: again(getattr(node, part.name)) for part in fields(node)})


def factors(term: Node, inverted: bool = False) -> list[tuple[Node, bool]]:
    """Return the factors of a product, and whether each is divided by."""
    if isinstance(term, Binary) and term.operator == "*":
        return factors(term.left, inverted) + factors(term.right, inverted)
    if isinstance(term, Binary) and term.operator == "/":
        # x / 0 is 0, so only a division by one factor may be taken apart.
        return [*factors(term.left, inverted), (term.right, not inverted)]
    return [(term, inverted)]
