"""PixPro's places by a dense probe, against instance contrast and itself without propagation or without places."""

import tempfile
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import jaccard_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import avg_pool2d

from workbench.contrast.spectrum import effective_rank
from workbench.datasets.arrays import Rows
from workbench.datasets.loading import load_graph
from workbench.encoders.rows import STRIDE, RowEncoder
from workbench.errors import Collapse
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import picked, pool, told
from workbench.training.fit import fit
from workbench.training.run import Run

ROWS, EPOCHS = 240, 20
BACKGROUND = 10
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "PixPro": ("pixpro", {}),
    "no propagation": ("pixpro", {"exponent": 1000.0}),
    "pooled": ("pixpro", {"pooled": True}),
    "SimCLR": ("simclr", {"head": "normalised"}),
    "untrained": ("simclr", {"epochs": 0}),
}
SHARED: dict[str, Any] = {"epochs": EPOCHS, "channels": 8, "dim": 32, "batch_size": 60}
HALF = np.arange(ROWS) < ROWS // 2


def drawn(seed: int) -> tuple[Rows, np.ndarray]:
    """Return images, and the class of each of their places [rows, places]."""
    draw, whole = np.random.default_rng(seed), load_graph("digits-two")
    some = torch.from_numpy(draw.permutation(pool(len(whole.y), seed))[:ROWS])
    data = Rows(x=whole.x[some], y=whole.y[some])
    return data, _classes(data.x, whole.strong[some], whole.weak[some])


def learned(arm: str, seed: int, **point: Any) -> Run:
    """Return the run of an arm by a point of the grid."""
    method, more = ARMS[arm]
    with tempfile.TemporaryDirectory() as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", Collapse)  # which is what the effective rank shows
        return fit(method, drawn(seed)[0], None, seed, store=store, progress=False, **SHARED | more | point)


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is, by the dense probe."""
    return _overlap(learned(arm, draw, **point), *drawn(draw), HALF)


@EXPERIMENTS.register("pixpro")
def pixpro(seed: int) -> dict[str, float]:
    """Return the dense probe, the accuracy of the strong digit and the effective rank of each arm."""
    (data, places), found = drawn(seed), dict[str, float]()
    for arm in ARMS:
        among = ("tau", "lr") if arm == "SimCLR" else ("lr",)  # without negatives there is no temperature
        run = learned(arm, seed, **{} if arm == "untrained" else picked("pixpro", arm, score, among))
        found[f"IoU, {arm}"] = _overlap(run, data, places, HALF)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        codes = run.embeddings.numpy()
        model.fit(codes[HALF], data.y[HALF].numpy())
        found[f"accuracy, {arm}"] = 100 * float(model.score(codes[~HALF], data.y[~HALF].numpy()))
        found[f"effective rank, {arm}"] = effective_rank(run.embeddings)
    return found | told("pixpro")


def _classes(x: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    """Return the digit at each place that has ink, else the background [rows, places]."""
    ink = avg_pool2d((x > 0).float()[:, None], STRIDE)[:, 0] >= 0.5
    digit = torch.stack([left, right], 1).repeat_interleave(ink.shape[2] // 2, 1)[:, None]
    return torch.where(ink, digit, BACKGROUND).flatten(1).numpy()


def _overlap(run: Run, data: Rows, places: np.ndarray, half: np.ndarray) -> float:
    """Return the mean intersection over union of the classes, in %, that a linear probe finds at the other half."""
    assert isinstance(run.encoder, RowEncoder)
    with torch.no_grad():
        codes = run.encoder.places(data.x).flatten(1, 2).numpy()
    model = make_pipeline(StandardScaler(), RidgeClassifier(class_weight="balanced"))
    model.fit(np.concatenate(codes[half]), places[half].ravel())
    said = model.predict(np.concatenate(codes[~half]))
    return 100 * float(jaccard_score(places[~half].ravel(), said, average="macro"))
