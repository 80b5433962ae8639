"""What may be written in a rule on some graph: words with their meaning, names of attributes, and examples."""

from typing import NamedTuple

from torch_geometric.data import Data

from workbench.rules import library
from workbench.rules.syntax import AGGREGATES, TRUTHS
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

MOST_NAMES = 5_000  # of attributes
LONGEST_EXAMPLE = 24  # letters of an attribute's name
_OF_ATTRIBUTES = {"attribute", "norm", "cos", "dot", "jaccard"}
_QUANTIFIERS = {"forall": "each node u that v has an edge to", "exists": "some node u that v has an edge to"}
_EXAMPLES = ("degree(v) >= 3", "exists u in N(v): degree(u) >= 10", "mean(degree(u) for u in N(v)) > degree(v)")
_COMPARED = "mean(cos(u, v) for u in N(v)) > 0.5"


class Word(NamedTuple):
    """What may be written, and what it means."""

    text: str
    about: str


def words(graph: Data) -> list[Word]:
    """Return the words of the language that have a meaning on a graph."""
    terms = {name: term for name, term in TERMS.items() if graph.x is not None or name not in _OF_ATTRIBUTES}
    written = [Word(f"{name}({'v' if term.nodes == 1 else 'u, v'})", term.about) for name, term in terms.items()]
    if "attribute" in terms:
        opened = 'attribute(v, "' if attribute_names(graph) else "attribute(v, 0)"
        written = [Word(opened, word.about) if word.text == "attribute(v)" else word for word in written]
    written += [Word(f"{kind} u in N(v): ", about) for kind, about in _QUANTIFIERS.items()]
    written += [Word(f"{kind}(degree(u) for u in N(v))", f"{kind} over neighbours") for kind in AGGREGATES[:-1]]
    written.append(Word("count(u in N(v) if degree(u) > 2)", "how many neighbours fulfil a condition"))
    written += [Word(f"{name}({', '.join('ab'[: f.arguments])})", f.about) for name, f in FUNCTIONS.items()]
    written += [Word(name + "(v)" * domain.around, domain.about) for name, domain in DOMAINS.items()]
    return written + [Word(f"{word} ", "joins truths" if word != "not" else "turns a truth round") for word in TRUTHS]


def named() -> list[Word]:
    """Return the named rules, and what each says."""
    return [Word(name, library.get(name).says) for name in library.RULES.names()]


def attribute_names(graph: Data) -> list[str]:
    """Return the names of attributes that a rule can write, at most `MOST_NAMES`; none where they have no names."""
    names = map(str, getattr(graph, "feature_names", None) or ()) if graph.x is not None else ()
    return [name for name in names if '"' not in name and name.isprintable()][:MOST_NAMES]


def examples(graph: Data) -> list[str]:
    """Return a few formulas that can be evaluated on a graph."""
    written = [*_EXAMPLES, *([_COMPARED] if graph.x is not None else [])]
    short = next((name for name in attribute_names(graph) if 0 < len(name) <= LONGEST_EXAMPLE), None)
    return written + ([f'attribute(v, "{short}") > 0'] if short else [])
