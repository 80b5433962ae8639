"""PixPro: places of an image agree with the same places of another view, after each has gathered what is similar.

Xie, Lin, Zhang, Cao, Lin, Hu: Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning. CVPR 2021, and its released code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.config import Part
from workbench.datasets.arrays import Rows
from workbench.encoders.heads import HEADS
from workbench.encoders.rows import STRIDE, RowEncoder
from workbench.errors import UserError
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, PROCESS, Step, above, at_least, part
from workbench.methods.momentum import cosine, follow
from workbench.objectives.pixels import consistency, propagated
from workbench.randomness import Randomness
from workbench.views.rows import moved_by, moves


@dataclass(frozen=True)
class PixProConfig(RowConfig):
    """Configuration of PixPro; exponent, reach and momentum are the authors', the rest is ours, for small images.

    Attributes:
        exponent: of the similarity by which a place gathers another's value; a large one leaves it its own alone.
        reach: how near two places of the views must lie in the image to be a pair, in diagonals of a place.
        momentum: share of the target that stays at the first update; it rises to 1 along half a cosine.
        pooled: whether the mean over all places takes their part, which is BYOL with a linear predictor, the control.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "exponent", "reach", "momentum", "head")

    head: Part = part(HEADS, "normalised")
    exponent: float = at_least(0, 2.0)
    reach: float = above(0, 0.7)
    momentum: float = at_least(0, 0.99)
    pooled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum > 1:
            raise UserError(f"parameter 'momentum' is {self.momentum}; it must be at most 1", parameter="momentum")


@METHODS.register("pixpro")
class PixPro(RowMethod):
    """Without negatives: the target is a slowly following copy of encoder and head. The embedding is of whole images.

    Differs from the release: Adam takes the place of LARS, views are moved but not scaled, and the target's head and
    the value transform are as wide as the embedding.
    """

    Config = PixProConfig

    def __init__(self, config: PixProConfig, inputs: Rows, randomness: Randomness):
        if inputs.x.dim() != 3:
            shape = list(inputs.x.shape)
            raise UserError(f"method 'pixpro' learns on places of images [rows, height, width]; this array is {shape}")
        super().__init__(config, inputs, randomness)
        self.value = nn.Linear(config.dim, config.dim)
        height, width = inputs.x.shape[1:]
        self.target = self.make_encoder(config, {"features": height * width, "height": height, "width": width})
        self.target.load_state_dict(self.encoder.state_dict())
        self.target.requires_grad_(False)
        self.momentum, self.still = config.momentum, replace(config, shift=0)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Set the momentum of the epoch."""
        self.momentum = 1 - (1 - self.config.momentum) * cosine(epoch, self.config.epochs)

    def after_update(self) -> None:
        """Move the target."""
        follow(self.target, self.encoder, self.momentum)

    def projected(self, encoder: RowEncoder, x: Tensor) -> Tensor:
        """Return what encoder and head make of each place of images, or of their mean [rows, places, dim]."""
        codes = encoder.places(x).flatten(1, 2)
        codes = codes.mean(1, keepdim=True) if self.config.pooled else codes
        made: Tensor = encoder.head(codes.flatten(0, 1)).view_as(codes)
        return made

    def near(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Return which places of two views lie near each other in the image [rows, places, places].

        Args:
            pixels: by how much further the first view was moved up and to the left [2, rows].
            size: of the maps.
        """
        if self.config.pooled:
            return torch.ones(pixels.shape[1], 1, 1, device=pixels.device)
        place = STRIDE * torch.cartesian_prod(*(torch.arange(side, device=pixels.device) for side in size))
        apart = place[:, None] - place + pixels.T[:, None, None]
        limit: float = self.config.reach * STRIDE * 2**0.5
        return (apart.square().sum(3) < limit**2).to(self.inputs.x.dtype)

    def step(self, batch: Rows) -> Step:
        """Predict the target's places of each view from those that the other gathered: -4, all agree, to 4."""
        x, config = batch.x, self.config
        pixels = [moves(x, config.shift, self.generator).to(x.device) for _ in range(2)]
        views = [self.still.view(moved_by(x, by), self.generator) for by in pixels]
        size = tuple(-(-side // STRIDE) for side in x.shape[1:])
        near, losses = self.near(pixels[0] - pixels[1], size), []
        for one, other, pairs in ((*views, near), (*views[::-1], near.mT)):
            places = self.projected(self.encoder, one)
            with torch.no_grad():
                target = self.projected(self.target, other)
            losses.append(consistency(propagated(places, self.value(places), config.exponent), target, pairs))
        return Step({"consistency": torch.stack(losses).sum(0).mean()})

    @classmethod
    def memory(cls, config: PixProConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: layers of both networks, and of each place head, values and its pairs with all others."""
        step, places = min(config.batch_size or sizes["rows"], sizes["rows"]), sizes["features"] / STRIDE**2
        each = 4 * config.dim + config.projection + 4 * places
        return 2 * super().memory(config, sizes) - PROCESS + 8 * step * places * each
