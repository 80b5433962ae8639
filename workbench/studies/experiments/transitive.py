"""Positives that follow from two relations, against both relations and random pairs of the same precision."""

from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from workbench.contrast.measures import label_precision
from workbench.contrast.positives import composition, nearest, shifted
from workbench.datasets.arrays import Rows
from workbench.datasets.synthetic.canvases import placed
from workbench.methods.arrays.simclr import SimCLR, SimCLRConfig
from workbench.randomness import Randomness
from workbench.studies.experiments import EXPERIMENTS
from workbench.studies.experiments.training import picked, pool, told

DIGITS, PLACES, EPOCHS = 200, 3, 40


@EXPERIMENTS.register("transitive")
def transitive(seed: int) -> dict[str, float]:
    """Return the accuracy of each source of positives, and how many in a hundred of its pairs are of one class."""
    (rows, labels, _), arms, parts = drawn(seed)
    precision = {f"precision, {name}": 100 * label_precision(pairs, labels) for name, pairs in parts.items()}
    measured = {arm: _accuracy(arm, seed, **picked("transitive", arm, score)) for arm in arms}
    return measured | precision | {"raw pixels": _near(rows.x.flatten(1).numpy(), seed)} | told("transitive")


def score(arm: str, draw: int, **point: Any) -> float:
    """Return how good a point of the grid is."""
    return _accuracy(arm, draw, **point)


@cache
def drawn(seed: int) -> tuple[tuple[Rows, np.ndarray, np.ndarray], dict[str, sp.csr_matrix], dict[str, sp.csr_matrix]]:
    """Return rows with their labels and which are known, the pairs of each arm, and those that they consist of."""
    draw, digits = np.random.default_rng(seed), load_digits()
    which = np.repeat(draw.permutation(pool(len(digits.target), seed))[:DIGITS], PLACES)
    labels, rows = digits.target[which], Rows(x=torch.from_numpy(placed(digits.images[which] / 16, draw)).float())
    inter, intra = (sp.csr_matrix(source(rows, Randomness(seed))) for source in (nearest, shifted))
    found = composition(inter, intra)
    parts = {"inter": inter, "intra": intra, "composed": found, "random": _like(found, labels, draw)}
    union = inter + intra
    arms = {"inter": inter, "intra": intra, "union": union}
    arms |= {"union and composed": union + found, "union and random": union + parts["random"]}
    half = np.isin(which, np.unique(which)[draw.permutation(DIGITS) < DIGITS // 2])
    return (rows, labels, half), arms, parts


def _like(pairs: sp.csr_matrix, labels: np.ndarray, draw: np.random.Generator) -> sp.csr_matrix:
    """Return pairs with a random item of the second one's class in its place."""
    first, second = pairs.nonzero()
    undrawn = np.ones(len(first), bool)
    while undrawn.any():
        for label in np.unique(labels):
            there = undrawn & (labels[second] == label)
            second[there] = draw.choice(np.flatnonzero(labels == label), there.sum())
        undrawn = first == second
    return sp.csr_matrix((np.ones(len(first), np.float32), (first, second)), pairs.shape)


def _accuracy(arm: str, seed: int, **point: Any) -> float:
    """Return what `_near` says of an arm once trained."""
    (rows, _, _), arms, _ = drawn(seed)
    torch.manual_seed(seed)
    config = SimCLRConfig(channels=8, dim=32, batch_size=0, shift=0, **point)
    method = SimCLR(config, rows, Randomness(seed))
    method.positive_pairs.matrix = (arms[arm] > 0).astype(np.float32)  # type: ignore[union-attr] # SimCLR has them
    optimiser = method.optimiser()
    for _ in range(EPOCHS):
        method.update(method.step(rows), optimiser)
    with torch.no_grad():
        return _near(method.encoder.embed(rows).numpy(), seed)


def _near(codes: np.ndarray, seed: int) -> float:
    """Return how many in a hundred of the other half's digits have their class by the five nearest of one half."""
    (_, labels, half), _, _ = drawn(seed)
    model = KNeighborsClassifier(5, metric="cosine").fit(codes[half], labels[half])
    return 100 * float(model.score(codes[~half], labels[~half]))
