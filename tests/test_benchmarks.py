"""Benchmarks that a test can afford, on small graphs in place of the ones that they name."""

import pytest
from torch_geometric.data import Data

from benchmarks import races
from workbench import rules
from workbench.datasets import planted


def test_the_evaluation_of_rules_is_timed_rule_by_rule(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races, "load_graph", lambda name: small_graph)
    monkeypatch.setattr(races, "planted", lambda nodes: planted(nodes // 500))
    told = races.run("rule-evaluation")
    seconds = {name: told[f"{name}_seconds"] for name in rules.names()}
    assert min(seconds.values()) > 0 and seconds[told["slowest"]] == max(seconds.values()) == told["slowest_seconds"]
    assert told["planted_nodes"] == 2000 and told["ntsc_planted_differs"] == 0
    assert told["ntsc_planted_cpu_seconds"] > 0 and told["ntsc_planted_peak_mib"] >= 0
