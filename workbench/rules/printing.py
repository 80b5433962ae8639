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
    Domain,
    Node,
    Number,
    Quantifier,
    Text,
    Truth,
    Unary,
    Variable,
    figure,
    printed,
    to_text,
)
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

T = TypeVar("T")

_LATEX = {"and": r"\land", "or": r"\lor", "implies": r"\rightarrow", "iff": r"\leftrightarrow", "*": r"\cdot"}
_LATEX |= {"<=": r"\le", ">=": r"\ge", "!=": r"\ne", "forall": r"\forall", "exists": r"\exists"}


def to_latex(node: Node) -> str:
    """Print a formula as LaTeX, to stand between dollar signs."""
    return _latex(node, LOOSEST)


def _latex_name(name: str) -> str:
    return r"\mathrm{" + name.replace("_", r"\_") + "}"


def _latex_variable(name: str) -> str:
    return name if len(name) == 1 else r"\mathit{" + name.replace("_", r"\_") + "}"


def _latex_figure(value: float) -> str:
    digits, _, power = figure(value).partition("e")
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
        digits = _latex_figure(node.value)
        return bracketed(digits, BINDS["*"] if "cdot" in digits else SIGN if node.value < 0 else TIGHTEST)
    if isinstance(node, Truth):
        return r"\top" if node.value else r"\bot"
    if isinstance(node, Call):
        words = [_latex(argument, LOOSEST) for argument in node.arguments]
        if node.name == "abs":
            return rf"\left|{words[0]}\right|"
        if node.name == "sqrt":
            return rf"\sqrt{{{words[0]}}}"
        options = ",".join(rf"\mathrm{{{key}}}={value}" for key, value in node.options)
        known = TERMS.get(node.name) or FUNCTIONS[node.name]
        return f"{known.latex or _latex_name(node.name)}{f'_{{{options}}}' if options else ''}({', '.join(words)})"
    if isinstance(node, Aggregate):
        under = rf"{_latex_variable(node.variable)} \in {_latex_domain(node.domain)}"
        condition = f": {_latex(node.condition, LOOSEST)}" if node.condition else ""
        if node.kind == "count":
            return rf"\left|\left\{{{under}{condition}\right\}}\right|"
        sign = r"\sum" if node.kind == "sum" else rf"\operatorname*{{{node.kind}}}"
        assert node.term is not None
        return bracketed(rf"{sign}_{{{under}{condition}}} {_latex(node.term, BINDS['*'])}", BINDS["+"])
    if isinstance(node, Quantifier):
        under = rf"{_LATEX[node.kind]} {_latex_variable(node.variable)} \in {_latex_domain(node.domain)}"
        return bracketed(rf"{under}:\; {_latex(node.body, LOOSEST)}", LOOSEST)
    if isinstance(node, Compare):
        sides = _latex(node.left, COMPARISON + 1), _latex(node.right, COMPARISON + 1)
        return bracketed(f"{sides[0]} {_LATEX.get(node.operator, node.operator)} {sides[1]}", COMPARISON)
    if isinstance(node, Unary):
        if node.operator == "not":
            return bracketed(rf"\lnot {_latex(node.operand, NOT)}", NOT)
        return bracketed(f"-{_latex(node.operand, SIGN)}", SIGN)
    if isinstance(node, Binary):
        binds = BINDS[node.operator]
        if node.operator == "/":
            return rf"\frac{{{_latex(node.left, LOOSEST)}}}{{{_latex(node.right, LOOSEST)}}}"
        if node.operator == "^":
            return bracketed(f"{_latex(node.left, binds + 1)}^{{{_latex(node.right, LOOSEST)}}}", binds)
        left, right = (binds + 1, binds) if node.operator == "implies" else (binds, binds + 1)
        joint = _LATEX.get(node.operator, node.operator)
        return bracketed(f"{_latex(node.left, left)} {joint} {_latex(node.right, right)}", binds)
    return printed(node, place)


def head(node: Node) -> str:
    """Return what a part does by itself, for a line of a tree: "and", "forall u in N(v)", or the whole of an atom."""
    if isinstance(node, Quantifier | Aggregate):
        condition = " …" if isinstance(node, Aggregate) and node.condition else ""
        return f"{node.kind} {node.variable} in {printed(node.domain, 0)}{condition}"
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
