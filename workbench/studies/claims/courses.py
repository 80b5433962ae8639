"""What it costs to come to an accuracy: accuracy against seconds of training, of methods on the same machine."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation import evaluate
from workbench.studies import arms
from workbench.training.fit import fit

FILE = "claims-courses.csv"
KEYS = ["graph", "arm", "seed", "epoch"]


def run(
    graph: Data,
    methods: Sequence[str] = ("grace", "e2neg"),
    seeds: int = 3,
    preset: str = "quick",
    points: int = 16,
    protocol: str = "random-10-10-80",
    splits: int = 5,
    store: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train methods one after the other and score the embeddings that each had on the way.

    Args:
        graph: the graph with its labels.
        methods: whom to hold against each other.
        seeds: training seeds 0, 1, ...
        preset: settings of all.
        points: of each training that are scored, its beginning included.
        protocol: name of a protocol. splits: how many of it.
        store: folder of runs, from which an interrupted call goes on.
        progress: show a bar for each training.

    Returns:
        One row a method, seed and point: graph, arm (the method), seed, epoch, seconds (of training up to there, the
        scoring not counted), accuracy (percent, mean over the splits), peak MiB (of the whole training), preset,
        protocol, device.

    Raises:
        UserError: a training was interrupted, or as for `fit` and `evaluate`.
    """
    arms.check_counts(seeds, splits, "the course of a training")
    rows = []
    for seed in range(seeds):
        for method in methods:
            trained = fit(method, graph, preset, seed, snapshots=points, store=store, progress=progress)
            if not trained.complete:
                raise UserError(f"interrupted in {method}, seed {seed}; the same call goes on from there")
            for epoch, embeddings in trained.snapshots.items():
                scores = evaluate(embeddings.float(), graph, protocol, splits=splits, solver="fast", progress=False)
                rows.append({
                    "graph": trained.graph, "arm": method, "seed": seed, "epoch": epoch,
                    "seconds": float(trained.history["seconds"].loc[epoch]) if epoch else 0.0,
                    "accuracy": float(scores.accuracy), "peak MiB": trained.peak_mib, "preset": trained.preset,
                    "protocol": protocol, "device": trained.device,
                })  # fmt: skip
    return pd.DataFrame(rows)


def reached(rows: pd.DataFrame, second: str, margin: float = arms.MARGIN) -> pd.DataFrame:
    """Return what each training of one graph cost up to the accuracy that a method comes to, less a margin.

    Args:
        rows: what `run` returned, of one graph.
        second: the method whose last accuracy with the same seed is to be reached.
        margin: percentage points below it that will do.

    Returns:
        One row a method and seed: arm, seed, target (percent), accuracy (the last), seconds (of the first point that
        reaches the target, inf where none does), peak MiB.
    """
    last = rows.sort_values("epoch").groupby(["arm", "seed"], as_index=False).last()
    last["target"] = last["seed"].map(last[last["arm"] == second].set_index("seed")["accuracy"]) - margin
    points = rows.merge(last[["arm", "seed", "target"]])
    there = points[points["accuracy"] >= points["target"]].groupby(["arm", "seed"])["seconds"].min()
    seconds = there.reindex(pd.MultiIndex.from_frame(last[["arm", "seed"]]), fill_value=float("inf"))
    return last[["arm", "seed", "target", "accuracy", "peak MiB"]].assign(seconds=seconds.to_numpy())
