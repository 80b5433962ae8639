"""DCL against InfoNCE by the size of the batch, and by number of negatives and temperature on a graph."""

from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from workbench.contrast import Contrast
from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.objectives.infonce import dcl as decoupled
from workbench.objectives.infonce import infonce
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import codes, linear, trained

ROWS, SMALL, LARGE = 900, 32, 256
NEGATIVES, TAUS = (5, 49, 199), (0.1, 0.5)  # each counts twice, once a view


def share(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
    """Return q = U / (exp(s+) + U) of each anchor without a gradient [rows], the geometric mean of both directions."""
    return (decoupled(contrast, u, v) - infonce(contrast, u, v)).exp().detach()


@EXPERIMENTS.register("dcl")
def dcl(seed: int) -> dict[str, float]:
    """Return accuracies on digits by batch and objective, with both controls, and what goes with q on Cora."""
    draw, data = torch.Generator().manual_seed(seed), load_graph("digits-placed")
    chosen = torch.randperm(len(data.x), generator=draw)[:ROWS]
    rows = Rows(x=data.x[chosen], y=data.y[chosen])

    def shuffled(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
        q = share(contrast, u, v)[torch.randperm(len(u), generator=draw)]
        return (q * decoupled(contrast, u, v)).mean()

    def faster(contrast: Contrast, u: Tensor, v: Tensor) -> Tensor:
        return infonce(contrast, u, v).mean() / share(contrast, u, v).mean()

    def descent(model: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    coupled, free = {"objective": "infonce"}, {"objective": "dcl"}
    arms: dict[str, dict[str, Any]] = {
        "InfoNCE, batch 32": coupled,
        "DCL, batch 32": free,
        "q shuffled, batch 32": {"loss": shuffled},
        "InfoNCE, batch 256": {**coupled, "batch_size": LARGE},
        "DCL, batch 256": {**free, "batch_size": LARGE},
        "SGD, InfoNCE": {**coupled, "optimiser": descent},
        "SGD, DCL": {**free, "optimiser": descent},
        "SGD, InfoNCE with the rate by mean q": {"loss": faster, "optimiser": descent},
    }
    shared: dict[str, Any] = {"epochs": 10, "channels": 8, "batch_size": SMALL, "tau": 0.1}
    found = {
        arm: linear(codes(trained("simclr", rows, seed, **shared | settings), rows), rows.y, seed)
        for arm, settings in arms.items()
    }
    gap = {name: found[f"{name}, batch 256"] - found[f"{name}, batch 32"] for name in ("InfoNCE", "DCL")}
    found |= {f"gap of {name}": value for name, value in gap.items()}
    return found | on_cora(seed)


def on_cora(seed: int) -> dict[str, float]:
    """Return the rank correlation of q with DCL's gain over the cells, turned round, and the cell of E2Neg."""
    graph, cells = load_graph("cora"), []
    for k in NEGATIVES:
        for tau in TAUS:
            settings: dict[str, Any] = {
                "epochs": 15,
                "lr": 1e-2,
                "dim": 32,
                "projection": 32,
                "tau": tau,
                "negatives": "uniform",
                "k": k,
            }
            coupled, free = (
                trained("grace", graph, seed, **settings, objective=objective) for objective in ("infonce", "dcl")
            )
            with torch.no_grad():
                kept = coupled.step(coupled.inputs).kept
                q = float(share(kept["contrast"], *kept["projections"]).mean())
            gain = [linear(codes(model, graph), graph.y, seed) for model in (free, coupled)]
            cells.append((k, tau, q, *gain))
    table = torch.tensor(cells)
    near = table[(table[:, 0] == 49) & (table[:, 1] == 0.5)][0]
    correlation = spearmanr(table[:, 2], table[:, 3] - table[:, 4]).statistic
    return {
        "Cora: minus the rank correlation of q and gain": -float(correlation),
        "Cora, 98 negatives, tau 0.5: DCL": float(near[3]),
        "Cora, 98 negatives, tau 0.5: InfoNCE": float(near[4]),
        **{f"Cora: q at {2 * k} negatives, tau {tau}": q for k, tau, q, *_ in cells},
    }
