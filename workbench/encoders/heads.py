"""Heads that stand behind an encoder in training and are left out afterwards."""

from torch import nn


def projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of GRACE: linear, ELU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ELU(), nn.Linear(hidden, dim))
