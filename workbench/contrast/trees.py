"""Items pulled together as far as their trees are alike: dotted names, or the rules that hold of a node.

He and others: SPACE-2: Tree-Structured Semi-Supervised Contrastive Pre-training for Task-Oriented Dialog Understanding.
COLING 2022. There trees annotate dialogs; ours are chains. The objective "supcon" takes similarities as targets.
"""

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from workbench.contrast.positives import MOST, POSITIVES, looks_at
from workbench.errors import UserError
from workbench.randomness import Randomness
from workbench.rules.terms import Terms
from workbench.rules.values import evaluate

# In this order those that hold of a node are its tree; none looks at more than the edges.
RULES = (
    *("triangle-closed", "bridge", "weak-tie", "ntsc", "degree-assortative", "friendship-paradox", "hub-periphery"),
    "dense-core",
)


# A name says to which module a function belongs, which may be its class.
@POSITIVES.register("trees")
@looks_at(lambda options: "paths" if options["of"] == "names" else None)
def trees(
    data: Any,
    randomness: Randomness,
    of: Literal["names", "rules"] = "names",
    least: float = 0.2,
    shuffled: bool = False,
) -> sp.csr_matrix:
    """Pull an item to those with a similar tree, as strongly as they are similar where that is `least` or more.

    of="names" takes dotted names that may be seen, which is supervised since a module may be a class; of="rules" the
    rules that hold of a node, which isn't. `shuffled` is a control: each item is pulled as strongly to others, drawn at
    random among those that have a tree.
    """
    if not 0 < least <= 1:
        raise UserError(f"least of the positives 'trees' is {least}; it must be above 0 and at most 1")
    if of == "names":
        paths = data.targets.cpu().numpy()
    elif data.get("edge_index") is None:
        raise UserError("trees of rules are of nodes that edges join; rows of an array have none; try of='names'")
    else:
        terms = Terms(data)
        holds = np.stack([evaluate(rule, terms).cpu().numpy() > 0 for rule in RULES], 1)
        order = np.argsort(~holds, axis=1, kind="stable")
        paths = np.where(np.take_along_axis(holds, order, 1), order, -1)
    found = tree_similarities(paths, least)
    if not shuffled:
        return found
    among, draw = np.flatnonzero((paths >= 0).any(1)), np.random.default_rng(randomness.integer("trees"))
    rows, counts = np.repeat(np.arange(len(paths)), np.diff(found.indptr)), np.diff(found.indptr)
    columns = np.concatenate([draw.choice(among, count, replace=False) for count in counts if count] or [rows])
    return sp.csr_matrix((found.data, (rows, columns)), found.shape)


def tree_similarities(paths: NDArray[np.int64], least: float) -> sp.csr_matrix:
    """Return how alike the chains of items are, from `least` to 1 and nothing below [items, items].

    The mean of the Jaccard indices of the chains' sets of nodes, edges and paths from the root, those left out that are
    empty in both: in [0, 1], the same both ways, and 1 of an item with itself. An item without a chain has no entry.

    Args:
        paths: nodes of each chain from the root on, -1 behind the last one [items, longest].
        least: above 0.
    """
    distinct, place = np.unique(paths, axis=0, return_inverse=True)
    number, chains = int(paths.max(initial=0)) + 1, len(distinct)
    there, edge = distinct >= 0, distinct[:, 1:] >= 0
    starts = [np.unique(distinct[:, : depth + 1], axis=0, return_inverse=True)[1] for depth in range(distinct.shape[1])]
    roots = np.stack([depth * chains + start.ravel() for depth, start in enumerate(starts)], 1)
    total = sp.csr_matrix((chains, chains))
    for codes, kept in ((distinct, there), (distinct[:, :-1] * number + distinct[:, 1:], edge), (roots, there)):
        rows = np.broadcast_to(np.arange(chains)[:, None], kept.shape)[kept]
        column, columns = np.unique(codes[kept], return_inverse=True)
        member = sp.csr_matrix((np.ones(len(rows)), (rows, columns.ravel())), (chains, len(column)))
        member.data[:] = 1  # a node may stand twice in a chain
        _check_pairs(float(np.square(member.sum(0)).sum()))
        shared, sizes = (member @ member.T).tocoo(), np.asarray(member.sum(1)).ravel()
        either = sizes[shared.row] + sizes[shared.col] - shared.data
        total = total + sp.csr_matrix((shared.data / either, (shared.row, shared.col)), total.shape)
    pairs = total.tocoo()
    lone = np.asarray(there.sum(1) == 1)
    similar = np.asarray(pairs.data / np.where(lone[pairs.row] & lone[pairs.col], 2, 3))
    enough = np.flatnonzero(similar >= least)
    within = sp.csr_matrix((similar[enough], (pairs.row[enough], pairs.col[enough])), total.shape)
    sizes = np.bincount(place.ravel(), minlength=chains).astype(float)
    _check_pairs(float(sizes @ (within > 0) @ sizes))
    return within[place.ravel()][:, place.ravel()].astype(np.float32)


def _check_pairs(pairs: float) -> None:
    if pairs > MOST:
        told = f"positives 'trees' would be {pairs:,.0f} pairs, more than {MOST:,}"
        raise UserError(f"{told}; a train_mask leaves fewer names, a larger least fewer pairs")
