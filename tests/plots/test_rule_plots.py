"""Pictures of rules: the right numbers against slow loops, nothing empty, nothing from outside read as markup."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench import plots, rules
from workbench.errors import UserError
from workbench.evaluation import strata
from workbench.plots import network
from workbench.rules import Semantics, Terms, readings
from workbench.widgets.rule_scene import RuleScene

HOSTILE = '<img src=x onerror="alert(1)">&<script>'


@pytest.fixture
def graph(small_graph: Data) -> Data:
    return small_graph


def neighbours(graph: Data, node: int) -> list[int]:
    source, target = graph.edge_index.tolist()
    return [v for u, v in zip(source, target, strict=True) if u == node]


def read(graph: Data, rule: str, text: str | None = None, semantics: str = "crisp") -> readings.Reading:
    evaluation = rules.evaluation(rule, graph, semantics)
    found = readings.parts(evaluation)
    return readings.read(evaluation, next(part for part in found if text in (None, str(part.node))))


def trace(figure: go.Figure, name: str) -> go.Scatter:
    return next(one for one in figure.data if one.name == name)


def nothing_empty(figure: go.Figure) -> None:
    assert figure.data
    for one in figure.data:
        values = one.z if one.type == "heatmap" else one.y
        assert values is not None and len(values)


# ------------------------------------------------------------------------------------------------------- readings


def test_parts_are_the_subformulas_whole_first(graph: Data) -> None:
    rule = "forall u in N(v): degree(u) >= 3 implies cos(u, v) > 0.2 and exists w in N(u): degree(w) > 4"
    found = readings.parts(rules.evaluation(rule, graph))
    assert [part.node for part in found] == rules.subformulas(rules.parse(rule))
    assert found[0].depth == 0 and all(part.depth > 0 for part in found[1:])


def test_what_is_never_taken_pair_by_pair_is_no_part(graph: Data) -> None:
    texts = [str(part.node) for part in readings.parts(rules.evaluation("mean(cos(w, v) for w in V) < 0.1", graph))]
    assert texts == ["mean(cos(w, v) for w in V) < 0.1", "mean(cos(w, v) for w in V)"]


def test_a_part_over_pairs_is_the_share_of_a_nodes_pairs(graph: Data) -> None:
    reading = read(graph, "exists u in N(v): degree(u) > degree(v)", "degree(u) > degree(v)")
    degree = torch.bincount(graph.edge_index[0], minlength=60)
    for node in range(60):
        around = neighbours(graph, node)
        expected = np.mean([bool(degree[u] > degree[node]) for u in around]) if around else np.nan
        np.testing.assert_equal(reading.values[node], expected)
    assert reading.kind == "share" and "over the nodes u in N(v)" in reading.meaning


def test_readings_name_what_they_are(graph: Data) -> None:
    assert read(graph, "degree(v) >= 3").kind == "truth"
    assert read(graph, "degree(v) >= 3", semantics="product").kind == "graded"
    assert read(graph, "degree(v)").kind == "number"
    whole = read(graph, "max(degree(w) for w in V) > 3")
    assert whole.meaning == "one truth for the whole graph" and set(whole.values) == {1.0}
    assert read(graph, "exists u in N(v): degree(u) > 3", "degree(u)").meaning == "number of each node taken as u"


def test_the_node_that_a_rule_speaks_of_may_have_any_name(graph: Data) -> None:
    rule = "degree(here) >= 3 and exists v in N(here): degree(v) > 3"
    assert read(graph, rule, "degree(here)").meaning == "number of each node"
    assert read(graph, rule, "degree(v)").meaning == "number of each node taken as v"
    assert read(graph, "max(degree(v) for v in V) > 3", "degree(v)").meaning == "number of each node taken as v"


# ------------------------------------------------------------------------------------------------------- pictures


def test_the_map_colours_each_node_by_its_value_and_rings_the_chosen_one(graph: Data) -> None:
    reading, part = read(graph, "degree(v)"), network.ego(graph, 3)
    figure = plots.rule_map(reading, part, 3)
    nodes = trace(figure, "nodes")
    assert {node: len(neighbours(graph, node)) for node in part.nodes} == dict(
        zip(nodes.customdata, nodes.marker.color, strict=True)
    )
    ring = trace(figure, "node 3, chosen")
    assert (ring.x[0], ring.y[0]) == tuple(part.places[0])
    assert part.told in figure.layout.title.text
    nothing_empty(figure)


def test_false_and_true_have_two_colours_with_a_key(graph: Data) -> None:
    marker = trace(plots.rule_map(read(graph, "degree(v) >= 5"), network.ego(graph, 3)), "nodes").marker
    assert set(marker.color) == {0.0, 1.0} and list(marker.colorbar.ticktext) == ["false", "true"]
    colours = {colour for _, colour in marker.colorscale}
    assert colours == {plots.rules.FALSE, plots.rules.TRUE} and len(colours) == 2
    assert marker.cmin < 0 and marker.cmax > 1  # each in the middle of its half


def test_nodes_without_pairs_are_drawn_as_such(graph: Data) -> None:
    reading = read(graph, "exists u in N(v): degree(u) > degree(v)", "degree(u) > degree(v)")
    figure = plots.rule_map(reading, network.ego(graph, 59), 59)  # 58 and 59 are isolated
    assert [one.name for one in figure.data] == ["nothing to say of it: no pairs", "node 59, chosen"]
    nothing_empty(figure)
    assert "2 have no value" in plots.rule_values(reading, 59).layout.title.text


@pytest.mark.parametrize("rule", ["degree(v) >= 5", "degree(v)", "mean(cos(u, v) for u in N(v))", "pagerank(v)"])
@pytest.mark.parametrize("semantics", ["crisp", "godel"])
def test_the_distribution_counts_every_node_once(graph: Data, rule: str, semantics: str) -> None:
    reading = read(graph, rule, semantics=semantics)
    figure = plots.rule_values(reading, 3)
    bars, mark = figure.data
    assert sum(bars.y) == 60 and f"node 3: {plots.rules._shown(reading.values[3], reading.kind)}" in mark.text
    for place, count in zip(bars.x, bars.y, strict=True):
        near = np.abs(reading.values - place) <= bars.width / 2 + 1e-9
        assert near.sum() >= count  # a value between two bars may be in either
    nothing_empty(figure)


def test_a_long_tail_is_gathered_in_the_last_bar() -> None:
    values = np.concatenate([np.arange(200) % 5, [1000.0]]).astype(float)
    figure = plots.rule_values(readings.Reading("x", values, "number", ""), 200)
    assert sum(figure.data[0].y) == 201 and max(figure.data[0].x) < 10
    assert "the last bar holds all from 4 on" in figure.layout.xaxis.title.text
    assert "node 200: 1000" in figure.data[1].text


def test_counts_of_false_and_true_are_written_out(graph: Data) -> None:
    truth = rules.evaluate("degree(v) >= 5", graph)
    ticks = plots.rule_values(read(graph, "degree(v) >= 5")).layout.xaxis.ticktext
    count = int(truth.sum())
    assert ticks == (f"false<br>{60 - count} ({1 - count / 60:.0%})", f"true<br>{count} ({count / 60:.0%})")


def test_overlap_is_jaccard_by_hand(graph: Data) -> None:
    held, left_out = readings.flags(Terms(graph), ["bridge", "ntsc-soft", "weak-tie", "degree(v) >= 5"])
    assert list(held) == ["bridge", "weak-tie", "the rule above"] and left_out == {"ntsc-soft": "a score"}
    figure = plots.rule_overlap(held, left_out)
    sets = {name: set(np.flatnonzero(flags).tolist()) for name, flags in held.items()}
    names = list(sets)
    for i, row in enumerate(names[1:]):
        for j, column in enumerate(names[:-1]):
            a, b = sets[row], sets[column]
            expected = len(a & b) / len(a | b) if j <= i else np.nan
            np.testing.assert_allclose(figure.data[0].z[i][j], expected)
            if j <= i:
                assert f"{len(a & b)} nodes both, {len(a | b)} either" in figure.data[0].text[i][j]
    assert figure.data[0].x[0] == f"bridge ({len(sets['bridge'])})"
    assert "left out as scores, neither true nor false: ntsc-soft" in figure.layout.title.text
    with pytest.raises(UserError, match="at least two rules"):
        plots.rule_overlap({"bridge": held["bridge"]})


def test_a_graph_without_attributes_leaves_out_what_needs_them(graph: Data) -> None:
    bare = Data(edge_index=graph.edge_index, num_nodes=60)
    held, left_out = readings.flags(bare)
    assert "bridge" in held and "homophily" not in held and "this graph has none" in left_out["homophily"]
    assert "labels" not in RuleScene(bare, "bridge").figures()


def test_the_overlap_says_why_rules_are_left_out_and_that_truths_are_crisp(graph: Data) -> None:
    bare = Data(edge_index=graph.edge_index, num_nodes=60)
    told = (
        RuleScene(bare, "bridge", semantics=Semantics("product"))
        .figures()["overlap"]
        .layout.title.text.replace("</span>", "")
    )
    told = " ".join(line.split(">")[-1] for line in told.split("<br>"))
    assert "crisp truths" in told and "left out as scores, neither true nor false: lgtc-soft, ntsc-soft" in told
    assert "left out: attribute-outlier, homophily, lgtc, third-rule (the rule compares attributes, and this" in told
    held = {"a": np.ones(3, bool), "b": np.ones(3, bool)}
    many = {str(i): f"reason {i}; advice" for i in range(5)}
    told = plots.rule_overlap(held, many).layout.title.text
    assert all(f"left out: {i} (reason {i}; advice)" in told for i in range(3)) and "other reasons: 3, 4" in told


@pytest.mark.parametrize("rule", ["NTSC", " ntsc ", "ntsc"])
def test_a_name_is_a_name_however_it_is_written(graph: Data, rule: str) -> None:
    overlap = RuleScene(graph, rule).figures()["overlap"].data[0]
    labels = [*overlap.x, overlap.y[-1]]
    assert [label.split(" (")[0] for label in labels] == [
        name for name in rules.names() if rules.formula(name).sort == "truth"
    ]
    held, _ = readings.flags(graph, [rule, "degree(v) > 1"])
    assert list(held) == ["ntsc", "the rule above"]


NONE = torch.zeros(2, 0, dtype=torch.long)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"edge_index": NONE}, "no edge joins two nodes that have a label"),
        ({"y": torch.ones(60, 3, dtype=torch.long)}, "are several per item, [60, 3], where one class is asked for"),
        ({"y": torch.rand(60)}, "must be one whole number per node [60], not torch.float32 [60]"),
        ({"y": torch.zeros(60, dtype=torch.long)}, "fewer than two classes"),
    ],
)
@pytest.mark.parametrize("node", [None, 3])
def test_a_panel_on_labels_that_cannot_be_made_says_why(
    graph: Data, changed: dict[str, Tensor], reason: str, node: int | None
) -> None:
    for name, value in changed.items():
        graph[name] = value
    figures = RuleScene(graph, "NTSC", node, embedding=torch.eye(60)).figures()
    assert list(figures) == ["graph", "values", "overlap", "labels"]
    labels = figures.pop("labels")
    assert reason in " ".join(note.text for note in labels.layout.annotations).replace("<br>", " ")
    assert len(labels.data) == ("edge_index" in changed)  # a probe needs labels alone
    for figure in figures.values():
        nothing_empty(figure)


def test_graphs_with_nothing_to_draw_are_told_in_a_sentence(graph: Data) -> None:
    nobody = Data(edge_index=NONE, x=torch.zeros(0, 9), num_nodes=0)
    for make in (lambda: RuleScene(nobody).figures(), lambda: network.piece(nobody)):
        with pytest.raises(UserError, match="this graph has no nodes"):
            make()
    with pytest.raises(UserError, match="there is no node 0; this graph has none"):
        network.ego(nobody, 0)
    graph.x[7, 3] = float("nan")
    with pytest.raises(UserError, match="attribute column 3 of the graph holds NaN, first at node 7"):
        RuleScene(graph, "lgtc").figures()
    assert "attribute column 3 of" in RuleScene(graph, "ntsc").figures()["overlap"].layout.title.text


@pytest.mark.parametrize("node", [None, 3, 59])
def test_the_report_holds_every_picture(graph: Data, node: int | None) -> None:
    figures = RuleScene(graph, "forall u in N(v): degree(u) >= 3", node, embedding=torch.eye(60)).figures()
    assert list(figures) == ["graph", "values", "overlap", "labels"]
    for figure in figures.values():
        nothing_empty(figure)
        assert figure.layout.width is None
    assert "the rule above (" in figures["overlap"].data[0].y[-1]
    assert len(figures["labels"].data) == 2
    if node is not None:
        assert trace(figures["graph"], f"node {node}, chosen")


def test_text_from_outside_is_never_markup(graph: Data) -> None:
    names = [HOSTILE] * 60
    reading = readings.Reading(f"1 < {HOSTILE}", np.arange(60.0), "number", HOSTILE)
    told = plots.rule_map(reading, network.ego(graph, 3), 3, names).to_json()
    told += plots.rule_overlap({HOSTILE: np.ones(3, bool), "b": np.ones(3, bool)}, {HOSTILE: "a score"}).to_json()
    tables = {"a": strata.strata(np.arange(9.0), np.arange(9.0)), "b": HOSTILE}
    told += plots.rule_strata(tables, HOSTILE, HOSTILE).to_json()
    assert "<img" not in told and "<script" not in told and "&lt;img" in told
    graph.feature_names = ["<b>bold</b>", *map(str, range(39))]
    tree = plots.truth_tree(rules.explain('attribute(v, "<b>bold</b>") < 2 and 1 < 2', graph, 3))
    assert "<b>" not in tree and "&lt;b&gt;bold" in tree and "1 &lt; 2" in tree


def test_the_truth_tree_tells_every_part_with_its_numbers(graph: Data) -> None:
    node = next(i for i in range(60) if 2 <= len(neighbours(graph, i)) <= 5)
    explanation = rules.explain("exists u in N(v): degree(u) >= 4", graph, node)
    tree = plots.truth_tree(explanation)
    around = neighbours(graph, node)
    assert f"{sum(len(neighbours(graph, u)) >= 4 for u in around)} of {len(around)} nodes u fulfil it" in tree
    assert all(f"u is node {u}" in tree for u in around)
    assert tree.count("<details") == tree.count("</details>") and tree.count("<div") == tree.count("</div>")


# --------------------------------------------------------------------------------------------------------- pieces


def test_a_neighbourhood_holds_everything_within_its_hops(graph: Data) -> None:
    for node in (0, 7, 59):
        one = set(neighbours(graph, node))
        two = one.union(*(neighbours(graph, u) for u in one)) | {node}
        part = network.ego(graph, node, size=60)
        assert set(part.nodes) == two and part.nodes[0] == node
        assert f"{len(two)} of 60 nodes: all within 2 edges of node {node}" == part.told
        assert set(network.ego(graph, node, hops=1).nodes) == one | {node}


def test_a_large_neighbourhood_is_cut_and_stays_connected(graph: Data) -> None:
    hub = int(torch.bincount(graph.edge_index[0]).argmax())
    for size in (3, 8, 15):
        part = network.ego(graph, hub, size=size)
        assert len(part.nodes) == size and f"{size} of 60 nodes: a seeded part of the" in part.told
        reached = {0}
        for _ in range(size):
            reached |= {b for a, b in np.concatenate([part.edges, part.edges[::-1]], axis=1).T if a in reached}
        assert reached == set(range(size))
        assert network.ego(graph, hub, size=size).places.tobytes() == part.places.tobytes()


def test_a_piece_can_be_grown_from_a_node(graph: Data) -> None:
    assert network.piece(graph, 10, start=7).nodes[0] == 7
    assert network.piece(graph, 10, start=59).nodes.tolist() == [59]
    for make in (lambda: network.piece(graph, start=60), lambda: network.ego(graph, -1)):
        with pytest.raises(UserError, match="there is no node"):
            make()


# --------------------------------------------------------------------------------------------- what labels say


def test_label_homophily_is_the_share_by_hand(graph: Data) -> None:
    graph.y[4] = -1
    found = strata.label_homophily(graph)
    for node in range(60):
        around = [u for u in neighbours(graph, node) if graph.y[u] >= 0 and u != node]  # itself left out
        known = around and graph.y[node] >= 0
        expected = np.mean([bool(graph.y[u] == graph.y[node]) for u in around]) if known else np.nan
        np.testing.assert_equal(found[node], expected)


def test_a_probe_is_only_asked_about_nodes_that_it_was_not_trained_on() -> None:
    graph = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.arange(300) % 3, num_nodes=300)
    perfect = strata.probe_errors(torch.eye(3)[graph.y], graph, splits=4)
    assert perfect.max() == 0 and perfect.shape == (300,)
    # A row of one's own tells nothing of a node outside the training part, so that a leak would show as fewer errors.
    own = strata.probe_errors(torch.eye(300), graph, splits=4)
    assert 0.6 < np.nanmean(own) < 0.73
    assert own.tobytes() == strata.probe_errors(torch.eye(300), graph, splits=4).tobytes()


def test_strata_are_quantile_groups_with_their_means() -> None:
    draw = np.random.default_rng(0)
    score, value = draw.normal(size=503), draw.random(503)
    value[:20] = np.nan
    table = strata.strata(score, value)
    assert table["nodes"].sum() == 483 and (table["nodes"] - 483 / 5).abs().max() <= 1
    for low, high, nodes, mean in table[["low", "high", "nodes", "mean"]].itertuples(index=False):
        mine = (score >= low) & (score <= high) & np.isfinite(value)
        assert mine.sum() == nodes and value[mine].mean() == pytest.approx(mean)
    assert (table["from"] < table["mean"]).all() and (table["mean"] < table["to"]).all()


def test_the_interval_of_a_share_is_near_the_binomial_one() -> None:
    value = (np.arange(400) % 4 == 0).astype(float)
    row = strata.strata(np.zeros(400), value).iloc[0]
    assert row["to"] - row["from"] == pytest.approx(2 * 1.96 * np.sqrt(0.25 * 0.75 / 400), rel=0.1)


def test_truths_and_ties_make_a_group_a_value() -> None:
    table = strata.strata(np.array([0, 1, 1, 0, 1.0]), np.array([0, 1, 0, 0, 1.0]))
    assert table["low"].tolist() == table["high"].tolist() == [0, 1] and table["nodes"].tolist() == [2, 3]
    tied = strata.strata(np.concatenate([np.zeros(90), np.arange(10)]), np.ones(100))
    assert tied["nodes"].sum() == 100 and len(tied) < 5 and (tied["low"].diff().dropna() > 0).all()
    alone = strata.strata(np.array([1.0]), np.array([0.5]))
    assert np.isnan(alone["from"][0]) and alone["mean"][0] == 0.5
    with pytest.raises(UserError, match="one score and one value"):
        strata.strata(np.zeros(3), np.zeros(4))
    with pytest.raises(UserError, match="no node has both"):
        strata.strata(np.full(3, np.nan), np.zeros(3))


def test_strata_are_drawn_with_their_intervals(graph: Data) -> None:
    reading = read(graph, "degree(v) >= 5")
    errors = strata.probe_errors(torch.eye(60), graph)
    tables = strata.label_tables(reading.values, graph, errors)
    figure = plots.rule_strata(tables, reading.text, kind=reading.kind)
    for one, table in zip(figure.data, tables.values(), strict=True):
        np.testing.assert_allclose(one.y, 100 * table["mean"])
        np.testing.assert_allclose(one.y + one.error_y.array, 100 * table["to"])
        np.testing.assert_allclose(one.y - one.error_y.arrayminus, 100 * table["from"])
    assert [text.split("<br>")[0] for text in figure.layout.xaxis.ticktext] == ["false", "true"]
    axis = plots.rule_strata(tables, "min(degree(v), 1)", kind="number").layout.xaxis  # a score may be 0 or 1 too
    assert [text.split("<br>")[0] for text in axis.ticktext] == ["0", "1"] and axis.title.text == "score"
    report = RuleScene(graph, "min(degree(v), 1)").figures()["labels"].layout.xaxis
    assert [text.split("<br>")[0] for text in report.ticktext] == ["1"]  # isolated nodes have no neighbours to ask
    assert RuleScene(graph, "degree(v) >= 5").figures()["labels"].layout.xaxis.ticktext[0].startswith("false<br>")
    assert "95 % bootstrap interval" in figure.layout.title.text
