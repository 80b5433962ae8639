"""What methods on rows of an array share: random views, an encoder with a head behind it, batches of rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import Part, part, rate
from workbench.datasets.arrays import Rows
from workbench.encoders.heads import HEADS
from workbench.encoders.rows import ROWS, RowEncoder
from workbench.errors import UserError
from workbench.methods.base import PROCESS, Config, ContrastConfig, above, at_least
from workbench.methods.contrasting import ContrastMethod
from workbench.randomness import Randomness
from workbench.views.rows import disturbed, hidden, moved, rescaled


@dataclass(frozen=True)
class RowConfig(Config):
    """Configuration of an encoder of rows, its views and its batches; the defaults are ours, for small digits.

    Attributes:
        batch_size: most rows of a step, drawn without replacement until all were; 0 takes all rows.
        channels: of the first convolution; rows that are no images have a hidden layer eight times as wide.
        dim: width of the embedding.
        head: what stands behind the encoder in training: "none", "linear", "mlp", "normalised", an mlp with batch
            normalisation, or "diagonal", which isn't trained.
        projection: hidden width of the head "mlp" or "normalised".
        read: where the embedding is read, "before" the head or "after" it.
        shift: pixels by which a view moves an image at most, across and down.
        hide: rate of numbers that a view sets to 0.
        scale: how far a view's contrast is from 1 at most.
        noise: standard deviation of the noise that a view adds.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "batch_size", "head")

    epochs: int = at_least(0, 60)
    lr: float = above(0, 2e-3)
    weight_decay: float = at_least(0, 1e-6)
    batch_size: int = at_least(0, 256)
    channels: int = at_least(1, 16)
    dim: int = at_least(1, 64)
    head: Part = part(HEADS, "mlp")
    projection: int = at_least(1, 64)
    read: Literal["before", "after"] = "before"
    shift: int = at_least(0, 2)
    hide: float = rate(0.2)
    scale: float = rate(0.3)
    noise: float = at_least(0, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size == 1:
            raise UserError("batch_size is 1; it must be 0 (all rows) or at least 2", parameter="batch_size")

    def view(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a view of rows [rows, ...]; rows that are no images are not moved."""
        x = moved(x, self.shift, generator) if x.dim() == 3 else x
        x = hidden(rescaled(x, self.scale, generator), self.hide, generator)
        return disturbed(x, self.noise, generator)


class RowMethod(ContrastMethod):
    """A method that learns on rows of an array, all at once or by batches."""

    kinds = ("arrays",)
    encoder: RowEncoder
    learned: Tensor | None = None  # the numbers of the rows that it learns on [rows], such as those with a label

    def __init__(self, config: Any, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> RowEncoder:
        """Return convolutions for images, a perceptron for anything else, with the head that stands behind."""
        head = config.head.call(HEADS, config.dim, config.projection)
        return RowEncoder(shape, config.channels, config.dim, head, config.read == "after")

    @cached_property
    def chosen_among(self) -> Data:
        """The rows as nodes without an edge, on which negatives are chosen."""
        none = torch.empty(2, 0, dtype=torch.long)
        return Data(x=self.inputs.x.flatten(1), edge_index=none, num_nodes=len(self.inputs.x))

    def batches(self) -> Iterator[Rows]:
        """Yield all rows that are learned on, or an epoch of their batches in a new order; none has a single row."""
        size, ids = self.config.batch_size, self.learned
        rows = len(self.inputs.x if ids is None else ids)
        if not size or size >= rows:
            yield self.inputs if ids is None else self.batch(ids)
            return
        order = torch.randperm(rows, generator=self.randomness.generator("batches")).to(self.inputs.x.device)
        for some in order.tensor_split(max(1, min(-(-rows // size), rows // 2))):
            yield self.batch(some if ids is None else ids[some])

    def batch(self, ids: Tensor) -> Rows:
        """Return the rows of some numbers [rows]."""
        return Rows(x=self.inputs.x[ids], n_id=ids, batch_size=len(ids))

    def views(self, batch: Rows) -> tuple[Tensor, Tensor]:
        """Draw two views of the rows of a batch."""
        return self.config.view(batch.x, self.generator), self.config.view(batch.x, self.generator)

    def project(self, x: Tensor) -> Tensor:
        """Return what the head makes of the codes of rows [rows, dim]."""
        projected: Tensor = self.encoder.head(self.encoder(x))
        return projected

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: the views of a batch through all layers and back, or the rows that are embedded at once."""
        rows, features = sizes["rows"], sizes["features"]
        step, views = min(config.batch_size or rows, rows), getattr(config, "views", 2)
        # Maps of the first convolution are as large as the image; the others have twice as many, of half its places.
        layer = features * config.channels * 4 if "height" in sizes else 8 * config.channels
        numbers = views * step * (3 * layer + 8 * features + 8 * config.dim)
        pairs = config.pair_bytes(step, views) if isinstance(config, ContrastConfig) else 0
        weights = 6 * cls.encoder_numbers(config, sizes)
        return PROCESS + max(4 * (numbers + weights) + pairs, 4 * min(rows, ROWS) * (layer + 2 * features))
