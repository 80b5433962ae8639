"""Studies: that they round-trip, resume and are the same from everywhere, and what placebo and negatives compare."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.errors import UserError
from workbench.evaluation import evaluate
from workbench.plots import budget_chart, difference_chart
from workbench.studies import Condition, Study, report, results

SMALL: dict[str, Any] = {"epochs": 2, "dim": 8, "projection": 8, "splits": 3, "progress": False}
QUICK: dict[str, Any] = {**SMALL, "rule_hidden": 4}


def rows_of(study: Study | None = None, data: str = "g", **accuracy: list[float]) -> pd.DataFrame:
    """Scores by condition and seed."""
    name = study.name if study else "made"
    return results.table(
        {"study": name, "condition": condition, "kind": "trained", "data": data, "seed": seed, "protocol":
         "random-10-10-80", "metric": metric, "value": value, "preset": "quick", "seconds": 1.0, "epochs": 1}
        for condition, values in accuracy.items()
        for seed, value in enumerate(values)
        for metric in ("accuracy", "macro_f1")
    )  # fmt: skip


def written_and_read(study: Study, folder: Path) -> Study:
    (folder / "mine.toml").write_text(study.to_toml(), encoding="utf-8")
    return wb.studies.load(str(folder / "mine.toml"))


@pytest.mark.parametrize("name", wb.studies.names())
def test_a_study_is_written_and_read_as_toml(name: str, tmp_path: Path) -> None:
    study = wb.studies.load(name)
    assert study.title and study.conditions
    assert written_and_read(study, tmp_path) == study
    assert wb.studies.load(str(tmp_path / "mine.toml"), seeds=2, splits=4) == study.changed(seeds=2, splits=4)


def test_a_study_of_ones_own_is_a_value(tmp_path: Path) -> None:
    study = Study(
        "mine", "Does far help?",
        (Condition("far", "grace", "quick", (("negatives", "hop-far"), ("negatives.hops", 3))),
         Condition("all", "grace")),
        ("cora",), 2, solver="fast", comparisons=(("far", "all"),),
    )  # fmt: skip
    assert study.seeds == (0, 1) and written_and_read(study, tmp_path) == study
    assert study.changed(conditions=["far"], preset="released").conditions[0].preset == "released"
    assert [c.overrides for c in study.changed(tau=0.3).conditions] == [(*study.conditions[0].overrides, ("tau", 0.3)),
                                                                      (("tau", 0.3),)]  # fmt: skip
    with pytest.raises(UserError, match="condition 'far' stands twice"):
        Study("mine", conditions=(study.conditions[0],) * 2)


def test_the_same_study_from_python_and_the_command_line_is_the_same_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = wb.studies.run("placebo", "planted:200", conditions=["released", "permuted"], seeds=2, **QUICK)
    words = ["study", "run", "placebo", "planted:200", "--seeds", "2", "-p", 'conditions=["released", "permuted"]']
    settings = [word for name, value in QUICK.items() if name != "progress" for word in ("-p", f"{name}={value}")]
    file = tmp_path / "rows.csv"
    assert main([*words, *settings, "--json", "--out", str(file)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"trainings", "rows", "summary", "differences", "claims"} == set(told)
    assert [row["state"] for row in told["trainings"]] == ["stored"] * 4, "the runs of the first call are loaded"
    pd.testing.assert_frame_equal(results.table(told["rows"]), rows)
    written = results.read(str(file))
    keys = ["condition", "seed", "split", "metric"]
    pd.testing.assert_frame_equal(
        written.sort_values(keys, ignore_index=True), rows.sort_values(keys, ignore_index=True), rtol=1e-4
    )
    assert main([*words, *settings]) == 0
    out = capsys.readouterr().out
    assert "means over training seeds, in percent" in out and "untrained str-gcl" in out and "first minus second" in out


def test_studies_are_listed_and_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["study", "list", "--json"]) == 0
    assert [row["study"] for row in json.loads(capsys.readouterr().out)] == wb.studies.names()
    for name in wb.studies.names():
        assert main(["study", "report", name]) == 0, "the kept results of each are read"
    out = capsys.readouterr().out
    assert "few-negatives" in out and "best-on-test" in out and "node-wise (ours)" in out
    for words, told in (
        (["run", "negativs"], "unknown study 'negativs'; did you mean 'negatives'?"),
        (["rn"], "unknown action 'rn' of workbench study; did you mean 'run'?"),
        (
            ["run"],
            "takes STUDY [GRAPH ...], and 0 words were given; studies are generative, graph-level, leaderboard, ",
        ),
        (["run", "placebo", "coora"], "unknown graph 'coora'; did you mean 'cora'?"),
        (["run", "placebo", "karate", "-p", 'conditions=["realeased"]'], "did you mean 'released'?"),
        (["run", "placebo", "karate", "-p", "protocol=pubic"], "did you mean 'public'?"),
        (["run", "placebo", "karate", "--out", str(tmp_path / "no" / "rows.csv")], "folder that does not exist"),
        (["report", "placebo", "--results", str(tmp_path)], "nothing is kept of study 'placebo'"),
    ):
        assert main(["study", *words]) == 2 and told in capsys.readouterr().err


def test_conditions_are_runs_that_are_loaded_the_second_time(labelled: Data, tmp_path: Path) -> None:
    first = wb.studies.run("placebo", labelled, seeds=2, store=tmp_path, **QUICK)
    stored = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")}
    names = [condition.name for condition in wb.studies.load("placebo").conditions]
    assert len(stored) == 2 * (len(names) + 1)  # and the untrained encoder of each seed
    second = wb.studies.run("placebo", labelled, seeds=2, store=tmp_path, **QUICK)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")} == stored
    pd.testing.assert_frame_equal(first, second)
    assert list(first.columns) == results.COLUMNS
    kinds = first.groupby("kind")["condition"].unique().map(list).to_dict()
    assert kinds == {"baseline": ["propagated", "hops"], "untrained": ["untrained str-gcl"], "trained": names}
    shown = wb.studies.summary(first).set_index("condition")
    released = results.wide(first).query("condition == 'released'")["accuracy"]
    assert shown.loc["released", "accuracy"] == pytest.approx(released.mean())
    assert shown.loc["released", "spread over seeds"] == pytest.approx(np.std(released, ddof=1))
    plain = {name: QUICK[name] for name in ("epochs", "dim", "projection", "rule_hidden")}
    run = wb.fit("str-gcl", labelled, "quick", seed=1, store=tmp_path, progress=False, **plain)
    scores = evaluate(run, labelled, splits=3, progress=False)
    row = results.wide(first).set_index(["condition", "seed"]).loc[("released", 1)]
    assert (row["accuracy"], row["accuracy_std"]) == pytest.approx((scores.accuracy.mean, scores.accuracy.std))
    assert (row["seconds"], row["peak_mib"], row["finished"]) == (run.seconds, run.peak_mib, 1)
    gaps = wb.studies.differences(first, wb.studies.load("placebo"))
    assert len(difference_chart(gaps).data[0].x) == 7


def test_every_condition_is_trained_on_the_rules_that_are_given(labelled: Data, tmp_path: Path) -> None:
    rules, chosen = ["NTSC", "degree(v) > 6"], ["released", "node-wise (ours)"]
    rows = wb.studies.run("placebo", labelled, rules=rules, conditions=chosen, seeds=1, store=tmp_path, **QUICK)
    assert rows["condition"].unique().tolist() == ["propagated", "hops", "untrained str-gcl", *chosen]
    stored = [wb.runs.load(file.parent) for file in tmp_path.glob("*/run.json")]
    assert len(stored) == 3 and all(run.config.rules == tuple(rules) for run in stored)
    targets = next(run.details for run in stored if "targets" in run.details)
    for place, rule in enumerate(rules):
        truth = wb.rules.evaluate(rule, labelled)
        assert 0 < truth.sum() < 100 and torch.equal(targets[rule], truth)
        assert torch.equal(targets["targets"][:, place] > 0, truth > 0)
    others = wb.studies.run("placebo", labelled, conditions=chosen[1:], seeds=1, store=tmp_path, **QUICK)
    assert wb.studies.summary(rows)["accuracy"][0] == wb.studies.summary(others)["accuracy"][0]  # it knows no rules


def test_differences_by_hand() -> None:
    study = wb.studies.load("placebo")
    rows = rows_of(study, released=[80.0, 82.0, 84.0], permuted=[79.0, 80.0, 84.0])
    (row,) = wb.studies.differences(rows, study).to_dict("records")
    # Differences 1, 2, 0: mean 1, standard error 1/sqrt(3), t(2, 0.975) = 4.302653.
    assert row["difference"] == pytest.approx(1) and row["seeds"] == 3
    assert (row["low"], row["high"]) == pytest.approx((1 - 4.302653 / 3**0.5, 1 + 4.302653 / 3**0.5), abs=1e-5)
    assert row["verdict"] == "not separable"
    with pytest.raises(UserError, match="two training seeds"):
        difference_chart(wb.studies.differences(rows[rows["seed"] == 0], study))


def test_each_interval_stands_beside_the_name_of_its_own_pair() -> None:
    graphs = {"few": "a", "all": "abcdefg"}
    rows = [{"first": name, "second": "none", "data": data, "difference": 1.0, "low": 0.0, "high": 2.0, "seeds": 3}
            for name, of in graphs.items() for data in of]  # fmt: skip
    fig = difference_chart(pd.DataFrame(rows))
    named = dict(zip(fig.layout.yaxis.ticktext, fig.layout.yaxis.tickvals, strict=True))
    places = {name: [] for name in named}
    for trace in fig.data:
        for text, place in zip(trace.text, trace.y, strict=True):
            places[text.split(": ")[1].split("<br>")[0]].append(place)
    few, every = places["few − none"], places["all − none"]
    assert np.diff(every).min() >= 1 and min(every) - max(few) > 1
    assert named == {"few − none": np.mean(few), "all − none": np.mean(every)}
    low, high = sorted(fig.layout.yaxis.range)
    assert low < min(few) and max(every) < high


def test_results_that_no_name_tells_apart_are_refused() -> None:
    study = wb.studies.load("placebo")
    one = rows_of(study, "graph", released=[80.0, 81.0], permuted=[80.0, 81.0])
    other = rows_of(study, "other", released=[80.0, 81.0], permuted=[80.0, 81.0])
    assert len(wb.studies.differences(one, study)) == 1 and len(wb.studies.summary(one)) == 2
    assert len(wb.studies.differences(pd.concat([one, other]), study)) == 2
    for twice in (pd.concat([one, one]), pd.concat([one, one.assign(preset="released/cora")])):
        for tell in (lambda rows: wb.studies.differences(rows, study), wb.studies.summary):
            with pytest.raises(UserError, match="condition 'released' on 'graph' has two results for one seed; give"):
                tell(twice)
    with pytest.raises(UserError, match=r"by 2 protocols \(random-10-10-80, public\): say which"):
        wb.studies.summary(pd.concat([one, one.assign(protocol="public")]))


def test_what_is_measured_again_is_replaced_and_what_was_finished_stays(tmp_path: Path) -> None:
    file = tmp_path / "made.csv"
    first = rows_of(old=[80.0, 81.0, 82.0], new=[70.0, 71.0, 72.0])
    results.add(first, file)
    results.add(rows_of(data="h", new=[60.0]), file)
    kept = results.add(rows_of(new=[1.0, 1.0]), file)
    accuracy = kept[kept["metric"] == "accuracy"].set_index(["data", "condition", "seed"])["value"]
    assert accuracy["g", "new"].tolist() == [1.0, 1.0, 72.0] and accuracy["g", "old"].tolist() == [80.0, 81.0, 82.0]
    assert accuracy["h", "new"].tolist() == [60.0] and [*dict.fromkeys(kept["condition"])] == ["old", "new"]
    before = file.read_bytes()
    results.add(rows_of(old=[80.0]), file)
    assert file.read_bytes() == before, "the same results are the same file"
    done = rows_of(late=[90.0]).assign(metric="finished", protocol="", value=1.0).head(1)
    results.add(done, file)
    kept = results.add(done.assign(value=0.0, epochs=0), file)
    assert kept[kept["condition"] == "late"]["value"].tolist() == [1.0]
    (tmp_path / "bad.csv").write_text("arm\ngrace\n")
    with pytest.raises(UserError, match=r"bad\.csv has no column 'study'"):
        results.add(first, tmp_path / "bad.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "made.csv"], "no lock is left"


# -------------------------------------------------------------------------------------------------------- negatives


def test_negatives_of_samplers_and_numbers(labelled: Data, tmp_path: Path) -> None:
    options = {"samplers": ["hop-far", "e2neg"], "ks": [2, 5], "seeds": 2, "hops": 2}
    study = wb.studies.load("negatives", **options, **{name: SMALL[name] for name in SMALL if name != "progress"})
    first = wb.studies.run(study, labelled, store=tmp_path, progress=False)
    stored = [*tmp_path.glob("*/run.json")]
    assert len(stored) == 2 * (1 + 4 * 2 + 1)  # all, four samplers with two numbers, and the untrained encoder
    table = results.wide(first)
    named = [f"{sampler}, k={k}" for sampler in ("uniform", "uniform-each", "hop-far", "e2neg") for k in (2, 5)]
    assert table[table["kind"] == "trained"]["condition"].unique().tolist() == ["all", *named]
    counted = table.groupby("condition")["negatives"].first()
    assert counted["all"] == 99 and counted["uniform, k=5"] == 5 and counted["uniform-each, k=2"] == 2
    parts = [wb.runs.load(path.parent).config.negatives for path in stored]
    far = [part for part in parts if part.name == "hop-far"]
    assert len(far) == 4 and all(dict(part.options) == {"hops": 2} for part in far)
    assert all(not part.options for part in parts if part.name != "hop-far")  # only who has the option takes it
    gaps = wb.studies.differences(first, study)
    pairs = set(zip(gaps["first"], gaps["second"], strict=True))
    assert ("hop-far, k=5", "uniform-each, k=5") in pairs and ("e2neg, k=2", "uniform, k=2") in pairs
    assert ("uniform, k=2", "all") in pairs and ("uniform-each, k=2", "uniform, k=2") in pairs
    drawn = budget_chart(first, study)
    lines = {trace.name: trace for trace in drawn.data[:4]}
    means = table[table["condition"].isin(["e2neg, k=2", "e2neg, k=5"])].groupby("condition")["accuracy"].mean()
    np.testing.assert_allclose(lines["e2neg"].y, means)
    every = table[table["condition"] == "all"]
    assert [shape.type for shape in drawn.layout.shapes] == ["rect", "line"] * 3
    assert drawn.layout.shapes[1].y0 == pytest.approx(every["accuracy"].mean())
    assert (drawn.layout.shapes[4].y0, drawn.layout.shapes[4].y1) == (every["peak_mib"].min(), every["peak_mib"].max())
    assert difference_chart(gaps, "Negatives").layout.title.text == "Negatives"


def test_the_centres_of_e2neg_stay_while_their_negatives_differ(labelled: Data, tmp_path: Path) -> None:
    more = {"method": "e2neg", "k": 8, "epochs": 1, "dim": 8, "splits": 3, "spectrum": "smallest", "seeds": 1}
    rows = wb.studies.run(
        "negatives", labelled, samplers=["hardest"], ks=[2, 5], store=tmp_path, progress=False, **more
    )
    assert results.wide(rows).set_index("condition")["negatives"]["hardest, k=5"] == 5
    configs = [wb.runs.load(path.parent).config for path in tmp_path.glob("*/run.json")]
    assert {config.k for config in configs} == {8} and {config.spectrum for config in configs} == {"smallest"}


def test_a_verdict_needs_an_interval_on_one_side_or_within_the_margin() -> None:
    study = wb.studies.load("negatives", ks=[4])
    accuracy = {"all": [80.0, 80.2, 80.4], "uniform, k=4": [79.9, 80.1, 80.4], "uniform-each, k=4": [80.0, 83.0, 77.0],
                "hop-near, k=4": [70.1, 70.0, 70.4], "hop-far, k=4": [80.2, 80.4, 80.7]}  # fmt: skip

    def claimed(**changes: list[float]) -> pd.Series:
        rows = rows_of(study, **{**accuracy, **changes})
        return wb.studies.claims(rows, study).set_index("claim")["verdict"]

    gaps = wb.studies.differences(rows_of(study, **accuracy), study).set_index(["first", "second"])["verdict"]
    assert gaps["uniform, k=4", "all"] == "equal within 1 point"
    assert gaps["uniform-each, k=4", "all"] == "not separable"
    assert gaps["hop-near, k=4", "all"] == gaps["hop-near, k=4", "hop-far, k=4"] == "worse"
    assert gaps["hop-far, k=4", "all"] == "better, by less than 1 point"
    assert ("hop-far, k=4", "uniform, k=4") not in gaps.index  # its placebo draws for each anchor, too
    said = claimed()
    assert said["few-negatives"] == "held" and said["coupled-negatives"] == "held"
    assert said["few-of-its-own"] == said["fewer-is-better"] == said["far-negatives"] == "not separable"
    assert claimed(**{"uniform, k=4": [77.9, 78.1, 78.4]})["few-negatives"] == "contradicted"
    assert claimed(**{"hop-near, k=4": [90.0, 90.0, 90.0]})["coupled-negatives"] == "contradicted"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"samplers": ["hop-fra"]}, "did you mean 'hop-far'"),
        ({"samplers": "hop-far"}, "a list without repeats"),
        ({"ks": [4, 4]}, "a list without repeats"),
        ({"ks": [100]}, "gives 1 to 99"),
        ({"seeds": 0}, "at least 1"),
        ({"splits": 2.5}, "a whole number of splits, at least 1 split, not 2.5"),
        ({"objectives": ["dlc"]}, "did you mean 'dcl'"),
        ({"negatives": "all"}, "what the conditions differ in"),
        ({"hop": 3}, "unknown parameter 'hop'"),
        ({"hops": 0}, "hops is 0"),
        ({"clusters": 3}, "option of parts that no condition chooses"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"samplers": ["mixing"], "objectives": ["infonce", "cacr"]}, "not defined for negatives of sampler"),
        ({"method": "grce"}, "did you mean 'grace'"),
        ({"conditions": ["al"]}, "unknown condition 'al' of study 'negatives'; did you mean 'all'"),
        ({"conditions": "all"}, "conditions are a list of names"),
        ({"protocol": "pubic"}, "did you mean 'public'"),
        ({"baselines": ["rw"]}, "did you mean 'raw'"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    labelled: Data, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        wb.studies.run("negatives", labelled, store=tmp_path, **{**SMALL, "ks": [4], **asked})
    assert not list(tmp_path.glob("*"))


def test_mistakes_of_the_placebo_are_named(labelled: Data) -> None:
    for asked, message in (
        ({"conditions": ["realeased"]}, "unknown condition 'realeased' of study 'placebo'; did you mean 'released'"),
        ({"conditions": ["released", "frozen", "released"]}, "condition 'released' stands twice"),
        ({"conditions": [3]}, "unknown condition '3'"),
        ({"rules": "ntsc"}, "must be a list of words"),
        ({"scores": "frozen"}, "'scores' is what the conditions differ in"),
        ({"rules": ["degre(v) > 1"], **QUICK}, "unknown term 'degre'"),
        ({"protocol": "public", "seeds": 1, **QUICK}, "a published split needs its masks"),
    ):
        with pytest.raises(UserError, match=message):
            wb.studies.run("placebo", labelled, **{"progress": False, **asked})
    with pytest.raises(UserError, match="two of the data are called 'two'"):
        wb.studies.run("placebo", [labelled, labelled])


def test_the_chart_of_a_budget_says_what_it_needs() -> None:
    study = wb.studies.load("negatives")
    rows = pd.concat([rows_of(study, "a", all=[1.0]), rows_of(study, "b", all=[1.0])])
    with pytest.raises(UserError, match=r"2 graphs \(a, b\)"):
        budget_chart(rows, study)
    with pytest.raises(UserError, match="unknown graph 'c'"):
        budget_chart(rows, study, "c")


def test_the_curve_of_a_training_is_that_of_its_snapshots(labelled: Data, tmp_path: Path) -> None:
    rows = wb.studies.run("learning-curve", labelled, conditions=["grace"], seeds=2, snapshots=3, splits=2,
                          store=tmp_path, progress=False)  # fmt: skip
    points = results.curves(rows)
    assert set(points["seed"]) == {0, 1} and points["epochs"].tolist() == 2 * [0, 50, 100]
    kept = wb.fit("grace", labelled, "quick", seed=1, snapshots=3, store=tmp_path, progress=False)
    last = wb.evaluate(kept, labelled, splits=2, solver="fast", progress=False)
    assert points["accuracy"].iloc[-1] == pytest.approx(float(last.accuracy), abs=0.5)  # half precision
    assert points["seconds"].tolist()[3:] == [0.0, *kept.history["seconds"].loc[[50, 100]]]
    assert wb.studies.summary(rows)["accuracy"].iloc[0] == pytest.approx(
        points.query("epochs == 100")["accuracy"].mean()
    )


def test_a_study_carries_the_measures_of_clusters_and_the_gap_to_the_best_epoch(labelled: Data, tmp_path: Path) -> None:
    asked = {"protocols": ["k-means", "k-means-best-epoch"], "splits": 2, "seeds": 2, "baselines": ["raw"]}
    study = Study("mine", conditions=(Condition("grace", "grace", "small"),), **asked)
    with pytest.raises(UserError, match="study 'mine' keeps none; snapshots=11 keeps eleven"):
        wb.studies.run(study, labelled, store=tmp_path, progress=False)
    rows = wb.studies.run(study.changed(snapshots=3), labelled, store=tmp_path, progress=False)
    assert {"accuracy", "nmi", "ari", "macro_f1"} <= set(rows["metric"])
    last, best = (results.summary(rows, name).set_index("condition") for name in asked["protocols"])
    assert list(last)[2:8] == ["seeds", "accuracy", "spread over seeds", "spread over splits", "macro F1", "NMI"]
    assert {"raw", "grace", "untrained grace"} == set(last.index) and {"grace", "untrained grace"} == set(best.index)
    run = wb.fit("grace", labelled, "small", 1, snapshots=3, store=tmp_path, progress=False)
    scores = wb.evaluate(run, labelled, "k-means-best-epoch", splits=2, progress=False)
    mine = rows.query("protocol == 'k-means-best-epoch' and seed == 1 and kind == 'trained' and metric == 'nmi'")
    assert mine["value"].tolist() == pytest.approx(scores.per_split["nmi"].tolist())
    assert (best.loc["grace", ["accuracy", "NMI", "ARI"]] >= last.loc["grace", ["accuracy", "NMI", "ARI"]] - 2).all()


def test_learned_clusters_are_scored_of_trainings_alone(labelled: Data, tmp_path: Path) -> None:
    asked = {"protocols": ["k-means", "learned-clusters"], "splits": 2, "seeds": 1, "baselines": ["raw"]}
    study = Study("mine", conditions=(Condition("scgc", "scgc", "small"),), **asked)
    for number in (0, 3):
        rows = wb.studies.run(study.changed(snapshots=number), labelled, store=tmp_path, progress=False)
        assert rows.query("protocol == 'k-means'")["kind"].nunique() == 3
        learned = rows.query("protocol == 'learned-clusters'")
        run = wb.fit("scgc", labelled, "small", 0, store=tmp_path, progress=False)
        scores = wb.evaluate(run, labelled, "learned-clusters", progress=False).measures
        assert [*zip(learned["kind"], learned["metric"], learned["value"], strict=True)] == [
            ("trained", name, pytest.approx(float(value))) for name, value in scores.items()
        ]


def test_the_lens_takes_all_seeds_of_a_condition_together(labelled: Data, tmp_path: Path) -> None:
    asked = {"lens": True, "protocols": ("random-10-10-80", "random-10-90"), "splits": 2, "seeds": 2}
    study = Study("mine", conditions=(Condition("grace", "grace", "small"),), **asked)
    rows = wb.studies.run(study, labelled, store=tmp_path, progress=False)
    table = results.lens(rows)
    fits = [wb.fit("grace", labelled, "small", seed, store=tmp_path, progress=False) for seed in (0, 1)]
    expected = wb.evaluation.lens(fits, labelled, list(asked["protocols"]), splits=2, progress=False)
    same = [name for name in expected if name not in ("seconds", "interval")]
    pd.testing.assert_frame_equal(table[same], expected[same], check_dtype=False)
    assert table["interval"].tolist() == expected["interval"].tolist()
    assert set(rows[rows["metric"] == "finished"]["seed"]) == {0, 1}


def test_a_notebook_shows_the_conditions_of_a_study() -> None:
    study = Study("mine", "What is <it>?", (Condition("first", "grace", None, (("tau", 0.2),)),), protocols=())
    title, shown = study._repr_html_().split("<table", 1)
    assert title == "<b>What is &lt;it&gt;?</b><br>any data, 3 seeds, no scores"
    assert re.findall("<td>(.*?)</td>", shown) == ["first", "grace", "", "tau=0.2"]


@pytest.mark.parametrize(
    ("data", "method", "metric", "baseline"),
    [("rings", "infograph", "accuracy", "sum-of-attributes"), ("tastes", "lightgcn", "recall@20", "popularity")],
)
def test_data_of_another_kind_are_scored_in_their_own_way(
    data: str, method: str, metric: str, baseline: str, tmp_path: Path
) -> None:
    pairs = (("mine", f"untrained {method}"),)
    mine = (Condition("mine", method, "small"),)
    study = Study("s", "", mine, seeds=(0, 1), splits=2, solver="fast", comparisons=pairs)
    rows = wb.studies.run(study, data, store=tmp_path, progress=False)
    scored = rows[rows["metric"] == metric]
    own = {"rings": "svc-10-folds", "tastes": "full-ranking"}[data]
    assert set(scored["protocol"]) == {own} and {"mine", baseline, f"untrained {method}"} <= set(scored["condition"])
    tables = report.study(study, rows)
    summary, differences = tables["summary"].set_index("condition"), tables["differences"].iloc[0]
    assert summary.loc["mine", "seeds"] == 2 and ("accuracy" in summary) == (metric == "accuracy")
    means = scored.groupby("condition")["value"].mean()
    assert summary.loc["mine", metric] == pytest.approx(means["mine"])
    assert differences["difference"] == pytest.approx(means["mine"] - means[f"untrained {method}"])
    other = rows.assign(protocol=rows["protocol"].replace({own: "another"}))
    both = report.study(study, pd.concat([rows, other[other["protocol"] != ""]]))["summary"].set_index("condition")
    assert both.loc["mine", metric] == pytest.approx(means["mine"]), "the first of several that it was not asked for"
    with pytest.raises(UserError, match="learns on"):
        wb.studies.run(study, "planted:200", store=tmp_path, progress=False)
