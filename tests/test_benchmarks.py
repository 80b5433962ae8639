"""Benchmarks that a test can afford, on small graphs in place of the ones that they name, and the page of results."""

import json
import time
from pathlib import Path

import pytest
from torch_geometric.data import Data

from benchmarks import __main__ as bench
from benchmarks import measure, methods, races
from workbench import rules
from workbench.datasets import load_graph, planted
from workbench.methods import names
from workbench.registry import Registry


def test_both_ways_are_timed_in_turn_and_the_least_counts() -> None:
    waits = iter([0.0, 0.05, 0.02])
    turns: list[str] = []

    def before() -> None:
        turns.append("before")
        time.sleep(0.04)

    def after() -> None:
        turns.append("after")
        time.sleep(next(waits))

    row = measure.row("case", before, after, 2, must="twice as fast", at_least=10.0, floor=0.01, peak_mib=3.0)
    assert turns == ["before", "after"] * 3
    assert 0.04 <= row["before_seconds"] < 0.1 and 0.02 <= row["after_seconds"] < 0.05
    assert row["ratio"] == row["before_seconds"] / row["after_seconds"] and row["met"] is False
    assert row["share_of_floor"] == 0.01 / row["after_seconds"] and row["peak_mib"] == 3.0
    assert measure.row("case", None, before, 1, limit_seconds=5.0)["met"] is True


def test_a_lost_ratio_is_told_and_a_case_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"case": "one", "ratio": 4.0}, {"case": "two", "ratio": 4.0}, {"case": "gone", "ratio": 2.0}, {"case": "x"}]
    again = [{"case": "one", "ratio": 2.9}, {"case": "two", "ratio": 2.7}]
    assert bench.lost(rows, again) == ["two: 2.70, stored 4.00", "gone: 0.00, stored 2.00"]
    monkeypatch.setattr(bench, "STORED", tmp_path / "performance.json")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(bench, "BENCHMARKS", Registry("benchmark"))
    rates = {"torch": "2", "threads": 1, "multiplications_a_second": 5e10, "bytes_a_second": 1e10}
    monkeypatch.setattr(bench, "machine", lambda: rates)
    measured = {"before_seconds": 2.0, "after_seconds": 0.5, "ratio": 4.0, "must": "≥ 2", "met": True, "recall": 0.97}

    @bench.BENCHMARKS.register("a-name")
    def a_name() -> measure.Rows:
        """What it measures."""
        return [{"case": "a case", **measured}]

    bench.main([])
    assert json.loads((tmp_path / "performance.json").read_text())["a-name"]["rows"] == a_name()
    assert "| a case | 2 s | 500 ms | 4.00 |  | ≥ 2 ✓ | recall 0.97 |" in (tmp_path / "performance.md").read_text()
    bench.main(["--check"])
    measured["ratio"] = 1.0
    with pytest.raises(SystemExit, match=r"a-name, a case: 1\.00, stored 4\.00"):
        bench.main(["--check", "a-name"])
    capsys.readouterr()


def test_the_page_is_made_from_the_stored_figures() -> None:
    assert bench.PAGE.read_text() == bench.page(json.loads(bench.STORED.read_text()))


def test_the_evaluation_of_rules_is_timed_rule_by_rule(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races, "load_graph", lambda name: small_graph)
    monkeypatch.setattr(races, "planted", lambda nodes: planted(nodes // 500))
    *each, large = races.rule_evaluation()
    assert [row["case"].split(",")[0] for row in each] == rules.names() and min(
        row["after_seconds"] for row in each
    ) > 0
    assert large["differs"] == 0 and large["peak_mib"] >= 0


def test_each_method_has_the_same_loss_without_a_short_form_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "load_graph", lambda _: load_graph("karate"))
    monkeypatch.setattr(methods, "_model", lambda name, inputs, _: races._model(name, inputs, "small"))
    monkeypatch.setattr(methods, "row", lambda case, *_, **facts: {"case": case, **facts})
    rows = {row["case"]: row["loss_difference"] for row in methods.methods()}
    assert set(rows) == set(names("nodes")) - {*methods.LEFT_OUT} and max(rows.values()) < 1e-4
    ratio = methods.plain_ratio
    monkeypatch.setattr(methods, "plain_ratio", lambda *asked: ratio(*asked) + 1)
    shifted = {row["case"]: row["loss_difference"] for row in methods.methods()}
    assert shifted["grace"] == pytest.approx(1, abs=1e-4) and shifted["dgi"] < 1e-4  # the plain way is the one taken
