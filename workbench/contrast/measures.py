"""Closed forms of what a loss makes of negatives, and measures of an embedding."""

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.utils import softmax

from workbench.contrast.kernels import log_sums
from workbench.contrast.negatives.context import Positions
from workbench.randomness import Randomness

Values = NDArray[np.float64]
_BLOCK = 1 << 22  # numbers looked at in one go: 32 MiB
_DRAWS = 1_000  # of a bootstrap


def gradient_shares(logits: Tensor, positive: Tensor, weight: Tensor, anchor: Tensor) -> Tensor:
    """Return each negative's share of what the gradient of its anchor's InfoNCE puts on all its negatives [pairs].

    With the positive's logit s+ the derivative of an anchor's loss in one view by the logit s_j of a negative is
    W_j exp(s_j) / (exp(s+) + sum_k W_k exp(s_k)). For a pair it is summed over both views as the anchor's and both as
    the negative's, and divided by the anchor's total, so that shares sum to 1. Source: the proof of E2Neg's theorem 2.

    Args:
        logits: s / tau of each pair, by the anchor's view and by the negative's [views, banks, pairs].
        positive: s / tau of each anchor's positive pair [views, anchors].
        weight: W of each pair, above 0 [pairs].
        anchor: number of each pair's anchor [pairs].
    """
    terms = logits.logsumexp(1) + weight.log()
    total = torch.logaddexp(positive, log_sums(terms, anchor, positive.shape[1]))
    slope = (terms - total[:, anchor]).logsumexp(0)
    return softmax(slope, anchor, num_nodes=positive.shape[1])


def coupling(logits: Tensor, positive: Tensor, weight: Tensor, anchor: Tensor) -> Tensor:
    """Return q = U / (exp(s+) + U), by which DCL's gradient of an anchor is multiplied in InfoNCE [views, anchors].

    U is the weighted sum of exp(s) over its negatives in both views; without any q is 0. Arguments as for
    `gradient_shares`. Source: Yeh and others, Decoupled Contrastive Learning, ECCV 2022.
    """
    return (log_sums(logits.logsumexp(1) + weight.log(), anchor, positive.shape[1]) - positive).sigmoid()


def alignment(u: Tensor, v: Tensor) -> float:
    """Return the mean of ||u_i - v_i||^2 of rows [nodes, dim] scaled to unit length, 0 to 4 (Wang and Isola, 2020)."""
    return float((normalize(u.double(), dim=1) - normalize(v.double(), dim=1)).square().sum(1).mean())


def uniformity(rows: Tensor, most: int = 2_000, seed: int = 0) -> float:
    """Return log mean exp(-2 ||x - y||^2) over pairs of rows, -8 to 0, lower being more uniform; nan below two rows.

    Of rows [nodes, dim] scaled to unit length, at most `most` of them, drawn with the seed (Wang and Isola, 2020).
    """
    if len(rows) > most:
        rows = rows[torch.randperm(len(rows), generator=Randomness(seed).generator("uniformity"))[:most]]
    if len(rows) < 2:
        return float("nan")
    return float(torch.pdist(normalize(rows.double(), dim=1)).square().mul(-2).exp().mean().log())


def effective_rank(rows: Tensor) -> float:
    """Return exp of the entropy of the singular values as shares of their sum, in dimensions; nan of zeros only.

    Of the matrix [nodes, dim] as it is, by the eigenvalues of the smaller of its Gram matrices (Roy and Vetterli,
    2007).
    """
    rows = rows.double()
    squared = torch.linalg.eigvalsh(rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T).clamp(min=0)
    values = squared[squared > squared.sum() * len(squared) * torch.finfo(torch.float64).eps].sqrt()
    return float(torch.distributions.Categorical(values).entropy().exp()) if len(values) else float("nan")


def overlap(fields: sp.csr_matrix, first: Positions, second: Positions) -> Values:
    """Return the Jaccard index of two of the receptive fields, 0/1 [fields, nodes], for each pair of them [pairs]."""
    size = np.diff(fields.indptr).astype(np.int64)
    block, both = np.cumsum(size[first] + size[second]) // _BLOCK, np.zeros(len(first))
    for mine in np.split(np.arange(len(first)), np.flatnonzero(np.diff(block)) + 1):
        both[mine] = fields[first[mine]].multiply(fields[second[mine]]).getnnz(1)
    return both / (size[first] + size[second] - both)


def resampled(upper: Values, lower: Values, seed: int) -> tuple[Values, Values, Values]:
    """Return ratios of two sums over anchors [anchors, ratios], and their bootstrap intervals, [ratios] each."""

    def ratio(a: Values, b: Values) -> Values:
        return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)

    anchors, draw, drawn = len(upper), np.random.default_rng(Randomness(seed).integer("bootstrap")), []
    low, high = np.full((2, upper.shape[1]), np.nan)
    spread = (lower > 0).sum(0) > 1
    if spread.any():
        step = max(1, _BLOCK // anchors)
        for size in np.diff([*range(0, _DRAWS, step), _DRAWS]):
            cells = draw.integers(anchors, size=(size, anchors)) + anchors * np.arange(size)[:, None]
            times = np.bincount(cells.ravel(), minlength=size * anchors).reshape(size, anchors).astype(np.float64)
            drawn.append(ratio(times @ upper[:, spread], times @ lower[:, spread]))
        low[spread], high[spread] = np.nanquantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
    return ratio(upper.sum(0), lower.sum(0)), low, high
