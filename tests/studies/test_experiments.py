"""Experiments: every file says what it must, and verdicts follow from intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import UserError
from workbench.studies import experiments
from workbench.studies.experiments import COLUMNS, EXPERIMENTS

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize("name", experiments.names())
def test_an_experiment_says_what_it_claims_with_a_control_and_was_run(name: str) -> None:
    experiment = experiments.load(name)
    assert experiment.claims and all(claim.says and claim.first != claim.second for claim in experiment.claims)
    assert any(claim.control for claim in experiment.claims), "the control is written down"
    kept = experiments.read(RESULTS, experiment.page)
    rows = kept[kept["experiment"] == name]
    assert rows["seed"].nunique() >= experiment.seeds >= experiments.SEEDS, "five seeds are kept, or more"
    assert len(experiments.judged(rows)) == len(experiment.claims)


@pytest.mark.parametrize("name", [name for name in experiments.names() if experiments.load(name).page == "objectives"])
def test_an_experiment_whose_arms_learn_from_labels_says_so(name: str) -> None:
    code = Path(experiments.EXPERIMENTS.file(name)).read_text(encoding="utf-8")
    labels = ('"hydra"', '"supremix"', '"positives": "class"', '"name": "trees"')
    learns = any(word in code.replace(f'register("{name}")', "") for word in labels)
    assert experiments.load(name).supervised == learns
    page = (RESULTS / "objectives.md").read_text(encoding="utf-8")
    (section,) = (part for part in page.split("\n## ") if part.startswith(experiments.load(name).title))
    assert ("Learns from labels." in section) == learns


def test_what_trains_nothing_stands_in_the_tables_of_objectives() -> None:
    kept = experiments.read(RESULTS, "objectives")
    beside = kept["quantity"].str.contains("raw|untrained|nearest attributes")
    # What a head changes, halves of an embedding and ranks by trees have no such row yet.
    assert {*kept["experiment"]} - {*kept[beside]["experiment"]} <= {"projection-head", "sepclr", "space2"}


@pytest.mark.parametrize("name", [name for name in experiments.names() if experiments.load(name).page == "adaptation"])
def test_plain_adaptations_and_raw_floors_stand_in_each_table(name: str) -> None:
    kept = experiments.read(RESULTS, "adaptation")
    quantities = kept[kept["experiment"] == name]["quantity"].unique()
    arms = {
        arm.rpartition(": ")[2] for arm, between, _ in (one.partition(experiments.ARM) for one in quantities) if between
    }
    plain = {"input layer" if name == "graph-tuning" else "probe", "LoRA", "full"}
    assert arms >= plain | {f"{arm}, untrained encoder" for arm in plain}
    assert {arm for arm in arms if arm.endswith((" of pixels", " of attributes"))}, "what no encoder has seen"
    if name not in ("tuning", "graph-tuning"):  # whose schemes are these
        assert len({arm for arm in arms if arm.endswith(", untrained encoder")}) > len(plain), "its own scheme, too"


def measured(values: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    rows = [("made", seed, name, value, 1.0) for name, column in values.items() for seed, value in enumerate(column)]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = (
        experiments.Claim("a leads b", "a", "b"),
        experiments.Claim("a leads b by 5", "a", "b", 5.0),
        experiments.Claim("b leads a", "b", "a", control=True),
        experiments.Claim("a is above 20", "a", least=20.0),
    )
    of = experiments.Experiment("made", "Made", "nobody", "nothing", "points", claims)
    monkeypatch.setattr(experiments, "load", lambda name: of)


def test_verdicts_follow_from_the_interval_of_paired_differences(made: None, tmp_path: Path) -> None:
    rows = measured({"a": [10, 20, 30, 40], "b": [8, 17, 28, 38]})
    table = experiments.judged(rows)
    assert table["verdict"].tolist() == [
        experiments.REPRODUCED,
        experiments.CONTRADICTED,
        experiments.CONTRADICTED,
        experiments.NOT_SEPARABLE,
    ]
    assert table["difference"].tolist()[:2] == [2.25, 2.25] and abs(table["low"][0] - (2.25 - 3.182446 * 0.25)) < 1e-5
    assert set(experiments.judged(rows[rows["seed"] < 2])["verdict"]) == {"fewer than 3 seeds"}
    with pytest.raises(UserError, match="measured no 'b', but a"):
        experiments.judged(measured({"a": [1, 2, 3]}))
    file = tmp_path / "objectives.csv"
    experiments.keep(rows, file)
    experiments.keep(rows[rows["seed"] < 3], file)
    assert len(pd.read_csv(file)) == 6
    [written] = experiments.write(tmp_path)
    page = written.read_text(encoding="utf-8")
    assert "| a leads b | 2" in page and "control: b leads a" in page


def test_what_was_measured_of_an_arm_stands_in_one_line(made: None) -> None:
    values = {
        "a": [10, 20, 30, 40],
        "b": [8, 17, 28, 38],
        "arm | accuracy": [60, 62, 61, 61],
        "arm | bytes": [1200] * 4,
        "arm | rate": [0.001] * 4,
    }
    page = experiments.page(measured(values))
    assert "| arm | 61 ± 0.82 | 1,200 | 0.001 |" in page and "| a | 25 ± 13 |" in page


def test_the_pages_that_are_kept_are_those_that_the_results_write(tmp_path: Path) -> None:
    for name in experiments.PAGES:
        (tmp_path / f"{name}.csv").write_bytes((RESULTS / f"{name}.csv").read_bytes())
    for file in experiments.write(tmp_path):
        assert file.read_text(encoding="utf-8") == (RESULTS / file.name).read_text(encoding="utf-8")


def test_a_wrong_name_and_no_seed_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown experiment 'nothing'"):
        experiments.load("nothing")
    with pytest.raises(UserError, match="at least 1 seed, not 0"):
        experiments.run([], 0)
    with pytest.raises(UserError, match="nothing is kept in"):
        experiments.write(tmp_path)
    assert EXPERIMENTS.kind == "experiment"
