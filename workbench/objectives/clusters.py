"""Assignments to prototypes instead of pairs.

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: Unsupervised Learning of Visual Features by Contrasting Cluster
Assignments (SwAV). NeurIPS 2020, and its released code.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast import Contrast
from workbench.contrast.ratio import log_positives
from workbench.objectives.infonce import infonce


@torch.no_grad()
def lloyd(rows: Tensor, count: int, rounds: int, generator: torch.Generator, start: Tensor | None = None) -> Tensor:
    """Return the centres that Lloyd's rounds of k-means reach from random rows [count, dim], fewer of fewer rows.

    A centre that no row is nearest to stays where it is. Where `start` is given, the rounds go on from it [count, dim].
    """
    centres = rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)] if start is None else start
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


def swapped_cross_entropy(
    u: Tensor,
    v: Tensor,
    tau: float = 0.1,
    epsilon: float = 0.05,
    iterations: int = 3,
    crops: Sequence[Tensor] = (),
    earlier: Tensor | None = None,
) -> Tensor:
    """Return the cross-entropy of each row's prediction in one view with its assignment in the other [rows], in nats.

    The mean of both directions. The scores of the rows with the prototypes in both views are u and v [rows,
    prototypes], predictions softmax(scores / tau), and assignments by `sinkhorn`.

    Args:
        u, v, tau, epsilon, iterations: see above.
        crops: scores of the rows in further views, which predict the assignments of both and have none of their own.
        earlier: scores of other rows in both views [2, others, prototypes], among which the rows are assigned.
    """
    losses = []
    for number, (a, b) in enumerate(((u, v), (v, u))):
        every = a if earlier is None else torch.cat([earlier[number], a])
        codes = sinkhorn(every, epsilon, iterations)[len(every) - len(a) :]
        each = [-(codes * (scores / tau).log_softmax(1)).sum(1) for scores in (b, *crops)]
        losses.append(torch.stack(each).mean(0))
    return torch.stack(losses).mean(0)


@torch.no_grad()
def density(rows: Tensor, centres: Tensor, labels: Tensor, tau: float, similarity: bool = False) -> Tensor:
    """Return the temperature of each cluster by how close its rows lie, tau on average [clusters].

    The mean distance of the n rows of a cluster from its centre, over ln(n + 10); a cluster of one row at most has the
    largest. They are clipped to their 10th and 90th percentile (Li and others, Prototypical Contrastive Learning, ICLR
    2021). The releases of MEOW take the root of the inner product in place of the distance (`similarity`), which is
    large where rows lie close.

    Args:
        rows, centres: of unit length [rows, dim], [clusters, dim]. labels: the cluster of each row [rows].
        tau: the mean. similarity: see above.
    """
    cosine = (rows * centres[labels]).sum(1)
    apart = (cosine if similarity else 2 - 2 * cosine).clamp(min=0).sqrt()
    counts = torch.bincount(labels, minlength=len(centres))
    means = apart.new_zeros(len(centres)).index_add(0, labels, apart) / counts.clamp(min=1)
    phi = means / (counts + 10.0).log()
    phi = torch.where(counts > 1, phi, phi.max())
    low, high = (phi.quantile(share) for share in (0.1, 0.9))
    phi = phi.clamp(low, high)
    return tau * phi / phi.mean() if bool(phi.mean() > 0) else torch.full_like(phi, tau)


def student_assignments(rows: Tensor, centres: Tensor) -> Tensor:
    """Return how much each row belongs to each centre, 1 / (1 + squared distance), rows summing to 1 [rows, centres].

    It is Student's t of one degree of freedom, as of t-SNE and DEC (Xie, Girshick, Farhadi, ICML 2016, eq. 1).
    """
    near = 1 / (1 + (rows[:, None] - centres).square().sum(2))
    return near / near.sum(1, keepdim=True)


def sharpening(assigned: Tensor) -> Tensor:
    """Return KL(p || q) of each row's assignments q [rows, centres] from their sharper form p, in nats [rows].

    p is q² / (sum of q over the rows), its rows divided by their sums (DEC, eq. 3); it has no gradient.
    """
    fixed = assigned.detach()
    target = fixed.square() / fixed.sum(0)
    target = target / target.sum(1, keepdim=True)
    return (target * (target / assigned).clamp(min=1e-30).log()).sum(1)


def influence_infonce(contrast: Contrast, rows: Tensor) -> Tensor:
    """Return `infonce` of one view with listed positives whose similarity of a row with itself is 0 [rows].

    -log [ (sum_j P_ij exp(s_ij/tau)) / (sum_j exp(s_ij/tau)) ] with s_ii = 0: the row itself stands in the denominator
    by exp(0), and in the numerator by P_ii exp(0) (SCGC, arXiv 2204.12656, as released).

    Args:
        contrast: of one view, with its positives; `tau` is the inverse of the factor in the paper.
        rows: embeddings [rows, dim].
    """
    contrast, own = _own_pair_zero(contrast)
    return infonce(contrast, rows, positive_weight=own)


def proxy_infonce(contrast: Contrast, rows: Tensor, cluster: Tensor, clusters: int) -> Tensor:
    """Return `influence_infonce` with proxies of clusters in place of the rows as what is pushed apart [rows].

    -log sum_j P_ij exp(s_ij/tau) + mean over proxies k of log sum_l exp(cos(m_k, m_l)/tau), m_k being the sum of the
    rows in cluster k; cosines of a row, and of a proxy, with itself are 0 (PamC, arXiv 2209.14067, as released, but for
    clusters without a row, which are left out here).

    Args:
        contrast: with its positives, see `influence_infonce`.
        rows: embeddings [rows, dim].
        cluster: of each row [rows]. clusters: how many there are.
    """
    pulled, own = _own_pair_zero(contrast)
    proxies = rows.new_zeros(clusters, rows.shape[1]).index_add(0, cluster, rows)
    proxies = proxies[torch.bincount(cluster, minlength=clusters) > 0]
    # A proxy is its own positive there, of cosine 1, which is taken out again.
    pushed = infonce(Contrast(contrast.tau), proxies, positive_weight=own).mean() + 1 / contrast.tau
    unit = normalize(rows, dim=1)
    return pushed - log_positives(pulled, unit, unit)


def _own_pair_zero(contrast: Contrast) -> tuple[Contrast, float]:
    """Return a contrast of cosines whose positive pairs of a row with itself count as if they were 0, and exp(-1/tau).

    That factor takes the cosine of 1 out of the pair's exponential.
    """
    assert contrast.positives is not None
    own, (pairs, mass) = math.exp(-1 / contrast.tau), contrast.positives
    return replace(contrast, positives=(pairs, torch.where(pairs[0] == pairs[1], own * mass, mass))), own
