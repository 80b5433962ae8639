"""The headless runner on tiny notebooks: nothing misspelt passes, failures leave evidence, pages show offline."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from browser import chromium, faults, needs_chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plotly.offline import get_plotlyjs

from workbench.errors import UserError
from workbench.pages import notebooks

PARAMETERS = 'epochs = 5\nlr = 0.1\ngraph: str = "karate"  # a name\nwide = False\nroot = None\nend = epochs * 2'


def write(path: Path, *sources: str, tag: str = "results") -> Path:
    """Write a notebook: a heading, a parameters cell, then one code cell a source, the last one tagged."""
    cells = [new_markdown_cell("# Title"), new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    cells[-1].metadata["tags"] = [tag] if sources else ["parameters"]
    # A kernel name that exists nowhere: the runner must not depend on what a notebook was last saved with.
    metadata = {"kernelspec": {"name": "somebody-elses", "display_name": "?", "language": "python"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with notebooks/00_first.ipynb and notebooks/10_second.ipynb, made the current one."""
    write(tmp_path / "notebooks" / "00_first.ipynb", "print(epochs)")
    path = write(tmp_path / "notebooks" / "10_second.ipynb", "print(1)")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "epoch = 5"
    nbformat.write(notebook, path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_are_those_of_the_current_folder(checkout: Path) -> None:
    write(checkout / "notebooks" / "hetero" / "05_typed.ipynb", "1")
    write(checkout / "notebooks" / ".ipynb_checkpoints" / "00_first-checkpoint.ipynb", "1")
    assert notebooks.names() == ["00_first", "10_second", "05_typed"]
    assert notebooks.find("05_typed") == Path("notebooks/hetero/05_typed.ipynb")
    assert notebooks.find("00_first") == Path("notebooks/00_first.ipynb")
    assert notebooks.find("00_first.ipynb") == Path("notebooks/00_first.ipynb")
    assert notebooks.find(checkout / "notebooks" / "10_second.ipynb").stem == "10_second"


@pytest.mark.parametrize("word", ["00_frist", "00_frist.ipynb", "first"])
def test_a_misspelt_notebook_names_the_nearest(checkout: Path, word: str) -> None:
    with pytest.raises(UserError, match=r"unknown notebook '.*'; did you mean '00_first'\?"):
        notebooks.execute(word)


def test_no_notebooks_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notebooks, "__file__", str(tmp_path / "package" / "pages" / "notebooks.py"))
    with pytest.raises(UserError, match="no notebooks found: looked for"):
        notebooks.names()


def test_parameters_are_read_with_their_defaults(checkout: Path) -> None:
    found = notebooks.parameters("00_first")
    assert list(found) == ["epochs", "lr", "graph", "wide", "root", "end"]
    assert (found["epochs"], found["lr"], found["graph"], found["wide"], found["root"]) == (
        5,
        0.1,
        "karate",
        False,
        None,
    )


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 7},
        {"lr": 0.5},
        {"lr": 1},
        {"graph": "cora"},
        {"wide": True},
        {"root": 3},
        {"root": "x"},
        {"end": "x"},
    ],
)
def test_right_values_pass(checkout: Path, given: dict) -> None:
    notebooks.check(["00_first"], given)


@pytest.mark.parametrize(
    "given",
    [{"epochs": "7"}, {"epochs": 7.5}, {"epochs": True}, {"lr": "fast"}, {"lr": True}, {"graph": 3}, {"wide": 1}],
)
def test_a_value_of_another_type_is_refused(checkout: Path, given: dict) -> None:
    (name,) = given
    with pytest.raises(UserError, match=f"parameter '{name}' of notebook '00_first' takes a value like"):
        notebooks.execute("00_first", given)
    assert not Path("build").exists()


def test_an_unknown_parameter_names_the_nearest(checkout: Path) -> None:
    with pytest.raises(UserError, match=r"unknown parameter 'epoch' of notebook '00_first'; did you mean 'epochs'\?"):
        notebooks.execute("00_first", {"epoch": 7})
    assert not Path("build").exists()


def test_several_notebooks_must_all_have_the_parameter(checkout: Path) -> None:
    with pytest.raises(UserError, match=r"'epochs' is known to 00_first but not to 10_second .nearest there: 'epoch'"):
        notebooks.check(["00_first", "10_second"], {"epochs": 7})
    with pytest.raises(UserError, match="unknown parameter 'grph' of notebook '00_first'; did you mean 'graph'"):
        notebooks.check(["00_first", "10_second"], {"grph": "cora"})
    notebooks.check(["00_first"], {"epochs": 7})


def test_a_parameters_cell_must_be_python(checkout: Path) -> None:
    path = write(Path("notebooks/odd.ipynb"), "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = "%time epochs = 5"
    nbformat.write(notebook, path)
    with pytest.raises(UserError, match="'parameters' is not plain Python"):
        notebooks.parameters("odd")


def test_a_file_that_is_no_notebook_is_refused(checkout: Path) -> None:
    Path("notebooks/odd.ipynb").write_text("no json")
    with pytest.raises(UserError, match=r"odd\.ipynb can't be read as a notebook"):
        notebooks.execute("odd")


def test_the_source_is_never_overwritten(checkout: Path) -> None:
    with pytest.raises(UserError, match="would overwrite its source"):
        notebooks.execute("00_first", out_dir="notebooks")


def test_execution_gives_results_a_page_and_no_widget_state(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLOTLY_RENDERER", raising=False)
    source = (
        "import os, sys\nimport ipywidgets\nimport plotly.graph_objects as go\n"
        "display(ipywidgets.IntSlider(description='dead'))\n"
        "display(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])))\n"
        "print('epochs', epochs)\nwide, os.path.basename(os.getcwd()) == '" + checkout.name + "', sys.prefix"
    )
    write(Path("notebooks/20_page.ipynb"), source)
    outcome = notebooks.execute("20_page", {"epochs": 7, "wide": True}, out_dir="out")
    assert outcome.ok and outcome.failed_cell is None and str(outcome).startswith("20_page: fine in ")
    # What was printed and the value stand in the results; figure and widget do not. Same interpreter, same folder.
    shown = (True, True, sys.prefix)
    assert outcome.results == f"epochs 7\n{shown}"
    assert "PLOTLY_RENDERER" not in os.environ

    executed = nbformat.read(outcome.path, as_version=4)
    assert "widgets" not in executed.metadata
    assert "widget-view" not in outcome.path.read_text()
    assert outcome.html is not None
    page = outcome.html.read_text()
    assert "IntSlider(value" not in page
    drawn = page.count("Plotly.newPlot(") - get_plotlyjs().count("Plotly.newPlot(")
    assert not re.findall("<(?:script|link)[^>]* (?:src|href)=", page) and drawn == 1
    assert outcome.path.stat().st_size < 50_000  # the figure stands there once, and no plotly.js with it


def test_a_failing_cell_is_told_and_the_evidence_kept(checkout: Path) -> None:
    write(
        Path("notebooks/30_fails.ipynb"), "print('before')", "raise RuntimeError('first\\nlast line')", "print('after')"
    )
    Path("out").mkdir()
    Path("out/30_fails.html").write_text("an earlier page")
    outcome = notebooks.execute("30_fails", out_dir="out")
    assert not outcome.ok and outcome.html is None and not Path("out/30_fails.html").exists()
    assert outcome.failed_cell == 4  # heading, parameters, before, this one: the papermill banners don't count
    assert outcome.error == "RuntimeError: last line"
    assert "failed in cell 4: RuntimeError: last line; executed so far: out/30_fails.ipynb" in str(outcome)
    text = outcome.path.read_text()
    assert "before" in text and "last line" in text
    assert not [c for c in nbformat.read(outcome.path, 4).cells if c.source == "print('after')" and c.outputs]


def test_a_dead_kernel_and_a_slow_cell_are_failures_too(checkout: Path) -> None:
    write(Path("notebooks/40_dies.ipynb"), "import os", "os._exit(1)")
    outcome = notebooks.execute("40_dies")
    assert outcome.failed_cell == 4 and outcome.error is not None and outcome.error.startswith("DeadKernelError: ")
    assert outcome.path == Path("build/notebooks/40_dies.ipynb") and outcome.path.exists()
    write(Path("notebooks/50_slow.ipynb"), "__import__('time').sleep(60)")
    outcome = notebooks.execute("50_slow", timeout=1)
    assert outcome.failed_cell == 3 and outcome.error is not None and "CellTimeoutError" in outcome.error


def test_a_user_error_in_a_notebook_is_one_line(checkout: Path) -> None:
    write(
        Path("notebooks/60_user.ipynb"),
        "from workbench.errors import unknown\nraise unknown('graph', 'coar', ['cora'])",
    )
    outcome = notebooks.execute("60_user")
    assert outcome.error == "UserError: unknown graph 'coar'; did you mean 'cora'? valid: cora"


@needs_chromium
def test_figures_show_in_a_browser_without_network(checkout: Path) -> None:
    write(
        Path("notebooks/70_figure.ipynb"),
        "import plotly.graph_objects as go\ngo.Figure(go.Scatter(x=[1, 2], y=[3, 4]))",
    )
    outcome = notebooks.execute("70_figure")
    assert outcome.html is not None
    with chromium() as started:
        assert faults(started, outcome.html, [1280], figures=1) == []
