"""Tasks of yes and no: a logistic regression on frozen embeddings for each, and the area under its ROC curve."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from workbench.datasets.labels import numbers_of, tasks_of
from workbench.evaluation import logistic, regression
from workbench.evaluation.embeddings import Features
from workbench.evaluation.splits import Split

Answers = NDArray[np.float64]  # 0, 1, or NaN where nobody knows [items, tasks]


@threadpool_limits.wrap(limits=1)
def per_split(
    x: Features, tasks: Answers, names: Sequence[str], parts: Iterable[Split], grid: Sequence[float]
) -> pd.DataFrame:
    """Return what `Scores.per_split` has, a row a split: the mean over tasks of the AUC in percent, and each task's.

    A task counts whose known answers are of both kinds in the training and in the test part. One C is for all: the
    least of those whose mean AUC on the validation part is highest.

    Args:
        x: embeddings [items, dim]. tasks: see `Answers`. names: of the tasks, none for their numbers.
        parts: with a validation part. grid: values of C to choose from, ascending.
    """
    names = names or [str(column) for column in range(tasks.shape[1])]
    x = np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64)
    rows = []
    for split in parts:
        assert split.validation is not None
        deviation, mean = x[split.train].std(axis=0), x[split.train].mean(axis=0)
        z, answers = (x - mean) / np.where(deviation > 0, deviation, 1), tasks[split.train]
        block, used = logistic.reduce(z[split.train]), np.isfinite(answers)
        both = np.array([len(np.unique(part[known])) == 2 for part, known in zip(answers.T, used.T, strict=True)])
        path = logistic.path(block.rows, np.where(answers == 1, 1.0, -1.0), used.astype(np.float64), grid)
        best, chosen, areas = -np.inf, grid[0], list[float]()
        for strength, solved in zip(grid, path, strict=True):
            weights = block.weights(solved)
            tuned, tested = (
                _areas(z[part] @ weights[:-1] + weights[-1], tasks[part], both)
                for part in (split.validation, split.test)
            )
            score = np.nan_to_num(_mean(tuned), nan=-1.0)  # the least C where the validation part says nothing
            if score > best:
                best, chosen, areas = score, strength, tested
        row = {"auc": _mean(areas), "tasks": int(np.isfinite(areas).sum()), "C": chosen}
        row |= {f"auc {name}": area for name, area in zip(names, areas, strict=True)}
        rows.append(row | {part: len(getattr(split, part)) for part in ("train", "validation", "test")})
    return pd.DataFrame(rows).rename_axis("split")


def _areas(scores: Answers, answers: Answers, learned: NDArray[np.bool_]) -> list[float]:
    """Return the AUC of each task in percent, NaN where it was not `learned` or not both answers are known [tasks]."""
    found = []
    for said, wanted, there in zip(scores.T, answers.T, learned, strict=True):
        known = np.isfinite(wanted)
        both = there and len(np.unique(wanted[known])) == 2
        found.append(100 * float(roc_auc_score(wanted[known], said[known])) if both else np.nan)
    return found


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan


class Targets(NamedTuple):
    """How several targets of an item are read and scored, and by what measures."""

    read: Callable[[Any], NDArray[np.float64]]
    per_split: Callable[..., pd.DataFrame]
    measures: tuple[str, ...]


# By the name of their probe.
TARGETS = {
    "ridge": Targets(numbers_of, regression.per_split, regression.MEASURES),
    "auc": Targets(tasks_of, per_split, ("auc",)),
}
