"""Claims: published numbers, the verdicts, and the page that is made of them."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from torch_geometric.data import Data

import workbench as wb
from workbench import methods, plots
from workbench.cli import main
from workbench.errors import UserError
from workbench.methods import configure
from workbench.studies import Claim, Study, published, report, results, verdicts, worker
from workbench.studies.published import Cell


def table(mean: float, seeds: int = 3, splits: int = 10, between: float = 0.2, within: float = 0.5) -> np.ndarray:
    """Scores with exactly these deviations between seeds and over splits [seeds, splits]."""
    rows, columns = (stats.zscore(np.arange(n), ddof=1) if n > 1 else np.zeros(1) for n in (seeds, splits))
    return mean + between * rows[:, None] + within * columns[None, :]


def test_the_interval_is_that_of_the_formula() -> None:
    found = verdicts.verdict(80.0, table(80.3), spread=0.4, splits=10)
    parts = [(0.2**2 * (1 / 3 + 1), 2), (0.5**2 / 10, 27), (0.4**2 / 10, 9)]
    variance = sum(part for part, _ in parts)
    half = stats.t.ppf(0.95, variance**2 / sum(part**2 / df for part, df in parts)) * variance**0.5
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half))
    assert found.word == "reproduced" and found.ours == pytest.approx(80.3) and found.seeds == 3


@pytest.mark.parametrize(("off", "word"), [(0.0, "reproduced"), (2.0, "better"), (-2.0, "worse"), (0.9, "undecided")])
def test_a_planted_error_of_two_points_turns_the_verdict(off: float, word: str) -> None:
    assert verdicts.verdict(80.0, table(80.0 + off), spread=0.5, splits=10).word == word


def test_a_wide_spread_decides_nothing() -> None:
    assert verdicts.verdict(80.0, table(80.0, between=2.0)).word == "undecided"
    assert verdicts.verdict(80.0, table(82.0, between=2.0)).word == "undecided"
    alone = verdicts.verdict(80.0, table(80.0, within=8.0), splits=1)  # its one split is worth ten times our ten
    assert alone.word == "undecided" and "too wide to say, 91 % of its variance from the published" in alone.reason
    with pytest.raises(UserError, match="at least two training seeds"):
        verdicts.verdict(80.0, table(80.0)[:1])
    with pytest.raises(UserError, match="without holes"):
        verdicts.verdict(80.0, [[np.nan, 1.0], [1.0, 1.0]])


def test_the_same_split_is_no_source_of_variance_nor_is_a_seed_where_nothing_is_trained() -> None:
    found = verdicts.verdict(80.0, table(80.0, splits=1, within=0.0), spread=5.0, splits=1, fixed=True)
    half = stats.t.ppf(0.95, 2) * (0.2**2 * (1 / 3 + 1)) ** 0.5
    assert found.high == pytest.approx(half)
    raw = verdicts.verdict(80.0, table(80.0, seeds=1), splits=10, trained=False)
    assert raw.word == "reproduced" and "nothing trained" in raw.reason


def test_how_often_the_same_experiment_is_called_reproduced_and_a_worse_one_worse() -> None:
    draw = np.random.default_rng(0)
    words = {shift: [] for shift in (0.0, -2.5)}
    for shift, found in words.items():
        for _ in range(400):
            theirs = draw.normal(80, 0.3) + draw.normal(0, 0.6, 10)
            ours = 80 + shift + draw.normal(0, 0.3, (4, 1)) + draw.normal(0, 0.6, (1, 10))
            found.append(verdicts.verdict(theirs.mean(), ours, theirs.std(ddof=1), 10).word)
    assert words[0.0].count("reproduced") > 120 and words[0.0].count("worse") + words[0.0].count("better") < 20
    assert words[-2.5].count("worse") > 300 and words[-2.5].count("reproduced") < 20


def test_the_published_numbers_are_whole_and_can_be_asked_for() -> None:
    known = published.cells()
    assert len({cell.id for cell in known}) == len(known) >= 45
    for cell in known:
        assert cell.graph in wb.graphs.names() and cell.obtained in ("first-hand", "second-hand", "third-party")
        assert 40 < cell.value < 100 and (cell.spread is None or 0 < cell.spread < 3) and cell.source
        assert cell.reason or cell.protocol in wb.protocols.names()
        if cell.reason is None and cell.method in methods.names():
            assert cell.preset and configure(cell.method, cell.preset, cell.graph, {})[0] == f"released/{cell.graph}"
    assert published.find("str-gcl/cora").value == 84.89
    with pytest.raises(UserError, match="did you mean 'str-gcl/cora'"):
        published.find("str-gcl/coro")


def test_what_was_not_recovered_is_not_there() -> None:
    known = {(cell.paper, cell.method, cell.graph) for cell in published.cells()}
    assert not any(paper == "e2neg" and method == "e2neg" for paper, method, _ in known)
    assert {graph for paper, method, graph in known if paper == "str-gcl"} == {"photo", "computers", "cora"}


def scores(**means: float) -> pd.DataFrame:
    """Scores of conditions on one graph, three seeds and ten splits each."""
    facts = {"study": "reproduction", "data": "cora", "protocol": "random-10-90", "preset": "released/cora"}
    return results.table(
        {**facts, "condition": name.replace("_", " "), "kind": "untrained" if "_" in name else "trained",
         "seed": seed, "split": split, "metric": "accuracy", "value": value}
        for name, mean in means.items()
        for seed, row in enumerate(table(mean))
        for split, value in enumerate(row)
    )  # fmt: skip


CELL = Cell("a", "p", "grace", "cora", 83.3, "s", "second-hand", splits=3, protocol="random-10-90", preset="released")


def test_a_number_is_decided_by_the_scores_of_its_own_protocol() -> None:
    assert verdicts.of_cell(CELL, scores(grace=83.3)).word == "reproduced"
    other = scores(grace=82.0).assign(protocol="public")
    both = pd.concat([scores(grace=81.0, untrained_grace=70.0), other])
    assert verdicts.of_cell(CELL, both).reason.endswith("; by public 82.0; untrained 70.0")
    assert verdicts.of_cell(CELL, scores(grace=81.0)).word == "worse"
    assert verdicts.of_cell(CELL, scores(grace=83.3).assign(protocol="public")).word == "not run here"
    assert verdicts.of_cell(CELL, scores(grace=83.3).assign(data="citeseer")).word == "not run here"
    assert verdicts.of_cell(CELL, scores(grace=83.3).query("seed == 0")).word == "undecided"
    other = Cell(**{**vars(CELL), "method": "DGI"})
    assert verdicts.of_cell(other, scores(grace=83.3)).reason == "DGI is not in the workbench"
    mixed = pd.concat([scores(grace=83.3), scores(grace=30.0).assign(preset="released/citeseer")])
    assert verdicts.of_cell(CELL, mixed).word == "reproduced", "settings of another graph are not mixed in"
    holes = scores(grace=83.3).query("seed != 2 or split != 4")
    assert verdicts.of_cell(CELL, holes).seeds == 2, "a seed that is not whole is left out"
    by = {
        name: verdicts.of_cell(
            Cell(**{**vars(CELL), "protocol": name, "spread": 0.4}), scores(grace=83.3).assign(protocol=name)
        )
        for name in ("public", "linear-public", "random-10-90")
    }
    assert by["linear-public"] == by["public"] != by["random-10-90"], "no split is drawn, whichever the probe is"
    closed = Cell(**{**vars(CELL), "reason": "the protocol is not known"})
    assert verdicts.of_cell(closed, scores(grace=83.3)).word == "not comparable"


def rows_of(study: str, **accuracy: list[float]) -> pd.DataFrame:
    """Scores by condition and seed."""
    return results.table(
        {"study": study, "condition": name, "kind": "untrained" if "untrained" in name else "trained", "data": "cora",
         "seed": seed, "protocol": "random-10-10-80", "metric": "accuracy", "value": value, "preset": "quick"}
        for name, values in accuracy.items()
        for seed, value in enumerate(values)
    )  # fmt: skip


def test_a_claim_is_decided_by_pairs_of_seeds() -> None:
    def decided(word: str, first: list[float]) -> str:
        study = Study("s", claims=(Claim("c", "says", (("first", "second"),), word),))
        rows = rows_of("s", first=first, second=[80.0, 81.0, 82.0])
        return str(verdicts.claims(rows, study)["verdict"].iloc[0])

    assert decided("better than", [81.0, 82.0, 83.1]) == "held"
    assert decided("worse than", [81.0, 82.0, 83.1]) == "contradicted"
    assert decided("as good as", [79.9, 80.8, 81.9]) == "held"
    assert decided("as good as", [78.0, 79.0, 79.9]) == "contradicted"
    assert decided("better than", [79.0, 82.0, 82.0]) == "not separable"
    assert decided("better than", [80.1, 80.9, 82.0]) == "equal within 1 point"


def test_a_baseline_is_held_against_each_seed() -> None:
    rows = pd.concat([rows_of("s", grace=[80.0, 82.0]), rows_of("s", raw=[79.0]).assign(kind="baseline", seed=pd.NA)])
    (row,) = verdicts.paired(rows, [("grace", "raw")]).to_dict("records")
    assert (row["difference"], row["seeds"]) == (2.0, 2)


def test_a_cost_is_that_of_coming_to_the_accuracy_of_the_second() -> None:
    points = {("first", 0): [70, 79.2, 90], ("second", 0): [60, 70, 80], ("first", 1): [70, 70, 81.1],
              ("second", 1): [60, 81.5, 82]}  # fmt: skip
    rows = results.table(
        {"study": "s", "data": "cora", "condition": condition, "kind": "trained", "preset": "quick", "seed": seed,
         "epochs": 5 * place, "seconds": (1 + seed) * place * length, "metric": "accuracy", "value": value,
         "protocol": "random-10-10-80", "peak_mib": memory}
        for (condition, seed), values in points.items()
        for length, memory in [(1.0, 90.0) if condition == "first" else (10.0, 100.0)]
        for place, value in enumerate(values)
    )  # fmt: skip
    found = verdicts.reached(rows, "second").set_index(["condition", "seed"])
    assert found["target"].to_dict() == {pair: [79.0, 81.0][pair[1]] for pair in points}
    assert found["seconds"].to_dict() == {("first", 0): 1, ("first", 1): 4, ("second", 0): 20, ("second", 1): 20}

    def decided(rows: pd.DataFrame, cost: str = "seconds") -> pd.Series:
        claim = Claim("c", "says", (("first", "second"),), cost=cost, most=0.5)
        return verdicts.claims(rows, Study("s", claims=(claim,))).iloc[0]

    row = decided(rows)
    assert (row["value"], row["verdict"], row["seeds"]) == (pytest.approx(5 / 40), "held", 2)
    row = decided(rows, "peak_mib")
    assert (row["value"], row["verdict"], row["unit"]) == (pytest.approx(0.9), "less, but not half", "× peak MiB")
    never = rows[~((rows["condition"] == "first") & (rows["seed"] == 1) & (rows["epochs"] == 10))]
    assert (decided(never)["value"], decided(never)["verdict"]) == (np.inf, "contradicted")
    there = rows.assign(value=rows["value"].where(rows["epochs"] > 0, 99.0))
    assert decided(there)["verdict"] == "not comparable"
    assert (
        len(verdicts.claims(results.table([]), Study("s", claims=(Claim("c", "", (("a", "b"),), cost="seconds"),))))
        == 0
    )


def test_every_claim_names_conditions_that_its_study_can_have() -> None:
    for name in report.DECIDING:
        study = wb.studies.load(name)
        trained = {condition.name for condition in study.conditions}
        known = trained | {f"untrained {condition.method}" for condition in study.conditions} | {*study.baselines}
        for claim in study.claims:
            assert {end for pair in claim.pairs for end in pair} <= known, claim.id
            assert claim.word in ("as good as", "better than", "worse than") or (claim.cost and claim.most < 1)
    kept = set(report.claims()["claim"])
    assert {"few-negatives", "coupled-negatives", "far-negatives", "rules-help", "learns", "cheaper-seconds"} <= kept


def test_a_number_is_scored_by_its_own_protocol_too() -> None:
    usual = wb.studies.load("reproduction", claims=["grace/cora"]).protocols
    assert wb.studies.load("reproduction").protocols == usual and "linear-10-10-80" not in usual
    asked = wb.studies.load("reproduction", claims=["cca-ssg/photo/homogcl", "grace/cora"]).protocols
    assert asked == (*usual, "linear-10-10-80")
    assert wb.studies.load("protocols", claims=["cca-ssg/photo/homogcl"]).protocols == ()  # a lens looks through all


def test_trainings_are_scored_once_and_kept(labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.name = "cora"  # a graph of that name has a released preset
    study = wb.studies.load("reproduction", claims=["grace/cora"], epochs=2, dim=4, seeds=[1])
    asked = {"data": labelled, "store": tmp_path / "store", "progress": False}
    first = wb.studies.run(study, **asked)
    assert set(first["condition"]) == {"grace", "untrained grace", "raw", "propagated", "hops"}
    scored = first[first["metric"] == "accuracy"]
    assert set(scored["protocol"]) == {"random-10-10-80", "random-10-90"} and len(scored) == 5 * 2 * 10
    run = wb.fit("grace", labelled, "released", seed=1, store=tmp_path / "store", progress=False, epochs=2, dim=4)
    mine = scored[(scored["condition"] == "grace") & (scored["protocol"] == "random-10-10-80")]
    expected = wb.evaluate(run, labelled, "random-10-10-80", solver="fast", progress=False).per_split["accuracy"]
    np.testing.assert_allclose(mine.sort_values("split")["value"], expected)
    (cost,) = results.costs(first).to_dict("records")
    assert (cost["finished"], cost["asked_epochs"], cost["seconds"]) == (1, 2, run.seconds)
    results.add(first, tmp_path / "reproduction.csv")
    before = (tmp_path / "reproduction.csv").read_bytes()
    monkeypatch.setattr(worker, "fit", lambda *_, **__: run)
    results.add(wb.studies.run(study, **asked).query("kind == 'trained'"), tmp_path / "reproduction.csv")
    assert (tmp_path / "reproduction.csv").read_bytes() == before


def test_a_large_graph_has_fewer_splits(labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.studies.tasks.LARGE", 100)
    study = wb.studies.load("placebo", conditions=["released"], large_splits=2, seeds=1, epochs=1, dim=4, projection=4)
    assert set(wb.studies.run(study, labelled, store=tmp_path, progress=False)["split"].dropna()) == {0, 1}


def test_a_training_that_did_not_finish_is_a_row_that_says_so(tmp_path: Path) -> None:
    facts = {"study": "reproduction", "condition": "grace", "kind": "trained", "data": "pubmed", "seed": 0,
             "preset": "released/pubmed", "peak_mib": 900.0, "device": "cpu (1 threads)", "seconds": 99.0}  # fmt: skip
    for epochs in (7, 8):
        measured = {"finished": 0.0, "asked_epochs": 1500.0}.items()
        rows = [{**facts, "epochs": epochs, "metric": metric, "value": value} for metric, value in measured]
        results.add(results.table(rows), tmp_path / "reproduction.csv")
    (cost,) = results.costs(results.read("reproduction", tmp_path)).to_dict("records")
    assert (cost["seed"], cost["finished"], cost["epochs"], cost["asked_epochs"]) == (0, 0, 8, 1500)
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert "| grace | pubmed | seed 0 did not finish | 8 of 1,500 | 99 up to there | 900 | cpu (1 threads) |" in page
    assert "| grace | pubmed | 0 of 1 |" not in page


def test_the_page_is_made_from_the_results_and_says_what_failed(tmp_path: Path) -> None:
    found = scores(**{"grace": 81.0, "str-gcl": 84.9, "untrained_grace": 70.0})
    costs = [
        {"study": "reproduction", "condition": "grace", "kind": "trained", "data": "cora", "preset": "released/cora",
         "seed": 0, "epochs": 200, "seconds": 60.0, "peak_mib": 160.0, "device": "cpu (1 threads)", "metric": metric,
         "value": value}
        for metric, value in (("finished", 1), ("asked_epochs", 200))
    ]  # fmt: skip
    results.add(pd.concat([found, results.table(costs)]), tmp_path / "reproduction.csv")
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert "| `grace/cora` | 83.3 | random-10-90 | 81.0 | 🔴 worse | ours minus published -2.3" in page
    assert "| `str-gcl/cora` | 84.89 ± 0.9 | random-10-90 | 84.9 | 🟢 reproduced |" in page
    assert (
        "DeepWalk + features on photo 90.05" in page
        and "| `str-gcl/photo/dgi` | 92.78 ± 0.14 |" in page
        and "Not run here." in page
    )
    assert "| grace | cora | 1 of 5 | 200 | 60 – 60 | 160 | cpu (1 threads) |" in page
    assert "| str-gcl | photo | 0 of 1 | – | not run here | – | – |" in page
    assert report.write(tmp_path).read_text(encoding="utf-8") == page


def test_the_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    for file in results.FOLDER.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert report.write(tmp_path).read_text(encoding="utf-8") == (results.FOLDER / report.PAGE).read_text(
        encoding="utf-8"
    )


def test_each_switch_is_one_that_its_method_has_and_is_measured_in_pairs(tmp_path: Path) -> None:
    known = {method for method, _ in published.entries("switch")}
    assert {"e2neg", "str-gcl"} <= known <= set(methods.names())
    for method in known:
        for name, values in published.switches(method).items():
            config = configure(method, "quick", "cora", dict(values))[1]
            assert config != configure(method, "quick", "cora", {})[1], f"{name} changes nothing"
    means = {"e2neg: released": 76.0, "e2neg: random centres": 76.2, "e2neg: 10 centres": 73.0, "untrained e2neg": 74.0}
    rows = rows_of("switches", **{name: [mean + 0.1 * seed for seed in range(3)] for name, mean in means.items()})
    results.add(rows, tmp_path / "switches.csv")
    found = report.switches(tmp_path).set_index("switch")
    assert found.loc["random centres", "difference"] == pytest.approx(0.2)
    assert found.loc["10 centres", "verdict"] == "worse"
    assert found.loc["training at all", "difference"] == pytest.approx(2)
    with pytest.raises(UserError, match="did you mean 'e2neg'"):
        wb.studies.load("switches", method="e2ng")


def test_the_command_lists_runs_and_reports(
    labelled: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["claims", *words, "--results", str(tmp_path)])
        return code, *capsys.readouterr()

    results.add(scores(grace=81.0), tmp_path / "reproduction.csv")
    code, out, _ = call("list")
    assert code == 0 and "grace/cora" in out and "worse" in out and "not run here" in out
    code, out, _ = call("report")
    assert code == 0 and (tmp_path / report.PAGE).exists()
    code, _, told = call("run")
    assert code == 2 and "takes CLAIM ..., and 0 words were given; claims are " in told
    assert ", grace/cora, " in told and "dgi/cora," in told and "str-gcl/photo/dgi" not in told
    assert call("lst")[2].startswith("workbench: unknown action 'lst' of workbench claims; did you mean 'list'?")
    assert "did you mean 'grace/cora'" in call("run", "grace/coro")[2]
    assert "DeepWalk + features is not in the workbench" in call("run", "str-gcl/photo/deepwalk-with-features")[2]
    assert "can't be compared" in call("run", "str-gcl/photo/grace")[2]
    assert "seeds are a number of them, at least 1" in call("lens", "grace/cora", "--seeds", "0")[2]
    assert "seeds are a number of them, at least 1" in call("run", "grace/cora", "--seeds", "0")[2]
    assert "--deadline is -1 minutes; it must be above 0" in call("run", "grace/cora", "--deadline", "-1")[2]
    assert "report takes nothing more" in call("report", "cora")[2]
    assert "takes METHOD GRAPH ..." in call("switches", "e2neg")[2]
    assert "takes GRAPH ..." in call("cost")[2] and "takes CLAIM ..." in call("lens")[2]
    assert main(["claims", "list", "--results", str(tmp_path / "nowhere")]) == 2
    monkeypatch.setattr(worker, "loaded", lambda word: labelled)
    monkeypatch.setattr(
        "workbench.studies.published.trainable", lambda word: published.Training("grace", "karate", 1, "small")
    )
    monkeypatch.setattr(wb.studies, "load", partial(wb.studies.load, preset="small"))  # the quick one takes a minute
    code, out, _ = call("switches", "e2neg", "karate", "--seeds", "2", "--json")
    assert code == 0 and len(json.loads(out)["differences"]) == 9
    kept = results.read("switches", tmp_path)
    assert {"e2neg: released", "untrained e2neg", "propagated"} <= set(kept["condition"])


def test_the_chart_shows_what_was_run_with_its_interval() -> None:
    cells = [Cell(**{**vars(CELL), "id": name, "value": value}) for name, value in (("same", 81.0), ("high", 84.0))]
    found = [(cell, verdicts.of_cell(cell, scores(grace=81.0))) for cell in cells]
    left = Cell(**{**vars(CELL), "method": "DGI"})
    figure = plots.claims_chart([*found, (left, verdicts.of_cell(left, scores(grace=81.0)))])
    drawn = {trace.name: trace for trace in figure.data}
    assert set(drawn) == {"reproduced", "worse"} and "not comparable: 1 published" in figure.layout.title.subtitle.text
    assert drawn["worse"].x[0] == pytest.approx(-3.0) and list(drawn["worse"].y) == ["high"]
    verdict = found[1][1]
    assert drawn["worse"].x[0] - drawn["worse"].error_x.arrayminus[0] == pytest.approx(verdict.low)
    assert drawn["worse"].x[0] + drawn["worse"].error_x.array[0] == pytest.approx(verdict.high)
    with pytest.raises(UserError, match="none of these numbers was run"):
        plots.claims_chart([(left, verdicts.of_cell(left, scores(grace=81.0)))])
