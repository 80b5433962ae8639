"""Arms of a comparison: trainings that differ in one thing, scored alike, and what can be said of them over seeds."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation import BASELINES, evaluate, paired_difference, propagated
from workbench.training.fit import fit

UNTRAINED, PROPAGATED = "untrained encoder", BASELINES.get("propagated").label
MARGIN = 1.0  # percentage points within which two arms count as equally good


def run(
    graph: Data,
    method: str,
    arms: Mapping[str, Mapping[str, Any]],
    seeds: int,
    preset: str,
    protocol: str,
    splits: int,
    store: str | Path | None = None,
    progress: bool = True,
    **overrides: Any,
) -> pd.DataFrame:
    """Train a method in several arms over several seeds and score all under one protocol on the same splits.

    Args:
        graph: the graph with its labels, which no arm sees in training.
        method, preset: what is trained.
        arms: by name, the parameters in which an arm differs.
        seeds: training seeds 0, 1, ..., at least 2 for an interval.
        protocol: name of a protocol. splits: how many of it.
        store: folder of runs, from which an interrupted call goes on.
        progress: show a bar for each training.
        **overrides: parameters that differ from the preset in all arms.

    Returns:
        One row an arm and seed, and one for each floor: graph, arm, seed, accuracy and macro F1 (mean over the splits,
        percent), spread over splits (percentage points), epochs, seconds (training), preset, protocol.

    Raises:
        UserError: what is set for all is what arms differ in, or as for `fit` and `evaluate`.
    """
    if fixed := sorted(set(overrides) & {name for arm in arms.values() for name in arm}):
        raise UserError(f"{fixed[0]!r} is what the arms differ in, so it can't be set for all of them")
    rows = [scored_row(graph, PROPAGATED, propagated(graph), protocol, splits)]
    for seed in range(seeds):
        start = fit(method, graph, preset, seed, store=store, progress=progress, **{**overrides, "epochs": 0})
        rows.append(scored_row(graph, UNTRAINED, start, protocol, splits))
        for name, given in arms.items():
            trained = fit(method, graph, preset, seed, store=store, progress=progress, **{**overrides, **given})
            if not trained.complete:
                raise UserError(f"interrupted in arm {name!r}, seed {seed}; the same call goes on from there")
            rows.append(scored_row(graph, name, trained, protocol, splits))
    return pd.DataFrame(rows).assign(preset=preset, protocol=protocol)


def scored_row(graph: Data, arm: str, scored: Any, protocol: str, splits: int) -> dict[str, Any]:
    """Score a run, or a matrix [nodes, dim], and return what is kept of it: see `workbench.studies.placebo.run`."""
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


def said(low: float, high: float) -> str:
    """Say what the interval of a difference means: "better", "worse", "equal within 1 point" or "not separable"."""
    side = "better" if low > 0 else "worse" if high < 0 else ""
    if low > -MARGIN and high < MARGIN:
        return f"{side}, by less than {MARGIN:g} point" if side else f"equal within {MARGIN:g} point"
    return side or "not separable"


def decided(low: float, high: float, word: str) -> str:
    """Decide on "as good as", "better than" or "worse than" by the interval of first - second, percentage points.

    Returns:
        "held" where the interval lies on the word's side of its bound (the margin for "as good as", else zero),
        "contradicted" where it lies on the other, else "not separable".
    """
    low, high = (-high, -low) if word == "worse than" else (low, high)
    bound = -MARGIN if word == "as good as" else 0.0
    return "held" if low > bound else "contradicted" if high < bound else "not separable"
