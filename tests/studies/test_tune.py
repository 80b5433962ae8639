"""The search for tuned presets: seeded, resumed, chosen without a test label, and one sentence for each mistake."""

import json
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench import methods
from workbench.cli import main
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.evaluation import Measure
from workbench.evaluation.choosing import parts_of
from workbench.methods.presets import file_of
from workbench.studies import tune as module

FIXED: dict[str, Any] = {"epochs": 4, "dim": 8, "progress": False}


@pytest.fixture(autouse=True)
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose on fewer parts, and learn from the second trial on."""
    small = replace(module.budget(), splits=2, first=1)
    monkeypatch.setattr(module, "budget", lambda: small)


def search(data: Data, store: Path, trials: int = 3, **more: Any) -> module.Search:
    return wb.tune("cca-ssg", data, trials, store=store, **{**FIXED, **more})


def seen(found: module.Search) -> str:
    return found.trials.drop(columns="seconds").to_csv()


def unseen(data: Data) -> np.ndarray:
    """Return the nodes that are in no training or validation part of the budget's splits."""
    parts = parts_of(data, **module.budget().parts)
    return np.setdiff1d(np.arange(100), np.concatenate([part for split in parts for part in (split.train, split.test)]))


def test_a_search_is_seeded_and_starts_with_quick(
    labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search(labelled, tmp_path / "a")
    assert seen(search(labelled, tmp_path / "b")) == seen(found)
    budget = module.budget()
    quick = wb.fit("cca-ssg", labelled, "quick", budget.training_seed, store=tmp_path / "c", **FIXED)
    untrained = wb.fit("cca-ssg", labelled, "quick", budget.training_seed, **{**found.run.config.flat(), "epochs": 0})
    assert found.trials["validation"][0] == found.quick == wb.evaluation.validation(quick, labelled, **budget.parts)
    assert found.untrained == wb.evaluation.validation(untrained, labelled, **budget.parts)
    assert found.accuracy == found.trials["validation"].max() == found.trials["validation"][found.chosen]
    assert not {"epochs", "dim"} & set(found.trials) and found.run.config.epochs == 4
    assert found.trials.loc[0, "lr":].isna().all() and found.trials.loc[1:, "lr":].notna().all(axis=None)
    assert found.run.config.lr in [*found.trials["lr"], quick.config.lr]
    other = replace(budget, sampler_seed=1)
    monkeypatch.setattr(module, "budget", lambda: other)
    assert seen(search(labelled, tmp_path / "a")) != seen(found)


def test_an_interrupted_search_goes_on_to_the_same_end(
    labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, clock, real = search(labelled, tmp_path / "a"), [0.0], module.fit

    def slow(*words: Any, **options: Any) -> wb.Run:
        def told(progress: Any) -> object:
            clock[0] += 30 / options["epochs"]  # seconds, half a minute a training
            return before(progress)

        before = options["callback"]
        return real(*words, **{**options, "callback": told})

    with monkeypatch.context() as patched:
        patched.setattr(module, "fit", slow)
        patched.setattr(module, "time", SimpleNamespace(time=lambda: clock[0]))
        part = search(labelled, tmp_path / "b", deadline=1.2)  # in the middle of the third
    assert not part.finished and "2 trials of 3, unfinished" in part.to_toml()
    assert seen(part) == "\n".join(seen(whole).split("\n")[:3]) + "\n"
    times = {folder: (folder / "run.json").stat().st_mtime_ns for folder in (tmp_path / "b").glob("cca-ssg*")}
    on = search(labelled, tmp_path / "b")
    assert on.finished and seen(on) == seen(whole) and on.to_toml() == whole.to_toml()
    assert times and all((folder / "run.json").stat().st_mtime_ns == time for folder, time in times.items())
    with pytest.raises(UserError, match="ended before its first trial was scored; the same call goes on"):
        search(labelled, tmp_path / "c", deadline=1e-9)


def test_test_labels_are_never_looked_at(labelled: Data, tmp_path: Path) -> None:
    found, poisoned = search(labelled, tmp_path / "a"), labelled.clone()
    poisoned.y = labelled.y.clone()
    poisoned.y[torch.from_numpy(unseen(labelled))] = 10**6
    assert len(unseen(labelled)) > 20
    assert seen(search(poisoned, tmp_path / "b")) == seen(found)
    poisoned.y[:50] = 1 - labelled.y[:50]  # of which some are in the parts that are looked at
    assert seen(search(poisoned, tmp_path / "c")) != seen(found)


def test_validation_accuracy_is_that_of_the_best_c() -> None:
    y = torch.arange(400) % 2
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) + y[:, None]
    graph = Data(x=x, y=y, edge_index=torch.zeros(2, 0, dtype=torch.long))
    told, best = wb.evaluation.validation(x, graph, splits=4, seed=3), []
    rows, rules = normalize(x.numpy()), wb.protocols.get("random-10-10-80")
    for split in rules.splits(graph, 4, 3):
        accuracy = []
        for strength in rules.grid:
            model = LogisticRegression(C=strength, solver="liblinear", tol=1e-8, random_state=0)
            model.fit(rows[split.train], y[split.train])
            accuracy.append(100 * model.score(rows[split.validation], y[split.validation]))
        best.append(max(accuracy))
    assert float(told) == pytest.approx(np.mean(best)) and told.std == pytest.approx(np.std(best, ddof=1))


def test_what_is_written_is_found_again(labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracies = cycle(Measure(value, 1.0, "") for value in (80.04, 82.0, 82.0, 71.0))  # three trials, untrained
    monkeypatch.setattr(module, "validation", lambda *words, **options: next(accuracies))
    found = search(labelled, tmp_path, attributes="rows")
    assert found.chosen == 1
    text, file = found.to_toml(), tmp_path / "cca_ssg.toml"
    for part in (
        "3 trials, epochs=4, dim=8, attributes=rows in all",
        "splits of seed 1000: 82.0 %, quick 80.0 %, untrained 71.0 %.",
    ):
        assert part in text.replace("\n# ", " ")
    file.write_text(file_of("cca-ssg").read_text(encoding="utf-8") + "\n" + text, encoding="utf-8")
    monkeypatch.setattr(sys.modules["workbench.methods.presets"], "file_of", lambda method: file)
    for preset in (None, "tuned", "tuned/two"):
        assert methods.configure("cca-ssg", preset, "two", {}) == ("tuned/two", found.run.config)
    assert methods.configure("cca-ssg", "tuned/two", "other", {})[1] == found.run.config
    odd = labelled.clone()
    odd.name = 'a "graph".here'
    assert [*tomllib.loads(search(odd, tmp_path, attributes="rows").to_toml())["tuned"]] == [odd.name]
    alone = search(labelled, tmp_path, 1)
    worse = replace(found, untrained=Measure(82.0, 1.0, ""))
    assert tomllib.loads(worse.to_toml()) == {} and "no better than its own untrained encoder" in worse.to_toml()
    assert alone.chosen == 0 and tomllib.loads(alone.to_toml()) == {} and "better than quick" in alone.to_toml()


def test_a_trial_that_fails_does_not_take_the_others_with_it(
    labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module.fit, list[int]()

    def faulty(*words: Any, **options: Any) -> wb.Run:
        calls.append(1)
        if len(calls) == 2:
            raise UserError("no such luck")
        return real(*words, **options)

    monkeypatch.setattr(module, "fit", faulty)
    found = search(labelled, tmp_path, 4)
    assert found.finished and [*found.trials["state"]] == ["scored", "failed", "scored", "scored"]
    assert found.trials["reason"][1] == "no such luck" and found.chosen != 1


@pytest.mark.parametrize("method", methods.names("nodes"))
def test_each_end_of_each_knob_is_a_value_of_the_method(method: str) -> None:
    knobs = module.knobs(method)
    assert {"epochs", "lr"} <= {knob.name for knob in knobs}
    for knob in knobs:
        for value in knob.among or (knob.low, knob.high):
            methods.configure(method, "quick", "cora", {knob.name: value})


def own_knob(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "cca_ssg.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "file_of", lambda method: folder / "cca_ssg.toml")


def test_a_methods_own_knobs_come_last_or_take_a_shared_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_knob('[[knob]]\nname="dim"\namong=[4]\n[[knob]]\nname="layers"\nlow=1\nhigh=3', tmp_path, monkeypatch)
    knobs = {knob.name: knob for knob in module.knobs("cca-ssg")}
    assert knobs["dim"].among == (4,) and [*knobs][-1] == "layers" and "tau" not in knobs
    trial = SimpleNamespace(suggest_int=lambda name, low, high, log: (name, low, high))
    assert knobs["layers"].turn(trial) == ("layers", 1, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name="lrr"\namong=[1]', "unknown knob 'lrr' in cca_ssg.toml of method 'cca-ssg'; did you mean 'lr'"),
        ('name="lr"\namongst=[1]', "unknown word 'amongst' of knob 'lr' in cca_ssg.toml; did you mean 'among'"),
        ('name="lr"\namong=[1]\nlow=0.1\nhigh=0.2', "knob 'lr' is given values by among, or"),
        ('name="lr"\nlow=0.2\nhigh=0.1', "knob 'lr' is given values by among, or"),
    ],
)
def test_a_faulty_knob_is_one_sentence(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_knob(f"[[knob]]\n{text}", tmp_path, monkeypatch)
    with pytest.raises(UserError, match=told.replace("(", r"\(")):
        module.knobs("cca-ssg")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"trials": 0}, "trials is 0; it must be a whole number, 1 or more"),
        ({"trials": True}, "trials is True"),
        ({"trials": 2.5}, "trials is 2.5"),
        ({"deadline": 0}, "deadline is 0 minutes; it must be above 0"),
        ({"decorelation": 0.1}, "unknown parameter 'decorelation' of method 'cca-ssg'; did you mean 'decorrelation'"),
        ({"lr": -1.0}, "parameter 'lr' is -1.0; it must be above 0"),
    ],
)
def test_a_faulty_request_is_one_sentence(more: dict[str, Any], told: str, labelled: Data, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        search(labelled, tmp_path, **more)
    assert not [*tmp_path.iterdir()], "nothing was trained for it"


def test_data_that_nothing_can_be_chosen_on_are_refused(
    small_graph: Data, tmp_path: Path, real_graph: Callable[[str], Data]
) -> None:
    with pytest.raises(UserError, match="wants at least 50 labelled nodes"):
        search(real_graph("karate"), tmp_path)
    with pytest.raises(UserError, match="does not score a set of graphs"):
        wb.tune("infograph", rings(graphs=24), store=tmp_path)
    with pytest.raises(UserError, match="'random-10-90' chooses no C on a validation part"):
        wb.evaluation.validation(small_graph.x, small_graph, "random-10-90")
    del small_graph.y
    with pytest.raises(UserError, match="has no labels"):
        search(small_graph, tmp_path)


def test_without_optuna_it_says_what_brings_it(labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=rf"needs Optuna.*pip install '{wb.DISTRIBUTION}\[tune\]'"):
        search(labelled, tmp_path)


def test_the_command_prints_the_table_and_keeps_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["tune", "cca-ssg", "digits", "--trials", "2", "-p", "epochs=1", "-p", "dim=8", "--out", "trials.csv"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["toml"] == text and len(told["trials"]) == 2 and told["finished"]
    assert (tmp_path / "trials.csv").read_text().count("\n") == 3
    assert main(["tune", "cca-ssg", "digits", "--trials", "0"]) == 2
    assert main(["tune", "cca-sgs", "digits"]) == 2
    errors = capsys.readouterr().err.strip().split("\n")
    assert len(errors) == 2 and "trials is 0" in errors[0] and "did you mean 'cca-ssg'" in errors[1]
