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
from workbench.studies.experiments.training import picked, reserved, some, told
from workbench.training.fit import fit

ROWS, EPOCHS, DIM = 600, 120, 32
ARMS: dict[str, dict[str, Any]] = {"SepCLR": {}, "no entropy": {"entropy": 0.0}, "no null": {"null": 0.0}, "SimCLR": {}}
SHARED: dict[str, Any] = {"epochs": EPOCHS, "channels": 8, "batch_size": 150}


@EXPERIMENTS.register("sepclr")
def sepclr(seed: int) -> dict[str, float]:
    """Return the four probes and the sum of the gaps of each arm, and the salient lengths of both populations."""
    data, found = drawn(seed), dict[str, float]()
    asked = torch.from_numpy(~reserved(ROWS))
    for arm in ARMS:
        rows = learned(arm, seed, **picked("sepclr", arm, score, _among(arm), draws=1))
        if arm == "SepCLR":
            length = rows[:, DIM:].norm(dim=1)
            found["5 % of the length, target"] = 0.05 * float(length[data.target].mean())
            found["length, background"] = float(length[~data.target].mean())
        found |= {f"{name}, {arm}": value for name, value in _probes(rows, data, asked, seed).items()}
    return found | {"70 % of the gaps, SimCLR": 0.7 * found["gaps, SimCLR"]} | told("sepclr")


def _among(arm: str) -> tuple[str, ...]:
    """Return what an arm picks: the kernels of SepCLR have no temperature."""
    return ("tau", "lr") if arm == "SimCLR" else ("lr",)


def drawn(seed: int) -> Rows:
    """Return rows of both populations."""
    whole = load_graph("digits-stripes")
    chosen = torch.from_numpy(some(len(whole.y), ROWS, seed))
    return Rows(**{key: whole[key][chosen] for key in ("x", "y", "target", "overlay")})


def learned(arm: str, seed: int, **point: Any) -> Tensor:
    """Return codes of an arm by a point of the grid, the common half first; those of SimCLR in a random order."""
    with tempfile.TemporaryDirectory() as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", Collapse)  # factors that are null have a low rank
        shared: dict[str, Any] = {"seed": seed, "store": store, "progress": False, **SHARED, **ARMS[arm], **point}
        if arm != "SimCLR":
            return fit("sepclr", drawn(seed), dim=DIM, **shared).embeddings
        order = torch.from_numpy(np.random.default_rng(seed).permutation(2 * DIM))
        return fit("simclr", drawn(seed), dim=2 * DIM, head="none", **shared).embeddings[:, order]


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is: minus the gaps, over some halves of the few rows that are reserved."""
    rows, held = learned(arm, draw, **point), torch.from_numpy(reserved(ROWS))
    return -float(np.mean([_probes(rows, drawn(draw), held, half)["gaps"] for half in range(5)]))


def _probes(codes: Tensor, data: Rows, asked: Tensor, seed: int) -> dict[str, float]:
    """Return how well each half tells a digit or a kind of stripes of rows that are asked for, in %, and the gaps."""
    found = {
        f"{half} {what}": _accuracy(part[rows].numpy(), labels[rows].numpy(), seed)
        for half, part in (("common", codes[:, :DIM]), ("salient", codes[:, DIM:]))
        for what, labels, rows in (("digit", data.y, asked), ("overlay", data.overlay, asked & data.target))
    }
    low = found["common digit"] + found["salient overlay"]
    return found | {"gaps": 200 - low + found["common overlay"] - 25 + found["salient digit"] - 10}


def _accuracy(x: np.ndarray, labels: np.ndarray, seed: int) -> float:
    seen, asked, known, wanted = train_test_split(x, labels, test_size=0.5, random_state=seed, stratify=labels)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(seen, known)
    return 100 * float(model.score(asked, wanted))
