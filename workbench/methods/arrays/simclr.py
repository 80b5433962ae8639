"""SimCLR: each row against the others of its batch, in two random views; the stand on which objectives are compared.

Chen, Kornblith, Norouzi, Hinton: A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.positives import POSITIVES, PositivePairs
from workbench.datasets.arrays import Rows
from workbench.errors import UserError
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, ContrastConfig, Step, above, at_least, part
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SimCLRConfig(RowConfig, ContrastConfig):
    """Configuration of SimCLR; all but the form is ours, for small images.

    Attributes:
        tau: temperature.
        positives: whom a row is pulled to besides itself, with the source's options.
        views: of each row. Of more than two each is an anchor in turn, its positives are the row's other views, and its
            negatives all other rows in those views, none in its own.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "tau", "objective", "negatives", "positives", "head")

    tau: float = above(0, 0.2)
    positives: Part = part(POSITIVES, "self")
    views: int = at_least(2, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.views > 2 and (self.negatives.name, self.positives.name) != ("all", "self"):
            raise UserError(f"views={self.views} take negatives='all' and positives='self'", parameter="views")


@METHODS.register("simclr")
class SimCLR(RowMethod):
    """What GRACE is on nodes: objective, negatives and positives are chosen by name."""

    Config = SimCLRConfig

    def __init__(self, config: SimCLRConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.negatives = config.sampled(Contrast(config.tau), self.chosen_among, randomness)
        self.positive_pairs = PositivePairs(config.positives, inputs, randomness)

    def step(self, batch: Rows) -> Step:
        """Contrast the views of a batch."""
        if self.config.views > 2:
            return self.several(batch)
        u, v = (self.project(view) for view in self.views(batch))
        contrast = self.contrast(batch, u, v)
        loss = self.config.loss(contrast, u, v).mean()
        return Step({"contrast": loss}, kept={"contrast": contrast, "projections": (u, v)})

    def several(self, batch: Rows) -> Step:
        """Contrast each of several views of a batch with the others."""
        count, rows = self.config.views - 1, torch.arange(len(batch.x), device=batch.x.device)
        views = [self.project(self.config.view(batch.x, self.generator)) for _ in range(count + 1)]
        index = torch.stack([rows.repeat(count), torch.arange(count * len(rows), device=rows.device)])
        contrast = Contrast(
            self.config.tau, paired=False, positives=(index, torch.ones_like(index[0], dtype=torch.float))
        )
        losses = [self.config.loss(contrast, u, torch.cat(views[:i] + views[i + 1 :])) for i, u in enumerate(views)]
        return Step({"contrast": torch.stack(losses).mean()}, kept={"projections": tuple(views)})
