"""What each switch between a paper and its released code is worth, paired over training seeds."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from workbench.errors import unknown
from workbench.studies import arms
from workbench.studies.claims.cells import changes

RELEASED = "released"
FILE = "claims-switches.csv"


def run(
    graph: Data,
    method: str,
    seeds: int = 5,
    preset: str = "quick",
    protocol: str = "random-10-10-80",
    splits: int = 10,
    store: str | Path | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train a method as released and with each of its switches set; arguments and result as for `arms.run`.

    Raises:
        UserError: the method has no switches here, or as for `arms.run`.
    """
    known = changes()
    if method not in known:
        raise unknown("method", method, known, "with switches between paper and release")
    arms.check_counts(seeds, splits, "the switch study")
    given = {RELEASED: {}, **known[method]}
    return arms.run(graph, method, given, seeds, preset, protocol, splits, store, progress).assign(method=method)


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each switch changes against the release, and the release against its untrained encoder.

    Args:
        rows: what `run` returned, of one graph and method or several below each other.

    Returns:
        method, graph, switch, seeds, difference, low, high (percentage points, 95 % t interval over training seeds) and
        verdict, see `workbench.studies.arms.said`.
    """
    parts = []
    for method, part in rows.groupby("method", sort=False):
        pairs = [(name, RELEASED) for name in changes()[str(method)]] + [(RELEASED, arms.UNTRAINED)]
        parts.append(arms.differences(part, pairs).assign(method=method))
    found = pd.concat(parts, ignore_index=True)
    names = np.where(found["second"] == arms.UNTRAINED, "training at all", found["first"])
    verdicts = [arms.said(row.low, row.high) for row in found.itertuples()]
    return found.assign(switch=names, verdict=verdicts)[
        ["method", "graph", "switch", "seeds", "difference", "low", "high", "verdict"]
    ]
