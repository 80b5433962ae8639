"""Names that people chose are shown as they are, and do nothing: not to a page, a terminal or a spreadsheet."""

import json
import re
import warnings

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from workbench import cli, plots, text
from workbench.errors import UserError
from workbench.training.export import embeddings as write_embeddings

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'`${1}", "\x1b[31mred\x1b[0m", "\u202etxt.exe",
    "line\nend\r\n", "%{customdata}", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''@", "-7",
    "1e5",
)  # fmt: skip


@pytest.fixture
def hostile(small_graph):
    small_graph.node_names = [f"{HOSTILE[node % len(HOSTILE)]}{node}" for node in range(60)]
    small_graph.class_names, small_graph.name = [*HOSTILE[:3]], HOSTILE[0] + HOSTILE[3]
    small_graph.feature_names = [f"{HOSTILE[column % len(HOSTILE)]}{column}" for column in range(40)]
    return small_graph


@pytest.fixture
def run(hostile, tmp_path):
    return wb.fit("e2neg", hostile, "small", epochs=2, progress=False, store=tmp_path / "runs")


def test_no_figure_carries_markup_or_signs_that_act(hostile, run):
    rule, chosen = wb.rules.explain("ntsc", hostile, 3), wb.negatives.select("uniform", hostile, k=4).of(0)
    figures = [
        plots.loss_curves(run),
        plots.loss_curves([run, wb.fit("grace", hostile, "small", epochs=2, progress=False)]),
        plots.embedding_map(run, graph=hostile, method="pca", colour="label"),
        plots.stars(run, hostile),
        plots.truth_tree(rule),
        plots.negative_rings({"uniform": wb.audit(chosen, hostile, anchors=None)}, hostile, 0),
    ]
    for figure in figures:
        shown = figure if isinstance(figure, str) else json.dumps(json.loads(figure.to_json()), ensure_ascii=False)
        for sign in ("<script", "<img", "\\u001b", "\u202e", "%{customdata}0"):
            assert sign not in shown, sign
    assert "&lt;script" in figures[0].to_json()


def test_a_run_and_a_complaint_do_nothing_where_they_are_shown(run):
    assert "<script" not in run._repr_html_()
    assert "\x1b" not in "".join(UserError("no \x1b[31m")._render_traceback_())


def test_a_terminal_gets_no_sign_that_it_acts_on(hostile, run, tmp_path, capsys, monkeypatch):
    file = tmp_path / "a\x1b[31m<b>.graphml"
    file.write_text('<graphml><graph edgedefault="undirected"><node id="a"/><node id="b&#10;=1"/>'
                    '<edge source="a" target="b&#10;=1"/></graph></graphml>')  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for words in (
            ["graphs", str(file)],
            ["runs", "--root", str(tmp_path / "runs")],
            ["select", "uniform", str(file), "--k", "1"],
            ["rules", "eval", "degree(v) >= 1", str(file)],
            ["fit", "\x1b[31m", str(file)],
            ["fit", "grace", str(file), "--preset", "\x1b[2J"],
            ["\x1b[2J"],
        ):
            cli.main(words)
            shown = "".join(capsys.readouterr())
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", shown), words


def test_a_spreadsheet_computes_no_name_and_the_names_come_back(run, tmp_path):
    files = write_embeddings(run.embeddings, run.names, tmp_path)
    table = pd.read_csv(tmp_path / "embeddings.csv", dtype={"name": str})
    assert not any(re.match(r"[=+@\t\r]|-(?!\d+$)", name) for name in table["name"])
    assert [*map(text.uncell, table["name"])] == run.names
    assert (table.drop(columns="name").dtypes.map(lambda dtype: dtype.kind) == "f").all(), (
        "numbers stay numbers, also below 0"
    )
    assert pd.read_parquet(files[0], engine="fastparquet")["name"].tolist() == run.names


def test_columns_are_cells_too():
    table = text.cells(pd.DataFrame({"=a": ["-1", "-a", None, 2], "n": [-1.0, 2, 3, 4]}))
    assert [*table.columns] == ["'=a", "n"] and table["'=a"].tolist() == ["-1", "'-a", None, 2]
    assert table["n"].tolist() == [-1, 2, 3, 4]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(st.text(), st.text(alphabet="=+-@'\t\r1e.a")))
def test_every_text_comes_back_from_a_cell(name):
    shown = text.cell(name)
    assert text.uncell(shown) == name
    if shown[:1] in tuple("=+-@\t\r"):
        float(shown)
    assert not re.search("[<\x1b]", text.markup(name)) and not re.search("[\x00-\x1f\u202e]", text.visible(name))
