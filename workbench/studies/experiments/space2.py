"""Similarities of module paths against sub-packages as positives of GRACE, on functions whose path was not seen."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score
from sklearn.preprocessing import normalize

from workbench.contrast.trees import tree_similarities
from workbench.datasets import load_graph
from workbench.datasets.kinds import kind_of
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import DRAW, picked, reserved, told
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"epochs": 30, "dim": 64, "projection": 64, "objective": "supcon"}
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
    return {arm: ranked(arm, seed, **picked("space2", arm, score, draws=1)) for arm in ARMS} | told("space2")


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is."""
    return ranked(arm, draw, **point)


def parts(functions: int, seed: int) -> list[NDArray[np.int64]]:
    """Return functions seen, asked for and ranked: from `DRAW` on those asked for are reserved, else never."""
    order, held = np.random.default_rng(seed).permutation(functions), reserved(functions)
    free, count = order[~held[order]], int(SEEN * functions)
    queries = order[held[order]][:QUERIES] if seed >= DRAW else free[count : count + QUERIES]
    return [free[:count], queries, free[count + QUERIES :]]


def ranked(arm: str, seed: int, **point: Any) -> float:
    """Return nDCG of an arm by a point of the grid."""
    graph = load_graph("pydocs").clone()
    seen, queries, others = parts(len(graph.y), seed)
    similar = tree_similarities(kind_of(graph).targets(graph, "paths").numpy(), 0.01)
    graph.train_mask = torch.from_numpy(np.isin(np.arange(len(graph.y)), seen))
    run = fit("grace", graph, "quick", seed, progress=False, **SHARED | ARMS[arm] | point)
    rows = normalize(run.embeddings.numpy())
    relevant = similar[queries][:, others].toarray()
    return float(np.mean(ndcg_score(relevant, rows[queries] @ rows[others].T, k=FIRST)))
