"""Does the content of the rules matter? Str-GCL beside controls in which the rules say less, or nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch_geometric.data import Data

from workbench.errors import UserError, unknown
from workbench.studies import arms as comparison
from workbench.studies.arms import PROPAGATED, UNTRAINED, summary

RELEASED, PERMUTED, NO_RULE = "released", "permuted", "no rule"
NODES, NODES_PERMUTED = "node-wise (ours)", "node-wise, permuted"
# The weight of the node-wise term: over a training the node contrast falls by about one nat and the standardised error
# can fall by one at most, so that a tenth of it cannot outweigh the contrast. It was not chosen by a score.
_NODE_WISE = {"alignment": "nodes", "cross_weight": 0.1}
ARMS: Mapping[str, Mapping[str, Any]] = {
    NO_RULE: {"rule_weight": 0.0, "cross_weight": 0.0},
    RELEASED: {},
    "frozen": {"scores": "frozen"},
    "constant": {"weighting": "constant"},
    PERMUTED: {"weighting": "permuted"},
    NODES: _NODE_WISE,
    NODES_PERMUTED: {**_NODE_WISE, "weighting": "permuted"},
}
# What each arm is to be held against, first minus second.
PAIRS = (
    (RELEASED, PERMUTED), (RELEASED, "constant"), (RELEASED, "frozen"), (RELEASED, NO_RULE),
    (PERMUTED, "constant"), (NODES, NODES_PERMUTED), (NODES, NO_RULE),
)  # fmt: skip


def run(
    graph: Data,
    rules: Sequence[str] | None = None,
    seeds: int = 5,
    arms: Sequence[str] | None = None,
    preset: str = "quick",
    protocol: str = "random-10-10-80",
    splits: int = 10,
    store: str | Path | None = None,
    progress: bool = True,
    **overrides: Any,
) -> pd.DataFrame:
    """Train Str-GCL in several arms over several seeds and score all under one protocol on the same splits.

    Each training is a stored run, so an interrupted call goes on where it stopped when it is asked again.

    Args:
        graph: the graph with its labels, which no arm sees in training.
        rules: names or formulas; None for the released two.
        seeds: training seeds 0, 1, ..., at least 2 for an interval.
        arms: some of `ARMS`; None for all: "no rule" (rule terms off), "released", "frozen" scores, "constant" weight,
            weight "permuted" over the nodes, "node-wise (ours)" and "node-wise, permuted".
        preset: of Str-GCL. "quick" is reduced to one layer, 256 wide, 40 epochs, with one setting for all graphs.
        protocol: name of a protocol. splits: how many of it.
        store: folder of runs.
        progress: show a bar for each training.
        **overrides: parameters of Str-GCL that differ from the preset in all arms.

    Returns:
        One row an arm and seed, and one for each floor: graph, arm, seed, accuracy and macro F1 (mean over the splits,
        percent), spread over splits (percentage points), epochs, seconds (training), preset, protocol.

    Raises:
        UserError: an unknown arm or one given twice, seeds or splits that are no whole numbers from 1, or as for `fit`
            and `evaluate`.
    """
    if isinstance(arms, str):
        raise UserError(f"arms are a list of names, e.g. [{RELEASED!r}, {PERMUTED!r}], not {arms!r}")
    chosen = list(ARMS) if arms is None else list(arms)
    for arm in chosen:
        if not isinstance(arm, str) or arm not in ARMS:
            raise unknown("arm", arm, ARMS, "of the placebo comparison")
        if chosen.count(arm) > 1:
            raise UserError(f"arm {arm!r} is given twice; the placebo comparison trains each arm once a seed")
    comparison.check_counts(seeds, splits, "the placebo comparison")
    if rules is not None:
        overrides = {**overrides, "rules": rules}
    given = {name: ARMS[name] for name in chosen}
    return comparison.run(graph, "str-gcl", given, seeds, preset, protocol, splits, store, progress, **overrides)


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences in accuracy between the arms of `PAIRS`; see `workbench.studies.arms.differences`."""
    return comparison.differences(rows, PAIRS)


__all__ = [
    "ARMS", "PAIRS", "PERMUTED", "PROPAGATED", "RELEASED", "UNTRAINED", "differences", "run", "summary"
]  # fmt: skip
