"""The digit that a first stage suppresses: a second stage within its clusters against a second first stage."""

from typing import Any

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import DRAW, codes, held_out, linear, picked, some, told, trained

ROWS, DIM = 1200, 64
CLUSTERS = {"MCL": 10, "two first stages": 1}


def learned(arm: str, seed: int, **point: Any) -> tuple[Any, Rows]:
    """Return MCL of an arm after training by a point of the grid, and its rows with both digits."""
    data = load_graph("digits-two")
    chosen = some(len(data.x), ROWS, seed)
    rows = Rows(x=data.x[chosen], strong=data.strong[chosen], weak=data.weak[chosen])
    return trained("mcl", rows, seed, epochs=24, channels=8, dim=DIM, centres=CLUSTERS[arm], **point), rows


def score(arm: str, **point: Any) -> float:
    """Return how good a point of the grid is: the mean over both digits."""
    model, rows = learned(arm, DRAW, **point)
    both = codes(model, rows)
    return (held_out(both, rows.strong) + held_out(both, rows.weak)) / 2


@EXPERIMENTS.register("mcl")
def mcl(seed: int) -> dict[str, float]:
    """Return accuracies of both digits by the first stage and by two, and the percentage of rows that were skipped."""
    found = {}
    for arm in CLUSTERS:
        model, rows = learned(arm, seed, **picked("mcl", arm, score))
        both = codes(model, rows)
        for digit in ("strong", "weak"):
            found[f"{digit}, {arm}"] = linear(both, rows[digit], seed, 0.5)
            if arm == "MCL":
                found[f"{digit}, first stage"] = linear(both[:, :DIM], rows[digit], seed, 0.5)
        if arm == "MCL":
            found["rows skipped"] = 100 * float(model.skipped().float().mean())
    return found | told("mcl")
