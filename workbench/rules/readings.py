"""What a rule and each of its parts say of the nodes, as arrays."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import Data

from workbench import rules
from workbench.errors import UserError
from workbench.rules import Evaluation, Terms
from workbench.rules.syntax import WRITTEN, Guard, Node, Part, free_variables, walk

SCORE = "a score"
TYPED = "the rule above"


@dataclass(frozen=True)
class Reading:
    """What a part of a rule says of each node.

    Attributes:
        text: the part as it is written. meaning: what the values are, in words.
        values: float64 [nodes], nan where it says nothing of a node.
        kind: "truth" (0 or 1), "graded" (a truth in [0, 1]), "share" (of pairs that fulfil it) or "number".
    """

    text: str
    values: NDArray[np.float64]
    kind: str
    meaning: str


def parts(evaluation: Evaluation) -> list[Part]:
    """Return the parts of a rule that have a value of their own, each once, the whole first.

    Numbers that are written out are left out, and so is what stands in a sum over all nodes and is never taken pair by
    pair.
    """
    evaluation.result()
    listed: dict[tuple[Node, Guard | None], Part] = {}
    for part in walk(evaluation.formula):
        if not isinstance(part.node, WRITTEN):
            with suppress(UserError):  # it would need all pairs of nodes
                evaluation.value(part.node, part.guard)
                listed.setdefault((part.node, part.guard if len(free_variables(part.node)) > 1 else None), part)
    return list(listed.values())


def read(evaluation: Evaluation, part: Part | None = None) -> Reading:
    """Return what a part of a rule, None for the whole, says of each node; over pairs, its share or mean over them."""
    if part is None:
        evaluation.result()
        part = Part(evaluation.formula, None, 0)
    nodes, text = evaluation.terms.nodes, str(part.node)
    data, over = evaluation.value(part.node, part.guard)
    values, crisp = data.detach().cpu().double().numpy(), evaluation.semantics.name == "crisp"
    kind = "number" if part.node.sort == "number" else "truth" if crisp else "graded"
    what = f"truth ({evaluation.semantics.name})" if kind == "graded" else kind
    if not over:
        return Reading(text, np.full(nodes, float(values)), kind, f"one {what} for the whole graph")
    if len(over) == 1:
        whole = part.depth == 0 or over[0] in free_variables(evaluation.formula)
        return Reading(text, values, kind, f"{what} of each node" + ("" if whole else f" taken as {over[0]}"))
    assert part.guard is not None
    domain, (centre, other) = part.guard
    group = evaluation.terms.relation(domain).centre.cpu().numpy()
    count = np.bincount(group, minlength=nodes)
    mean = np.where(count > 0, np.bincount(group, values, nodes) / np.maximum(count, 1), np.nan)
    share = "share of pairs that fulfil it" if kind == "truth" else f"mean {what}"
    meaning = f"{share}: over the nodes {other} in {domain}({centre}) of each node {centre}"
    return Reading(text, mean, "share" if kind == "truth" else kind, meaning)


def flags(
    graph: Data | Terms, names: Sequence[str] | None = None
) -> tuple[dict[str, NDArray[np.bool_]], dict[str, str]]:
    """Return by name the nodes that each named rule holds of [nodes], and by name why others are left out.

    The reason is `SCORE`, or what the graph lacks. `names` are of the rules, however they are written, None for all; a
    formula among them goes by the name `TYPED`.
    """
    terms = graph if isinstance(graph, Terms) else Terms(graph)
    held, left_out = dict[str, NDArray[np.bool_]](), dict[str, str]()
    for rule in rules.names() if names is None else names:
        name = rules.name_of(rule) or TYPED
        if rules.formula(rule).sort == "number":
            left_out[name] = SCORE
            continue
        try:
            held[name] = rules.evaluate(rule, terms).cpu().numpy() > 0.5
        except UserError as error:
            left_out[name] = str(error)
    return held, left_out
