"""What experiments on adaptations share: one base, few labels, and a rate that each arm chooses on labels held out."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import cross_entropy

from workbench.adaptation.base import PLANS
from workbench.adaptation.receipts import receipt
from workbench.datasets.loading import load_graph
from workbench.evaluation import evaluate
from workbench.training.fit import fit
from workbench.training.run import Run

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
OLD, NEW = "digits-placed:classes=0-4", "digits-placed:classes=5-9"
DRAWS = (100, 101)  # of labels, by which rates are chosen
PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "probe": ("probe", {}),
    "LoRA": ("lora", {"plan_rank": 4}),
    "full": ("full", {}),
}
UNTRAINED = ", untrained encoder"
data = cache(load_graph)


@cache
def base(**settings: Any) -> str:
    """Return where the encoder lies that all arms of all seeds begin with: trained on digits 0 to 4."""
    return str(fit("classifier", data(OLD), "defaults", progress=False, **settings).path)


def adapt(plan: str, seed: int, rate: float, of: str = NEW, **settings: Any) -> Run:
    """Return an adaptation of the base; the draw of labels and the order of batches follow from the seed alone.

    Args:
        plan, seed: see there. rate: of learning. of: name of the data.
        settings: that differ from the defaults, "plan_rank" for "plan.rank"; base="" begins with an untrained encoder,
            which the seed draws.
    """
    chosen: dict[str, Any] = {"base": base(), "draw": seed}
    chosen |= {name.replace("plan_", "plan."): value for name, value in settings.items()}
    return fit("adapt", data(of), "defaults", seed, lr=rate, plan=plan, progress=False, **chosen)


@cache
def rate(plan: str, of: str = NEW, **settings: Any) -> float:
    """Return the rate of an arm that is best on labels held out, over draws that no seed of an experiment has."""
    wrong = [{rate: _held_out(run, of) for rate, run in tried(plan, draw, of, **settings).items()} for draw in DRAWS]
    return min(RATES, key=lambda rate: tuple(map(sum, zip(*(draw[rate] for draw in wrong), strict=True))))


def tried(plan: str, seed: int, of: str = NEW, **settings: Any) -> dict[float, Run]:
    """Return adaptations to three quarters of few labels, one of each rate, the best on the others first."""
    runs = [adapt(plan, seed, rate, of, holdout=True, **settings) for rate in RATES]
    return {run.config.lr: run for run in in_order(runs, of)}


def in_order(runs: Iterable[Run], of: str = NEW) -> list[Run]:
    """Return runs that held labels back, the best on these first."""
    return sorted(runs, key=lambda run: _held_out(run, of))


def _held_out(run: Run, of: str) -> tuple[float, float]:
    """Return how wrong a run is on labels held out: by error, then by cross entropy, for few labels tie."""
    held, y = run.details["held_out"], data(of).y
    logits = run.embeddings[held] @ run.weights["head.weight"].T + run.weights["head.bias"]
    return float((logits.argmax(1) != y[held]).double().mean()), float(cross_entropy(logits, y[held]))


def best(plan: str, seed: int, of: str = NEW, **settings: Any) -> Run:
    """Return the adaptation to all few labels at the rate of its arm; a logistic regression by itself has none."""
    alone = PLANS.get(plan).logistic and settings.get("input") != "new"
    chosen = RATES[0] if alone else rate(plan, of, **settings)
    return adapt(plan, seed, chosen, of, **settings)


def accuracy(run: Run, of: str = NEW) -> float:
    """Return the accuracy in percent of a run's classifier on the labels that its training did not see."""
    return float(evaluate(run, data(of), "own-classifier", progress=False).accuracy)


def arm(name: str, run: Run, of: str = NEW) -> dict[str, float]:
    """Return the accuracy of an arm, and its receipt, by quantities "arm | measure"."""
    paid = receipt(run)
    measures = {
        "accuracy": accuracy(run, of),
        "rate": run.config.lr,
        "trained": paid.trained,
        "stored bytes": paid.stored_bytes,
        "FLOPs": paid.flops,
        "CPU seconds": paid.cpu_seconds,
        "peak MiB": paid.peak_mib,
    }
    return table(name, measures)


def table(name: str, measures: Mapping[str, float]) -> dict[str, float]:
    """Return measures of an arm as quantities."""
    return {f"{name} | {measure}": value for measure, value in measures.items()}


def plain(seed: int, more: str = "", **settings: Any) -> dict[str, float]:
    """Return what stands in each table: plain adaptations of the pretrained and an untrained encoder, and raw floors.

    Args:
        seed: see `adapt`. more: behind the name of each arm. settings: of all arms.
    """
    measured: dict[str, float] = {}
    for told, start in (("", {}), (UNTRAINED, {"base": ""})):
        for name, (plan, options) in PLAIN.items():
            run = best(plan, seed, **options, **settings, **start)
            measured |= arm(name + told + more, run)
    for name, accuracy in raw(run).items():
        measured |= table(name + more, {"accuracy": accuracy})
    return measured


def raw(run: Run, of: str = NEW) -> dict[str, float]:
    """Return the accuracies of two classifiers of the bare pixels that learn from the labels of a run."""
    pixels = data(of).x.flatten(1).numpy()
    floors = {"logistic regression": LogisticRegression(max_iter=10_000), "1-NN": KNeighborsClassifier(1)}
    return {f"{name} of pixels": floor(model, pixels, run, of) for name, model in floors.items()}


def floor(model: Any, rows: Any, run: Run, of: str) -> float:
    """Return the accuracy in percent of a classifier of rows that learns from the labels of a run."""
    y, seen = data(of).y.numpy(), run.details["labelled"].numpy()
    return 100 * float(model.fit(rows[seen], y[seen]).score(rows[~seen], y[~seen]))
