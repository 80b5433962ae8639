"""The page of a study: its tables by protocol, its claims with their thresholds, and that the kept ones are current."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import workbench as wb
from workbench.cli import main
from workbench.studies import Claim, Condition, Study, page, results, verdicts
from workbench.studies.ranks import mean_ranks


@pytest.mark.parametrize("file", page.PAGES)
def test_the_kept_pages_are_what_the_command_writes(file: str, tmp_path: Path) -> None:
    asked = ["study", "report", *page.PAGES[file], "--out", str(tmp_path / file)]
    assert main(asked) == 0
    written = (tmp_path / file).read_text(encoding="utf-8")
    assert (results.FOLDER / file).read_text(encoding="utf-8") == written


@pytest.mark.parametrize("name", [name for names in page.PAGES.values() for name in names])
def test_what_a_study_claims_it_can_measure(name: str) -> None:
    study = wb.studies.load(name)
    trained = {condition.name for condition in study.conditions}
    known = trained | {f"untrained {condition.method}" for condition in study.conditions}
    known |= {*study.baselines} | set(results.read(name).query("kind == 'baseline'")["condition"])
    assert len({claim.id for claim in study.claims}) == len(study.claims) > 1
    for claim in study.claims:
        assert {end for pair in claim.pairs for end in pair} <= known, claim.id
        assert claim.word in ("as good as", "better than", "worse than") and {*claim.data} <= {*study.data}
        assert claim.protocol in ("", *study.protocols)


def rows_of(protocol: str, measures: dict[str, dict[str, list[float]]], data: str = "g") -> list[dict[str, Any]]:
    facts = {"study": "mine", "data": data, "kind": "trained", "preset": "quick", "protocol": protocol, "seconds": 2.0}
    return [{**facts, "condition": condition, "seed": seed, "metric": metric, "value": value}
            for condition, by_metric in measures.items() for metric, values in by_metric.items()
            for seed, value in enumerate(values)]  # fmt: skip


MINE = Study(
    "mine", "Does it?",
    (Condition("a", "grace", "quick", (("tau", 0.2),)), Condition("b", "grace"), Condition("c", "grace")),
    ("g", "h"), protocols=("heco-40", "k-means"), notes="A note.", claims=(
        Claim("by-two", "a leads b.", (("a", "b"),), "better than", least=2.0),
        Claim("by-five", "a leads b.", (("a", "b"),), "better than", least=5.0),
        Claim("clusters", "a has clusters.", (("a", "b"),), "better than", protocol="k-means", measure="nmi"),
        Claim("elsewhere", "a leads b.", (("a", "b"),), "better than", data=("h",)),
        Claim("lacking", "a leads c.", (("a", "c"),), "better than", data=("g",)),
    ),
)  # fmt: skip
ROWS = results.table([
    *rows_of("heco-40", {"a": {"macro_f1": [14.0, 14.5, 15.0], "micro_f1": [1.0, 1.0, 1.0]},
                         "b": {"macro_f1": [11.0, 11.0, 11.0], "micro_f1": [2.0, 2.0, 2.0]}}),
    *rows_of("k-means", {"a": {"accuracy": [1.0, 2.0, 3.0], "nmi": [60.0, 61.0, 62.0]},
                         "b": {"accuracy": [9.0, 9.0, 9.0], "nmi": [50.0, 50.0, 50.0]}}),
])  # fmt: skip


def test_claims_are_decided_by_their_own_protocol_measure_data_and_threshold() -> None:
    table = verdicts.claims(ROWS, MINE).set_index("claim")
    # Differences 3, 3.5, 4: mean 3.5, standard error 0.5 / sqrt(3), t(2, 0.975) = 4.302653.
    half = 4.302653 * 0.5 / 3**0.5
    assert table.loc["by-two", ["value", "low", "high"]].tolist() == pytest.approx([3.5, 3.5 - half, 3.5 + half])
    assert table["verdict"].to_dict() == {"by-two": "held", "by-five": "contradicted", "clusters": "held"}
    assert table.loc["clusters", "value"] == pytest.approx(11)
    assert verdicts.decided(-4.0, -3.0, "worse than", 2.0) == "held"
    summary = results.summary(ROWS, "heco-40")
    assert [*summary][3:] == ["seeds", "macro F1", "spread over seeds", "micro F1", "seconds"]
    assert results.summary(ROWS, "k-means")["NMI"].tolist() == [61, 50]


def test_the_page_says_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE.to_toml(), encoding="utf-8")
    file, out = str(tmp_path / "mine.toml"), tmp_path / "out.md"
    unfinished = results.table(rows_of("", {"c": {"finished": [0.0]}, "b": {"finished": [1.0, 1.0, 1.0, 0.0]}}))
    results.add(pd.concat([ROWS, unfinished]), tmp_path / "mine.csv")
    assert main(["study", "report", file, "--results", str(tmp_path), "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert text.startswith("# Does it?\n") and "\nA note.\n" in text
    first, second = text.split("### g, k-means")
    assert "| a | quick, tau=0.2 | 3 | 14.5 ± 0.5 | 1.0 | 2.0 |" in first and "| b | quick | 3 | 11.0 ± 0.0 |" in first
    assert "| a leads b. (by more than 2) | a − b | +3.5 [+2.3, +4.7], 3 seeds | 🟢 held |" in first
    assert "| a leads c. | a − c | – | ⚪ not run here |" in first
    assert "| a has clusters. (NMI) | a − b | +11.0 [+8.5, +13.5], 3 seeds | 🟢 held |" in second
    assert text.endswith("Not run: c on g; a on h; b on h; c on h.\n")


def test_a_page_that_can_not_be_written_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, told in (
        (["typed", "--out", str(tmp_path / "no" / "page.md")], "folder that does not exist"),
        (["--out", str(tmp_path / "page.md")], "--out takes the page of studies that are named"),
        (["typed", "--results", str(tmp_path), "--out", str(tmp_path / "page.md")], "nothing is kept of study 'typed'"),
        (["typd", "--out", str(tmp_path / "page.md")], "did you mean 'typed'"),
    ):
        assert main(["study", "report", *words]) == 2 and told in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()


def test_a_study_with_snapshots_has_its_own_tables(tmp_path: Path) -> None:
    assert "| condition |" in page.page(["learning-curve"]) and "| protocol |" in page.page(["protocols"])


def test_what_all_conditions_share_is_added_to_what_each_has(tmp_path: Path) -> None:
    file = tmp_path / "shared.toml"
    file.write_text(
        'method = "grace"\noverrides = { epochs = 5, tau = 0.1 }\n[[conditions]]\nname = "usual"\n'
        '[[conditions]]\nname = "own"\noverrides = { tau = 0.9 }\n',
        encoding="utf-8",
    )
    usual, own = (dict(condition.overrides) for condition in wb.studies.load(str(file)).conditions)
    assert usual == {"epochs": 5, "tau": 0.1} and own == {"epochs": 5, "tau": 0.9}


def test_mean_ranks_are_those_by_hand_and_leave_out_data_that_are_not_whole(tmp_path: Path) -> None:
    study = MINE.changed(ranked=(("heco-40", "macro_f1"), ("k-means", "nmi")))
    scores: dict[str, dict[str, dict[str, list[float]]]] = {
        "heco-40": {"a": {"macro_f1": [3, 3]}, "b": {"macro_f1": [2, 3]}, "c": {"macro_f1": [1, 1]}},
        "k-means": {"a": {"nmi": [1, 1]}, "b": {"nmi": [2, 2]}, "c": {"nmi": [3, 0]}},
    }
    more = [row for protocol, measured in scores.items() for row in rows_of(protocol, measured)]
    lacking = [row for protocol, measured in scores.items() for row in rows_of(protocol, {"a": measured["a"]}, "h")]
    rows = results.table([*more, *lacking])
    table = mean_ranks(rows, study).set_index("condition")
    # Seed 0: a 1 and 3, b 2 and 2, c 3 and 1. Seed 1: a 1.5 and 2, b 1.5 and 1, c 3 and 3.
    assert table["rank"].to_dict() == {"b": pytest.approx(1.625), "a": pytest.approx(1.875), "c": pytest.approx(2.5)}
    assert [*table.index] == ["b", "a", "c"] and table["data"].tolist() == [1] * 3
    half = 12.706205 * 0.5  # t(1, 0.975) times the standard error of 2 and 3
    assert table.loc["c", ["low", "high"]].tolist() == pytest.approx([2.5 - half, 2.5 + half])
    assert mean_ranks(results.table(lacking), study).empty
    (tmp_path / "mine.toml").write_text(study.to_toml(), encoding="utf-8")
    results.add(rows, tmp_path / "mine.csv")
    text = page.page([str(tmp_path / "mine.toml")], tmp_path)
    assert "### Mean rank over 2 tasks on 1 data" in text and "heco-40 by macro F1, k-means by NMI" in text
    assert "| b | 1.62 | [" in text and text.index("| b | 1.62") < text.index("| c | 2.50")
