"""SepCLR's halves of an embedding, by four probes, against SimCLR's split at random and itself without a term."""

import tempfile
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from workbench.datasets.arrays import Rows
from workbench.datasets.loading import load_graph
from workbench.errors import Collapse
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit

ROWS, EPOCHS, DIM = 600, 120, 32
ARMS: dict[str, dict[str, Any]] = {"SepCLR": {}, "no entropy": {"entropy": 0.0}, "no null": {"null": 0.0}}
SHARED: dict[str, Any] = {"epochs": EPOCHS, "channels": 8, "batch_size": 150, "lr": 5e-3}


@EXPERIMENTS.register("sepclr")
def sepclr(seed: int) -> dict[str, float]:
    """Return the four probes and the sum of the gaps of each arm, and the salient lengths of both populations."""
    draw, whole = np.random.default_rng(seed), load_graph("digits-stripes")
    some = torch.from_numpy(draw.permutation(len(whole.y))[:ROWS])
    data = Rows(**{key: whole[key][some] for key in ("x", "y", "target", "overlay")})
    order, found = torch.from_numpy(draw.permutation(2 * DIM)), {}
    with tempfile.TemporaryDirectory() as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", Collapse)  # factors that are null have a low rank
        shared: dict[str, Any] = {"seed": seed, "store": store, "progress": False, **SHARED}
        codes = {arm: fit("sepclr", data, dim=DIM, **shared, **more).embeddings for arm, more in ARMS.items()}
        codes["SimCLR"] = fit("simclr", data, dim=2 * DIM, head="none", **shared).embeddings[:, order]
    length = codes["SepCLR"][:, DIM:].norm(dim=1)
    found["5 % of the length, target"] = 0.05 * float(length[data.target].mean())
    found["length, background"] = float(length[~data.target].mean())
    for arm, rows in codes.items():
        probes = _probes(rows[:, :DIM], rows[:, DIM:], data, seed)
        found |= {f"{name}, {arm}": value for name, value in probes.items()}
        low = probes["common digit"] + probes["salient overlay"]
        found[f"gaps, {arm}"] = 200 - low + probes["common overlay"] - 25 + probes["salient digit"] - 10
    return found | {"70 % of the gaps, SimCLR": 0.7 * found["gaps, SimCLR"]}


def _probes(common: Tensor, salient: Tensor, data: Rows, seed: int) -> dict[str, float]:
    """Return how well a half tells a digit or a kind of stripes, in %."""
    every = torch.ones_like(data.target)
    return {
        f"{half} {what}": _accuracy(codes[rows].numpy(), labels[rows].numpy(), seed)
        for half, codes in (("common", common), ("salient", salient))
        for what, labels, rows in (("digit", data.y, every), ("overlay", data.overlay, data.target))
    }


def _accuracy(x: np.ndarray, labels: np.ndarray, seed: int) -> float:
    seen, asked, known, wanted = train_test_split(x, labels, test_size=0.5, random_state=seed, stratify=labels)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(seen, known)
    return 100 * float(model.score(asked, wanted))
