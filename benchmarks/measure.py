"""How the benchmarks measure: two ways of one computation in turn, in one process, beside what the machine could do.

Absolute seconds depend on the machine; the ratio is what is compared.
"""

import math
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

Rows = list[dict[str, Any]]


def row(
    case: str,
    before: Callable[[], object] | None,
    after: Callable[[], object],
    repeats: int = 3,
    *,
    must: str = "",
    at_least: float | None = None,
    limit_seconds: float | None = None,
    floor: float | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Time both in turn, so that a busy moment of the machine hits both, and return the least of each.

    Args:
        case: what is computed.
        before: the plain way; without it only `after` is timed.
        after: what the package does.
        repeats: rounds that count, after one that warms up; 0 is a single round that counts.
        must: what it shall reach, in words; `at_least` of the ratio and `limit_seconds` of `after` say it in figures.
        floor: the seconds below which this machine can't come, see `floor`.
        **facts: figures that stand beside the times.
    """
    calls = {name: call for name, call in (("before_seconds", before), ("after_seconds", after)) if call}
    taken = dict.fromkeys(calls, math.inf)
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn or not repeats:
                taken[name] = min(taken[name], time.perf_counter() - start)
    result: dict[str, Any] = {"case": case, **taken}
    if before:
        result["ratio"] = taken["before_seconds"] / taken["after_seconds"]
    if floor is not None:
        result |= {"floor_seconds": floor, "share_of_floor": floor / taken["after_seconds"]}
    if must:
        result["must"] = must
    if at_least is not None or limit_seconds is not None:
        fast = limit_seconds is None or taken["after_seconds"] <= limit_seconds
        result["met"] = fast and (at_least is None or result.get("ratio", 0.0) >= at_least)
    return result | facts


@cache
def machine() -> dict[str, Any]:
    """Return what this machine does on the threads that torch has: multiplications and bytes moved a second, measured.

    A multiplication counts with the addition behind it; the bytes of a copy count once read and once written.
    """
    a, b = (torch.randn(2048, 2048) for _ in range(2))
    wide, target = torch.zeros(2**26), torch.zeros(2**26)
    product = row("", None, lambda: a @ b, 5)["after_seconds"]
    copy = row("", None, lambda: target.copy_(wide), 5)["after_seconds"]
    rates = {"multiplications_a_second": 2048**3 / product, "bytes_a_second": 2 * 4 * 2**26 / copy}
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), **rates}


def floor(multiplications: float = 0.0, moved: float = 0.0) -> float:
    """Return the seconds that so many multiplications take at this machine's rate, or so many bytes if that is more."""
    rates = machine()
    return max(multiplications / rates["multiplications_a_second"], moved / rates["bytes_a_second"])
