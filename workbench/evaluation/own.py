"""The classifier that a supervised run learned by itself, scored on items whose labels its training did not see."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from workbench.errors import UserError
from workbench.evaluation.splits import Nodes, Protocol, Split

MEASURES = ("accuracy", "macro_f1")


def scored_part(run: Any, split: Split, rules: Protocol) -> Split:
    """Return the labelled items that are scored: those held out of a training, or all others that it did not learn."""
    details = getattr(run, "details", {})
    learned, held = (
        details[name].numpy() if name in details else np.zeros(0, bool) for name in ("labelled", "held_out")
    )
    if rules.probe == "held-out":
        if not held.any():
            raise UserError(
                f"protocol {rules.name!r} scores labels that a fit with holdout=true kept back; here are none"
            )
        return Split(split.train, None, split.test[held[split.test]])
    for seen in (learned, held):
        split = Split(split.train, None, split.test[~seen[split.test]] if len(seen) else split.test)
    if not split.test.size:
        raise UserError(f"protocol {rules.name!r} finds no item whose label the training did not see")
    return split


def per_run(predicted: Nodes, labels: Nodes, split: Split) -> pd.DataFrame:
    """Return the measures of a classifier in percent, a single row.

    Args:
        predicted, labels: the class of each item [items]. split: its test part is scored.
    """
    wanted, told = labels[split.test], predicted[split.test]
    macro_f1 = f1_score(wanted, told, average="macro", labels=np.unique(wanted), zero_division=0)
    row = {"accuracy": 100 * float((wanted == told).mean()), "macro_f1": 100 * float(macro_f1), "test": split.test.size}
    return pd.DataFrame([row]).rename_axis("split")
