"""The objectives lab: by a script, as a report, and by a person in a browser."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from browser import Screen, browser, lab, needs_chromium
from torch_geometric.data import Data

import workbench as wb
from workbench.datasets.arrays import Rows
from workbench.errors import UserError
from workbench.plots import force_histogram, force_map, gauge_curves
from workbench.widgets import ObjectivesLab, Report, objectives_lab
from workbench.widgets.shell import HEADLESS


def rows() -> Rows:
    g = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 2
    return Rows(x=torch.rand(60, 6, generator=g) + y[:, None], y=y, name="two")


def test_another_anchor_needs_no_training_and_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEADLESS, raising=False)
    shown = objectives_lab(rows(), "infonce", "cacr", epochs=3)
    assert isinstance(shown, ObjectivesLab) and "before any training" in shown.coming.value
    shown.wait()
    assert set(shown.figures) == {"forces", "push"} and "Before any training, anchor 0" in shown.told.value
    assert "accuracy" not in shown.told.value.lower()
    shown.start.click()
    shown.wait()
    assert set(shown.figures) == {"forces", "push", "gauges"} and "infonce" in shown.told.value
    before = shown.scene.forces()["cacr"].pairs["force"].tolist()
    shown.anchor.value = 7
    assert shown.scene.forces()["cacr"].pairs["force"].tolist() != before and not shown.coming.value
    trace = shown.figures["forces"].data[1]
    clicked = int(trace.customdata[2])
    trace._dispatch_on_click(SimpleNamespace(point_inds=[2]), None)
    assert shown.anchor.value == shown.scene.anchor == clicked != 7
    shown.undo.click()
    assert shown.anchor.value == shown.scene.anchor == 7
    shown.anchor.value = 60
    assert "there is no node 60" in shown.message.value and "Anchor 7 is kept" in shown.message.value
    shown.tau.value = 0.0
    shown.start.click()
    assert "tau" in shown.message.value and "above 0" in shown.message.value
    shown.tau.value, shown.second.value = 0.5, "dcl"
    assert "of the settings before" in shown.coming.value
    shown.start.click()
    shown.wait()
    assert set(shown.scene.trained) == {"infonce", "dcl"} and "tau=0.5" in shown.call() and "anchor=7" in shown.call()


def test_a_graph_is_looked_at_and_an_objective_that_can_not_be_says_why(
    small_graph: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEADLESS, "1")
    report = objectives_lab(small_graph, "infonce", "cacr", negatives="mixing", k=8, epochs=2)
    assert isinstance(report, Report) and set(report.figures) == {"forces", "push", "gauges"}
    assert "cacr" in report.told() and "is not defined for negatives of sampler" in report.told()
    assert "synthetic negatives with a parent" in report.table().columns[-2]
    with pytest.raises(UserError, match="the objectives lab takes one graph or rows of an array"):
        objectives_lab(wb.load_graph("rings"))
    with pytest.raises(UserError, match="looks at 5,000 nodes at most, and this graph has 6,000"):
        objectives_lab(wb.load_graph("planted:6000"))
    with pytest.raises(UserError, match="unknown objective 'infonse'"):
        objectives_lab(small_graph, "infonse")
    for draw in (force_map, force_histogram, gauge_curves):
        with pytest.raises(UserError, match="at least one"):
            draw({})


class Lab(Screen):
    FIGURE = (
        "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout?.title?.text?.includes('one<br>anchor')"
        " || e.layout?.title?.text?.includes('one anchor'))"
    )


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Lab]:
    source = """import torch, workbench as wb
from workbench.datasets.arrays import Rows
y = torch.arange(60) % 2
x = torch.rand(60, 6, generator=torch.Generator().manual_seed(0)) + y[:, None]
shown = wb.widgets.objectives_lab(Rows(x=x, y=y, name="two"), epochs=3)
shown"""
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Lab) as shown:
        yield shown


@needs_chromium
def test_a_person_in_a_browser_trains_both_and_chooses_an_anchor(screen: Lab) -> None:
    screen.page.locator(".objectives-told").get_by_text("Before any training, anchor 0").wait_for()
    screen.page.locator(".objectives-second select").select_option("cacr")
    screen.page.locator("button.objectives-start").click()
    screen.page.locator(".objectives-told").get_by_text("anchor 0").wait_for()
    screen.page.get_by_text("What the loss does to one anchor").wait_for()
    screen.page.locator(".objectives-anchor input").fill("5")
    screen.page.locator(".objectives-anchor input").press("Tab")
    screen.page.locator(".objectives-told").get_by_text("anchor 5").wait_for()
    screen.page.locator(".objectives-anchor input").fill("99")
    screen.page.locator(".objectives-anchor input").press("Tab")
    screen.page.locator(".objectives-message").get_by_text("there is no node 99").wait_for()
    assert screen.python("print(shown.scene.anchor, *shown.scene.trained)") == "5 infonce cacr"
