"""The rule language: text to a syntax tree.

A rule speaks of one node, usually called v. Terms are numbers per node or per edge, comparisons of them are truths,
and quantifiers and aggregates run over neighbours. What is typed is read by a grammar and never run as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache

from lark import Lark, Token, Transformer, UnexpectedInput, v_args

from workbench.errors import UserError, unknown
from workbench.rules import syntax
from workbench.rules.bare import bare_terms, completed, taken
from workbench.rules.grammar import COMPARE, GRAMMAR, OPERATOR, FormulaError, Mistake, syntax_mistake
from workbench.rules.printing import brief
from workbench.rules.syntax import Node
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

MOST_CHARACTERS, LONGEST_NAME, DEEPEST, LARGEST = 5_000, 60, 100, 1e15

_RUNS = {kind: f"{kind}(degree(u) for u in N(v))" for kind in syntax.AGGREGATES} | {"count": "count(u in N(v) if ...)"}
_ARTICLE = {"truth": "a truth", "number": "a number", "node": "a node", "text": "a name in quotes"}


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
    try:
        return _read(text)
    except UnexpectedInput as error:
        mistake = syntax_mistake(error, text)
    except Mistake as error:
        mistake = error
    for meant in completed(text):
        with suppress(UnexpectedInput, Mistake):
            _read(meant)
            bare = bare_terms(text)[0][0]
            sentence = f"{taken(bare.name)}; did you mean {meant}?"
            raise FormulaError(sentence, text, bare.start, nearest=meant)
    raise FormulaError(mistake.sentence, text, mistake.at or 0)


def _read(text: str) -> Node:
    _check_outline(text)
    tree: Node = _parser().parse(text)  # type: ignore[assignment]
    if tree.sort not in ("truth", "number"):
        raise Mistake(f"{text.strip()[:40]!r} alone says nothing; write a term of it, e.g. degree(v)", 0)
    _check_variables(tree)
    return tree


@cache
def _parser() -> Lark:
    # Nodes are made while it parses, so that no depth of nesting meets Python's recursion limit.
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=True, transformer=_Builder())


def _check_outline(text: str) -> None:
    """Name a bracket without a partner, of which the grammar could only say what it met at the end; and long names."""
    if not text.strip():
        raise Mistake("the formula is empty; an example: degree(v) >= 3", 0)
    bare = re.sub(r'"[^"\n]*"', lambda quoted: " " * len(quoted[0]), text)
    if long := re.search(rf"[A-Za-z]\w{{{LONGEST_NAME},}}", bare):
        raise Mistake(f"this name has more than {LONGEST_NAME} characters", long.start())
    opened: list[int] = []
    for bracket in re.finditer(r"[()]", bare):
        if bracket[0] == "(":
            opened.append(bracket.start())
        elif opened:
            opened.pop()
        else:
            raise Mistake("this ')' closes nothing", bracket.start())
        if len(opened) > DEEPEST:
            raise Mistake(f"brackets are nested more than {DEEPEST} deep", bracket.start())
    if opened:
        raise Mistake("this '(' is never closed", opened[-1])


def _place(child: Node | Token) -> int:
    return child.at if isinstance(child, Node) else child.start_pos or 0


def _check_known(kind: str, word: str, choices: Iterable[str], at: int | None = None) -> None:
    if word not in choices:
        raise Mistake(str(unknown(kind, word, choices)), at)


def _want(sort: str, who: str, *parts: Node | None) -> None:
    for part in parts:
        if part is not None and part.sort != sort:
            _check_bare(part)
            raise Mistake(f"{who} takes {_ARTICLE[sort]}, and `{brief(part, 40)}` is {_ARTICLE[part.sort]}", part.at)


def _check_bare(part: Node) -> None:
    """Refuse the name of a term where a node can't stand."""
    if isinstance(part, syntax.Variable) and part.name in TERMS:
        raise Mistake(f"{taken(part.name)}: {TERMS[part.name].example}", part.at)


def _made(make: Callable[..., Node], _: str, children: list[Node | Token], __: object) -> Node:
    """Make a node of what the grammar found, which begins where its first child does, unless it lies too deep."""
    begin = _place(children[0])
    try:
        node = replace(make(*children), at=begin)
    except Mistake as mistake:
        mistake.at = begin if mistake.at is None else mistake.at
        raise
    if node.depth > DEEPEST:
        sentence = f"the formula has more than {DEEPEST} levels; nest less, and break long chains by brackets"
        raise Mistake(sentence, next(_place(child) for child in children if isinstance(child, Token)))
    return node


@v_args(wrapper=_made)
class _Builder(Transformer[Token, Node]):
    """Turns what the grammar found into nodes, and checks of each that its words exist and its sorts fit."""

    def number(self, token: Token) -> Node:
        value = float(token)
        if not value <= LARGEST:
            raise Mistake(f"the number is too large; at most {LARGEST:g}")
        return syntax.Number(value)

    def truth(self, token: Token) -> Node:
        return syntax.Truth(token.type == "TRUE")

    def text(self, token: Token) -> Node:
        return syntax.Text(str(token)[1:-1])

    def variable(self, token: Token) -> Node:
        return syntax.Variable(str(token))

    def domain(self, name: Token, centre: Token | None) -> Node:
        _check_known("domain", name, DOMAINS)
        if centre is None and DOMAINS[name].around:
            raise Mistake(f"{name} is around a node; write {name}(v)")
        if centre is not None and not DOMAINS[name].around:
            raise Mistake(f"{name} holds all nodes and is around none; write {name}")
        return syntax.Domain(str(name), centre and str(centre))

    def unary(self, operator: Token, operand: Node) -> Node:
        word = OPERATOR[operator.type]
        _want("truth" if word == "not" else "number", f"'{word}'", operand)
        if word == "-" and isinstance(operand, syntax.Number) and operand.value > 0:
            return syntax.Number(-operand.value)  # one number, so that a threshold below 0 can be moved
        return syntax.Unary(word, operand)

    def binary(self, left: Node, operator: Token, right: Node) -> Node:
        word = OPERATOR[operator.type]
        made = syntax.Binary(word, left, right)
        if str(operator) in ("=>", "<=>") and {left.sort, right.sort} == {"number"}:
            sentence = f"'{operator}' means '{word}'; numbers are compared by <, <=, =, !=, >= or >"
            raise Mistake(sentence, _place(operator))
        _want(made.sort, f"'{word}'", left, right)
        return made

    def compare(self, left: Node, operator: Token, right: Node) -> Node:
        word = COMPARE.get(str(operator), str(operator))
        if word == "=" and isinstance(left, syntax.Variable) and isinstance(right, syntax.Number):
            pass  # an option of a term, perhaps
        elif "node" in (left.sort, right.sort):
            for side, other in ((left, right), (right, left)):
                if other.sort != "node":
                    _check_bare(side)
            _want("node", f"'{word}' beside a node", left, right)
            if word not in ("=", "!="):
                raise Mistake(f"nodes are compared by = or !=, not by '{word}'", _place(operator))
        else:
            _want("number", f"'{word}'", left, right)
        return syntax.Compare(word, left, right)

    def quantifier(self, kind: Token, variable: Token, domain: syntax.Domain, body: Node) -> Node:
        word = OPERATOR[kind.type]
        _want("truth", f"'{word}'", body)
        return syntax.Quantifier(str(variable), domain, word, body)

    def aggregate(
        self, kind: Token, term: Node | None, run: Token, domain: syntax.Domain, condition: Node | None
    ) -> Node:
        _check_known("aggregate", kind, syntax.AGGREGATES)
        if term is not None and kind == "count":
            raise Mistake("count takes no term; write count(u in N(v) if ...)")
        if term is None and kind != "count":
            raise Mistake(f"{kind} needs a term, e.g. {kind}(degree({run}) for {run} in {domain})")
        _want("number", f"'{kind}'", term)
        _want("truth", "'if'", condition)
        return syntax.Aggregate(str(run), domain, str(kind), term, condition)

    def call(self, name: Token, *inside: Node | None) -> Node:
        arguments = [argument for argument in inside if argument is not None]
        if name in FUNCTIONS:
            _want("number", f"'{name}'", *arguments)
            if len(arguments) != (wanted := FUNCTIONS[name].arguments):
                runs = f", or runs over nodes: {_RUNS[name]}" if name in _RUNS else ""
                raise Mistake(f"{name} takes {wanted} number{'s' * (wanted > 1)}, not {len(arguments)}{runs}")
            return syntax.Call(str(name), tuple(arguments))
        if name in DOMAINS:
            example = f"count(u in {name}(v))" if DOMAINS[name].around else f"count(w in {name})"
            raise Mistake(f"{name} is what a node runs over: {example}")
        if name in _RUNS:
            raise Mistake(f"{name} runs over nodes: {_RUNS[name]}")
        _check_known("term", name, {*TERMS, *FUNCTIONS, *syntax.AGGREGATES})
        term, options = TERMS[name], dict[str, int]()
        while arguments and isinstance(written := arguments[-1], syntax.Compare):
            key, value = _option(str(name), written)
            if key in options:
                raise Mistake(f"{key} is given twice", written.at)
            options[key] = value
            arguments.pop()
        nodes, rest = arguments[: term.nodes], arguments[term.nodes :]
        fits = len(nodes) == term.nodes and all(isinstance(node, syntax.Variable) for node in nodes)
        if not fits or len(rest) != term.attribute:
            raise Mistake(f"{taken(name)}: {term.example}")
        for attribute in rest:
            counts = isinstance(attribute, syntax.Number) and attribute.value >= 0 and attribute.value % 1 == 0
            if not counts and not isinstance(attribute, syntax.Text):
                sentence = f"an attribute is named by its number, from 0, or in quotes: {term.example}"
                raise Mistake(sentence, attribute.at)
        return syntax.Call(str(name), tuple(arguments), tuple(reversed(options.items())))


def _option(term: str, written: syntax.Compare) -> tuple[str, int]:
    if not isinstance(written.left, syntax.Variable) or not isinstance(written.right, syntax.Number):
        raise Mistake(f"{term} takes nodes, not comparisons", written.at)
    key, value = written.left.name, written.right.value
    _check_known(f"option of {term}", key, TERMS[term].options, written.at)
    if value % 1 or value < 1:
        raise Mistake(f"{key} counts components: a whole number from 1", written.right.at)
    return key, int(value)


def _check_variables(tree: Node) -> None:
    """Refuse a name that means two nodes, a comparison of a node with a number, and more than one node left free."""

    def look(node: Node, bound: frozenset[str]) -> None:
        if isinstance(node, syntax.Binding):
            if node.domain.centre == node.variable:
                raise Mistake(f"{node.variable!r} can't run over what is around itself", node.domain.at)
            if node.variable in bound:
                raise Mistake(f"the name {node.variable!r} already means another node here", node.at)
            bound = bound | {node.variable}
        if isinstance(node, syntax.Compare) and node.left.sort != node.right.sort:
            raise Mistake(f"'{node.operator}' beside a node takes a node, e.g. u != v", node.at)
        for part in node.parts:
            look(part, bound)

    free = syntax.free_variables(tree)
    look(tree, free)
    if len(free) > 1:
        names = sorted(free, key=lambda name: (name != "v", name))[:3]
        which = next(part.node for part in syntax.walk(tree) if names[-1] in part.node.names)
        bound = f"bind {names[-1]!r}, e.g. exists {names[-1]} in N({names[0]}): ..."
        raise Mistake(f"a rule speaks of one node, but {' and '.join(names)} are left free; {bound}", which.at)
