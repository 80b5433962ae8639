"""What experiments share: a training without a store, probes of codes by any labels, and the grid of each arm."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.datasets.loading import load_graph
from workbench.methods import METHODS, Method, Step
from workbench.randomness import Randomness

# Every arm has this grid, but where the point of an experiment is one temperature or rate.
GRID = {"tau": (0.1, 0.5), "lr": (1e-3, 1e-2)}
# The draw that settings are picked by, or the first of several, which are no seeds; the rows whose labels they look at.
DRAW, SHARE = 100, 0.2
PICKED: dict[tuple[str, str], dict[str, float]] = {}  # by experiment and arm


def picked(
    experiment: str, arm: str, score: Callable[..., float], among: tuple[str, ...] = tuple(GRID), draws: int = 3
) -> dict[str, float]:
    """Return the settings of an arm by which its score is highest over the grid; they are found once.

    Args:
        experiment, arm: whose. score: takes the arm, the draw to train with, and settings by their names, and returns
            how good that is by labels of rows that are `reserved`.
        among: settings that are tried, without "tau" where an arm has no temperature.
        draws: over how many the score is meant, from `DRAW` on; a rate that one of them favours may collapse with the
            next.
    """

    def mean(point: dict[str, float]) -> float:
        return float(np.mean([score(arm, draw, **point) for draw in range(DRAW, DRAW + draws)]))

    if (experiment, arm) not in PICKED:
        points = [dict(zip(among, values, strict=True)) for values in product(*(GRID[name] for name in among))]
        PICKED[experiment, arm] = max(points, key=mean)
    return PICKED[experiment, arm]


def told(experiment: str) -> dict[str, float]:
    """Return what was picked for the arms of an experiment, as quantities "arm | tau" and "arm | rate"."""
    arms = {arm: settings for (of, arm), settings in PICKED.items() if of == experiment}
    called = {"tau": "tau", "lr": "rate"}
    return {f"{arm} | {called[name]}": value for arm, of in arms.items() for name, value in of.items()}


def reserved(rows: int) -> NDArray[np.bool_]:
    """Return which rows settings are picked by; no seed asks a probe for their labels [rows]."""
    chosen = np.random.default_rng(DRAW).permutation(rows)[: round(SHARE * rows)]
    return np.isin(np.arange(rows), chosen)


def some(of: int, rows: int, seed: int) -> NDArray[np.int64]:
    """Return numbers of rows at random out of `of`; those reserved stand where `reserved(rows)` says [rows]."""
    order, chosen, places = np.random.default_rng(seed).permutation(of), np.empty(rows, np.int64), reserved(rows)
    there = reserved(of)[order]
    chosen[places], chosen[~places] = order[there][: places.sum()], order[~there][: (~places).sum()]
    return chosen


def pool(of: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of rows that a draw has to take some from: those reserved, or for a seed all others."""
    return np.flatnonzero(reserved(of) == (seed >= DRAW))


def held_out(rows: Tensor, labels: Tensor, model: Any = None) -> float:
    """Return the accuracy in percent of a classifier, cross-validated among the rows that are reserved alone.

    Args:
        rows: codes. labels: of them. model: the classifier; None for that of `linear`.
    """
    model = model or make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    held = reserved(len(labels))
    return 100 * float(cross_val_score(model, rows.numpy()[held], labels.numpy()[held], cv=5).mean())


def digits(count: int, seed: int) -> Rows:
    """Return so many of the digits at random places, by a draw, those reserved in their places."""
    data = load_graph("digits-placed")
    chosen = some(len(data.x), count, seed)
    return Rows(x=data.x[chosen], y=data.y[chosen])


def attributes(graph: Any) -> Rows:
    """Return as rows which words each node has, 1 for one that it has, and its class; noise of views would drown them.

    Their shares are a tenth of the noise that views of images have.
    """
    return Rows(x=(graph.x.to_dense() > 0).float(), y=graph.y)


def trained(
    method: str | type[Method],
    data: Any,
    seed: int,
    loss: Callable[..., Tensor] | None = None,
    optimiser: Callable[[Any], torch.optim.Optimizer] | None = None,
    **settings: Any,
) -> Any:
    """Return a method after its epochs.

    Args:
        method: its name, or the method. data: what it sees the inputs of. seed: master seed.
        loss: takes the contrast and projections of a step and returns what is minimised, in place of its own.
        optimiser: makes another one of the method. settings: of its configuration.
    """
    randomness = Randomness(seed)
    torch.manual_seed(randomness.integer("init"))
    kind = METHODS.get(method) if isinstance(method, str) else method
    config = kind.Config(**settings)
    model = kind(config, kind_of(data).inputs(data), randomness)
    changes = model.optimiser() if optimiser is None else optimiser(model)
    for epoch in range(config.epochs):
        model.before_epoch(epoch, changes)
        for batch in model.batches():
            step = model.step(batch)
            if loss is not None:
                step = Step({"changed": loss(step.kept["contrast"], *step.kept["projections"])})
            model.update(step, changes)
            model.after_update()
    return model


@torch.no_grad()
def codes(model: Any, data: Any) -> Tensor:
    """Return the embedding of data by a trained method [items, dim]."""
    found: Tensor = model.embed(kind_of(data).inputs(data))
    return found


def split(labels: Tensor, seed: int, part: float) -> list[NDArray[np.int64]]:
    """Return the rows that a probe learns from, a part of them, as many a class, and those that test it.

    None that is `reserved` tests it.
    """
    train, test = train_test_split(np.arange(len(labels)), train_size=part, stratify=labels.numpy(), random_state=seed)
    return [train, test[~reserved(len(labels))[test]]]


def linear(rows: Tensor, labels: Tensor, seed: int, part: float = 0.1) -> float:
    """Return the accuracy in percent of a logistic regression that learns from a part of the rows, as many a class."""
    return 100 * float(_right(rows, labels, seed, part)[0].mean())


def by_class(rows: Tensor, labels: Tensor, seed: int, part: float = 0.1) -> NDArray[np.float64]:
    """Return in percent how many of each class that regression gets right [classes]; arguments as for `linear`."""
    right, asked = _right(rows, labels, seed, part)
    return np.array([100 * right[asked == kind].mean() for kind in np.unique(labels.numpy())])


def _right(rows: Tensor, labels: Tensor, seed: int, part: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which of the rows that test it that regression gets right, and their labels."""
    x, y = StandardScaler().fit_transform(rows.numpy()), labels.numpy()
    train, test = split(labels, seed, part)
    return LogisticRegression(max_iter=1000).fit(x[train], y[train]).predict(x[test]) == y[test], y[test]


def raw(data: Any, seed: int) -> float:
    """Return the accuracy by `linear` of inputs that nothing was trained on."""
    return linear(data.x.flatten(1), data.y, seed)


def nearest(rows: Tensor, labels: Tensor, seed: int, neighbours: int = 20, part: float = 0.5) -> float:
    """Return the accuracy in percent of the nearest neighbours by cosine among a part of the rows, as many a class."""
    x, y = rows.numpy(), labels.numpy()
    train, test = split(labels, seed, part)
    model = KNeighborsClassifier(neighbours, metric="cosine").fit(x[train], y[train])
    return 100 * float(model.score(x[test], y[test]))
