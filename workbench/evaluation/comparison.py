"""Methods side by side under one protocol, with the floors that any method has to beat."""

import dataclasses
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from torch_geometric.data import Data
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from workbench.errors import UserError
from workbench.evaluation import probes, protocols
from workbench.evaluation.scores import SPARSE_BELOW, Scores, evaluate, matrix_of
from workbench.evaluation.statistics import nested_spread

if TYPE_CHECKING:
    from workbench.training.run import Run

RAW, PROPAGATED = "raw attributes", "propagated attributes Â²X"


def compare(
    runs: "Run | Iterable[Run]",
    graph: Data,
    protocol: str = "random-10-10-80",
    floors: bool = True,
    splits: int = 10,
    seed: int = 0,
    solver: str | None = None,
    steps: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score runs under one protocol and put the floors beside them.

    Runs of one method and configuration that differ in the training seed share a row.

    Args:
        runs: one run or several, trained on `graph`.
        graph: the graph with its labels.
        protocol: name of a protocol.
        floors: add raw attributes, attributes propagated over two hops, and each method's untrained encoder.
        splits: how many; every row is scored on the same ones.
        seed: of the splits.
        solver: as for `evaluate`.
        steps: as for `evaluate`.
        progress: show a bar over the splits of each row.

    Returns:
        One row a method or baseline: name; kind, "trained", "untrained" or "baseline"; accuracy and macro F1, means in
        percent; spread over splits (within a training seed, pooled); training seeds, how many; spread over seeds (of
        their means, nan for one seed); seconds and peak MiB of training, means over the seeds; protocol and solver.
        Spreads are in percentage points: over splits the protocol's own deviation, over seeds the sample deviation.
        Nothing is rounded; `format` makes the table for a reader.

    Raises:
        UserError: as for `evaluate`; or two runs of one configuration share a training seed.
    """
    given = [runs] if hasattr(runs, "embeddings") else list(runs)
    options: dict[str, Any] = {"splits": splits, "seed": seed, "solver": solver, "steps": steps, "progress": progress}
    rows = []
    if floors:
        rows.append(_row(RAW, "baseline", [evaluate(graph.x, graph, protocol, **options)], [], 0))
        began = time.perf_counter()
        smooth = propagated(graph)
        seconds = time.perf_counter() - began
        rows.append(
            _row(PROPAGATED, "baseline", [evaluate(smooth, graph, protocol, **options)], [], 0) | {"seconds": seconds}
        )
    trained = []
    for name, members in _grouped(given).items():
        if floors:
            from workbench.training.fit import (
                untrained,
            )  # imported here: training knows nothing of evaluation, nor this of it

            starts = [untrained(run, graph) for run in members]
            scored = [evaluate(run, graph, protocol, **options) for run in starts]
            rows.append(_row(f"untrained {name}", "untrained", scored, starts, len(starts)))
        scored = [evaluate(run, graph, protocol, **options) for run in members]
        trained.append(_row(name, "trained", scored, members, len(members)))
    return pd.DataFrame(rows + trained)


def format(table: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison as strings for a reader: "83.3 ± 0.9", the protocol's flaw named, a dash where nothing is."""

    def number(value: float, digits: int = 1) -> str:
        return "–" if pd.isna(value) else f"{value:,.{digits}f}"

    def spread(value: float, deviation: float) -> str:
        return number(value) if pd.isna(deviation) else f"{number(value)} ± {number(deviation)}"

    return pd.DataFrame(
        {
            "name": table["name"],
            "accuracy % (± over splits)": list(map(spread, table["accuracy"], table["spread over splits"])),
            "macro F1 %": list(map(number, table["macro F1"])),
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


def propagated(graph: Data, hops: int = 2) -> probes.Features:
    """Return Â^hops · X [nodes, features], Â = D^-½(A + I)D^-½ as in a GCN layer (Kipf and Welling, 2017, eq. 2).

    Sparse attributes stay sparse as long as few entries are filled.
    """
    edges, weights = gcn_norm(graph.edge_index.cpu(), num_nodes=graph.num_nodes)
    rows, columns = edges[1].numpy(), edges[0].numpy()
    smoother = sp.csr_matrix((weights.numpy(), (rows, columns)), shape=(graph.num_nodes, graph.num_nodes))
    x = matrix_of(graph.x, graph)
    for _ in range(hops):
        x = smoother @ x
        if sp.issparse(x) and x.nnz > SPARSE_BELOW * np.prod(x.shape):
            x = x.toarray()
    return x


def _row(name: str, kind: str, scored: list[Scores], runs: list[Any], seeds: int) -> dict[str, Any]:
    accuracies = np.array([scores.per_split["accuracy"] for scores in scored])
    within = float(np.sqrt(np.mean([scores.accuracy.std**2 for scores in scored])))
    first = scored[0]
    return {
        "name": name,
        "kind": kind,
        "accuracy": float(np.mean([scores.accuracy.mean for scores in scored])),
        "spread over splits": within,
        "training seeds": seeds,
        "spread over seeds": nested_spread(accuracies).between_seeds,
        "macro F1": float(np.mean([scores.macro_f1.mean for scores in scored])),
        "seconds": float(np.mean([run.seconds for run in runs])) if runs else np.nan,
        "peak MiB": float(np.mean([_number(run.peak_mib) for run in runs])) if runs else np.nan,
        "protocol": first.protocol,
        "solver": first.solver if first.steps is None else f"{first.solver} {first.steps:,} steps",
    }


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _grouped(runs: list[Any]) -> dict[str, list[Any]]:
    """Group runs that differ in the seed only, under a name that tells the groups of one method apart."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for run in runs:
        groups.setdefault((run.method, repr(_settings(run))), []).append(run)
    named: dict[str, list[Any]] = {}
    for (method, _), members in groups.items():
        seeds = [run.seed for run in members]
        twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
        if twice is not None:
            raise UserError(
                f"two runs of {method!r} have the same configuration and training seed {twice}, which would count one "
                "result twice; leave one out or train with another seed"
            )
        others = [_settings(group[0]) for (name, _), group in groups.items() if name == method]
        mine = _settings(members[0])
        differing = [f"{field}={mine.get(field)}" for field in mine if any(o.get(field) != mine[field] for o in others)]
        named[f"{method} ({', '.join(differing)})" if differing else method] = members
    return named


def _settings(run: Any) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(run.config).items() if name != "seed"}
