"""The rule explorer: what each control changes, driven as an object and in a real browser."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

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
from workbench.rules.printing import figure
from workbench.widgets import home, live, shell
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


def drag(explorer: widgets.RuleExplorer, number: float, revision: int | None = None) -> None:
    """Do what the page does when a hand moves the slider: it writes the number into the text."""
    field = explorer.formula
    text = field.threshold["before"] + figure(number) + field.threshold["after"]
    told = {"text": text, "edit": field.seen + 1, "moved": True}
    field.typed = {**told, "revision": field.revision if revision is None else revision}


def test_the_slider_moves_the_first_threshold(explorer: widgets.RuleExplorer) -> None:
    graph, field = load_graph("karate"), explorer.formula
    field.value = "forall u in N(v): degree(u) >= 3 implies degree(v) > 2"
    assert (field.threshold["number"], field.threshold["step"], field.threshold["side"]) == ("3", 1, "degree(u)")
    assert (field.threshold["min"], field.threshold["max"]) == (1, 14)
    drag(explorer, 5)
    assert field.value == "forall u in N(v): degree(u) >= 5 implies degree(v) > 2" and field.seen == 1
    truth = rules.evaluate(field.value, graph)
    assert all(truth[i] == value for i, value in shown(explorer.map).items())
    assert "degree(u) &gt;= 5" in explorer.map.layout.title.text and "degree(u) &gt;= 5" in explorer.tree.value
    assert field.threshold["of"] == field.value and field.threshold["number"] == "5"
    field.value = "degree(v)"
    assert field.threshold == {"of": "degree(v)"}
    explorer.rule.value = "lgtc"
    assert field.threshold["number"] == "0.01" and field.threshold["step"] < 0.01
    drag(explorer, 0.02)  # of a name as well, and then it is that rule no longer
    assert field.value.endswith("< 0.02") and explorer.rule.value == TYPED and "0.02" in explorer.card.value
    field.value = " LGTC "
    drag(explorer, 0.03)
    assert field.value == rules.get("lgtc").formula.replace("0.01", "0.03")


@pytest.mark.parametrize("name", rules.names())
def test_the_number_of_a_named_rule_is_shown_as_it_is(explorer: widgets.RuleExplorer, name: str) -> None:
    explorer.formula.value = "degree(v) > 9999"
    explorer.rule.value = name
    tree, field = rules.formula(name), explorer.formula
    assert field.value == rules.get(name).formula and explorer.rule.value == name
    assert explorer.latex.value == rf"$\displaystyle {html.escape(rules.to_latex(tree))}$"
    assert explorer.scene.evaluation.formula == tree and html.escape(rules.get(name).says) in explorer.card.value
    movable = rules.thresholds(tree)
    assert ("number" in field.threshold) == bool(movable)
    if movable:
        assert float(field.threshold["number"]) == movable[0].value
        assert field.threshold["min"] <= movable[0].value <= field.threshold["max"]


NUMBERS = ["3", "0", "-7", "-0.5", "0.000000001", "1e-12", "3.14159265358979", "1000000", "-1e9", "999999999999999"]
NUMBERS += ["1e15", "- 4", "(5)", "-( 2.50 )", "1.0E+3", ".5", "7."]


@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_that_is_typed_stays_and_all_texts_say_it(explorer: widgets.RuleExplorer, number: str) -> None:
    field, value = explorer.formula, float(number.translate(str.maketrans("", "", "( )")))
    for text in (f"degree(v) > {number} and true", f"{number}<degree(v)"):
        field.value = text
        assert field.value == text and explorer.message.value == ""
        (movable,) = rules.thresholds(explorer.scene.evaluation.formula)
        assert movable.value == value
        assert field.threshold["of"] == text and float(field.threshold["number"]) == value
        assert field.threshold["min"] <= value <= field.threshold["max"] and field.threshold["step"] > 0
        written = field.threshold["before"] + field.threshold["number"] + field.threshold["after"]
        assert rules.parse(written) == explorer.scene.evaluation.formula
        for told in (explorer.card.value, explorer.map.layout.title.text, explorer.tree.value):
            assert html.escape(figure(value)) in told
        assert figure(value).split("e")[0] in explorer.latex.value
        assert str(explorer.scene.evaluation.formula) in explorer.call()
    drag(explorer, 2)
    assert rules.thresholds(explorer.scene.evaluation.formula)[0].value == 2


def test_a_slider_that_was_moved_before_the_rule_was_changed_moves_nothing(explorer: widgets.RuleExplorer) -> None:
    field = explorer.formula
    field.value = "degree(v) > 3"
    before, late = dict(field.threshold), field.revision
    explorer.rule.value = "lgtc"  # in the kernel; the page still has the slider of before
    text = before["before"] + "5" + before["after"]
    field.typed = {"text": text, "edit": 1, "moved": True, "revision": late}
    assert field.value == rules.get("lgtc").formula and explorer.rule.value == "lgtc"
    assert field.seen == 1  # so that the page shows it
    field.typed = {"text": text, "edit": 2, "moved": False, "revision": late}  # what is typed is a wish of its own
    assert field.value == text and explorer.rule.value == TYPED


def test_what_was_changed_can_be_taken_back(explorer: widgets.RuleExplorer) -> None:
    first = explorer.formula.value
    explorer.rule.value = "bridge"
    explorer.node.value = 9
    drag(explorer, 2)
    explorer.part.index = 1
    explorer.undo.click()
    assert explorer.part.index == 0 and "triangles(v) = 2" in explorer.formula.value
    explorer.undo.click()
    assert explorer.rule.value == "bridge" and explorer.formula.value == rules.get("bridge").formula
    explorer.undo.click()
    assert explorer.node.value == 5 and ringed(explorer.map) == ["node 5, chosen"]
    explorer.undo.click()
    assert explorer.rule.value == "ntsc" and explorer.formula.value == first and explorer.undo.disabled
    assert r"\sum" in explorer.latex.value and "sum(total_degree" in explorer.map.layout.title.text


def test_what_a_rule_holds_of_is_shared_and_what_others_share_is_ringed(explorer: widgets.RuleExplorer) -> None:
    other = widgets.rule_explorer(explorer.scene.graph, "degree(v)", node=0)
    degree = torch.bincount(explorer.scene.graph.edge_index[0]).numpy()
    explorer.formula.value = "degree(v) >= 9"
    explorer.share.value = "<hubs>"
    hubs = np.flatnonzero(degree >= 9)
    assert widgets.selections["<hubs>"].tolist() == hubs.tolist()
    assert explorer.told.value == f"{len(hubs)} nodes are shared as “&lt;hubs&gt;”."
    other.shared.value = "<hubs>"
    ring = other.map.data[-2]
    assert ring.name == "“&lt;hubs&gt;”" and len(ring.x) == np.isin(hubs, other.map.data[1].customdata).sum() > 1
    mean = degree[hubs].mean(), degree[degree < 9].mean()
    assert f"on average {mean[0]:.3g} over the {len(hubs)} nodes of “&lt;hubs&gt;”" in other.told.value
    assert f"on average {mean[1]:.3g} over the {34 - len(hubs)} nodes of the others" in other.told.value
    widgets.selections["a few"] = [1, 2]  # another name takes nothing away
    assert other.shared.value == "<hubs>" and other.shared.label == "<hubs>" and "a few" in other.shared._options_labels
    explorer.formula.value = "degree(v) >= 12"  # whoever took the name follows
    hubs = np.flatnonzero(degree >= 12)
    assert f"over the {len(hubs)} nodes of “&lt;hubs&gt;”" in other.told.value
    other.formula.value = "degree(v) >= 17"
    assert f"true of {(degree >= 17).sum()} of the {len(hubs)} nodes of “&lt;hubs&gt;”" in other.told.value

    explorer.formula.value = "degree(v)"  # a number holds of nobody, and what is shared stays
    assert "degree(v) &gt; 1, to share nodes" in explorer.told.value
    assert widgets.selections["<hubs>"].tolist() == hubs.tolist()
    widgets.selections["far"] = [99]
    other.shared.value = "far"
    assert "holds node 99; this graph has nodes 0 to 33" in other.told.value
    del widgets.selections["far"]
    assert other.shared.value == "" == other.shared.options[other.shared.index][1]
    assert other.told.value == "" and not any("“" in (trace.name or "") for trace in other.map.data)


def test_figures_for_a_paper_are_light_zoomed_as_on_the_screen_and_a_failure_is_said(
    explorer: widgets.RuleExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, told = dict[str, go.Figure](), list[tuple[dict[str, str], list[bytes]]]()
    monkeypatch.setattr(home, "archive", lambda figures, width: drawn.update(figures) or width.encode())
    monkeypatch.setattr(explorer.home, "send", lambda content, buffers=(): told.append((content, list(buffers))))
    # The figures of all tests before live on, as those of cells that ran before do, and each would be turned dark.
    monkeypatch.setattr(live._page, "figures", {id(one): one for one in explorer.figures.values()})
    explorer._fit.dark = True
    try:
        explorer.map.layout.xaxis.range = [-0.5, 0.25]
        explorer.home.asked(None, {"kind": "paper", "width": "double"}, [])
    finally:
        explorer._fit.dark = False
    assert list(drawn) == explorer.home.figures == ["graph", "values"]
    assert told == [({"kind": "paper", "file": "rule-explorer.zip"}, [b"double"])]
    assert drawn["graph"].layout.xaxis.range == (-0.5, 0.25) and drawn["graph"].layout.paper_bgcolor is None
    assert style.ON_DARK[style.MUTED] not in drawn["values"].to_json()
    monkeypatch.undo()
    monkeypatch.setattr(explorer.home, "send", lambda content, buffers=(): told.append((content, list(buffers))))
    explorer.home.asked(None, {"kind": "paper", "width": "doubel"}, [])
    assert told[-1][1] == [] and "unknown width 'doubel'; did you mean 'double'?" in told[-1][0]["said"]


def test_the_call_makes_the_same_explorer_again(explorer: widgets.RuleExplorer) -> None:
    explorer.formula.value = "exists u in N(v): degree(u) >= 10"
    explorer.semantics.value = "godel"
    explorer.steepness.value = 0.5
    explorer.node.value = 7
    told: dict[str, Any] = {}
    exec(explorer.call().replace("wb.widgets", "made = wb.widgets"), told)
    again = told["made"]
    assert again.call() == explorer.call() and shown(again.map) == shown(explorer.map)
    assert again.steepness.value == 0.5 and not again.steepness.disabled
    explorer.rule.value = "bridge"
    assert 'rule="bridge"' in explorer.call()


def test_the_field_suggests_what_this_graph_has(small_graph: Data) -> None:
    small_graph.feature_names = ["age", 'a"b', "<b>", "line\nbreak", *map(str, range(36))]
    field = widgets.rule_explorer(small_graph, "bridge").formula
    assert field.names[:3] == ["age", "<b>", "0"] and 'attribute(v, "age") > 0' in field.examples
    assert {"ntsc", "bridge"} <= {word.text for word in field.rules}
    for example in field.examples:
        rules.evaluate(example, small_graph)
    for word in field.words:
        if word.text.endswith(")") and "(v)" in word.text and word.text[0] != "N":
            rules.evaluate(f"{word.text} > 0" if rules.parse(word.text).sort == "number" else word.text, small_graph)
    bare = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    field = widgets.rule_explorer(bare, "degree(v) >= 1").formula
    assert not field.names and not any(word.text.startswith(("cos", "attribute")) for word in field.words)
    for example in field.examples:
        rules.evaluate(example, bare)


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
    drag(explorer, 4)  # a part stays chosen where the formula keeps its shape
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
    title = " ".join(re.sub("<[^>]+>", " ", explorer.figures["overlap"].layout.title.text).split())  # lines wrap
    assert "left out: attribute-outlier, homophily, lgtc, third-rule (the rule" in title
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
    """What tells the figures whether the page is dark or narrow; it is light and wide again afterwards."""
    live._page.figures.clear()  # plotly keeps those of other tests
    fit = live.Fit(layout={"width": "100%"})
    yield fit
    fit.dark = fit.narrow = False


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


def test_no_title_is_cut_and_no_panel_squeezed_on_a_narrow_page(page: live.Fit, explorer: widgets.RuleExplorer) -> None:
    board = widgets.leaderboard("cora").figures["cost"]
    explorer.formula.value = "degree(v) >= 4 or degree(v) <= 1 or clustering(v) >= 0.9"
    figures = [board, *explorer.figures.values()]
    wide = [go.Figure(one) for one in figures]
    page.narrow = True
    for one in figures:
        title, before = one.layout.title.text, one._light.layout.title.text
        assert max(len(html.unescape(re.sub("<[^>]*>", "", line))) for line in title.split("<br>")) <= 32
        assert title.replace("<br>", " ") == before.replace("<br>", " ") and one.layout.margin.r <= 20
    assert board.layout.height > board._light.layout.height and "<br>" in explorer.map.layout.title.text
    assert any(note.x > 1 for note in wide[0].layout.annotations)
    assert all(note.x <= 1 for note in board.layout.annotations if note.xref == "paper")
    page.narrow = False
    for one, before in zip(figures, wide, strict=True):
        assert not differing(one, before) and not differing(before, one)


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

    def slow(self, seconds: float) -> None:
        """Let the kernel take so long for each formula."""
        self.python(
            "import time\nfrom workbench.widgets.rule_scene import RuleScene\n"
            "mean = globals().get('mean', RuleScene.mean)\n"
            f"RuleScene.mean = lambda *told: (time.sleep({seconds}), mean(*told))[1]",
        )

    def field_holds(self, formula: str) -> None:
        self.until(f"document.querySelector('.explorer-formula textarea').value == {json.dumps(formula)}")

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
    source = (
        "import workbench as wb\n"
        "wb.widgets.selections['pair'] = [5, 6]\n"
        "explorer = wb.widgets.rule_explorer(wb.load_graph('karate'), 'ntsc', node=5)\n"
        "explorer.shared.value = 'pair'\n"  # which makes its traces anew before it is shown
        "display(explorer, wb.plots.rule_scores(explorer.scene.graph, wb.rules.evaluate('lgtc', explorer.scene.graph)))"
    )
    with lab(tmp_path, source) as (address, token), browser(address, token, tmp_path, Explorer) as shown_:
        yield shown_


@needs_chromium
def test_a_person_in_a_browser_sees_what_each_control_does(screen: Explorer) -> None:
    graph, page = load_graph("karate"), screen.page
    tree, message = page.locator(".explorer-tree"), page.locator(".explorer-message")
    screen.title_holds("total_degree")
    assert "Why, for node 5" in tree.inner_text()
    names = f"({screen.FIGURE})._fullData.map(t => t.name)"
    screen.until(f"String({names}) == 'trace 0,nodes,“pair”,node 5, chosen'")
    page.locator(".explorer-shared select").select_option("nothing")
    screen.until(f"String({names}) == 'trace 0,nodes,node 5, chosen'")

    formula = "forall u in N(v): degree(u) >= 3 implies degree(v) > 2"
    parts = "document.querySelector('.explorer-part select')"
    screen.type(formula)
    screen.until(f"{parts}.options[0].text.includes('implies') && {parts}.scrollWidth <= {parts}.clientWidth")
    screen.until(f"![...{parts}.options].some(o => /\\S\\u00a0/.test(o.text))")  # a line breaks between words alone
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
    screen.title_holds("degree(u) &gt;= 4 implies degree(v) &gt; 2")
    screen.until("document.querySelector('.explorer-message').innerText.trim() == ''")
    field, slider = page.locator(".explorer-formula textarea"), page.locator(".explorer-formula input[type=range]")
    screen.until("!document.querySelector('.explorer-formula input[type=range]').disabled")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert field.input_value() == formula.replace("3", "7")  # on the page itself, before the kernel answers
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
    static = "getComputedStyle(document.querySelector('.jp-RenderedPlotly .plot-container')).filter"
    assert page.evaluate(static).startswith("invert")
    screen.theme("JupyterLab Light")
    screen.until(f"{paper} == '{style.PAPER}'")
    assert page.evaluate(static) == "none"

    # Numbers far from what the graph has stay as they were typed, and named rules keep theirs; the kernel is slow.
    screen.slow(1.0)
    for text in ("degree(v) > 3", "degree(v) > 123456.75", "degree(v) > -40", "degree(v) > 0.000000001"):
        screen.type(text)
        screen.title_holds(text.replace(">", "&gt;").replace("0.000000001", "1e-09"))
        assert field.input_value() == text
    for name in ("lgtc", "hub-periphery", "third-rule"):
        page.locator(".explorer-rule select").select_option(name)
        screen.field_holds(rules.get(name).formula)
        screen.until("!document.querySelector('.explorer-formula input[type=range]').disabled")
        page.wait_for_timeout(1_500)  # what a slider would send back arrives within
        assert field.input_value() == rules.get(name).formula
        assert page.locator(".explorer-rule select").evaluate("e => e.selectedOptions[0].text") == name
        (first, *_) = rules.thresholds(rules.formula(name))
        assert page.locator(".explorer-formula output").inner_text() == figure(first.value)
    page.locator(".explorer-rule select").select_option("bridge")
    slider.focus()
    page.keyboard.press("ArrowRight")  # of the rule before, whose answer hasn't come yet
    screen.field_holds(rules.get("bridge").formula)
    page.wait_for_timeout(2_500)
    assert field.input_value() == rules.get("bridge").formula
    screen.type("degree(v) > 5")  # while the kernel works on each letter
    page.wait_for_timeout(2_500)
    assert field.input_value() == "degree(v) > 5"
    screen.title_holds("degree(v) &gt; 5")
    screen.slow(0)

    screen.type("degree > 3")
    message.get_by_text("did you mean degree(v) > 3?").wait_for()
    screen.type("exists u in N(v): deg")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.type(" > 2")
    assert field.input_value() == "exists u in N(v): degree(u) > 2"
    screen.title_holds("exists u in N(v): degree(u) &gt; 2")  # what the kernel never saw can't be taken back
    page.locator(".workbench-formula-examples button").nth(1).press("Enter")
    screen.title_holds("exists u in N(v): degree(u) &gt;= 10")
    page.locator(".workbench-undo").press("Enter")
    screen.field_holds("exists u in N(v): degree(u) > 2")

    page.get_by_text("Overlap with other rules").click()
    overlap = "[...document.querySelectorAll('.js-plotly-plot')].find(e => e.layout?.title?.text?.includes('Overlap'))"
    screen.until(f"({overlap}).querySelector('.heatmaplayer image')?.getBoundingClientRect().width > 100")
    page.locator(".explorer-sections select").select_option(["attribute-outlier"])
    page.locator(".explorer-rule select").select_option("ntsc")  # neither holds of any node
    screen.until(f"({overlap})._fullData?.[0]?.z?.length == 1 && ({overlap}).querySelector('.textpoint')")
    box = (
        f"(e => [e.querySelector('.gtitle').getBoundingClientRect().right, e.getBoundingClientRect().right])({overlap})"
    )
    title, right = page.evaluate(box)
    assert title <= right

    page.get_by_text("What labels say").click()
    screen.until("[...document.querySelectorAll('.js-plotly-plot')].some(e => e._fullData?.[0]?.error_y?.array)")

    page.get_by_text("Figures for a paper").click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="two columns, 178 mm").click()
    assert coming.value.suggested_filename == "rule-explorer.zip"
    with ZipFile(coming.value.path()) as packed:
        whole = {name: packed.read(name) for name in packed.namelist()}
    kinds = ("csv", "pdf", "svg", "txt")
    assert set(whole) == {f"{name}.{kind}" for name in ("graph", "values", "overlap", "labels") for kind in kinds}
    assert b'width="178mm"' in whole["graph.svg"][:300] and whole["graph.pdf"].startswith(b"%PDF")
    page.get_by_text("rule-explorer.zip: graph, values, overlap, labels").wait_for()
    assert screen.left == []
