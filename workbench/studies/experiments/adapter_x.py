"""Adapter-X: one library of adapters for all blocks, against one adapter, one for each block, and random routing."""

from math import log
from typing import Any

from workbench.adaptation.blocks import entropy
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import arm, best, table

# Ranks are such that all train 5,865 to 5,928 numbers, but for the control: the library itself without a router.
ARMS: dict[str, dict[str, Any]] = {
    "one adapter": {"adapters": 1, "rank": 41, "prompts": 0},
    "one for each block": {"adapters": 1, "rank": 10, "prompts": 0, "library": "separate"},
    "library": {"adapters": 4, "rank": 8, "prompts": 0},
    "library with prompts": {"adapters": 4, "rank": 4, "prompts": 4},
    "library, random routing": {"adapters": 4, "rank": 8, "prompts": 0, "routing": "random"},
}


@EXPERIMENTS.register("adapter-x")
def adapter_x(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm, and how evenly a library is used."""
    measured: dict[str, float] = {}
    for name, settings in ARMS.items():
        run = best("adapter-library", seed, **{f"plan_{option}": value for option, value in settings.items()})
        measured |= arm(name, run)
        if settings["adapters"] > 1:
            load = run.details["load"].sum(0)
            measured |= table(name, {"entropy of the load": entropy(load / load.sum()) / log(len(load))})
    return measured
