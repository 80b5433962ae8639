"""Formulas as data: the syntax tree of a rule, and its printing as text."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar, TypeVar

from workbench.rules.vocabulary import TERMS

# How tightly each form binds; a part that binds less tightly than its place asks for is printed in brackets.
BINDS = {"iff": 1, "implies": 2, "or": 3, "and": 4, "not": 5, "+": 7, "-": 7, "*": 8, "/": 8, "^": 10}
AGGREGATES = ("sum", "mean", "max", "min", "count")
LOOSEST, NOT, COMPARISON, SIGN, TIGHTEST = 0, 5, 6, 9, 11


@dataclass(frozen=True)
class Node:
    """A part of a formula.

    Attributes:
        at: where it begins in the text, in characters; two parts are equal wherever they stand.
        depth: how many levels it has, its own included.
    """

    sort: ClassVar[str]
    at: int = field(default=0, compare=False, repr=False, kw_only=True)
    depth: int = field(default=1, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max((part.depth for part in self.parts), default=0))

    @property
    def parts(self) -> tuple[Node, ...]:
        """The parts right below, in reading order, without variables and domains."""
        values = (getattr(self, one.name) for one in fields(self))
        flat = [v for value in values for v in (value if isinstance(value, tuple) else (value,))]
        return tuple(value for value in flat if isinstance(value, Node) and not isinstance(value, Variable | Domain))

    @property
    def names(self) -> frozenset[str]:
        """The nodes that this part itself names, its own parts left out."""
        return frozenset()

    def __str__(self) -> str:
        return to_text(self)


N = TypeVar("N", bound=Node)


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

    @property
    def names(self) -> frozenset[str]:
        """The nodes that it names."""
        return frozenset(self.variables)


@dataclass(frozen=True)
class Unary(Node):
    """`not` of a truth, or `-` of a number."""

    operator: str
    operand: Node

    @property
    def sort(self) -> str:  # type: ignore[override]
        """Whether it is a number or a truth."""
        return "truth" if self.operator == "not" else "number"


@dataclass(frozen=True)
class Binary(Node):
    """Two numbers joined by + - * / ^, or two truths by and, or, implies, iff."""

    operator: str
    left: Node
    right: Node

    @property
    def sort(self) -> str:  # type: ignore[override]
        """Whether it is a number or a truth."""
        return "truth" if self.operator in ("and", "or", "implies", "iff") else "number"


@dataclass(frozen=True)
class Compare(Node):
    """A comparison of two numbers, or whether two names mean the same node."""

    sort = "truth"
    operator: str
    left: Node
    right: Node

    @property
    def names(self) -> frozenset[str]:
        """The nodes that it compares."""
        return frozenset(side.name for side in (self.left, self.right) if isinstance(side, Variable))


@dataclass(frozen=True)
class _Binding(Node):
    variable: str
    domain: Domain

    @property
    def names(self) -> frozenset[str]:
        """The node that its domain lies around."""
        return frozenset({self.domain.centre} if self.domain.centre else ())


@dataclass(frozen=True)
class Quantifier(_Binding):
    """`forall` or `exists` over a domain."""

    sort = "truth"
    kind: str
    body: Node


@dataclass(frozen=True)
class Aggregate(_Binding):
    """`sum`, `mean`, `max`, `min` or `count` over a domain; only where the condition holds, if there is one."""

    sort = "number"
    kind: str
    term: Node | None
    condition: Node | None = None


def to_text(node: Node) -> str:
    """Print a formula so that it reads back as the same tree."""
    return printed(node, LOOSEST)


def brief(node: Node, most: int = 60) -> str:
    """Print a formula for a message: a long one is cut."""
    text = to_text(node)
    return text if len(text) <= most else text[: most - 1] + "…"


def printed(node: Node, place: int) -> str:
    """Print a part as text, in brackets where it binds less tightly than its place asks for."""
    if isinstance(node, Number):
        return figure(node.value) if node.value >= 0 or place <= SIGN else f"({figure(node.value)})"
    if isinstance(node, Text):
        return f'"{node.value}"'
    if isinstance(node, Truth):
        return str(node.value).lower()
    if isinstance(node, Variable):
        return node.name
    if isinstance(node, Domain):
        return node.name + (f"({node.centre})" if node.centre else "")
    if isinstance(node, Call):
        words = [printed(argument, LOOSEST) for argument in node.arguments]
        return f"{node.name}({', '.join([*words, *(f'{key}={value}' for key, value in node.options)])})"
    if isinstance(node, Aggregate):
        condition = f" if {printed(node.condition, LOOSEST)}" if node.condition else ""
        inner = f"{printed(node.term, LOOSEST)} for " if node.term else ""
        return f"{node.kind}({inner}{node.variable} in {printed(node.domain, 0)}{condition})"
    if isinstance(node, Quantifier):
        # It reaches as far to the right as it can, so it stands in brackets wherever something might follow.
        whole = f"{node.kind} {node.variable} in {printed(node.domain, 0)}: {printed(node.body, LOOSEST)}"
        return whole if place == LOOSEST else f"({whole})"
    if isinstance(node, Compare):
        whole = f"{printed(node.left, COMPARISON + 1)} {node.operator} {printed(node.right, COMPARISON + 1)}"
        return whole if place <= COMPARISON else f"({whole})"
    if isinstance(node, Unary):
        binds = NOT if node.operator == "not" else SIGN
        space = " " if node.operator == "not" else ""
        whole = f"{node.operator}{space}{printed(node.operand, binds)}"
        return whole if place <= binds else f"({whole})"
    assert isinstance(node, Binary)
    binds = BINDS[node.operator]
    left, right = binds, binds + 1
    if node.operator in ("implies", "^"):  # these group from the right
        left, right = binds + 1, SIGN if node.operator == "^" else binds
    whole = f"{printed(node.left, left)} {node.operator} {printed(node.right, right)}"
    return whole if place <= binds else f"({whole})"


def figure(value: float) -> str:
    """Print a number as it is typed."""
    return str(int(value)) if value == int(value) else repr(value)
