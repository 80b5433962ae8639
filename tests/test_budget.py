"""The budget of negatives: what its arms are, that they are kept and resumed, and that its arithmetic is right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.plots import budget_chart, difference_chart
from workbench.studies import budget

SMALL = {"epochs": 2, "dim": 8, "projection": 8, "splits": 3, "progress": False}


def test_arms_are_runs_that_are_loaded_the_second_time(labelled: Data, tmp_path: Path) -> None:
    asked = {"strategies": ["hop-far", "e2neg"], "ks": [2, 5], "seeds": 2, "store": tmp_path, "hops": 2, **SMALL}
    first = budget.run(labelled, **asked)
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")}
    assert len(stored) == 2 * (1 + 4 * 2 + 1)  # all, four strategies with two numbers, and the untrained encoder
    second = budget.run(labelled, **asked)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")} == stored
    pd.testing.assert_frame_equal(first, second)
    trained = first.dropna(subset=["strategy"])
    assert set(trained["strategy"]) == {"all", "uniform", "uniform-each", "hop-far", "e2neg"}
    assert set(trained[trained["lists"] == "each"]["strategy"]) == {"uniform-each", "hop-far"}
    counted = trained.set_index("arm")["negatives"].groupby("arm").first()
    assert counted["all"] == 99 and counted["uniform, k=5"] == 5 and counted["uniform-each, k=2"] == 2
    configs = [wb.runs.load(path.parent).config for path in stored]
    far = [one for one in configs if one.negatives == "hop-far"]
    assert len(far) == 4 and all(dict(one.options) == {"hops": 2} for one in far)
    assert all(not one.options for one in configs if one.negatives != "hop-far")  # only whoever has the option takes it
    gaps = budget.differences(first)
    pairs = set(zip(gaps["first"], gaps["second"], strict=True))
    assert ("hop-far, k=5", "uniform-each, k=5") in pairs and ("e2neg, k=2", "uniform, k=2") in pairs
    assert ("uniform, k=2", "all") in pairs and ("uniform-each, k=2", "uniform, k=2") in pairs
    drawn = budget_chart(first)
    means = trained[trained["strategy"] == "e2neg"].groupby("k")["accuracy"].mean()
    line = next(trace for trace in drawn.data if trace.name == "e2neg")
    np.testing.assert_allclose(line.y, means)
    every = trained[trained["strategy"] == "all"]
    assert [shape.type for shape in drawn.layout.shapes] == ["rect", "line"] * 3
    assert drawn.layout.shapes[1].y0 == pytest.approx(every["accuracy"].mean())
    assert (drawn.layout.shapes[4].y0, drawn.layout.shapes[4].y1) == (every["peak MiB"].min(), every["peak MiB"].max())
    assert difference_chart(gaps, "Negatives").layout.title.text == "Negatives"


def test_the_centres_of_e2neg_stay_while_their_negatives_differ(labelled: Data, tmp_path: Path) -> None:
    asked = {"method": "e2neg", "k": 8, "epochs": 1, "dim": 8, "splits": 3, "progress": False, "spectrum": "smallest"}
    rows = budget.run(labelled, ["hardest"], ks=[2, 5], seeds=1, store=tmp_path, **asked).dropna(subset=["strategy"])
    assert rows.set_index("arm")["negatives"]["hardest, k=5"] == 5
    configs = [wb.runs.load(path.parent).config for path in tmp_path.glob("*/run.json")]
    assert {config.k for config in configs} == {8} and {config.spectrum for config in configs} == {"smallest"}


def test_a_verdict_needs_an_interval_on_one_side_or_within_the_margin() -> None:
    accuracy = {"all": [80.0, 80.2, 80.4], "uniform, k=4": [79.9, 80.1, 80.4], "uniform-each, k=4": [80.0, 83.0, 77.0],
                "hop-near, k=4": [70.1, 70.0, 70.4], "hop-far, k=4": [80.2, 80.4, 80.7]}  # fmt: skip
    rows = pd.DataFrame(
        {"graph": "g", "arm": name, "seed": float(seed), "accuracy": value, "strategy": name.split(",")[0],
         "k": np.nan if name == "all" else 4.0, "objective": "infonce",
         "lists": "shared" if name in ("all", "uniform, k=4") else "each"}
        for name, values in accuracy.items() for seed, value in enumerate(values)
    )  # fmt: skip
    found = budget.differences(rows).set_index(["first", "second"])["verdict"]
    assert found["uniform, k=4", "all"] == "equal within 1 point"
    assert found["uniform-each, k=4", "all"] == "not separable"
    assert found["hop-near, k=4", "all"] == found["hop-near, k=4", "hop-far, k=4"] == "worse"
    assert found["hop-far, k=4", "all"] == "better, by less than 1 point"
    assert ("hop-far, k=4", "uniform, k=4") not in found.index  # its placebo draws for each anchor, too
    said = budget.claims(rows).set_index(["first", "second"])["verdict"]
    assert said["uniform, k=4", "all"] == "held" and said["hop-near, k=4", "uniform-each, k=4"] == "held"
    assert (said["uniform-each, k=4", "all"] == "not separable").all()  # neither as good nor better
    assert said["hop-far, k=4", "uniform-each, k=4"] == "not separable"
    worse = rows.assign(accuracy=np.where(rows["arm"] == "uniform, k=4", rows["accuracy"] - 2, rows["accuracy"]))
    assert budget.claims(worse).set_index(["first", "second"])["verdict"]["uniform, k=4", "all"] == "contradicted"
    near = rows.assign(accuracy=np.where(rows["strategy"] == "hop-near", 90.0, rows["accuracy"]))
    verdicts = budget.claims(near).set_index(["first", "second"])["verdict"]
    assert verdicts["hop-near, k=4", "uniform-each, k=4"] == "contradicted"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"strategies": ["hop-fra"]}, "did you mean 'hop-far'"),
        ({"strategies": "hop-far"}, "a list without repeats"),
        ({"ks": [4, 4]}, "a list without repeats"),
        ({"ks": [100]}, "gives 1 to 99"),
        ({"seeds": 0}, "at least 1"),
        ({"objectives": ["dlc"]}, "did you mean 'dcl'"),
        ({"negatives": "all"}, "what the arms differ in"),
        ({"hop": 3}, "unknown parameter 'hop'"),
        ({"hops": 0}, "hops is 0"),
        ({"clusters": 3}, "option of strategies that are not among the arms"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"strategies": ["mixing"], "objectives": ["infonce", "cacr"]}, "not defined for negatives of strategy"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    labelled: Data, tmp_path: Path, asked: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        budget.run(labelled, store=tmp_path, **{**SMALL, "ks": [4], **asked})
    assert not list(tmp_path.iterdir())


def test_the_chart_says_what_it_needs(labelled: Data) -> None:
    rows = pd.DataFrame({"graph": ["a", "b"], "strategy": "all", "objective": "infonce"})
    with pytest.raises(UserError, match=r"2 graphs \(a, b\)"):
        budget_chart(rows)
    with pytest.raises(UserError, match="unknown graph 'c'"):
        budget_chart(rows, "c")
