"""Terms that were written without the node that they are of, as in `degree > 3`, and what was probably meant."""

import difflib
import re
from collections.abc import Iterator
from itertools import islice, product
from typing import NamedTuple

from workbench.rules.grammar import KEYWORDS
from workbench.rules.syntax import AGGREGATES
from workbench.rules.vocabulary import DOMAINS, FUNCTIONS, TERMS

MOST_TRIED = 24  # ways to complete a formula
_WORD = re.compile(r"\b[A-Za-z]\w*\b(?!\s*\()")
_BOUND = re.compile(r"([A-Za-z]\w*)\s*(?:\bin\b|∈)\s*\w+\s*(?:\(\s*(\w+)\s*\))?", re.IGNORECASE)
_ARGUMENT = re.compile(rf"\b(?:{'|'.join([*TERMS, *DOMAINS])})\s*\(\s*([A-Za-z]\w*)\s*[,)]")
_OTHERS = {*KEYWORDS, *AGGREGATES, *DOMAINS, *FUNCTIONS}


class Bare(NamedTuple):
    """A term without its node: its name, spelt right, and from where to where it stands."""

    name: str
    start: int
    end: int


def taken(name: str) -> str:
    """Say what a term takes."""
    term = TERMS[name]
    return f"{name} takes {'one node' if term.nodes == 1 else 'two nodes'}{' and an attribute' * term.attribute}"


def bare_terms(text: str) -> tuple[list[Bare], list[tuple[str, str]], list[str]]:
    """Return the terms without their nodes; each bound name and the node it is around; and all names of nodes."""
    outside = re.sub(r'"[^"\\n]*"', lambda quoted: " " * len(quoted[0]), text)
    bound = [(name, centre or "v") for name, centre in _BOUND.findall(outside)]
    nodes = dict.fromkeys([*(name for name, _ in reversed(bound)), *_ARGUMENT.findall(outside), "v"])
    terms = []
    for word in _WORD.finditer(outside):
        if word[0] not in nodes and word[0].lower() not in _OTHERS and len(word[0]) > 2:
            terms += [Bare(name, *word.span()) for name in difflib.get_close_matches(word[0], TERMS, n=1, cutoff=0.8)]
    return terms, bound, list(nodes)


def completed(text: str) -> Iterator[str]:
    """Yield ways to complete a formula whose terms lack their nodes, the probable first; they may still be wrong."""
    terms, bound, nodes = bare_terms(text)
    ways = [_ways(term.name, nodes, bound) for term in terms]
    for chosen in islice(product(*ways), MOST_TRIED if terms else 0):
        written, end = "", 0
        for term, call in zip(terms, chosen, strict=True):
            written, end = written + text[end : term.start] + call, term.end
        yield written + text[end:]


def _ways(name: str, nodes: list[str], bound: list[tuple[str, str]]) -> list[str]:
    """Return how a term may be written: of each node, or of two that are tied."""
    if TERMS[name].nodes == 1:
        return [f"{name}({node}{', 0' * TERMS[name].attribute})" for node in nodes]
    return [f"{name}({u}, {v})" for u, v in reversed(bound)] or [f"mean({name}(u, v) for u in N(v))"]
