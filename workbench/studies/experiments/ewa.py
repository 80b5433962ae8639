"""EWA: experts in training that are averaged at each step, against dense tuning and averages of other kinds."""

from typing import Any

from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import UNTRAINED, arm, best, plain

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "averaged at each step": ("averaged-experts", {}),
    "averaged at the end, b = 0": ("averaged-experts", {"plan_b": 0.0}),
    f"averaged at each step{UNTRAINED}": ("averaged-experts", {"base": ""}),
    "moving average": ("moving-average", {}),
    "dropout": ("dropout", {}),
}


@EXPERIMENTS.register("ewa")
def ewa(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm."""
    measured = plain(seed)
    for name, (plan, settings) in ARMS.items():
        measured |= arm(name, best(plan, seed, **settings))
    return measured
