"""The long table of results: one row per measured value, read, added to under a lock, and seen from several sides."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from workbench import atomic
from workbench.errors import UserError
from workbench.evaluation import protocols
from workbench.training.choice import NUMBERS

FOLDER = (
    Path(__file__).parents[2] / "docs" / "results"
)  # the results that are kept with the project, one file per study
TYPES = {
    **dict.fromkeys(("study", "condition", "kind", "data"), "str"),
    **dict.fromkeys(("seed", "split"), "Int64"),
    "protocol": "str",
    "normalised": "boolean",
    "metric": "str",
    **dict.fromkeys(("value", "seconds", "peak_mib"), "float"),
    "epochs": "Int64",
    **dict.fromkeys(("device", "preset"), "str"),
    "scoring": "Int64",
}
COLUMNS = list(TYPES)
WORDS = [name for name, kind in TYPES.items() if kind == "str"]
COSTS = ["epochs", "seconds", "peak_mib", "device", "scoring"]
TRAINING = ["study", "data", "condition", "kind", "preset", "seed"]  # what identifies a training
POINT = [*TRAINING, "split", "protocol", "normalised", "metric"]  # and a value, but for its epoch on a learning curve
FACTS = {*TRAINING, *COSTS, *NUMBERS, "finished", "asked_epochs", "ms_an_epoch", "negatives"}  # in a wide row
SHOWN = {**protocols.LABELS, **dict(zip(protocols.RANKING, protocols.RANKING, strict=True))}
LENS = {  # the metric of each column of `evaluation.lens`
    "accuracy": "accuracy",
    "spread over splits": "accuracy_std",
    "low": "low",
    "high": "high",
    "macro F1": "macro_f1",
    "splits": "splits",
    "training seeds": "training_seeds",
    "seconds": "scoring_seconds",
}


def table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as the long table, one measured value per row.

    Columns: study, condition, kind ("trained", "untrained" for an encoder before training, "baseline"), data, seed,
    split (none for a mean over them), protocol (none for a fact of the training), normalised (rows divided by their
    norm; none: as the protocol does), metric, value (percent for scores), the training's seconds, peak_mib, epochs,
    device, preset, and scoring: the `VERSION` of the scores, 1 where random-10-10-80 and public chose C up to 2^9 only.
    """
    long = pd.DataFrame(list(rows), columns=COLUMNS)
    return long.astype({**TYPES, **dict.fromkeys(WORDS, "object")}).fillna(dict.fromkeys(WORDS, "")).astype(TYPES)


def read(study: str, folder: Path | None = None) -> pd.DataFrame:
    """Return the kept results of a study, an empty table where there are none; a UserError names a missing column.

    Args:
        study: its name, whose file lies in the folder, or a .csv file. folder: None for that of the project.
    """
    file = Path(study) if study.endswith(".csv") else (folder or FOLDER) / f"{study}.csv"
    if not file.exists():
        return table([])
    rows = pd.read_csv(file, keep_default_na=False, na_values={name: [""] for name in TYPES if name not in WORDS})
    if missing := [name for name in TYPES if name not in rows]:
        raise UserError(f"{file} has no column {missing[0]!r}; it is no table of results")
    return table(rows.to_dict("records"))


def add(rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Add results to a file and return what it holds then; another process may do the same at this moment.

    What was measured of the same training before is replaced, unless it was finished and this one isn't.
    """
    if not file.parent.is_dir():
        raise UserError(f"results are kept in {file.parent}, which is no folder")
    with FileLock(lock := file.with_name(".results.lock")), ExitStack() as last:
        last.callback(lock.unlink)  # while it is held: one that waits takes note and makes another
        before = read(str(file.with_suffix(".csv"))) if file.exists() else table([])
        rows = rows[~_among(rows, _finished(before)) | _among(rows, _finished(rows)) | (rows["kind"] != "trained")]
        together = pd.concat([before[~_among(before, rows)], rows], ignore_index=True)
        for name in ("data", "condition", "protocol"):  # in the order in which they first came
            order = pd.concat([before[name], rows[name]]).unique()
            together[name] = pd.Categorical(together[name], order)
        keys = ["study", "data", "condition", "seed", "protocol", "epochs", "split"]
        together = together.sort_values(keys, kind="stable", na_position="first")
        with atomic.whole(file) as draft:
            together.to_csv(draft, index=False, float_format="%.6g")
    return read(str(file))


def _finished(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["metric"] == "finished") & (rows["value"] == 1)]


def _among(rows: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Return which rows are of a training that is among others."""
    mine, known = (pd.MultiIndex.from_frame(part[TRAINING].fillna({"seed": -1})) for part in (rows, others))
    return pd.Series(mine.isin(known), rows.index)


def wide(rows: pd.DataFrame, protocol: str | None = None, curve: bool = False) -> pd.DataFrame:
    """Return one row per training, a column per metric (means over the splits), with its costs.

    Args:
        rows: the long table.
        protocol: whose scores count, of data that have none by it their first one's. None takes the only one of each; a
            UserError where there are several.
        curve: keep the points of learning curves apart, one row per epoch; else the last one counts.
    """
    by_data = rows[rows["protocol"] != ""].groupby("data", sort=False)["protocol"].unique()
    for known in by_data if protocol is None else ():
        if len(known) > 1:
            raise UserError(f"the rows are by {len(known)} protocols ({', '.join(known)}): say which by protocol=")
    counted = by_data.map(lambda known: protocol if protocol in known else known[0]).to_dict()
    rows = rows[(rows["protocol"] == "") | (rows["protocol"] == rows["data"].map(counted))]
    rows = rows.assign(seed=rows["seed"].fillna(-1))
    keys = [*TRAINING, "epochs"] if curve else TRAINING
    last = rows.groupby(TRAINING)["epochs"].transform("max")
    measured = (rows["protocol"] != "") | rows["metric"].isin(NUMBERS)
    rows = rows[measured] if curve else rows[rows["epochs"].isna() | (rows["epochs"] == last)]
    _check_apart(rows)
    trainings = rows.pivot_table("value", keys, "metric", sort=False)
    trainings = trainings.reindex(columns=rows["metric"].unique())  # the first is what a protocol compares by
    lacking = {"accuracy", "accuracy_std", "macro_f1"} - {*trainings}
    trainings = trainings.assign(**dict.fromkeys(sorted(lacking), np.nan))
    costs = rows.groupby(keys, sort=False, dropna=False)[[name for name in COSTS if name not in keys]].last()
    apart = rows[(rows["metric"] == "accuracy") & rows["split"].notna()]
    if len(apart):
        deviation = protocols.get(apart["protocol"].iloc[0]).deviation
        spread = apart.groupby(keys, sort=False)["value"].std(ddof=0 if deviation == "population" else 1)
        trainings["accuracy_std"] = trainings["accuracy_std"].fillna(spread)
    trainings = trainings.join(costs).reset_index()
    return trainings.assign(seed=trainings["seed"].where(trainings["seed"] >= 0)).rename_axis(columns=None)


def _check_apart(rows: pd.DataFrame) -> None:
    """Refuse two results of one condition, data and seed: they would be averaged, or be no pair."""
    trainings = rows.drop_duplicates(TRAINING)
    again = trainings.duplicated(["study", "data", "condition", "seed"])
    twice = pd.concat([rows[rows.duplicated([*POINT, "epochs"])], trainings[again]])
    if len(twice):
        data, condition = twice.iloc[0][["data", "condition"]]
        hint = 'give each graph a name of its own (graph.name = "...") and pass each result once'
        raise UserError(f"condition {condition!r} on {data!r} has two results for one seed; {hint}")


def summary(rows: pd.DataFrame, protocol: str | None = None) -> pd.DataFrame:
    """Return one row per condition and data: data, condition, kind, seeds, and means over the seeds.

    Of the measure that is compared by, see `main`, in percent, with the spread over seeds and, of accuracy, pooled over
    splits in percentage points; of the others that the protocol has; and of the seconds of training. Arguments and
    errors as for `wide`.
    """
    trainings = wide(rows, protocol)
    measure = main(trainings)
    groups = trainings.groupby(["data", "condition", "kind"], sort=False)
    columns = {
        "seeds": groups["seed"].count(),
        SHOWN.get(measure, measure): groups[measure].mean(),
        "spread over seeds": groups[measure].std(),
        "spread over splits": groups["accuracy_std"].agg(lambda part: float(np.sqrt((part**2).mean()))),
        **{word: groups[name].mean() for name, word in SHOWN.items() if name in trainings and name != measure},
        "seconds": groups["seconds"].mean(),
    }
    table = pd.DataFrame(columns).reset_index()
    unknown = [name for name in ("spread over splits", "macro F1") if name in table and table[name].isna().all()]
    return table if measure == "accuracy" else table.drop(columns=unknown)


def main(trainings: pd.DataFrame) -> str:
    """Return the measure that trainings, a row each, are compared by: the first one of their protocol."""
    measured = (name for name in trainings if name not in FACTS and trainings[name].notna().any())
    return next(measured, "accuracy")


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the points of learning curves: data, condition, seed, epochs, seconds up to there, accuracy, peak_mib."""
    return wide(rows, curve=True)[["data", "condition", "seed", "epochs", "seconds", "accuracy", "peak_mib"]]


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each training took: data, condition, preset, seed, finished, asked_epochs and the cost columns."""
    facts = rows[rows["metric"].isin(["finished", "asked_epochs"])]
    return wide(facts) if len(facts) else pd.DataFrame(columns=[*TRAINING, "finished", "asked_epochs", *COSTS])


def lens(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what `evaluation.lens` did of each condition and data, with these two columns in front."""
    index = ["condition", "data", "protocol", "normalised"]
    table = rows[rows["normalised"].notna()].pivot_table("value", index, "metric", sort=False)
    table = table.rename(columns={new: old for old, new in LENS.items()}).rename_axis(columns=None).reset_index()
    table = table.astype({"splits": int, "training seeds": int, "normalised": bool})
    order = {protocol.name: place for place, protocol in enumerate(protocols.in_order(table["protocol"].unique()))}
    table = table.sort_values("protocol", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    facts = []
    for row in table.to_dict("records"):
        protocol, seeds = protocols.get(row["protocol"]), row["training seeds"]
        over = f"± {protocol.deviation} std over {row['splits']} random splits of one embedding"
        solver = "fast" if protocol.steps is None else f"{protocol.solvers[0]} {protocol.steps:,} steps"
        interval = f"95 % t interval over {seeds} training seeds" if seeds > 1 else over
        facts.append((row["normalised"] == protocol.normalise, protocol.flawed or "", solver, interval))
    return table.join(pd.DataFrame(facts, columns=["own", "flawed", "solver", "interval"]))
