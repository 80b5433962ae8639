"""Adapter-X: one library of adapters for all blocks, against one adapter, one for each block, and random routing."""

from math import log
from typing import Any

from workbench.adaptation.blocks import entropy
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import UNTRAINED, arm, best, plain, table

# Ranks are such that all train 5,865 to 5,928 numbers, but for the control: the library itself without a router.
LIBRARY = {"plan_adapters": 4, "plan_rank": 8, "plan_prompts": 0}
ARMS: dict[str, dict[str, Any]] = {
    "one adapter": {"plan_adapters": 1, "plan_rank": 41, "plan_prompts": 0},
    "one for each block": {"plan_adapters": 1, "plan_rank": 10, "plan_prompts": 0, "plan_library": "separate"},
    "library": LIBRARY,
    "library with prompts": {"plan_adapters": 4, "plan_rank": 4, "plan_prompts": 4},
    "library, random routing": LIBRARY | {"plan_routing": "random"},
    f"library{UNTRAINED}": LIBRARY | {"base": ""},
}


@EXPERIMENTS.register("adapter-x")
def adapter_x(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm, and how evenly a library is used."""
    measured = plain(seed)
    for name, settings in ARMS.items():
        run = best("adapter-library", seed, **settings)
        measured |= arm(name, run)
        if settings["plan_adapters"] > 1:
            load = run.details["load"].sum(0)
            measured |= table(name, {"entropy of the load": entropy(load / load.sum()) / log(len(load))})
    return measured
