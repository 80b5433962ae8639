"""The rule explorer: what each control changes, driven as an object and in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
import torch
from browser import Screen, browser, lab, needs_chromium
from torch_geometric.data import Data

from workbench import plots, rules, widgets
from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.plots import network, style
from workbench.widgets import live, shell
from workbench.widgets.rules import SAMPLE, TYPED

DARK = pio.templates["workbench-dark"]


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> widgets.RuleExplorer:
    monkeypatch.delenv(shell.HEADLESS, raising=False)
    made = widgets.rule_explorer(load_graph("karate"), "ntsc", node=5)
    assert isinstance(made, widgets.RuleExplorer)
    return made


def shown(figure: go.Figure) -> dict[int, float]:
    """What each node that is drawn is coloured by."""
    nodes = next(trace for trace in figure.data if trace.name == "nodes")
    return dict(zip(nodes.customdata, nodes.marker.color, strict=True))


def ringed(figure: go.Figure) -> list[str]:
    return [trace.name for trace in figure.data if (trace.name or "").endswith(", chosen")]


def test_it_opens_on_the_rule_and_the_node_that_were_asked_for(explorer: widgets.RuleExplorer) -> None:
    graph, truth = load_graph("karate"), rules.evaluate("ntsc", load_graph("karate"))
    assert explorer.formula.value == rules.get("ntsc").formula
    assert rules.get("ntsc").says in explorer.card.value and rules.get("ntsc").source in explorer.card.value
    assert r"\sum" in explorer.latex.value
    assert shown(explorer.map) == {i: truth[i] for i in network.ego(graph, 5).nodes}
    assert ringed(explorer.map) == ["node 5, chosen"]
    assert "Why, for node 5" in explorer.tree.value and "over 4 nodes u" not in explorer.message.value
    assert explorer.message.value == ""


def test_a_name_fills_in_its_formula_and_typing_leaves_the_name(explorer: widgets.RuleExplorer) -> None:
    explorer.rule.value = "bridge"
    assert explorer.formula.value == rules.get("bridge").formula
    truth = rules.evaluate("bridge", load_graph("karate"))
    assert all(truth[i] == value for i, value in shown(explorer.map).items())
    explorer.formula.value = "degree(v) >= 4"
    assert explorer.rule.value == TYPED and "of your own" in explorer.card.value
    assert explorer.map.layout.title.text.startswith("degree(v) &gt;= 4<br>")
    explorer.formula.value = rules.get("bridge").formula
    assert explorer.rule.value == "bridge"
    explorer.formula.value = "homophily"  # a name will do
    assert explorer.rule.value == "homophily" and "mean(" in explorer.map.layout.title.text
    explorer.formula.value = " NTSC "  # as the papers write it
    assert explorer.rule.value == "ntsc" and rules.get("ntsc").says in explorer.card.value


@pytest.mark.parametrize("text", ["degree(v) >=", "degre(v) > 2", "cos(u, v) > 0.5", "", "attribute(v, 99) > 1"])
def test_a_formula_with_a_mistake_keeps_the_picture_and_says_so(explorer: widgets.RuleExplorer, text: str) -> None:
    before, tree = shown(explorer.map), explorer.tree.value
    explorer.formula.value = text
    with pytest.raises(UserError) as raised:
        rules.evaluate(rules.parse(text), load_graph("karate"))
    assert str(raised.value).split("<")[0].split("'")[0].split('"')[0][:60] in explorer.message.value
    assert ("<pre" in explorer.message.value) == isinstance(raised.value, rules.FormulaError)
    assert "The picture still shows" in explorer.message.value and "sum(total_degree(u)" in explorer.message.value
    assert shown(explorer.map) == before and explorer.tree.value == tree
    explorer.node.value = 9  # it goes on with the last formula
    assert "Why, for node 9" in explorer.tree.value and ringed(explorer.map) == ["node 9, chosen"]
    explorer.semantics.value = "godel"  # nor is it forgotten when another control is moved
    assert "The picture still shows" in explorer.message.value
    explorer.formula.value = "degree(v) >= 4"
    assert explorer.message.value == ""


def test_what_is_typed_is_never_markup(explorer: widgets.RuleExplorer) -> None:
    explorer.formula.value = "degree(v) <b>hello</b>"
    assert "<b>hello" not in explorer.message.value
    explorer.formula.value = "1<degree(v) and degree(v)>2"
    for part in (explorer.card, explorer.tree, explorer.latex):
        assert "1 < " not in part.value and "1<" not in part.value
    assert "1 &lt; degree(v) and" in explorer.map.layout.title.text


def test_the_slider_moves_the_first_threshold(explorer: widgets.RuleExplorer) -> None:
    graph = load_graph("karate")
    explorer.formula.value = "forall u in N(v): degree(u) >= 3 implies degree(v) > 2"
    assert not explorer.threshold.disabled and explorer.threshold.value == 3 and explorer.threshold.step == 1
    assert (explorer.threshold.min, explorer.threshold.max) == (1, 14)
    assert "moves the 3 in <code>degree(u) &gt;= 3</code>" in explorer.moves.value
    explorer.threshold.value = 5
    moved = rules.evaluate(explorer.formula.value, graph, moved=torch.tensor([5.0, 2.0]))
    assert all(moved[i] == value for i, value in shown(explorer.map).items())
    assert "degree(u) &gt;= 5" in explorer.map.layout.title.text and "degree(u) &gt;= 5" in explorer.tree.value
    explorer.formula.value = "degree(v)"
    assert explorer.threshold.disabled and "no number that could be moved" in explorer.moves.value
    explorer.rule.value = "lgtc"
    assert explorer.threshold.value == 0.01 and explorer.threshold.step < 0.01
    explorer.formula.value = "-degree(v) > -5"
    explorer.threshold.value = -3
    assert "degree(v) &gt; -3" in explorer.map.layout.title.text
    assert all(value == (-rules.evaluate("degree(v)", graph)[i] > -3) for i, value in shown(explorer.map).items())
    explorer.formula.value = "degree(v) < 30000.5"
    assert explorer.threshold.step == 100
    explorer.threshold.value = 12340  # typed, between two steps
    assert "degree(v) &lt; 12340" in explorer.map.layout.title.text


def test_graded_truths_follow_semantics_and_steepness(explorer: widgets.RuleExplorer) -> None:
    graph = load_graph("karate")
    assert explorer.steepness.disabled
    explorer.formula.value = "exists u in N(v): degree(u) >= 10"
    explorer.semantics.value = "godel"
    assert not explorer.steepness.disabled
    explorer.steepness.value = 0.5
    graded = rules.evaluate(explorer.formula.value, graph, "godel", 0.5)
    np.testing.assert_allclose([graded[i] for i in shown(explorer.map)], list(shown(explorer.map).values()), atol=1e-6)
    assert "truth (godel) of each node" in explorer.map.layout.title.text
    explorer.semantics.value = "crisp"
    assert explorer.steepness.disabled and set(shown(explorer.map).values()) <= {0, 1}


def test_each_part_can_be_looked_at(explorer: widgets.RuleExplorer) -> None:
    graph = load_graph("karate")
    explorer.formula.value = "forall u in N(v): degree(u) >= 3 implies cos(u, v) > 0.2"
    labels = [label.strip() for label, _ in explorer.part.options]
    assert labels == [str(part) for part in rules.subformulas(rules.parse(explorer.formula.value))]
    explorer.part.index = labels.index("degree(u)")
    degree = torch.bincount(graph.edge_index[0])
    assert shown(explorer.map) == {i: degree[i] for i in shown(explorer.map)}
    explorer.part.index = labels.index("degree(u) >= 3")
    assert "taken as u" in explorer.map.layout.title.text
    explorer.part.index = labels.index("cos(u, v) > 0.2")
    assert "share of pairs that fulfil it: over the nodes u in N(v)" in explorer.map.layout.title.text
    explorer.threshold.value = 4  # a part stays chosen where the formula keeps its shape
    assert explorer.part.index == labels.index("cos(u, v) > 0.2")


def test_a_click_chooses_the_node(explorer: widgets.RuleExplorer) -> None:
    trace = next(trace for trace in explorer.map.data if trace.name == "nodes")
    place = list(trace.customdata).index(16)
    trace._dispatch_on_click(SimpleNamespace(point_inds=[place]), None)
    assert explorer.node.value == 16 and "Why, for node 16" in explorer.tree.value
    assert set(shown(explorer.map)) == set(network.ego(load_graph("karate"), 16).nodes)
    explorer.view.value = SAMPLE
    places = explorer.map.data[0].x
    explorer.choose(33)  # the piece stays as it is where the node is on it
    np.testing.assert_array_equal(explorer.map.data[0].x, places)
    assert ringed(explorer.map) == ["node 33, chosen"] and "node 33:" in explorer.figures["values"].data[1].text[1]


def test_sections_are_made_when_they_are_opened(explorer: widgets.RuleExplorer) -> None:
    assert explorer.sections.selected_index is None and {"overlap", "labels"}.isdisjoint(explorer.figures)
    explorer.sections.selected_index = 0
    assert (
        isinstance(explorer.figures["overlap"], go.FigureWidget)
        and "ntsc-soft" in explorer.figures["overlap"].layout.title.text
    )
    explorer.compared.value = ("bridge", "weak-tie")
    explorer.formula.value = "degree(v) >= 4"
    assert [label.split(" (")[0] for label in explorer.figures["overlap"].data[0].y] == ["weak-tie", "the rule above"]
    explorer.sections.selected_index = 1
    assert isinstance(explorer.figures["labels"], go.FigureWidget)
    before = explorer.figures["labels"].data[0].y
    explorer.formula.value = "degree(v) >= 6"
    assert not np.array_equal(before, explorer.figures["labels"].data[0].y)
    assert "pass embedding=" in explorer.figures["labels"].layout.title.text
    assert "never to train" in explorer.sections.titles[1]


def test_a_graph_without_labels_says_so_and_one_without_attributes_leaves_rules_out() -> None:
    graph = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=4)
    explorer = widgets.rule_explorer(graph, "degree(v) >= 1", node=3)  # an isolated node
    explorer.sections.selected_index = 1
    assert "no labels" in explorer._labels_box.children[0].value
    explorer.sections.selected_index = 0
    assert (
        "left out: attribute-outlier, homophily, lgtc, third-rule (the rule"
        in explorer.figures["overlap"].layout.title.text
    )
    explorer.rule.value = "lgtc"
    assert "this graph has none" in explorer.message.value


def test_it_asks_for_a_rule_and_a_node_that_exist() -> None:
    with pytest.raises(UserError, match="did you mean 'ntsc'"):
        widgets.rule_explorer(load_graph("karate"), "ntcs")
    with pytest.raises(UserError, match="there is no node 34"):
        widgets.rule_explorer(load_graph("karate"), node=34)
    with pytest.raises(UserError, match="a rule is a name or a formula, not int"):
        widgets.rule_explorer(load_graph("karate"), 3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no nodes to look at"):
        widgets.rule_explorer(Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=0))


def test_nobody_there_to_click_gets_the_same_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(shell.HEADLESS, "1")
    shown_: list[Any] = []
    monkeypatch.setattr(shell, "display", shown_.append)
    report = widgets.rule_explorer(load_graph("karate"), "ntsc", node=5, embedding=torch.eye(34))
    assert isinstance(report, widgets.Report)
    report._ipython_display_()
    figures = [one for one in shown_ if isinstance(one, go.Figure)]
    assert len(figures) == 4 and not any(isinstance(one, go.FigureWidget) for one in figures)
    texts = " ".join(one.data for one in shown_ if not isinstance(one, go.Figure))
    assert "appear when this cell is run in JupyterLab" in texts and "Why, for node 5" in texts
    assert "never to train" in texts
    explorer = widgets.rule_explorer(load_graph("karate"), "ntsc", node=5)
    assert shown(figures[0]) == shown(explorer.figures["graph"])


def test_an_embedding_is_checked_at_once_and_its_probe_trained_when_asked_for(small_graph: Data) -> None:
    with pytest.raises(UserError, match="one row per node"):
        widgets.rule_explorer(small_graph, "bridge", embedding=torch.eye(59))
    explorer = widgets.rule_explorer(small_graph, "degree(v)", embedding=torch.eye(60))
    assert not explorer.scene.measured
    explorer.sections.selected_index = 1
    assert [note.text for note in explorer.figures["labels"].layout.annotations][
        1
    ] == "errors of a probe trained on other nodes"
    tiny = widgets.rule_explorer(load_graph("karate"), "degree(v)", embedding=torch.eye(34))
    tiny.sections.selected_index = 1
    assert "wants at least 50" in tiny.figures["labels"].layout.title.text and len(tiny.figures["labels"].data) == 1


# ------------------------------------------------------------------------------------------------------ dark pages


@pytest.fixture
def page() -> Iterator[live.Fit]:
    """What tells the figures whether the page is dark; it is light again afterwards."""
    live._page.figures.clear()  # plotly keeps those of other tests
    fit = live.Fit(layout={"width": "100%"})
    yield fit
    fit.dark = False


def clothes(figure: go.Figure) -> tuple[str, str]:
    """The paper of a figure of the rule explorer, and the outline of its nodes."""
    nodes = next(trace for trace in figure.data if trace.name == "nodes")
    return figure.layout.template.layout.paper_bgcolor, nodes.marker.line.color


def differing(shown_: go.Figure, figure: go.Figure) -> list[str]:
    """What of a figure is not as it is to be shown."""
    pairs = zip((*shown_.data, shown_.layout), (*figure.data, figure.layout), strict=True)
    return [path for one, other in pairs for path, _ in live._changes(one.to_plotly_json(), other.to_plotly_json())]


def test_figures_are_dark_where_the_page_is(page: live.Fit, explorer: widgets.RuleExplorer) -> None:
    light, turned = (style.PAPER, style.MUTED), (style.ON_DARK[style.PAPER], style.ON_DARK[style.MUTED])
    assert clothes(explorer.map) == light and not page.dark
    page.dark = True
    assert clothes(explorer.map) == turned
    explorer.formula.value = "degree(v) >= 4"  # what is drawn anew as well
    assert clothes(explorer.map) == turned
    assert (
        not differing(explorer.map, plots.dark(explorer.scene.drawn()["graph"]))
        and explorer.figures["values"].layout.template == DARK
    )
    explorer.sections.selected_index = 0  # and what is made later, also in a widget made later
    assert explorer.figures["overlap"].layout.template == DARK
    assert clothes(widgets.rule_explorer(load_graph("karate"), "ntsc").map) == turned and live.Fit().dark
    page.dark = False
    assert clothes(explorer.map) == light and not differing(explorer.map, explorer.scene.drawn()["graph"])
    assert explorer.figures["overlap"].layout.template == pio.templates["workbench"] and not live.Fit().dark


def test_a_figure_in_other_clothes_keeps_its_marks_and_whoever_listens(
    page: live.Fit, explorer: widgets.RuleExplorer
) -> None:
    before, trace = shown(explorer.map), next(trace for trace in explorer.map.data if trace.name == "nodes")
    explorer.map.data[0].name = "trace 0"  # as the screen calls one that has no name
    explorer.figures["values"].update_layout(yaxis_range=[0, 1])  # as a hand zooms, and selects
    trace.selectedpoints = [1]
    page.dark = True
    assert shown(explorer.map) == before and ringed(explorer.map) == ["node 5, chosen"]
    assert explorer.figures["values"].layout.yaxis.range == (0, 1) and trace.selectedpoints == (1,)
    assert not live.update(explorer.map, explorer.scene.drawn()["graph"])  # none was made anew
    trace._dispatch_on_click(SimpleNamespace(point_inds=[list(trace.customdata).index(16)]), None)
    assert explorer.node.value == 16


# -------------------------------------------------------------------------------------------------- a real browser


class Explorer(Screen):
    """The page with the rule explorer."""

    def title_holds(self, text: str) -> None:
        self.until(f"({self.FIGURE}).layout.title.text.includes({json.dumps(text)})")

    def type(self, formula: str) -> None:
        self.page.locator(".explorer-formula textarea").fill("")
        self.page.locator(".explorer-formula textarea").press_sequentially(formula, delay=5)

    def theme(self, name: str) -> None:
        change = "theme => { window.jupyterapp.commands.execute('apputils:change-theme', { theme }) }"
        self.page.evaluate(change, name)

    def coloured(self, expected: dict[int, float]) -> None:
        """Wait until the browser has exactly these nodes, coloured by these values."""
        self.found(
            f"""expected => {{
                const nodes = ({self.FIGURE})._fullData.find(t => t.name == 'nodes');
                return nodes && nodes.customdata.length == Object.keys(expected).length
                    && [...nodes.customdata].every((node, i) => nodes.marker.color[i] == expected[node]);
            }}""",
            {str(node): value for node, value in expected.items()},
        )


def rgb(colour: str) -> str:
    """A colour as the browser writes it."""
    return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Explorer]:
    source = "import workbench as wb\nwb.widgets.rule_explorer(wb.load_graph('karate'), 'ntsc', node=5)"
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Explorer) as shown_:
        yield shown_


@needs_chromium
def test_a_person_in_a_browser_sees_what_each_control_does(screen: Explorer) -> None:
    graph, page = load_graph("karate"), screen.page
    tree, message = page.locator(".explorer-tree"), page.locator(".explorer-message")
    screen.title_holds("total_degree")
    assert "Why, for node 5" in tree.inner_text()

    formula = "forall u in N(v): degree(u) >= 3 implies degree(v) > 2"
    screen.type(formula)
    screen.title_holds("degree(u) &gt;= 3 implies degree(v) &gt; 2")
    truth = rules.evaluate(formula, graph)
    screen.coloured({int(i): float(truth[i]) for i in network.ego(graph, 5).nodes})
    tree.get_by_text("of 4 nodes u fulfil it").wait_for()
    assert message.inner_text().strip() == ""

    screen.type("forall u in N(v): degree(u) >=")
    message.get_by_text("ends too early").wait_for()
    message.locator("pre").get_by_text(">=").wait_for()  # "degree(u) >", half typed, ends too early as well
    assert re.search(r">=\n +\^", message.locator("pre").inner_text())
    message.get_by_text("The picture still shows").wait_for()

    screen.type(formula.replace("3", "4"))
    screen.title_holds("degree(u) &gt;= 4 implies degree(v) &gt; 2")  # before that, what is half typed moves the slider
    screen.until("document.querySelector('.explorer-message').innerText.trim() == ''")
    page.locator(".explorer-threshold .noUi-handle").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    screen.title_holds("degree(u) &gt;= 7")
    truth = rules.evaluate(formula, graph, moved=torch.tensor([7.0, 2.0]))
    screen.coloured({int(i): float(truth[i]) for i in network.ego(graph, 5).nodes})

    screen.click(16)
    tree.get_by_text("Why, for node 16").wait_for()
    screen.until(f"({screen.FIGURE})._fullData.some(t => t.name == 'node 16, chosen')")

    # Now with another theme: what is drawn, what is drawn anew, and back again.
    paper = f"({screen.FIGURE})._fullLayout.paper_bgcolor"
    screen.theme("JupyterLab Dark")
    screen.until(f"{paper} == '{style.ON_DARK[style.PAPER]}'")
    screen.until(f"({screen.FIGURE}).querySelector('.gtitle').style.fill == '{rgb(style.ON_DARK[style.INK])}'")
    screen.click(5)
    tree.get_by_text("Why, for node 5").wait_for()
    assert page.evaluate(paper) == style.ON_DARK[style.PAPER]
    screen.theme("JupyterLab Light")
    screen.until(f"{paper} == '{style.PAPER}'")

    page.get_by_text("What labels say").click()
    screen.until("[...document.querySelectorAll('.js-plotly-plot')].some(e => e._fullData?.[0]?.error_y?.array)")
    assert screen.errors == []
