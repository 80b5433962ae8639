"""CACR, InfoNCE and DCL on as many digits of each kind and on unequally many; CACR without its weights on Cora."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import (
    attributes,
    codes,
    held_out,
    linear,
    picked,
    raw,
    told,
    trained,
)

RATIO, MOST = 0.05, 170  # the smallest kind by the largest, rows of that
UNEQUAL = [round(MOST * RATIO ** (place / 9)) for place in range(10)]
SETS = {"balanced": [sum(UNEQUAL) // 10] * 10, "imbalanced": UNEQUAL}

ARMS: dict[str, dict[str, Any]] = {
    "CACR": {"objective": "cacr", "views": 4},
    "InfoNCE": {},
    "InfoNCE of 4 views": {"views": 4},
    "DCL at the matching tau": {"objective": "dcl", "views": 4},
}

ON_CORA: dict[str, dict[str, Any]] = {
    "CACR": {"name": "cacr"},
    "without weights of positives": {"name": "cacr", "attraction": 0.0},
    "without weights of negatives": {"name": "cacr", "weighted": False},
    "without either": {"name": "cacr", "attraction": 0.0, "weighted": False},
    "InfoNCE of 4 views": {"name": "infonce"},
}


def learned(arm: str, seed: int, sizes: list[int], **point: Any) -> torch.Tensor:
    """Return codes of all digits after training on so many of each kind, by a point of the grid."""
    data, draw = load_graph("digits-placed"), torch.Generator().manual_seed(seed)
    kinds, own = torch.randperm(10, generator=draw).tolist(), torch.Generator().manual_seed(seed)
    chosen = torch.cat([some(data.y, kind, size, own) for kind, size in zip(kinds, sizes, strict=True)])
    settings: dict[str, Any] = {"epochs": 15, "channels": 8, "batch_size": 128, **ARMS[arm], **point}
    return codes(trained("simclr", Rows(x=data.x[chosen]), seed, **settings), data)


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is: the mean over both sets, so that a drop is not one of settings."""
    y = load_graph("digits-placed").y
    return sum(held_out(learned(arm, draw, sizes, **point), y) for sizes in SETS.values()) / len(SETS)


def best(arm: str) -> dict[str, float]:
    """Return the point of an arm; t- of CACR is 1 / (2 tau), so that DCL matches it by its tau, and picks the rate."""
    if arm != "DCL at the matching tau":
        return picked("cacr", arm, score, draws=1)
    tau = best("CACR")["tau"]
    return {"tau": tau} | picked("cacr", arm, partial(score, tau=tau), ("lr",), draws=1)


@EXPERIMENTS.register("cacr")
def cacr(seed: int) -> dict[str, float]:
    """Return what each arm loses in accuracy on all digits when it learns from kinds of unequal number."""
    data, found = load_graph("digits-placed"), {}
    for arm in ARMS:
        for name, sizes in SETS.items():
            found[f"{arm}, {name}"] = linear(learned(arm, seed, sizes, **best(arm)), data.y, seed)
        found[f"drop of {arm}"] = found[f"{arm}, balanced"] - found[f"{arm}, imbalanced"]
    beside = {
        "raw pixels": raw(data, seed),
        "Cora, raw attributes | accuracy": raw(attributes(load_graph("cora")), seed),
    }
    return found | on_cora(seed) | beside | told("cacr")


def some(y: torch.Tensor, kind: int, size: int, draw: torch.Generator) -> torch.Tensor:
    """Return rows of a kind at random [size]."""
    rows = (y == kind).nonzero()[:, 0]
    return rows[torch.randperm(len(rows), generator=draw)[:size]]


def on_attributes(arm: str, seed: int, **point: Any) -> Any:
    """Return SimCLR of an arm on Cora's attributes, by a point of the grid."""
    objective = ON_CORA[arm.removeprefix("Cora, ")]
    settings: dict[str, Any] = {"epochs": 20, "channels": 8, "dim": 32, "projection": 32, "batch_size": 512, "views": 4}
    settings |= {"hide": 0.3, "noise": 0.0, "objective": objective, **point}
    return trained("simclr", attributes(load_graph("cora")), seed, **settings)


def score_on_cora(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is on Cora."""
    rows = attributes(load_graph("cora"))
    return held_out(codes(on_attributes(arm, draw, **point), rows), rows.y)


def on_cora(seed: int) -> dict[str, float]:
    """Return the accuracy of each arm, and how even CACR's weights would be at what it has learned."""
    rows, found = attributes(load_graph("cora")), dict[str, float]()
    for arm in (f"Cora, {name}" for name in ON_CORA):
        # Where negatives have no weights, no temperature is left in the repulsion.
        among = ("lr",) if arm in ("Cora, without weights of negatives", "Cora, without either") else ("tau", "lr")
        model = on_attributes(arm, seed, **picked("cacr", arm, score_on_cora, among, draws=1))
        found[f"{arm} | accuracy"] = linear(codes(model, rows), rows.y, seed)
        with torch.no_grad():
            views = model.step(next(iter(model.batches()))).kept["projections"]
        # One temperature for all, else more even weights might be its own.
        positives, negatives = evenness(views, picked("cacr", "Cora, CACR", score_on_cora, draws=1)["tau"])
        found |= {f"{arm} | evenness, positives": positives, f"{arm} | evenness, negatives": negatives}
    return found


def evenness(views: tuple[Tensor, ...], tau: float) -> tuple[float, float]:
    """Return the mean entropy of CACR's weights of the first view's positives and negatives, by that of even ones.

    Args:
        views: projections [rows, dim] each. tau: t- is 1 / (2 tau); t+ is 1.
    """
    first, *others = (normalize(view, dim=1) for view in views)
    costs = torch.stack([2 - 2 * (first * view).sum(1) for view in others], 1)
    itself = torch.eye(len(first), dtype=torch.bool)
    nearness = torch.stack([(first @ view.T / tau)[~itself].view(len(first), -1) for view in others], 1).flatten(1)
    entropies = (torch.distributions.Categorical(logits=logits).entropy().mean() for logits in (costs, nearness))
    whole = (torch.tensor(float(part.shape[1])).log() for part in (costs, nearness))
    one, two = (float(entropy / most) for entropy, most in zip(entropies, whole, strict=True))
    return one, two
