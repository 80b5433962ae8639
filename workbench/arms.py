"""Arms of a comparison: trainings that differ in one thing, scored alike, and what can be said of them over seeds."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation import evaluate, paired_difference


def scored_row(graph: Data, arm: str, scored: Any, protocol: str, splits: int) -> dict[str, Any]:
    """Score a run, or a matrix [nodes, dim], and return what is kept of it: see `workbench.placebo.run`."""
    scores = evaluate(scored, graph, protocol, splits=splits, progress=False)
    trained = hasattr(scored, "history")
    return {
        "graph": str(getattr(graph, "name", "graph")),
        "arm": arm,
        "seed": scored.seed if trained else np.nan,
        "accuracy": float(scores.accuracy),
        "spread over splits": scores.accuracy.std,
        "macro F1": float(scores.macro_f1),
        "epochs": scored.epochs if trained else np.nan,
        "seconds": scored.seconds if trained else np.nan,
    }


def check_counts(seeds: int, splits: int, where: str) -> None:
    """Refuse numbers of training seeds or splits that are no whole numbers from 1."""
    for count, what in ((seeds, "training seed"), (splits, "split")):
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise UserError(f"{where} takes a whole number of {what}s, at least 1 {what}, not {count!r}")


def check_apart(rows: pd.DataFrame) -> None:
    """Refuse two rows of one graph, arm and seed: they would be averaged, or be no pair."""
    twice = rows[rows.duplicated(["graph", "arm", "seed"])]
    if len(twice):
        graph, arm = twice.iloc[0][["graph", "arm"]]
        raise UserError(
            f"arm {arm!r} of graph {graph!r} has two results for one seed; give each graph a name of its own "
            '(graph.name = "...") and pass each result once'
        )


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a graph and arm: mean accuracy over the seeds, spread over seeds and (pooled) over splits.

    Args:
        rows: what `run` returned, of one graph or several below each other.

    Raises:
        UserError: two rows of one graph, arm and seed, e.g. of two graphs without a name.
    """
    check_apart(rows)
    groups = rows.groupby(["graph", "arm"], sort=False)
    return pd.DataFrame(
        {
            "seeds": groups["seed"].count(),
            "accuracy": groups["accuracy"].mean(),
            "spread over seeds": groups["accuracy"].std(),
            "spread over splits": groups["spread over splits"].agg(lambda part: float(np.sqrt((part**2).mean()))),
            "macro F1": groups["macro F1"].mean(),
            "seconds": groups["seconds"].mean(),
        }
    ).reset_index()


def differences(rows: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return paired differences in accuracy between arms, over the seeds that both have, with 95 % t intervals.

    Args:
        rows: what `run` returned, of one graph or several below each other.
        pairs: arms to hold against each other, first minus second; a pair that is not in `rows` is left out.

    Returns:
        One row a graph and pair: graph, first, second, seeds, difference, low, high (percentage points). The interval
        is over training seeds; splits are the same in all.

    Raises:
        UserError: two rows of one graph, arm and seed, e.g. of two graphs without a name.
    """
    check_apart(rows)
    found = []
    for graph, part in rows.groupby("graph", sort=False):
        table = part.dropna(subset=["seed"]).pivot(index="seed", columns="arm", values="accuracy")
        for first, second in pairs:
            if first not in table or second not in table:
                continue
            both = table[[first, second]].dropna()
            if len(both) < 2:
                continue
            interval = paired_difference(both[first].tolist(), both[second].tolist())
            found.append({"graph": graph, "first": first, "second": second, "seeds": interval.count,
                          "difference": interval.mean, "low": interval.low, "high": interval.high})  # fmt: skip
    columns = ["graph", "first", "second", "seeds", "difference", "low", "high"]
    return pd.DataFrame(found, columns=columns)
