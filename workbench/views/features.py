"""Random views of the attributes: masked columns, shuffled rows."""

import torch
from torch import Tensor


def keep_columns(
    features: int, rate: float | Tensor, generator: torch.Generator, device: torch.device | None = None
) -> Tensor:
    """Draw which attribute columns a view keeps, the same for all nodes: 1 or 0, float32 [features].

    The rate at which a column is masked is one for all or one for each, on the device [features].
    """
    return (torch.rand(features, generator=generator).to(device) >= rate).float()


def shuffle(rows: int, generator: torch.Generator, device: torch.device | None = None) -> Tensor:
    """Draw an order of rows [rows]."""
    return torch.randperm(rows, generator=generator).to(device)
