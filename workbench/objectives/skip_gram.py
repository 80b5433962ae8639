"""Nodes that meet on a walk against nodes drawn at random: skip-gram with negative sampling."""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def skip_gram(centres: Tensor, contexts: Tensor, drawn: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Return the means of -log σ(c_i·o_j) and of -log σ(-c_i·r_j) over places i, j of a walk, in nats.

    Pairs are those of two places at most `window` steps apart, in both orders; r_j is the context of a drawn node, so
    that each pair that met has one that was drawn. Source: Mikolov and others, NeurIPS 2013, arXiv 1310.4546, eq. 4.

    Args:
        centres, contexts: both vectors of the nodes on walks [walks, steps, dim].
        drawn: vectors, as contexts, of drawn nodes [walks, steps, dim].
        window: at least 1.
    """
    place = torch.arange(centres.shape[1], device=centres.device)
    apart = (place[:, None] - place).abs()
    near = (apart > 0) & (apart <= window)
    met, random = ((centres @ others.mT)[:, near] for others in (contexts, drawn))
    return softplus(-met).mean(), softplus(random).mean()
