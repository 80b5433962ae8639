"""Several labels per item: logistic regressions on frozen embeddings, one per class, and micro and macro F1 of them."""

import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from workbench.evaluation import logistic
from workbench.evaluation.embeddings import Features
from workbench.evaluation.probes import scores_of
from workbench.evaluation.splits import Split

MEASURES = ("micro_f1", "macro_f1")
Sets = NDArray[np.bool_]  # [items, classes]


@threadpool_limits.wrap(limits=1)
def per_split(
    x: Features, labels: NDArray[np.int8], parts: Iterable[Split], solver: str, grid: Sequence[float]
) -> pd.DataFrame:
    """Return what `Scores.per_split` has, one row per split, micro and macro F1 in percent.

    Args:
        x: embeddings [items, dim]. labels: 0 or 1, -1 without any [items, classes].
        parts: with a validation part, on which C is chosen by micro F1.
        solver: "fast" or "liblinear". grid: values of C to choose from, ascending; the smallest of equals is taken.
    """
    rows = []
    for split in parts:
        assert split.validation is not None
        targets, wanted = labels[split.train] > 0, labels[split.validation] > 0
        asked = x[np.concatenate([split.validation, split.test])]
        best, chosen, said = -1.0, 0.0, np.empty(0, bool)
        for strength, answers in _answers(solver, x[split.train], targets, asked, grid):
            score = _f1(wanted, answers[: len(wanted)], "micro")
            if score > best:
                best, chosen, said = score, strength, answers[len(wanted) :]
        truth = labels[split.test] > 0
        rows.append(
            {
                "micro_f1": 100 * _f1(truth, said, "micro"),
                "macro_f1": 100 * _f1(truth, said, "macro"),
                "C": chosen,
                "train": split.train.size,
                "validation": split.validation.size,
                "test": split.test.size,
                "classes_without_training_node": int((~targets.any(axis=0)).sum()),
            }
        )
    return pd.DataFrame(rows).rename_axis("split")


def _answers(
    solver: str, x: Features, targets: Sets, asked: Features, grid: Sequence[float]
) -> Iterator[tuple[float, Sets]]:
    """Yield each C and the answers [asked, classes] of what training rows with targets [rows, classes] make by it."""
    if solver == "liblinear":
        yield from ((strength, _by_liblinear(x, targets, asked, strength)) for strength in grid)
        return
    block, used = logistic.reduce(x), np.ones(targets.shape)
    constant = np.where(targets.all(axis=0), 1, np.where(targets.any(axis=0), 0, -1))  # never or always in training
    path = logistic.path(block.rows, np.where(targets, 1.0, -1.0), used, grid)
    for strength, solved in zip(grid, path, strict=True):
        yield strength, scores_of(asked, block.weights(solved), constant) > 0


def _by_liblinear(x: Features, targets: Sets, asked: Features, strength: float) -> Sets:
    model = OneVsRestClassifier(LogisticRegression(solver="liblinear", C=strength, random_state=0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
        warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
        answers: Sets = model.fit(x, targets.astype(int)).predict_proba(asked) > 0.5
    return answers


def _f1(truth: Sets, said: Sets, average: str) -> float:
    return float(f1_score(truth, said, average=average, zero_division=0))
