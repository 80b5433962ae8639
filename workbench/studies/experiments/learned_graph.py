"""InfoMGF's graph of several relations, against the relations and graphs that need no training."""

from functools import cache
from typing import Any

from workbench.datasets.loading import load_graph
from workbench.evaluation.learned_graphs import graphs_compared
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit
from workbench.training.run import Run


@cache
def learned() -> tuple[Run, Any]:
    """Return the one training whose graph is looked at, and its data."""
    data = load_graph("acm")
    return fit("infomgf", data, "quick", progress=False), data


@EXPERIMENTS.register("learned-graph")
def learned_graph(seed: int) -> dict[str, float]:
    """Return the measures of a fresh network, whose weights the seed draws, along each graph."""
    found = graphs_compared(*learned(), trainings=1, seed=seed)
    measures = {"macro_f1": "macro F1", "micro_f1": "micro F1"}
    return {f"{row['graph']} | {name}": row[key] for _, row in found.iterrows() for key, name in measures.items()}
