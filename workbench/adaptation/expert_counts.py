"""How many numbers and bytes experts add to a dense encoder, by formula and beside what the paper says.

DeRS, arXiv 2503.01359; see `workbench.adaptation.banks`. A unit has two matrices, E = 2 d h numbers.
"""

from typing import NamedTuple

import pandas as pd

from workbench.adaptation.banks import Mode

FORMULAS = {
    "vanilla": "(N - 1) E",
    "sparse": "N (1 - p) E",
    "low-rank": "2 N r (d + h)",
}
OVERHEAD = "N d + (N - 1)(d + h)"  # the router, and biases of N - 1 further experts


class Shape(NamedTuple):
    """A unit that became experts: width d, hidden width h, their number N, and layers that have them.

    Attributes:
        p: share of entries that "sparse" leaves out. rank: of "low-rank".
    """

    d: int
    h: int
    experts: int = 4
    layers: int = 1
    p: float = 0.9
    rank: int = 1

    @property
    def entries(self) -> int:
        """E: the numbers of both matrices."""
        return 2 * self.d * self.h

    @property
    def kept(self) -> int:
        """Numbers that all experts of a layer together have in "sparse", N (1 - p) E, rounded."""
        return round(self.experts * (1 - self.p) * self.entries)

    @property
    def overhead(self) -> int:
        """Numbers of a layer's router, and of the biases of all experts but one."""
        return self.experts * self.d + (self.experts - 1) * (self.d + self.h)

    def added(self, mode: Mode, overhead: bool = True) -> int:
        """Return how many numbers are added to the dense layers, with or without router and biases."""
        matrices = {
            "vanilla": (self.experts - 1) * self.entries,
            "sparse": self.kept,
            "low-rank": 2 * self.experts * self.rank * (self.d + self.h),
        }[mode]
        return self.layers * (matrices + overhead * self.overhead)

    def smaller(self, mode: Mode, overhead: bool = True) -> float:
        """Return how many times fewer numbers are added than by whole experts."""
        return self.added("vanilla", overhead) / self.added(mode, overhead)


PAPER = Shape(d=2560, h=10240, experts=4, layers=16, p=0.9999, rank=1)  # p inferred from the total, not read
PUBLISHED = {
    "vanilla": ("2.52 B", ""),
    "low-rank": ("2.42 M", "1041x"),
    "sparse": ("1.11 M", "2270x"),
}  # ratios of these rounded totals


def break_even(experts: int, value: int = 0, index: int = 0) -> float:
    """Return the p above which sparse differences take less than N - 1 further experts.

    Args:
        experts: N.
        value, index: bytes of a number and of its place; 0 counts numbers alone.
    """
    if not value:
        return 1 / experts
    return 1 - (experts - 1) * value / (experts * (value + index))


def sparse_bytes(kept: int, experts: int, entries: int, value: int = 4) -> int:
    """Return the bytes of kept numbers and their places: of 2 bytes each (4 from E = 65,537 on), or a bit per entry.

    The shorter of both; with places there is besides the count of each expert, of 4 bytes.
    """
    index = 2 if entries <= 2**16 else 4
    return kept * value + min(kept * index + 4 * experts, -(-experts * entries // 8))


def quantised_bytes(experts: int, entries: int, bits: int, value: int = 4) -> int:
    """Return the bytes of differences in k bits, and of a step for each matrix."""
    return -(-experts * entries * bits // 8) + 2 * experts * value


def table(shape: Shape) -> pd.DataFrame:
    """Return what each mode adds: by formula, at a shape of ours with the ratio to whole experts, and in the paper.

    Returns:
        A row for each mode; columns "formula", "added", "ratio", "ratio without router and biases", "paper's shape" and
        its "ratio there" (both by the same formula), and what is "published".
    """
    modes: list[Mode] = ["vanilla", "sparse", "low-rank"]
    rows = {
        mode: {
            "formula": f"{FORMULAS[mode]} + {OVERHEAD}",
            "added": shape.added(mode),
            "ratio": shape.smaller(mode),
            "ratio without router and biases": shape.smaller(mode, overhead=False),
            "paper's shape": PAPER.added(mode),
            "ratio there": PAPER.smaller(mode),
            "published": " ".join(PUBLISHED[mode]).strip(),
        }
        for mode in modes
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("mode")
