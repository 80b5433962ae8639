"""What each switch between a paper and its released code is worth, paired over training seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch_geometric.data import Data

from workbench import arms
from workbench.errors import unknown

RELEASED = "released"
FILE = "claims-switches.csv"
# By method: what is set in place of what the release does. Each is one change, but that a view of its own takes the
# aliasing away.
SWITCHES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "str-gcl": {
        "frozen scores": {"scores": "frozen"},
        "scores without decay": {"scores": "no-decay"},
        "permuted weights": {"weighting": "permuted"},
        "constant weights": {"weighting": "constant"},
        "plain degree": {"degree": "plain"},
        "64 components": {"pca": 64},
        "local mean over all": {"local_mean": "all"},
        "undirected edge dropping": {"edge_dropping": "undirected"},
        "node-wise alignment (ours)": {"alignment": "nodes", "cross_weight": 0.1},
        "no rule terms": {"rule_weight": 0.0, "cross_weight": 0.0},
    },
    "e2neg": {
        "true second view, shuffled": {"alias": False},
        "true second view, masked and dropped": {"alias": False, "augment": "mask-drop"},
        "smallest singular vectors": {"spectrum": "smallest"},
        "random centres": {"centres": "random"},
        "centres of highest degree": {"centres": "degree"},
        "neighbours counted once": {"counting": "value"},
        "inference as trained": {"inference": "star"},
        "10 centres": {"k": 10},
    },
}


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
    """Train a method as released and with each of its switches set; arguments and result as for `workbench.arms.run`.

    Raises:
        UserError: the method has no switches here, or as for `workbench.arms.run`.
    """
    if method not in SWITCHES:
        raise unknown("method", method, SWITCHES, "with switches between paper and release")
    arms.check_counts(seeds, splits, "the switch study")
    given = {RELEASED: {}, **SWITCHES[method]}
    return arms.run(graph, method, given, seeds, preset, protocol, splits, store, progress).assign(method=method)


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each switch changes against the release, and the release against its untrained encoder.

    Args:
        rows: what `run` returned, of one graph and method or several below each other.

    Returns:
        method, graph, switch, seeds, difference, low, high (percentage points, 95 % t interval over training seeds) and
        verdict, see `workbench.arms.said`.
    """
    parts = []
    for method, part in rows.groupby("method", sort=False):
        pairs = [(name, RELEASED) for name in SWITCHES[str(method)]] + [(RELEASED, arms.UNTRAINED)]
        parts.append(arms.differences(part, pairs).assign(method=method))
    found = pd.concat(parts, ignore_index=True)
    names = np.where(found["second"] == arms.UNTRAINED, "training at all", found["first"])
    verdicts = [arms.said(row.low, row.high) for row in found.itertuples()]
    return found.assign(switch=names, verdict=verdicts)[
        ["method", "graph", "switch", "seeds", "difference", "low", "high", "verdict"]
    ]
