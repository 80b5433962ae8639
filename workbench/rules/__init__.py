"""Structural commonsense as rules: a language, its evaluation on a graph, named rules, and their explanation."""

import re
from collections.abc import Sequence

from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.rules import measures  # noqa: F401  (enters the terms of the vocabulary)
from workbench.rules.explanation import Explanation
from workbench.rules.explanation import explain as _explain
from workbench.rules.grammar import FormulaError
from workbench.rules.language import parse
from workbench.rules.library import RULES, Rule, name_of
from workbench.rules.printing import to_latex, to_text, to_tree
from workbench.rules.semantics import SEMANTICS, Semantics
from workbench.rules.syntax import Node, free_variables, subformulas, thresholds
from workbench.rules.terms import Terms
from workbench.rules.truth import Evaluation

AnyRule = str | Rule | Node
Moved = Tensor | Sequence[float]
names = RULES.names


def get(name: str) -> Rule:
    """Return a named rule; upper and lower case don't matter, and a UserError gives the nearest name."""
    return RULES.get(str(name).casefold())


def formula(rule: AnyRule) -> Node:
    """Return the syntax tree of a rule by its name ("ntsc", "NTSC"), as text or as a tree; or raise a FormulaError."""
    if isinstance(rule, Node):
        return rule
    if isinstance(rule, Rule):
        return parse(rule.formula)
    if not isinstance(rule, str):
        raise UserError(f"a rule is a name or a formula, not {type(rule).__name__}")
    word = rule.strip()
    # A formula has brackets; "true" and numbers aside, a word without any is meant as a name.
    if re.fullmatch(r"[A-Za-z][\w-]*", word) and word.casefold() not in ("true", "false"):
        return parse(get(word).formula)
    return parse(rule)


def evaluation(
    rule: AnyRule, graph: Data | Terms, semantics: str = "crisp", steepness: float = 10.0, moved: Moved | None = None
) -> Evaluation:
    """Prepare the evaluation of a rule, which keeps the value of each of its parts; arguments as for `evaluate`."""
    terms = graph if isinstance(graph, Terms) else Terms(graph)
    return Evaluation(formula(rule), terms, Semantics(semantics, steepness), moved)


def evaluate(
    rule: AnyRule, graph: Data | Terms, semantics: str = "crisp", steepness: float = 10.0, moved: Moved | None = None
) -> Tensor:
    """Evaluate a rule on every node.

    Args:
        rule: a name ("ntsc"), a formula as text, or its syntax tree.
        graph: the graph, or its `Terms`, which keep what was computed for the next rule.
        semantics: "crisp" (0 or 1), or graded with the t-norm "product", "godel" or "lukasiewicz": a truth in [0, 1]
            that is differentiable in attributes that require a gradient and in `moved`.
        steepness: of graded comparisons, in 1 / unit of what is compared.
        moved: float [count], other values for the formula's thresholds in the order of `thresholds(formula)`, a tensor
            or a sequence.

    Returns:
        float32 [nodes]: the truth of a formula, or the score that a numeric expression is.

    Raises:
        UserError: no such rule, a mistake in the formula, a graph that lacks what the rule speaks of or holds
            attributes that are no finite numbers, or a formula that would need all pairs of nodes.
    """
    return evaluation(rule, graph, semantics, steepness, moved).result().float()


def explain(
    rule: AnyRule, graph: Data | Terms, node: int, semantics: str = "crisp", steepness: float = 10.0
) -> Explanation:
    """Explain what a rule says of one node: the truth tree with numbers. `str` of the result draws it."""
    return _explain(evaluation(rule, graph, semantics, steepness), node)


__all__ = [
    "RULES", "SEMANTICS", "Evaluation", "Explanation", "FormulaError", "Rule", "Semantics", "Terms", "evaluate",
    "evaluation", "explain", "formula", "free_variables", "get", "name_of", "names", "parse", "subformulas",
    "thresholds", "to_latex", "to_text", "to_tree",
]  # fmt: skip
