"""Hydra against SupCon on digits, and digits that neither saw."""

from typing import Any

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.evaluation.quality import quality
from workbench.evaluation.scores import evaluate
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"epochs": 20, "channels": 8, "dim": 32, "projection": 32, "tau": 0.1}
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "SupCon": ("simclr", {"positives": "class", "objective": "supcon"}),
    "Hydra": ("hydra", {}),
    "random gates": ("hydra", {"gates": "random"}),
}


@EXPERIMENTS.register("hydra")
def hydra(seed: int) -> dict[str, float]:
    """Return the effective rank of the learned digits' embedding, and accuracy on unseen digits."""
    data, measured = load_graph("digits-placed"), {}
    seen, unseen = (Rows(x=data.x[rows], y=data.y[rows], name="digits") for rows in (data.y < 7, data.y >= 7))
    for arm, (method, more) in ARMS.items():
        run = fit(method, seen, "quick", seed, progress=False, **SHARED, **more)
        measured[f"effective rank, {arm}"] = quality(run.embeddings).effective_rank
        scores = evaluate(run.encode(unseen), unseen, splits=3, progress=False)
        measured[f"unseen digits, {arm}"] = scores.accuracy.mean
    return measured
