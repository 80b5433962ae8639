"""A classifier of images by cross entropy, each step at other places: what adaptations start from; supervised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.config import Part
from workbench.datasets.arrays import Rows
from workbench.encoders.transformers import TRANSFORMERS, Transformer
from workbench.encoders.vit import AT_ONCE
from workbench.errors import UserError
from workbench.methods.arrays.rows import RowMethod
from workbench.methods.base import METHODS, PROCESS, Config, Step, above, at_least, part
from workbench.randomness import Randomness
from workbench.views.rows import placed


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """Configuration of the classifier; the defaults are ours, some 800 steps on five of scikit-learn's digits.

    Attributes:
        weight_decay: decoupled, of AdamW.
        batch_size: most rows of a step, drawn without replacement until all were; 0 takes all rows.
        dim: width of the embedding.
        encoder: "vit", with its options, e.g. encoder.patch=1.
        placed: whether each step sees what an image shows at another random place of it.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "encoder", "batch_size")

    epochs: int = at_least(0, 54)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.01)
    batch_size: int = at_least(0, 64)
    dim: int = at_least(1, 64)
    encoder: Part = part(TRANSFORMERS, "vit")
    placed: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder.name != "vit":
            raise UserError(f"the encoder {self.encoder.name!r} reads graphs; images take 'vit'", parameter="encoder")


@METHODS.register("classifier")
class Classifier(RowMethod):
    """A linear layer on the class token; rows without a label that it may see are not learned on."""

    Config = ClassifierConfig
    Adam = torch.optim.AdamW

    encoder: Transformer  # type: ignore[assignment]

    def __init__(self, config: ClassifierConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.learned = (inputs.targets >= 0).nonzero().flatten()
        self.head = nn.Linear(config.dim, int(inputs.targets.max()) + 1)

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> Transformer:  # type: ignore[override]
        """Return the transformer that was chosen."""
        made: Transformer = config.encoder.call(TRANSFORMERS, shape, config.dim)
        return made

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return True: it learns from classes."""
        return True

    def step(self, batch: Rows) -> Step:
        """Tell the classes of a batch."""
        x = placed(batch.x, self.generator) if self.config.placed else batch.x
        return Step({"classes": cross_entropy(self.head(self.encoder(x)), self.inputs.targets[batch.n_id])})

    @torch.no_grad()
    def details(self) -> dict[str, Tensor]:
        """Return the class that each row is "predicted" to have [rows]."""
        return {"predicted": self.head(self.encoder.embed(self.inputs)).argmax(1)}

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: of a batch through all blocks and back, or of the rows that are embedded at once."""
        with torch.device("meta"):
            encoder = cls.make_encoder(config, sizes)
        step = min(config.batch_size or sizes["rows"], sizes["rows"])
        return PROCESS + 4 * encoder.numbers(step, min(sizes["rows"], AT_ONCE))
