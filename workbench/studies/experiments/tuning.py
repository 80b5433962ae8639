"""Plain adaptations of a small vision transformer, beside raw pixels and the same on an encoder never trained."""

from typing import Any

from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import arm, best, raw, table

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "probe": ("probe", {}),
    "BitFit": ("bitfit", {}),
    "LoRA": ("lora", {"plan_rank": 4}),
    "feed-forward units": ("partial", {"plan_layers": "feed-forward"}),
    "full": ("full", {}),
    "probe, untrained encoder": ("probe", {"base": ""}),
    "LoRA, untrained encoder": ("lora", {"plan_rank": 4, "base": ""}),
    "full, untrained encoder": ("full", {"base": ""}),
    "full, places never change": ("full", {"placed": False}),
}
MORE = 40  # labels per class
WITH_MORE = ("probe", "LoRA", "full", "full, untrained encoder")


@EXPERIMENTS.register("tuning")
def tuning(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm, by ten labels per class, and by forty for some."""
    measured: dict[str, float] = {}
    for labels, names in ((10, tuple(ARMS)), (MORE, WITH_MORE)):
        more = "" if labels != MORE else f", {MORE} labels"
        for name in names:
            plan, settings = ARMS[name]
            run = best(plan, seed, labels=labels, **settings)
            measured |= arm(name + more, run)
        for name, accuracy in raw(run).items():
            measured |= table(name + more, {"accuracy": accuracy})
    return measured
