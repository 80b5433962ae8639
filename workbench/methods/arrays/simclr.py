"""SimCLR: each row against the others of its batch, in two random views; the stand on which objectives are compared.

Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020.
"""

from dataclasses import dataclass
from typing import ClassVar

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.positives import POSITIVES, PositivePairs
from workbench.datasets.arrays import Rows
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, ContrastConfig, Step, above, part
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SimCLRConfig(RowConfig, ContrastConfig):
    """Configuration of SimCLR; all but the form is ours, for small images.

    Attributes:
        tau: temperature.
        positives: whom a row is pulled to besides itself, with the source's options.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "tau", "objective", "negatives", "positives", "head")

    tau: float = above(0, 0.2)
    positives: Part = part(POSITIVES, "self")


@METHODS.register("simclr")
class SimCLR(RowMethod):
    """What GRACE is on nodes: objective, negatives and positives are chosen by name."""

    Config = SimCLRConfig

    def __init__(self, config: SimCLRConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.negatives = config.sampled(Contrast(config.tau), self.chosen_among, randomness)
        self.positive_pairs = PositivePairs(config.positives, inputs, randomness)

    def step(self, batch: Rows) -> Step:
        """Contrast two views of a batch."""
        u, v = (self.project(view) for view in self.views(batch))
        contrast = self.contrast(batch, u, v)
        loss = self.config.loss(contrast, u, v).mean()
        return Step({"contrast": loss}, kept={"contrast": contrast, "projections": (u, v)})
