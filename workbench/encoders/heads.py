"""Heads that stand behind an encoder in training and are left out afterwards."""

from torch import Tensor, nn


def projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of GRACE: linear, ELU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ELU(), nn.Linear(hidden, dim))


def predictor(dim: int, hidden: int) -> nn.Sequential:
    """Return the head of BYOL and BGRL that predicts a target: linear, PReLU with one slope, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.PReLU(), nn.Linear(hidden, dim))


def normalised_projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of SwAV: linear, batch normalisation, ReLU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim))


class ResidualHead(nn.Module):
    """The head of InfoGraph: three times linear and ReLU, with a linear shortcut beside them, back to `dim`."""

    def __init__(self, dim: int):
        super().__init__()
        self.block = nn.Sequential(*(module for _ in range(3) for module in (nn.Linear(dim, dim), nn.ReLU())))
        self.shortcut = nn.Linear(dim, dim)

    def forward(self, codes: Tensor) -> Tensor:
        """Return what the discriminator multiplies [rows, dim]; codes are [rows, dim]."""
        out: Tensor = self.block(codes) + self.shortcut(codes)
        return out
