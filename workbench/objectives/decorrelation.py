"""Agreement of two views whose columns are kept from saying the same: no negatives."""

import torch
from torch import Tensor


def standardised(z: Tensor) -> Tensor:
    """Return columns of mean 0 and unbiased deviation 1 [rows, dim]; a constant one is all 0."""
    centred = z - z.mean(0)
    deviation = centred.std(0, correction=min(1, len(z) - 1))
    return centred / torch.where(deviation > 0, deviation, 1.0)


def barlow_twins(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return Σ(1 - C_ii)², and Σ C_ij² over the other entries, of the views' correlation C = UᵀV / rows [dim, dim].

    Rows are divided by their number, deviations by one less, so that equal views have C_ii = 1 - 1 / rows. Sources:
    Zbontar and others, Barlow Twins, ICML 2021; Bielak and others, Graph Barlow Twins, arXiv 2106.02466.

    Args:
        u, v: embeddings of both views [rows, dim].
    """
    correlation = standardised(u).T @ standardised(v) / len(u)
    own = correlation.diagonal()
    return (1 - own).square().sum(), correlation.square().sum() - own.square().sum()


def canonical_correlation(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return -tr(UᵀV / rows), and what each view's own correlation is away from the identity, squared and summed.

    Columns are standardised as in `barlow_twins`. Source: Zhang and others, CCA-SSG, NeurIPS 2021, arXiv 2106.12484.

    Args:
        u, v: embeddings of both views [rows, dim].
    """
    first, second = standardised(u), standardised(v)
    one = torch.eye(u.shape[1], dtype=u.dtype, device=u.device)
    away = sum((one - z.T @ z / len(z)).square().sum() for z in (first, second))
    return -(first * second).sum() / len(u), torch.as_tensor(away)
