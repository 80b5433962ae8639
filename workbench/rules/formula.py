"""Formulas as data: the syntax tree of a rule, and its printing as text, as LaTeX and as a tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

# How tightly each form binds; a part that binds less tightly than its place asks for is printed in brackets.
_BINDS = {"iff": 1, "implies": 2, "or": 3, "and": 4, "not": 5, "+": 7, "-": 7, "*": 8, "/": 8, "^": 10}
AGGREGATES = ("sum", "mean", "max", "min", "count")
_LOOSEST, _NOT, _COMPARISON, _SIGN, _TIGHTEST = 0, 5, 6, 9, 11


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
T = TypeVar("T")


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
    found = dict.fromkeys(part for part, _ in walk(node) if not isinstance(part, Number | Text | Truth))
    return list(found)


def thresholds(node: Node) -> list[Number]:
    """Return the numbers that a comparison compares with directly, in reading order; they can be moved or learned."""
    found = []
    for part, _ in walk(node):
        if isinstance(part, Compare):
            found += [side for side in (part.left, part.right) if isinstance(side, Number)]
    return found


def rebuilt(node: N, swap: Mapping[int, Node] | None = None) -> N:
    """Return an equal tree in which no part is the same object as another.

    Args:
        node: the tree.
        swap: by its id, which part makes room for another one; its equals stay.
    """
    if swap and id(node) in swap:
        return swap[id(node)]  # type: ignore[return-value]
    made: dict[str, Any] = {}
    for one in fields(node):
        value = getattr(node, one.name)
        if isinstance(value, Node):
            made[one.name] = rebuilt(value, swap)
        elif one.name == "arguments":
            made[one.name] = tuple(rebuilt(part, swap) for part in value)
    return replace(node, **made)


# ------------------------------------------------------------------------------------------------------- printing


def to_text(node: Node) -> str:
    """Print a formula so that it reads back as the same tree."""
    return _print(node, _LOOSEST)


def brief(node: Node, most: int = 60) -> str:
    """Print a formula for a message: a long one is cut."""
    text = to_text(node)
    return text if len(text) <= most else text[: most - 1] + "…"


def _print(node: Node, place: int) -> str:
    if isinstance(node, Number):
        return _figure(node.value) if node.value >= 0 or place <= _SIGN else f"({_figure(node.value)})"
    if isinstance(node, Text):
        return f'"{node.value}"'
    if isinstance(node, Truth):
        return str(node.value).lower()
    if isinstance(node, Variable):
        return node.name
    if isinstance(node, Domain):
        return node.name + (f"({node.centre})" if node.centre else "")
    if isinstance(node, Call):
        words = [_print(argument, _LOOSEST) for argument in node.arguments]
        return f"{node.name}({', '.join([*words, *(f'{key}={value}' for key, value in node.options)])})"
    if isinstance(node, Aggregate):
        condition = f" if {_print(node.condition, _LOOSEST)}" if node.condition else ""
        inner = f"{_print(node.term, _LOOSEST)} for " if node.term else ""
        return f"{node.kind}({inner}{node.variable} in {_print(node.domain, 0)}{condition})"
    if isinstance(node, Quantifier):
        # It reaches as far to the right as it can, so it stands in brackets wherever something might follow.
        whole = f"{node.kind} {node.variable} in {_print(node.domain, 0)}: {_print(node.body, _LOOSEST)}"
        return whole if place == _LOOSEST else f"({whole})"
    if isinstance(node, Compare):
        whole = f"{_print(node.left, _COMPARISON + 1)} {node.operator} {_print(node.right, _COMPARISON + 1)}"
        return whole if place <= _COMPARISON else f"({whole})"
    if isinstance(node, Unary):
        binds = _NOT if node.operator == "not" else _SIGN
        space = " " if node.operator == "not" else ""
        whole = f"{node.operator}{space}{_print(node.operand, binds)}"
        return whole if place <= binds else f"({whole})"
    assert isinstance(node, Binary)
    binds = _BINDS[node.operator]
    left, right = binds, binds + 1
    if node.operator in ("implies", "^"):  # these group from the right
        left, right = binds + 1, _SIGN if node.operator == "^" else binds
    whole = f"{_print(node.left, left)} {node.operator} {_print(node.right, right)}"
    return whole if place <= binds else f"({whole})"


def _figure(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


_LATEX = {"and": r"\land", "or": r"\lor", "implies": r"\rightarrow", "iff": r"\leftrightarrow", "*": r"\cdot"}
_LATEX |= {"<=": r"\le", ">=": r"\ge", "!=": r"\ne", "forall": r"\forall", "exists": r"\exists"}


def to_latex(node: Node) -> str:
    """Print a formula as LaTeX, to stand between dollar signs."""
    return _latex(node, _LOOSEST)


def _latex_name(name: str) -> str:
    return r"\mathrm{" + name.replace("_", r"\_") + "}"


def _latex_variable(name: str) -> str:
    return name if len(name) == 1 else r"\mathit{" + name.replace("_", r"\_") + "}"


def _latex_figure(value: float) -> str:
    digits, _, power = _figure(value).partition("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits


def _latex_domain(domain: Domain) -> str:
    return DOMAINS[domain.name].latex + (f"({_latex_variable(domain.centre)})" if domain.centre else "")


def _latex(node: Node, place: int) -> str:
    def bracketed(whole: str, binds: int) -> str:
        return whole if place <= binds else rf"\left({whole}\right)"

    if isinstance(node, Text):
        named = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
        return r"\text{" + re.sub(r"[\\{}$&#^_%~]", lambda m: named.get(m[0], "\\" + m[0]), node.value) + "}"
    if isinstance(node, Variable):
        return _latex_variable(node.name)
    if isinstance(node, Number):
        figure = _latex_figure(node.value)
        return bracketed(figure, _BINDS["*"] if "cdot" in figure else _SIGN if node.value < 0 else _TIGHTEST)
    if isinstance(node, Truth):
        return r"\top" if node.value else r"\bot"
    if isinstance(node, Call):
        words = [_latex(argument, _LOOSEST) for argument in node.arguments]
        if node.name == "abs":
            return rf"\left|{words[0]}\right|"
        if node.name == "sqrt":
            return rf"\sqrt{{{words[0]}}}"
        options = ",".join(rf"\mathrm{{{key}}}={value}" for key, value in node.options)
        known = TERMS.get(node.name) or FUNCTIONS[node.name]
        return f"{known.latex or _latex_name(node.name)}{f'_{{{options}}}' if options else ''}({', '.join(words)})"
    if isinstance(node, Aggregate):
        under = rf"{_latex_variable(node.variable)} \in {_latex_domain(node.domain)}"
        condition = f": {_latex(node.condition, _LOOSEST)}" if node.condition else ""
        if node.kind == "count":
            return rf"\left|\left\{{{under}{condition}\right\}}\right|"
        sign = r"\sum" if node.kind == "sum" else rf"\operatorname*{{{node.kind}}}"
        assert node.term is not None
        return bracketed(rf"{sign}_{{{under}{condition}}} {_latex(node.term, _BINDS['*'])}", _BINDS["+"])
    if isinstance(node, Quantifier):
        under = rf"{_LATEX[node.kind]} {_latex_variable(node.variable)} \in {_latex_domain(node.domain)}"
        return bracketed(rf"{under}:\; {_latex(node.body, _LOOSEST)}", _LOOSEST)
    if isinstance(node, Compare):
        sides = _latex(node.left, _COMPARISON + 1), _latex(node.right, _COMPARISON + 1)
        return bracketed(f"{sides[0]} {_LATEX.get(node.operator, node.operator)} {sides[1]}", _COMPARISON)
    if isinstance(node, Unary):
        if node.operator == "not":
            return bracketed(rf"\lnot {_latex(node.operand, _NOT)}", _NOT)
        return bracketed(f"-{_latex(node.operand, _SIGN)}", _SIGN)
    if isinstance(node, Binary):
        binds = _BINDS[node.operator]
        if node.operator == "/":
            return rf"\frac{{{_latex(node.left, _LOOSEST)}}}{{{_latex(node.right, _LOOSEST)}}}"
        if node.operator == "^":
            return bracketed(f"{_latex(node.left, binds + 1)}^{{{_latex(node.right, _LOOSEST)}}}", binds)
        left, right = (binds + 1, binds) if node.operator == "implies" else (binds, binds + 1)
        joint = _LATEX.get(node.operator, node.operator)
        return bracketed(f"{_latex(node.left, left)} {joint} {_latex(node.right, right)}", binds)
    return _print(node, place)


def head(node: Node) -> str:
    """Return what a part does by itself, for a line of a tree: "and", "forall u in N(v)", or the whole of an atom."""
    if isinstance(node, Quantifier | Aggregate):
        condition = " …" if isinstance(node, Aggregate) and node.condition else ""
        return f"{node.kind} {node.variable} in {_print(node.domain, 0)}{condition}"
    return node.operator if isinstance(node, Unary | Binary) else to_text(node)


def to_tree(node: Node) -> str:
    """Print a formula as a tree, one part a line."""

    def inner(part: Node) -> list[Node]:
        found = [p for p in part.parts if not isinstance(p, Text)]
        return [] if isinstance(part, Compare | Call) and not any(p.parts for p in found) else found

    return draw(node, head, inner)


def draw(tree: T, line: Callable[[T], str], inner: Callable[[T], Sequence[T]]) -> str:
    """Draw a tree as text.

    Args:
        tree: its top.
        line: what to say of one part.
        inner: the parts right below a part.
    """
    lines: list[str] = []

    def add(part: T, first: str, then: str) -> None:
        lines.append(first + line(part))
        below = inner(part)
        for position, one in enumerate(below):
            last = position == len(below) - 1
            add(one, then + ("└─ " if last else "├─ "), then + ("   " if last else "│  "))

    add(tree, "", "")
    return "\n".join(lines)
