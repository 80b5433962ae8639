"""Formulas as LaTeX and as a tree."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from workbench.rules.formula import (
    BINDS,
    COMPARISON,
    LOOSEST,
    NOT,
    SIGN,
    TIGHTEST,
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
    figure,
    places,
    to_text,
)
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

T = TypeVar("T")

_LATEX = {"and": r"\land", "or": r"\lor", "implies": r"\rightarrow", "iff": r"\leftrightarrow", "*": r"\cdot"}
_LATEX |= {"<=": r"\le", ">=": r"\ge", "!=": r"\ne", "forall": r"\forall", "exists": r"\exists"}


def to_latex(node: Node, place: int = LOOSEST) -> str:
    """Print a formula as LaTeX, to stand between dollar signs, in brackets where its place asks for them."""
    whole, binds = _latex(node)
    return whole if place <= binds else rf"\left({whole}\right)"


def _name(word: str) -> str:
    return r"\mathrm{" + word.replace("_", r"\_") + "}"


def _variable(name: str) -> str:
    return name if len(name) == 1 else r"\mathit{" + name.replace("_", r"\_") + "}"


def _running(part: Quantifier | Aggregate) -> str:
    centre = f"({_variable(part.domain.centre)})" if part.domain.centre else ""
    return rf"{_variable(part.variable)} \in {DOMAINS[part.domain.name].latex}{centre}"


def _latex(node: Node) -> tuple[str, int]:
    """Return a part as LaTeX, and how tightly it binds."""
    match node:
        case Text(value):
            named = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
            escaped = re.sub(r"[\\{}$&#^_%~]", lambda sign: named.get(sign[0], "\\" + sign[0]), value)
            return r"\text{" + escaped + "}", TIGHTEST
        case Variable(name):
            return _variable(name), TIGHTEST
        case Number(value):
            digits, _, power = figure(value).partition("e")
            if power:
                return rf"{digits} \cdot 10^{{{int(power)}}}", BINDS["*"]
            return digits, SIGN if value < 0 else TIGHTEST
        case Truth(value):
            return (r"\top" if value else r"\bot"), TIGHTEST
        case Call(name, arguments, options):
            words = [*map(to_latex, arguments)]
            if name in ("abs", "sqrt"):
                return (rf"\left|{words[0]}\right|" if name == "abs" else rf"\sqrt{{{words[0]}}}"), TIGHTEST
            under = ",".join(rf"\mathrm{{{key}}}={value}" for key, value in options)
            sign = (TERMS.get(name) or FUNCTIONS[name]).latex or _name(name)
            return f"{sign}{f'_{{{under}}}' if under else ''}({', '.join(words)})", TIGHTEST
        case Aggregate(_, _, kind, term, condition):
            under = _running(node) + (f": {to_latex(condition)}" if condition else "")
            if term is None:
                return rf"\left|\left\{{{under}\right\}}\right|", TIGHTEST
            sign = r"\sum" if kind == "sum" else rf"\operatorname*{{{kind}}}"
            return rf"{sign}_{{{under}}} {to_latex(term, BINDS['*'])}", BINDS["+"]
        case Quantifier(_, _, kind, body):
            return rf"{_LATEX[kind]} {_running(node)}:\; {to_latex(body)}", LOOSEST
        case Compare(operator, left, right):
            sides = to_latex(left, COMPARISON + 1), to_latex(right, COMPARISON + 1)
            return f"{sides[0]} {_LATEX.get(operator, operator)} {sides[1]}", COMPARISON
        case Unary(operator, operand):
            binds = NOT if operator == "not" else SIGN
            return (r"\lnot " if operator == "not" else "-") + to_latex(operand, binds), binds
        case Binary("/", left, right):
            return rf"\frac{{{to_latex(left)}}}{{{to_latex(right)}}}", TIGHTEST
        case Binary("^", left, right):
            return f"{to_latex(left, BINDS['^'] + 1)}^{{{to_latex(right)}}}", BINDS["^"]
    assert isinstance(node, Binary)
    before, after = places(node)
    joint = _LATEX.get(node.operator, node.operator)
    return f"{to_latex(node.left, before)} {joint} {to_latex(node.right, after)}", BINDS[node.operator]


def head(node: Node) -> str:
    """Return what a part does by itself, for a line of a tree: "and", "forall u in N(v)", or the whole of an atom."""
    if isinstance(node, Quantifier | Aggregate):
        condition = " …" if isinstance(node, Aggregate) and node.condition else ""
        return f"{node.kind} {node.variable} in {node.domain}{condition}"
    return node.operator if isinstance(node, Unary | Binary) else to_text(node)


def to_tree(node: Node) -> str:
    """Print a formula as a tree, one part a line."""

    def inner(part: Node) -> list[Node]:
        parts = [p for p in part.parts if not isinstance(p, Text)]
        return [] if isinstance(part, Compare | Call) and not any(p.parts for p in parts) else parts

    return draw(node, head, inner)


def draw(tree: T, line: Callable[[T], str], inner: Callable[[T], Sequence[T]]) -> str:
    """Draw a tree as text: what `line` says of each part, the parts that `inner` returns below it."""
    lines: list[str] = []

    def add(part: T, first: str, then: str) -> None:
        lines.append(first + line(part))
        below = inner(part)
        for position, branch in enumerate(below):
            last = position == len(below) - 1
            add(branch, then + ("└─ " if last else "├─ "), then + ("   " if last else "│  "))

    add(tree, "", "")
    return "\n".join(lines)
