"""Partial fine-tuning: do the angles of a full training say which layers to train?"""

import torch
from scipy.stats import spearmanr

from workbench.adaptation.partial import ranked, turned
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import UNTRAINED, accuracy, adapt, arm, best, plain, rate, table

K, DRAWS = 2, 5  # layers of each kind; draws of random ones
EARLY = 12  # steps, a tenth


@EXPERIMENTS.register("partial-tuning")
def partial_tuning(seed: int) -> dict[str, float]:
    """Return accuracies by layers chosen with the angles and at random, each layer's alone, and correlations."""
    full, own = best("full", seed), rate("partial", plan_layers="feed-forward")  # for whichever layers
    angles, early = turned(full), turned(adapt("full", seed, full.config.lr, epochs=EARLY))
    measured = plain(seed)
    for end in ("top", "bottom"):
        measured |= arm(f"{end} angles", adapt("partial", seed, own, plan_layers=ranked(angles, end, K)))
    fresh, other = turned(best("full", seed, base="")), rate("partial", plan_layers="feed-forward", base="")
    layers = ranked(fresh, "top", K)
    measured |= arm(f"top angles{UNTRAINED}", adapt("partial", seed, other, plan_layers=layers, base=""))
    draw = torch.Generator().manual_seed(seed)
    drawn = [adapt("partial", seed, own, plan_layers=ranked(angles, "random", K, draw)) for _ in range(DRAWS)]
    measured |= arm("random layers", drawn[0]) | {"random layers | accuracy": sum(map(accuracy, drawn)) / DRAWS}
    alone = {layer: adapt("partial", seed, own, plan_layers=layer) for layer in angles}
    for layer, run in alone.items():
        measured |= arm(f"{layer} alone", run) | table(f"{layer} alone", {"angle in degrees": angles[layer]})
    gains = [measured[f"{layer} alone | accuracy"] for layer in angles]
    ranks = {
        "angle and accuracy of a layer alone": spearmanr([*angles.values()], gains),
        f"angles after {EARLY} steps and after all": spearmanr([*early.values()], [*angles.values()]),
    }
    return measured | {f"Spearman's correlation, {what}": float(found.statistic) for what, found in ranks.items()}
