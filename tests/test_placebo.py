"""The placebo comparison: what its arms are, that they are kept, and that its arithmetic is right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.plots.arms import difference_chart
from workbench.studies import placebo

SMALL = {"epochs": 2, "dim": 8, "projection": 8, "rule_hidden": 4}


def test_arms_are_runs_that_are_loaded_the_second_time(labelled: Data, tmp_path: Path) -> None:
    asked = {"seeds": 2, "splits": 3, "store": tmp_path, "progress": False, **SMALL}
    first = placebo.run(labelled, **asked)
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")}
    assert len(stored) == 2 * (len(placebo.ARMS) + 1)  # and the untrained encoder of each seed
    second = placebo.run(labelled, **asked)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")} == stored
    pd.testing.assert_frame_equal(first, second)
    assert set(first["arm"]) == {*placebo.ARMS, placebo.UNTRAINED, placebo.PROPAGATED}
    shown = placebo.summary(first).set_index("arm")
    released = first[first["arm"] == placebo.RELEASED]["accuracy"]
    assert shown.loc[placebo.RELEASED, "accuracy"] == pytest.approx(released.mean())
    assert shown.loc[placebo.RELEASED, "spread over seeds"] == pytest.approx(np.std(released, ddof=1))
    assert difference_chart(placebo.differences(first)).data[0].x is not None


def test_every_arm_is_trained_on_the_rules_that_are_given(labelled: Data, tmp_path: Path) -> None:
    rules = ["NTSC", "degree(v) > 6"]
    asked = {"seeds": 1, "splits": 2, "store": tmp_path, "progress": False, **SMALL}
    rows = placebo.run(labelled, rules, arms=[placebo.RELEASED, placebo.NODES], **asked)
    assert rows["arm"].tolist() == [placebo.PROPAGATED, placebo.UNTRAINED, placebo.RELEASED, placebo.NODES]
    stored = [wb.runs.load(file.parent) for file in tmp_path.glob("*/run.json")]
    assert len(stored) == 3 and all(run.config.rules == tuple(rules) for run in stored)
    targets = next(run.details for run in stored if "targets" in run.details)
    for place, rule in enumerate(rules):
        truth = wb.rules.evaluate(rule, labelled)
        assert 0 < truth.sum() < 100 and torch.equal(targets[rule], truth)
        assert torch.equal(targets["targets"][:, place] > 0, truth > 0)
    others = placebo.run(labelled, arms=[placebo.NODES], **asked)["accuracy"].tolist()
    assert rows["accuracy"].iloc[0] == others[0]  # the floor knows no rules


def test_differences_by_hand() -> None:
    rows = pd.DataFrame(
        [{"graph": "g", "arm": arm, "seed": seed, "accuracy": value}
         for arm, values in (("released", (80.0, 82.0, 84.0)), ("permuted", (79.0, 80.0, 84.0)))
         for seed, value in enumerate(values)]
    )  # fmt: skip
    (row,) = placebo.differences(rows).to_dict("records")
    # Differences 1, 2, 0: mean 1, standard error 1/sqrt(3), t(2, 0.975) = 4.302653.
    assert row["difference"] == pytest.approx(1) and row["seeds"] == 3
    assert (row["low"], row["high"]) == pytest.approx((1 - 4.302653 / 3**0.5, 1 + 4.302653 / 3**0.5), abs=1e-5)
    with pytest.raises(UserError, match="two training seeds"):
        difference_chart(placebo.differences(rows[rows["seed"] == 0]))


def test_results_that_no_name_tells_apart_are_refused() -> None:
    one = pd.DataFrame([{"graph": "graph", "arm": arm, "seed": seed, "accuracy": 80.0 + seed}
                        for arm in ("released", "permuted") for seed in (0, 1)])  # fmt: skip
    one = one.assign(**{"spread over splits": 1.0, "macro F1": 70.0, "seconds": 1.0})
    assert len(placebo.differences(one)) == 1 and len(placebo.summary(one)) == 2
    other = one.assign(graph="other")
    assert len(placebo.differences(pd.concat([one, other]))) == 2
    for tell in (placebo.differences, placebo.summary):
        with pytest.raises(UserError, match="arm 'released' of graph 'graph' has two results for one seed; give each"):
            tell(pd.concat([one, one]))


def test_mistakes_are_named(labelled: Data) -> None:
    with pytest.raises(UserError, match="unknown arm 'realeased' of the placebo comparison; did you mean 'released'"):
        wb.placebo.run(labelled, arms=["realeased"])
    with pytest.raises(UserError, match="at least 1 training seed"):
        wb.placebo.run(labelled, seeds=0)
    for count in (2.5, True, "3", 0, None):
        with pytest.raises(UserError, match=f"a whole number of training seeds, at least 1 .*, not {count!r}"):
            wb.placebo.run(labelled, seeds=count)
        with pytest.raises(UserError, match=f"a whole number of splits, at least 1 split, not {count!r}"):
            wb.placebo.run(labelled, splits=count)
    with pytest.raises(UserError, match="arm 'released' is given twice"):
        wb.placebo.run(labelled, arms=["released", "frozen", "released"])
    with pytest.raises(UserError, match=r"arms are a list of names, e\.g\. \['released', 'permuted'\], not 'released'"):
        wb.placebo.run(labelled, arms="released")
    with pytest.raises(UserError, match="unknown arm '3'"):
        wb.placebo.run(labelled, arms=[3])
    with pytest.raises(UserError, match="must be a list of words"):
        wb.placebo.run(labelled, rules="ntsc", seeds=1, splits=3, progress=False)
    with pytest.raises(UserError, match="'scores' is what the arms differ in"):
        wb.placebo.run(labelled, scores="frozen")
    with pytest.raises(UserError, match="unknown term 'degre'"):
        wb.placebo.run(labelled, rules=["degre(v) > 1"], seeds=1, splits=3, progress=False, **SMALL)
