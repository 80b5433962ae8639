"""The command line: exit codes, one line for each mistake, JSON that parses, and a few real runs on tiny graphs."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest
import torch

import workbench as wb
from workbench import cli
from workbench.cli import output
from workbench.errors import UserError
from workbench.evaluation import Measure
from workbench.pages import notebooks
from workbench.training.fit import fit as real_fit


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each command in an empty folder."""
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must end with one line on stderr, nothing on stdout, and exit code 2."""
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("workbench: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err


def parsed(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    code, out, err = said(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


# --- words -----------------------------------------------------------------------------------------------------------


COMMANDS = ["graphs", "fit", "forecast", "encode", "evaluate", "export", "runs", "select", "budget", "study", "claims"]
COMMANDS += ["sweep", "rules", "notebooks", "bench", "lab", "neighbours", "recommend", "protocols"]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--help",)):
        code, out, _ = said(capsys, *words)
        assert code == 0
        for command in COMMANDS:
            assert f"\n    {command}" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = said(capsys, command, "--help")
    assert code == 0 and out.startswith(f"usage: workbench {command}")
    assert ("--json" in out) == (command != "lab")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fti grace karate", "unknown command 'fti'; did you mean 'fit'?"),
        ("--verson", "did you mean '--version'?"),
        ("runs --jsn", "unknown option '--jsn' of workbench runs; did you mean '--json'?"),
        ("runs --roo=x", "did you mean '--root'?"),
        ("runs extra", "'extra' is one word too many"),
        ("evaluate x --protcol public", "did you mean '--protocol'?"),
        ("fit grace", "the following arguments are required: GRAPH; see workbench fit --help"),
        ("fit grace karate --seed x", "argument --seed: invalid int value: 'x'"),
        ("fit grace karate --sed 3", "did you mean '--seed'?"),
        ("fit grace karate --epochs 50", "'--epochs' of workbench fit; a method's setting is given as -p epochs="),
        ("fit --epochs 50 grace karate", "-p epochs="),
        ("fit grace karate --weight-decay=1", "-p weight_decay="),
        ("fit grace karate -p epochs", "-p 'epochs' is not of the form key=value"),
        ("fit grace karate -p epochs=1 -p epochs=2", "-p epochs=... is given twice"),
        ("fit grace karate -p seed=1", "'seed' is not given by -p"),
        ("fit grace karate -p snapshots=3", "'snapshots' is not given by -p"),
    ],
)  # fmt: skip
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert told in complaint(capsys, *words.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("fit gracee karate", "unknown method 'gracee'; did you mean 'grace'?"),
        ("fit grace karat", "unknown graph 'karat'; did you mean 'karate'?"),
        ("fit grace karate --preset quik", "did you mean 'quick'?"),
        ("fit grace karate -p epoch=3", "did you mean 'epochs'?"),
        ("fit grace karate -p epochs=many", "'epochs'"),
        ("fit grace karate --protocol random-10-9", "did you mean 'random-10-90'?"),
        ("fit grace karate --device gpu", "unknown device 'gpu'"),
        ("graphs karat", "did you mean 'karate'?"),
        ("select e2ngg karate", "unknown sampler 'e2ngg'; did you mean 'e2neg'?"),
        ("bench e2neg-stp", "did you mean 'e2neg-step'?"),
        ("evaluate grace/karate", "no stored run"),
    ],
)
def test_wrong_names(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    assert told in complaint(capsys, *words.split())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("0.4", 0.4),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("None", None),
        ("null", None),
        ("relu", "relu"),
        ('"50"', "50"),
        ("[1, 2]", [1, 2]),
        ("NaN", "NaN"),
        ("no", "no"),
        ("__import__('os')", "__import__('os')"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_values_are_read_like_json(text: str, value: object) -> None:
    read = output.parse_value(text)
    assert read == value and type(read) is type(value)


def test_importing_the_command_line_is_light() -> None:
    code = "import sys, workbench.cli; print([m for m in ('torch', 'numpy', 'pandas', 'plotly') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_python_m_workbench(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "workbench", "nope"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("workbench: unknown command 'nope'")


# --- graphs, runs, scores --------------------------------------------------------------------------------------------


def test_graphs(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    rows = {row["graph"]: row for row in parsed(capsys, "graphs")}
    assert rows["karate"]["files here"] == "none needed" and rows["karate"]["nodes"] == 34
    assert rows["cora"]["files here"] == "no" and rows["cora"]["classes"] == 7
    _, out, _ = said(capsys, "graphs")
    assert len(out.splitlines()) == len(rows) + 1
    told = parsed(capsys, "graphs", "karate")
    assert (told["nodes"], told["edges"], told["classes"]) == (34, 156, 4) and "Zachary" in told["citation"]
    _, out, _ = said(capsys, "graphs", "karate")
    assert [line.split() for line in out.splitlines()[:3]] == [["graph", "karate"], ["kind", "nodes"], ["nodes", "34"]]
    for name, kind, item in (("rings", "graph-sets", "graphs"), ("tastes", "bipartite", "users")):
        told = parsed(capsys, "graphs", name)
        assert rows[name]["kind"] == told["kind"] == kind and told[item] > 9 and len(told["hash"]) == 64


def test_protocols_are_listed_and_described_and_the_readme_names_each(capsys: pytest.CaptureFixture[str]) -> None:
    rows = parsed(capsys, "protocols")
    assert sorted(row["protocol"] for row in rows) == wb.protocols.names()
    assert {row["protocol"] for row in rows if row["flawed"] == "yes"} == {
        name for name in wb.protocols.names() if wb.protocols.get(name).flawed
    }
    code, out, _ = said(capsys, "protocols", "best-on-test")
    assert code == 0 and "the test part itself picks the step" in out and "validation goes unused" in out
    assert parsed(capsys, "protocols", "links")["description"] == wb.protocols.get("links").description
    assert "did you mean 'full-ranking'" in complaint(capsys, "protocols", "full-rankin")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [name for name in wb.protocols.names() if f"`{name}`" not in readme] == []


def test_fit_stores_loads_and_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("fit", "grace", "digits", "-p", "epochs=2", "-p", "dim=8", "-p", "projection=8")
    code, out, err = said(capsys, *words)
    summary, following = out.splitlines()
    assert code == 0 and "2/2" in err  # the bar is on stderr
    assert summary.startswith("grace on digits, preset ") and "seed 0: 2 epochs in " in summary and "loss " in summary
    assert following.startswith("next: workbench evaluate ")
    folder = Path(following.split()[-1])
    assert folder.is_dir() and "loaded from the store" not in summary

    told = parsed(capsys, *words)
    assert told["loaded"] and told["epochs"] == 2 and told["config"]["dim"] == 8 and told["path"] == str(folder)
    assert told["complete"] and told["losses"]["loss"] > 0
    assert "loaded from the store, --fresh trains again" in said(capsys, *words)[1]
    assert not parsed(capsys, *words, "--fresh")["loaded"]

    (row,) = parsed(capsys, "runs")
    assert (row["method"], row["graph"], row["epochs"], row["folder"]) == ("grace", "digits", 2, str(folder))
    assert str(folder) in said(capsys, "runs")[1]

    options = ("--splits", "2", "--solver", "fast")
    results = [parsed(capsys, "evaluate", run, *options) for run in (str(folder), "grace/digits", folder.name[-16:])]
    accuracy = results[0]["scores"]["accuracy"]
    assert results[1]["scores"]["accuracy"] == results[2]["scores"]["accuracy"] == accuracy
    assert 0 < accuracy["mean"] <= 100 and accuracy["std"] is not None
    _, out, _ = said(capsys, "evaluate", "grace/digits", *options)
    assert out.startswith("grace on digits, ") and "random-10-10-80" in out and "±" in out
    assert out.count("\n") == 1

    assert "did you mean 'fast'?" in complaint(capsys, "evaluate", "grace/digits", "--solver", "fsat")
    assert "did you mean 'grace/digits'?" in complaint(capsys, "evaluate", "grace/digitss")
    other = complaint(capsys, "evaluate", "grace/digits", "--graph", "karate")
    assert "differs from it in content" in other and "--graph" not in other
    rows = parsed(capsys, "evaluate", "grace/digits", *options, "--baselines")
    names = [row["name"] for row in rows]
    assert names[-1] == "grace" and "untrained grace" in names and "raw attributes" in names
    assert rows[-1]["accuracy"] == pytest.approx(accuracy["mean"])
    _, out, _ = said(capsys, "evaluate", "grace/digits", *options, "--baselines")
    assert len(out.splitlines()) == 1 + len(rows) and "± over seeds" in out.splitlines()[0]


def test_fit_with_a_protocol_scores_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Scores:
        accuracy = Measure(80.0, 1.0, "splits")

        def as_dict(self) -> dict:
            return {"accuracy": {"mean": self.accuracy, "std": float("nan")}}

        def __str__(self) -> str:
            return f"accuracy {self.accuracy} %"

    def evaluate(run: object, graph: object, protocol: str) -> Scores:
        asked.append(protocol)
        return Scores()

    monkeypatch.setattr("workbench.evaluate", evaluate)
    words = ("fit", "grace", "karate", "-p", "epochs=1", "--protocol", "random-10-90")
    assert said(capsys, *words)[1].splitlines()[1] == "accuracy 80.0 ± 1.0 %"
    assert parsed(capsys, *words)["scores"] == {"accuracy": {"mean": 80.0, "std": None}}
    assert asked == ["random-10-90"] * 2


def test_fit_keeps_embeddings_on_the_way_for_the_protocol_that_looks_at_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fit", "grace", "karate", "-p", "epochs=4", "-p", "dim=8", "-p", "projection=8")
    assert "snapshots" not in parsed(capsys, *words)["config"] and parsed(capsys, *words)["snapshots"] == []
    looks = ("evaluate", "grace/karate", "--protocol", "k-means-best-epoch", "--splits", "2")
    assert "or workbench fit grace karate --snapshots 11 with its settings, keeps eleven" in complaint(capsys, *looks)

    code, out, _ = said(capsys, *words, "--snapshots", "3")
    assert code == 0 and "3 embeddings kept on the way" in out and "loaded from the store" not in out
    again = parsed(capsys, *words, "--snapshots", "3")
    assert again["snapshots"] == [0, 2, 4] and again["loaded"]
    code, out, _ = said(capsys, *looks)
    assert code == 0 and "NMI" in out and "FLAWED: each measure picks its own epoch by the labels" in out
    assert "snapshots is 1; it must be 0, or 2 or more" in complaint(capsys, *words, "--snapshots", "1")

    monkeypatch.setattr("workbench.load_graph", lambda _: pytest.fail("it is told before anything is loaded"))
    scored = complaint(capsys, *words, "--protocol", "k-means-best-epoch")
    assert "protocol 'k-means-best-epoch' looks at embeddings on the way; --snapshots 11 keeps eleven" in scored


def test_a_graph_from_a_file_is_told_to_evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    edges = torch.randint(0, 60, (200, 2)).tolist()
    (tmp_path / "mine.csv").write_text("\n".join(f"{a},{b}" for a, b in edges if a != b) + "\n")
    code, out, err = said(capsys, "fit", "grace", "mine.csv", "-p", "epochs=1")
    assert code == 0, err
    assert out.splitlines()[-1].endswith(" --graph mine.csv")
    hint = " (--graph names the graph that the run was trained on)\n"
    assert complaint(capsys, "evaluate", "grace/mine").endswith(hint)


def test_runs_of_an_empty_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = said(capsys, "runs", "--root", str(tmp_path / "none"))
    assert code == 0 and out.startswith(f"no run is stored in {tmp_path / 'none'}")
    assert parsed(capsys, "runs") == []


def test_runs_hides_baselines_and_writes_out_what_a_terminal_would_act_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store, kept = tmp_path / "store", {"preset": "quick", "seconds": 1.0, "peak_mib": 2.0, "seed": 0}
    for name, epochs in (("one", 5), ("two", 0)):
        (store / name).mkdir(parents=True)
        facts = {"method": "grace", "graph": "a\x1b[31m\nb", "epochs": epochs, **kept}
        (store / name / "run.json").write_text(json.dumps(facts))
    _, out, _ = said(capsys, "runs", "--root", str(store))
    assert "\x1b" not in out and "a\\x1b[31m\\nb" in out
    assert len(out.splitlines()) == 3 and "1 untrained baseline is hidden; --all shows them" in out
    _, out, _ = said(capsys, "runs", "--all", "--root", str(store))
    assert len(out.splitlines()) == 3 and "untrained" in out and "hidden" not in out
    assert len(parsed(capsys, "runs", "--root", str(store))) == 1
    assert [row["baseline"] for row in parsed(capsys, "runs", "--all", "--root", str(store))] == [None, "untrained"]
    (store / "one" / "run.json").unlink()
    assert "nothing but untrained baselines" in said(capsys, "runs", "--root", str(store))[1]


def test_select(capsys: pytest.CaptureFixture[str]) -> None:
    told = parsed(capsys, "select", "uniform", "karate", "--k", "5", "--seed", "1")
    assert len(told["negatives"]) == 5 and len(told["anchors"]) == 34
    assert [row["negative"] for row in told["reasons"]] == told["negatives"]
    assert parsed(capsys, "select", "uniform", "karate", "--k", "5", "--seed", "1") == told
    own = told["negatives"][0]
    one = parsed(capsys, "select", "uniform", "karate", "--k", "5", "--seed", "1", "--anchor", str(own))
    assert [row["negative"] for row in one["reasons"]] == told["negatives"][1:]  # never its own negative
    _, out, _ = said(capsys, "select", "uniform", "karate", "--k", "5", "--rows", "2")
    assert out.startswith("uniform on karate, seed 0: 34 anchors, 5 negatives shared by all\nnegative")
    assert out.splitlines()[-1].startswith("... and 3 more") and len(out.splitlines()) == 5
    assert "there is no node 99" in complaint(capsys, "select", "uniform", "karate", "--k", "5", "--anchor", "99")
    assert "did you mean 'hops'" in complaint(capsys, "select", "hop-far", "karate", "-p", "hop=2")
    assert "'anchors' is not given by -p" in complaint(capsys, "select", "uniform", "karate", "-p", "anchors=3")
    assert said(capsys, "select", "uniform", "karate")[1].startswith("uniform on karate, seed 0: 34 anchors, 17 neg")
    assert "seed is -1" in complaint(capsys, "select", "uniform", "karate", "--seed", "-1")
    assert "--rows is 0" in complaint(capsys, "select", "uniform", "karate", "--k", "5", "--rows", "0")


def test_select_explains_one_anchor(capsys: pytest.CaptureFixture[str]) -> None:
    from workbench import negatives
    from workbench.datasets import load_graph

    asked = ["select", "hop-far", "karate", "--k", "4", "--anchor", "5", "-p", "hops=2"]
    told = parsed(capsys, *asked, "--explain")
    headless = negatives.select("hop-far", load_graph("karate"), k=4, anchors=[5], hops=2)
    assert told["anchors"] == [5] and told["negatives"] == headless.negatives.tolist()
    assert [row["because"] for row in told["reasons"]] == headless.sentences()
    assert [row["hops"] for row in told["reasons"]] == headless.reasons["hops"].tolist()
    assert sum(row["gradient_share"] for row in told["reasons"]) == pytest.approx(1)
    every = negatives.select("hop-far", load_graph("karate"), k=4, hops=2)
    assert told["negatives"] == [every.negatives[5].tolist()]  # as among all anchors
    _, out, _ = said(capsys, *asked, "--explain")
    assert out.startswith("hop-far on karate, seed 0: 1 anchor, 4 negatives each, at most\nanchor")
    assert "hop distance 2, at least 2 was asked for" in out and len(out.splitlines()) == 6
    _, out, _ = said(capsys, "select", "hardest", "karate", "--k", "4", "--rows", "6")
    assert out.splitlines()[-1] == "... and 130 more; --rows N shows more, --json all" and len(out.splitlines()) == 9


def test_select_by_the_similarities_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    from workbench import negatives
    from workbench.datasets import load_graph
    from workbench.training import store as runs

    assert said(capsys, "fit", "grace", "karate", "-p", "epochs=1")[0] == 0
    told = parsed(capsys, "select", "hardest", "karate", "--k", "3", "--embedding", "grace/karate")
    chosen = negatives.select("hardest", load_graph("karate"), k=3, embedding=runs.load(runs.find("grace/karate")))
    assert told["negatives"] == chosen.negatives.tolist()
    refused = complaint(capsys, "select", "hardest", "digits", "--k", "3", "--embedding", "grace/karate")
    assert "'digits' differs from it" in refused


def test_budget(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["budget", "planted:200", "--samplers", "hop-near", "--k", "2", "--seeds", "2", "-p", "epochs=1"]
    code, out, err = said(capsys, *asked, "--out", str(tmp_path / "rows.csv"))
    assert code == 0, err
    assert out.startswith(
        "negatives: grace, preset quick; 2 training seeds, random-10-10-80\n\nmeans over training seeds"
    )
    assert "Topologically coupled negatives hurt" in out and "hop-near, k=2" in (tmp_path / "rows.csv").read_text()
    told = parsed(capsys, *asked)
    assert {row["condition"] for row in told["summary"]} >= {
        "all",
        "uniform, k=2",
        "uniform-each, k=2",
        "hop-near, k=2",
    }
    assert told["claims"] and told["differences"]
    assert "did you mean 'hop-near'" in complaint(capsys, "budget", "planted:200", "--samplers", "hop-nea")
    assert "lies in a folder that does not exist" in complaint(
        capsys, *asked, "--out", str(tmp_path / "no" / "rows.csv")
    )


def test_rules_are_listed_shown_and_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    from workbench import rules
    from workbench.datasets import load_graph

    listed = parsed(capsys, "rules", "list")
    assert isinstance(listed, list) and [one["name"] for one in listed] == rules.names()
    shown = parsed(capsys, "rules", "show", "NTSC")
    assert isinstance(shown, dict) and rules.parse(shown["formula"]) == rules.formula("ntsc") and shown["says"]
    graph, formula = load_graph("karate"), "exists u in N(v): degree(u) >= 16"
    told = parsed(capsys, "rules", "eval", formula, "karate", "--top", "3", "--explain", "1")
    assert isinstance(told, dict)
    held = rules.evaluate(formula, graph)
    assert told["true"] == f"{int(held.sum())} of 34 nodes"
    assert [row["node"] for row in told["top"]] == held.nonzero().ravel()[:3].tolist()
    assert told["explanation"] == str(rules.explain(formula, graph, 1))
    code, out, _ = said(capsys, "rules", "eval", "ntsc-soft", "karate", "--explain", "0")
    assert code == 0 and "node 0:" in out and "over all 34 nodes" in out
    code, out, _ = said(capsys, "rules", "eval", "degree(v) > 3", "karate", "--semantics", "godel", "--top", "0")
    assert code == 0 and "lowest" in out


def test_rules_are_searched_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = parsed(capsys, "rules", "search", "karate", "--preset", "small", "--top", "3")
    assert isinstance(found, list) and 1 <= len(found) <= 3 and found[0]["says"].startswith("A node whose ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evl", "ntsc", "karate"], "unknown action 'evl' of workbench rules; did you mean 'eval'?"),
        (["search", "karate", "--method", "few-negative"], "did you mean 'few-negatives'?"),
        (["search", "karate", "--preset", "small", "--top", "0"], "most is 0; it must be a whole number above 0"),
        (["show"], "workbench rules show takes RULE, and 0 words were given"),
        (["list", "ntsc"], "workbench rules list takes nothing more"),
        (["show", "ntcs"], "unknown rule 'ntcs'; did you mean 'ntsc'?"),
        (["eval", "ntsc", "karat"], "did you mean 'karate'?"),
        (["eval", "ntsc", "karate", "--semantics", "fuzzy"], "unknown semantics 'fuzzy'"),
        (["eval", "ntsc", "karate", "--steepness", "0"], "it must be above 0"),
        (["eval", "ntsc", "karate", "--explain", "34"], "there is no node 34; this graph has 34, from 0 to 33"),
        (["eval", "ntsc", "karate", "--top=-1"], "--top is -1"),
        (["placebo", "digits", "--seeds", "0"], "seeds are a number of them, at least 1"),
    ],
)
def test_mistakes_with_rules(capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert told in complaint(capsys, "rules", *words)


def test_a_mistake_in_a_formula_is_pointed_at(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "rules", "eval", "degree(v) > 3 and degre(v) < 9", "karate")
    sentence, line, caret = err.splitlines()
    assert (code, out) == (2, "") and sentence.startswith("workbench: line 1, column 19: unknown term 'degre'")
    assert line == "degree(v) > 3 and degre(v) < 9" and caret.index("^") == 18


def test_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"benchmark": "e2neg-step"} in parsed(capsys, "bench")
    measured = [{"case": "a step", "ratio": 4.25}, {"case": "two", "ratio": 2.0}]
    monkeypatch.setattr("benchmarks.BENCHMARKS.get", lambda name: lambda: measured)
    assert said(capsys, "bench", "e2neg-step")[1] == "case   a step\nratio  4.25\ncase   two\nratio  2\n"
    assert parsed(capsys, "bench", "e2neg-step") == measured
    monkeypatch.setattr("workbench.cli.bench.FOLDER", Path("installed/benchmarks"))
    assert "there is no folder installed/benchmarks" in complaint(capsys, "bench", "e2neg-step")


# --- interruption ----------------------------------------------------------------------------------------------------


def test_an_interrupted_fit_keeps_what_was_learned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: object, **settings: object) -> object:
        return real_fit(*args, callback=lambda told: told.epoch < 2, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr("workbench.fit", stopped)
    code, out, err = said(capsys, "fit", "grace", "karate", "-p", "epochs=4")
    assert code == 130 and "2 of 4 epochs" in out and "not stored" in out and "next:" not in out
    assert "workbench: interrupted; the same command goes on after epoch 2" in err
    _, _, err = said(capsys, "fit", "grace", "karate", "-p", "epochs=4", "--fresh")
    assert "interrupted; the same command begins anew, and without --fresh takes what is stored" in err
    code, out, _ = said(capsys, "fit", "grace", "karate", "-p", "epochs=4", "--json")
    assert code == 130 and json.loads(out)["complete"] is False
    monkeypatch.setattr("workbench.fit", real_fit)
    code, out, err = said(capsys, "fit", "grace", "karate", "-p", "epochs=4")
    assert code == 0 and "4 epochs" in out


def test_an_interruption_elsewhere_says_what_was_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.load_graph", interrupted)
    code, _, err = said(capsys, "fit", "grace", "karate")
    assert (code, err) == (
        130,
        "\nworkbench: interrupted; what was stored stays; the same command goes on from the last checkpoint, or begins "
        "anew with --fresh\n",
    )


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"]])
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "workbench", *words], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


# --- notebooks and JupyterLab ----------------------------------------------------------------------------------------


@pytest.fixture
def two_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict]]:
    """Notebooks 00_tour and 10_grace, and a runner that notes what it was asked for instead of starting kernels."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    for name, parameters in (("00_tour", "graph = 'pydocs'\nepochs = 3"), ("10_grace", "graph = 'pydocs'")):
        cell = new_code_cell(parameters, metadata={"tags": ["parameters"]})
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=[cell]), tmp_path / "notebooks" / f"{name}.ipynb")
    asked: list[tuple[str, dict]] = []

    def execute(name: str, given: dict, out_dir: str, told: object, **options: object) -> notebooks.Outcome:
        asked.append((name, {**given, "out_dir": out_dir, **options}))
        path = Path(out_dir) / f"{name}.ipynb"
        if given.get("epochs") == 0:
            return notebooks.Outcome(name, path, None, 1.0, failed_cell=3, error="AssertionError: too low")
        return notebooks.Outcome(name, path, path.with_suffix(".html"), 1.0, results="method  accuracy\ngrace   80")

    monkeypatch.setattr(notebooks, "execute", execute)
    return asked


def test_notebooks_runs_all_or_the_named(capsys: pytest.CaptureFixture[str], two_notebooks: list) -> None:
    code, out, _ = said(capsys, "notebooks", "-p", "graph=cora")
    assert code == 0 and sorted(name for name, _ in two_notebooks) == ["00_tour", "10_grace"]
    assert (
        two_notebooks[0][1]
        == two_notebooks[1][1]
        == {"graph": "cora", "out_dir": "build/notebooks", "html": True, "timeout": None}
    )
    assert out.count("grace   80") == 2 and "build/notebooks/00_tour.html" in out
    rows = parsed(capsys, "notebooks", "00_tour", "-p", "epochs=7", "--out-dir", "build", "--no-html", "--timeout", "9")
    assert two_notebooks[2] == ("00_tour", {"epochs": 7, "out_dir": "build", "html": False, "timeout": 9})
    assert rows[0]["ok"] and rows[0]["path"] == "build/00_tour.ipynb" and len(rows) == 1


def test_a_graph_is_asked_of_the_notebooks_that_learn_on_its_kind(
    capsys: pytest.CaptureFixture[str], two_notebooks: list
) -> None:
    import nbformat

    book = nbformat.read("notebooks/10_grace.ipynb", as_version=4)
    book.cells[0].source = "graph = 'tastes'"
    Path("notebooks/bipartite").mkdir()
    nbformat.write(book, "notebooks/bipartite/30_users.ipynb")
    _, _, err = said(capsys, "notebooks", "-p", "graph=cora")
    assert sorted(name for name, _ in two_notebooks) == ["00_tour", "10_grace"]
    assert "1 of 3 notebooks don't learn on nodes and are left out: 30_users" in err
    said(capsys, "notebooks", "-p", "graph=lastfm")
    assert [name for name, _ in two_notebooks[2:]] == ["30_users"]


def test_notebooks_refuses_before_the_first_starts(capsys: pytest.CaptureFixture[str], two_notebooks: list) -> None:
    for words, told in (
        ("10_grcae", "did you mean '10_grace'?"),
        ("-p epochs=7", "'epochs' is known to 00_tour but not to 10_grace"),
        ("00_tour -p epoch=7", "unknown parameter 'epoch' of notebook '00_tour'; did you mean 'epochs'?"),
        ("00_tour -p epochs=many", "parameter 'epochs' of notebook '00_tour' takes a value like 3 (int)"),
        ("00_tour --out-dri x", "did you mean '--out-dir'?"),
    ):
        assert told in complaint(capsys, "notebooks", *words.split())
    assert two_notebooks == []


def test_a_failing_notebook_is_exit_code_1(capsys: pytest.CaptureFixture[str], two_notebooks: list) -> None:
    code, out, err = said(capsys, "notebooks", "00_tour", "-p", "epochs=0")
    assert (code, out) == (1, "")
    assert err == "00_tour: failed in cell 3: AssertionError: too low; executed so far: build/notebooks/00_tour.ipynb\n"
    code, out, _ = said(capsys, "notebooks", "00_tour", "-p", "epochs=0", "--json")
    assert code == 1 and json.loads(out)[0]["failed_cell"] == 3


def test_lab_opens_the_start_page_on_this_machine_only(
    capsys: pytest.CaptureFixture[str], two_notebooks: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("notebooks/00_tour.ipynb").rename("notebooks/00_start.ipynb")
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: started.append([program, *command]))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.delenv("WORKBENCH_RUNS")
    monkeypatch.setenv("WORKBENCH_DATA", "/elsewhere")
    assert cli.main(["lab", "--port", "9999", "--no-browser"]) == 0
    (command,) = started
    assert command[:4] == [sys.executable, sys.executable, "-m", "jupyterlab"]
    quiet = "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"
    page = "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb"
    place = [f"--ServerApp.root_dir={Path.cwd()}", quiet, page]
    assert command[4:] == ["--ServerApp.ip=127.0.0.1", *place, "--no-browser", "--ServerApp.port=9999"]
    assert os.environ["WORKBENCH_RUNS"] == str(Path("runs").resolve()) and os.environ["WORKBENCH_DATA"] == "/elsewhere"
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    cli.main(["lab"])
    assert "--allow-root" in started[1] and "--allow-root" in capsys.readouterr().err
    assert not [word for word in started[1] if "token" in word.casefold() or "password" in word.casefold()]
    assert "did you mean '00_start'?" in complaint(capsys, "lab", "00_satrt")


def test_a_user_error_is_one_line_whatever_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise UserError("first\n  second")

    monkeypatch.setattr("workbench.training.stored.rows", broken)
    assert complaint(capsys, "runs") == "workbench: first second\n"


HEAVY = {"torch", "torch_geometric", "sklearn", "umap", "plotly"}
LISTS = (
    "--help",
    "--version",
    "study --help",
    "runs",
    "graphs",
    "rules list",
    "rules show ntsc",
    "study list",
    "bench",
)
TABLES = ("claims list", "study report placebo", "claims report", "study report")
ONE_BY_ONE = """
import contextlib, json, sys
from workbench.cli import main
for words, absent in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        assert main(words) == 0, words
    assert not (found := {*absent} & {*sys.modules}), (words, found)
"""


def test_a_command_that_reads_tables_imports_no_torch(tmp_path: Path) -> None:
    results = ["--results", str(shutil.copytree(wb.studies.results.FOLDER, tmp_path / "results"))]  # pages go there
    asked = [(command.split(), HEAVY | {"pandas", "numpy", "scipy"}) for command in LISTS]  # names and files of text
    asked += [(command.split(), HEAVY) for command in TABLES]
    told = [
        [[*words, *(results if words[0] in ("study", "claims") and "--help" not in words else [])], [*absent]]
        for words, absent in asked
    ]
    subprocess.run([sys.executable, "-c", ONE_BY_ONE, json.dumps(told)], check=True, stdout=subprocess.DEVNULL)


def test_help_is_quick() -> None:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "workbench", "--help"], check=True, stdout=subprocess.DEVNULL)
    assert time.perf_counter() - start < 10  # 0.2 s on an idle machine; torch alone would take most of this


def test_neighbours_of_a_node_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("friends.csv").write_text("source,target\n" + "\n".join(f"n{i},n{(i + 1) % 12}" for i in range(12)))
    assert said(capsys, "fit", "grace", "friends.csv", "--preset", "quick", "-p", "epochs=2")[0] == 0
    code, out, _ = said(capsys, "neighbours", "grace/friends", "n7", "-k", "3")
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("nearest to node 9 (n7) by grace on friends, preset quick")
    assert lines[1].split() == ["node", "name", "cosine"] and len(lines) == 6
    assert lines[-1].startswith("without classes and hops: ") and "--graph names its file" in lines[-1]
    found = parsed(capsys, "neighbours", "grace/friends", "n7", "-k", "11", "--graph", "friends.csv")
    assert isinstance(found, dict) and found["asked"] == {"node": 9, "name": "n7"} and found["without"] is None
    hops = {row["name"]: row["hops"] for row in found["neighbours"]}
    assert hops["n8"] == hops["n6"] == 1 and hops["n1"] == 6 and "n7" not in hops
    assert "did you mean 'n7'?" in complaint(capsys, "neighbours", "grace/friends", "nn7")
    assert "k must lie between 1 and 11" in complaint(capsys, "neighbours", "grace/friends", "n7", "-k", "12")
    Path("other.csv").write_text("a,b\nb,c\n")
    assert "differs from it" in complaint(capsys, "neighbours", "grace/friends", "n7", "--graph", "other.csv")


def test_next_weeks_nodes_are_embedded_under_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    def week(names: list[str], columns: dict[str, int], file: str) -> None:
        ages = {name: f"{index % 7},{index % 3},{index % 2}".split(",") for index, name in enumerate(names)}
        lines = [",".join(["id", *columns])]
        lines += [",".join([name, *(ages[name][place] for place in columns.values())]) for name in sorted(names)]
        Path(f"{file}-nodes.csv").write_text("\n".join(lines))
        ring = [f"{name},{names[place - 1]}" for place, name in enumerate(names)]
        Path(f"{file}.csv").write_text("\n".join(["source,target", *ring]))

    people = [f"n{i:02}" for i in range(20)]
    week(people, {"age": 0, "sex": 1, "vote": 2}, "one")
    graph = wb.load_graph("one.csv", features="one-nodes.csv")
    run = wb.fit("grace", graph, "quick", epochs=2, progress=False)
    week([*people[1:], "new"], {"vote": 2, "age": 0, "sex": 1, "pet": 0}, "two")
    words = ("encode", "grace/one", "two.csv", "--features", "two-nodes.csv", "--out")
    code, out, err = said(capsys, *words, "two.parquet")
    assert code == 0 and "19 nodes that training knew, 1 new (new), 1 gone (n00)" in out
    assert "workbench: attribute column 'pet' is left out, since training had none of that name" in err
    assert "workbench: the attribute columns stand in another order" in err and err.count("workbench: ") == 2
    found = parsed(capsys, *words, "two.csv.csv")
    assert isinstance(found, dict) and found["new"] == ["new"] and found["gone"] == ["n00"] and len(found["notes"]) == 2
    table = pandas.read_csv("two.csv.csv")
    assert table["name"].tolist() == [*people[1:], "new"] == pandas.read_parquet("two.parquet")["name"].tolist()
    assert code_of_the_same(capsys, run, people)
    week(people, {"age": 0, "votes": 2}, "three")
    told = complaint(capsys, *words[:2], "three.csv", "--features", "three-nodes.csv", "--out", "three.csv.csv")
    assert "attribute columns 'sex', 'vote' are missing" in told and not Path("three.csv.csv").exists()


def code_of_the_same(capsys: pytest.CaptureFixture[str], run: wb.Run, people: list[str]) -> bool:
    """Return whether the graph of the training itself is embedded as it was there."""
    said(capsys, "encode", "grace/one", "one.csv", "--features", "one-nodes.csv", "--out", "same.csv")
    table = pandas.read_csv("same.csv").set_index("name")
    return bool(torch.allclose(torch.tensor(table.loc[run.names].to_numpy(), dtype=torch.float32), run.embeddings))


def test_degrees_stand_in_for_attributes_again_when_new_nodes_are_embedded(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hub.csv").write_text("\n".join(f"hub,n{i}" for i in range(9)))
    with pytest.warns(UserWarning, match="degree"):
        wb.fit("grace", wb.load_graph("hub.csv"), "quick", epochs=1, progress=False)
    Path("hubs.csv").write_text("\n".join([f"hub,n{i}" for i in range(14)] + ["new,n1", "new,n2"]))
    code, out, err = said(capsys, "encode", "grace/hub", "hubs.csv", "--out", "hubs-out.csv")
    assert code == 0 and "10 nodes that training knew, 6 new (n10, n11, n12, n13, n9, ...), 0 gone" in out
    assert err.splitlines() == ["workbench: 1 node has a degree above 9, the highest in training, and count as that"]
    wb.fit("grace", wb.load_graph("hub.csv", features=["walks", "core"]), "quick", epochs=1, progress=False)
    code, _, err = said(capsys, "encode", "grace/hub", "hubs.csv", "--out", "hubs-out.csv")
    assert (code, err) == (0, "workbench: 4 nodes have a core above 1, the highest in training, and count as that\n")
