"""Accuracy on validation parts: what settings are chosen by, so that nothing is chosen on a test part."""

from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import cache, probes, protocols
from workbench.evaluation.embeddings import Embeddings, labels_of, matrix_of
from workbench.evaluation.protocols import Split
from workbench.evaluation.scores import VERSION, Measure


def parts_of(data: Any, protocol: str | None = None, splits: int = 10, seed: int = 0) -> list[Split]:
    """Return splits whose test parts were given up: in place of each stands the validation part once more.

    Raises:
        UserError: an unknown protocol, one that has no validation part, or data that it can't split.
    """
    rules = protocols.of(kind_of(data), protocol)
    parts = rules.splits(data, splits, seed) if rules.probe == "logistic" else []
    held = [Split(part.train, part.validation, part.validation) for part in parts if part.validation is not None]
    if not held:
        raise UserError(
            f"protocol {rules.name!r} chooses no C on a validation part, so settings can't be chosen by it; "
            "'random-10-10-80' and 'public' do, on nodes"
        )
    return held


def validation(
    run_or_embeddings: Embeddings, data: Any, protocol: str | None = None, splits: int = 10, seed: int = 0
) -> Measure:
    """Return the accuracy in percent on the validation parts of a protocol, mean over the splits.

    It is the accuracy by which the protocol's own probe chooses C, hence a little too high, for all settings alike.
    Labels outside of the training and validation parts are not looked at. What is asked of a stored run is kept beside
    it.

    Args:
        run_or_embeddings: a run, or a matrix [items, dim].
        data: what the run was trained on, with its labels.
        protocol: one that fits logistic regression and has a validation part. splits: how many. seed: of the splits.

    Raises:
        UserError: as for `parts_of`, or data that are not the run's.
    """
    rules, parts = protocols.of(kind_of(data), protocol), parts_of(data, protocol, splits, seed)
    labels, x = labels_of(data), matrix_of(run_or_embeddings, data)
    used = [np.concatenate([part.train, part.test]) for part in parts]

    def compute() -> dict[str, Any]:
        rows, accuracy = normalize(x) if rules.normalise else x, []
        for part, nodes in zip(parts, used, strict=True):
            known = np.full(labels.size, -1)
            classes, known[nodes] = np.unique(labels[nodes], return_inverse=True)
            told = probes.fast(rows, known, part, classes.size, rules.grid)
            accuracy.append(100 * float((told.classes == known[part.test]).mean()))
        return {"accuracy": accuracy}

    if path := getattr(run_or_embeddings, "path", None):
        asked = {"version": VERSION, "protocol": rules.name, "splits": splits, "seed": seed}
        asked |= {"embeddings": cache.digest(x), "parts": cache.digest(*used, *(labels[nodes] for nodes in used))}
        found = cache.scores(path / "validation", asked, False, compute)["accuracy"]
    else:
        found = compute()["accuracy"]
    spread = float(np.std(found, ddof=1)) if len(found) > 1 else np.nan
    return Measure(float(np.mean(found)), spread, f"sample std over {len(found)} validation parts of one embedding")
