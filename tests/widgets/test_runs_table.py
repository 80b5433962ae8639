"""The table of runs: what it lists, which two it compares, and why it does not compare others."""

import html
from pathlib import Path

import pytest
import torch
from browser import Screen, browser, lab, needs_chromium
from torch_geometric.data import Data

import workbench as wb
from workbench import widgets
from workbench.training import stored
from workbench.training.fit import untrained
from workbench.widgets import shell

HOSTILE = "<b>bold</b> \x1b[31m\"'&"


@pytest.fixture
def store(tmp_path: Path, small_graph: Data) -> Path:
    """Three trained runs on karate, one on a hostile name, and an untrained baseline."""
    folder, karate = tmp_path / "store", wb.load_graph("karate")
    for method in ("grace", "dgi"):
        wb.fit(method, karate, "defaults", epochs=3, dim=8, store=folder, progress=False)
    last = wb.fit("grace", karate, "defaults", seed=1, epochs=3, dim=8, store=folder, progress=False)
    untrained(last, karate)
    small_graph.name = HOSTILE
    wb.fit("grace", small_graph, "defaults", epochs=2, dim=8, store=folder, progress=False)
    return folder


@pytest.fixture
def table(store: Path, monkeypatch: pytest.MonkeyPatch) -> widgets.RunsTable:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    made = widgets.runs_table(store)
    assert isinstance(made, widgets.RunsTable)
    return made


def folder_of(table: widgets.RunsTable, method: str, graph: str, baseline: bool = False) -> str:
    wanted = (method, graph, baseline)
    return next(row["folder"] for row in table.rows if (*row["values"][:2], row["baseline"]) == wanted)


def test_baselines_are_marked_and_left_out_unless_asked_for(store: Path) -> None:
    assert len(wb.runs.table(store)) == 4 and wb.runs.table(store)["baseline"].isna().all()
    everything = wb.runs.table(store, baselines=True)
    assert sorted(everything["epochs"]) == [0, 2, 3, 3, 3]
    assert everything.loc[everything["epochs"] == 0, "baseline"].tolist() == ["untrained"]
    assert wb.runs.load(wb.runs.find("grace/karate", store)).epochs == 3, "the untrained one is the latest"


def test_it_lists_runs_with_the_line_of_their_loss(table: widgets.RunsTable, store: Path) -> None:
    assert [row["baseline"] for row in table.rows] == [False, True, False, False, False]
    assert table.rows[1]["shown"][0] == "grace (untrained)" and not table.rows[1]["line"]
    first = next(row for row in table.rows if row["values"][0] == "dgi")
    losses = wb.runs.load(first["folder"]).history["loss"].tolist()
    places = [tuple(map(float, point.split(","))) for point in first["line"].split()]
    assert stored.losses(first["folder"]) == pytest.approx(losses) and [x for x, _ in places] == [0, 50, 100]
    assert (places[0][1] < places[-1][1]) == (losses[0] > losses[-1]), "a loss that falls goes down on the screen"
    assert table.call().endswith(f'wb.widgets.runs_table(store="{store}")')


def test_many_epochs_make_a_short_line_that_keeps_both_ends(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,loss\n" + "".join(f"{i},{i}\n" for i in range(1000)))
    line = stored.losses(tmp_path)
    assert len(line) == 60 and line[0] == 0 and line[-1] == 999
    assert stored.losses(tmp_path / "none") == []


def test_two_that_are_ticked_are_compared(table: widgets.RunsTable) -> None:
    assert table.compare.disabled and "Tick two runs" in table.message.value
    table.table.ticked = [folder_of(table, "dgi", "karate")]
    assert table.compare.disabled and "Tick one more" in table.message.value
    table.table.ticked = [folder_of(table, "dgi", "karate"), folder_of(table, "grace", "karate", True)]
    assert not table.compare.disabled
    table.compare.click()
    table.wait()
    assert table.comparison is not None and table.comparison in table.children and not table.message.value
    assert "dgi" in table.comparison.numbers.value


@pytest.mark.filterwarnings("ignore")
def test_why_two_are_not_compared(table: widgets.RunsTable, small_graph: Data, store: Path) -> None:
    dgi, other = folder_of(table, "dgi", "karate"), folder_of(table, "grace", HOSTILE)
    table.table.ticked = [dgi, other]
    table.compare.click()
    assert "which are not one graph; tick two runs of one graph" in table.message.value
    assert "<b>bold" not in table.message.value and table.comparison is None
    table.table.ticked = [other, str(store / "gone")]
    table.compare.click()
    assert "is not a stored run" in table.message.value
    small_graph.name = HOSTILE
    own = wb.fit("grace", small_graph, "defaults", seed=1, epochs=2, dim=8, store=store, progress=False)
    table.refresh.click()
    table.table.ticked = [other, str(own.path)]
    table.compare.click()
    assert "runs_table(graphs=[graph])" in table.message.value
    again = widgets.runs_table(store, [small_graph])
    assert again.scene.pair([other, str(own.path)]).nodes == 60
    changed = wb.load_graph("karate")
    changed.edge_index = changed.edge_index[:, torch.arange(10)]
    path = wb.fit("grace", changed, "defaults", epochs=1, dim=8, store=store, progress=False).path
    table.table.ticked = [dgi, str(path)]
    table.compare.click()
    assert "their content differs" in html.unescape(table.message.value)


def test_nobody_there_to_click_gets_a_table_in_which_names_are_text(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    report = widgets.runs_table(store)
    assert isinstance(report, widgets.Report)
    (page,) = report.scene.page({})
    assert page.count("<tr>") == 5 and page.count("<polyline") == 4 and "1 untrained baseline is left out" in page
    assert "<b>bold" not in page and html.escape(HOSTILE) in page


class Table(Screen):
    """The page with the table of runs."""

    drawn = "document.querySelectorAll('.workbench-runs tbody tr').length"  # type: ignore[assignment]


@needs_chromium
def test_a_person_in_a_browser_sorts_filters_and_compares_two(store: Path, tmp_path: Path) -> None:
    source = f"import workbench as wb\nwb.widgets.runs_table({str(store)!r})"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Table) as screen:
        page = screen.page
        page.set_viewport_size({"width": 1280, "height": 900})
        rows = page.locator(".workbench-runs tbody tr")
        assert rows.count() == 4 and page.get_by_text("4 of 5 runs").count() == 1
        page.locator(".workbench-runs").get_by_text("baselines (1)").click()
        assert rows.count() == 5
        page.locator(".workbench-runs th button").get_by_text("seed", exact=True).press("Enter")
        seeds = [cell.inner_text() for cell in page.locator(".workbench-runs tbody td:nth-child(5)").all()]
        assert seeds == sorted(seeds) and "1" in seeds, seeds
        page.locator(".workbench-runs input[type=search]").fill("karate")
        assert rows.count() == 4
        assert rows.locator("polyline").count() == 3  # an untrained encoder has no loss
        for row in (rows.filter(has_text="dgi"), rows.filter(has_text="untrained")):
            row.locator("input[type=checkbox]").check()
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        page.set_viewport_size({"width": 390, "height": 800})  # a row is a card there, and nothing is beside the page
        screen.until("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('.workbench-runs-box'))")
        screen.until("[...document.querySelectorAll('.workbench-runs svg')].every(e => e.clientWidth == 100)")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.locator("button.runs-compare:not([disabled])").press("Enter")
        screen.until("document.querySelectorAll('.js-plotly-plot').length >= 2")
        screen.until("[...document.querySelectorAll('.js-plotly-plot')].every(e => e.querySelector('.main-svg'))")
        assert page.locator(".comparison-numbers").inner_text()
        page.screenshot(path=tmp_path / "compared.png", full_page=True)
        assert not screen.errors, screen.errors
