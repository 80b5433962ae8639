"""Similarities of module paths against sub-packages as positives of GRACE, on functions whose path was not seen."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import ndcg_score
from sklearn.preprocessing import normalize

from workbench.contrast.trees import tree_similarities
from workbench.datasets import load_graph
from workbench.datasets.kinds import kind_of
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"epochs": 30, "lr": 0.01, "dim": 64, "projection": 64, "objective": "supcon"}
ARMS: dict[str, dict[str, Any]] = {
    "similar trees": {"positives": "trees"},
    "classes": {"positives": "class"},
    "shuffled similarities": {"positives": {"name": "trees", "shuffled": True}},
    "own second view alone": {"positives": "self"},
}
SEEN, QUERIES, FIRST = 0.1, 500, 10


@EXPERIMENTS.register("space2")
def space2(seed: int) -> dict[str, float]:
    """Return how well the functions nearest to an unseen one, of all unseen ones, are those of similar module paths."""
    graph = load_graph("pydocs").clone()
    order = torch.randperm(len(graph.y), generator=torch.Generator().manual_seed(seed))
    count = int(SEEN * len(order))
    similar = tree_similarities(kind_of(graph).targets(graph, "paths").numpy(), 0.01)
    graph.train_mask = torch.zeros(len(order), dtype=torch.bool).index_fill(0, order[:count], True)
    queries, others = (part.numpy() for part in (order[count : count + QUERIES], order[count + QUERIES :]))
    relevant, measured = similar[queries][:, others].toarray(), {}
    for arm, more in ARMS.items():
        run = fit("grace", graph, "quick", seed, progress=False, **SHARED, **more)
        rows = normalize(run.embeddings.numpy())
        measured[arm] = float(np.mean(ndcg_score(relevant, rows[queries] @ rows[others].T, k=FIRST)))
    return measured
