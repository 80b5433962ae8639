"""Assignments to prototypes instead of pairs.

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: Unsupervised Learning of Visual Features by Contrasting Cluster
Assignments (SwAV). NeurIPS 2020, and its released code.
"""

import math

import torch
from torch import Tensor


@torch.no_grad()
def lloyd(rows: Tensor, count: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Return the centres that Lloyd's rounds of k-means reach from random rows [count, dim], fewer of fewer rows.

    A centre that no row is nearest to stays where it is.
    """
    centres = rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)]
    for _ in range(rounds):
        nearest = (2 * rows @ centres.T - centres.square().sum(1)).argmax(1)
        sums = torch.zeros_like(centres).index_add(0, nearest, rows)
        sizes = torch.bincount(nearest, minlength=len(centres))[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return centres


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Return soft assignments that use all prototypes alike [rows, prototypes]; rows sum to 1, without a gradient.

    Alternately scales exp(scores / epsilon) [rows, prototypes] to equal sums by prototype and by row, so many times, in
    logarithms so that nothing overflows. A smaller epsilon is sharper.
    """
    logs = scores / epsilon
    for _ in range(iterations):
        logs = logs - logs.logsumexp(0, keepdim=True) - math.log(logs.shape[1])
        logs = logs - logs.logsumexp(1, keepdim=True) - math.log(max(len(logs), 1))
    return logs.softmax(1)


def swapped_cross_entropy(u: Tensor, v: Tensor, tau: float = 0.1, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Return the cross-entropy of each row's prediction in one view with its assignment in the other [rows], in nats.

    The mean of both directions. The scores of the rows with the prototypes in both views are u and v [rows,
    prototypes], predictions softmax(scores / tau), and assignments by `sinkhorn`.
    """
    swapped = ((u, v), (v, u))
    losses = [-(sinkhorn(a, epsilon, iterations) * (b / tau).log_softmax(1)).sum(1) for a, b in swapped]
    return torch.stack(losses).mean(0)
