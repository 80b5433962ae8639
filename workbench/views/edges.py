"""Random views of the edges: which of them stay."""

import torch
from torch import Tensor


def keep_edges(
    edges: int, rate: float, generator: torch.Generator, pairs: Tensor | None = None, device: torch.device | None = None
) -> Tensor:
    """Draw which edges of a view stay.

    Args:
        edges: number of stored edges.
        rate: probability that an edge is dropped, in [0, 1].
        generator: the stream to draw from.
        pairs: number of the undirected edge that each stored edge belongs to [edges], to drop both directions
            together; None drops each stored direction on its own, as the released code of GRACE and Str-GCL does.
        device: where the result lives.

    Returns:
        1 where an edge stays, else 0, float32 [edges].
    """
    if pairs is None:
        return (torch.rand(edges, generator=generator) >= rate).float().to(device)
    drawn = torch.rand(int(pairs.max()) + 1 if len(pairs) else 0, generator=generator) >= rate
    return drawn.float().to(device)[pairs]
