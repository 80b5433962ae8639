"""The leaderboard: gains over the best of what trains nothing by hand, the page, the chart and the widget."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import UserError
from workbench.studies import leaderboard, results
from workbench.studies.study import Condition, Study

STUDY = Study(
    "leaderboard",
    conditions=(
        Condition("dgi", "dgi"),
        Condition("grace, 64 negatives", "grace", overrides=(("negatives", "uniform"), ("negatives.hops", 3))),
    ),
    data=("cora", "karate"),
    protocols=("random-10-10-80", "random-10-90"),
)


def measured(condition: str, kind: str, seed: int | None, values: tuple[float, float], **more: Any) -> list[dict]:
    facts = {"study": "leaderboard", "condition": condition, "kind": kind, "data": "cora", "seed": seed, "scoring": 2}
    facts |= {"protocol": "random-10-10-80", "preset": "quick", "seconds": 3.0, "peak_mib": 9.0, "epochs": 5} | more
    scores = [("accuracy", split, value) for split, value in enumerate(values)]
    return [{**facts, "metric": metric, "split": split, "value": value} for metric, split, value in scores]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    made = [
        *measured("raw", "baseline", None, (60, 62)),
        *measured("hops", "baseline", None, (80, 82)),
        *measured("hops", "baseline", None, (70, 72), protocol="random-10-90"),
    ]
    for seed, gain in enumerate((2.0, 3.0, 4.0)):
        made += measured("untrained dgi", "untrained", seed, (70, 72), seconds=0.0, epochs=0)
        made += measured("dgi", "trained", seed, (80 + gain, 82 + gain))
        made += measured("dgi", "trained", seed, (75, 77), protocol="random-10-90")
    made += measured("grace, 64 negatives", "trained", 0, (79, 81))
    facts = {"study": "leaderboard", "kind": "trained", "data": "cora", "preset": "quick"}
    away = {**facts, "condition": "grace, 64 negatives", "seed": 1, "seconds": 90.0, "epochs": 7}
    made += [{**away, "metric": "finished", "value": 0}, {**away, "metric": "asked_epochs", "value": 100}]
    return results.table(made)


def test_gains_over_the_best_baseline_are_those_of_the_seeds(rows: pd.DataFrame) -> None:
    table = leaderboard.board(rows, study=STUDY).set_index("name")
    assert set(table["floor"]) == {"hops"} and table.loc["hops", "over floor"] == 0
    dgi = table.loc["dgi"]
    assert (dgi["accuracy"], dgi["over floor"], dgi["over untrained"]) == (84, 3, 13)
    half = 4.302653 * 1 / np.sqrt(3)  # t of 97.5 % with two degrees of freedom
    assert dgi[["low", "high"]].tolist() == pytest.approx([3 - half, 3 + half], abs=1e-5)
    assert dgi["spread over seeds"] == 1 and dgi["spread over splits"] == pytest.approx(np.sqrt(2))
    assert dgi["verdict"] == "better" and dgi["training seeds"] == 3
    grace = table.loc["grace, 64 negatives"]
    assert grace["over floor"] == -1 and np.isnan(grace["low"]) and grace["verdict"] == "fewer than 3 seeds"
    assert np.isnan(grace["over untrained"])  # its start was not measured
    other = leaderboard.board(rows, "random-10-90", STUDY).set_index("name")
    assert other.loc["dgi", "over floor"] == 5 and "grace, 64 negatives" not in other.index
    with pytest.raises(UserError, match=r"unknown protocol 'random-10-9'.* did you mean 'random-10-90'"):
        leaderboard.board(rows, "random-10-9", STUDY)


def test_the_first_words_tell_who_is_ahead_by_how_much_at_what_cost_and_how_surely(rows: pd.DataFrame) -> None:
    said = leaderboard.first_words(leaderboard.board(rows, study=STUDY))
    assert "on cora (hops, 81.0 %) **dgi** by 3.0 [0.5, 5.5] in 3 s, 1 of 1 trainings" in said
    behind = rows.assign(value=rows["value"].where(rows["condition"] != "dgi", 50))
    assert "None does on cora" in leaderboard.first_words(leaderboard.board(behind, study=STUDY))
    one = rows[rows["seed"].isna() | (rows["seed"] == 0)]
    said = leaderboard.first_words(leaderboard.board(one, study=STUDY))
    assert "Fewer than 3 seeds, which decide nothing, but end above it on cora" in said and "dgi by 2.0" in said


def test_means_over_splits_tell_what_the_splits_do(tmp_path: Path) -> None:
    graph = wb.load_graph("planted")
    asked = {"conditions": ["dgi"], "seeds": 2, "splits": 3, "preset": "small", "baselines": ["raw"], "store": tmp_path}
    whole, means = (wb.studies.run("leaderboard", graph, progress=False, means=kept, **asked) for kept in (False, True))
    assert means["split"].isna().all() and len(means) < len(whole)
    for protocol in ("random-10-10-80", "k-means"):
        one, other = (results.wide(rows, protocol).sort_values(["condition", "seed"]) for rows in (whole, means))
        for column in ("accuracy", "macro_f1"):
            np.testing.assert_allclose(one[column], other[column])
    np.testing.assert_allclose(*(results.wide(rows, "random-20-80")["accuracy_std"] for rows in (whole, means)))


def test_the_call_trains_what_the_row_says() -> None:
    said = leaderboard.call(STUDY.conditions[1], "karate")
    assert "wb.fit('grace', graph, preset='quick', seed=0, negatives='uniform', **{'negatives.hops': 3})" in said
    plain = leaderboard.call(Condition("dgi", "dgi", overrides=(("epochs", 1),)), "karate")
    names: dict[str, Any] = {"wb": wb}
    exec(plain.rpartition("\n")[0], names)
    assert names["run"].method == "dgi" and names["run"].epochs == 1 and names["run"].graph == "karate"


def test_the_page_has_all_scores_and_what_did_not_finish(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaderboard, "load", lambda _: STUDY)
    results.add(rows, tmp_path / "leaderboard.csv")
    page = leaderboard.write(tmp_path).read_text()
    assert page.split("\n\n")[1].startswith("Above the best of what trains nothing")
    assert "| dgi | `quick` | 3 | 84.0 ± 1.4 | +3.0 [+0.5, +5.5] | +13.0 | 3 | 9 | 76.0 |" in page
    assert "| *hops* | – | – | 81.0 ± 1.4 | +0.0 | – | – | – | 71.0 |" in page
    assert "| cora | grace, 64 negatives | 1 | 7 of 100 | 90 |" in page
    assert "- karate: dgi; grace, 64 negatives" in page.split("## Not run")[1]


def test_the_page_of_advice_trains_only_what_is_surely_ahead(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = rows.replace({"dgi": leaderboard.OURS, "untrained dgi": f"untrained {leaderboard.OURS}"})
    own = Condition(leaderboard.OURS, leaderboard.OURS)
    monkeypatch.setattr(
        leaderboard, "load", lambda _: dataclasses.replace(STUDY, conditions=(own, STUDY.conditions[1]))
    )
    results.add(ours, tmp_path / "leaderboard.csv")
    lower = ours.assign(data="dblp", value=ours["value"].where(ours["kind"] != "trained", ours["value"] - 3))
    results.add(lower, tmp_path / "which-method.csv")
    page = leaderboard.advise(tmp_path).read_text()
    assert "few-negatives ends above it on cora; level with it on dblp." in page
    other = "grace, 64 negatives"
    assert (
        f"| cora | hops, 81.0 | 3 | +3.0 [+0.5, +5.5] | 3 | +13.0 | {other} | -1.0 | 3 | train few-negatives |" in page
    )
    assert (
        f"| dblp | hops, 81.0 | 3 | +0.0 [-2.5, +2.5] | 3 | +10.0 | {other} | -4.0 | 3 | train nothing: hops |" in page
    )
    assert "## What rules add" not in page
    for name, more in ((leaderboard.RULED, 2), (leaderboard.PLACEBO, 4)):
        ruled = lower[lower["condition"] == leaderboard.OURS].assign(condition=name)
        added = more - ruled["seed"].fillna(0)
        results.add(ruled.assign(value=ruled["value"] + added), tmp_path / "which-method.csv")
    conditions = (
        own,
        STUDY.conditions[1],
        *(Condition(n, "few-rules") for n in (leaderboard.RULED, leaderboard.PLACEBO)),
    )
    monkeypatch.setattr(leaderboard, "load", lambda _: dataclasses.replace(STUDY, conditions=conditions))
    page = leaderboard.advise(tmp_path).read_text()
    assert "| dblp | 3 | -2.0 [-2.0, -2.0] | +1.0 [-1.5, +3.5] | +3.0 [+0.5, +5.5] | – |" in page
    # A placebo is nothing to train, whatever it comes to.
    assert "permuted" not in page.split("## What rules add")[0] and "| train few-rules |" in page


def test_the_charts_tell_the_same(rows: pd.DataFrame) -> None:
    board = leaderboard.board(rows, study=STUDY)
    squares = wb.plots.gains_chart(board).data[0]
    assert list(squares.y) == ["dgi", "grace, 64 negatives"] and list(squares.x) == ["cora<br>hops 81.0"]
    assert [text for (text,) in squares.text] == ["<b>+3.0</b>", "-1.0"]
    dots = {trace.hovertemplate.split("<br>")[0]: trace for trace in wb.plots.cost_chart(board).data}
    assert list(dots["dgi"].y) == [71, 84] and board.loc[dots["dgi"].customdata[0], "name"] == "dgi"
    with pytest.raises(UserError, match="nothing that was trained"):
        wb.plots.gains_chart(board[board["kind"] != "trained"])


@pytest.mark.parametrize("still", [True, False])
def test_the_widget_tells_of_the_training_that_is_clicked_on(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, still: bool
) -> None:
    monkeypatch.setattr(leaderboard, "load", lambda _: STUDY)
    monkeypatch.setattr("workbench.widgets.board.load", lambda _: STUDY)
    monkeypatch.setenv("WORKBENCH_HEADLESS", "1" if still else "0")
    with pytest.raises(UserError, match="nothing of the leaderboard was measured"):
        wb.widgets.leaderboard(folder=tmp_path)
    results.add(rows, tmp_path / "leaderboard.csv")
    shown: Any = wb.widgets.leaderboard(folder=tmp_path)
    if still:
        assert "<b>dgi</b>" in shown.page(shown.figures)[1] and len(shown.board) == 5
        return
    assert "<b>dgi</b>" in shown.told.value and "+3.0 [+0.5, +5.5] points (hops): better" in shown.told.value
    place = int(shown.part.index[shown.part["name"] == "grace, 64 negatives"][0])
    shown.choose(place)
    assert "negatives=&#x27;uniform&#x27;" in shown.told.value
    assert list(shown.figures["cost"].data[-1].y) == [80]
    assert "wb.widgets.leaderboard(" in shown.call() and 'chosen="grace, 64 negatives"' in shown.call()
    shown.protocol.value = "random-10-90"
    assert "<b>dgi</b>" in shown.told.value and "76.0 %" in shown.told.value
    for wrong, words in (
        ({"graph": "coraa"}, "unknown graph 'coraa'.* did you mean 'cora'"),
        ({"chosen": "dgl"}, "unknown training 'dgl' .*did you mean 'dgi'"),
        ({"protocol": "public"}, "unknown protocol 'public'"),
    ):
        with pytest.raises(UserError, match=words):
            wb.widgets.leaderboard(folder=tmp_path, **wrong)
