"""Random views of the edges: which of them stay."""

import torch
from torch import Tensor


def keep_edges(
    edges: int, rate: float, generator: torch.Generator, pairs: Tensor | None = None, device: torch.device | None = None
) -> Tensor:
    """Draw which of the stored edges a view keeps, each dropped at a rate in [0, 1]: 1 or 0, float32 [edges].

    Where `pairs` numbers the undirected edge that each stored one belongs to [edges], both directions stay or go
    together; without it each goes on its own, as in the released code of GRACE and Str-GCL.
    """
    count = edges if pairs is None else int(pairs.max()) + 1 if len(pairs) else 0
    stays = (torch.rand(count, generator=generator) >= rate).float().to(device)
    return stays if pairs is None else stays[pairs]
