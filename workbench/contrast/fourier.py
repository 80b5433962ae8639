"""Sums over all pairs in time proportional to the rows: random Fourier features in place of exponentials of cosines.

Rahimi and Recht: Random Features for Large-Scale Kernel Machines. NeurIPS 2007.
"""

import math

import torch
from torch import Tensor


def fourier_features(rows: Tensor, tau: float, count: int, generator: torch.Generator) -> Tensor:
    """Return features f with E[f(a) . f(b)] = exp((a.b - 1) / tau) for rows a, b of unit length [rows, 2 * count].

    They are the cosines and sines along directions drawn from a Gaussian, the spectrum of the Gaussian kernel of
    bandwidth sqrt(tau); exp(a.b / tau) is exp(1 / tau) times that kernel. The error falls as 1 / sqrt(count).

    Args:
        rows: of unit length [rows, dim].
        tau: temperature, above 0.
        count: directions, each giving two features.
        generator: draws them, on the CPU.
    """
    directions = torch.randn(rows.shape[1], count, generator=generator, dtype=rows.dtype).to(rows.device)
    angles = rows @ (directions / math.sqrt(tau))
    return torch.cat([angles.cos(), angles.sin()], 1) / math.sqrt(count)


def fourier_log_mass(rows: Tensor, tau: float, count: int, generator: torch.Generator) -> Tensor:
    """Return about log sum_j exp(a_i.a_j / tau) over all rows of unit length, a row itself included [rows].

    An estimated sum can fall below the share of the row itself, even below 0; it is held at that share, which the
    true sum never falls below. Arguments as for `fourier_features`.
    """
    features = fourier_features(rows, tau, count, generator)
    return (features @ features.sum(0)).clamp(min=1).log() + 1 / tau
