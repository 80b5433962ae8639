"""Group ordering against InfoNCE over all others, and over the same ten of them."""

import torch

from workbench.datasets import load_graph
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, nearest, trained

ARMS = {
    "GroCo": {"name": "groco"},
    "InfoNCE of all": {"name": "infonce"},
    "InfoNCE of the same ten": {"name": "groco", "loss": "ratio"},
}


@EXPERIMENTS.register("groco")
def groco(seed: int) -> dict[str, float]:
    """Return of each arm how many in a hundred of the ten others come before the positive, and the accuracy."""
    data, found = load_graph("digits-placed"), {}
    for arm, objective in ARMS.items():
        model = trained("simclr", data, seed, objective=objective, epochs=20, channels=8)
        with torch.no_grad():
            u, v = (torch.nn.functional.normalize(model.project(view), dim=1) for view in model.views(model.inputs))
        others = (u @ u.T).fill_diagonal_(-1).topk(10, 1).values
        found[f"inversions, {arm}"] = 100 * float((others > (u * v).sum(1, keepdim=True)).float().mean())
        found[f"accuracy, {arm}"] = nearest(codes(model, data), data.y, seed)
    return found
