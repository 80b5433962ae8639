"""How sure a mean is: intervals over training seeds, paired differences, and spread of seeds apart from that of splits.

Splits of one graph share most of their nodes, so their scores are not independent: use intervals over training seeds,
and read a standard deviation over splits as a description only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from workbench.errors import UserError


class Measure(float):
    """A mean in percent that knows its spread."""

    std: float  # standard deviation in percentage points, nan where there is nothing to spread over
    over: str  # what the spread is over, and which deviation it is

    def __new__(cls, value: float, std: float, over: str) -> "Measure":
        """Make the number and attach its spread."""
        made = super().__new__(cls, value)
        made.std, made.over = float(std), over
        return made

    def __getnewargs__(self) -> tuple[float, float, str]:  # type: ignore[override]
        return float(self), self.std, self.over

    @property
    def mean(self) -> float:
        """The value as a plain float, percent."""
        return float(self)

    def __str__(self) -> str:
        return f"{float(self):.1f}" if np.isnan(self.std) else f"{float(self):.1f} ± {self.std:.1f}"

    def __repr__(self) -> str:
        return f"Measure({float(self)!r}, std={self.std!r}, over={self.over!r})"


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided Student-t confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    count: int
    confidence: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}] ({self.confidence:.0%}, n = {self.count})"


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean of two or more independent values, such as one score per training seed, with its t interval."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or numbers.size < 2:
        raise UserError(f"a confidence interval takes at least two values, one per training seed, not {numbers.size}")
    if not 0 < confidence < 1:
        raise UserError(f"confidence must lie between 0 and 1, not {confidence}")
    mean, error = float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(numbers.size))
    half = float(stdtrit(numbers.size - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - half, mean + half, numbers.size, confidence)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the mean of first − second, scores of the same seeds in the same order [seeds], with its t interval."""
    if len(first) != len(second):
        raise UserError(f"a paired difference takes as many first as second values, not {len(first)} and {len(second)}")
    return mean_interval(list(np.subtract(first, second)))


class Spread(NamedTuple):
    """Sample standard deviations: of the seeds' means, and within a seed over its splits (pooled); nan for one only."""

    between_seeds: float
    within_seed: float


def nested_spread(scores: ArrayLike) -> Spread:
    """Separate the spread between training seeds from the spread over splits, of scores [seeds, splits].

    The former is of means over the same splits, so it is what a repeated experiment would show.
    """
    try:
        table = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"scores are numbers [seeds, splits], not {repr(scores)[:60]}") from None
    if table.ndim != 2 or table.size == 0:
        raise UserError(f"nested_spread takes a table [seeds, splits], not a shape {list(table.shape)}")
    seeds, splits = table.shape
    between = float(table.mean(axis=1).std(ddof=1)) if seeds > 1 else np.nan
    within = float(np.sqrt(table.var(axis=1, ddof=1).mean())) if splits > 1 else np.nan
    return Spread(between, within)
