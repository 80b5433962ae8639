"""Formulas as data: the syntax tree of a rule, its printing as text, and walks over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

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
        values = (getattr(self, part.name) for part in fields(self))
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
class _Operation(Node):
    operator: str

    @property
    def sort(self) -> str:  # type: ignore[override]
        """Whether it is a number or a truth."""
        return "truth" if self.operator in ("not", "and", "or", "implies", "iff") else "number"


@dataclass(frozen=True)
class Unary(_Operation):
    """`not` of a truth, or `-` of a number."""

    operand: Node


@dataclass(frozen=True)
class Binary(_Operation):
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
    text, binds = _text(node)
    return text if place <= binds else f"({text})"


def _text(node: Node) -> tuple[str, int]:
    """Return a part as text, and how tightly it binds."""
    match node:
        case Number(value):
            return figure(value), TIGHTEST if value >= 0 else SIGN
        case Text(value):
            return f'"{value}"', TIGHTEST
        case Truth(value):
            return str(value).lower(), TIGHTEST
        case Variable(name):
            return name, TIGHTEST
        case Domain(name, centre):
            return name + (f"({centre})" if centre else ""), TIGHTEST
        case Call(name, arguments, options):
            words = [*map(to_text, arguments), *(f"{key}={value}" for key, value in options)]
            return f"{name}({', '.join(words)})", TIGHTEST
        case Aggregate(variable, domain, kind, term, condition):
            inner = f"{term} for " if term else ""
            return f"{kind}({inner}{variable} in {domain}{f' if {condition}' if condition else ''})", TIGHTEST
        case Quantifier(variable, domain, kind, body):
            # It reaches as far to the right as it can, so it stands in brackets wherever something might follow.
            return f"{kind} {variable} in {domain}: {body}", LOOSEST
        case Compare(operator, left, right):
            return f"{printed(left, COMPARISON + 1)} {operator} {printed(right, COMPARISON + 1)}", COMPARISON
        case Unary(operator, operand):
            binds = NOT if operator == "not" else SIGN
            return f"{operator}{' ' * (operator == 'not')}{printed(operand, binds)}", binds
    assert isinstance(node, Binary)
    before, after = places(node)
    return f"{printed(node.left, before)} {node.operator} {printed(node.right, after)}", BINDS[node.operator]


def places(node: Binary) -> tuple[int, int]:
    """Return how tightly both sides of a chain must bind; `implies` and ^ group from the right."""
    binds = BINDS[node.operator]
    if node.operator == "^":
        return binds + 1, SIGN
    return (binds + 1, binds) if node.operator == "implies" else (binds, binds + 1)


def figure(value: float) -> str:
    """Print a number as it is typed."""
    return str(int(value)) if value == int(value) else repr(value)


def free_variables(node: Node) -> frozenset[str]:
    """Return the names of nodes that a formula speaks of without binding them by a quantifier or an aggregate."""
    inner = frozenset[str]().union(*map(free_variables, node.parts))
    return node.names | (inner - {node.variable} if isinstance(node, Quantifier | Aggregate) else inner)


def walk(node: Node, depth: int = 0) -> Iterator[tuple[Node, int]]:
    """Yield a formula and all its parts with their depth, in reading order."""
    yield node, depth
    for part in node.parts:
        yield from walk(part, depth + 1)


def subformulas(node: Node) -> list[Node]:
    """Return the parts that say something of a node or an edge, the whole first; numbers that are written are not."""
    return list(dict.fromkeys(part for part, _ in walk(node) if not isinstance(part, Number | Text | Truth)))


def thresholds(node: Node) -> list[Number]:
    """Return the numbers that a comparison compares with directly, in reading order; they can be moved or learned."""
    sides = (side for part, _ in walk(node) if isinstance(part, Compare) for side in (part.left, part.right))
    return [side for side in sides if isinstance(side, Number)]


def rebuilt(node: N, swap: Mapping[int, Node] | None = None) -> N:
    """Return an equal tree of different objects; `swap` says by its id which part makes room for another."""
    if swap and id(node) in swap:
        return swap[id(node)]  # type: ignore[return-value]
    made: dict[str, Any] = {}
    for name, value in vars(node).items():
        if isinstance(value, Node):
            made[name] = rebuilt(value, swap)
        elif name == "arguments":
            made[name] = tuple(rebuilt(part, swap) for part in value)
    return replace(node, **made)


def bodies(part: Quantifier | Aggregate) -> list[Node]:
    """Return the body of a quantifier; an aggregate's term, then its condition."""
    if isinstance(part, Quantifier):
        return [part.body]
    return [body for body in (part.term, part.condition) if body is not None]


def factors(term: Node, inverted: bool = False) -> list[tuple[Node, bool]]:
    """Return the factors of a product, and whether each is divided by."""
    if isinstance(term, Binary) and term.operator == "*":
        return factors(term.left, inverted) + factors(term.right, inverted)
    if isinstance(term, Binary) and term.operator == "/":
        # x / 0 is 0, so only a division by one factor may be taken apart.
        return [*factors(term.left, inverted), (term.right, not inverted)]
    return [(term, inverted)]
