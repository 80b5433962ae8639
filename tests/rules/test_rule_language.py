"""The rule language: what is printed reads back, what is wrong is told at its place, and nothing typed does harm."""

import builtins
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError
from workbench.rules import language
from workbench.rules.syntax import (
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
    walk,
)
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

QUIET = settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

# ------------------------------------------------------------------------------------------------- drawing of trees

# Names that are words elsewhere in the language are good names of nodes too.
NAMES = ("v", "u", "w", "x1", "a_b_c", "N", "V", "degree", "sum", "pca", "ln", "inner", "e", "forall_", "iff2")
NUMBERS = st.one_of(
    st.integers(0, 20).map(float), st.floats(0, 1e15), st.sampled_from([1e15, 0.1, 1e-7, 5e-324, 123456789.5])
)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"'), max_size=12)
DrawFn = st.DrawFn


def a_number(draw: DrawFn, known: tuple[str, ...], depth: int) -> Node:
    kind = draw(
        st.sampled_from(["number", "term", "term", "-", "join", "function", "aggregate"][: 3 if depth <= 0 else 7])
    )
    if kind == "term" and known:
        name = draw(st.sampled_from([name for name, term in TERMS.items() if term.sort == "number"]))
        return a_term(draw, known, name)
    if kind == "-":
        return a_negative(a_number(draw, known, depth - 1))
    if kind == "join":
        return Binary(draw(st.sampled_from("+-*/^")), *(a_number(draw, known, depth - 1) for _ in range(2)))
    if kind == "function":
        name = draw(st.sampled_from(list(FUNCTIONS)))
        return Call(name, tuple(a_number(draw, known, depth - 1) for _ in range(FUNCTIONS[name].arguments)))
    if kind == "aggregate":
        new, domain = a_run(draw, known)
        word = draw(st.sampled_from(AGGREGATES))
        term = None if word == "count" else a_number(draw, (*known, new), depth - 1)
        condition = a_truth(draw, (*known, new), depth - 1) if draw(st.booleans()) else None
        return Aggregate(new, domain, word, term, condition)
    return Number(draw(NUMBERS))


def a_negative(node: Node) -> Node:
    """A minus sign before a number belongs to it."""
    written = isinstance(node, Number) and node.value > 0
    return Number(-node.value) if written else Unary("-", node)


def a_term(draw: DrawFn, known: tuple[str, ...], name: str) -> Node:
    term = TERMS[name]
    inside: list[Node] = [Variable(draw(st.sampled_from(known))) for _ in range(term.nodes)]
    if term.attribute:
        inside.append(draw(st.one_of(st.integers(0, 10**6).map(float).map(Number), TEXTS.map(Text))))
    some = draw(st.booleans())
    return Call(name, tuple(inside), tuple((key, draw(st.integers(1, 10**6))) for key in term.options if some))


def a_run(draw: DrawFn, known: tuple[str, ...]) -> tuple[str, Domain]:
    new = draw(st.sampled_from([name for name in NAMES if name not in known]))
    name = draw(st.sampled_from([name for name in DOMAINS if known or not DOMAINS[name].around]))
    return new, Domain(name, draw(st.sampled_from(known)) if DOMAINS[name].around else None)


def a_truth(draw: DrawFn, known: tuple[str, ...], depth: int) -> Node:
    kind = draw(
        st.sampled_from(["truth", "term", "same", "compare", "not", "join", "quantifier"][: 4 if depth <= 0 else 7])
    )
    if kind == "term" and known:
        return a_term(draw, known, draw(st.sampled_from(["isolated", "self_loop"])))
    if kind == "same" and known:
        sides = (Variable(draw(st.sampled_from(known))) for _ in range(2))
        return Compare(draw(st.sampled_from(["=", "!="])), *sides)
    if kind == "compare":
        sides = (a_number(draw, known, depth - 1) for _ in range(2))
        return Compare(draw(st.sampled_from(["<", "<=", ">", ">=", "=", "!="])), *sides)
    if kind == "not":
        return Unary("not", a_truth(draw, known, depth - 1))
    if kind == "join":
        word = draw(st.sampled_from(["and", "or", "implies", "iff"]))
        return Binary(word, *(a_truth(draw, known, depth - 1) for _ in range(2)))
    if kind == "quantifier":
        new, domain = a_run(draw, known)
        return Quantifier(
            new, domain, draw(st.sampled_from(["forall", "exists"])), a_truth(draw, (*known, new), depth - 1)
        )
    return Truth(draw(st.booleans()))


@st.composite
def formulas(draw: DrawFn) -> Node:
    """Any tree that the language can say; some wrapped in up to 80 levels more."""
    known = (draw(st.sampled_from(NAMES)),) if draw(st.integers(0, 5)) else ()
    depth = draw(st.integers(0, 5))
    node = (a_truth if draw(st.booleans()) else a_number)(draw, known, depth)
    for wrap in draw(st.lists(st.sampled_from(["one", "left", "right"]), max_size=80 * draw(st.booleans()))):
        truth = node.sort == "truth"
        other: Node = Truth(True) if truth else Number(2.0)
        sides = (node, other) if wrap == "left" else (other, node)
        words = ["and", "or", "implies", "iff"] if truth else list("+-*/^")
        single = Unary("not", node) if truth else a_negative(node)
        node = single if wrap == "one" else Binary(draw(st.sampled_from(words)), *sides)
    return node


@QUIET
@given(formulas())
def test_what_is_printed_reads_back(node: Node) -> None:
    text = rules.to_text(node)
    if len(text) > language.MOST_CHARACTERS:
        return
    again = rules.parse(text)
    assert again == node and str(again) == text and hash(again) == hash(node)
    if '"' not in text:  # white space in quotes belongs to a name
        assert rules.parse(text.replace(" ", "\n\t  ")) == node
    assert [part.value for part in rules.thresholds(again)] == [part.value for part in rules.thresholds(node)]


@QUIET
@given(formulas())
def test_mathematics_is_balanced_and_trees_have_a_line_a_part(node: Node) -> None:
    assert balanced(rules.to_latex(node))
    lines = rules.to_tree(node).split("\n")
    assert len(lines) <= 1 + sum(1 for _ in walk(node)) and not re.match("[ │├└]", lines[0])
    assert all(re.match("(│  |   )*(├─ |└─ )", line) for line in lines[1:])


def balanced(latex: str) -> bool:
    bare = re.sub(r"\\[\\{}]", "", latex.replace(r"\left\{", r"\left.").replace(r"\right\}", r"\right."))
    depth, lefts = 0, [0]
    for found in re.finditer(r"[{}]|\\left\b|\\right\b", bare):
        if found[0] == "{":
            depth += 1
            lefts.append(0)
        elif found[0] == "}":
            depth -= 1
            if depth < 0 or lefts.pop() != 0:  # what is opened in a group is closed in it
                return False
        else:
            lefts[-1] += 1 if "left" in found[0] else -1
            if lefts[-1] < 0:
                return False
    return depth == 0 and lefts == [0]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("degree(v) >= 3 and not isolated(v)", r"\deg(v) \ge 3 \land \lnot \mathrm{isolated}(v)"),
        ("exists a_b_c in N2(my_node): true",
         r"\exists \mathit{a\_b\_c} \in \mathcal{N}_2(\mathit{my\_node}):\; \top"),
        ("cos(u, u, pca=8) ^ 2 / 1e-7",
         r"\frac{\cos_{\mathrm{pca}=8}(u, u)^{2}}{1 \cdot 10^{-7}}"),
        ("2 ^ 1e-7 * (1 + degree(v))", r"2^{1 \cdot 10^{-7}} \cdot \left(1 + \deg(v)\right)"),
        ("1e-7 ^ 2", r"\left(1 \cdot 10^{-7}\right)^{2}"),
        ("(true implies false) implies true", r"\left(\top \rightarrow \bot\right) \rightarrow \top"),
        ("count(u in N(v) if u != v)", r"\left|\left\{u \in \mathcal{N}(v): u \ne v\right\}\right|"),
        ("(sum(degree(u) for u in N(v))) ^ 2", r"\left(\sum_{u \in \mathcal{N}(v)} \deg(u)\right)^{2}"),
        ('attribute(v, "50% {a_b} \\ x^2")',
         r"x(v, \text{50\% \{a\_b\} \textbackslash{} x\textasciicircum{}2})"),
    ],
)  # fmt: skip
def test_mathematics(text: str, latex: str) -> None:
    assert rules.to_latex(rules.parse(text)) == latex and balanced(latex)


def test_trees() -> None:
    text = "forall u in N(v): degree(u) >= 10 implies cos(u, v) > 0.2 and mean(norm(w) for w in N(u) if w != u) < 1"
    assert rules.to_tree(rules.parse(text)).split("\n") == [
        "forall u in N(v)",
        "└─ implies",
        "   ├─ degree(u) >= 10",
        "   └─ and",
        "      ├─ cos(u, v) > 0.2",
        "      └─ mean(norm(w) for w in N(u) if w != u) < 1",
        "         ├─ mean w in N(u) …",
        "         │  ├─ norm(w)",
        "         │  └─ w != u",
        "         └─ 1",
    ]


# --------------------------------------------------------------------------------------------- spelling, precedence

SPELLINGS = [
    ("∀u∈N(v): true", "forall u in N(v): true"), ("∃u∈N(v): true", "exists u in N(v): true"),
    ("true ∧ false", "true and false"), ("true & false", "true and false"), ("true && false", "true and false"),
    ("true ∨ false", "true or false"), ("true | false", "true or false"), ("true || false", "true or false"),
    ("¬true", "not true"), ("¬¬true", "not not true"), ("true → false", "true implies false"),
    ("true ⇒ false", "true implies false"), ("true -> false", "true implies false"),
    ("true => false", "true implies false"), ("true ↔ false", "true iff false"), ("true ⇔ false", "true iff false"),
    ("true <-> false", "true iff false"), ("true <=> false", "true iff false"), ("1 ≤ 2", "1 <= 2"),
    ("1 ≥ 2", "1 >= 2"), ("1 ≠ 2", "1 != 2"), ("1 == 2", "1 = 2"), ("2 · 3", "2 * 3"), ("2 × 3", "2 * 3"),
    ("6 ÷ 3", "6 / 3"), ("6 − 3", "6 - 3"), ("−3", "-3"), ("2 ** 3", "2 ^ 3"),
    ("FORALL u IN N(v): true", "forall u in N(v): true"), ("EXISTS u IN N(v): TRUE", "exists u in N(v): true"),
    ("TRUE AND FALSE", "true and false"), ("TRUE OR FALSE", "true or false"), ("NOT TRUE", "not true"),
    ("TRUE IMPLIES FALSE", "true implies false"), ("TRUE IFF FALSE", "true iff false"),
    ("sum(1 FOR u IN N(v) IF TRUE)", "sum(1 for u in N(v) if true)"), ("1.5E2", "150"), (".5", "0.5"), ("5.", "5"),
    ("1<2", "1 < 2"), ("1<-2", "1 < -2"), ("degree(v)-1", "degree(v) - 1"), ("((degree((v))))", "degree(v)"),
    ("not(true)", "not true"), ("cos(v,v,pca = 3)", "cos(v, v, pca=3)"),
    ("forall u in N( v ):true", "forall u in N(v): true"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "meant"), SPELLINGS)
def test_other_spellings(typed: str, meant: str) -> None:
    assert rules.parse(typed) == rules.parse(meant) and str(rules.parse(typed)) == meant


def test_words_are_told_apart_from_names_that_begin_with_them() -> None:
    for name in ("inner", "format", "iffy", "notes", "android", "truely", "orion", "in_", "if2", "forall_", "existss"):
        node = rules.parse(f"exists {name} in N(v): degree({name}) > 1")
        assert isinstance(node, Quantifier) and node.variable == name and rules.parse(str(node)) == node


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("true or false and true", "true or (false and true)"),
        ("true and false or true", "(true and false) or true"),
        ("not true and false", "(not true) and false"),
        ("not 1 = 2", "not (1 = 2)"),
        ("not 1 = 2 or true", "(not (1 = 2)) or true"),
        ("true implies false implies true", "true implies (false implies true)"),
        ("true iff false iff true", "(true iff false) iff true"),
        ("true and false and true", "(true and false) and true"),
        ("true or false or true", "(true or false) or true"),
        ("true or false implies true and false", "(true or false) implies (true and false)"),
        ("true implies false iff true implies true", "(true implies false) iff (true implies true)"),
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("1 - 2 - 3", "(1 - 2) - 3"),
        ("6 / 2 / 3", "(6 / 2) / 3"),
        ("6 / 2 * 3", "(6 / 2) * 3"),
        ("-2 ^ 2", "-(2 ^ 2)"),
        ("2 ^ -2 ^ 2", "2 ^ (-(2 ^ 2))"),
        ("2 ^ 3 ^ 4", "2 ^ (3 ^ 4)"),
        ("-2 * 3", "(-2) * 3"),
        ("2 * -3", "2 * (-3)"),
        ("1 - -2", "1 - (-2)"),
        ("--2", "-(-2)"),
        ("1 + 2 < 3 * 4", "(1 + 2) < (3 * 4)"),
        ("forall u in N(v): true and false", "forall u in N(v): (true and false)"),
        ("forall u in N(v): true implies false iff true", "forall u in N(v): ((true implies false) iff true)"),
        ("true and forall u in N(v): true or false", "true and (forall u in N(v): (true or false))"),
        ("not exists u in N(v): true or false", "not (exists u in N(v): (true or false))"),
        ("exists u in N(v): forall w in N(u): true or 1 < 2",
         "exists u in N(v): (forall w in N(u): (true or (1 < 2)))"),
        ("count(u in N(v) if true or false) + 1", "(count(u in N(v) if (true or false))) + 1"),
        ("sum(1 + 2 for u in N(v)) / 2", "(sum((1 + 2) for u in N(v))) / 2"),
    ],
)  # fmt: skip
def test_precedence(text: str, grouped: str) -> None:
    assert rules.parse(text) == rules.parse(grouped)


def test_brackets_are_printed_only_where_they_matter() -> None:
    for text in ("(true or false) and true", "(true implies false) implies true", "true iff (false iff true)",
                 "(-2) ^ 2", "(2 ^ 3) ^ 4", "-(2 * 3)", "1 - (2 - 3)", "(forall u in N(v): true) and false",
                 "not (true and false)", "not (exists u in N(v): true)", "(1 + 2) * 3"):  # fmt: skip
        assert str(rules.parse(text)) == text


# ---------------------------------------------------------------------------------------------------------- mistakes

TERM_LIST = ", ".join(sorted({*TERMS, *FUNCTIONS, *AGGREGATES}))
MISTAKES = [
    # text, line, column, sentence
    ("degre(v) > 3", 1, 1, f"unknown term 'degre'; did you mean 'degree'? valid: {TERM_LIST}"),
    ("true and Cos(v, v) > 3", 1, 10, f"unknown term 'Cos'; did you mean 'cos'? valid: {TERM_LIST}"),
    ("forall u in N_out(v): true", 1, 13, "unknown domain 'N_out'; did you mean 'N_in'? valid: N, N2, N_in, V"),
    ("summ(1 for u in N(v))", 1, 1, "unknown aggregate 'summ'; did you mean 'sum'? valid: count, max, mean, min, sum"),
    ("cos(v, v, pcs=3) > 0", 1, 11, "unknown option of cos 'pcs'; did you mean 'pca'? valid: pca"),
    ("cos(v, v, pca=2, pca=3)", 1, 11, "pca is given twice"),
    ("cos(v, v, pca=0)", 1, 15, "pca counts components: a whole number from 1"),
    ("degree(v) > 3 adn true", 1, 15, "'adn' can't stand here; did you mean 'and'?"),
    ("foral u in N(v): true", 1, 1, "'foral' can't stand here; did you mean 'forall'?"),
    ("for all u in N(v): true", 1, 1, "'for' can't stand here; did you mean 'forall'?"),
    ("forall u of N(v): true", 1, 10, "'of' can't stand here; expected 'in'"),
    ("forall u in N(v) true", 1, 18, "'true' can't stand here; expected ':'"),
    ("forall u in N: true", 1, 13, "N is around a node; write N(v)"),
    ("exists w in V(v): true", 1, 13, "V holds all nodes and is around none; write V"),
    ("exists in in N(v): true", 1, 8, "'in' can't stand here; expected a name"),
    ("a < b and c < d", 1, 3, "nodes are compared by = or !=, not by '<'"),
    ("core(a) < core(b) and core(v) < core(c)", 1, 11,
     "a rule speaks of one node, but v and a and b are left free; bind 'b', e.g. exists b in N(v): ..."),
    ("exists u in N(u): true", 1, 13, "'u' can't run over what is around itself"),
    ("exists u in N(v): exists v in N(u): true", 1, 19, "the name 'v' already means another node here"),
    ("degree(v) > degree(u)", 1, 13,
     "a rule speaks of one node, but v and u are left free; bind 'u', e.g. exists u in N(v): ..."),
    ("(degree(v) > 3", 1, 1, "this '(' is never closed"),
    ("degree(v) > 3)", 1, 14, "this ')' closes nothing"),
    ("degree(v) >", 1, 12, "the formula ends too early; expected a term, a number or '('"),
    ("degree(v) >\n  3 and\n\n", 2, 8, "the formula ends too early; expected a term, a number or '('"),
    ("degree(v) > 3\nor\n\n    cos(v) < 1", 4, 5, "cos takes two nodes: cos(u, v)"),
    ("1 < degree(v) < 3", 1, 15, "comparisons don't chain; write a <= b and b <= c"),
    ("degree(v) >> 3", 1, 12, "'>' can't stand here; expected a term, a number or '('"),
    ("degree(v) => 3", 1, 11, "'=>' means 'implies'; numbers are compared by <, <=, =, !=, >= or >"),
    ("degree(v) and true", 1, 1, "'and' takes a truth, and `degree(v)` is a number"),
    ("1 + (degree(v) > 3)", 1, 6, "'+' takes a number, and `degree(v) > 3` is a truth"),
    ("not degree(v)", 1, 5, "'not' takes a truth, and `degree(v)` is a number"),
    ("exists u in N(v): degree(u)", 1, 19, "'exists' takes a truth, and `degree(u)` is a number"),
    ("v = 3", 1, 1, "'=' beside a node takes a node, e.g. u != v"),
    ("exists u in N(v): u < v", 1, 21, "nodes are compared by = or !=, not by '<'"),
    ("degree(v, v)", 1, 1, "degree takes one node: degree(v)"),
    ("attribute(v)", 1, 1, 'attribute takes one node and an attribute: attribute(v, 0) or attribute(v, "name")'),
    ("attribute(v, 1.5)", 1, 14,
     'an attribute is named by its number, from 0, or in quotes: attribute(v, 0) or attribute(v, "name")'),
    ("min(1)", 1, 1, "min takes 2 numbers, not 1, or runs over nodes: min(degree(u) for u in N(v))"),
    ("ln(1, 2)", 1, 1, "ln takes 1 number, not 2"),
    ("sum(degree(v))", 1, 1, "sum runs over nodes: sum(degree(u) for u in N(v))"),
    ("mean(u in N(v))", 1, 1, "mean needs a term, e.g. mean(degree(u) for u in N(v))"),
    ("count(1 for u in N(v))", 1, 1, "count takes no term; write count(u in N(v) if ...)"),
    ("degree(v) > 3 if true", 1, 15, "'if' stands in the brackets of an aggregate only: "
     "count(u in N(v) if degree(u) > 2), sum(degree(u) for u in N(v))"),
    ("degree(v) 3", 1, 11, "'3' can't stand here; expected an operator"),
    ("degree[v] > 3", 1, 7, "the sign '[' has no meaning here"),
    ("N(v) > 3", 1, 1, "N is what a node runs over: count(u in N(v))"),
    ("1 > V()", 1, 5, "V is what a node runs over: count(w in V)"),
    ("1 > " + "n" * 61 + "(v)", 1, 5, "this name has more than 60 characters"),
    ("_x > 3", 1, 1, "a name begins with a letter, not with '_'"),
    ("attribute(v, 'a') > 3", 1, 14, 'a name in quotes is written "..." on one line'),
    ("1e16", 1, 1, "the number is too large; at most 1e+15"),
    ('"degree"', 1, 1, "'\"degree\"' alone says nothing; write a term of it, e.g. degree(v)"),
    (" \n ", 1, 1, "the formula is empty; an example: degree(v) >= 3"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "sentence"), MISTAKES)
def test_mistakes_are_told_at_their_place(text: str, line: int, column: int, sentence: str) -> None:
    with pytest.raises(rules.FormulaError) as told:
        rules.parse(text)
    error = told.value
    assert str(error) == f"line {line}, column {column}: {sentence}"
    assert (error.line, error.column) == (line, column)
    shown, caret = error.caret.split("\n")
    assert shown == text.split("\n")[line - 1] and caret == " " * (column - 1) + "^"
    assert error._render_traceback_() == [f"FormulaError: {error}", shown, caret]


BARE = [
    ("degree > 3", 1, "degree takes one node", "degree(v) > 3"),
    ("3 < degree", 5, "degree takes one node", "3 < degree(v)"),
    ("degre >= core", 1, "degree takes one node", "degree(v) >= core(v)"),
    ("not isolated", 5, "isolated takes one node", "not isolated(v)"),
    ("ln(1 + pagerank) > 2", 8, "pagerank takes one node", "ln(1 + pagerank(v)) > 2"),
    ("core(x) > 2 and degree > 1", 17, "degree takes one node", "core(x) > 2 and degree(x) > 1"),
    ("exists u in N(v): degree >= 10", 19, "degree takes one node", "exists u in N(v): degree(u) >= 10"),
    ("mean(degree for u in N(v)) > degree", 6, "degree takes one node", "mean(degree(u) for u in N(v)) > degree(v)"),
    ("degree > 3 and exists u in N(v): core(u) > 2", 1, "degree takes one node",
     "degree(v) > 3 and exists u in N(v): core(u) > 2"),
    ("∀ w ∈ N(v): cos > 0.2", 13, "cos takes two nodes", "∀ w ∈ N(v): cos(w, v) > 0.2"),
    ("cos > 0.2", 1, "cos takes two nodes", "mean(cos(u, v) for u in N(v)) > 0.2"),
    ('attribute > attribute(v, "degree")', 1, "attribute takes one node and an attribute",
     'attribute(v, 0) > attribute(v, "degree")'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "sentence", "meant"), BARE)
def test_a_term_without_its_node_is_answered_with_the_formula_that_was_meant(
    text: str, column: int, sentence: str, meant: str
) -> None:
    with pytest.raises(rules.FormulaError) as told:
        rules.parse(text)
    assert str(told.value) == f"line 1, column {column}: {sentence}; did you mean {meant}?"
    assert told.value.fields["nearest"] == meant and rules.parse(meant)


def test_each_term_without_its_node_is_answered() -> None:
    for name, term in TERMS.items():
        with pytest.raises(rules.FormulaError, match=rf"^line 1, column 1: {name} takes .*; did you mean .*{name}\("):
            rules.formula(name if term.sort == "truth" else f"{name} > 0.5")


def test_a_node_may_be_called_as_a_term_is_and_two_mistakes_are_told_one_by_one() -> None:
    assert rules.parse("exists core in N(v): degree(core) > 3") and rules.parse("degree(core) > 2")
    with pytest.raises(rules.FormulaError, match=r"column 1: degree takes one node: degree\(v\)"):
        rules.parse("degree > 3 and")


def test_the_caret_points_into_long_lines_and_past_tabs() -> None:
    with pytest.raises(rules.FormulaError) as told:
        rules.parse("degree(v) > 3 and " * 30 + "degre(v) > 3 " + "and true " * 30)
    shown, caret = told.value.caret.split("\n")
    assert told.value.column == 541 and shown[len(caret) - 1 :].startswith("degre(v)") and len(shown) <= 101
    with pytest.raises(rules.FormulaError) as told:
        rules.parse("true\n\tand\u200fdegre(v) > 3")
    shown, caret = told.value.caret.split("\n")
    assert shown == " and degre(v) > 3" and caret == "    ^" and str(told.value).isprintable()


# ----------------------------------------------------------------------------------------------------- hostile input

NEST = [
    "(" * 5000, ")" * 5000, "(" * 2400 + "1" + ")" * 2400, "(" * 101 + "1" + ")" * 101,
    "abs(" * 900 + "1" + ")" * 900, "not " * 1200 + "true", "¬" * 4900 + "true", "-" * 4900 + "1", "- " * 2400 + "1",
    "--" * 2400, "1" + "+1" * 2400, "1" + "-1" * 2400, "1" + "*1" * 2400, "1" + "/1" * 2400, "1" + "^1" * 2400,
    "1" + "**1" * 1600, "true" + " and true" * 500, "true" + " or true" * 500, "true" + " implies true" * 350,
    "true" + " iff true" * 500, "1" + "<1" * 2400, "true" + "&true" * 900, "true" + "->true" * 700,
    "not(" * 1100 + "true" + ")" * 1100, "".join(f"exists x{i} in V: " for i in range(200)) + "true",
    "".join(f"forall x{i} in N({f'x{i - 1}' if i else 'v'}): " for i in range(180)) + "true",
    "sum(" * 200 + "1" + "".join(f" for x{i} in V)" for i in range(200)), "max(1, " * 600 + "1" + ")" * 600,
    "count(x in V if " * 200 + "true" + ")" * 200, "min(" + "1, " * 1500 + "1)", "degree(" + "v, " * 1500 + "v)",
    "true" + " and (true" * 300 + ")" * 300, "(true) " * 700, "true and not " * 380 + "true", "1 - -" * 900 + "1",
    "((((((1)))))" * 50,
]  # fmt: skip
SIZE = [
    "a" * 100_000, "1" * 100_000, " " * 100_000, "(" * 100_000, "true and " * 11_000 + "true",
    '"' + "a" * 100_000 + '"', "é" * 100_000, "degree(v) > 3 " * 8_000, "a" * 4_999, "a" * 4_000 + "(v)",
    "degree(" + "v" * 4_000 + ")", "1" * 4_999, "0." + "0" * 4_900 + "1 > 1e999999", "1e" + "9" * 4_000,
    "exists " + "u" * 2_000 + " in N(v): degree(u) > 1", '"' * 4_999, "cos(v, v, " + "p" * 4_000 + "=3)",
    'attribute(v, "' + "b" * 4_000 + '")', "_" * 4_999, "\n" * 4_999 + "!",
]  # fmt: skip
NUMBER = [
    "1e400", "1e16", "10^400", "9^9^9^9", "9^9^9^9^9^9^9", "0^-1", "0^(-1) > 1", "(-1)^0.5", "(-8)^(1/3)", "ln(0)",
    "ln(-1)", "sqrt(-1)", "exp(10^9)", "exp(exp(exp(10)))", "10^300", "-10^300", "10^300 * 10^300 > 1",
    "10^308 * 10 - 10^308 * 10 = 0", "exp(709) * exp(709) > degree(v)", "sum(10^308 for w in V)", "ln(1 - degree(v))",
    "mean(ln(degree(u) - 100) for u in N(v)) > 0", "10^15^10 / 10^15^10", "1e-999 ^ -1", "forall u in N(v): 0^-1 > 1",
    "cos(v, v, pca=10^15)", "norm(v, pca=1000000000000000)", "norm(v, pca=0)", "norm(v, pca=-1)", "norm(v, pca=1.5)",
    "norm(v, pca=1e400)", "norm(v, pca=41)", "norm(v, pca=true)", 'norm(v, pca="8")', "norm(v, pca)", "norm(v, 8)",
    "attribute(v, 40)", "attribute(v, 1000000000000000)", "attribute(v, 1e400)", "attribute(v, -1)",
    "attribute(v, 0.5)", 'attribute(v, "not there")', 'attribute(v, "")', "attribute(v, v)",
    "attribute(v, degree(v))", "attribute(0, v)", "attribute(v, 0, 1)", "attribute(v, 0, pca=3)", "1..2", "1.2.3",
    "0x10", "1_000", "1e", "1e+", "٣ + degree(v)", "²", "½ > 0", "NaN", "nan > 1", "inf", "Infinity > degree(v)",
    "-inf < 1",
]  # fmt: skip
SORT = [
    "v", "u", "V", "N(v)", "degree", "N", "true + 1", "1 and true", "not 1", "-true", "-v", "v + v", "v and v",
    "degree(true)", "degree(1)", "degree(degree(v))", 'degree("v")', "cos(v)", "cos(v, v, v)", "cos(v, 1)", "abs(v)",
    "abs(true)", "ln()", "max()", "sum()", "count()", "forall u in v: true", "forall 1 in N(v): true",
    "forall u in N(1): true", "forall u in N(N(v)): true", "exists u in N(v): u", "exists u in N(v): 1",
    "sum(true for u in N(v))", "sum(u for u in N(v))", "count(u in N(v) if u)", "count(u in N(v) if 1)", "u != v",
    "v = 1", "1 = v", "v > v", "true = true", "true > false", "(v = 3) and true", "max(v, v)",
    "degree(u) + degree(v)", "exists v in N(v): true", "sum(sum(1 for u in N(v)) for u in N(v))",
    "exists u in N(v): degree(w) > 1", "isolated(v) > 0", "isolated(v) + 1", "in_degree(v) and out_degree(v)", "v v",
    "1 1", "true true", ": true",
]  # fmt: skip
CODE = [
    "__import__('os').system('touch hacked')", '__import__("os").system("touch hacked")', "().__class__",
    "().__class__.__bases__[0].__subclasses__()", "lambda: 1", "(lambda: open('hacked', 'w'))()", "f'{1}'", 'f"{1}"',
    "open('hacked', 'w')", "exec('1')", 'exec("open(1)")', 'eval("1")', "print(1)", "import os", "del v", "x = 1",
    "[x for x in v]", "{v: 1}", "{1}", "[1]", "v.degree", "degree.__call__(v)", "__builtins__", "_", "__", "_v > 1",
    "degree(_v)", "degree(__class__)", "exists __x in N(v): true", "v; true", "true; import os", "`touch hacked`",
    "$(touch hacked)", "true && touch hacked", "true | tee hacked", "; touch hacked", "' OR 1=1 --", "<script>",
    "${v}", "%s", "%(v)s", "{0.__class__}", "{v!r}", "\\", "\\x41", "degree\\(v)", "true # comment", "# comment",
    "// comment", "true // comment", "/* comment */ true", "-- comment", '"""doc"""', "'''", "b'1'", "@degree",
    "!true", "~true", "true ? 1 : 0", "v->degree", "degree(*v)", "degree(**v)", "degree(v=v)", "degree(v:=1)",
    "1 if true else 2", "yield", "await v", "async", "raise", "...", "None", "True.real", "self.x", "degree(v)[0]",
    "os.system",
]  # fmt: skip
SIGN = [
    "\0", "true\0", "degree(\0v)", "\0" * 100, "🙂", "degree(🙂) > 1", "👩‍👩‍👧 > 1", "\ud800", "true \udfff",
    '"\ud800"', 'attribute(v, "\ud800") > 1', 'attribute(v, "a\nb")', 'attribute(v, "a\rb")',
    'attribute(v, "\u2028")', 'attribute(v, "\0")', "\u200f", "\u202etrue", "degree(\u200bv)", "de\u0301gree(v)",
    "degree(v\u0301)", "ﬁ > 1", "ｄｅｇｒｅｅ(ｖ)", "dеgree(v)", "degree（v）", "\t", "\n", "\r\n\t \u00a0",
    "\ufeff", "\ufefftrue", "tr\u00aded", "١", "∀∀∀", "∃", "∈", "¬", "∧∧", "→", "degree(v) ⩾ 3",
    "degree(v) ≥≥ 3", "∑ degree(u)", "√4", "π", "∞ > 1", "x̄", "\x1b[31mtrue", "true\x07", "\x7f",
    "ſum(1 for u in N(v))", "exıſts u in N(v): true", "“degree”", "‘v’", "degree‚(v)",
]  # fmt: skip
LEGAL = [
    "1/0", "0/0", "degree(v) / (degree(v) - degree(v))", "0^0", "1e-400", "(" * 100 + "1" + ")" * 100, "9^9", "-0",
    "-" * 98 + "1", "not " * 98 + "true", "true" + " and true" * 98, "1" + "+1" * 98, "1e15", "1" + "0" * 15, "10^38",
    "mean(1 / (degree(u) - degree(v)) for u in N(v))", "(TRUE)\n\n\n", "\t1\t", "exp(-10^9)", "10^-400", "ln(1)",
    "2^-1074", "min(degree(u) for u in N(v)) = max(degree(u) for u in N_in(v))", 'attribute(v, "a 39")',
    "exists V in V: true", "".join(f"exists x{i} in N({f'x{i - 1}' if i else 'v'}): " for i in range(98)) + "true",
    "000000000000001", "exists sum in N(v): degree(sum) > sum(degree(degree) for degree in N(sum))",
]  # fmt: skip
TAKEN = ["exıſts u in N(v): true"]  # Python's regular expressions ignore the case of these letters too
HOSTILE = [*NEST, *SIZE, *NUMBER, *SORT, *CODE, *SIGN]


@pytest.fixture
def named_graph(small_graph: Data) -> Data:
    small_graph.feature_names = [f"a {i}" for i in range(40)]
    return small_graph


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in which running Python or a command fails the test."""
    rules.parse("true")  # the parser is built once

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a formula was run")

    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for module, name in ((builtins, "eval"), (builtins, "exec"), (os, "system"), (os, "popen")):
        monkeypatch.setattr(module, name, refuse)
    return empty


@pytest.mark.parametrize("kind", ["NEST", "SIZE", "NUMBER", "SORT", "CODE", "SIGN"])
def test_hostile_input_is_told_in_a_sentence(kind: str, named_graph: Data, guarded: Path) -> None:
    shared = rules.Terms(named_graph)
    for text in globals()[kind]:
        for input_ in (text, f"degree(v) > {text}", f"{text} and true", f"forall u in N(v): ({text}) > 1"):
            began = time.process_time()
            try:
                value = rules.evaluate(input_, shared)
            except UserError as error:
                told = str(error)
                assert told.isprintable() and 10 < len(told) < 1_500, input_[:80]
                if isinstance(error, rules.FormulaError):
                    assert error.caret.count("\n") == 1 and len(error.caret) < 300
                    assert error.caret.replace("\n", "").isprintable(), input_[:80]
            else:
                assert input_ != text or text in TAKEN, f"taken: {text[:80]}"
                assert bool(torch.isfinite(value).all()), input_[:80]
            assert time.process_time() - began < 1, input_[:80]
    assert not list(guarded.iterdir())


def test_the_list_of_hostile_input_is_long() -> None:
    assert len(set(HOSTILE)) >= 300


@pytest.mark.parametrize("text", LEGAL)
def test_odd_but_legal_input_is_finite(text: str, named_graph: Data, guarded: Path) -> None:
    for semantics in rules.SEMANTICS:
        value = rules.evaluate(text, named_graph, semantics)
        assert value.shape == (60,) and bool(torch.isfinite(value).all())
    assert rules.parse(str(rules.parse(text))) == rules.parse(text)
    assert balanced(rules.to_latex(rules.parse(text))) and rules.to_tree(rules.parse(text))
    assert str(rules.explain(text, named_graph, 0))


@pytest.mark.parametrize(
    "given_", [None, b"true", 3, 1.5, True, [], ["true"], {}, object(), Data, ("ntsc",), float("nan")]
)
def test_what_is_no_text_is_told(given_: Any, small_graph: Data) -> None:
    for ask in (
        lambda: rules.evaluate(given_, small_graph), lambda: rules.parse(given_), lambda: rules.formula(given_),
        lambda: rules.explain(given_, small_graph, 0), lambda: rules.evaluation(given_, small_graph),
    ):  # fmt: skip
        with pytest.raises(UserError, match=r"^a (rule is a name or a formula|formula is text), not \w+$"):
            ask()


@pytest.mark.parametrize("graph", [None, "cora", 3, [], Data()])
def test_what_is_no_graph_is_told(graph: Any) -> None:
    with pytest.raises(UserError, match="a rule needs edges"):
        rules.evaluate("true", graph)


@pytest.mark.parametrize(
    ("semantics", "steepness", "told"),
    [("gödel", 1, "unknown semantics 'gödel'; did you mean 'godel'"), (None, 1, "unknown semantics"),
     ("product", 0, "above 0 and finite"), ("product", -1, "above 0"), ("product", float("nan"), "above 0"),
     ("crisp", float("inf"), "above 0 and finite")],
)  # fmt: skip
def test_semantics_that_are_none_are_told(semantics: Any, steepness: float, told: str, small_graph: Data) -> None:
    with pytest.raises(UserError, match=told):
        rules.evaluate("true", small_graph, semantics, steepness)


def test_attributes_that_are_not_there_are_told(named_graph: Data) -> None:
    def told(text: str) -> str:
        with pytest.raises(UserError) as error:
            rules.evaluate(text, named_graph)
        return str(error.value)

    assert told('attribute(v, "a 40")') == "this graph has no attribute 'a 40'; did you mean 'a 4'?"
    assert told('attribute(v, "weight")').startswith("this graph has no attribute 'weight'")
    assert told("attribute(v, 40)") == "there is no attribute 40; this graph has 40, from 0 to 39"
    assert told("norm(v, pca=41)") == "pca=41 components were asked for; with 40 attributes it must be 1 to 40"
    del named_graph.feature_names
    assert told('attribute(v, "a 4")') == "the attributes of this graph have no names; use a number, 0 to 39"
    named_graph.x = None
    bare = "the rule compares attributes, and this graph has none; use a rule of the topology alone"
    for text in ('attribute(v, "a")', "attribute(v, 0)", "norm(v)", "norm(v, pca=2)", "cos(v, v)", "dot(v, v, pca=3)",
                 "jaccard(v, v)", "mean(cos(w, v) for w in V)"):  # fmt: skip
        assert told(text) == bare
