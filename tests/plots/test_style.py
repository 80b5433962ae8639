"""The look of all figures: readable on light paper and on dark, and told apart in each kind of colour vision."""

import re
from collections.abc import Iterator
from inspect import signature
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest
import torch
from numpy.typing import NDArray
from test_plots import comparison, made, ring
from torch_geometric.data import Data

from workbench import audit, negatives, plots, rules
from workbench.contrast import Contrast
from workbench.datasets import content_hash
from workbench.datasets.synthetic.embedded import rings
from workbench.evaluation import agreement, lens, projection, strata
from workbench.evaluation.recommending import INTENT, OWN, TAKEN, Recommendation
from workbench.objectives.forces import forces, gauges
from workbench.plots import network, style
from workbench.rules import Semantics, Terms, readings
from workbench.studies import differences, load, published, read, verdicts
from workbench.studies.leaderboard import board
from workbench.widgets.rule_scene import RuleScene

LIGHT, DARK = style.PAPER, style.ON_DARK[style.PAPER]
# What lies in the background is fainter on purpose.
BACKGROUND = {colour for one in (style.FAINT, style.LINE, style.PAPER) for colour in (one, style.ON_DARK[one])}
TEXT, MARK = (
    4.5,
    3.0,
)  # least contrast of text and of graphics, Web Content Accessibility Guidelines 2.2, 1.4.3 and 1.4.11

# Machado, Oliveira and Fernandes, 2009, "A physiologically-based model for simulation of color vision deficiency",
# table 1, severity 1.0, of linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> NDArray[np.float64]:
    """Linear RGB of "#RRGGBB" or "rgb(r, g, b)", in [0, 1]."""
    if hexadecimal := re.fullmatch("#([0-9A-Fa-f]{6})", colour):
        whole = [int(hexadecimal[1][i : i + 2], 16) for i in (0, 2, 4)]
    else:
        whole = [int(one) for one in re.findall(r"\d+", colour)]
    assert len(whole) == 3, f"{colour} can't be judged: name it in style, or write it as #RRGGBB"
    share = np.array(whole) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as the Web Content Accessibility Guidelines define it, 1 to 21."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of linear RGB, white D65."""
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    part = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_yardsticks_measure_what_is_known() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)  # the grey that just passes for text
    np.testing.assert_allclose(lab(linear("#FF0000")), [53.24, 80.09, 67.20], atol=0.02)
    for matrix in VISION.values():
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)  # grey stays grey
    red, green = (VISION["deuteranopia"] @ linear(colour) for colour in ("#B04040", "#6B6B20"))
    assert np.linalg.norm(lab(red) - lab(green)) < 25 < np.linalg.norm(lab(linear("#B04040")) - lab(linear("#6B6B20")))


@pytest.mark.parametrize(
    ("paper", "colours"), [(LIGHT, style.COLOURS), (DARK, [*map(style.ON_DARK.get, style.COLOURS)])]
)
def test_colours_of_classes_read_on_their_paper_and_stay_apart_in_each_colour_vision(paper: str, colours: Any) -> None:
    for colour in colours:
        assert contrast(colour, paper) >= MARK, f"{colour} on {paper}"
    for name, matrix in VISION.items():
        seen = {colour: lab(matrix @ linear(colour)) for colour in colours}
        for one, other in combinations(colours, 2):  # the first eight classes share a symbol, so all pairs count
            assert np.linalg.norm(seen[one] - seen[other]) >= 15, f"{one} and {other} in {name}"


def test_32_classes_differ_in_colour_or_symbol_and_no_label_is_none_of_them() -> None:
    looks = [tuple(style.class_marker(index).values()) for index in range(32)]
    assert len(set(looks)) == 32
    assert tuple(style.class_marker(-1).values()) not in looks


def test_each_neutral_does_its_work_on_both_papers() -> None:
    for turn in (lambda colour: colour, style.ON_DARK.__getitem__):
        paper = turn(style.PAPER)
        assert contrast(turn(style.INK), paper) > contrast(turn(style.MUTED), paper) >= TEXT
        assert contrast(turn(style.GREY), paper) >= MARK
        assert contrast(turn(style.FAINT), paper) > contrast(turn(style.LINE), paper) > 1.2
        for ground in (style.COOL, style.LINE, style.WARM):
            assert contrast(turn(style.INK), turn(ground)) >= TEXT


# ------------------------------------------------------------------------------------------------------------ dark


def test_no_colour_is_turned_twice_and_no_two_become_one() -> None:
    turned = list(style.ON_DARK.values())
    assert not set(turned) & set(style.ON_DARK) and len(set(turned)) == len(turned)


def test_dark_turns_a_colour_wherever_it_stands_and_leaves_the_figure_as_it_was() -> None:
    ink, paper = style.ON_DARK[style.INK], style.ON_DARK[style.PAPER]
    fig = style.figure(f'title <span style="font-size:9px;color:{style.MUTED}">small</span>', rows=1, cols=2)
    marker = {"color": [style.FAINT, "rgb(1, 2, 3)"], "line": {"color": np.array([style.INK, "#123456"])}}
    fig.add_scatter(
        x=[1, 2], y=[0, 1], text=["#222222 of it", "b"], marker=marker, textfont_color=style.INK, row=1, col=1
    )
    fig.add_heatmap(z=[[0, 1]], colorscale=[[0, style.LINE], [1, style.COLOURS[6]]], row=1, col=2)
    fig.add_vline(x=1, line_color=style.GREY)
    fig.add_annotation(text="x", font_color=style.INK)
    before = go.Figure(fig)
    turned = plots.dark(fig)
    assert fig == before and plots.dark(turned) == turned != before
    scatter, heatmap = turned.data
    assert list(scatter.marker.color) == [style.ON_DARK[style.FAINT], "rgb(1, 2, 3)"]
    assert list(scatter.marker.line.color) == [ink, "#123456"] and scatter.textfont.color == ink
    assert list(scatter.text) == ["#222222 of it", "b"]  # what is told is no colour
    assert [stop for _, stop in heatmap.colorscale] == [style.ON_DARK[style.LINE], style.ON_DARK[style.COLOURS[6]]]
    assert turned.layout.shapes[0].line.color == style.ON_DARK[style.GREY]
    assert turned.layout.annotations[-1].font.color == ink
    assert f"9px;color:{style.ON_DARK[style.MUTED]}" in turned.layout.title.text
    assert turned.layout.template == pio.templates["workbench-dark"] != pio.templates["workbench"]
    assert turned.layout.template.layout.paper_bgcolor == paper == turned.layout.template.layout.plot_bgcolor
    turned.add_scatter(x=[1], y=[1], row=1, col=2)  # its panels are still known


def test_dark_turns_what_is_shown_later_as_well() -> None:
    fig = go.Figure(frames=[go.Frame(name="1", data=[{"type": "scatter", "line": {"color": style.INK}}])])
    assert plots.dark(fig).frames[0].data[0].line.color == style.ON_DARK[style.INK] and fig.frames[0].data[0].line.color


# -------------------------------------------------------------------------------------------------- every figure


HOSTILE = """<b>bold</b> <a href="javascript:alert(1)">x</a> "quoted" 'so' & \x1b[31m"""


@pytest.fixture(scope="module")
def figures() -> dict[str, go.Figure]:
    return every_figure(ring(), "one", "two")


def every_figure(graph: Data, name: str, other: str) -> dict[str, go.Figure]:
    """A figure of each plot function by its name, and further looks of some; two names are for what has any."""
    score = torch.arange(40).float()
    same, every_third = content_hash(graph), (torch.arange(graph.num_edges) % 3 > 0).float()
    run = made(snapshots={0: torch.rand(40, 6), 5: torch.rand(40, 6)}, graph=graph.name, graph_hash=same)
    details = {"centres": torch.tensor([0]), "stars": torch.tensor([[1, 2, 9], [0, 0, 0]])}
    audits = {
        name: audit(negatives.select(name, graph, 6, anchors=[7]), graph) for name in ("uniform", "hop-near", "hardest")
    }
    panels = {**audits, name: f"it needs {other}"}
    mapped = projection.project(run.embeddings, "pca"), "PCA"
    terms = Terms(graph)
    rule_figures = {
        f"{semantics} {rule}: {name}": figure
        for rule, semantics in (("bridge", "crisp"), ("degree(v)", "crisp"), ("bridge", "godel"))
        for name, figure in RuleScene(graph, rule, 5, embedding=torch.eye(40), semantics=Semantics(semantics))
        .figures()
        .items()
    }
    words = ("reproduced", "better", "worse", "undecided")
    decided = [(cell, verdicts.Verdict(word, "", cell.value + 2, 1.0, 3.0, 3))
               for cell, word in zip(published.cells(), words, strict=False)]  # fmt: skip
    halves = Data(y=torch.arange(60) % 2, num_nodes=60)  # has no public split, which the figure tells
    reading, part = readings.read(rules.evaluation("degree(v) > 2", terms)), network.ego(graph, 5)
    views = torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(0))
    pushing = {label: forces("infonce", Contrast(0.5), *views, anchor=7) for label in (name, other)}
    gauged = gauges("infonce", Contrast(0.5), *views, graph.y, 7)
    courses = {label: pd.DataFrame([gauged, gauged]) for label in (name, other)}
    both = agreement(run, made(embeddings=torch.rand(40, 6), graph=graph.name, graph_hash=same), graph)
    sets = rings(graphs=30)
    rings_map = projection.project(torch.rand(30, 6, generator=torch.Generator().manual_seed(0)), "pca")
    pair = plots.agreement_maps(both, (projection.project(run.embeddings, "pca"),) * 2, "class", chosen=5)
    shares = {"part": [OWN, *[TAKEN] * 4, INTENT] * 2, "number": [-1, 0, 1, 3, 5, 0] * 2}
    shares |= {"item": [4] * 6 + [2] * 6, "share": np.linspace(-0.2, 1, 12)}
    lists = Recommendation(3, pd.DataFrame({"item": [4, 2], "held_out": [True, False]}), pd.DataFrame(shares))
    strata_of = pd.DataFrame({"of": ["users", "items"], "stratum": [f"1 {name}", "tail"], "users": [9, 7],
                              "recall@20": [20.0, 5.0], "from": [15.0, 0.0], "to": [25.0, 10.0]})  # fmt: skip
    pushed = pd.DataFrame({"item": [1, 2], "score": [0.5, 0.1], "push": [0.6, 0.2], "held_out": [True, False]})
    ends, both_names = torch.stack([torch.arange(30), torch.arange(30) + 5]), [name, other]
    kinds = {"joined by": [name, other] * 20, "same class": score.numpy() < 20}
    weighed = pd.DataFrame({"weight": score.numpy(), "share": 1 / 40, **kinds})
    adapted = pd.DataFrame({"accuracy": [50.0, 52.0], "untrained": [30.0, 40.0], "trained": [0, 6000], "head": 325},
                           index=[name, other])  # fmt: skip
    left = pd.DataFrame({"base": [name] * 2 + [other] * 2, "how": name, "left": [name, "nothing"] * 2,
                         "accuracy": [60.0, 55.0, 60.0, 58.0], "control": [False, True] * 2})  # fmt: skip
    gate = torch.stack([score / 39, 1 - score / 39], 1)
    return rule_figures | {
        "adaptation_chart": plots.adaptation_chart(adapted, {f"floor of {name}": 35.0}),
        "compression_curves": plots.compression_curves(left),
        "expert_load": plots.expert_load({name: torch.tensor([[9, 1], [5, 5]]), other: torch.tensor([[1, 2, 3]])}),
        "layer_angles": plots.layer_angles({"0.attention": 3.0, f"0.{name}": 5.0, "1.attention": 4.0}),
        "merging_gate": plots.merging_gate(gate, graph.y, [name, other], graph.class_names),
        "ranking_strata": plots.ranking_strata({name: strata_of, other: strata_of}),
        "recommendation_parts": plots.recommendation_parts(lists, [name] * 5),
        "user_negatives": plots.user_negatives(pushed, 3),
        "agreement_chart": plots.agreement_chart(both),
        "agreement_maps": pair[0],
        "assignment_sharpness": plots.assignment_sharpness({name: {20: torch.rand(40, 5), 70: torch.rand(40, 5)}}),
        "audit_chart": plots.audit_chart(audits),
        "budget_chart": plots.budget_chart(read("negatives"), load("negatives"), "cora"),
        "claims_chart": plots.claims_chart(decided),
        "cluster_confusion": plots.cluster_confusion(graph.y, torch.arange(40) % 5, graph.class_names),
        "confusion_change": plots.confusion_change(both),
        "cost_chart": plots.cost_chart(comparison().replace("grace", name)),
        "difference_chart": plots.difference_chart(differences(read("placebo"), load("placebo"))),
        "embedding_epochs": plots.embedding_epochs(run, graph=graph),
        "embedding_map": plots.embedding_map(run, graph=graph, method="pca"),
        "embedding_map of values": plots.embedding_map(run, score, graph, "pca"),
        "force_histogram": plots.force_histogram(pushing, graph.y),
        "force_map": plots.force_map(pushing, graph.y),
        "gauge_curves": plots.gauge_curves(courses),
        "gains_chart": plots.gains_chart(board(read("leaderboard")).replace("grace", name)),
        "graph_atlas": plots.graph_atlas(rings_map, sets, np.arange(30) % 2, [name, other]),
        "graph_drawing": plots.graph_drawing(sets[0], 0, name, [name, other, name, other]),
        "kept_edges": plots.kept_edges(
            ends, score[:30] / 40, torch.stack([score[:30] > 9, score[:30] < 20]), both_names
        ),
        "kept_shares": plots.kept_shares({name: every_third, other: every_third / 3}, graph),
        "loss_curves": plots.loss_curves([run, made("str-gcl", graph=name), made(seed=1)]),
        "negative_cosines": plots.negative_cosines(panels, np.linspace(-1, 1, 40), 7, 9),
        "negative_map": plots.negative_map(panels, mapped, 7, 9),
        "negative_rings": plots.negative_rings(panels, graph, 7, "class", 9),
        "negative_rings of hops": plots.negative_rings(panels, graph, 7, "hops", 9),
        "pair_weights": plots.pair_weights({name: (score / 20 - 1, None), other: (None, score / 20)}, graph, 7),
        "pulled_and_pushed": plots.pulled_and_pushed(graph, dict.fromkeys((name, other), every_third), 7, [8, 20]),
        "protocol_lens": plots.protocol_lens(lens(torch.rand(60, 6), halves, splits=2, steps=20, progress=False)),
        "results_chart": plots.results_chart(comparison().replace("grace", name)),
        "rule_map": plots.rule_map(reading, part, 5),
        "rule_overlap": plots.rule_overlap(readings.flags(terms)[0]),
        "rule_scores": plots.rule_scores(graph, {"ntsc": score, name: -score}),
        "rule_strata": plots.rule_strata(strata.label_tables(reading.values, graph)),
        "rule_values": plots.rule_values(reading, 5),
        "score_curves": plots.score_curves(
            pd.DataFrame({name: [5.0, 4.0], other: [3.0, 9.0]}, pd.Index([0, 9], name="epoch")), "a title", best=True
        ),
        "side_by_side": plots.side_by_side(pair, other),
        "stars": plots.stars(details, graph),
        "views": plots.views(graph, {name: every_third}),
        "weighted_negatives": plots.weighted_negatives(weighed),
    }


def strings(value: Any) -> list[str]:
    """The colours of a property: one, or one a mark; none where its numbers stand on a scale."""
    return [one for one in np.atleast_1d(np.asarray(value, dtype=object)) if isinstance(one, str)]


def fonts(part: Any, key: str = "") -> Iterator[tuple[list[str], float | None]]:
    """Colours and size of each font and of each piece of markup in a figure."""
    if isinstance(part, dict):
        if key.endswith("font"):
            yield strings(part.get("color")), part.get("size")
        for name, value in part.items():
            yield from fonts(value, name)
    elif isinstance(part, list | tuple):
        for one in part:
            yield from fonts(one, key)
    elif isinstance(part, str):
        for look, text in re.findall('<span style="([^"]*)">([^<])', part):
            size = re.search(r"font-size:(\d+)px", look)
            yield re.findall("color:(#.{6})", look) if text != "■" else [], float(size[1]) if size else None


def marks(fig: go.Figure, paper: str) -> Iterator[str]:
    """Colours of the marks and lines of a figure that nothing but themselves sets off from the paper."""
    for trace in (trace.to_plotly_json() for trace in fig.data):
        yield from strings(trace.get("line", {}).get("color"))
        marker = trace.get("marker", {})
        around = strings(marker.get("line", {}).get("color"))
        yield from around
        if not around or min(contrast(colour, paper) for colour in around) < MARK:
            yield from strings(marker.get("color"))
            scaled = np.asarray(marker.get("color", []), dtype=object).size and not strings(marker["color"])
            assert not scaled or marker.get("opacity") == 0 or trace["type"] == "scattergl", "no outline"  # of a cloud
        if trace.get("texttemplate") and trace["type"] == "heatmap":
            for _, colour in trace["colorscale"]:
                assert contrast(trace["textfont"]["color"], colour) >= TEXT, f"text on {colour}"
    for shape in fig.layout.shapes:
        yield from (*strings(shape.line.color), *strings(shape.fillcolor))
    yield from re.findall("color:(#.{6})[^>]*>■", str(fig.layout.to_plotly_json()))


def read_well(fig: go.Figure, paper: str) -> None:
    for colours, size in fonts([trace.to_plotly_json() for trace in fig.data] + [fig.layout.to_plotly_json()]):
        assert size is None or size >= 10
        for colour in colours:
            assert contrast(colour, paper) >= TEXT, f"text in {colour}"
    for colour in marks(fig, paper):
        assert colour in BACKGROUND or contrast(colour, paper) >= MARK, f"marks in {colour}"


def test_each_plot_function_is_looked_at(figures: dict[str, go.Figure]) -> None:
    functions = {name: getattr(plots, name) for name in plots.__all__ if callable(getattr(plots, name))}
    drawing = {name for name, plot in functions.items() if signature(plot).return_annotation is go.Figure}
    assert drawing - {"dark"} <= set(figures)


def test_what_things_are_called_stays_text_in_every_figure() -> None:
    graph = ring()
    graph.name, graph.class_names = HOSTILE, [f"{HOSTILE} {kind}" for kind in range(4)]
    graph.node_names = [f"{HOSTILE} {node}" for node in range(40)]
    found = {name: figure.to_plotly_json() for name, figure in every_figure(graph, HOSTILE, f"{HOSTILE} 2").items()}
    assert {name for name, figure in found.items() if re.search("<b>bold|<a href", str(figure))} == set()
    assert sum("&lt;b&gt;bold" in str(figure) for figure in found.values()) >= 12


def test_every_figure_takes_the_width_of_the_page_and_little_more_than_its_height(
    figures: dict[str, go.Figure],
) -> None:
    for name, fig in figures.items():
        assert fig.layout.width is None and fig.layout.height <= 1100, name


def panels(figure: go.Figure) -> list[tuple[float, ...]]:
    """Left, right, lower and upper end of each panel on which something is drawn, from the top."""
    used = {trace.xaxis or "x" for trace in figure.data if "xaxis" in trace}
    axes = [figure.layout[name.replace("x", "xaxis")] for name in used]
    pairs = [(axis.domain, figure.layout[(axis.anchor or "y").replace("y", "yaxis")].domain) for axis in axes]
    return sorted(((*x, *y) for x, y in pairs if x and y), key=lambda ends: (-ends[3], ends[0]))


def titles(figure: go.Figure) -> list[tuple[tuple[float, float], str]]:
    """Place and text of what stands above each panel."""
    tops = {((ends[0] + ends[1]) / 2, ends[3]) for ends in panels(figure)}
    notes = [((note.x, note.y), note.text) for note in figure.layout.annotations if note.yref == "paper"]
    return [(place, text) for place, text in notes if any(place == pytest.approx(top) for top in tops)]


def test_on_a_narrow_page_no_panel_stands_beside_another_and_no_word_is_longer_than_the_page(
    figures: dict[str, go.Figure],
) -> None:
    beside = {name: len({ends[:2] for ends in panels(figure)}) for name, figure in figures.items()}
    assert beside["agreement_chart"] == 4 and beside["negative_rings"] == 2
    for name, figure in figures.items():
        there, now = panels(figure), style.narrow(figure)
        found = panels(now)
        if beside[name] > 1:
            pixels = now.layout.height - now.layout.margin.t - now.layout.margin.b
            assert [ends[:2] for ends in found] == [(0, 1)] * len(there), name
            gaps = [above[2] - below[3] for above, below in pairwise(found)]
            lines = max((title.count("<br>") for _, title in titles(figure)), default=0)
            assert min(gaps) * pixels == pytest.approx(style._APART + 13 * lines, abs=1), name
            assert len(set(titles(now))) == len({place for place, _ in titles(now)}) == len(titles(figure)), name
            heights = [(ends[3] - ends[2]) / (found[0][3] - found[0][2]) for ends in found]
            assert heights == pytest.approx([(ends[3] - ends[2]) / (there[0][3] - there[0][2]) for ends in there]), name
        for letters, given, text in (
            (32, figure.layout.title.text, now.layout.title.text),
            (46, figure.layout.title.subtitle.text, now.layout.title.subtitle.text),
        ):
            assert max(len(style.html.unescape(re.sub("<[^>]*>", "", one))) for one in text.split("<br>")) <= letters
            assert re.sub(r"<br>|\s", "", text) == re.sub(r"<br>|\s", "", given or ""), name
    long = style.figure("node 1 (networkx.algorithms.<b>community</b>.edge_current_flow_betweenness&lt;)", "a " * 24)
    assert style.narrow(long).layout.title.text.split("<br>") == [
        "node 1", "(networkx.algorithms.<b>community</b>.", "edge_current_flow_betweenness&lt;)",
    ]  # fmt: skip
    assert {len(line) for line in style.narrow(long).layout.title.subtitle.text.split("<br>")} == {23}
    alone = network.neighbourhood_map(network.piece(ring(10)), np.array([1]), np.zeros(10, np.int64))
    assert style.narrow(alone).layout.legend.orientation == "h"  # one entry would stand upon the nodes, too


def test_marks_of_several_sizes_have_an_outline_of_ours(figures: dict[str, go.Figure]) -> None:
    """By itself plotly outlines them in white, on dark paper as well."""
    marks = [(name, trace.marker) for name, fig in figures.items() for trace in fig.select_traces({"type": "scatter"})]
    several = [(name, one) for name, one in marks if isinstance(one.size, np.ndarray | tuple)]
    assert len(several) > 4 and {name for name, one in several if one.line.color is None} == set()


def test_every_figure_reads_on_its_paper(figures: dict[str, go.Figure]) -> None:
    for name, light in figures.items():
        dark = plots.dark(light)
        for fig, paper, template in ((light, LIGHT, "workbench"), (dark, DARK, "workbench-dark")):
            assert fig.layout.template == pio.templates[template], name
            read_well(fig, paper)
        assert plots.dark(dark).to_json() == dark.to_json(), name
        assert not set(re.findall("#[0-9A-F]{6}", dark.to_json())) & set(style.ON_DARK), name  # none was missed
        with pytest.raises(AssertionError):
            read_well(light, DARK)


@pytest.mark.parametrize(
    "fault",
    [
        {"title_font": {"color": "#999999"}},
        {"annotations": [{"text": '<span style="color:#AAAAAA">x</span>'}]},
        {"annotations": [{"text": "x", "font": {"size": 9}}]},
        {"shapes": [{"type": "line", "line": {"color": "#BBBBBB"}}]},
        {"annotations": [{"text": '<span style="color:#BBBBBB">■</span>'}]},
    ],
)
def test_what_can_not_be_read_is_found(fault: dict[str, Any]) -> None:
    read_well(style.figure("title", "told"), LIGHT)
    with pytest.raises(AssertionError):
        read_well(style.figure("title", "told").update_layout(fault), LIGHT)


def test_marks_that_can_not_be_seen_are_found() -> None:
    for marker in ({"color": "#BBBBBB"}, {"color": [1, 2]}, {"color": [1, 2], "line": {"color": style.FAINT}}):
        with pytest.raises(AssertionError):
            read_well(style.figure("").add_scatter(x=[1, 2], y=[1, 2], marker=marker), LIGHT)
    outlined = {"color": [1, 2], "line": {"color": style.MUTED}}
    read_well(style.figure("").add_scatter(x=[1, 2], y=[1, 2], marker=outlined), LIGHT)


UNITS = "no unit|degrees|dimensions|share of|%|points|nats|squared distance|MiB|seconds"
UNITS += "|nodes|centres|edges|epoch|hops|neighbours|negatives"  # what is counted


def test_every_axis_of_numbers_has_a_title_with_its_unit(figures: dict[str, go.Figure]) -> None:
    for name, fig in figures.items():
        for letter, axes in (("x", fig.select_xaxes()), ("y", fig.select_yaxes())):
            for axis in axes:
                key = axis.plotly_name.replace("axis", "")
                drawn = [t[letter] for t in fig.data if (t[f"{letter}axis"] or letter) == key and t[letter] is not None]
                numbers = [one for one in drawn if len(one) and not any(isinstance(each, str) for each in one)]
                hidden = axis.visible is False or (axis.showticklabels is False and not axis.title.text)
                if numbers and not hidden and axis.ticktext is None:
                    assert re.search(UNITS, axis.title.text or ""), f"{name}: {axis.plotly_name}"
