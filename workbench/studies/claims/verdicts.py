"""Verdicts on published numbers, by equivalence and not by eye."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from workbench.errors import UserError
from workbench.evaluation.statistics import nested_spread
from workbench.studies import arms
from workbench.studies.arms import MARGIN
from workbench.studies.claims import courses
from workbench.studies.claims.cells import Cell, Sentence

CONFIDENCE = 0.90  # of the interval: within the margin means two one-sided tests at 5 %
REPRODUCED, BETTER, WORSE, UNDECIDED = "reproduced", "better", "worse", "undecided"
NOT_COMPARABLE, NOT_RUN = "not comparable", "not run here"
HELD, CONTRADICTED, EQUAL = "held", "contradicted", f"equal within {MARGIN:g} point"  # of a sentence
LESS = "less, but not half"  # of a cost


@dataclass(frozen=True)
class Verdict:
    """What became of a published number.

    Attributes:
        word: "reproduced", "better", "worse", "undecided", "not comparable" or "not run here".
        reason: one sentence.
        ours: our mean in percent, nan where there is none. low, high: interval of ours - published, percentage points.
        seeds: training seeds of ours.
    """

    word: str
    reason: str
    ours: float = np.nan
    low: float = np.nan
    high: float = np.nan
    seeds: int = 0


def verdict(
    published: float,
    ours: ArrayLike,
    spread: float | None = None,
    splits: int | None = None,
    margin: float = MARGIN,
    fixed: bool = False,
    trained: bool = True,
) -> Verdict:
    """Hold our scores against a published mean of one training.

    The variance of ours - published is that of our mean and that of theirs: s²/n + w²/m for ours, with s the deviation
    between n training seeds and w that over m splits, and s² + v²/k for theirs, who trained once (s is taken from ours)
    and had k splits with deviation v (w where none was given). The interval is Welch's and Satterthwaite's.

    Args:
        published: accuracy in percent.
        ours: accuracy in percent [seeds, splits]; one seed will do where nothing is trained.
        spread: the published deviation over its splits, in percentage points.
        splits: how many it had; 1 where it is not known.
        margin: percentage points within which two accuracies count as the same.
        fixed: the split is the same for both, so that splits are no source of variance.
        trained: something is trained, so that seeds are a source of variance.

    Returns:
        "reproduced" where the 90 % interval lies within the margin, "better" or "worse" where it lies beyond it or,
        beyond zero, its middle does; else "undecided".

    Raises:
        UserError: no scores, or one training seed only, whose spread can't be known.
    """
    table = np.atleast_2d(np.asarray(ours, np.float64))
    if table.size == 0 or not np.isfinite(table).all():
        raise UserError("a verdict takes a table of scores [seeds, splits] without holes")
    if trained and len(table) < 2:
        raise UserError(
            "a verdict on a training takes at least two training seeds, whose spread says what one is worth"
        )
    seeds, count = table.shape
    found = nested_spread(table)
    between = found.between_seeds if trained else 0.0
    within = 0.0 if fixed or np.isnan(found.within_seed) else found.within_seed
    theirs = 0.0 if fixed else within if spread is None else spread
    parts = [
        (between**2 * (1 / seeds + 1), max(seeds - 1, 1)),
        (within**2 / count, max(seeds * (count - 1), 1)),
        (theirs**2 / (splits or 1), max((splits or 2) - 1, 1)),
    ]
    variance = sum(part for part, _ in parts)
    mean = float(table.mean())
    difference = mean - published
    if variance == 0:
        half = 0.0
    else:
        freedom = variance**2 / sum(part**2 / df for part, df in parts if part > 0)
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * float(np.sqrt(variance))
    low, high = difference - half, difference + half
    over = f" over {seeds} training seeds" if trained else ", nothing trained"
    told = f"ours minus published {difference:+.1f} [{low:+.1f}, {high:+.1f}] points{over}"
    if -margin < low and high < margin:
        return Verdict(REPRODUCED, f"{told}, within {margin:g}", mean, low, high, seeds)
    if low > 0 and difference > margin:
        return Verdict(BETTER, f"{told}, above zero and by more than {margin:g}", mean, low, high, seeds)
    if high < 0 and difference < -margin:
        return Verdict(WORSE, f"{told}, below zero and by more than {margin:g}", mean, low, high, seeds)
    if half > margin and trained and (alone := (between**2 + parts[2][0]) / variance) > 0.5:
        why = f"too wide to say, {100 * alone:.0f} % of its variance from the published number, one training"
    else:
        why = "too wide to say" if half > margin else "too near the margin to say"
    return Verdict(UNDECIDED, f"{told}: {why}", mean, low, high, seeds)


def of_cell(cell: Cell, scores: pd.DataFrame) -> Verdict:
    """Return the verdict on a published number from stored scores, see `workbench.studies.claims.measure`.

    Args:
        cell: the number.
        scores: one row a training seed and split: arm, graph, preset, protocol, seed, split, accuracy.
    """
    from workbench import methods

    if cell.reason:
        return Verdict(NOT_COMPARABLE, cell.reason)
    if cell.method != "raw" and cell.method not in methods.names():
        return Verdict(NOT_RUN, f"{cell.method} is not in the workbench")
    mine = scores[(scores["arm"] == cell.method) & (scores["graph"] == cell.graph)]
    mine = mine[(mine["protocol"] == cell.protocol) & mine["preset"].isin(["", f"released/{cell.graph}"])]
    if not len(mine):
        return Verdict(NOT_RUN, "no training of these settings was scored under this protocol")
    table = mine.pivot(index="seed", columns="split", values="accuracy").dropna()  # whole seeds
    if not len(table):
        return Verdict(NOT_RUN, "no seed was scored on all splits")
    trained = cell.method != "raw"
    if trained and len(table) < 2:
        told = f"one training seed only, so its spread is not known{_explained(cell, scores)}"
        return Verdict(UNDECIDED, told, float(table.mean(axis=None)),
                       seeds=1)  # fmt: skip
    fixed = cell.protocol == "public"
    found = verdict(cell.value, table.to_numpy(), cell.spread, cell.splits, fixed=fixed, trained=trained)
    if found.word == REPRODUCED:
        return found
    untouched = "" if trained else "; nothing is trained, so the attributes, the probe or the protocol must be others"
    return replace(found, reason=f"{found.reason}{untouched}{_explained(cell, scores)}")


def _explained(cell: Cell, scores: pd.DataFrame) -> str:
    """Say what may explain a difference: what the same trainings score by other protocols, and before training."""
    mine = scores[(scores["graph"] == cell.graph) & (scores["protocol"] != cell.protocol)]
    others = mine[mine["arm"] == cell.method].groupby("protocol")["accuracy"].mean()
    told = "".join(f"; by {protocol} {mean:.1f}" for protocol, mean in others.items())
    same = scores[(scores["graph"] == cell.graph) & (scores["protocol"] == cell.protocol)]
    for arm, words in ((f"{cell.method} untrained", "untrained"), ("propagated", "Â²X")):
        if len(part := same[same["arm"] == arm]):
            told += f"; {words} {part['accuracy'].mean():.1f}"
    return told


def of_sentence(sentence: Sentence, results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what became of a sentence, one row a graph and number of negatives.

    Args:
        sentence: the sentence.
        results: by name, one row a graph, arm and seed with "accuracy" in percent; for a cost see
            `workbench.studies.claims.courses`.

    Returns:
        graph, first, second, seeds, value, low, high, unit, verdict. Value is the mean paired difference in percentage
        points with its 95 % t interval, or for a cost the ratio of the means (inf where the first doesn't come to the
        accuracy of the second, less the margin, in one of its trainings; nan, "not comparable", where the second is
        there before any training). A sentence is "held" where the interval
        lies on its side of the bound, else "equal within 1 point" where it lies within the margin on both sides,
        "contradicted" where it lies on the other side of the bound, "less, but not half" for a cost between the bound
        and 1, else "not separable".
    """
    rows = results.get(sentence.results, pd.DataFrame(columns=["graph", "arm", "seed", "accuracy"]))
    pairs = [(sentence.first.format(k=k), sentence.second.format(k=k)) for k in sentence.k or (0,)]
    if sentence.column:
        return _cost(sentence, rows)
    found = arms.differences(rows, pairs) if len(rows) else arms.differences(rows.assign(seed=[]), [])
    said = []
    for row in found.itertuples():
        word = arms.decided(row.low, row.high, sentence.word)
        said.append(EQUAL if word != HELD and row.low > -MARGIN and row.high < MARGIN else word)
    return found.rename(columns={"difference": "value"}).assign(unit="points", verdict=said)


def _cost(sentence: Sentence, rows: pd.DataFrame) -> pd.DataFrame:
    found = []
    for graph, part in rows.groupby("graph", sort=False):
        if not {sentence.first, sentence.second} <= set(part["arm"]):
            continue
        costs = courses.reached(part, sentence.second).pivot(index="seed", columns="arm", values=sentence.column)
        both = costs[[sentence.first, sentence.second]].dropna()
        first, second = both[sentence.first].mean(), both[sentence.second].mean()
        ratio = float(first / second) if second > 0 else np.nan  # where training takes the second no further
        word = CONTRADICTED if ratio >= 1 else HELD if ratio <= sentence.most else LESS
        word = NOT_COMPARABLE if np.isnan(ratio) else word
        found.append({"graph": graph, "first": sentence.first, "second": sentence.second, "seeds": len(both),
                      "value": ratio, "low": np.nan, "high": np.nan, "unit": f"× {sentence.column}",
                      "verdict": word})  # fmt: skip
    columns = ["graph", "first", "second", "seeds", "value", "low", "high", "unit", "verdict"]
    return pd.DataFrame(found, columns=columns)
