"""Figures on the screen share one plotly, wait for it, and miss nothing meanwhile."""

import json
import re
from inspect import isfunction
from pathlib import Path

import ipywidgets as ipw
import plotly.graph_objects as go
from browser import Screen, browser, lab, needs_chromium
from test_widgets import Explorer

from workbench import widgets
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


def test_no_widget_takes_a_name_that_ipywidgets_has_for_itself() -> None:
    """What it then calls is another thing, and the widget cannot even be shown."""
    for name in widgets.__all__:
        made = getattr(widgets, name)
        if isinstance(made, type) and issubclass(made, ipw.Widget):
            own = {key for one in made.__mro__ if one.__module__.startswith("workbench") for key in vars(one)}
            theirs = {
                key
                for one in made.__mro__
                if one.__module__.split(".")[0] in ("anywidget", "ipywidgets", "traitlets")
                for key, value in vars(one).items()
                if isfunction(value)
            }
            assert own & theirs <= {"__init__", "close", "_repr_mimebundle_"}, made


def test_no_toolbar_offers_to_send_a_figure_away() -> None:
    page = _element(json.loads(go.Figure(go.Scatter(x=[1], y=[1])).to_json()))
    told = re.search(r'(\{"responsive".*?\})\s*\)', page)
    assert told
    for config in (live(go.Figure())._config, json.loads(told[1])):
        assert config["showSendToCloud"] is False and not config.get("plotlyServerURL"), config
        assert config["toImageButtonOptions"]["format"] == "svg"


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


CHANGING = """import plotly.graph_objects as go
from workbench.widgets import live
import ipywidgets
code = "if (!globalThis.lucky) throw new Error('no luck');"
live._page.plotly = live.Plotly(code=code + str(go.FigureWidget._esm))
figures = [live.live(go.Figure(go.Scatter(x=[1, 2], y=[1, 2]), {"dragmode": "pan"})) for _ in range(2)]
box = ipywidgets.VBox(figures)
box"""


@needs_chromium
def test_a_figure_that_fails_is_drawn_on_request_and_one_that_is_gone_hears_nothing(tmp_path: Path) -> None:
    class Failing(Screen):
        drawn = "document.querySelector('.workbench-figure-says button')"

    drawn = "[...document.querySelectorAll('.js-plotly-plot')].filter(e => e.querySelector('.points path')).length"
    with lab(tmp_path, CHANGING) as (address, token), browser(address, token, tmp_path, Failing) as screen:
        said = screen.page.locator(".workbench-figure-says")
        assert "could not be drawn (no luck)" in said.first.inner_text()
        screen.page.evaluate("() => { window.lucky = true; }")
        said.get_by_role("button", name="Draw again").first.press("Enter")
        screen.until(f"{drawn} == 1")
        said.get_by_role("button", name="Draw again").click()
        screen.until(f"{drawn} == 2")
        screen.errors.clear()  # what failed was told there, too
        screen.python("box.children = figures[:1]")
        screen.until(f"{drawn} == 1")
        screen.python(
            "figures[1].data = ()\nfigures[1].add_scatter(x=[1], y=[2])\nfigures[1].layout.title.text = 'new'"
        )
        screen.python("box.children = figures")
        screen.until(f"{drawn} == 2 && document.body.innerText.includes('new')")
        assert not screen.errors


CONTROLS = """() => {
    const kinds = "input, select, button, textarea, summary, .noUi-handle, .jupyter-widget-Collapse-header";
    const shown = e => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) && !e.disabled;
    const all = [...document.querySelectorAll(`.jp-OutputArea :is(${kinds})`)].filter(shown);
    return all.filter(e => !e.classList.contains("modebar-btn"));
}"""
OUTLINE = "e => getComputedStyle(e).outlineStyle + ' ' + getComputedStyle(e).outlineWidth"


@needs_chromium
def test_each_control_is_reached_by_the_keyboard_and_a_widget_says_that_its_kernel_is_busy_or_gone(
    tmp_path: Path,
) -> None:
    source = """import workbench as wb
from IPython.display import display
graph = wb.load_graph("karate")
display(wb.widgets.rule_explorer(graph, "ntsc", node=5), wb.widgets.training_panel(graph, epochs=3))
print("all is here")"""
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Explorer) as screen:
        page = screen.page
        page.locator("pre").get_by_text("all is here").wait_for()
        page.evaluate(f"() => {{ window.wanted = ({CONTROLS})(), window.seen = new Map(); window.wanted[0].focus(); }}")
        count = page.evaluate("() => window.wanted.length")
        assert count > 25
        for _ in range(3 * count):
            page.evaluate(f"() => window.seen.set(document.activeElement, ({OUTLINE})(document.activeElement))")
            page.keyboard.press("Tab")
        told = "e => [e.tagName, e.className, e.textContent.slice(0, 40)].join()"
        assert page.evaluate(f"() => window.wanted.filter(e => !window.seen.has(e)).map({told})") == []
        assert page.evaluate(f"() => window.wanted.filter(e => window.seen.get(e) != 'solid 2px').map({told})") == []
        page.locator(".jupyter-widget-Collapse-header", has_text="Overlap with other rules").press("Enter")
        screen.until("[...document.querySelectorAll('.js-plotly-plot')].some(e => e._fullData?.[0]?.type == 'heatmap')")

        kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        busy = page.get_by_text("The kernel is busy").first
        screen.slow(6)
        page.locator(".explorer-rule select").select_option("lgtc")
        busy.wait_for()
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        page.set_viewport_size({"width": 390, "height": 800})
        box, widget = busy.bounding_box(), page.locator(".workbench-kernel").first.locator("..").bounding_box()
        assert box["x"] >= widget["x"] and box["x"] + box["width"] <= widget["x"] + widget["width"] + 1, "it is not cut"
        page.set_viewport_size({"width": 1440, "height": 1500})
        busy.wait_for(state="hidden")
        page.evaluate(f"() => {{ {kernel}.commsOverSubshells = 'disabled'; }}")  # as where cells and widgets take turns
        page.evaluate(f"() => {{ {kernel}.requestExecute({{code: 'time.sleep(6)'}}) }}")
        busy.wait_for()
        busy.wait_for(state="hidden")
        page.evaluate(f"() => {kernel}.restart()")
        gone = page.get_by_text("This widget's kernel is gone; run its cell again.")
        gone.first.wait_for()
        assert gone.count() == 2 and page.locator(".explorer-formula").evaluate("e => !!e.closest('[inert]')")
        screen.run()
        gone.first.wait_for(state="detached")
        screen.until(screen.drawn)
        assert not page.locator(".explorer-formula").evaluate("e => !!e.closest('[inert]')")
