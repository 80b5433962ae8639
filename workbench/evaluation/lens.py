"""One embedding under every protocol: how much of a claim is protocol."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import protocols as registered
from workbench.evaluation.comparison import grouped
from workbench.evaluation.embeddings import Embeddings
from workbench.evaluation.protocols import Protocol
from workbench.evaluation.scores import Scores, evaluate
from workbench.evaluation.statistics import mean_interval
from workbench.training.run import Run


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
        graph: the graph with its labels.
        protocols: a name or several; None: all that the graph allows.
        splits, seed, progress: as for `evaluate`.
        steps: gradient steps of the linear layers, fewer for a quick look; None: each protocol's own.

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
    fitting = [name for name in registered.names() if kind.name in registered.get(name).kinds]
    wanted = [registered.of(kind, name) for name in (fitting if protocols is None else protocols)]
    left_out = {}
    if protocols is None:
        registered.labels_of(graph)  # no labels at all are no matter of a protocol
        left_out = {rules.name: str(refusal) for rules in wanted if (refusal := rules.refusal(graph))}
    if len(left_out) == len(wanted):
        raise UserError(next(iter(left_out.values()), "the lens takes at least one protocol; None means all"))
    rows = []
    for rules in registered.in_order(rules.name for rules in wanted if rules.name not in left_out):
        options: dict[str, Any] = {"splits": splits, "seed": seed, "progress": progress}
        options |= {"solver": "fast"} if rules.probe == "logistic" else {"steps": steps}
        for normalise in (rules.normalise, not rules.normalise):
            scores = [evaluate(run, graph, rules.name, normalise=normalise, **options) for run in scored]
            rows.append(_row(rules, scores))
    table = pd.DataFrame(rows)
    table.attrs["left out"] = left_out
    return table


def _row(rules: Protocol, scored: list[Scores]) -> dict[str, Any]:
    first = scored[0]
    means = [scores.accuracy.mean for scores in scored]
    spread = float(np.sqrt(np.mean([scores.accuracy.std**2 for scores in scored])))
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
        "flawed": rules.flawed or "",  # None would become nan in a column of words
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
