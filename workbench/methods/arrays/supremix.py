"""SupReMix: SupCon on numbers, with mixes of rows as harder positives and negatives; supervised.

Wu and others: Mixup Your Own Pairs. arXiv 2309.16633. Its own repository has no code; loss and shares are those of code
that has the method's file names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from workbench.datasets.arrays import Rows
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.objectives.ordinal import mixed, supremix
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SupReMixConfig(RowConfig):
    """Configuration of SupReMix; all but the form and tau is ours.

    Attributes:
        tau: temperature.
        mixes: how many of either kind are drawn for each row and view; 0 leaves the weights by distance alone.
        window: how far the labels of a positive mix may be from the anchor's, as a share of the range of labels; the
            paper has 5 of its own units.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "tau", "mixes", "window")

    tau: float = above(0, 0.3)
    mixes: int = at_least(0, 16)
    window: float = above(0, 0.05)


@METHODS.register("supremix")
class SupReMix(RowMethod):
    """Labels are numbers, or classes in an order; rows whose label it may not see are not learned on."""

    Config = SupReMixConfig

    def __init__(self, config: SupReMixConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        known = inputs.targets.isfinite()
        self.learned, seen = known.nonzero().flatten(), inputs.targets[known]
        spread = seen.std(correction=0)
        self.numbers = (inputs.targets - seen.mean()) / torch.where(spread > 0, spread, 1.0)
        self.window = config.window * float(self.numbers[known].max() - self.numbers[known].min())
        self.drawing = randomness.generator("mixes")

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return True: it learns from labels."""
        return True

    @classmethod
    def labels(cls, config: Any) -> str:
        """Return that they are numbers."""
        return "numbers"

    def step(self, batch: Rows) -> Step:
        """Contrast the rows of a batch in both views at once."""
        u, v = (self.project(view) for view in self.views(batch))
        rows, labels = torch.cat([u, v]), self.numbers[batch.n_id].repeat(2)
        mixes = mixed(rows, labels, self.config.mixes, self.window, self.drawing) if self.config.mixes else None
        loss = supremix(rows, labels, self.config.tau, mixes).mean()
        return Step({"contrast": loss}, kept={"projections": (u, v)})

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: that of the encoder, all pairs of a batch in both views, and mixes with their parents."""
        rows = 2 * min(config.batch_size or sizes["rows"], sizes["rows"])
        return super().memory(config, sizes) + 4 * rows * (8 * rows + 8 * config.mixes * config.dim)
