"""What experiments share: a training without a store, and probes of codes by any labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from workbench.datasets.kinds import kind_of
from workbench.methods import METHODS, Method, Step
from workbench.randomness import Randomness


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
    """Return the rows that a probe learns from, a part of them, as many a class, and those that test it."""
    rows: list[NDArray[np.int64]] = train_test_split(
        np.arange(len(labels)), train_size=part, stratify=labels.numpy(), random_state=seed
    )
    return rows


def linear(rows: Tensor, labels: Tensor, seed: int, part: float = 0.1) -> float:
    """Return the accuracy in percent of a logistic regression that learns from a part of the rows, as many a class."""
    x, y = StandardScaler().fit_transform(rows.numpy()), labels.numpy()
    train, test = split(labels, seed, part)
    return 100 * float(LogisticRegression(max_iter=1000).fit(x[train], y[train]).score(x[test], y[test]))


def nearest(rows: Tensor, labels: Tensor, seed: int, neighbours: int = 20, part: float = 0.5) -> float:
    """Return the accuracy in percent of the nearest neighbours by cosine among a part of the rows, as many a class."""
    x, y = rows.numpy(), labels.numpy()
    train, test = split(labels, seed, part)
    model = KNeighborsClassifier(neighbours, metric="cosine").fit(x[train], y[train])
    return 100 * float(model.score(x[test], y[test]))
