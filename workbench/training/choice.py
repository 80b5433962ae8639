"""By which number that needs no labels a moment of training can be chosen, and which one is. Imports nothing heavy."""

import math
from collections.abc import Callable, Mapping

from workbench.errors import unknown

PATIENCE = 3  # looks running that found nothing better, after which training stops
Row = Mapping[str, float]
# By which number a moment can be chosen: the columns that it needs, and how good they are, the larger the better.
CHOICES: dict[str, tuple[tuple[str, ...], Callable[[Row], float]]] = {
    "effective-rank": (("effective_rank",), lambda row: row["effective_rank"]),
    "alpha-req": (("alpha_req",), lambda row: -abs(row["alpha_req"] - 1)),
    "uniformity": (("uniformity",), lambda row: -row["uniformity"]),
    "alignment-uniformity": (("alignment", "uniformity"), lambda row: -row["alignment"] - row["uniformity"]),
}
NUMBERS = ("effective_rank", "dead_units", "alpha_req", "uniformity", "alignment")


def known(stop: str) -> None:
    """Raise a UserError for a number that there isn't."""
    if stop not in CHOICES:
        raise unknown("number", stop, CHOICES, "to stop by", parameter="stop")


def choice(rows: Mapping[int, Row], stop: str, patience: int = PATIENCE) -> tuple[int | None, int | None]:
    """Return the epoch that a number keeps and the one after which training ends, None while it goes on.

    Args:
        rows: what was measured by epoch; the untrained encoder, at 0, is never kept.
        stop: a name of `CHOICES`. patience: looks running without a better one, after which training ends.
    """
    kept, best, waited = None, -math.inf, 0
    for epoch in sorted(rows.keys() - {0}):
        good = CHOICES[stop][1](rows[epoch])
        if kept is None or good > best:  # never where it is nan
            kept, best, waited = epoch, -math.inf if math.isnan(good) else good, 0
        elif (waited := waited + 1) >= patience:
            return kept, epoch
    return kept, None
