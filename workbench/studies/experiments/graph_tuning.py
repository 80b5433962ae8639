"""Plain adaptations of a graph transformer from one graph to another, beside what trains nothing."""

from functools import cache
from typing import Any

from sklearn.linear_model import LogisticRegression

from workbench.evaluation.baselines import propagated
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import PLAIN, UNTRAINED, arm, best, data, floor, table
from workbench.training.fit import fit

FROM, TO = "pydocs:svd=64", "cora:svd=64"
LABELS, STEPS, BLOCKS = 20, 40, 2
ARMS = {"input layer" if name == "probe" else name: plain for name, plain in PLAIN.items()}  # which each of them trains


@cache
def pretrained(**settings: Any) -> str:
    """Return where the encoder lies that has learned by contrast on the other graph."""
    form: dict[str, Any] = {"encoder": "graph-transformer", "layers": BLOCKS, "dim": 64}
    return str(fit("grace", data(FROM), "quick", progress=False, **form, **settings).path)


@EXPERIMENTS.register("graph-tuning")
def graph_tuning(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each arm, with and without pretraining, and the accuracies of two floors."""
    measured: dict[str, float] = {}
    shared: dict[str, Any] = {"input": "new", "labels": LABELS, "epochs": STEPS}
    for told, base in (("", pretrained()), (UNTRAINED, pretrained(epochs=0))):
        for name, (plan, settings) in ARMS.items():
            run = best(plan, seed, TO, base=base, **shared, **settings)
            measured |= arm(name + told, run, TO)
    attributes = {"attributes": data(TO).x.numpy(), "attributes, two hops": propagated(data(TO))}
    for name, rows in attributes.items():
        model = LogisticRegression(C=1e3, max_iter=10_000)  # rows are small: their length is 1 at most
        measured |= table(f"logistic regression of {name}", {"accuracy": floor(model, rows, run, TO)})
    return measured
