"""SupReMix against SupCon on bins, weights without mixes and squared error, on patients whose label is a number."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler, normalize
from torch import Tensor, nn

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.encoders.rows import RowEncoder
from workbench.methods import configure
from workbench.studies.experiments import EXPERIMENTS
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"epochs": 60, "channels": 8, "dim": 32, "projection": 32, "tau": 0.3}
BINS = 10


@EXPERIMENTS.register("supremix")
def supremix(seed: int) -> dict[str, float]:
    """Return Spearman's correlation of distances, and the error of ridge regression, of patients not learned on."""
    data = load_graph("diabetes")
    order, y = torch.randperm(len(data.y), generator=torch.Generator().manual_seed(seed)), data.y.float()
    seen = torch.zeros(len(y), dtype=torch.bool).index_fill(0, order[: int(0.6 * len(y))], True)
    edges = torch.quantile(y[seen], torch.linspace(0, 1, BINS + 1)[1:-1])
    learned = Rows(x=data.x[seen], y=torch.bucketize(y[seen], edges), name="bins")
    numbers = Rows(x=data.x[seen], y=data.y[seen], name="patients")
    every, more = Rows(x=data.x), SHARED | {"positives": "class", "objective": "supcon"}
    runs = {
        "SupReMix": fit("supremix", numbers, "quick", seed, progress=False, **SHARED),
        "weights without mixes": fit("supremix", numbers, "quick", seed, progress=False, mixes=0, **SHARED),
        "SupCon on bins": fit("simclr", learned, "quick", seed, progress=False, **more),
    }
    embedded = {arm: run.encode(every) for arm, run in runs.items()}
    embedded |= {"squared error": _regressed(numbers, every, seed), "raw measurements": data.x}
    measured = {}
    for arm, matrix in embedded.items():
        rows, held = matrix.numpy(), ~seen.numpy()
        near = pdist(normalize(rows[held]))
        measured[f"Spearman, {arm}"] = spearmanr(near, pdist(y[~seen][:, None])).statistic
        measured[f"ridge error, {arm}"] = _ridge_error(rows, y.numpy(), held)
    return measured


def _ridge_error(rows: NDArray[np.float32], y: NDArray[np.float32], held: NDArray[np.bool_]) -> float:
    """Return the mean absolute error on held-out rows of a ridge regression on the others."""
    scaler = StandardScaler().fit(rows[~held])
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(scaler.transform(rows[~held]), y[~held])
    return float(np.abs(ridge.predict(scaler.transform(rows[held])) - y[held]).mean())


def _regressed(learned: Rows, every: Rows, seed: int) -> Tensor:
    """Return what the same encoder makes of every row once a linear layer behind it has learned numbers [rows, dim]."""
    config: Any = configure("supremix", "quick", "patients", SHARED)[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = RowEncoder({"features": learned.x.shape[1]}, config.channels, config.dim, nn.Identity())
        last = nn.Linear(config.dim, 1)
    weights, wanted = [*encoder.parameters(), *last.parameters()], ((y := learned.y.float()) - y.mean()) / y.std()
    adam, generator = torch.optim.Adam(weights, config.lr), torch.Generator().manual_seed(seed)
    for _ in range(config.epochs):
        for ids in torch.randperm(len(wanted), generator=generator).tensor_split(2):  # as many steps as the others
            loss = (last(encoder(config.view(learned.x[ids], generator)))[:, 0] - wanted[ids]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        return encoder.embed(every)
