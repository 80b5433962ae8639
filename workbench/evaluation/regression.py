"""Numbers an item: ridge regressions on frozen embeddings, one a target."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

from workbench.evaluation.embeddings import Features
from workbench.evaluation.splits import Split

MEASURES = ("r2", "nmae")


@threadpool_limits.wrap(limits=1)
def per_split(
    x: Features, numbers: NDArray[np.float64], names: Sequence[str], parts: Iterable[Split], grid: Sequence[float]
) -> pd.DataFrame:
    """Return what `Scores.per_split` has, a row a split: R² and NMAE in percent, means over targets, and each NMAE.

    A target that is constant in the training part is left out of the means, which are NaN where all are.

    Args:
        x: embeddings [items, dim].
        numbers: NaN where one isn't known [items, targets].
        names: of the targets, none for their numbers.
        parts: without a validation part.
        grid: penalties to choose from, ascending.
    """
    names = names or [str(column) for column in range(numbers.shape[1])]
    x = np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64)
    rows = []
    for split in parts:
        told, errors = [], []
        deviation, mean = x[split.train].std(axis=0), x[split.train].mean(axis=0)
        rows_of = (x - mean) / np.where(deviation > 0, deviation, 1)
        for y in numbers.T:
            train, test = (part[np.isfinite(y[part])] for part in (split.train, split.test))
            spread = y[train].std() if len(train) else 0.0
            if not spread or len(test) < 2 or not y[test].std():
                told.append(np.nan)
                errors.append(np.nan)
                continue
            model = RidgeCV(alphas=grid).fit(rows_of[train], (y[train] - y[train].mean()) / spread)
            away = y[test] - y[train].mean() - spread * model.predict(rows_of[test])
            errors.append(100 * np.abs(away).mean() / spread)
            told.append(100 * (1 - (away**2).mean() / y[test].var()))
        rows.append({"r2": _mean(told), "nmae": _mean(errors)})
        rows[-1] |= {f"nmae {name}": error for name, error in zip(names, errors, strict=True)}
        rows[-1] |= {"train": split.train.size, "validation": 0, "test": split.test.size}
    return pd.DataFrame(rows).rename_axis("split")


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan
