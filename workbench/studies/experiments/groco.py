"""Group ordering against InfoNCE over all others, and over the same ten of them."""

from typing import Any

import torch
from sklearn.neighbors import KNeighborsClassifier

from workbench.datasets import load_graph
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, held_out, nearest, picked, told, trained

ARMS = {
    "GroCo": {"name": "groco"},
    "InfoNCE of all": {"name": "infonce"},
    "InfoNCE of the same ten": {"name": "groco", "loss": "ratio"},
}


def learned(arm: str, seed: int, **point: Any) -> Any:
    """Return SimCLR of an arm after training by a point of the grid."""
    data = load_graph("digits-placed")
    return trained("simclr", data, seed, objective=ARMS[arm], epochs=20, channels=8, **point)


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is, by neighbours as the accuracy."""
    data = load_graph("digits-placed")
    rows = codes(learned(arm, draw, **point), data)
    return held_out(rows, data.y, KNeighborsClassifier(20, metric="cosine"))


@EXPERIMENTS.register("groco")
def groco(seed: int) -> dict[str, float]:
    """Return of each arm how many in a hundred of the ten others come before the positive, and the accuracy."""
    data, found = load_graph("digits-placed"), {}
    for arm in ARMS:
        among = ("lr",) if arm == "GroCo" else ("tau", "lr")  # its order has no temperature
        model = learned(arm, seed, **picked("groco", arm, score, among))
        with torch.no_grad():
            u, v = (torch.nn.functional.normalize(model.project(view), dim=1) for view in model.views(model.inputs))
        others = (u @ u.T).fill_diagonal_(-1).topk(10, 1).values
        found[f"inversions, {arm}"] = 100 * float((others > (u * v).sum(1, keepdim=True)).float().mean())
        found[f"accuracy, {arm}"] = nearest(codes(model, data), data.y, seed)
    return found | {"accuracy, raw pixels": nearest(data.x.flatten(1), data.y, seed)} | told("groco")
