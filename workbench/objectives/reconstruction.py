"""How far reconstructed attributes are from the true ones."""

from torch import Tensor
from torch.nn.functional import cosine_similarity


def scaled_cosine_error(x: Tensor, reconstructed: Tensor, power: float = 3.0) -> Tensor:
    """Return (1 - cos(x, reconstructed))^power of each row [rows], 0 to 2^power.

    A power above 1 weighs rows less that are easy. Only the masked rows are meant to be handed in, and only they need
    be decoded. A row of zeros counts 1. Source: Hou and others, GraphMAE, KDD 2022, eq. 2.

    Args:
        x: true attributes of the masked rows [rows, features].
        reconstructed: what the decoder makes of them [rows, features].
        power: how much easy rows are weighed down, 1 or more.
    """
    # A cosine may round to just above 1, and a negative number has no broken power.
    return (1 - cosine_similarity(x, reconstructed, dim=1)).clamp(min=0).pow(power)
