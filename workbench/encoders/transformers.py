"""What transformers of images and of graphs share, and the choice between them."""

from typing import Any, ClassVar

from torch import nn

from workbench.config import Part
from workbench.encoders.base import Encoder
from workbench.encoders.blocks import Block
from workbench.errors import UserError
from workbench.registry import Registry

# Each makes an encoder of (sizes of the data, width of the embedding); further arguments with defaults are options.
TRANSFORMERS: Registry[Any] = Registry("transformer", "workbench.encoders", "TRANSFORMERS")


class Transformer(Encoder):
    """An encoder made of blocks, with an input layer before them and a normalisation behind.

    Args:
        dim: width of a token, and of the embedding.
        blocks: how many, 1 at least.
        heads: of each attention.
        local: whether blocks have message passing.

    Attributes:
        input_names: names of the parameters that belong to the space of the inputs, or what they begin with.
        blocks: `Block`s, whose parts may be replaced.
        made: the transformer by its name, with all options: what makes another one of the same form.
        tokens: how many an item has.
    """

    input_names: ClassVar[tuple[str, ...]] = ("input.",)
    made: Part
    tokens: int = 1

    def __init__(self, dim: int, blocks: int, heads: int, local: bool):
        super().__init__()
        if blocks < 1:
            raise UserError("an encoder has at least 1 block", parameter="encoder.blocks")
        self.blocks = nn.ModuleList(Block(dim, heads, local) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)

    def numbers(self, trained: int, embedded: int) -> float:
        """Return how many numbers a training keeps at its peak: of items there and back, or embedded at once."""
        dim, blocks = self.norm.normalized_shape[0], len(self.blocks)
        layers = max(trained * (22 * blocks + 8), embedded * 14)
        return self.tokens * dim * layers + 6 * sum(weights.numel() for weights in self.parameters())

    def is_input(self, name: str) -> bool:
        """Return whether a parameter belongs to the space of the inputs, by its name."""
        return name.startswith(self.input_names)


def layers_of(encoder: nn.Module) -> dict[str, nn.Module]:
    """Return the residual units of all blocks by name, e.g. "0.attention", from the first to the last."""
    blocks: Any = encoder.blocks
    return {f"{number}.{name}": unit for number, block in enumerate(blocks) for name, unit in block.named_children()}
