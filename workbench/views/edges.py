"""Random views of the edges: which of them stay."""

import torch
from torch import Tensor


def keep_edges(
    edges: int,
    rate: float | Tensor,
    generator: torch.Generator,
    pairs: Tensor | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Draw which of the stored edges a view keeps, each dropped at a rate in [0, 1]: 1 or 0, float32 [edges].

    The rate is one for all or one for each stored edge, on the device [edges]; an undirected edge has the mean of its
    two. Where `pairs` numbers the undirected edge that each stored one belongs to [edges], both directions stay or go
    together; without it each goes on its own, as in the released code of GRACE and Str-GCL.
    """
    count = edges if pairs is None else int(pairs.max()) + 1 if len(pairs) else 0
    if isinstance(rate, Tensor) and pairs is not None:
        rate = rate.new_zeros(count).scatter_reduce(0, pairs, rate, "mean", include_self=False)
    stays = (torch.rand(count, generator=generator).to(device) >= rate).float()
    return stays if pairs is None else stays[pairs]


def keep_interactions(
    pairs: Tensor, sizes: tuple[int, int], rate: float, generator: torch.Generator, by: str = "edges"
) -> Tensor:
    """Return interactions [2, kept] without a rate in [0, 1) of them, or of the users and of the items.

    How many go is fixed, rounded down of what stays ("edges") or of what goes ("nodes"); which go is drawn.

    Args:
        pairs: numbers of users above those of items [2, interactions].
        sizes: how many users and items there are.
        rate: the share that goes.
        generator: the stream to draw from.
        by: "edges" for interactions; "nodes" for users and items, with all interactions of those that go.
    """
    if by == "edges":
        order = torch.randperm(pairs.shape[1], generator=generator)[: int(pairs.shape[1] * (1 - rate))]
        return pairs[:, order.to(pairs.device)]
    stays = torch.ones(pairs.shape[1], dtype=torch.bool, device=pairs.device)
    for ends, count in zip(pairs, sizes, strict=True):
        gone = torch.randperm(count, generator=generator)[: int(count * rate)].to(pairs.device)
        stays &= ~torch.isin(ends, gone)
    return pairs[:, stays]


def sample_neighbours(pointer: Tensor, columns: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw so many neighbours of each node, all different where it has as many, else with replacement.

    Args:
        pointer: where the neighbours of each node begin [nodes + 1]. columns: who they are [links].
        size: how many are drawn.

    Returns:
        The neighbours [nodes, size], 0 for a node without any, and which nodes have one [nodes].
    """
    degree, nodes = pointer.diff(), len(pointer) - 1
    rows = torch.arange(nodes, device=pointer.device).repeat_interleave(degree)
    keys = rows + torch.rand(len(columns), generator=generator, dtype=torch.float64).to(columns.device)
    shuffled = torch.cat([columns[keys.argsort()], columns.new_zeros(1)])
    again = (torch.rand(nodes, size, generator=generator).to(columns.device) * degree[:, None]).long()
    place = torch.where(degree[:, None] >= size, torch.arange(size, device=columns.device), again)
    place = (pointer[:-1, None] + place).masked_fill((degree == 0)[:, None], len(columns))
    return shuffled[place], degree > 0
