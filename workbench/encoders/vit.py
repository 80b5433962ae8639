"""The vision transformer of Dosovitskiy and others, for small images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from workbench.config import Part
from workbench.encoders.transformers import TRANSFORMERS, Transformer
from workbench.errors import UserError

AT_ONCE = 512  # images that are embedded in one go


class Places(nn.Module):
    """A class token before the patches of an image, and a learned position added to each of them.

    Args:
        tokens: how many there are then. dim: width of each.
    """

    def __init__(self, tokens: int, dim: int):
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(dim))
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, dim))

    def forward(self, patches: Tensor) -> Tensor:
        """Return tokens [rows, 1 + patches, dim]; patches are [rows, patches, dim]."""
        return torch.cat([self.token.expand(len(patches), 1, -1), patches], 1) + self.positions


@TRANSFORMERS.register("vit")
class ViT(Transformer):
    """Patches and a class token with learned positions; the class token behind the last block is the embedding.

    Dosovitskiy and others: An Image is Worth 16x16 Words. ICLR 2021, arXiv 2010.11929; sizes are ours.

    Args:
        shape: "height" and "width" of an image.
        dim, blocks, heads: as for `Transformer`.
        patch: pixels of a side of a patch, which must divide both sides of an image.

    Raises:
        UserError: no images, or patches that don't fit them.
    """

    input_names = ("input.", "places.positions")

    def __init__(self, shape: Mapping[str, int], dim: int, blocks: int = 4, heads: int = 4, patch: int = 2):
        super().__init__(dim, blocks, heads, local=False)
        if "height" not in shape:
            raise UserError("the encoder 'vit' reads images [rows, height, width], and these data are none")
        height, width = self.size = shape["height"], shape["width"]
        if patch < 1 or height % patch or width % patch:
            raise UserError(
                f"images of {height} x {width} pixels can't be cut into patches of {patch} x {patch}; "
                "encoder.patch must divide both sides",
                parameter="encoder.patch",
            )
        self.made = Part("vit", (("blocks", blocks), ("heads", heads), ("patch", patch)))
        self.tokens = 1 + height * width // patch**2
        self.patch, self.input = patch, nn.Linear(patch**2, dim)
        self.places = Places(self.tokens, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding of images [rows, dim]; x is [rows, height, width]."""
        tokens = self.places(self.input(unfold(x[:, None], self.patch, stride=self.patch).mT))
        for block in self.blocks:
            tokens = block(tokens)
        codes: Tensor = self.norm(tokens[:, 0])
        return codes

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of rows [rows, dim]."""
        return torch.cat([self(part) for part in inputs.x.split(AT_ONCE)])
