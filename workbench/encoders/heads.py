"""Heads that stand behind an encoder in training and are left out afterwards."""

from torch import nn


def projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of GRACE: linear, ELU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ELU(), nn.Linear(hidden, dim))


def predictor(dim: int, hidden: int) -> nn.Sequential:
    """Return the head of BYOL and BGRL that predicts a target: linear, PReLU with one slope, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.PReLU(), nn.Linear(hidden, dim))


def normalised_projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of SwAV: linear, batch normalisation, ReLU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim))
