"""Plain adaptations of a small vision transformer, beside raw pixels and the same on an encoder never trained."""

from typing import Any

from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import arm, best, plain

ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "BitFit": ("bitfit", {}),
    "feed-forward units": ("partial", {"plan_layers": "feed-forward"}),
    "full, places never change": ("full", {"placed": False}),
}
MORE = 40  # labels per class


@EXPERIMENTS.register("tuning")
def tuning(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm, by ten labels per class, and by forty of the plain ones."""
    measured = plain(seed, labels=10)
    for name, (plan, settings) in ARMS.items():
        measured |= arm(name, best(plan, seed, labels=10, **settings))
    return measured | plain(seed, f", {MORE} labels", labels=MORE)
