"""Methods and baselines side by side under one protocol, and one embedding under every protocol."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.datasets.door import as_computed
from workbench.datasets.kinds import content_hash, kind_of
from workbench.datasets.labels import several_labels
from workbench.errors import UserError
from workbench.evaluation import cache
from workbench.evaluation import protocols as registered
from workbench.evaluation.baselines import BASELINES, embed
from workbench.evaluation.embeddings import Embeddings, check_same, labels_of
from workbench.evaluation.scores import VERSION, Scores, evaluate
from workbench.evaluation.splits import UNLABELLED, Protocol
from workbench.evaluation.statistics import mean_interval, nested_spread
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

    Runs of one method and configuration that differ in the training seed share a row. Every row is scored on the same
    splits; protocol, splits, seed, solver, steps and progress are those of `evaluate`. The scores of baselines are kept
    in the store of the runs, as those of runs are.

    Args:
        runs: one run or several, trained on `data`.
        baselines: add those of the kind of data, which train nothing, and each method's untrained encoder; none of them
            where the protocol looks at embeddings on the way, or at learned clusters, since they have none.

    Returns:
        One row per method or baseline: name, ", supervised" being added where labels were seen; kind, "baseline",
        "untrained" or "trained"; the protocol's measures (accuracy and macro F1, of clusters NMI and ARI as well; micro
        F1 and macro F1 of several labels per item; or recall@20 ...), means in percent; of the first of them spread
        over splits (within a training seed, pooled; for a ranking the standard error over users); training
        seeds, how many; spread over seeds (of their means, nan for one seed); seconds and peak MiB of training, means
        over the seeds; protocol and solver.
        Spreads are in percentage points: over splits the protocol's own deviation, over seeds the sample deviation.
        Nothing is rounded; `format` makes the table for a reader.
    """
    compared = [runs] if hasattr(runs, "embeddings") else list(runs)
    data = as_computed(data)[1]
    for run in compared:
        check_same(run, data)
    options: dict[str, Any] = {"splits": splits, "seed": seed, "solver": solver, "steps": steps, "progress": progress}
    rows = []
    rules = registered.of(kind_of(data), protocol, several_labels(data))
    baselines = baselines and not rules.of_runs
    store = next((path.parent for run in compared if (path := getattr(run, "path", None))), None)
    for name in (rules.baselines or kind_of(data).baselines) if baselines else ():
        began = time.perf_counter()
        embedded = embed(name, data, store)
        seconds = time.perf_counter() - began
        scored = [evaluate(embedded, data, protocol, **options)]
        rows.append(_row(BASELINES.get(name).label, "baseline", scored, [], seconds))
    trained = []
    for name, members in grouped(compared).items():
        if baselines:
            starts = [untrained(run, data) for run in members]
            scored = [evaluate(run, data, protocol, **options) for run in starts]
            rows.append(_row(f"untrained {name}", "untrained", scored, starts))
        scored = [evaluate(run, data, protocol, **options) for run in members]
        told = f"{name}, supervised" if any(getattr(run, "labels", None) for run in members) else name
        trained.append(_row(told, "trained", scored, members))
    return pd.DataFrame(rows + trained)


def format(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison as strings for a reader: "83.3 ± 0.9", the protocol's flaw named, a dash where nothing is."""

    def number(value: float, digits: int = 1) -> str:
        return "–" if pd.isna(value) else f"{value:,.{digits}f}"

    def spread(value: float, deviation: float) -> str:
        return number(value) if pd.isna(deviation) else f"{number(value)} ± {number(deviation)}"

    measures = [
        c
        for c in table
        if c in ("accuracy", "micro F1", "macro F1", *registered.CLUSTERING.values(), *registered.RANKING)
        or c in registered.LINKS.values()
        or c.startswith("hits@")
    ]
    main, over = measures[0], "users" if measures[0] in registered.RANKING else "splits"
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
                f"{name}, {solver}{', FLAWED' if registered.get(name).flawed else ''}"
                for name, solver in zip(table["protocol"], table["solver"], strict=True)
            ],
        }
    )


def beside_baselines(scores: Scores, data: Any, store: Path | None = None) -> tuple[dict[str, float], str]:
    """Return the first measure of each baseline of the data by its label, and which the scores don't reach, in words.

    Args:
        scores: of a ranking of the items of `data`.
        data: users and items, with what is held out.
        store: of runs, which keeps what baselines come to; None to keep it nowhere.
    """
    data, measure = as_computed(data)[1], next(iter(scores.measures))
    each = {}
    for name in kind_of(data).baselines:

        def compute(name: str = name) -> dict[str, Any]:
            return evaluate(embed(name, data, None), data, scores.protocol, progress=False).as_dict()

        asked = {"version": VERSION, "protocol": scores.protocol, "baseline": name, "data": content_hash(data)}
        known = compute() if store is None else cache.scores(store / ".baselines", asked, False, compute)
        each[BASELINES.get(name).label] = float(Scores.from_dict(known).main)
    above = [f"{label} ({value:.1f} %)" for label, value in each.items() if scores.main > value]
    others = [f"{label} ({value:.1f} %)" for label, value in each.items() if not scores.main > value]
    parts = [f"above {', '.join(above)}"] * bool(above) + [f"NOT above {', '.join(others)}"] * bool(others)
    missed = ": what trains nothing ranks as well or better" if others else ""
    return each, f"{measure} {float(scores.main):.1f} % is {'; '.join(parts)}{missed}"


def lens(
    run_or_embeddings: Embeddings | Sequence[Run],
    graph: Any,
    protocols: str | Iterable[str] | None = None,
    splits: int = 10,
    seed: int = 0,
    steps: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score the same embeddings by each protocol, with rows divided by their L2 norm and with rows as they are.

    Logistic regression is fitted by the fast solver. One run takes a minute or more, nearly all of it for linear
    layers; the scores of a run that lies in a store are kept.

    Args:
        run_or_embeddings: a run, a matrix [nodes, dim], or a list of runs that differ in the training seed only.
        protocols: a name or several; None: all that the graph allows and that train on labels. The others are those of
            `evaluate`.

    Returns:
        One row a protocol and treatment of the rows: protocol; normalised; own, whether the protocol treats rows so;
        flawed, the sentence that must stand beside the number, or ""; accuracy, mean in percent; spread over splits,
        the protocol's deviation in percentage points (pooled over the runs); low and high, the ends of its interval in
        percent (nan for one split of one run), and interval, what it is: for one embedding ± the deviation over splits,
        which describes and tests nothing since splits share nodes; for several runs the 95 % t interval over training
        seeds; macro F1, mean in percent; splits and training seeds, how many; solver, with the steps; seconds that the
        evaluation took. `attrs["left out"]` maps each protocol that the graph can't have to the reason.
    """
    scored: list[Any] = [*run_or_embeddings] if isinstance(run_or_embeddings, list | tuple) else [run_or_embeddings]
    if len(scored) != 1 and (not all(hasattr(run, "config") for run in scored) or len(grouped(scored)) != 1):
        raise UserError("the lens takes one embedding, or a list of runs of one method that differ in the seed only")
    if isinstance(protocols, str):
        protocols = [protocols]
    kind = kind_of(graph)
    known = map(registered.get, registered.names_for(kind))
    trained = (rules.name for rules in known if rules.probe not in (*UNLABELLED, "auc") and not rules.parts)
    wanted = [registered.of(kind, name) for name in (trained if protocols is None else protocols)]
    left_out = {}
    if protocols is None:
        labels_of(graph)  # no labels at all are no matter of a protocol
        left_out = {rules.name: str(refusal) for rules in wanted if (refusal := rules.refusal(graph))}
    if len(left_out) == len(wanted):
        raise UserError(next(iter(left_out.values()), "the lens takes at least one protocol; None means all"))
    rows = []
    for rules in registered.in_order(rules.name for rules in wanted if rules.name not in left_out):
        options: dict[str, Any] = {"splits": splits, "seed": seed, "progress": progress}
        options |= {"solver": "fast"} if rules.probe == "logistic" else {"steps": steps}
        for normalise in (rules.normalise, not rules.normalise):
            scores = [evaluate(run, graph, rules.name, normalise=normalise, **options) for run in scored]
            rows.append(_lens_row(rules, scores))
    table = pd.DataFrame(rows)
    table.attrs["left out"] = left_out
    return table


def _row(name: str, kind: str, scored: list[Scores], runs: list[Any], seconds: float = np.nan) -> dict[str, Any]:
    first = scored[0]
    measured = next(iter(first.measures))
    main = registered.LABELS.get(measured, measured)
    values = np.array([scores.per_split[measured] for scores in scored])
    means = {
        registered.LABELS.get(m, m): float(np.mean([scores.measures[m] for scores in scored])) for m in first.measures
    }
    return {
        "name": name,
        "kind": kind,
        main: means.pop(main),
        "spread over splits": _pooled(scored),
        "training seeds": len(runs),
        "spread over seeds": nested_spread(values).between_seeds,
        **means,
        "seconds": float(np.mean([run.seconds for run in runs])) if runs else seconds,
        "peak MiB": float(np.mean([np.nan if run.peak_mib is None else run.peak_mib for run in runs] or [np.nan])),
        "protocol": first.protocol,
        "solver": first.fitted,
    }


def _pooled(scored: list[Scores]) -> float:
    """Return the spread over splits of the main measure, pooled over the runs."""
    return float(np.sqrt(np.mean([scores.main.std**2 for scores in scored])))


def _lens_row(rules: Protocol, scored: list[Scores]) -> dict[str, Any]:
    first = scored[0]
    means = [scores.accuracy.mean for scores in scored]
    spread = _pooled(scored)
    low, high, over = means[0] - spread, means[0] + spread, f"± {first.accuracy.over}"
    if len(scored) > 1:
        interval = mean_interval(means)
        low, high, over = interval.low, interval.high, f"95 % t interval over {len(scored)} training seeds"
    elif np.isnan(spread):
        over = f"none: {first.accuracy.over}"
    return {
        "protocol": rules.name,
        "normalised": first.normalised,
        "own": first.normalised == rules.normalise,
        "flawed": first.flawed or "",  # None would become nan in a column of words
        "accuracy": float(np.mean(means)),
        "spread over splits": spread,
        "low": low,
        "high": high,
        "interval": over,
        "macro F1": float(np.mean([scores.macro_f1.mean for scores in scored])),
        "splits": len(first.per_split),
        "training seeds": len(scored),
        "solver": first.fitted,
        "seconds": float(sum(scores.seconds for scores in scored)),
    }


def grouped(runs: list[Any]) -> dict[str, list[Any]]:
    """Group runs that differ in the seed only, under a name that tells the groups of one method apart."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for run in runs:
        groups.setdefault((run.method, repr(run.config)), []).append(run)
    named: dict[str, list[Any]] = {}
    for (method, _), members in groups.items():
        seeds = [run.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise UserError(
                f"two runs of {method!r} have the same configuration and training seed {max(seeds, key=seeds.count)}, "
                "which would count one result twice; leave one out or train with another seed"
            )
        others = [vars(group[0].config) for (name, _), group in groups.items() if name == method]
        mine = vars(members[0].config).items()
        differing = [f"{field}={value}" for field, value in mine if any(o.get(field) != value for o in others)]
        named[f"{method} ({', '.join(differing)})" if differing else method] = members
    return named
