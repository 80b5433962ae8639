"""SwAV on Cora against GRACE, without Sinkhorn's algorithm, and against labels of k-means."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from workbench.contrast.negatives.context import SamplingContext
from workbench.datasets import load_graph
from workbench.methods import Step
from workbench.methods.nodes.swav import SwAV
from workbench.randomness import Randomness
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, linear, trained

PROTOTYPES = 64


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


@EXPERIMENTS.register("swav")
def swav(seed: int) -> dict[str, float]:
    """Return the accuracy of each arm, and which percentage of the prototypes no node is nearest to."""
    graph, found = load_graph("cora"), {}
    shared: dict[str, Any] = {"epochs": 20, "lr": 1e-2, "dim": 64, "projection": 64}
    arms: dict[str, Any] = {"SwAV": {}, "no Sinkhorn": {"iterations": 0}, "k-means labels": {}}
    for arm, settings in arms.items():
        method = Labelled if arm == "k-means labels" else SwAV
        model = trained(method, graph, seed, **shared, **settings, prototypes=PROTOTYPES)
        found[f"accuracy, {arm}"] = linear(codes(model, graph), graph.y, seed)
        with torch.no_grad():
            used = len(model.details()["cluster"].unique())
        found[f"unused prototypes, {arm}"] = 100 * (1 - used / PROTOTYPES)
    model = trained("grace", graph, seed, **shared)
    return found | {"accuracy, GRACE": linear(codes(model, graph), graph.y, seed)}
