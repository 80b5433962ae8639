"""CACR, InfoNCE and DCL trained on as many digits of each kind, and on exponentially fewer of each next kind."""

from typing import Any

import torch

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, linear, trained

REPULSION, RATIO, MOST = 2.0, 0.05, 170  # the authors' t-, the smallest kind by the largest, rows of that
MATCHING = 1 / (2 * REPULSION)  # the temperature at which DCL pushes alike

ARMS: dict[str, dict[str, Any]] = {
    "CACR": {"objective": "cacr", "tau": MATCHING, "views": 4},
    "InfoNCE": {"tau": 0.2},
    "InfoNCE of 4 views": {"tau": 0.2, "views": 4},
    "DCL at the matching tau": {"objective": "dcl", "tau": MATCHING, "views": 4},
}


@EXPERIMENTS.register("cacr")
def cacr(seed: int) -> dict[str, float]:
    """Return what each arm loses in accuracy on all digits when it learns from kinds of unequal number."""
    data, draw = load_graph("digits-placed"), torch.Generator().manual_seed(seed)
    unequal = [round(MOST * RATIO ** (place / 9)) for place in range(10)]
    equal = [sum(unequal) // 10] * 10
    kinds = torch.randperm(10, generator=draw).tolist()
    found = {}
    for arm, settings in ARMS.items():
        for name, sizes in (("balanced", equal), ("imbalanced", unequal)):
            own = torch.Generator().manual_seed(seed)
            chosen = torch.cat([some(data.y, kind, size, own) for kind, size in zip(kinds, sizes, strict=True)])
            shared: dict[str, Any] = {"epochs": 15, "channels": 8, "batch_size": 128}
            model = trained("simclr", Rows(x=data.x[chosen]), seed, **shared, **settings)
            found[f"{arm}, {name}"] = linear(codes(model, data), data.y, seed)
        found[f"drop of {arm}"] = found[f"{arm}, balanced"] - found[f"{arm}, imbalanced"]
    return found


def some(y: torch.Tensor, kind: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """Return rows of a kind at random [size]."""
    rows = (y == kind).nonzero()[:, 0]
    return rows[torch.randperm(len(rows), generator=draw)[:size]]
