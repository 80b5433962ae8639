"""How much memory a fit takes, told before it starts by a formula, and the refusal of one that would not fit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.datasets.kinds import Kind, kind_of
from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure

MIB = 2**20
_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Forecast:
    """What a fit is expected to take on a CPU: peak_mib as `Run.peak_mib` has it, beside what this process can have."""

    method: str
    graph: str
    preset: str
    peak_mib: float
    available_mib: float

    def __str__(self) -> str:
        fits = "fits" if self.peak_mib <= self.available_mib else "does not fit"
        return (
            f"training {self.method} on {self.graph}, preset {self.preset}, needs about {self.peak_mib:,.0f} MiB and "
            f"{self.available_mib:,.0f} MiB are available: it {fits}"
        )


def forecast(method: str, data: Any, preset: str | None = None, **overrides: Any) -> Forecast:
    """Predict the peak memory of a fit on a CPU by the method's formula, `Method.memory`; arguments as for `fit`."""
    kind, name = kind_of(data), str(getattr(data, "name", None) or "graph")
    kind.check(data)
    preset, config = configure(method, preset, name, overrides)
    return Forecast(method, name, preset, expected_mib(method, config, kind, data), available_mib())


def expected_mib(method: str, config: Config, kind: Kind, data: Any) -> float:
    """Return the peak that a method's formula gives for data."""
    return METHODS.get(method).memory(config, kind.sizes(data) | kind.shape(data)) / MIB


def refuse_if_too_large(method: str, config: Config, kind: Kind, data: Any) -> None:
    """Raise a UserError with both numbers where a fit would take more memory than there is."""
    needed, free = expected_mib(method, config, kind, data), available_mib()
    if needed > free:
        raise UserError(
            f"training {method} needs about {needed:,.0f} MiB and {free:,.0f} MiB are available; a smaller dim or "
            "fewer negatives (negatives='uniform' with a k) need less"
        )


def available_mib() -> float:
    """Return the memory that this process can still have: the machine's, or less where a control group limits it."""
    free, (root, words) = [psutil.virtual_memory().available], _GROUPS
    own = [line.split(":", 2)[2].lstrip("/") for line in words.read_text().splitlines()] if words.exists() else []
    for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        for folder in {root / part / place for part in ("", "memory") for place in ("", *own)}:
            try:
                free.append(int((folder / limit).read_text()) - int((folder / used).read_text()))
            except (OSError, ValueError):  # no such group, or "max": no limit
                continue
    return max(min(free), 0) / MIB
