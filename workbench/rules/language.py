"""The rule language: text to a syntax tree and back, as text, as LaTeX and as a tree.

A rule speaks of one node, usually called v. Terms are numbers per node or per edge, comparisons of them are truths,
and quantifiers and aggregates run over neighbours. What is typed is read by a grammar and never run as Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from workbench.errors import UserError, unknown
from workbench.rules.complaints import FormulaError, syntax_error
from workbench.rules.formula import (
    AGGREGATES,
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
    brief,
    free_variables,
    walk,
)
from workbench.rules.grammar import COMPARE, GRAMMAR, OPERATOR
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

N = TypeVar("N", bound=Node)

MOST_CHARACTERS, LONGEST_NAME, DEEPEST, LARGEST = 5_000, 60, 100, 1e15


def parse(text: str) -> Node:
    """Read a formula (a truth of each node) or a numeric expression (a score of each node) as a syntax tree.

    `str` of the tree is the formula again. A FormulaError says what is wrong, at which line and column, and the nearest
    known word.

    Args:
        text: e.g. "forall u in N(v): degree(u) >= 10 implies cos(u, v) > 0.2"; signs such as ∀ ∃ ∈ ∧ ∨ ¬ → ↔ ≤ ≥ ≠ may
            stand for the words.
    """
    if not isinstance(text, str):
        raise UserError(f"a formula is text, not {type(text).__name__}")
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"the formula has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read")
    if not text.strip():
        raise FormulaError("the formula is empty; an example: degree(v) >= 3", text, 0)
    _check_outline(text)
    try:
        tree: Node = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise syntax_error(error, text) from None
    except _Mistake as mistake:
        raise FormulaError(mistake.sentence, text, mistake.at) from None
    if tree.sort not in ("truth", "number"):
        raise FormulaError(f"{text.strip()[:40]!r} alone says nothing; write a term of it, e.g. degree(v)", text, 0)
    _check_variables(tree, text)
    return tree


# -------------------------------------------------------------------------------------------------------- reading


@cache
def _parser() -> Lark:
    # Nodes are made while it parses, so that no depth of nesting meets Python's recursion limit.
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=True, transformer=_Builder())


def _check_outline(text: str) -> None:
    """Name a bracket without a partner, of which the grammar could only say what it met at the end; and long names."""
    bare = re.sub(r'"[^"\n]*"', lambda quoted: " " * len(quoted[0]), text)
    if long := re.search(rf"[A-Za-z]\w{{{LONGEST_NAME},}}", bare):
        raise FormulaError(f"this name has more than {LONGEST_NAME} characters", text, long.start())
    opened: list[int] = []
    for match in re.finditer(r"[()]", bare):
        if match[0] == "(":
            opened.append(match.start())
            if len(opened) > DEEPEST:
                raise FormulaError(f"brackets are nested more than {DEEPEST} deep", text, match.start())
        elif not opened:
            raise FormulaError("this ')' closes nothing", text, match.start())
        else:
            opened.pop()
    if opened:
        raise FormulaError("this '(' is never closed", text, opened[-1])


class _Mistake(Exception):
    """What is wrong and where, before the text is at hand to show it."""

    def __init__(self, sentence: str, at: int):
        self.sentence, self.at = sentence, at


def _place(token: Token) -> int:
    return token.start_pos or 0


def _unknown(kind: str, word: str, choices: Iterable[str], at: int) -> _Mistake:
    return _Mistake(str(unknown(kind, word, choices)), at)


def _made(node: N, at: int | None = None) -> N:
    if node.depth > DEEPEST:
        sentence = f"the formula has more than {DEEPEST} levels; nest less, and break long chains by brackets"
        raise _Mistake(sentence, node.at if at is None else at)
    return node


_RUNS = {kind: f"{kind}(degree(u) for u in N(v))" for kind in AGGREGATES} | {"count": "count(u in N(v) if ...)"}
_ARTICLE = {"truth": "a truth", "number": "a number", "node": "a node", "text": "a name in quotes"}


def _want(part: Node, sort: str, who: str) -> None:
    if part.sort != sort:
        raise _Mistake(f"{who} takes {_ARTICLE[sort]}, and `{brief(part, 40)}` is {_ARTICLE[part.sort]}", part.at)


@v_args(inline=True)
class _Builder(Transformer[Token, Node]):
    """Turns what the grammar found into nodes, and checks of each that its words exist and its sorts fit."""

    def number(self, token: Token) -> Node:
        value = float(token)
        if not value <= LARGEST:
            raise _Mistake(f"the number is too large; at most {LARGEST:g}", _place(token))
        return Number(value, at=_place(token))

    def truth(self, token: Token) -> Node:
        return Truth(token.type == "TRUE", at=_place(token))

    def text(self, token: Token) -> Node:
        return Text(str(token)[1:-1], at=_place(token))

    def variable(self, token: Token) -> Node:
        return Variable(str(token), at=_place(token))

    def domain(self, name: Token, centre: Token | None) -> Node:
        if name not in DOMAINS:
            raise _unknown("domain", name, DOMAINS, _place(name))
        if centre is None and DOMAINS[name].around:
            raise _Mistake(f"{name} is around a node; write {name}(v)", _place(name))
        if centre is not None and not DOMAINS[name].around:
            raise _Mistake(f"{name} holds all nodes and is around none; write {name}", _place(name))
        return Domain(str(name), None if centre is None else str(centre), at=_place(name))

    def unary(self, operator: Token, operand: Node) -> Node:
        word = OPERATOR[operator.type]
        _want(operand, "truth" if word == "not" else "number", f"'{word}'")
        if word == "-" and isinstance(operand, Number) and operand.value > 0:
            return Number(-operand.value, at=_place(operator))  # one number, so that a threshold below 0 can be moved
        return _made(Unary(word, operand, at=_place(operator)))

    def binary(self, left: Node, operator: Token, right: Node) -> Node:
        word = OPERATOR[operator.type]
        made = Binary(word, left, right, at=left.at)
        if str(operator) in ("=>", "<=>") and {left.sort, right.sort} == {"number"}:
            raise _Mistake(
                f"'{operator}' means '{word}'; numbers are compared by <, <=, =, !=, >= or >", _place(operator)
            )
        for side in (left, right):
            _want(side, made.sort, f"'{word}'")
        return _made(made, _place(operator))

    def compare(self, left: Node, operator: Token, right: Node) -> Node:
        word = COMPARE.get(str(operator), str(operator))
        option = word == "=" and isinstance(left, Variable) and isinstance(right, Number)  # of a term, perhaps
        if "node" in (left.sort, right.sort) and not option:
            for side in (left, right):
                _want(side, "node", f"'{word}' beside a node")
            if word not in ("=", "!="):
                raise _Mistake(f"nodes are compared by = or !=, not by '{word}'", _place(operator))
        elif not option:
            for side in (left, right):
                _want(side, "number", f"'{word}'")
        return _made(Compare(word, left, right, at=left.at), _place(operator))

    def quantifier(self, kind: Token, variable: Token, domain: Domain, body: Node) -> Node:
        word = OPERATOR[kind.type]
        _want(body, "truth", f"'{word}'")
        return _made(Quantifier(str(variable), domain, word, body, at=_place(kind)))

    def aggregate(self, kind: Token, term: Node, variable: Token, domain: Domain, condition: Node | None) -> Node:
        if kind not in AGGREGATES:
            raise _unknown("aggregate", kind, AGGREGATES, _place(kind))
        if kind == "count":
            raise _Mistake("count takes no term; write count(u in N(v) if ...)", _place(kind))
        _want(term, "number", f"'{kind}'")
        return self._aggregated(kind, term, variable, domain, condition)

    def count(self, kind: Token, variable: Token, domain: Domain, condition: Node | None) -> Node:
        if kind not in AGGREGATES:
            raise _unknown("aggregate", kind, AGGREGATES, _place(kind))
        if kind != "count":
            example = f"{kind}(degree({variable}) for {variable} in {domain})"
            raise _Mistake(f"{kind} needs a term, e.g. {example}", _place(kind))
        return self._aggregated(kind, None, variable, domain, condition)

    def _aggregated(self, kind: Token, term: Node | None, variable: Token, domain: Domain, condition: Any) -> Node:
        if condition is not None:
            _want(condition, "truth", "'if'")
        return _made(Aggregate(str(variable), domain, str(kind), term, condition, at=_place(kind)))

    def call(self, name: Token, *inside: Node | None) -> Node:
        arguments, at = [argument for argument in inside if argument is not None], _place(name)
        if name in FUNCTIONS:
            wanted = FUNCTIONS[name].arguments
            for argument in arguments:
                _want(argument, "number", f"'{name}'")
            if len(arguments) != wanted:
                sentence = f"{name} takes {wanted} number{'s' * (wanted > 1)}, not {len(arguments)}"
                raise _Mistake(f"{sentence}{f', or runs over nodes: {_RUNS[name]}' if name in _RUNS else ''}", at)
            return _made(Call(str(name), tuple(arguments), at=at))
        if name in DOMAINS:
            example = f"count(u in {name}(v))" if DOMAINS[name].around else f"count(w in {name})"
            raise _Mistake(f"{name} is what a node runs over: {example}", at)
        if name in _RUNS:
            raise _Mistake(f"{name} runs over nodes: {_RUNS[name]}", at)
        if name not in TERMS:
            raise _unknown("term", name, {*TERMS, *FUNCTIONS, *AGGREGATES}, at)
        term, options = TERMS[name], list[tuple[str, int]]()
        while arguments and isinstance(option := arguments[-1], Compare):
            options.insert(0, _option(str(name), option))
            arguments.pop()
            if options[0][0] in dict(options[1:]):
                raise _Mistake(f"{options[0][0]} is given twice", option.at)
        nodes, rest = arguments[: term.nodes], arguments[term.nodes :]
        fits = len(nodes) == term.nodes and all(isinstance(node, Variable) for node in nodes)
        if not fits or len(rest) != term.attribute:
            what = f"{'one node' if term.nodes == 1 else 'two nodes'}{' and an attribute' if term.attribute else ''}"
            raise _Mistake(f"{name} takes {what}: {term.example}", at)
        counts = bool(rest) and isinstance(rest[0], Number) and rest[0].value >= 0 and rest[0].value % 1 == 0
        if rest and not isinstance(rest[0], Text) and not counts:
            raise _Mistake(f"an attribute is named by its number, from 0, or in quotes: {term.example}", rest[0].at)
        return _made(Call(str(name), tuple(arguments), tuple(options), at=at))


def _option(term: str, written: Compare) -> tuple[str, int]:
    if not isinstance(written.left, Variable) or not isinstance(written.right, Number):
        raise _Mistake(f"{term} takes nodes, not comparisons", written.at)
    key, value = written.left.name, written.right.value
    if key not in TERMS[term].options:
        raise _unknown(f"option of {term}", key, TERMS[term].options, written.at)
    if value % 1 or value < 1:
        raise _Mistake(f"{key} counts components: a whole number from 1", written.right.at)
    return key, int(value)


def _check_variables(tree: Node, text: str) -> None:
    """Refuse a name that means two nodes, a comparison of a node with a number, and more than one node left free."""

    def look(node: Node, bound: frozenset[str]) -> None:
        if isinstance(node, Quantifier | Aggregate):
            if node.domain.centre == node.variable:
                raise FormulaError(f"{node.variable!r} can't run over what is around itself", text, node.domain.at)
            if node.variable in bound:
                raise FormulaError(f"the name {node.variable!r} already means another node here", text, node.at)
            bound = bound | {node.variable}
        if isinstance(node, Compare) and node.left.sort != node.right.sort:
            raise FormulaError(f"'{node.operator}' beside a node takes a node, e.g. u != v", text, node.at)
        for part in node.parts:
            look(part, bound)

    free = free_variables(tree)
    look(tree, free)
    if len(free) > 1:
        names = sorted(free, key=lambda name: (name != "v", name))[:3]
        which = next(part for part, _ in walk(tree) if names[-1] in part.names)
        bound = f"bind {names[-1]!r}, e.g. exists {names[-1]} in N({names[0]}): ..."
        sentence = f"a rule speaks of one node, but {' and '.join(names)} are left free; {bound}"
        raise FormulaError(sentence, text, which.at)
