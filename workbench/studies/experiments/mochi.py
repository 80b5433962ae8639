"""Mixed negatives against none, as many real ones and a lower temperature; whose children they are on a graph."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from workbench.contrast import Contrast
from workbench.contrast.measures import false_parents
from workbench.contrast.ratio import log_negatives
from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.objectives.infonce import infonce
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, linear, trained

ROWS, MIXED, COLD = 900, 32, 1e-3
NONE = {"name": "mixing", "synthetic": 0, "harder": 0}
BOTH = {"name": "mixing", "warm_up": 10}


def more(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return InfoNCE with the hardest negatives of each anchor, which come first, once more."""
    assert contrast.candidates is not None
    return infonce(replace(contrast, candidates=contrast.candidates[:, [*range(64), *range(MIXED)]]), u, v).mean()


@EXPERIMENTS.register("mochi")
def mochi(seed: int) -> dict[str, float]:
    """Return of each arm the accuracy of the proxy task and of a linear probe; on Cora whose the parents are."""
    data, found = load_graph("digits-placed"), {}
    chosen = torch.randperm(len(data.x), generator=torch.Generator().manual_seed(seed))[:ROWS]
    rows = Rows(x=data.x[chosen], y=data.y[chosen])
    arms: dict[str, dict[str, Any]] = {
        "InfoNCE": {"negatives": NONE},
        "MoCHi": {"negatives": BOTH},
        "as many real": {"negatives": NONE, "loss": more},
        "lower temperature": {"negatives": NONE, "tau": 0.1},
    }
    for arm, settings in arms.items():
        model = trained("simclr", rows, seed, **{"epochs": 12, "channels": 8, "tau": 0.2, "k": 64} | settings)
        found[f"accuracy, {arm}"] = linear(codes(model, rows), rows.y, seed)
        steps = [model.step(batch).kept for batch in model.batches()]
        found[f"proxy accuracy, {arm}"] = sum(proxy(one["contrast"], *one["projections"]) for one in steps) / len(steps)
    return found | on_cora(seed)


@torch.no_grad()
def proxy(contrast: Contrast, u: Tensor, v: Tensor) -> float:
    """Return the percentage of anchors whose positive is nearer than each of their negatives, mixed ones included."""
    nearest = COLD * log_negatives(replace(contrast, tau=COLD), u, v)
    return 100 * float((cosine_similarity(u, v) > nearest).float().mean())


def on_cora(seed: int) -> dict[str, float]:
    """Return accuracies, and the percentage of mixed negatives with a parent of the anchor's class, by pool."""
    graph, found = load_graph("cora"), {}
    for pool, negatives in (("none", NONE), ("all", BOTH), ("far", {**BOTH, "hops": 3})):
        settings: dict[str, Any] = {"epochs": 15, "lr": 1e-2, "dim": 32, "projection": 32, "tau": 0.4, "k": 32}
        model = trained("grace", graph, seed, **settings, negatives=negatives)
        found[f"Cora: accuracy, mixed among {pool}"] = linear(codes(model, graph), graph.y, seed)
        mixed = model.step(model.inputs).kept["contrast"].mixed
        if mixed is not None:
            found[f"Cora: same class, {pool}"] = 100 * false_parents(mixed, graph.y)
    return found
