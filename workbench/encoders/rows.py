"""Encoders of rows of an array: convolutions over images, a perceptron over anything else, and the head behind them."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.encoders.base import Encoder

ROWS = 4096  # that are embedded in one go
STRIDE = 2  # pixels between two places of the maps


class RowEncoder(Encoder):
    """Three convolutions of 3 x 3 and the mean over all places, or a hidden layer, and a linear layer to `dim`.

    Each convolution's maps are normalised together for each image (layer normalisation).

    Args:
        shape: "features" of a row, and of images "height" and "width", see `Arrays.shape`.
        channels: of the first convolution; the others have twice as many. The hidden layer of rows that are no images
            is eight times as wide.
        dim: width of the codes.
        head: what stands behind in training, see `workbench.encoders.heads`.
        after: whether the embedding is read after the head, not before it.
    """

    def __init__(self, shape: Mapping[str, int], channels: int, dim: int, head: nn.Module, after: bool = False):
        super().__init__()
        self.images, wide = "height" in shape, 2 * channels
        self.body: nn.Module = nn.Sequential(nn.Linear(shape["features"], 8 * channels), nn.ReLU())
        if self.images:
            # Without normalisation all untrained codes are nearly the same, and few steps don't part them.
            layers = [(1, channels, 1), (channels, wide, STRIDE), (wide, wide, 1)]
            blocks = [
                (nn.Conv2d(taken, given, 3, stride, padding=1), nn.GroupNorm(1, given), nn.ReLU())
                for taken, given, stride in layers
            ]
            self.body = nn.Sequential(*(module for block in blocks for module in block))
        self.last = nn.Linear(wide if self.images else 8 * channels, dim)
        self.head, self.after = head, after

    def maps(self, x: Tensor) -> Tensor:
        """Return what the convolutions make of each place of images [rows, channels, height, width]."""
        made: Tensor = self.body(x[:, None])
        return made

    def places(self, x: Tensor) -> Tensor:
        """Return the code of each place of images, whose mean is the image's [rows, height, width, dim] of `maps`."""
        codes: Tensor = self.last(self.maps(x).movedim(1, -1))
        return codes

    def forward(self, x: Tensor) -> Tensor:
        """Return codes before the head [rows, dim]; x is [rows, ...]."""
        h = self.maps(x).mean((2, 3)) if self.images else self.body(x.flatten(1))
        codes: Tensor = self.last(h)
        return codes

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of rows [rows, dim]."""
        codes = torch.cat([self(part) for part in inputs.x.split(ROWS)])
        return self.head(codes) if self.after else codes


class StagedEncoder(Encoder):
    """Encoders of the same rows, trained together or one after another, whose codes stand side by side."""

    def __init__(self, stages: Iterable[RowEncoder]):
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of rows by all stages [rows, stages * dim], those not yet trained as drawn."""
        return torch.cat([stage.embed(inputs) for stage in self.stages], 1)  # type: ignore[operator]
