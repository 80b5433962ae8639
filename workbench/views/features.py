"""Random views of the attributes: masked columns, shuffled rows."""

import torch
from torch import Tensor


def keep_columns(features: int, rate: float, generator: torch.Generator, device: torch.device | None = None) -> Tensor:
    """Draw which attribute columns a view keeps, the same for all nodes: 1 or 0, float32 [features]."""
    return (torch.rand(features, generator=generator) >= rate).float().to(device)


def shuffle(rows: int, generator: torch.Generator, device: torch.device | None = None) -> Tensor:
    """Draw an order of rows [rows]."""
    return torch.randperm(rows, generator=generator).to(device)
