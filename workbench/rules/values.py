"""Rules on a graph: the value of a rule on every node, and why it is what it is."""

from collections.abc import Sequence

from torch import Tensor
from torch_geometric.data import Data

from workbench.rules import measures  # noqa: F401  (enters the terms of the vocabulary)
from workbench.rules.explanation import Explanation
from workbench.rules.explanation import explain as _explain
from workbench.rules.library import AnyRule, formula
from workbench.rules.semantics import Semantics
from workbench.rules.terms import Terms
from workbench.rules.truth import Evaluation

Moved = Tensor | Sequence[float]


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


__all__ = ["Evaluation", "Terms", "evaluate", "evaluation", "explain"]
