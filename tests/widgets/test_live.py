"""Figures on the screen share one plotly, wait for it, and miss nothing meanwhile."""

import json
import re
from pathlib import Path

import plotly.graph_objects as go
from browser import Screen, browser, lab, needs_chromium

from workbench.pages.html import _element
from workbench.widgets.live import live

SLOW = """import plotly.graph_objects as go
from workbench.widgets import live
import ipywidgets
code = "await new Promise(done => setTimeout(done, 5000));" + str(go.FigureWidget._esm)
live._page.plotly = live.Plotly(code=code)
figures = [live.live(go.Figure(go.Scatter(x=[1, 2], y=[1, 2]), {"dragmode": "pan"})) for _ in range(3)]
for figure in figures:
    figure.add_scatter(x=[1, 2, 3], y=[3, 2, 1])
    figure.layout.title.text = "changed"
    figure.data[0].y = [4, 5]
ipywidgets.VBox(figures)"""


def test_figures_of_a_page_share_the_code_of_plotly() -> None:
    one, other = (live(go.Figure(go.Scatter(x=[1], y=[place]))) for place in range(2))
    assert one.plotly is other.plotly and len(one.plotly.code) > 10**6 > len(one.get_state()["_esm"])
    one.plotly.close()
    assert live(go.Figure()).plotly is not one.plotly, "what was closed is of no use to the page"


def test_no_toolbar_offers_to_send_a_figure_away() -> None:
    page = _element(json.loads(go.Figure(go.Scatter(x=[1], y=[1])).to_json()))
    told = re.search(r"Plotly\.newPlot\(.*(\{[^{}]*\})", page, re.DOTALL)
    assert told
    for config in (live(go.Figure())._config, json.loads(told[1])):
        assert config["showSendToCloud"] is False and not config.get("plotlyServerURL"), config


@needs_chromium
def test_a_figure_whose_code_is_slow_shows_what_was_changed_meanwhile(tmp_path: Path) -> None:
    with lab(tmp_path, SLOW) as (address, token), browser(address, token, tmp_path, Screen) as screen:
        found = screen.found(
            """() => {
                const all = [...document.querySelectorAll(".js-plotly-plot")];
                const drawn = all.filter(e => e._fullData?.length == 2);
                const told = e => [e._fullLayout.title.text, ...e._fullData.map(t => [...t.y])];
                return drawn.length == 3 && drawn.map(told);
            }"""
        )
        assert found == [["changed", [4, 5], [3, 2, 1]]] * 3
        assert not screen.errors
