"""Claims: the data, the verdicts, and the page that is made of them."""

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
from workbench.studies import claims
from workbench.studies.claims import courses, measure, report, switches
from workbench.studies.claims.cells import Cell, Sentence, changes


def table(mean: float, seeds: int = 3, splits: int = 10, between: float = 0.2, within: float = 0.5) -> np.ndarray:
    """Scores with exactly these deviations between seeds and over splits [seeds, splits]."""
    rows, columns = (stats.zscore(np.arange(n), ddof=1) if n > 1 else np.zeros(1) for n in (seeds, splits))
    return mean + between * rows[:, None] + within * columns[None, :]


def test_the_interval_is_that_of_the_formula() -> None:
    found = claims.verdict(80.0, table(80.3), spread=0.4, splits=10)
    parts = [(0.2**2 * (1 / 3 + 1), 2), (0.5**2 / 10, 27), (0.4**2 / 10, 9)]
    variance = sum(part for part, _ in parts)
    half = stats.t.ppf(0.95, variance**2 / sum(part**2 / df for part, df in parts)) * variance**0.5
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half))
    assert found.word == "reproduced" and found.ours == pytest.approx(80.3) and found.seeds == 3


@pytest.mark.parametrize(("off", "word"), [(0.0, "reproduced"), (2.0, "better"), (-2.0, "worse"), (0.9, "undecided")])
def test_a_planted_error_of_two_points_turns_the_verdict(off: float, word: str) -> None:
    assert claims.verdict(80.0, table(80.0 + off), spread=0.5, splits=10).word == word


def test_a_wide_spread_decides_nothing() -> None:
    assert claims.verdict(80.0, table(80.0, between=2.0)).word == "undecided"
    assert claims.verdict(80.0, table(82.0, between=2.0)).word == "undecided"
    alone = claims.verdict(80.0, table(80.0, within=8.0), splits=1)  # its one split is worth ten times our ten
    assert alone.word == "undecided" and "too wide to say, 91 % of its variance from the published" in alone.reason
    with pytest.raises(UserError, match="at least two training seeds"):
        claims.verdict(80.0, table(80.0)[:1])
    with pytest.raises(UserError, match="without holes"):
        claims.verdict(80.0, [[np.nan, 1.0], [1.0, 1.0]])


def test_the_same_split_is_no_source_of_variance_nor_is_a_seed_where_nothing_is_trained() -> None:
    found = claims.verdict(80.0, table(80.0, splits=1, within=0.0), spread=5.0, splits=1, fixed=True)
    half = stats.t.ppf(0.95, 2) * (0.2**2 * (1 / 3 + 1)) ** 0.5
    assert found.high == pytest.approx(half)
    raw = claims.verdict(80.0, table(80.0, seeds=1), splits=10, trained=False)
    assert raw.word == "reproduced" and "nothing trained" in raw.reason


def test_how_often_the_same_experiment_is_called_reproduced_and_a_worse_one_worse() -> None:
    draw = np.random.default_rng(0)
    words = {shift: [] for shift in (0.0, -2.5)}
    for shift, found in words.items():
        for _ in range(400):
            theirs = draw.normal(80, 0.3) + draw.normal(0, 0.6, 10)
            ours = 80 + shift + draw.normal(0, 0.3, (4, 1)) + draw.normal(0, 0.6, (1, 10))
            found.append(claims.verdict(theirs.mean(), ours, theirs.std(ddof=1), 10).word)
    assert words[0.0].count("reproduced") > 120 and words[0.0].count("worse") + words[0.0].count("better") < 20
    assert words[-2.5].count("worse") > 300 and words[-2.5].count("reproduced") < 20


def test_the_published_numbers_are_whole_and_can_be_asked_for() -> None:
    known = claims.cells()
    assert len({cell.id for cell in known}) == len(known) >= 45
    for cell in known:
        assert cell.graph in wb.graphs.names() and cell.obtained in ("first-hand", "second-hand", "third-party")
        assert 50 < cell.value < 100 and (cell.spread is None or 0 < cell.spread < 2) and cell.source
        assert cell.reason or cell.protocol in wb.protocols.names()
        if cell.reason is None and cell.method in methods.names():
            assert cell.preset and configure(cell.method, cell.preset, cell.graph, {})[0] == f"released/{cell.graph}"
    assert claims.find("str-gcl/cora").value == 84.89
    with pytest.raises(UserError, match="did you mean 'str-gcl/cora'"):
        claims.find("str-gcl/coro")


def test_what_was_not_recovered_is_not_there() -> None:
    known = {(cell.paper, cell.method, cell.graph) for cell in claims.cells()}
    assert not any(paper == "e2neg" and method == "e2neg" for paper, method, _ in known)
    assert {graph for paper, method, graph in known if paper == "str-gcl"} == {"photo", "computers", "cora"}


def scores(**means: float) -> pd.DataFrame:
    """Scores of arms on one graph, three seeds and ten splits each."""
    rows = [
        {"arm": arm.replace("_", " "), "graph": "cora", "preset": "released/cora", "protocol": "random-10-90",
         "seed": seed, "split": split, "accuracy": value, "macro_f1": value, "solver": "fast"}
        for arm, mean in means.items()
        for seed, row in enumerate(table(mean))
        for split, value in enumerate(row)
    ]  # fmt: skip
    return pd.DataFrame(rows)


CELL = Cell("a", "p", "grace", "cora", 83.3, "s", "second-hand", splits=3, protocol="random-10-90", preset="released")


def test_a_number_is_decided_by_the_scores_of_its_own_protocol() -> None:
    assert claims.of_cell(CELL, scores(grace=83.3)).word == "reproduced"
    other = scores(grace=82.0).assign(protocol="public")
    both = pd.concat([scores(grace=81.0, grace_untrained=70.0), other])
    assert claims.of_cell(CELL, both).reason.endswith("; by public 82.0; untrained 70.0")
    assert claims.of_cell(CELL, scores(grace=81.0)).word == "worse"
    assert claims.of_cell(CELL, scores(grace=83.3).assign(protocol="public")).word == "not run here"
    assert claims.of_cell(CELL, scores(grace=83.3).assign(graph="citeseer")).word == "not run here"
    assert claims.of_cell(CELL, scores(grace=83.3).query("seed == 0")).word == "undecided"
    other = Cell(**{**vars(CELL), "method": "DGI"})
    assert claims.of_cell(other, scores(grace=83.3)).reason == "DGI is not in the workbench"
    mixed = pd.concat([scores(grace=83.3), scores(grace=30.0).assign(preset="released/citeseer")])
    assert claims.of_cell(CELL, mixed).word == "reproduced", "settings of another graph are not mixed in"
    holes = scores(grace=83.3).query("seed != 2 or split != 4")
    assert claims.of_cell(CELL, holes).seeds == 2, "a seed that is not whole is left out"
    closed = Cell(**{**vars(CELL), "reason": "the protocol is not known"})
    assert claims.of_cell(closed, scores(grace=83.3)).word == "not comparable"


def test_a_sentence_is_decided_by_pairs_of_seeds() -> None:
    def rows(**accuracy: list[float]) -> pd.DataFrame:
        found = [
            {"graph": "cora", "arm": arm, "seed": seed, "accuracy": value}
            for arm, values in accuracy.items()
            for seed, value in enumerate(values)
        ]
        return pd.DataFrame(found)

    def decided(word: str, first: list[float]) -> str:
        sentence = Sentence("s", "says", "source", "claims", "first", "second", word)
        return str(
            claims.of_sentence(sentence, {"claims": rows(first=first, second=[80.0, 81.0, 82.0])})["verdict"].iloc[0]
        )

    assert decided("better than", [81.0, 82.0, 83.1]) == "held"
    assert decided("worse than", [81.0, 82.0, 83.1]) == "contradicted"
    assert decided("as good as", [79.9, 80.8, 81.9]) == "held"
    assert decided("as good as", [78.0, 79.0, 79.9]) == "contradicted"
    assert decided("better than", [79.0, 82.0, 82.0]) == "not separable"
    assert decided("better than", [80.1, 80.9, 82.0]) == "equal within 1 point"


def test_a_cost_is_that_of_coming_to_the_accuracy_of_the_second() -> None:
    points = {("first", 0): [70, 79.2, 90], ("second", 0): [60, 70, 80], ("first", 1): [70, 70, 81.1],
              ("second", 1): [60, 81.5, 82]}  # fmt: skip
    rows = pd.DataFrame(
        {"graph": "cora", "arm": arm, "seed": seed, "epoch": 5 * place, "seconds": (1 + seed) * place * length,
         "accuracy": value, "peak MiB": memory}
        for (arm, seed), values in points.items()
        for length, memory in [(1.0, 90.0) if arm == "first" else (10.0, 100.0)]
        for place, value in enumerate(values)
    )  # fmt: skip
    found = courses.reached(rows, "second").set_index(["arm", "seed"])
    assert found["target"].to_dict() == {pair: [79.0, 81.0][pair[1]] for pair in points}
    assert found["seconds"].to_dict() == {("first", 0): 1, ("first", 1): 4, ("second", 0): 20, ("second", 1): 20}
    cost = Sentence("c", "says", "source", "courses", "first", "second", column="seconds", most=0.5)
    decided = claims.of_sentence(cost, {"courses": rows}).iloc[0]
    assert (decided["value"], decided["verdict"], decided["seeds"]) == (pytest.approx(5 / 40), "held", 2)
    memory = Sentence(**{**vars(cost), "column": "peak MiB"})
    decided = claims.of_sentence(memory, {"courses": rows}).iloc[0]
    assert (decided["value"], decided["verdict"]) == (pytest.approx(0.9), "less, but not half")
    never = rows[~((rows["arm"] == "first") & (rows["seed"] == 1) & (rows["epoch"] == 10))]
    decided = claims.of_sentence(cost, {"courses": never}).iloc[0]
    assert decided["value"] == np.inf and decided["verdict"] == "contradicted"
    there = rows.assign(accuracy=rows["accuracy"].where(rows["epoch"] > 0, 99.0))
    assert claims.of_sentence(cost, {"courses": there})["verdict"].tolist() == ["not comparable"]
    assert len(claims.of_sentence(cost, {})) == 0


def test_the_course_of_a_training_is_that_of_its_snapshots(labelled: Data, tmp_path: Path) -> None:
    rows = courses.run(labelled, ["grace"], 2, "quick", points=3, splits=2, store=tmp_path, progress=False)
    assert set(rows["seed"]) == {0, 1} and rows["epoch"].tolist() == 2 * [0, 50, 100]
    kept = wb.fit("grace", labelled, "quick", seed=1, snapshots=3, store=tmp_path, progress=False)
    last = wb.evaluate(kept, labelled, splits=2, solver="fast", progress=False)
    assert rows["accuracy"].iloc[-1] == pytest.approx(float(last.accuracy), abs=0.5)  # half precision
    assert rows["seconds"].tolist()[3:] == [0.0, *kept.history["seconds"].loc[[50, 100]]]


def test_every_sentence_names_arms_that_results_can_have() -> None:
    for sentence in claims.sentences():
        assert sentence.results in ("negatives", "placebo", "claims", "courses")
        assert sentence.word in ("as good as", "better than", "worse than") or (sentence.column and sentence.most < 1)
    found = report.said()
    kept = set(found["sentence"])
    assert {"few-negatives", "coupled-negatives", "far-negatives", "rules-help"} <= kept, "committed results are read"


def test_trainings_are_scored_once_and_kept(labelled: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.name = "mine"
    store = tmp_path / "store"
    wb.fit("grace", labelled, "released/cora", store=store, progress=False)
    assert measure.stored(store) == [], "the settings are those of another graph"
    labelled.name = "cora"  # a graph of that name has a released preset
    monkeypatch.setattr(measure, "load_graph", lambda name: labelled)
    small = {"epochs": 1, "dim": 4}
    run = wb.fit("grace", labelled, "released", seed=1, store=store, progress=False, **small)
    assert measure.collect(store, tmp_path, progress=False)[0].empty, "what differs from the preset is no claim"
    monkeypatch.setattr(measure, "stored", lambda store: [run])
    first, costs = measure.collect(store, tmp_path, progress=False)
    assert set(first["arm"]) == {"grace", "grace untrained", "raw", "propagated"}
    assert set(first["protocol"]) == {"random-10-10-80", "random-10-90"} and len(first) == 4 * 2 * 10
    mine = first[(first["arm"] == "grace") & (first["protocol"] == "random-10-10-80")]
    expected = wb.evaluate(run, labelled, "random-10-10-80", solver="fast", progress=False).per_split["accuracy"]
    np.testing.assert_allclose(mine.sort_values("split")["accuracy"], expected)
    assert costs["seconds"].tolist() == pytest.approx([run.seconds], rel=1e-5)
    files = [(tmp_path / name).read_bytes() for name in (measure.SCORES, measure.COST)]
    monkeypatch.setattr(measure, "_rows", lambda *_: pytest.fail("scored again"))
    measure.collect(store, tmp_path, progress=False)
    assert files == [(tmp_path / name).read_bytes() for name in (measure.SCORES, measure.COST)]


def test_a_training_that_did_not_finish_is_a_row_that_says_so(tmp_path: Path) -> None:
    facts = {"method": "grace", "graph": "pubmed", "preset": "released/pubmed", "peak MiB": 900.0,
             "device": "cpu (1 threads)"}  # fmt: skip
    rows = pd.DataFrame([
        {**facts, "seed": 0, "state": "unfinished: epoch 7 of 1,500", "epochs": 7, "seconds": 99.0},
        {**facts, "seed": 1, "state": "unfinished: not begun before the deadline"},
        {**facts, "seed": 2, "state": "trained", "epochs": 1500, "seconds": 9.0},
    ])  # fmt: skip
    measure.note(rows, tmp_path)
    measure.note(rows.head(1).assign(epochs=8), tmp_path)
    costs = measure.read(tmp_path)[1]
    assert costs[["seed", "state", "epochs", "asked"]].to_numpy().tolist() == [[0, "unfinished", 8, 1500]]
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert "| grace | pubmed | seed 0 did not finish | 8 of 1,500 | 99 up to there | 900 | cpu (1 threads) |" in page
    assert "| grace | pubmed | 0 of 1 |" not in page


def test_the_page_is_made_from_the_results_and_says_what_failed(tmp_path: Path) -> None:
    found = scores(**{"grace": 81.0, "str-gcl": 84.9, "grace_untrained": 70.0})
    costs = pd.DataFrame([{"arm": "grace", "graph": "cora", "preset": "released/cora", "seed": 0, "state": "finished",
                           "epochs": 200, "asked": 200, "seconds": 60.0, "peak MiB": 160.0,
                           "device": "cpu (1 threads)"}])  # fmt: skip
    measure.write(found, costs, tmp_path)
    page = report.write(tmp_path).read_text(encoding="utf-8")
    assert "| `grace/cora` | 83.3 | random-10-90 | 81.0 | 🔴 worse | ours minus published -2.3" in page
    assert "| `str-gcl/cora` | 84.89 ± 0.9 | random-10-90 | 84.9 | 🟢 reproduced |" in page
    assert "DGI on photo 92.78 ± 0.14" in page and "Not run here." in page
    assert "| grace | cora | 1 of 5 | 200 | 60 – 60 | 160 | cpu (1 threads) |" in page
    assert "| str-gcl | photo | 0 of 1 | – | not run here | – | – |" in page
    assert report.write(tmp_path).read_text(encoding="utf-8") == page


def test_the_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    for file in measure.RESULTS.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert report.write(tmp_path).read_text(encoding="utf-8") == (measure.RESULTS / report.PAGE).read_text(
        encoding="utf-8"
    )


def test_each_switch_is_one_that_its_method_has_and_is_measured_in_pairs(labelled: Data, tmp_path: Path) -> None:
    assert {"e2neg", "str-gcl"} <= set(changes()) <= set(methods.names())
    for method, given in changes().items():
        for name, one in given.items():
            config = configure(method, "quick", "cora", dict(one))[1]
            assert config != configure(method, "quick", "cora", {})[1], f"{name} changes nothing"
    rows = [
        {"method": "e2neg", "graph": "cora", "arm": arm, "seed": seed, "accuracy": value + 0.1 * seed, "protocol": "p"}
        for arm, value in {
            "released": 76.0,
            "random centres": 76.2,
            "10 centres": 73.0,
            "untrained encoder": 74.0,
        }.items()
        for seed in range(3)
    ]
    found = switches.effects(pd.DataFrame(rows)).set_index("switch")
    assert found.loc["random centres", "difference"] == pytest.approx(0.2)
    assert found.loc["10 centres", "verdict"] == "worse" and found.loc[
        "training at all", "difference"
    ] == pytest.approx(2)
    file, keys = tmp_path / switches.FILE, ["method", "graph", "arm", "seed"]
    floor = {**rows[0], "arm": "propagated", "seed": np.nan}
    table, other = pd.DataFrame([*rows, floor]), pd.DataFrame(rows).assign(graph="citeseer")
    for part in (table, other, table[table["seed"] != 2].assign(accuracy=1.0)):
        measure.keep(part, file, keys, keys)
    kept = pd.read_csv(file)
    again = kept[(kept["graph"] == "cora") & (kept["seed"] != 2)]
    assert len(kept) == 25 and set(again["accuracy"]) == {1.0}, "what is measured again is replaced"
    assert (kept[kept["seed"] == 2]["accuracy"] > 1).all(), "fewer seeds take none away"
    with pytest.raises(UserError, match="did you mean 'e2neg'"):
        switches.run(labelled, "e2ng")


def test_the_command_lists_runs_and_reports(
    labelled: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["claims", *words, "--results", str(tmp_path)])
        return code, *capsys.readouterr()

    measure.write(scores(grace=81.0), measure.read(tmp_path)[1], tmp_path)
    code, out, _ = call("list")
    assert code == 0 and "grace/cora" in out and "worse" in out and "not run here" in out
    code, out, _ = call("report")
    assert code == 0 and (tmp_path / report.PAGE).exists()
    assert call("run")[0] == 2 and call("lst")[2].startswith(
        "workbench: unknown action 'lst' of workbench claims; did you mean 'list'?"
    )
    assert "did you mean 'grace/cora'" in call("run", "grace/coro")[2]
    assert "DGI is not in the workbench" in call("run", "str-gcl/photo/dgi")[2]
    assert "can't be compared" in call("run", "str-gcl/photo/grace")[2]
    assert "needs no training" in call("run", "str-gcl/photo/raw-features")[2]
    assert "the lens takes a whole number of training seeds" in call("lens", "grace/cora", "--seeds", "0")[2]
    (tmp_path / measure.COST).write_text("arm\ngrace\n")
    assert "claims-cost.csv has no column 'graph'" in call("list")[2]
    (tmp_path / measure.COST).unlink()
    assert "seeds are a number of them, at least 1" in call("run", "grace/cora", "--seeds", "0")[2]
    assert "--deadline is -1 minutes; it must be above 0" in call("run", "grace/cora", "--deadline", "-1")[2]
    assert "report takes nothing more, not 'cora'" in call("report", "cora")[2]
    assert "takes a method and graphs" in call("switches", "e2neg")[2]
    assert "takes graphs" in call("cost")[2] and "takes claims" in call("lens")[2]
    monkeypatch.setattr(measure, "stored", lambda *_: [])
    assert "no training of e2neg/photo as released is stored" in call("lens", "e2neg/photo")[2]
    assert main(["claims", "list", "--results", str(tmp_path / "nowhere")]) == 2


def test_the_chart_shows_what_was_run_with_its_interval() -> None:
    cells = [Cell(**{**vars(CELL), "id": name, "value": value}) for name, value in (("same", 81.0), ("high", 84.0))]
    found = [(cell, claims.of_cell(cell, scores(grace=81.0))) for cell in cells]
    left = Cell(**{**vars(CELL), "method": "DGI"})
    figure = plots.claims_chart([*found, (left, claims.of_cell(left, scores(grace=81.0)))])
    drawn = {trace.name: trace for trace in figure.data}
    assert set(drawn) == {"reproduced", "worse"} and "not comparable: 1 published" in figure.layout.title.subtitle.text
    assert drawn["worse"].x[0] == pytest.approx(-3.0) and list(drawn["worse"].y) == ["high"]
    verdict = found[1][1]
    assert drawn["worse"].x[0] - drawn["worse"].error_x.arrayminus[0] == pytest.approx(verdict.low)
    assert drawn["worse"].x[0] + drawn["worse"].error_x.array[0] == pytest.approx(verdict.high)
    with pytest.raises(UserError, match="none of these numbers was run"):
        plots.claims_chart([(left, claims.of_cell(left, scores(grace=81.0)))])
