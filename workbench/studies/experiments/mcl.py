"""The digit that a first stage suppresses: a second stage within its clusters against a second first stage."""

import torch

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, linear, trained

ROWS, DIM = 1200, 64


@EXPERIMENTS.register("mcl")
def mcl(seed: int) -> dict[str, float]:
    """Return accuracies of both digits by the first stage and by two, and the percentage of rows that were skipped."""
    data = load_graph("digits-two")
    chosen = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(seed))[:ROWS]
    rows, found = Rows(x=data.x[chosen]), {}
    for arm, clusters in (("MCL", 10), ("two first stages", 1)):
        model = trained("mcl", rows, seed, epochs=24, channels=8, dim=DIM, centres=clusters)
        both = codes(model, rows)
        for digit in ("strong", "weak"):
            labels = data[digit][chosen]
            found[f"{digit}, {arm}"] = linear(both, labels, seed, 0.5)
            if arm == "MCL":
                found[f"{digit}, first stage"] = linear(both[:, :DIM], labels, seed, 0.5)
        if arm == "MCL":
            found["rows skipped"] = 100 * float(model.skipped().float().mean())
    return found
