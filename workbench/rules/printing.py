"""Formulas as text, as LaTeX and as a tree."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from workbench.rules import syntax
from workbench.rules.syntax import Node
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

T = TypeVar("T")

# How tightly each form binds; a part that binds less tightly than its place asks for is printed in brackets.
BINDS = {"iff": 1, "implies": 2, "or": 3, "and": 4, "not": 5, "+": 7, "-": 7, "*": 8, "/": 8, "^": 10}
LOOSEST, COMPARISON, SIGN, TIGHTEST = 0, 6, 9, 11

_TEXT = {"not": "not "}
_LATEX = {"and": r"\land", "or": r"\lor", "implies": r"\rightarrow", "iff": r"\leftrightarrow", "*": r"\cdot"}
_LATEX |= {"<=": r"\le", ">=": r"\ge", "!=": r"\ne", "forall": r"\forall", "exists": r"\exists", "not": r"\lnot "}
_ESCAPED = str.maketrans({sign: "\\" + sign for sign in "{}$&#_%"})
_ESCAPED |= str.maketrans({"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"})


def to_text(node: Node, place: int = LOOSEST) -> str:
    """Print a formula so that it reads back as the same tree, in brackets where its place asks for them."""
    whole, binds = _text(node)
    return whole if place <= binds else f"({whole})"


Node.__str__ = to_text  # type: ignore[method-assign, assignment]  # syntax.py can't import what looks at its classes


def to_latex(node: Node, place: int = LOOSEST) -> str:
    """Print a formula as LaTeX, to stand between dollar signs, in brackets where its place asks for them."""
    whole, binds = _latex(node)
    return whole if place <= binds else rf"\left({whole}\right)"


def brief(node: Node, most: int = 60) -> str:
    """Print a formula for a message: a long one is cut."""
    text = to_text(node)
    return text if len(text) <= most else text[: most - 1] + "…"


def figure(value: float) -> str:
    """Print a number as it is typed."""
    return str(int(value)) if value == int(value) else repr(value)


def _text(node: Node) -> tuple[str, int]:
    """Return a part as text, and how tightly it binds."""
    match node:
        case syntax.Number(value):
            return figure(value), TIGHTEST if value >= 0 else SIGN
        case syntax.Text(value):
            return f'"{value}"', TIGHTEST
        case syntax.Truth(value):
            return str(value).lower(), TIGHTEST
        case syntax.Variable(name):
            return name, TIGHTEST
        case syntax.Domain(name, centre):
            return name + (f"({centre})" if centre else ""), TIGHTEST
        case syntax.Call(name, arguments, options):
            words = [*map(to_text, arguments), *(f"{key}={value}" for key, value in options)]
            return f"{name}({', '.join(words)})", TIGHTEST
        case syntax.Aggregate(variable, domain, kind, term, condition):
            inner = f"{term} for " if term else ""
            return f"{kind}({inner}{variable} in {domain}{f' if {condition}' if condition else ''})", TIGHTEST
        case syntax.Quantifier(variable, domain, kind, body):
            # It reaches as far to the right as it can, so it stands in brackets wherever something might follow.
            return f"{kind} {variable} in {domain}: {body}", LOOSEST
    return _operation(node, to_text, _TEXT)


def _operation(node: Node, show: Callable[[Node, int], str], signs: Mapping[str, str]) -> tuple[str, int]:
    """Return operators and comparisons with their sides as `show` prints them, and how tightly they bind."""
    assert isinstance(node, syntax.Operation | syntax.Compare)
    sign = signs.get(node.operator, node.operator)
    if isinstance(node, syntax.Unary):
        binds = BINDS["not"] if node.operator == "not" else SIGN
        return sign + show(node.operand, binds), binds
    assert isinstance(node, syntax.Binary | syntax.Compare)
    binds = BINDS.get(node.operator, COMPARISON)
    before, after = binds, binds + 1
    if node.operator in ("implies", "^"):  # these group from the right
        before, after = binds + 1, min(binds, SIGN)
    elif isinstance(node, syntax.Compare):
        before = binds + 1
    return f"{show(node.left, before)} {sign} {show(node.right, after)}", binds


def _variable(name: str) -> str:
    return name if len(name) == 1 else rf"\mathit{{{name.translate(_ESCAPED)}}}"


def _running(part: syntax.Binding) -> str:
    centre = f"({_variable(part.domain.centre)})" if part.domain.centre else ""
    return rf"{_variable(part.variable)} \in {DOMAINS[part.domain.name].latex}{centre}"


def _latex(node: Node) -> tuple[str, int]:
    """Return a part as LaTeX, and how tightly it binds."""
    match node:
        case syntax.Text(value):
            return r"\text{" + value.translate(_ESCAPED) + "}", TIGHTEST
        case syntax.Variable(name):
            return _variable(name), TIGHTEST
        case syntax.Number(value):
            digits, _, power = figure(value).partition("e")
            if power:
                return rf"{digits} \cdot 10^{{{int(power)}}}", BINDS["*"]
            return digits, SIGN if value < 0 else TIGHTEST
        case syntax.Truth(value):
            return (r"\top" if value else r"\bot"), TIGHTEST
        case syntax.Call(name, arguments, options):
            words = [*map(to_latex, arguments)]
            if name in ("abs", "sqrt"):
                return (rf"\left|{words[0]}\right|" if name == "abs" else rf"\sqrt{{{words[0]}}}"), TIGHTEST
            under = ",".join(rf"\mathrm{{{key}}}={value}" for key, value in options)
            sign = (TERMS.get(name) or FUNCTIONS[name]).latex or rf"\mathrm{{{name.translate(_ESCAPED)}}}"
            return f"{sign}{f'_{{{under}}}' if under else ''}({', '.join(words)})", TIGHTEST
        case syntax.Aggregate(_, _, kind, term, condition):
            under = _running(node) + (f": {to_latex(condition)}" if condition else "")
            if term is None:
                return rf"\left|\left\{{{under}\right\}}\right|", TIGHTEST
            sign = r"\sum" if kind == "sum" else rf"\operatorname*{{{kind}}}"
            return rf"{sign}_{{{under}}} {to_latex(term, BINDS['*'])}", BINDS["+"]
        case syntax.Quantifier(_, _, kind, body):
            return rf"{_LATEX[kind]} {_running(node)}:\; {to_latex(body)}", LOOSEST
        case syntax.Binary("/", left, right):
            return rf"\frac{{{to_latex(left)}}}{{{to_latex(right)}}}", TIGHTEST
        case syntax.Binary("^", left, right):
            return f"{to_latex(left, BINDS['^'] + 1)}^{{{to_latex(right)}}}", BINDS["^"]
    return _operation(node, to_latex, _LATEX)


def head(node: Node) -> str:
    """Return what a part does by itself, for a line of a tree: "and", "forall u in N(v)", or the whole of an atom."""
    if isinstance(node, syntax.Binding):
        condition = " …" if isinstance(node, syntax.Aggregate) and node.condition else ""
        return f"{node.kind} {node.variable} in {node.domain}{condition}"
    return node.operator if isinstance(node, syntax.Operation) else to_text(node)


def to_tree(node: Node) -> str:
    """Print a formula as a tree, one part per line."""

    def inner(part: Node) -> list[Node]:
        parts = [p for p in part.parts if not isinstance(p, syntax.Text)]
        return [] if isinstance(part, syntax.Compare | syntax.Call) and not any(p.parts for p in parts) else parts

    return draw(node, head, inner)


def draw(tree: T, line: Callable[[T], str], inner: Callable[[T], Sequence[T]]) -> str:
    """Draw a tree as text: what `line` says of each part, the parts that `inner` returns below it."""
    text, below = line(tree), inner(tree)
    for place, branch in enumerate(below, start=1):
        first, then = ("└─ ", "   ") if place == len(below) else ("├─ ", "│  ")
        text += "\n" + first + draw(branch, line, inner).replace("\n", "\n" + then)
    return text
