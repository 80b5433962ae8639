"""Samplers that draw at random, from all nodes or by their place in the graph."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch

from workbench.contrast.negatives.context import Positions, SamplingContext, draw_listed, walk
from workbench.contrast.negatives.selection import SAMPLERS, Facts, Selection, listed, shared
from workbench.datasets.structure import hop_distances
from workbench.errors import UserError
from workbench.randomness import Randomness

LONG = 1000  # entries of a row that are halved until one is found; of fewer, scipy looks at each sooner


@SAMPLERS.register("all")
def all_nodes(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """Every other node, as in GRACE (Zhu and others, 2020)."""
    return shared(context, np.arange(context.size), "every node is one")


@SAMPLERS.register("uniform")
def uniform(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """K nodes drawn uniformly without replacement, shared by all anchors: the placebo for shared choices."""
    order = torch.randperm(context.size, generator=randomness.generator("negatives")).numpy()
    return shared(context, order[:k], "number {draw} of the nodes drawn at random", draw=np.arange(1, k + 1))


@SAMPLERS.register("uniform-each")
def uniform_each(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """K nodes drawn uniformly for each anchor: the placebo for choices that differ by anchor."""
    chosen = walk(context, k, randomness, lambda rows, seen: np.ones_like(seen, bool))
    because = "number {draw} of the nodes drawn at random for this anchor"
    return listed(context, chosen, because, lambda rows: {"draw": np.arange(1, chosen.shape[1] + 1)})


@SAMPLERS.register("debiased")
def debiased(context: SamplingContext, k: int, randomness: Randomness, class_prior: float = 0.1) -> Selection:
    """K nodes drawn as by `uniform`, whose sum is corrected for the share of them that is of the anchor's class.

    Source: Chuang and others, Debiased Contrastive Learning, NeurIPS 2020; `class_prior` is their tau+. The correction
    is made in the loss, see `workbench.contrast.ratio`.
    """
    if not 0 <= class_prior < 1:
        raise UserError(f"class_prior is {class_prior}; it must be at least 0 and below 1")
    drawn = uniform(context, k, randomness)
    because = f"{drawn.because}, their sum corrected for a class prior of {class_prior:g}"
    return replace(drawn, because=because, class_prior=class_prior)


@SAMPLERS.register("degree-weighted")
def degree_weighted(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """K nodes drawn with probability in proportion to the degree, without replacement, shared by all anchors.

    As noise words are drawn by their frequency in word2vec (Mikolov and others, 2013). Isolated nodes are never drawn.
    Draws are by exponential keys (Efraimidis and Spirakis, 2006).
    """
    generator = randomness.generator("negatives")
    clock = torch.empty(context.size, dtype=torch.float64).exponential_(generator=generator).numpy()
    linked = np.flatnonzero(context.degree > 0)
    order = linked[np.argsort(clock[linked] / context.degree[linked], kind="stable")][:k]
    because = "number {draw} of the nodes drawn by degree, which is {degree}"
    return shared(context, order, because, draw=np.arange(1, len(order) + 1), degree=context.degree[order])


@SAMPLERS.register("hop-far")
def hop_far(context: SamplingContext, k: int, randomness: Randomness, hops: int = 3) -> Selection:
    """K nodes at least `hops` edges away from the anchor, or not linked to it at all, drawn uniformly for each anchor.

    E2Neg's claim is that negatives should not be topologically coupled to their anchor (Huang and others, AAAI 2025).
    """
    chosen = far_away(context, k, randomness, hops)
    because = f"hop distance {{hops}}, at least {hops} was asked for|no path leads to it, so that it is far enough"
    return listed(context, chosen, because, lambda rows: _hops(context, chosen, rows))


@SAMPLERS.register("hop-near")
def hop_near(context: SamplingContext, k: int, randomness: Randomness, hops: int = 2) -> Selection:
    """Up to k nodes within `hops` edges of the anchor, drawn uniformly: topologically coupled on purpose."""
    chosen = draw_listed(context, k, randomness, context.within(_at_least_one(hops)))
    because = f"hop distance {{hops}}, at most {hops} was asked for"
    return listed(context, chosen, because, lambda rows: _hops(context, chosen, rows))


def far_away(context: SamplingContext, k: int, randomness: Randomness, hops: int) -> Positions:
    """Draw up to k positions for each anchor at least `hops` edges away [anchors, k], -1 where there are fewer."""
    if _at_least_one(hops) == 1:
        return walk(context, k, randomness, lambda rows, seen: np.ones_like(seen, bool))
    near = context.within(hops - 1)
    return walk(context, k, randomness, lambda rows, seen: ~_contains(near, rows, seen))


def _at_least_one(hops: int) -> int:
    if hops < 1:
        raise UserError(f"hops is {hops}; it must be at least 1")
    return hops


def _contains(table: sp.csr_matrix, rows: Positions, columns: Positions) -> np.ndarray:
    """Return which entries of a sparse table are there, [rows, columns] as the index arrays broadcast."""
    rows, columns = np.broadcast_arrays(rows, columns)
    low, end = table.indptr[rows], table.indptr[rows + 1]
    longest = int((end - low).max(initial=0))
    if longest < LONG:
        return np.asarray(table[rows.ravel(), columns.ravel()]).reshape(rows.shape).astype(bool)
    high = end
    for _ in range(longest.bit_length()):
        middle = (low + high) // 2
        before = (low < high) & (table.indices[np.minimum(middle, table.nnz - 1)] < columns)
        low, high = np.where(before, middle + 1, low), np.where(before, high, middle)
    return (low < end) & (table.indices[np.minimum(low, table.nnz - 1)] == columns)


def _hops(context: SamplingContext, chosen: Positions, rows: Positions) -> Facts:
    """Return the hops from anchors to what was chosen for them [rows, k], -1 where no path leads there."""
    ids, picked = context.ids.numpy(), chosen[rows]
    first, second = np.broadcast_arrays(ids[context.anchors[rows]][:, None], ids[picked])
    return {"hops": hop_distances(context.links, first.ravel(), second.ravel()).reshape(picked.shape)}
