"""CACR, InfoNCE and DCL trained on as many digits of each kind, and on exponentially fewer of each next kind."""

from functools import partial
from typing import Any

import torch

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import DRAW, codes, held_out, linear, picked, told, trained

RATIO, MOST = 0.05, 170  # the smallest kind by the largest, rows of that
UNEQUAL = [round(MOST * RATIO ** (place / 9)) for place in range(10)]
SETS = {"balanced": [sum(UNEQUAL) // 10] * 10, "imbalanced": UNEQUAL}

ARMS: dict[str, dict[str, Any]] = {
    "CACR": {"objective": "cacr", "views": 4},
    "InfoNCE": {},
    "InfoNCE of 4 views": {"views": 4},
    "DCL at the matching tau": {"objective": "dcl", "views": 4},
}


def learned(arm: str, seed: int, sizes: list[int], **point: Any) -> torch.Tensor:
    """Return codes of all digits after training on so many of each kind, by a point of the grid."""
    data, draw = load_graph("digits-placed"), torch.Generator().manual_seed(seed)
    kinds, own = torch.randperm(10, generator=draw).tolist(), torch.Generator().manual_seed(seed)
    chosen = torch.cat([some(data.y, kind, size, own) for kind, size in zip(kinds, sizes, strict=True)])
    settings: dict[str, Any] = {"epochs": 15, "channels": 8, "batch_size": 128, **ARMS[arm], **point}
    return codes(trained("simclr", Rows(x=data.x[chosen]), seed, **settings), data)


def score(arm: str, **point: Any) -> float:
    """Return how good a point of the grid is: the mean over both sets, so that a drop is not one of settings."""
    y = load_graph("digits-placed").y
    return sum(held_out(learned(arm, DRAW, sizes, **point), y) for sizes in SETS.values()) / len(SETS)


def best(arm: str) -> dict[str, float]:
    """Return the point of an arm; t- of CACR is 1 / (2 tau), so that DCL matches it by its tau, and picks the rate."""
    if arm != "DCL at the matching tau":
        return picked("cacr", arm, score)
    tau = best("CACR")["tau"]
    return {"tau": tau} | picked("cacr", arm, partial(score, tau=tau), ("lr",))


@EXPERIMENTS.register("cacr")
def cacr(seed: int) -> dict[str, float]:
    """Return what each arm loses in accuracy on all digits when it learns from kinds of unequal number."""
    y, found = load_graph("digits-placed").y, {}
    for arm in ARMS:
        for name, sizes in SETS.items():
            found[f"{arm}, {name}"] = linear(learned(arm, seed, sizes, **best(arm)), y, seed)
        found[f"drop of {arm}"] = found[f"{arm}, balanced"] - found[f"{arm}, imbalanced"]
    return found | told("cacr")


def some(y: torch.Tensor, kind: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """Return rows of a kind at random [size]."""
    rows = (y == kind).nonzero()[:, 0]
    return rows[torch.randperm(len(rows), generator=draw)[:size]]
