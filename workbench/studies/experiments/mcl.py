"""The digit that a first stage suppresses: a second stage within its clusters against a second first stage."""

from typing import Any

import torch

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.datasets.synthetic.canvases import WEAK
from workbench.datasets.synthetic.planting import planted
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, held_out, linear, picked, some, told, trained

ROWS, DIM = 1200, 64
NOISE = 3.0  # standard deviations of a word, else the words as they are tell both classes at 100 %
CLUSTERS, PLANTED = {"MCL": 10, "two first stages": 1}, "planted, "


def drawn(planted_words: bool, seed: int) -> Rows:
    """Return pairs of digits, or the words of two planted graphs side by side, the right ones at 30 % contrast."""
    if planted_words:
        graphs = [planted(ROWS, commonsense=0.0, seed=2 * seed + side) for side in (0, 1)]
        words = torch.cat([(graph.x - graph.x.mean(0)) / graph.x.std(0) for graph in graphs], 1)
        words += NOISE * torch.randn(words.shape, generator=torch.Generator().manual_seed(seed))
        words[:, words.shape[1] // 2 :] *= WEAK
        return Rows(x=words.float(), strong=graphs[0].y, weak=graphs[1].y)
    data = load_graph("digits-two")
    chosen = some(len(data.x), ROWS, seed)
    return Rows(x=data.x[chosen], strong=data.strong[chosen], weak=data.weak[chosen])


def learned(arm: str, seed: int, **point: Any) -> tuple[Any, Rows]:
    """Return MCL of an arm after training by a point of the grid, and its rows with both labels."""
    rows, clusters = drawn(arm.startswith(PLANTED), seed), CLUSTERS[arm.removeprefix(PLANTED)]
    return trained("mcl", rows, seed, epochs=24, channels=8, dim=DIM, centres=clusters, **point), rows


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is: the mean over both digits."""
    model, rows = learned(arm, draw, **point)
    both = codes(model, rows)
    return (held_out(both, rows.strong) + held_out(both, rows.weak)) / 2


@EXPERIMENTS.register("mcl")
def mcl(seed: int) -> dict[str, float]:
    """Return accuracies of both labels by the first stage and by two, and the percentage of rows that were skipped."""
    return measured("", seed) | measured(PLANTED, seed) | floors(seed) | told("mcl")


def floors(seed: int) -> dict[str, float]:
    """Return the accuracies of inputs that nothing was trained on."""
    stands = {stand: drawn(bool(stand), seed) for stand in ("", PLANTED)}
    return {
        f"{digit}, {stand}raw inputs": linear(rows.x.flatten(1), rows[digit], seed, 0.5)
        for stand, rows in stands.items()
        for digit in ("strong", "weak")
    }


def measured(stand: str, seed: int) -> dict[str, float]:
    """Return what is measured on digits or on planted words."""
    found = {}
    for arm in (stand + name for name in CLUSTERS):
        model, rows = learned(arm, seed, **picked("mcl", arm, score))
        both = codes(model, rows)
        for digit in ("strong", "weak"):
            found[f"{digit}, {arm}"] = linear(both, rows[digit], seed, 0.5)
            if arm == stand + "MCL":
                found[f"{digit}, {stand}first stage"] = linear(both[:, :DIM], rows[digit], seed, 0.5)
        if arm == stand + "MCL":
            found[f"{stand}rows skipped"] = 100 * float(model.skipped().float().mean())
    return found
