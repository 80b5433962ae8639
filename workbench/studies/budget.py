"""How many negatives are enough, and which? Accuracy, seconds and memory against their number, beside a random arm."""

import dataclasses
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch_geometric.data import Data
from tqdm.auto import tqdm

from workbench.config import options_of
from workbench.contrast.negatives import selection
from workbench.errors import UserError
from workbench.evaluation import propagated
from workbench.methods import METHODS, configure
from workbench.methods.base import ContrastConfig
from workbench.studies import arms
from workbench.studies.arms import MARGIN, PROPAGATED, UNTRAINED, said, scored_row, summary
from workbench.training.fit import fit
from workbench.training.run import Run

ALL = "all"
SHARED, EACH = "uniform", "uniform-each"  # random arms: one list for all anchors, and a list for each
KS = (4, 16, 64, 256)
# What is claimed, and between which arms of the same number of negatives it is decided.
CLAIMS = (
    ("a few negatives, redrawn, are as good as all", SHARED, "as good as", ALL),
    ("a few negatives of each anchor's own are as good as all", EACH, "as good as", ALL),
    ("a few negatives are better than all", EACH, "better than", ALL),
    ("topologically coupled negatives hurt", "hop-near", "worse than", EACH),
    ("far negatives are better than random ones", "hop-far", "better than", EACH),
    ("representative centres are better than random ones", "e2neg", "better than", "random-centres"),
    ("a set that stays the same is as good as a redrawn one", "random-centres", "as good as", SHARED),
)


def run(
    graph: Data,
    strategies: Sequence[str] = ("hop-far", "hop-near"),
    ks: Sequence[int] = KS,
    seeds: int = 5,
    method: str = "grace",
    preset: str = "quick",
    objectives: Sequence[str] = ("infonce",),
    protocol: str = "random-10-10-80",
    splits: int = 10,
    store: str | Path | None = None,
    progress: bool = True,
    **overrides: Any,
) -> pd.DataFrame:
    """Train a method with negatives of several strategies and numbers, over several seeds, and score all alike.

    Beside them stand all negatives and two placebos of the same number, redrawn each epoch: uniform ones that all
    anchors share, and uniform ones for each anchor. Each training is a stored run, so an interrupted call goes on where
    it stopped when it is asked again.

    Args:
        graph: the graph with its labels, which no training sees.
        strategies: names of strategies; "all", "uniform" and "uniform-each" are added.
        ks: numbers of negatives of an anchor (nodes; in two views each counts twice), ascending.
        seeds: training seeds 0, 1, ..., at least 2 for an interval.
        method, preset: what is trained.
        objectives: what the pairs are turned into, each for every strategy and number.
        protocol: name of a protocol. splits: how many of it.
        store: folder of runs.
        progress: show a bar with the time left.
        **overrides: parameters of the method that differ from the preset in all arms.

    Returns:
        One row a training, and one for each floor: graph, arm, seed, accuracy and macro F1 (mean over the splits,
        percent), spread over splits (percentage points), epochs, seconds (training), strategy, k (NaN for all nodes),
        objective, lists ("shared" or "each"), negatives (nodes that an anchor lists, mean), milliseconds an epoch
        (median), peak MiB, device, method, preset, protocol.

    Raises:
        UserError: an unknown name, numbers that don't fit the graph, or as for `fit` and `evaluate`.
    """
    plan = _planned(graph, strategies, ks, objectives, seeds, splits)
    count = getattr(METHODS.get(method).Config, "count", "k")
    if taken := sorted({"negatives", count, "objective"} & set(overrides)):
        raise UserError(f"{taken[0]!r} is what the arms differ in, so it can't be set for all of them")
    _check(graph, method, preset, plan, overrides)
    rows = [scored_row(graph, PROPAGATED, propagated(graph), protocol, splits)]
    bar = tqdm(total=seeds * len(plan), desc="negatives", unit="training", disable=not progress)
    for seed in range(seeds):
        asked = {**_asked(method, ALL, np.nan, "infonce", overrides), "epochs": 0}
        start = fit(method, graph, preset, seed, store=store, progress=False, **asked)
        rows.append(scored_row(graph, UNTRAINED, start, protocol, splits))
        for strategy, k, objective in plan:
            bar.set_postfix_str(f"{arm(strategy, k, objective)}, seed {seed}")
            asked = _asked(method, strategy, k, objective, overrides)
            trained = fit(method, graph, preset, seed, store=store, progress=False, **asked)
            if not trained.complete:
                bar.close()
                raise UserError(f"interrupted in {arm(strategy, k, objective)}, seed {seed}; ask again to go on there")
            scored = scored_row(graph, arm(strategy, k, objective), trained, protocol, splits)
            rows.append({**scored, "strategy": strategy, "k": k, "objective": objective, **_cost(trained)})
            bar.update()
    bar.close()
    return pd.DataFrame(rows).assign(method=method, preset=preset, protocol=protocol)


def _check(
    graph: Data, method: str, preset: str, plan: list[tuple[str, float, str]], overrides: dict[str, Any]
) -> None:
    """Tell a mistake before anything is trained: configure each arm, and choose for one anchor."""
    used, ground = set(overrides), selection.context_of(graph, anchors=0)
    for strategy, k, objective in plan:
        asked = _asked(method, strategy, k, objective, overrides)
        config = configure(method, preset, str(getattr(graph, "name", "graph")), asked)[1]
        used -= set(asked)
        if config.epochs < 1:
            raise UserError("a training of 0 epochs looks at no negatives; epochs must be at least 1")
        if objective == plan[0][2] and not np.isnan(k):
            selection.choose(ground, strategy, int(k), **dict(config.negatives.options))  # type: ignore[attr-defined]
    if used:
        raise UserError(f"{sorted(used)[0]!r} is an option of strategies that are not among the arms")


def arm(strategy: str, k: float, objective: str = "infonce") -> str:
    """Name a strategy with a number of negatives, e.g. "hop-far, k=64", and the objective unless it is InfoNCE."""
    number = "" if strategy == ALL or np.isnan(k) else f", k={k:g}"
    return f"{strategy}{number}" + ("" if objective == "infonce" else f", {objective}")


def _asked(method: str, strategy: str, k: float, objective: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an arm; an option that only other strategies have is not meant for it."""
    config = METHODS.get(method).Config
    if not issubclass(config, ContrastConfig):
        raise UserError(f"method {method!r} takes no negatives of one's choice")
    fields = {one.name for one in dataclasses.fields(config)}
    known = options_of(selection.SAMPLERS, strategy)
    others = {name for one in selection.names() for name in options_of(selection.SAMPLERS, one)} - set(known) - fields
    kept = {name: value for name, value in overrides.items() if name not in others}
    number = {} if np.isnan(k) else {config.count: int(k)}
    return {**kept, "negatives": strategy, "objective": objective, **number}


def _planned(
    graph: Data, strategies: Sequence[str], ks: Sequence[int], objectives: Sequence[str], seeds: int, splits: int
) -> list[tuple[str, float, str]]:
    for given, what in ((strategies, "strategies"), (ks, "ks"), (objectives, "objectives")):
        if isinstance(given, str | int) or len(set(given)) != len(given):
            raise UserError(f"{what} are a list without repeats, not {given!r}")
    for strategy in strategies:
        selection.SAMPLERS.get(strategy)
    nodes = int(graph.num_nodes or 0)
    for k in ks:
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k < nodes:
            raise UserError(f"k={k!r} negatives were asked for; a graph of {nodes} nodes gives 1 to {nodes - 1}")
    arms.check_counts(seeds, splits, "the comparison")
    chosen = [SHARED, EACH, *(one for one in strategies if one not in (SHARED, EACH, ALL))]
    return [(ALL, np.nan, one) for one in objectives] + [
        (strategy, k, one) for one, strategy, k in product(objectives, chosen, ks)
    ]


def _cost(trained: Run) -> dict[str, Any]:
    contrast, rows = trained.contrast, len(trained.projections[0])
    assert contrast is not None
    listed = contrast.candidates
    each = listed is not None and listed.dim() == 2
    if listed is not None and each:
        found = float((listed != torch.arange(rows)[:, None]).sum() / rows)
    else:
        found = float(rows - 1 if listed is None else len(listed))
    seconds = trained.history["seconds"].diff()
    return {
        "lists": "each" if each else "shared",
        "negatives": found,
        "ms an epoch": 1000 * float(seconds.median()),
        "peak MiB": trained.peak_mib,
        "device": trained.device,
    }


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each arm is worth, paired over the seeds, with 95 % t intervals.

    Each arm is held against all negatives with the same objective, and each strategy against its placebo, uniform
    negatives of the same number, shared or for each anchor as its own are; hop-near is held against hop-far and e2neg
    against random-centres as well, and each objective against InfoNCE.

    Args:
        rows: what `run` returned, of one graph or several below each other.

    Returns:
        As `arms.differences`, with a column "verdict": "equal within 1 point" where the interval lies within
        the margin, "better" or "worse" where it lies on one side of 0, else "not separable".
    """
    known = rows.dropna(subset=["strategy"])[["strategy", "k", "objective", "lists"]].drop_duplicates()
    pairs: list[tuple[str, str]] = []
    for strategy, k, objective, lists in known.itertuples(index=False):
        against = [(ALL, np.nan)] if strategy != ALL else []
        if strategy not in (ALL, SHARED, EACH):
            against.append((EACH if lists == "each" else SHARED, k))
        if strategy == EACH:
            against.append((SHARED, k))
        against += [(second, k) for first, second in (("hop-near", "hop-far"), ("e2neg", "random-centres")) if
                    strategy == first]  # fmt: skip
        pairs += [(arm(strategy, k, objective), arm(other, number, objective)) for other, number in against]
        if objective != "infonce":
            pairs.append((arm(strategy, k, objective), arm(strategy, k)))
    found = arms.differences(rows, pairs)
    return found.assign(verdict=[said(row.low, row.high) for row in found.itertuples()])


def claims(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what E2Neg's motivation says, and what it is held against, as claims that can fail.

    A claim of the kind "as good as" is held where the whole 95 % t interval of the paired difference lies above
    -1 percentage point and contradicted where it lies below; a claim of the kind "better than" or "worse than" is held
    or contradicted where the interval lies on one side of 0. Everything else is not separable.

    Args:
        rows: what `run` returned, of one graph or several below each other.

    Returns:
        One row a claim, graph and number of negatives: claim, graph, k, first, second, seeds, difference, low, high
        (percentage points), verdict.
    """
    found = []
    for sentence, first, word, second in CLAIMS:
        for k in sorted(rows["k"].dropna().unique()):
            pair = arm(first, k), arm(second, np.nan if second == ALL else k)
            for row in arms.differences(rows, [pair]).to_dict("records"):
                verdict = arms.decided(row["low"], row["high"], word)
                found.append({"claim": sentence, "k": int(k), **row, "verdict": verdict})
    columns = ["claim", "graph", "k", "first", "second", "seeds", "difference", "low", "high", "verdict"]
    return pd.DataFrame(found, columns=columns)


__all__ = ["ALL", "EACH", "KS", "MARGIN", "SHARED", "UNTRAINED", "arm", "claims", "differences", "run", "summary"]
