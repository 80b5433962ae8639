"""Agreement of two embeddings: each measure by its definition, what must not change it, and what must."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.evaluation.alignment import Agreement, agreement, linear_cka, procrustes
from workbench.evaluation.projection import align, project, turned
from workbench.plots import agreement_chart, agreement_maps, confusion_change, side_by_side, style

K = 6


def normal(rows: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


def rotated(x: torch.Tensor, seed: int = 9) -> torch.Tensor:
    return x @ torch.linalg.qr(normal(x.shape[1], x.shape[1], seed))[0]


def nearest_by_hand(x: torch.Tensor, k: int = K) -> list[list[int]]:
    rows = torch.nn.functional.normalize(x.double(), dim=1).numpy()
    cosines = rows @ rows.T
    return [[j for j in np.argsort(-cosines[i], kind="stable") if j != i][:k] for i in range(len(rows))]


@pytest.fixture
def given(small_graph: Data) -> tuple[torch.Tensor, torch.Tensor, Data]:
    """Two embeddings of different dimensions that have a part in common; three nodes have no label."""
    small_graph.y[[4, 17, 40]] = -1
    centres = 0.7 * normal(3, 7, 5)[small_graph.y]
    one = centres + normal(60, 7, 0)
    other = torch.cat([one[:, :4] + 0.5 * normal(60, 4, 1), normal(60, 1, 2)], dim=1)
    return one, other, small_graph


def by_node(found: Agreement) -> pd.DataFrame:
    return found.nodes.set_index("node").sort_index()


# ------------------------------------------------------------------------------------------------- by definition


def test_overlap_and_own_class_are_counted_as_defined(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    found = agreement(one, other, graph, K)
    near, labels, nodes = [nearest_by_hand(x) for x in (one, other)], graph.y.tolist(), by_node(found)
    for i in range(60):
        assert nodes.loc[i, "overlap"] == pytest.approx(len(set(near[0][i]) & set(near[1][i])) / K)
        for side, lists in zip(("one", "other"), near, strict=True):
            told = [labels[j] for j in lists[i] if labels[j] >= 0]
            counts = [told.count(c) for c in range(3)]
            if labels[i] < 0:
                assert np.isnan(nodes.loc[i, f"own class, {side}"]) and np.isnan(nodes.loc[i, f"abundance, {side}"])
                continue
            assert nodes.loc[i, f"own class, {side}"] == pytest.approx(counts[labels[i]] / len(told))
            geometric = np.prod([count + 1 for count in counts]) ** (1 / 3)
            expected = np.log10((counts[labels[i]] + 1) / geometric)
            assert nodes.loc[i, f"abundance, {side}"] == pytest.approx(expected, abs=1e-12)
    links = {(int(a), int(b)) for a, b in graph.edge_index.T if a != b}
    assert nodes["degree"].tolist() == [sum(a == i for a, _ in links) for i in range(60)]
    assert found.summary.loc["neighbourhood overlap", "value"] == pytest.approx(nodes["overlap"].mean())
    assert found.summary.loc["neighbourhood overlap", "chance"] == K / 59


def test_classes_are_mixed_as_counted_pair_by_pair(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    found, labels = agreement(one, other, graph, K), graph.y.tolist()
    mixed = []
    for x, confusion in zip((one, other), found.confusion, strict=True):
        counts = np.zeros((3, 3))
        for i, near in enumerate(nearest_by_hand(x)):
            for j in near:
                if labels[i] >= 0 and labels[j] >= 0:
                    counts[labels[i], labels[j]] += 1
        mixed.append(counts / counts.sum(axis=1, keepdims=True))
        np.testing.assert_allclose(confusion, mixed[-1])
    overlap = by_node(found)["overlap"]
    for c, row in enumerate(found.classes.to_dict("records")):
        assert row["nodes"] == labels.count(c)
        assert row["overlap"] == pytest.approx(np.mean([overlap[i] for i in range(60) if labels[i] == c]))
        assert row["low"] < row["overlap"] < row["high"]
        assert row["confusion, one"] == pytest.approx(1 - mixed[0][c, c])
        assert row["confusion change"] == pytest.approx(mixed[0][c, c] - mixed[1][c, c])
        a, b = ([shares[c, d] for d in range(3) if d != c] for shares in mixed)
        assert row["neighbourhood"] == pytest.approx(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))
        mine = by_node(found).loc[[i for i in range(60) if labels[i] == c]]
        assert row["abundance, other"] == pytest.approx(mine["abundance, other"].mean())
        assert row["abundance change"] == pytest.approx((mine["abundance, other"] - mine["abundance, one"]).mean())
    assert [*found.classes.index] == ["0", "1", "2"]


def test_cka_is_that_of_the_two_kernel_matrices() -> None:
    x, y = normal(50, 9, 0).double().numpy(), normal(50, 4, 1).double().numpy()
    y[:, :2] += x[:, :2]
    centre = np.eye(50) - 1 / 50
    k, m = (centre @ z @ z.T @ centre for z in (x, y))
    expected = np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-12)
    assert 0.05 < expected < 0.95


def test_procrustes_is_the_least_over_rotations() -> None:
    x, y = normal(40, 5, 0).double().numpy(), normal(40, 2, 1).double().numpy()
    y += x[:, :2]
    disparity, distances = procrustes(x, y)
    a, b = (z - z.mean(0) for z in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    kept = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    assert disparity == pytest.approx(1 - kept**2)
    assert np.mean(distances**2) == pytest.approx(disparity)
    draw = np.random.default_rng(0)
    padded = np.pad(b, ((0, 0), (0, 3)))
    for _ in range(200):  # no rotation and scale that one may try does better
        turn = np.linalg.qr(draw.normal(size=(5, 5)))[0]
        assert ((a - draw.uniform(0, 1.2) * padded @ turn) ** 2).sum() >= disparity - 1e-12


def test_a_group_is_told_of_as_its_nodes_are(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    found, group = agreement(one, other, graph, K), [7, 3, 21, 22, 23, 50]
    told, nodes = found.of(group), by_node(found).loc[group]
    assert told["nodes"] == 6
    assert told["neighbourhood overlap"] == pytest.approx(nodes["overlap"].mean())
    assert told["own class among neighbours, other"] == pytest.approx(nodes["own class, other"].mean())
    for side, x in (("one", one), ("other", other)):
        near = nearest_by_hand(x)
        inside = np.mean([j in group for i in group for j in near[i]])
        assert told[f"neighbours in the group, {side}"] == pytest.approx(inside)


# ------------------------------------------------------------------------------ what must not change it, and what must


def test_an_embedding_agrees_with_itself_rotated_and_scaled(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, _, graph = given
    for other in (one, 3 * rotated(one), torch.nn.functional.pad(one, (0, 4))):
        found = agreement(one, other, graph, K)
        assert found.summary["value"].tolist() == pytest.approx([1, 1, 0], abs=1e-9)
        assert (found.nodes["overlap"] == 1).all() and found.nodes["distance"].max() < 1e-5
        assert (
            found.summary.loc["linear CKA", "chance"] < 0.3 < 0.6 < found.summary.loc["Procrustes disparity", "chance"]
        )
        assert found.summary.loc["neighbourhood overlap", ["low", "high"]].tolist() == [1, 1]
        assert (found.classes["confusion change"] == 0).all() and (found.classes["abundance change"] == 0).all()
        np.testing.assert_allclose(found.classes["neighbourhood"], 1)


def test_embeddings_that_have_nothing_in_common_agree_by_chance() -> None:
    graph = Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=600)
    whole = agreement(normal(600, 8, 0), normal(600, 12, 1), graph, 10, seed=3).summary
    overlap = whole.loc["neighbourhood overlap"]
    assert overlap["low"] < overlap["chance"] < overlap["high"]
    for name, near in (("linear CKA", 0.01), ("Procrustes disparity", 0.02)):
        assert whole.loc[name, "value"] == pytest.approx(whole.loc[name, "chance"], abs=near)
    assert whole.loc["linear CKA", "value"] < 0.05 and whole.loc["Procrustes disparity", "value"] > 0.9


def test_the_nodes_that_were_moved_are_those_that_moved_most() -> None:
    labels = torch.arange(160) % 4
    one = 20 * torch.eye(4, 10)[labels] + normal(160, 10, 0)
    moved = torch.nonzero(labels == 2).flatten()
    other = one.clone()
    other[moved] = one[moved.roll(7)]  # each takes another's place, within the class
    graph = Data(y=labels, edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=160)
    found = agreement(one, rotated(other), graph, 5)
    assert set(found.nodes["node"][:40]) == set(moved.tolist())
    assert (found.nodes["overlap"][40:] == 1).all() and found.nodes["overlap"][:40].max() < 0.7
    assert (found.nodes["overlap"].diff()[1:] >= 0).all()
    tied = found.nodes[found.nodes["overlap"] == found.nodes["overlap"][0]]["distance"]
    assert len(tied) > 1 and (tied.diff()[1:] <= 0).all()
    change = found.classes["overlap"]
    assert change.idxmin() == "2" and (change.drop("2") == 1).all()


# ------------------------------------------------------------------------------------------------- what it is given


def test_any_grouping_takes_the_place_of_labels(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    labelled = agreement(one, other, graph, K)
    graph.class_names = ["ape", "bee", "cow"]
    named = agreement(one, other, graph, K)
    assert [*named.classes.index] == [*named.confusion[0].columns] == graph.class_names
    np.testing.assert_array_equal(named.classes, labelled.classes)
    grouped = agreement(one, other, graph, K, groups=10 * graph.y)
    assert [*grouped.classes.index] == ["0", "10", "20"]
    np.testing.assert_array_equal(grouped.classes, labelled.classes)
    halves = agreement(one, other, graph, K, groups=one[:, 0] > 0)
    assert [*halves.classes.index] == ["0", "1"] and halves.classes["neighbourhood"].isna().all()
    graph.y, graph.node_names = None, [f"node {i}" for i in range(60)]
    without = agreement(one, other, graph, K)
    assert without.classes.empty and without.nodes["class"].isna().all()
    assert (without.nodes["name"] == "node " + without.nodes["node"].astype(str)).all()
    np.testing.assert_array_equal(without.summary, labelled.summary)


def test_neighbours_of_a_stored_run_are_looked_for_once(
    given: tuple[torch.Tensor, torch.Tensor, Data], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, graph = given
    runs = [SimpleNamespace(embeddings=x, path=tmp_path / name) for x, name in ((one, "a"), (other, "b"))]
    first = agreement(*runs, graph, K)
    monkeypatch.setattr("workbench.evaluation.neighbourhoods.search", lambda *_: pytest.fail("looked for again"))
    pd.testing.assert_frame_equal(agreement(*runs, graph, K).nodes, first.nodes)
    assert [file.parent.name for file in tmp_path.glob("*/maps/nearest*")] == ["maps", "maps"]


def test_what_cannot_be_compared_is_named(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    for message, arguments in {
        r"one row per node \[60, dim\]": (one, other[:59], graph),
        "k must lie between 1 and 59": (one, other, graph, 60),
        "not 0": (one, other, graph, 0),
        "groups are one whole number per node": (one, other, graph, K, one[:, 0]),
        r"not int64 \[3\]": (one, other, graph, K, [1, 2, 3]),
        "point in one direction": (one, torch.ones(60, 3) * (1 + torch.arange(60))[:, None], graph),
        "not finite": (one / 0, other, graph),
    }.items():
        with pytest.raises(UserError, match=message):
            agreement(*arguments)


def test_evaluation_is_imported_without_what_draws() -> None:
    code = "import sys, workbench.evaluation; print([m for m in ('umap', 'plotly') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# ----------------------------------------------------------------------------------------------------- its pictures


def test_the_chart_shows_the_table(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    found = agreement(*given, K)
    fig, table = agreement_chart(found, ("<a>", "b")), found.classes
    marks = [trace for trace in fig.data if trace.mode == "markers"]
    panels = [
        "overlap",
        "neighbourhood",
        *(f"{m}, {side}" for m in ("confusion", "abundance") for side in ("one", "other")),
    ]
    for trace, name in zip(marks, panels, strict=True):
        np.testing.assert_array_equal(trace.x, table[name])
    np.testing.assert_allclose(marks[0].x + marks[0].error_x.array, table["high"])
    np.testing.assert_allclose(marks[0].x - marks[0].error_x.arrayminus, table["low"])
    assert [*marks[0].y] == [f"{c} ({n})" for c, n in table["nodes"].items()]
    assert {shape.x0 for shape in fig.layout.shapes} == {K / 59} and "never to train" in fig.layout.title.subtitle.text
    assert all("<a>" not in str(trace.name) for trace in fig.data)
    change = confusion_change(found, ("a", "b")).data[0]
    np.testing.assert_allclose(np.array(change.z), 100 * (found.confusion[1] - found.confusion[0]))
    assert change.zmin == -change.zmax and np.abs(change.z).max() <= change.zmax
    empty = agreement(*given, K, groups=np.full(60, -1))
    for draw in (agreement_chart, confusion_change):
        with pytest.raises(UserError, match="knows no classes"):
            draw(empty)


def test_the_maps_have_the_same_nodes_colours_and_axes(given: tuple[torch.Tensor, torch.Tensor, Data]) -> None:
    one, other, graph = given
    found = agreement(one, other, graph, K)
    drawn = [project(x, "pca") for x in (one, other)]
    drawn = drawn[0], turned(drawn[1], drawn[0])
    np.testing.assert_array_equal(drawn[1].points, align(project(other, "pca").points, drawn[0].points))
    first, second = figures = agreement_maps(found, drawn, "class", ("a", "b"), chosen=8)
    assert (
        first.layout.xaxis.range == second.layout.xaxis.range and first.layout.yaxis.range == second.layout.yaxis.range
    )
    for fig, points in ((first, drawn[0].points), (second, drawn[1].points)):
        nodes = [trace for trace in fig.data if trace.customdata is not None]
        for trace in nodes:
            np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), points[trace.customdata])
            of_class = -1 if trace.name == "no label" else int(trace.name)
            assert (graph.y[trace.customdata.tolist()] == of_class).all()
            assert trace.marker.color == style.class_marker(of_class)["color"]
        rings = {trace.name: trace for trace in fig.data if trace.customdata is None}
        for name, lists in (
            ("nearest in the first", nearest_by_hand(one)),
            ("nearest in the second", nearest_by_hand(other)),
        ):
            np.testing.assert_array_equal(rings[name].x, points[sorted(lists[8]), 0])
        assert [*rings["chosen"].x] == [points[8, 0]]
    long = agreement_maps(found, drawn, "class", ("a" * 40, "b"), 8)[0]
    assert {trace.name for trace in long.data} == {
        trace.name for trace in first.data
    }  # an entry is as wide as the longest
    assert "turned" in second.layout.title.subtitle.text and "turned" in second.layout.xaxis.title.text
    both = side_by_side(figures, "a and b")
    assert isinstance(both, go.Figure) and len(both.data) == len(first.data) + len(second.data)
    overlap = agreement_maps(found, drawn)[1].data[0]
    np.testing.assert_array_equal(overlap.marker.color, by_node(found)["overlap"])
    hits = agreement_maps(found, drawn, "neighbourhood hit")[0].data[0]
    np.testing.assert_array_equal(hits.marker.color, drawn[0].hits)
    assert (overlap.marker.cmin, overlap.marker.cmax) == (hits.marker.cmin, hits.marker.cmax) == (0, 1)
    with pytest.raises(UserError, match="unknown colour 'clas'; did you mean 'class'"):
        agreement_maps(found, drawn, "clas")
