"""DCL against InfoNCE by the size of the batch, and by number of negatives and temperature on a graph."""

from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from workbench.contrast import Contrast
from workbench.datasets import load_graph
from workbench.objectives.infonce import dcl as decoupled
from workbench.objectives.infonce import infonce
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, digits, held_out, linear, picked, raw, told, trained

ROWS, SMALL, LARGE = 900, 32, 256
NEGATIVES, TAUS = (5, 49, 250, None), (0.1, 0.2, 0.5)  # each counts twice, once a view; None for all others


def share(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return q = U / (exp(s+) + U) of each anchor without a gradient [rows], the geometric mean of both directions."""
    return (decoupled(contrast, u, v) - infonce(contrast, u, v)).exp().detach()


def arms(draw: torch.Generator) -> dict[str, dict[str, Any]]:
    """Return the settings of each arm on digits."""

    def shuffled(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
        q = share(contrast, u, v)[torch.randperm(len(u), generator=draw)]
        return (q * decoupled(contrast, u, v)).mean()

    def faster(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
        return infonce(contrast, u, v).mean() / share(contrast, u, v).mean()

    def descent(model: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    coupled, free = {"objective": "infonce"}, {"objective": "dcl"}
    return {
        "InfoNCE, batch 32": coupled,
        "DCL, batch 32": free,
        "q shuffled, batch 32": {"loss": shuffled},
        "InfoNCE, batch 256": {**coupled, "batch_size": LARGE},
        "DCL, batch 256": {**free, "batch_size": LARGE},
        "SGD, InfoNCE": {**coupled, "optimiser": descent},
        "SGD, DCL": {**free, "optimiser": descent},
        "SGD, InfoNCE with the rate by mean q": {"loss": faster, "optimiser": descent},
    }


def learned(arm: str, seed: int, **point: Any) -> tuple[Tensor, Tensor]:
    """Return codes and labels of digits, or of Cora where the arm is E2Neg, after training by a point of the grid."""
    if arm.startswith("E2Neg: "):
        graph, objective = load_graph("cora"), arm.removeprefix("E2Neg: ")
        return codes(trained("e2neg", graph, seed, dim=256, objective=objective, **point), graph), graph.y
    rows = digits(ROWS, seed)
    shared: dict[str, Any] = {"epochs": 10, "channels": 8, "batch_size": SMALL, "tau": 0.1}
    settings = arms(torch.Generator().manual_seed(seed))[arm]
    return codes(trained("simclr", rows, seed, **shared | settings | point), rows), rows.y


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is."""
    return held_out(*learned(arm, draw, **point))


@EXPERIMENTS.register("dcl")
def dcl(seed: int) -> dict[str, float]:
    """Return accuracies on digits by batch and objective, with both controls, and what goes with q on Cora."""
    found = {}
    for arm in [*arms(torch.Generator()), "E2Neg: infonce", "E2Neg: dcl"]:
        # What is asked of SGD is what its rate does, which has to be one for all of its arms.
        point = {} if arm.startswith("SGD") else picked("dcl", arm, score)
        found[arm] = linear(*learned(arm, seed, **point), seed)
    gap = {name: found[f"{name}, batch 256"] - found[f"{name}, batch 32"] for name in ("InfoNCE", "DCL")}
    found |= {f"gap of {name}": value for name, value in gap.items()}
    beside = {"raw pixels": raw(digits(ROWS, seed), seed), "Cora: raw attributes": raw(load_graph("cora"), seed)}
    return found | on_cora(seed) | beside | told("dcl")


def on_cora(seed: int) -> dict[str, float]:
    """Return the rank correlation of q with DCL's gain over the cells, turned round, and the cell of E2Neg."""
    graph, cells = load_graph("cora"), []  # by one rate: temperature is what differs between the cells
    for k in NEGATIVES:
        for tau in TAUS:
            settings: dict[str, Any] = {
                "epochs": 15,
                "lr": 1e-2,
                "dim": 32,
                "projection": 32,
                "tau": tau,
            }
            settings |= {} if k is None else {"negatives": "uniform", "k": k}
            coupled, free = (
                trained("grace", graph, seed, **settings, objective=objective) for objective in ("infonce", "dcl")
            )
            with torch.no_grad():
                kept = coupled.step(coupled.inputs).kept
                q = share(kept["contrast"], *kept["projections"])
            gain = [linear(codes(model, graph), graph.y, seed) for model in (free, coupled)]
            cells.append((len(graph.y) - 1 if k is None else k, tau, float(q.mean()), *gain, float(q.std())))
    table = torch.tensor(cells)
    near = table[(table[:, 0] == 49) & (table[:, 1] == 0.5)][0]
    correlation = spearmanr(table[:, 2], table[:, 3] - table[:, 4]).statistic
    return {
        "Cora: minus the rank correlation of q and gain": -float(correlation),
        "Cora, 98 negatives, tau 0.5: DCL": float(near[3]),
        "Cora, 98 negatives, tau 0.5: InfoNCE": float(near[4]),
        **{f"Cora: q at {2 * k} negatives, tau {tau}": q for k, tau, q, *_ in cells},
        **{f"Cora: deviation of q at {2 * k} negatives, tau {tau}": last for k, tau, *_, last in cells},
    }
