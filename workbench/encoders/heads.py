"""Heads that stand behind an encoder in training and are left out afterwards."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from workbench.errors import UserError
from workbench.registry import Registry

# Each makes a head of (width of the codes, hidden width); further arguments with defaults are options.
HEADS: Registry[Callable[..., nn.Module]] = Registry("head", "workbench.encoders", "HEADS")


@HEADS.register("none")
def no_head(dim: int, hidden: int) -> nn.Module:
    """Return what leaves codes as they are."""
    return nn.Identity()


@HEADS.register("linear")
def linear_head(dim: int, hidden: int) -> nn.Module:
    """Return a linear layer, back to `dim`, without a bias."""
    return nn.Linear(dim, dim, bias=False)


@HEADS.register("mlp")
def mlp_head(dim: int, hidden: int) -> nn.Module:
    """Return the projection head of SimCLR: linear, ReLU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))


@HEADS.register("diagonal")
class Diagonal(nn.Module):
    """A head that isn't trained: coordinate i, counted from 0, is multiplied by kappa^-i; with kappa = 1 it is none.

    Source: Xue and others, Investigating the Benefits of Projection Head for Representation Learning, ICLR 2024, arXiv
    2403.11391, in code of the same group.
    """

    factors: Tensor

    def __init__(self, dim: int, hidden: int, kappa: float = 1.1):
        super().__init__()
        if not kappa > 0:
            raise UserError(f"kappa of the head 'diagonal' is {kappa}; it must be above 0", parameter="kappa")
        self.register_buffer("factors", kappa ** -torch.arange(float(dim)))

    def forward(self, codes: Tensor) -> Tensor:
        """Return codes [rows, dim] with weighted coordinates."""
        return codes * self.factors


def projector(dim: int, hidden: int) -> nn.Sequential:
    """Return the projection head of GRACE: linear, ELU, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.ELU(), nn.Linear(hidden, dim))


def predictor(dim: int, hidden: int) -> nn.Sequential:
    """Return the head of BYOL and BGRL that predicts a target: linear, PReLU with one slope, linear, back to `dim`."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.PReLU(), nn.Linear(hidden, dim))


@HEADS.register("normalised")
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
