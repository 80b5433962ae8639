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
from workbench.studies.experiments.training import codes, digits, held_out, linear, picked, raw, told, trained

ROWS, MIXED, COLD = 900, 32, 1e-3
NONE = {"name": "mixing", "synthetic": 0, "harder": 0}
BOTH = {"name": "mixing", "warm_up": 10}
POOLS = {"none": NONE, "all": BOTH, "far": {**BOTH, "hops": 3}, "centres": {**BOTH, "pool": "e2neg"}}


def more(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return InfoNCE with the hardest negatives of each anchor, which come first, once more."""
    assert contrast.candidates is not None
    return infonce(replace(contrast, candidates=contrast.candidates[:, [*range(64), *range(MIXED)]]), u, v).mean()


ARMS: dict[str, dict[str, Any]] = {
    "InfoNCE": {"negatives": NONE},
    "MoCHi": {"negatives": BOTH},
    "as many real": {"negatives": NONE, "loss": more},
    "lower temperature": {"negatives": NONE},
}


def learned(arm: str, seed: int, **point: Any) -> tuple[Any, Rows]:
    """Return SimCLR of an arm after training by a point of the grid, and its rows."""
    rows = digits(ROWS, seed)
    return trained("simclr", rows, seed, epochs=12, channels=8, k=64, **ARMS[arm], **point), rows


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is, on Cora where the arm is a pool."""
    if arm in ARMS:
        model, rows = learned(arm, draw, **point)
    else:
        model, rows = mixed(arm.removeprefix("Cora, "), draw, **point), load_graph("cora")
    return held_out(codes(model, rows), rows.y)


@EXPERIMENTS.register("mochi")
def mochi(seed: int) -> dict[str, float]:
    """Return of each arm the accuracy of the proxy task and of a linear probe; on Cora whose the parents are."""
    found = {}
    for arm in ARMS:
        if arm == "lower temperature":  # half of what InfoNCE has, at its rate: one that is picked would be no control
            point = dict(picked("mochi", "InfoNCE", score))
            point["tau"] /= 2
        else:
            point = picked("mochi", arm, score)
        model, rows = learned(arm, seed, **point)
        found[f"accuracy, {arm}"] = linear(codes(model, rows), rows.y, seed)
        steps = [model.step(batch).kept for batch in model.batches()]
        found[f"proxy accuracy, {arm}"] = sum(proxy(one["contrast"], *one["projections"]) for one in steps) / len(steps)
    beside = {"accuracy, raw pixels": raw(digits(ROWS, seed), seed)}
    beside["Cora: accuracy, raw attributes"] = raw(load_graph("cora"), seed)
    return found | on_cora(seed) | beside | told("mochi")


@torch.no_grad()
def proxy(contrast: Contrast, u: Tensor, v: Tensor) -> float:
    """Return the percentage of anchors whose positive is nearer than each of their negatives, mixed ones included."""
    nearest = COLD * log_negatives(replace(contrast, tau=COLD), u, v)
    return 100 * float((cosine_similarity(u, v) > nearest).float().mean())


def mixed(pool: str, seed: int, **point: Any) -> Any:
    """Return GRACE on Cora after training by a point of the grid, its negatives mixed among a pool."""
    settings: dict[str, Any] = {"epochs": 15, "dim": 32, "projection": 32, "k": 32, "negatives": POOLS[pool]}
    return trained("grace", load_graph("cora"), seed, **settings, **point)


def on_cora(seed: int) -> dict[str, float]:
    """Return accuracies, and the percentage of mixed negatives with a parent of the anchor's class, by pool."""
    graph, found = load_graph("cora"), {}
    for pool in POOLS:
        model = mixed(pool, seed, **picked("mochi", f"Cora, {pool}", score))
        found[f"Cora: accuracy, mixed among {pool}"] = linear(codes(model, graph), graph.y, seed)
        children = model.step(model.inputs).kept["contrast"].mixed
        if children is not None:
            found[f"Cora: same class, {pool}"] = 100 * false_parents(children, graph.y)
    return found
