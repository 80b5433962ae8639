"""SupReMix against SupCon on bins, weights without mixes and squared error, on patients and on nodes by PageRank."""

from functools import cache, partial
from typing import Any

import networkx
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler, normalize
from torch import Tensor, nn
from torch_geometric.utils import to_networkx

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.encoders.rows import RowEncoder
from workbench.methods import configure
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import DRAW, attributes, picked, reserved, told
from workbench.training.fit import fit

SHARED: dict[str, Any] = {"channels": 8, "dim": 32, "projection": 32}
BINS, SEEN, CORA = 10, 0.6, "Cora: "
# Noise would drown attributes; there are six times as many steps in an epoch on Cora, hence fewer epochs.
STANDS: dict[str, dict[str, Any]] = {"": {"epochs": 60}, CORA: {"epochs": 20, "noise": 0.0}}
LEARNED = "SupReMix", "weights without mixes", "SupCon on bins", "squared error"


@EXPERIMENTS.register("supremix")
def supremix(seed: int) -> dict[str, float]:
    """Return Spearman's correlation of distances, and the error of ridge regression, of rows not learned on."""
    return measured("", seed) | measured(CORA, seed) | told("supremix")


@cache
def numbered(stand: str) -> Rows:
    """Return patients, or nodes of Cora with the standardised logarithm of their PageRank as y."""
    if stand != CORA:
        return load_graph("diabetes")
    graph = load_graph("cora")
    ranks = networkx.pagerank(to_networkx(graph))
    y = torch.tensor([ranks[node] for node in range(len(ranks))]).log()
    return Rows(x=attributes(graph).x, y=(y - y.mean()) / y.std())


def measured(stand: str, seed: int) -> dict[str, float]:
    """Return what is measured of each arm on patients or on nodes."""
    data, found = numbered(stand), dict[str, float]()
    seen, asked = parts(len(data.y), seed)
    for arm in (*LEARNED, "raw measurements"):
        rows = data.x
        if arm in LEARNED:
            among = ("lr",) if arm == "squared error" else ("tau", "lr")
            point = picked("supremix", stand + arm, partial(score, stand), among)
            rows = learned(arm, seed, stand, seen, **point)
        near = pdist(normalize(rows.numpy()[asked]))
        found[f"{stand}Spearman, {arm}"] = spearmanr(near, pdist(data.y[asked][:, None])).statistic
        found[f"{stand}ridge error, {arm}"] = _ridge_error(rows.numpy(), data.y.numpy(), seen, asked)
    return found


def parts(rows: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of the rows learned on and of those measured: from `DRAW` on those reserved, else no such."""
    order, held = np.random.default_rng(seed).permutation(rows), reserved(rows)
    free, count = order[~held[order]], int(SEEN * rows)
    if seed >= DRAW:
        return free[:count], np.flatnonzero(held)
    return np.concatenate([np.flatnonzero(held), free[: count - held.sum()]]), free[count - held.sum() :]


def score(stand: str, arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is: minus the error of ridge regression."""
    data = numbered(stand)
    seen, asked = parts(len(data.y), draw)
    return -_ridge_error(
        learned(arm.removeprefix(CORA), draw, stand, seen, **point).numpy(), data.y.numpy(), seen, asked
    )


def learned(arm: str, seed: int, stand: str, seen: NDArray[np.int64], **point: Any) -> Tensor:
    """Return codes of all rows after training on those seen, by a point of the grid [rows, dim]."""
    data, point = numbered(stand), STANDS[stand] | point
    x, y, every = data.x[seen], data.y[seen], Rows(x=data.x)
    if arm == "squared error":
        return _regressed(Rows(x=x, y=y), every, seed, **point)
    method, rows = "supremix", Rows(x=x, y=y, name="patients")
    more: dict[str, Any] = {} if arm == "SupReMix" else {"mixes": 0}
    if arm == "SupCon on bins":
        edges = torch.quantile(y, torch.linspace(0, 1, BINS + 1)[1:-1])
        method, more = "simclr", {"positives": "class", "objective": "supcon"}
        rows = Rows(x=x, y=torch.bucketize(y, edges), name="bins")
    return fit(method, rows, "quick", seed, progress=False, **SHARED | more | point).encode(every)


def _ridge_error(
    rows: NDArray[np.float32], y: NDArray[np.float32], seen: NDArray[np.int64], asked: NDArray[np.int64]
) -> float:
    """Return the mean absolute error on rows that are asked for of a ridge regression on those seen."""
    scaler = StandardScaler().fit(rows[seen])
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(scaler.transform(rows[seen]), y[seen])
    return float(np.abs(ridge.predict(scaler.transform(rows[asked])) - y[asked]).mean())


def _regressed(learned: Rows, every: Rows, seed: int, **point: Any) -> Tensor:
    """Return what the same encoder makes of every row once a linear layer behind it has learned numbers [rows, dim]."""
    config: Any = configure("supremix", "quick", "patients", SHARED | point)[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = RowEncoder({"features": learned.x.shape[1]}, config.channels, config.dim, nn.Identity())
        last = nn.Linear(config.dim, 1)
    weights, wanted = [*encoder.parameters(), *last.parameters()], ((y := learned.y.float()) - y.mean()) / y.std()
    adam, generator = torch.optim.Adam(weights, config.lr), torch.Generator().manual_seed(seed)
    steps = -(-len(wanted) // config.batch_size)  # as many as the others
    for _ in range(config.epochs):
        for ids in torch.randperm(len(wanted), generator=generator).tensor_split(steps):
            loss = (last(encoder(config.view(learned.x[ids], generator)))[:, 0] - wanted[ids]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    with torch.no_grad():
        return encoder.embed(every)
