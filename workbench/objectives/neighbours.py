"""InfoNCE with the neighbours of a node as further positives (HomoGCL)."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast.kernels import EdgeSimilarity, log_sums
from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import log_negatives


def neighbour_infonce(
    contrast: Contrast, u: Tensor, v: Tensor, edges: tuple[Tensor, Tensor], shares: tuple[Tensor, Tensor]
) -> Tensor:
    """Return -log [ P_i / (P_i + N_i) ] of each node in nats, the mean of both views [nodes].

    In the first view P_i is exp(u_i.v_i / tau) plus the sum of share_ij exp(u_i.u_j / tau) over its edges (i, j). N_i
    sums over all other nodes of the view but those neighbours, and over all nodes of the other view but the neighbours
    there: the node itself is among them, so that its own pair stands in the denominator twice, and the loss of nodes
    without an edge is at least ln 2. Neighbours are subtracted from the sum over all pairs edge by edge. Negatives that
    a contrast lists stay as they are listed, neighbours among them included.

    Args:
        contrast: temperature and negatives, in paired views of cosines.
        u, v: the nodes in both views [nodes, dim].
        edges: of each view, anchor and neighbour, no pair twice or with itself [2, edges].
        shares: of each view, how much each edge counts as a positive, 0 or more [edges].
    """
    masses = log_negatives(contrast, u, v)
    u, v = normalize(u, dim=1), normalize(v, dim=1)
    own, tiny, losses = (u * v).sum(1) / contrast.tau, torch.finfo(u.dtype).tiny, []
    for view, (a, b) in enumerate(((u, v), (v, u))):
        mass, near, far = masses[view], edges[view], edges[1 - view]
        same = EdgeSimilarity.apply(a, a, near) / contrast.tau
        positives = log_sums(same + shares[view].clamp(min=tiny).log(), near[0], len(u))
        positives = torch.logaddexp(own, positives)
        if contrast.candidates is None:
            cross = EdgeSimilarity.apply(a, b, far) / contrast.tau
            taken = torch.zeros_like(own).index_add(0, near[0], (same - mass[near[0]]).exp())
            taken = taken.index_add(0, far[0], (cross - mass[far[0]]).exp())
            mass = mass + (1 - taken).clamp(min=tiny).log()
        losses.append(torch.logaddexp(torch.logaddexp(mass, own), positives) - positives)
    return torch.stack(losses).mean(0)


def neighbour_weights(
    anchor: int, edges: tuple[Tensor, Tensor], shares: tuple[Tensor, Tensor], nodes: int
) -> tuple[Tensor, Tensor]:
    """Return how strongly `neighbour_infonce` pulls an anchor of the first view to each node and pushes it, [nodes].

    It is pulled to itself by 1, to its neighbours by their shares. It is pushed by the mean over both views of which
    pairs are negatives: neighbours of a view are none there, and its own pair is one in the other view. Then 1 is what
    InfoNCE does to a pair. Arguments as for `neighbour_infonce`, with all negatives.
    """
    pulled, pushed = torch.zeros(nodes), torch.ones(nodes)
    mine = edges[0][0] == anchor
    pulled[anchor] = 1
    pulled[edges[0][1, mine]] = shares[0][mine].detach().float()
    for near in edges:
        pushed[near[1, near[0] == anchor]] -= 0.5
    pushed[anchor] = 0.5
    return pulled, pushed
