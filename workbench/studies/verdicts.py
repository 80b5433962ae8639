"""Verdicts on differences, claims and published numbers, by equivalence and not by eye."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.evaluation.statistics import nested_spread, paired_difference
from workbench.methods import METHODS
from workbench.studies import results
from workbench.studies.published import RAW, Cell
from workbench.studies.study import Claim, Study

MARGIN = 1.0  # percentage points within which two accuracies count as equally good
FEWEST = 3  # training seeds that a verdict takes: an interval of two covers less than it says
CONFIDENCE = 0.90  # of the interval of ours - published: within the margin means two one-sided tests at 5 %
REPRODUCED, BETTER, WORSE, UNDECIDED = "reproduced", "better", "worse", "undecided"
NOT_COMPARABLE, NOT_RUN = "not comparable", "not run here"
HELD, CONTRADICTED, EQUAL = "held", "contradicted", f"equal within {MARGIN:g} point"  # of a claim
NOT_SEPARABLE = "not separable"
TOO_FEW = f"fewer than {FEWEST} seeds"
LESS = "less, but not half"  # of a cost
DIFFERENCE = ["data", "first", "second", "seeds", "difference", "low", "high"]
CLAIM = ["data", "first", "second", "seeds", "value", "low", "high", "unit", "verdict"]


def paired(
    rows: pd.DataFrame, pairs: Iterable[tuple[str, str]], protocol: str | None = None, measure: str = ""
) -> pd.DataFrame:
    """Return paired differences over the seeds that both conditions have, with 95 % t intervals over training seeds.

    Args:
        rows: the long table of one study.
        protocol: whose scores count; None for the only one. measure: which of them; "" for the first.
        pairs: conditions to hold against each other, first minus second; those that aren't in the rows are left out. A
            baseline, which has no seed, is held against each seed.

    Returns:
        One row per pair and data: data, first, second, seeds, difference, low, high (percentage points).
    """
    differences = []
    # What was scored in two ways is no pair.
    for (data, _), part in results.wide(rows, protocol).groupby(["data", "scoring"], sort=False, dropna=False):
        counted = measure or results.main(part)
        if counted not in part:
            continue
        fixed = part[part["seed"].isna()].set_index("condition")[counted]
        by_seed = part.dropna(subset="seed").pivot(index="seed", columns="condition", values=counted).assign(**fixed)
        for first, second in (pair for pair in pairs if {*pair} <= {*by_seed}):
            both = by_seed[[first, second]].dropna()
            if len(both) > 1:
                interval = paired_difference(both[first].tolist(), both[second].tolist())
                differences.append((data, first, second, interval.count, interval.mean, interval.low, interval.high))
    return pd.DataFrame(differences, columns=DIFFERENCE)


def differences(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return what the comparisons of a study come to: as `paired`, with a column "verdict", see `said`."""
    return judged(paired(rows, study.comparisons, next(iter(study.protocols), None)))


def judged(differences: pd.DataFrame) -> pd.DataFrame:
    """Return differences as `paired` does, with a column "verdict", see `said`; fewer than three seeds get none."""
    words = [said(row.low, row.high) if row.seeds >= FEWEST else TOO_FEW for row in differences.itertuples()]
    return differences.assign(verdict=words)


def said(low: float, high: float) -> str:
    """Return what the interval of a difference means: "better", "worse", "equal within 1 point" or "not separable"."""
    side = BETTER if low > 0 else WORSE if high < 0 else ""
    if low > -MARGIN and high < MARGIN:
        return f"{side}, by less than {MARGIN:g} point" if side else EQUAL
    return side or NOT_SEPARABLE


def decided(low: float, high: float, word: str, least: float = 0.0) -> str:
    """Decide on "as good as", "better than" or "worse than" by the interval of first - second, percentage points.

    "held" where it lies on the word's side of its bound (the margin for "as good as", else `least`); else "equal within
    1 point" where it lies within the margin, "contradicted" on the other side of the bound, or "not separable".
    """
    bound = -MARGIN if word == "as good as" else least
    mine, other = (-high, -low) if word == "worse than" else (low, high)
    if mine > bound:
        return HELD
    return EQUAL if low > -MARGIN and high < MARGIN else CONTRADICTED if other < bound else NOT_SEPARABLE


def claims(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return what became of each claim: claim, says, data, first, second, seeds, value, low, high, unit, verdict.

    Value is the mean paired difference in percentage points with its 95 % t interval and the verdict of `decided`; for
    a cost the ratio of the means, "held" up to the claim's limit, "less, but not half" below 1, else "contradicted":
    inf where the first doesn't come to the accuracy of the second, less the margin, in one of its trainings; nan, "not
    comparable", where the second is there before any training.
    """
    parts = [pd.DataFrame(columns=["claim", "says", *CLAIM])]
    for claim in study.claims:
        if claim.cost:
            part = _cost(claim, rows)
        else:
            mine = rows[rows["condition"].isin({end for pair in claim.pairs for end in pair})]
            mine = mine[mine["data"].isin(claim.data)] if claim.data else mine
            if claim.protocol:
                mine = mine[mine["protocol"].isin(["", claim.protocol])]
            protocol = claim.protocol or next(iter(study.protocols), None)
            part = paired(mine, claim.pairs, protocol, claim.measure).rename(columns={"difference": "value"})
            decide = partial(decided, word=claim.word, least=claim.least)
            enough = [row.seeds >= FEWEST and decide(row.low, row.high) for row in part.itertuples()]
            verdicts = [word or TOO_FEW for word in enough]
            part = part.assign(unit="points", verdict=verdicts)
        parts.append(part.assign(claim=claim.id, says=claim.says))
    return pd.concat([part for part in parts if len(part)] or parts)[[*parts[0]]].reset_index(drop=True)


def reached(rows: pd.DataFrame, second: str) -> pd.DataFrame:
    """Return what each training cost up to the accuracy that a condition comes to, less the margin.

    Args:
        rows: the long table of learning curves. second: the condition whose last accuracy with the same seed is the
            goal.

    Returns:
        One row per training: data, condition, seed, target (percent), accuracy (the last), seconds (of the first point
        that reaches the target, inf where none does), peak_mib.
    """
    keys = ["data", "condition", "seed"]
    points = results.curves(rows).sort_values("epochs", kind="stable")
    last = points.groupby(keys, sort=False)[["accuracy", "peak_mib"]].last().reset_index()
    goal = last[last["condition"] == second].assign(target=lambda goal: goal["accuracy"] - MARGIN)
    last = last.merge(goal[["data", "seed", "target"]], on=["data", "seed"], how="left")
    points = points.merge(last[[*keys, "target"]], on=keys)
    there = points[points["accuracy"] >= points["target"]].groupby(keys, as_index=False)["seconds"].min()
    return last.merge(there, on=keys, how="left").fillna({"seconds": np.inf})


def _cost(claim: Claim, rows: pd.DataFrame) -> pd.DataFrame:
    (first, second), ratios = claim.pairs[0], []
    unit = f"× {claim.cost.replace('peak_mib', 'peak MiB')}"
    for data, part in reached(rows, second).groupby("data", sort=False) if len(rows) else ():
        costs = part.pivot(index="seed", columns="condition", values=claim.cost)
        if {first, second} <= set(costs):
            both = costs[[first, second]].dropna()
            means = both.mean()
            ratio = means[first] / means[second] if means[second] > 0 else np.nan  # training takes it no further
            word = CONTRADICTED if ratio >= 1 else HELD if ratio <= claim.most else LESS
            word = NOT_COMPARABLE if np.isnan(ratio) else word
            ratios.append((data, first, second, len(both), ratio, np.nan, np.nan, unit, word))
    return pd.DataFrame(ratios, columns=CLAIM)


@dataclass(frozen=True)
class Verdict:
    """What became of a published number.

    Attributes:
        word: "reproduced", "better", "worse", "undecided", "not comparable" or "not run here". reason: one sentence.
        ours: our mean in percent, nan where there is none. low, high: interval of ours - published, percentage points.
        seeds: training seeds of ours. here: False where the workbench has no such method.
    """

    word: str
    reason: str
    ours: float = np.nan
    low: float = np.nan
    high: float = np.nan
    seeds: int = 0
    here: bool = True


def verdict(
    published: float,
    ours: ArrayLike,
    spread: float | None = None,
    splits: int | None = None,
    *,
    fixed: bool = False,
    trained: bool = True,
) -> Verdict:
    """Hold our scores against a published mean of one training.

    The variance of ours - published is that of our mean and that of theirs: s²/n + w²/m for ours, with s the deviation
    between n training seeds and w that over m splits, and s² + v²/k for theirs, who trained once (s is taken from ours)
    and had k splits with deviation v (w where none was given). The interval is Welch's and Satterthwaite's.

    Args:
        published: accuracy in percent. ours: accuracy in percent [seeds, splits]; at least two seeds of what is
            trained.
        spread: the published deviation over its splits, percentage points. splits: how many; 1 where it is not known.
        fixed: the split is the same for both, so that splits are no source of variance.
        trained: something is trained, so that seeds are a source of variance.

    Returns:
        "reproduced" where the 90 % interval lies within the margin, "better" or "worse" where it lies on that side of
        zero and its middle beyond the margin; else "undecided".
    """
    table = np.atleast_2d(np.asarray(ours, np.float64))
    if table.size == 0 or not np.isfinite(table).all():
        raise UserError("a verdict takes a table of scores [seeds, splits] without holes")
    if trained and len(table) < 2:
        reason = "whose spread says what one is worth"
        raise UserError(f"a verdict on a training takes at least two training seeds, {reason}")
    seeds, count = table.shape
    deviations = nested_spread(table)
    between = deviations.between_seeds if trained else 0.0
    within = 0.0 if fixed or np.isnan(deviations.within_seed) else deviations.within_seed
    theirs = 0.0 if fixed else within if spread is None else spread
    parts = [
        (between**2 * (1 / seeds + 1), max(seeds - 1, 1)),
        (within**2 / count, max(seeds * (count - 1), 1)),
        (theirs**2 / (splits or 1), max((splits or 2) - 1, 1)),
    ]
    variance = sum(part for part, _ in parts)
    mean, half = float(table.mean()), 0.0
    if variance > 0:
        freedom = variance**2 / sum(part**2 / df for part, df in parts if part > 0)
        half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * float(np.sqrt(variance))
    difference = mean - published
    low, high = difference - half, difference + half
    word, why = UNDECIDED, ": too near the margin to say"
    if low > -MARGIN and high < MARGIN:
        word, why = REPRODUCED, f", within {MARGIN:g}"
    elif low > 0 and difference > MARGIN:
        word, why = BETTER, f", above zero and by more than {MARGIN:g}"
    elif high < 0 and difference < -MARGIN:
        word, why = WORSE, f", below zero and by more than {MARGIN:g}"
    elif half > MARGIN:
        why = ": too wide to say"
        if trained and (alone := (between**2 + parts[2][0]) / variance) > 0.5:
            why += f", {100 * alone:.0f} % of its variance from the published number, one training"
    over = f" over {seeds} training seeds" if trained else ", nothing trained"
    sentence = f"ours minus published {difference:+.1f} [{low:+.1f}, {high:+.1f}] points{over}{why}"
    return Verdict(word, sentence, mean, low, high, seeds)


def of_cell(cell: Cell, rows: pd.DataFrame) -> Verdict:
    """Return the verdict on a published number from the long table of the reproductions."""
    if cell.reason:
        return Verdict(NOT_COMPARABLE, cell.reason)
    trained = cell.method != RAW
    if trained and cell.method not in METHODS.names():
        return Verdict(NOT_RUN, f"{cell.method} is not in the workbench", here=False)
    scores = rows[(rows["metric"] == "accuracy") & (rows["data"] == cell.graph)]
    mine = scores[(scores["condition"] == cell.method) & (scores["protocol"] == cell.protocol)]
    mine = mine[mine["preset"].isin(["", f"released/{cell.graph}"])]
    if not len(mine):
        return Verdict(NOT_RUN, "no training of these settings was scored under this protocol")
    table = mine.fillna({"seed": 0}).pivot(index="seed", columns="split", values="value").dropna()  # whole seeds
    if not len(table):
        return Verdict(NOT_RUN, "no seed was scored on all splits")
    if trained and len(table) < FEWEST:
        reason = f"{len(table)} of the {FEWEST} training seeds that a verdict takes{_explained(cell, scores)}"
        return Verdict(UNDECIDED, reason, float(table.mean(axis=None)), seeds=len(table))
    fixed = not protocols.get(str(cell.protocol)).drawn  # the published spread is then of trainings alone
    held = verdict(cell.value, table.to_numpy(float), cell.spread, cell.splits, fixed=fixed, trained=trained)
    if held.word == REPRODUCED:
        return held
    untouched = "" if trained else "; nothing is trained, so the attributes, the probe or the protocol must be others"
    return replace(held, reason=f"{held.reason}{untouched}{_explained(cell, scores)}")


def _explained(cell: Cell, scores: pd.DataFrame) -> str:
    """Return what may explain a difference: what the same trainings score by other protocols, and before training."""
    means = scores.groupby(["condition", "protocol"])["value"].mean()
    others = means[means.index.get_level_values("condition") == cell.method].drop((cell.method, cell.protocol))
    parts = [f"; by {protocol} {mean:.1f}" for (_, protocol), mean in others.items()]
    for condition, words in ((f"untrained {cell.method}", "untrained"), ("propagated", "Â²X")):
        if (condition, cell.protocol) in means:
            parts.append(f"; {words} {means[condition, cell.protocol]:.1f}")
    return "".join(parts)
