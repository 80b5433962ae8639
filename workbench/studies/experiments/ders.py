"""DeRS: experts in place of two feed-forward units, how far they compress, and whether they were needed."""

from copy import deepcopy
from typing import Any

import torch
from torch.nn.functional import cosine_similarity

from workbench.adaptation.compression import compress
from workbench.adaptation.mixtures import Experts
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.adapting import NEW, UNTRAINED, arm, base, best, data, plain
from workbench.training.run import Run
from workbench.training.store import load

ARMS: dict[str, dict[str, Any]] = {
    "whole experts": {},
    "low rank 1": {"plan_mode": "low-rank", "plan_rank": 1},
    "low rank 4": {"plan_mode": "low-rank", "plan_rank": 4},
    "sparse, p = 0.9": {"plan_mode": "sparse", "plan_p": 0.9},
    f"whole experts{UNTRAINED}": {"base": ""},
}
SHARES, BITS = (0.0, 0.2, 0.6, 0.9, 0.99, 1.0), (8, 4, 2, 1)


@EXPERIMENTS.register("ders")
def ders(seed: int) -> dict[str, float]:
    """Return accuracy and receipt of each mode and of plain tuning, and the accuracies of compressed whole experts."""
    runs = {name: best("experts", seed, **settings) for name, settings in ARMS.items()}
    measured = plain(seed)
    for name, run in runs.items():
        measured |= arm(name, run)
    whole = runs["whole experts"]
    for name, of in (("pretrained unit", load(base()).encoder), ("mean expert", None)):
        for p in SHARES:
            measured[f"whole, {name} plus {1 - p:.2g} of the rest"] = _compressed(whole, "sparse", p, 8, of)
        for bits in BITS:
            measured[f"whole, {name} plus {bits} bits"] = _compressed(whole, "quantised", 0, bits, of)
    return measured | {"least cosine of two whole experts": _alike(whole)}


@torch.no_grad()
def _compressed(run: Run, how: Any, p: float, bits: int, of: Any) -> float:
    """Return the accuracy in percent of experts that are compressed without a further step."""
    encoder, rows = deepcopy(run.encoder), data(NEW)
    compress(encoder, how, p, bits, torch.Generator().manual_seed(run.seed), of)
    logits = encoder.eval().embed(rows) @ run.weights["head.weight"].T + run.weights["head.bias"]  # type: ignore
    return 100 * float((logits.argmax(1) == rows.y)[~run.details["labelled"]].double().mean())


def _alike(run: Run) -> float:
    """Return the least cosine of the matrices of two experts of one unit."""
    banks = [unit.bank.flat().detach() for unit in run.encoder.modules() if isinstance(unit, Experts)]
    return min(float(cosine_similarity(bank[:, None], bank[None], dim=2).min()) for bank in banks)
