"""What SepCLR asks of the common and the salient factors of two populations, by Gaussian kernels exp(-d² / 2t).

Louiset, Duchesnay, Grigis, Gori: Separating common from salient patterns with Contrastive Representation Learning. ICLR
2024, and its released code. Sums over pairs are those of InfoNCE by inner products: with a bias of -|x_j|² / 2t it is
the log of the sum of all kernels of a row, that of the row with itself, which is 1, included; and DCL leaves it out.
"""

import math

import torch
from torch import Tensor

from workbench.contrast.pairs import Contrast
from workbench.objectives.infonce import dcl, infonce


def alignment(a: Tensor, b: Tensor, t: float = 0.5) -> Tensor:
    """Return the mean of |a_i - b_i|² / 2t over rows [rows, dim], a scalar; 0 without a row."""
    return (a - b).square().sum() / (2 * t * max(len(a), 1))


def uniformity(x: Tensor, t: float = 0.5) -> Tensor:
    """Return the log of the mean kernel of pairs of different rows [rows, dim], a scalar up to 0; two rows at least."""
    return dcl(_kernels(x, t), x).logsumexp(0) - math.log(len(x) * (len(x) - 1))


def joint_entropy(common: Tensor, salient: Tensor, t: float = 0.5) -> Tensor:
    """Return minus the estimated entropy of both factors together, mean_i log mean_j k(c_i, c_j) k(s_i, s_j), a scalar.

    Of rows [rows, dim] each. It is 0 where all rows are alike and -log rows where they are far apart, since a row's
    kernel with itself stays in the mean; 0 without a row.
    """
    both = torch.cat([common, salient], 1)  # a product of two kernels is the kernel of both vectors joined
    return infonce(_kernels(both, t), both).mean() - math.log(len(both)) if len(both) else both.sum()


def _kernels(x: Tensor, t: float) -> Contrast:
    """Return the contrast whose logits are -d²/2t up to a number of the anchor's, which its positive pair takes out."""
    return Contrast(t, bias=-x.square().sum(1) / (2 * t), similarity="dot")
