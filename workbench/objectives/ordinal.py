"""SupCon on numbers: farther labels push harder, and mixes of rows stand among positives and negatives."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize


class Mixes(NamedTuple):
    """Mixed rows of each anchor, without a gradient.

    Attributes:
        vectors: of unit length [anchors, mixes, dim]. labels: of them [anchors, mixes].
        positive: which have the anchor's own label [anchors, mixes]. there: which could be made [anchors, mixes].
    """

    vectors: Tensor
    labels: Tensor
    positive: Tensor
    there: Tensor


def supremix(rows: Tensor, labels: Tensor, tau: float, mixes: Mixes | None = None) -> Tensor:
    """Return the loss of each row, whose positives are all others of its label and its positive mixes [rows].

        mean over positives p of -log [ exp(s_ip/tau) / (sum over all others and mixes k of (|y_i - y_k| + 1)
        exp(s_ik/tau)) ]

    With equal labels everywhere it is SupCon. A row without a positive has loss 0. Source: Wu and others, Mixup Your
    Own Pairs (SupReMix), arXiv 2309.16633, in code that has the method's file names.

    Args:
        rows: embeddings, of all views [rows, dim]. labels: a number of each [rows]. tau: temperature, above 0.
        mixes: of each row, see `mixed`; None for none.
    """
    unit, itself = normalize(rows, dim=1), torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits, others = unit @ unit.T / tau, labels.expand(len(rows), -1)
    positive, there = (others == labels[:, None]) & ~itself, ~itself
    if mixes is not None:
        logits = torch.cat([logits, torch.einsum("id,imd->im", unit, mixes.vectors) / tau], 1)
        others = torch.cat([others, mixes.labels], 1)
        positive, there = torch.cat([positive, mixes.positive], 1), torch.cat([there, mixes.there], 1)
    weights = distance_weights(labels[:, None], others)
    below = (logits + weights.log()).masked_fill(~there, -math.inf).logsumexp(1, keepdim=True)
    return ((below - logits) * positive).sum(1) / positive.sum(1).clamp(min=1)


def distance_weights(one: Tensor, other: Tensor) -> Tensor:
    """Return how much pairs of labels weigh in the denominator, |y_i - y_k| + 1, which is at least 1."""
    return (one - other).abs() + 1


@torch.no_grad()
def mixed(rows: Tensor, labels: Tensor, count: int, window: float, generator: torch.Generator) -> Mixes:
    """Draw `count` negative and `count` positive mixes of each row, of unit length, with their labels mixed alike.

    A negative one is l z_i + (1 - l) z_k, k having another label and l being drawn from Beta(2, 8). A positive one is l
    z_j + (1 - l) z_k with y_j < y_i < y_k, both within `window` of y_i, and l = (y_k - y_i) / (y_k - y_j), so that its
    label is y_i. Mixes are sampled, where the release has all; that they are made of unit rows and brought to unit
    length is ours.
    """
    unit, gap = normalize(rows, dim=1), labels - labels[:, None]

    def draw(among: Tensor) -> tuple[Tensor, Tensor]:
        some = among.any(1, keepdim=True)
        drawn = torch.multinomial((among | ~some).float().cpu(), count, replacement=True, generator=generator)
        return drawn.to(rows.device), some.expand(-1, count)

    k, far = draw(gap != 0)
    share = (
        torch.rand(*k.shape, 9, generator=generator).sort(2).values[..., 1].to(unit)
    )  # the second of nine: Beta(2, 8)
    own = torch.arange(len(rows), device=rows.device)[:, None].expand_as(k)
    below, low = draw((gap < 0) & (gap >= -window))
    above, high = draw((gap > 0) & (gap <= window))
    between = low & high
    whole = torch.where(between, labels[above] - labels[below], 1.0)
    part = torch.where(between, (labels[above] - labels[:, None]) / whole, 0.0)
    first, second, shares = torch.cat([own, below], 1), torch.cat([k, above], 1), torch.cat([share, part], 1)
    vectors = normalize(shares[..., None] * unit[first] + (1 - shares[..., None]) * unit[second], dim=2)
    numbers = torch.cat([share * labels[own] + (1 - share) * labels[k], labels[:, None].expand_as(k)], 1)
    return Mixes(vectors, numbers, torch.cat([torch.zeros_like(between), between], 1), torch.cat([far, between], 1))
