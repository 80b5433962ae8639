"""Samplers that look at how similar two nodes are, by the embedding as it stands (in training: the projections)."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from workbench.contrast.negatives.context import Positions, SamplingContext, circle
from workbench.contrast.negatives.samplers.clustered import e2neg, same_cluster
from workbench.contrast.negatives.samplers.drawn import far_away
from workbench.contrast.negatives.selection import SAMPLERS, Facts, Selection, listed
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError
from workbench.randomness import Randomness

MOST_SYNTHETIC = 1_000
Pool = Literal["drawn", "e2neg", "same-cluster"]


@SAMPLERS.register("hardest")
def hardest(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """The k nodes most similar to the anchor (hard mining as of Hermans, Beyer and Leibe, 2017)."""
    ranked = _top(context, k + 1, lambda cosines, block: cosines)
    because = "number {rank} by cosine, {cosine:.3f}; displaced node {displaced}"
    return listed(context, ranked[:, :k], because, lambda rows: _ranked(context, ranked, rows))


@SAMPLERS.register("semi-hard")
def semi_hard(context: SamplingContext, k: int, randomness: Randomness, margin: float = 0.0) -> Selection:
    """The k nodes most similar to the anchor among those less similar than its positive, by `margin` at least.

    Source: Schroff, Kalenichenko and Philbin, FaceNet, CVPR 2015. Without two views the positive has cosine 1.
    """

    def below(cosines: Tensor, block: Positions) -> Tensor:
        bound = context.positive[torch.from_numpy(block)][:, None] - margin
        return cosines.masked_fill(cosines >= bound, -math.inf)

    ranked = _top(context, k + 1, below)
    because = "number {rank} by cosine, {cosine:.3f}, below the positive's {positive:.3f}; displaced node {displaced}"
    own = context.positive.numpy()[context.anchors, None]
    return listed(
        context, ranked[:, :k], because, lambda rows: {**_ranked(context, ranked, rows), "positive": own[rows]}
    )


@SAMPLERS.register("ring")
def ring(context: SamplingContext, k: int, randomness: Randomness, low: float = 50.0, high: float = 90.0) -> Selection:
    """K nodes drawn uniformly from a band of similarity to the anchor, between two percentiles of all other nodes.

    Source: Wu, Mosse, Zhuang, Yamins and Goodman, Conditional Negative Sampling (Ring), ICLR 2021. Ties at an end of
    the band are in it.
    """
    if not 0 <= low < high <= 100:
        raise UserError(f"the ring is from percentile {low:g} to {high:g}; it must be 0 <= low < high <= 100")
    place = circle(context, randomness)[1]

    def drawn(cosines: Tensor, block: Positions) -> Tensor:
        away = torch.from_numpy((place - place[block][:, None]) % context.size)
        others = max(context.size - 1, 1)
        places = [min(1 + round(end / 100 * others), context.size - 1) for end in (low, high)]  # the anchor is first
        ends = torch.from_numpy(np.partition(cosines.numpy(), places, axis=1)[:, places])
        outside = (cosines < ends[:, :1]) | (cosines > ends[:, 1:])
        return (-away.double()).masked_fill(outside, -math.inf)

    def facts(rows: Positions) -> Facts:
        cosine, percentile = _cosines(context, rows, chosen[rows], ranked=True)
        return {"cosine": cosine, "percentile": percentile}

    chosen = _top(context, k, drawn)
    because = "cosine {cosine:.3f} lies at percentile {percentile:.0f} of the other nodes"
    return listed(context, chosen, because, facts)


@SAMPLERS.register("mixing")
def mixing(
    context: SamplingContext,
    k: int,
    randomness: Randomness,
    synthetic: int = 16,
    harder: int = 16,
    parents: int = 16,
    warm_up: int = 0,
    hops: int = 1,
    pool: Pool = "drawn",
) -> Selection:
    """K nodes of a pool for each anchor, and synthetic negatives mixed from the hardest `parents` of them (MoCHi).

    `synthetic` ones mix two of the parents, a in (0, 1); `harder` ones mix the anchor itself in, with a share of at
    most a half. Which ranks are mixed, and by how much, is drawn once for all anchors. In training the former join
    after `warm_up` steps, the latter after twice as many. The pool: see `_pool`. Source: Kalantidis and others, Hard
    Negative Mixing for Contrastive Learning, NeurIPS 2020; `hops` and `pool` are ours.
    """
    if not 0 <= min(synthetic, harder) <= max(synthetic, harder) <= MOST_SYNTHETIC or min(parents, warm_up + 1) < 1:
        told = f"not synthetic={synthetic}, harder={harder}, parents={parents}, warm_up={warm_up}"
        many = f"synthetic and harder from 0 to {MOST_SYNTHETIC:,}, at least 1 of parents and a warm_up of at least 0"
        raise UserError(f"mixing takes {many}, {told}")
    synthetic, harder = synthetic * (context.passed >= warm_up), harder * (context.passed >= 2 * warm_up)
    drawn, because = _pool(context, k, randomness, hops, pool)
    cosines = np.nan_to_num(_cosines(context, np.arange(len(drawn)), drawn)[0], nan=-np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")
    chosen = np.take_along_axis(drawn, order, 1)
    hard, own = torch.from_numpy(chosen[:, :parents]), torch.from_numpy(context.anchors)[:, None]
    # An anchor that has fewer others than ranks are drawn mixes those that it has, the ranks taken around.
    others = (hard >= 0).sum(1, keepdim=True).clamp(min=1)
    generator, count = randomness.generator("negatives"), synthetic + harder
    ranks = torch.randint(parents, (2, count), generator=generator)
    share = torch.rand(count, generator=generator)
    share[synthetic:] = 1 - share[synthetic:] / 2
    first, second = (hard.gather(1, rank.expand(len(hard), -1) % others) for rank in ranks)
    second = torch.where(torch.arange(count) < synthetic, second, own)
    lonely = hard[:, :1] < 0
    mixed = Mixed(torch.where(lonely, own, first), torch.where(lonely, own, second), share)
    return listed(context, chosen, because, lambda rows: _by_rank(context, chosen, rows), mixed if count else None)


def _pool(context: SamplingContext, k: int, randomness: Randomness, hops: int, pool: Pool) -> tuple[Positions, str]:
    """Return up to k positions for each anchor [anchors, k], -1 where there are fewer, and why they were chosen.

    They are "drawn" at random for each anchor, at least `hops` edges away, or what "e2neg" or "same-cluster" chooses.
    """
    because = "{}, number {{rank}} of these by cosine, {{cosine:.3f}}".format
    if pool == "drawn":
        return far_away(context, k, randomness, hops), because("drawn at random for this anchor")
    if hops != 1:
        raise UserError(f"hops={hops} is of negatives that are drawn; of pool={pool!r} it must be 1", parameter="hops")
    if pool == "same-cluster":
        chosen, of = same_cluster(context, k, randomness).negatives, "drawn from the anchor's k-means cluster"
    else:  # a training asks for it at each step
        found = context.once(("e2neg", k, randomness.seed), lambda: e2neg(context, k, randomness).negatives)
        chosen, of = found, "a centre of E2Neg's spectral clusters"
    places = np.where(chosen < 0, -1, context.positions(chosen.clamp(min=0)))
    places = np.broadcast_to(places, (len(context.anchors), places.shape[-1]))
    return np.where(places == context.anchors[:, None], -1, places), because(of)


def _top(context: SamplingContext, k: int, score: Callable[[Tensor, Positions], Tensor]) -> Positions:
    """Return the positions of the k highest scores of each anchor [anchors, k], -1 where there are fewer.

    `score` takes cosines [block, size], minus infinity for an anchor with itself, and the anchors' positions [block];
    it gives minus infinity for whoever must not be chosen.
    """
    top, done = np.full((len(context.anchors), k), -1), 0
    for block in context.blocks():
        cosines = context.similarity(block)
        own = torch.arange(len(block)), torch.from_numpy(block)
        cosines[own] = -math.inf
        scores = score(cosines, block)
        scores[own] = -math.inf
        values, chosen = scores.topk(min(k, context.size), dim=1)
        top[done : done + len(block), : chosen.shape[1]] = torch.where(values == -math.inf, -1, chosen).numpy()
        done += len(block)
    return top


def _cosines(
    context: SamplingContext, rows: Positions, chosen: Positions, ranked: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines of anchors with those chosen, nan for none, and where `ranked` the % of others below [rows, k]."""
    cosines, below = np.full(chosen.shape, np.nan), np.full(chosen.shape, np.nan)
    for start in range(0, len(rows), context.step):
        part = slice(start, start + context.step)
        anchors = context.anchors[rows[part]]
        every = context.similarity(anchors).numpy()
        cosines[part] = np.take_along_axis(every, np.maximum(chosen[part], 0), 1)
        every[np.arange(len(anchors)), anchors] = np.inf
        for column in range(chosen.shape[1] if ranked else 0):
            below[part, column] = (every < cosines[part, column, None]).sum(1)
    none = chosen < 0
    return np.where(none, np.nan, cosines), np.where(none, np.nan, 100 * below / max(context.size - 1, 1))


def _ranked(context: SamplingContext, ranked: Positions, rows: Positions) -> Facts:
    """Return rank, cosine and the node that would have been next; `ranked` has one column more than was chosen."""
    following = ranked[rows, -1:]
    displaced = np.where(following >= 0, context.ids.numpy()[following], -1)
    return {**_by_rank(context, ranked[:, :-1], rows), "displaced": displaced}


def _by_rank(context: SamplingContext, chosen: Positions, rows: Positions) -> Facts:
    return {"rank": np.arange(1, chosen.shape[1] + 1), "cosine": _cosines(context, rows, chosen[rows])[0]}
