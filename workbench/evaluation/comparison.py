"""Methods side by side under one protocol, with the baselines that any method has to beat."""

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import protocols, ranking
from workbench.evaluation.baselines import BASELINES
from workbench.evaluation.embeddings import check_same
from workbench.evaluation.scores import LABELS, Scores, evaluate
from workbench.evaluation.statistics import nested_spread
from workbench.training.fit import untrained
from workbench.training.run import Run


def compare(
    runs: Run | Iterable[Run],
    data: Any,
    protocol: str | None = None,
    baselines: bool = True,
    splits: int = 10,
    seed: int = 0,
    solver: str | None = None,
    steps: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score runs under one protocol and put the baselines beside them.

    Runs of one method and configuration that differ in the training seed share a row.

    Args:
        runs: one run or several, trained on `data`.
        data: a graph with its labels, or what else the runs were trained on.
        protocol: name of a protocol; None for the one of this kind of data.
        baselines: add those of the kind of data, which train nothing, and each method's untrained encoder.
        splits, seed, solver, steps, progress: as for `evaluate`; every row is scored on the same splits.

    Returns:
        One row a method or baseline: name; kind, "baseline", "untrained" or "trained"; the protocol's measures
        (accuracy and macro F1, or recall@20 ...), means in percent; of the first of them spread over splits (within a
        training seed, pooled; for a ranking the standard error over users); training seeds, how many; spread over seeds
        (of their means, nan for one seed); seconds and peak MiB of training, means over the seeds; protocol and solver.
        Spreads are in percentage points: over splits the protocol's own deviation, over seeds the sample deviation.
        Nothing is rounded; `format` makes the table for a reader.
    """
    compared = [runs] if hasattr(runs, "embeddings") else list(runs)
    for run in compared:
        check_same(run, data)
    options: dict[str, Any] = {"splits": splits, "seed": seed, "solver": solver, "steps": steps, "progress": progress}
    rows = []
    for baseline in map(BASELINES.get, kind_of(data).baselines if baselines else ()):
        began = time.perf_counter()
        embedded = baseline.embed(data)
        seconds = time.perf_counter() - began
        rows.append(_row(baseline.label, "baseline", [evaluate(embedded, data, protocol, **options)], [], seconds))
    trained = []
    for name, members in grouped(compared).items():
        if baselines:
            starts = [untrained(run, data) for run in members]
            scored = [evaluate(run, data, protocol, **options) for run in starts]
            rows.append(_row(f"untrained {name}", "untrained", scored, starts))
        scored = [evaluate(run, data, protocol, **options) for run in members]
        trained.append(_row(name, "trained", scored, members))
    return pd.DataFrame(rows + trained)


def format(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison as strings for a reader: "83.3 ± 0.9", the protocol's flaw named, a dash where nothing is."""

    def number(value: float, digits: int = 1) -> str:
        return "–" if pd.isna(value) else f"{value:,.{digits}f}"

    def spread(value: float, deviation: float) -> str:
        return number(value) if pd.isna(deviation) else f"{number(value)} ± {number(deviation)}"

    measures = [c for c in table if c in ("accuracy", "macro F1", *ranking.MEASURES)]
    main, over = measures[0], "splits" if measures[0] == "accuracy" else "users"
    return pd.DataFrame(
        {
            "name": table["name"],
            f"{main} % (± over {over})": list(map(spread, table[main], table["spread over splits"])),
            **{f"{measure} %": list(map(number, table[measure])) for measure in measures[1:]},
            "training seeds": [str(seeds) if seeds else "–" for seeds in table["training seeds"]],
            "± over seeds": list(map(number, table["spread over seeds"])),
            "seconds": list(map(number, table["seconds"])),
            "peak MiB": [number(value, 0) for value in table["peak MiB"]],
            "protocol": [
                f"{name}, {solver}{', FLAWED' if protocols.get(name).flawed else ''}"
                for name, solver in zip(table["protocol"], table["solver"], strict=True)
            ],
        }
    )


def _row(name: str, kind: str, scored: list[Scores], runs: list[Any], seconds: float = np.nan) -> dict[str, Any]:
    first = scored[0]
    main = next(iter(first.measures))
    values = np.array([scores.per_split[main] for scores in scored])
    means = {LABELS.get(m, m): float(np.mean([scores.measures[m] for scores in scored])) for m in first.measures}
    return {
        "name": name,
        "kind": kind,
        main: means.pop(main),
        "spread over splits": float(np.sqrt(np.mean([scores.main.std**2 for scores in scored]))),
        "training seeds": len(runs),
        "spread over seeds": nested_spread(values).between_seeds,
        **means,
        "seconds": float(np.mean([run.seconds for run in runs])) if runs else seconds,
        "peak MiB": float(np.mean([np.nan if run.peak_mib is None else run.peak_mib for run in runs] or [np.nan])),
        "protocol": first.protocol,
        "solver": first.fitted,
    }


def grouped(runs: list[Any]) -> dict[str, list[Any]]:
    """Group runs that differ in the seed only, under a name that tells the groups of one method apart."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for run in runs:
        groups.setdefault((run.method, repr(_settings(run))), []).append(run)
    named: dict[str, list[Any]] = {}
    for (method, _), members in groups.items():
        seeds = [run.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise UserError(
                f"two runs of {method!r} have the same configuration and training seed {max(seeds, key=seeds.count)}, "
                "which would count one result twice; leave one out or train with another seed"
            )
        others = [_settings(group[0]) for (name, _), group in groups.items() if name == method]
        mine = _settings(members[0])
        differing = [f"{field}={mine.get(field)}" for field in mine if any(o.get(field) != mine[field] for o in others)]
        named[f"{method} ({', '.join(differing)})" if differing else method] = members
    return named


def _settings(run: Any) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(run.config).items() if name != "seed"}
