"""Hydra against SupCon on digits, and digits that neither saw."""

from typing import Any

import torch

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.evaluation.quality import quality
from workbench.evaluation.scores import evaluate
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import held_out, picked, reserved, told
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"epochs": 20, "channels": 8, "dim": 32, "projection": 32}
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "SupCon": ("simclr", {"positives": "class", "objective": "supcon"}),
    "Hydra": ("hydra", {}),
    "random gates": ("hydra", {"gates": "random"}),
}


def learned(arm: str, seed: int, rows: Rows, **point: Any) -> Any:
    """Return the run of an arm on rows, by a point of the grid."""
    method, more = ARMS[arm]
    return fit(method, rows, "quick", seed, progress=False, **SHARED | more | point)


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is: digits 0 to 6, of which a fifth is not learned on."""
    data = load_graph("digits-placed")
    x, y = data.x[data.y < 7], data.y[data.y < 7]
    seen = torch.from_numpy(~reserved(len(y)))
    run = learned(arm, draw, Rows(x=x[seen], y=y[seen], name="digits"), **point)
    return held_out(run.encode(Rows(x=x)), y)


@EXPERIMENTS.register("hydra")
def hydra(seed: int) -> dict[str, float]:
    """Return the effective rank of the learned digits' embedding, and accuracy on unseen digits."""
    data, measured = load_graph("digits-placed"), {}
    seen, unseen = (Rows(x=data.x[rows], y=data.y[rows], name="digits") for rows in (data.y < 7, data.y >= 7))
    for arm in ARMS:
        run = learned(arm, seed, seen, **picked("hydra", arm, score))
        measured[f"effective rank, {arm}"] = quality(run.embeddings).effective_rank
        scores = evaluate(run.encode(unseen), unseen, splits=3, progress=False)
        measured[f"unseen digits, {arm}"] = scores.accuracy.mean
    scores = evaluate(unseen.x.flatten(1), unseen, splits=3, progress=False)
    return measured | {"unseen digits, raw pixels": scores.accuracy.mean} | told("hydra")
