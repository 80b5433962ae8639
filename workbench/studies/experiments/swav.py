"""SwAV on Cora against GRACE, without Sinkhorn's algorithm, and against labels of k-means."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.contrast.negatives.context import SamplingContext
from workbench.datasets import load_graph
from workbench.methods import Step
from workbench.methods.nodes.swav import SwAV
from workbench.randomness import Randomness
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import by_class, codes, held_out, linear, picked, raw, told, trained

PROTOTYPES = 64
ARMS: dict[str, dict[str, Any]] = {"SwAV": {}, "no Sinkhorn": {"iterations": 0}, "k-means labels": {}, "GRACE": {}}


class Labelled(SwAV):
    """SwAV whose targets are k-means clusters of the attributes, found once, in place of assignments."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        clusters = SamplingContext(self.inputs).clusters(PROTOTYPES, Randomness(self.randomness.seed))[0]
        self.register_buffer("clusters", torch.from_numpy(clusters))

    def step(self, batch: Any) -> Step:
        """Predict the cluster of each node from either view."""
        u, v = super().step(batch).kept["projections"]
        both = [cross_entropy(self.scores(view) / self.config.tau, self.clusters) for view in (u, v)]  # type: ignore
        return Step({"clusters": (both[0] + both[1]) / 2})


def learned(arm: str, seed: int, **point: Any) -> Any:
    """Return the method of an arm after training by a point of the grid."""
    settings: dict[str, Any] = {"epochs": 20, "dim": 64, "projection": 64, **ARMS[arm], **point}
    settings |= {} if arm == "GRACE" else {"prototypes": PROTOTYPES}
    methods: dict[str, Any] = {"GRACE": "grace", "k-means labels": Labelled}
    return trained(methods.get(arm, SwAV), load_graph("cora"), seed, **settings)


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is."""
    graph = load_graph("cora")
    return held_out(codes(learned(arm, draw, **point), graph), graph.y)


@EXPERIMENTS.register("swav")
def swav(seed: int) -> dict[str, float]:
    """Return the accuracy of each arm, and which percentage of the prototypes no node is nearest to."""
    graph, found = load_graph("cora"), dict[str, float]()
    for arm in ARMS:
        model = learned(arm, seed, **picked("swav", arm, score))
        rows = codes(model, graph)
        found[f"accuracy, {arm}"] = linear(rows, graph.y, seed)
        if arm in ("SwAV", "GRACE"):
            found |= _by_class(arm, rows, graph.y, seed)
        if arm != "GRACE":
            with torch.no_grad():
                used = len(model.details()["cluster"].unique())
            found[f"unused prototypes, {arm}"] = 100 * (1 - used / PROTOTYPES)
    return found | {"accuracy, raw attributes": raw(graph, seed)} | told("swav")


def _by_class(arm: str, rows: Tensor, labels: Tensor, seed: int) -> dict[str, float]:
    """Return the accuracy of each class, the largest class first: prototypes are used alike by force."""
    each = by_class(rows, labels, seed)
    order = torch.bincount(labels).argsort(descending=True).tolist()
    return {f"class {place} by size, {arm}": float(each[kind]) for place, kind in enumerate(order, start=1)}
