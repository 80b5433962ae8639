"""How far reconstructed attributes are from the true ones."""

from torch import Tensor
from torch.nn.functional import cosine_similarity


def scaled_cosine_error(x: Tensor, reconstructed: Tensor, power: float = 3.0) -> Tensor:
    """Return (1 - cos(x, reconstructed))^power by row [rows]; x and what a decoder made of it are [rows, features].

    From 0 to 2^power; a row of zeros counts 1. A power above 1 weighs rows less that are easy. Only the masked rows are
    meant to be handed in, and only they need be decoded. Source: Hou and others, GraphMAE, KDD 2022, eq. 2.
    """
    # A cosine may round to just above 1, and a negative number has no broken power.
    return (1 - cosine_similarity(x, reconstructed, dim=1)).clamp(min=0).pow(power)
