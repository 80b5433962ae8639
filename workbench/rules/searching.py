"""A search for rules without labels: which of a small grammar tell where an encoder disagrees with itself."""

import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.errors import UserError, whole_number
from workbench.rules.terms import Terms
from workbench.rules.values import evaluation

OF_EDGES = {
    "degree(v)": "degree",
    "triangles(v)": "number of triangles",
    "clustering(v)": "clustering coefficient",
    "core(v)": "core number",
    "mean(degree(u) for u in N(v))": "neighbours' mean degree",
    "max(degree(u) for u in N(v))": "neighbours' highest degree",
    "mean(common_neighbours(u, v) for u in N(v))": "mean number of neighbours shared with a neighbour",
}
OF_ATTRIBUTES = {
    "mean(cos(u, v) for u in N(v))": "mean cosine with its neighbours' attributes",
    "mean(cos(w, v) for w in V)": "mean cosine with all nodes' attributes",
}
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
RAREST = 0.02  # share of nodes of which a rule must hold, and not hold
PAIRED, ALIKE = 12, 0.9  # rules that are joined by two; correlation from which on two rules say the same
REFERENCES, BLOCK = 256, 1 << 16
COLUMNS = ["formula", "says", "share", "fitted", "score", "by_chance"]

Floats = NDArray[np.float64]


class _Rule(NamedTuple):
    formula: str
    says: str
    holds: NDArray[np.bool_]  # [nodes]
    fitted: float


def search(graph: Data, run: Any, other: Any = None, most: int = 10, seed: int = 0) -> pd.DataFrame:
    """Search for rules that tell which nodes an encoder gets wrong about itself, without any label.

    A rule compares a term of a node with a quantile of it, or joins two such comparisons by `and` or `or`. Half of the
    nodes, drawn at random, decide thresholds and which rules are kept; the score is of the other half.

    Args:
        graph: what was embedded, with attributes or without. run: a run, or its matrix [nodes, dim].
        other: the same encoder trained with another seed, or its embedding of a view [nodes, any]; the error of a node
            is how differently both see it among others, see `disagreement`. None: how unlike its neighbours it is.
        most: rules to return. seed: of what is drawn.

    Returns:
        One row per rule, the best on the first half first: "formula"; "says", the same as a sentence; "share" of the
        nodes of which it holds; "fitted" and "score", the correlation of its truth with the rank of the error on either
        half, -1 to 1; and "by_chance", which the scores of so many rules all stay below at 95 %, were nodes
        independent. A rule whose score isn't above it tells nothing.

    Raises:
        UserError: embeddings that don't fit the graph, or fewer than 20 nodes.
    """
    if not whole_number(most):
        raise UserError(f"most is {most!r}; it must be a whole number above 0")
    terms = Terms(graph)
    first, second = (_matrix(one, terms.nodes) for one in (run, run if other is None else other))
    if terms.nodes < 20:
        raise UserError(f"a search judges rules by half of the nodes and needs 20; this graph has {terms.nodes}")
    generator = torch.Generator().manual_seed(seed)
    error = unlikeness(terms, first) if other is None else disagreement(first, second, generator)
    order = torch.randperm(terms.nodes, generator=generator).numpy()
    fitting, held = np.split(order, [terms.nodes // 2])
    single = _distinct(_comparisons(terms, error, fitting), PAIRED)
    kept = _distinct([*single, *_pairs(single, error, fitting)], most, once=True)
    bound = norm.isf(0.05 / max(len(kept), 1)) / np.sqrt(len(held))
    rows = [
        (r.formula, f"A node {r.says}.", r.holds.mean(), r.fitted, _score(r.holds, error, held), bound) for r in kept
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def disagreement(first: Tensor, second: Tensor, generator: torch.Generator) -> Floats:
    """Return how differently two embeddings see each node: 1 - correlation of its cosines with 256 nodes [nodes]."""
    chosen = torch.randperm(len(first), generator=generator)[:REFERENCES]
    units = [normalize(matrix, dim=1) for matrix in (first, second)]
    parts = []
    for rows in torch.arange(len(first)).split(BLOCK):
        a, b = (unit[rows] @ unit[chosen].T for unit in units)
        parts.append(1 - torch.cosine_similarity(a - a.mean(1, True), b - b.mean(1, True)))
    return torch.cat(parts).numpy()


def unlikeness(terms: Terms, matrix: Tensor) -> Floats:
    """Return 1 - the mean cosine of each node with its neighbours, that of a node without any being 0 [nodes]."""
    unit, links = normalize(matrix, dim=1).numpy(), terms.undirected
    alike = np.einsum("nd,nd->n", links @ unit, unit)
    return 1 - alike / np.maximum(links.getnnz(axis=1), 1)


def _matrix(run: Any, nodes: int) -> Tensor:
    matrix = torch.as_tensor(getattr(run, "embeddings", run)).detach().cpu().double()
    if matrix.shape[:-1] != (nodes,):
        raise UserError(f"embeddings of shape {list(matrix.shape)} don't fit a graph of {nodes:,} nodes")
    return matrix


def _comparisons(terms: Terms, error: Floats, fitting: NDArray[np.int64]) -> Iterator[_Rule]:
    """Yield comparisons of each term with its quantiles."""
    for term, name in (OF_EDGES if terms.graph.x is None else OF_EDGES | OF_ATTRIBUTES).items():
        values = evaluation(term, terms).result().cpu().numpy()
        for limit in np.unique([float(f"{limit:.3g}") for limit in np.quantile(values[fitting], QUANTILES)]):
            for sign, word, holds in (("<=", "at most", values <= limit), (">=", "at least", values >= limit)):
                if RAREST <= holds[fitting].mean() <= 1 - RAREST:
                    says = f"whose {name} is {word} {limit:g}"
                    yield _Rule(f"{term} {sign} {limit:g}", says, holds, _score(holds, error, fitting))


def _pairs(single: list[_Rule], error: Floats, fitting: NDArray[np.int64]) -> Iterator[_Rule]:
    """Yield two comparisons joined by a word, where that tells more than either."""
    for one, other in combinations(single, 2):
        for word, holds in (("and", one.holds & other.holds), ("or", one.holds | other.holds)):
            score = _score(holds, error, fitting)
            if RAREST <= holds[fitting].mean() <= 1 - RAREST and score > max(one.fitted, other.fitted):
                yield _Rule(f"{one.formula} {word} {other.formula}", f"{one.says} {word} {other.says}", holds, score)


def _distinct(found: Iterable[_Rule], most: int, once: bool = False) -> list[_Rule]:
    """Return the best rules, leaving out those that hold of about the same nodes as a better one.

    With `once` those are left out, too, that differ from a better one in numbers only.
    """
    kept, shapes = list[_Rule](), set[str]()
    for rule in sorted(found, key=lambda rule: (-rule.fitted, len(rule.formula))):
        shape = re.sub(r"(?<=[<>]= )\S+", "", rule.formula)
        again = once and shape in shapes
        if rule.fitted > 0 and not again and not any(_alike(rule, better) for better in kept):
            kept.append(rule)
            shapes.add(shape)
        if len(kept) == most:
            break
    return kept


def _alike(one: _Rule, other: _Rule) -> bool:
    return bool(np.corrcoef(one.holds, other.holds)[0, 1] > ALIKE)


def _score(holds: NDArray[np.bool_], error: Floats, nodes: NDArray[np.int64]) -> float:
    """Return the correlation of a rule's truth with the rank of the error over some nodes; 0 if either is constant."""
    truth, rank = holds[nodes] - holds[nodes].mean(), rankdata(error[nodes])
    rank -= rank.mean()
    return float(truth @ rank / max(np.sqrt((truth @ truth) * (rank @ rank)), 1e-12))
