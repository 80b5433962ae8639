"""D-SLA's order of edited copies of graphs that its training did not see, against its untrained encoder."""

import tempfile
from typing import Any

import numpy as np

from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.loading import load_graph
from workbench.evaluation.ladders import edit_order as in_order
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit, untrained

ARMS: dict[str, dict[str, Any]] = {
    "D-SLA": {},
    "distances shuffled": {"distances": "shuffled"},
    "discriminate only": {"discrepancy": 0.0},
}


@EXPERIMENTS.register("edit-order")
def edit_order(seed: int) -> dict[str, float]:
    """Return how each arm, trained on four fifths of MUTAG, orders ladders of the others: Spearman's correlation."""
    whole = load_graph("mutag")
    order, cut = np.random.default_rng(seed).permutation(len(whole)), int(0.8 * len(whole))
    seen, unseen = (GraphSet([whole[graph] for graph in part], "mutag") for part in (order[:cut], order[cut:]))
    found = {}
    with tempfile.TemporaryDirectory() as store:
        for arm, more in ARMS.items():
            run = fit("d-sla", seen, "quick", seed, store=store, progress=False, **more)
            found[arm] = float(in_order(run.encode, unseen, seed=seed).mean())
            if not more:
                found["untrained"] = float(in_order(untrained(run, seen).encode, unseen, seed=seed).mean())
    return found
