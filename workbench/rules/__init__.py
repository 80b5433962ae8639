"""Structural commonsense as rules: a language, its evaluation on a graph, named rules, and their explanation.

Reading and printing rules is cheap; torch is loaded by the first name that evaluates one.
"""

from typing import TYPE_CHECKING

from workbench.arguments import guard
from workbench.lazy import lazily
from workbench.rules.grammar import FormulaError
from workbench.rules.language import parse
from workbench.rules.library import RULES, Rule, formula, get, name_of
from workbench.rules.printing import to_latex, to_text, to_tree
from workbench.rules.syntax import free_variables, subformulas, thresholds

if TYPE_CHECKING:
    from workbench.rules.explanation import Explanation
    from workbench.rules.searching import search
    from workbench.rules.semantics import SEMANTICS, Semantics
    from workbench.rules.values import Evaluation, Terms, evaluate, evaluation, explain

names = RULES.names
_LAZY = {
    **dict.fromkeys(("Evaluation", "Terms", "evaluate", "evaluation", "explain"), "values"),
    **dict.fromkeys(("SEMANTICS", "Semantics"), "semantics"),
    "Explanation": "explanation",
    "search": "searching",
}
__getattr__ = lazily(__name__, {name: f"{__name__}.{module}:{name}" for name, module in _LAZY.items()})

__all__ = [
    "RULES", "SEMANTICS", "Evaluation", "Explanation", "FormulaError", "Rule", "Semantics", "Terms", "evaluate",
    "evaluation", "explain", "formula", "free_variables", "get", "name_of", "names", "parse", "search",
    "subformulas", "thresholds", "to_latex", "to_text", "to_tree",
]  # fmt: skip
guard(globals(), __all__)
