"""Scenarios around a set of graphs: what they change, by what seed, and what they leave."""

import re

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.scenarios import imbalanced, noisy, reduced
from workbench.errors import UserError


def entries(graph: Data) -> set[tuple[int, int]]:
    return {*map(tuple, graph.edge_index.T.tolist())}


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_noise_replaces_a_share_of_the_edges_of_each_graph_and_keeps_symmetry(share: float) -> None:
    clean, changed = wb.load_graph("rings"), wb.load_graph(f"rings:noise={share},seed=1")
    assert changed.name == f"rings:noise={share},seed=1" and len(changed) == len(clean)
    for before, after in zip(clean, changed, strict=True):
        old, new = entries(before), entries(after)
        assert len(old - new) == len(new - old) == 2 * round(share * len(old) / 2) > 0
        assert all((b, a) in new and a != b for a, b in new)
        degrees = torch.bincount(after.edge_index[0], minlength=after.num_nodes)
        assert torch.equal(after.x.argmax(1), degrees), "attributes that are degrees are those of the changed graph"
        assert torch.equal(after.y, before.y)
    again, other = wb.load_graph(f"rings:noise={share},seed=1"), wb.load_graph(f"rings:noise={share},seed=2")
    assert wb.datasets.content_hash(again) == wb.datasets.content_hash(changed) != wb.datasets.content_hash(other)


def test_other_attributes_and_dense_graphs_survive_noise() -> None:
    complete = Data(x=torch.randn(4, 2), edge_index=torch.combinations(torch.arange(4)).T, y=torch.tensor([0]))
    complete.edge_index = torch.cat([complete.edge_index, complete.edge_index.flip(0)], 1)
    alone = Data(x=torch.randn(1, 2), edge_index=torch.empty(2, 0, dtype=torch.long), y=torch.tensor([1]))
    after = noisy(GraphSet([complete, alone]), 0.3)
    assert entries(after[0]) == entries(complete), "no pair is free"
    assert after[1].edge_index.shape == (2, 0)
    assert all(torch.equal(a.x, b.x) for a, b in zip(after, [complete, alone], strict=True))


def test_no_noise_is_the_clean_run_bit_for_bit(tmp_path) -> None:
    clean, silent = wb.load_graph("rings"), wb.load_graph("rings:noise=0,imbalance=1")
    assert wb.datasets.content_hash(clean) == wb.datasets.content_hash(silent)
    runs = [
        wb.fit("infograph", data, "small", store=tmp_path / str(n), progress=False, epochs=1)
        for n, data in enumerate((clean, silent))
    ]
    assert torch.equal(runs[0].embeddings, runs[1].embeddings)


def test_imbalance_keeps_a_share_of_one_class() -> None:
    clean = wb.load_graph("rings")
    for rare in (0, 1):
        few = wb.load_graph(f"rings:imbalance=0.2,class={rare},seed=3")
        y = torch.cat([graph.y for graph in few])
        assert int((y == rare).sum()) == 20 and int((y != rare).sum()) == 100
    assert len(imbalanced(clean, 1e-6)) == 101
    assert wb.datasets.content_hash(imbalanced(clean, 0.2, 0, 0)) != wb.datasets.content_hash(
        imbalanced(clean, 0.2, 0, 1)
    )


@pytest.mark.parametrize("shots", [5, 10, 20])
def test_few_shots_train_on_so_many_of_each_class(shots: int) -> None:
    data = wb.load_graph("rings:imbalance=0.3")
    y = wb.datasets.labels_of(data)
    for split in wb.protocols.get(f"svc-{shots}-shot").splits(data, 3):
        assert np.bincount(y[split.train]).tolist() == [shots, shots]
        assert len(split.test) == len(data) - 2 * shots


def test_few_shots_are_scored_by_a_svc_of_the_rest() -> None:
    data = wb.load_graph("rings")
    scores = wb.evaluate(wb.evaluation.BASELINES.get("weisfeiler-lehman").embed(data), data, "svc-20-shot", 1)
    assert scores.accuracy > 90 and scores.per_split["train"].tolist() == [40]


def test_a_class_with_too_few_graphs_for_the_shots_is_named() -> None:
    data = wb.load_graph("rings:imbalance=0.05")
    with pytest.raises(UserError, match=r"trains on 5 graphs of each class and tests on others; .* has 5"):
        wb.protocols.get("svc-5-shot").splits(data, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("noise=2", r"noise of a scenario is 2; it must be in \[0, 1\]"),
        ("noise=much", "noise of a scenario is 'much'; it must be a number"),
        ("nose=0.1", "unknown scenario 'nose'.*did you mean 'noise'"),
        ("imbalance=0", "imbalance of a scenario is 0; it must be above 0"),
        ("imbalance=0.1,class=7", "unknown class"),
        ("class=1", "there is no imbalance"),
        ("noise=0.1,seed=-1", "seed of a scenario is -1"),
        ("noise=nan", "noise of a scenario is nan"),
        ("", "unknown scenario ''"),
    ],
)
def test_a_scenario_that_is_none_is_refused_in_a_sentence(words: str, message: str, capsys) -> None:
    assert main(["graphs", f"rings:{words}"]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and said.count("\n") == 1


def test_rows_of_some_classes_are_inverted() -> None:
    plain, other = wb.load_graph("digits-placed:classes=5-9"), wb.load_graph("digits-placed:classes=5-9,inverted")
    assert torch.equal(other.x, 1 - plain.x) and torch.equal(other.y, plain.y) and other.class_names == [*"56789"]
    for words, message in [("turned", "unknown scenario 'turned'"), ("inverted=2", "unknown scenario 'inverted='")]:
        with pytest.raises(UserError, match=message):
            wb.load_graph(f"digits-placed:{words}")


def test_a_scenario_is_trained_and_scored_from_the_command_line(capsys) -> None:
    assert main(["fit", "graphcl", "rings:noise=0.1", "--preset", "small", "-p", "epochs=1"]) == 0
    assert "rings:noise=0.1" in capsys.readouterr().out


def test_some_classes_are_kept_and_numbered_anew() -> None:
    whole, some = wb.load_graph("digits-placed"), wb.load_graph("digits-placed:classes=5-9")
    kept = whole.y >= 5
    assert torch.equal(some.x, whole.x[kept]) and torch.equal(some.y, whole.y[kept] - 5)
    assert some.class_names == ["5", "6", "7", "8", "9"] and some.name == "digits-placed:classes=5-9"
    one = wb.load_graph("digits-stripes:classes=3")
    assert one.y.unique().tolist() == [0] and len(one.target) == len(one.overlay) == len(one.x)


def test_attributes_are_cut_to_singular_directions(small_graph: Data) -> None:
    cut = reduced(small_graph, 7)
    u, values, _ = torch.linalg.svd(small_graph.x, full_matrices=False)
    wanted = torch.nn.functional.normalize(u[:, :7] * values[:7])
    torch.testing.assert_close(cut.x @ cut.x.T / 7, wanted @ wanted.T, rtol=1e-3, atol=1e-3)
    assert torch.equal(cut.edge_index, small_graph.edge_index) and small_graph.x.shape == (60, 40)
    sparse = small_graph.clone()
    sparse.x = sparse.x.to_sparse_csr()
    torch.testing.assert_close(reduced(sparse, 7).x, cut.x, rtol=1e-3, atol=1e-3)
    assert (
        wb.load_graph("karate:svd=3").x.shape == (34, 3)
        and wb.load_graph("karate:svd=3:links").name == "karate:svd=3:links"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("digits-placed:classes=5-12", "unknown class '10' of a scenario"),
        ("digits-placed:classes=9-5", "classes of a scenario are '9-5'; they are written 5-9, or 5 for one"),
        ("digits-placed:classes=five", "are 'five'"),
        ("digits-placed:noise=0.1", "unknown scenario 'noise' of rows of an array"),
        ("diabetes:classes=0", "these rows have no classes"),
        ("karate:svd=34", "svd of a scenario is 34; it must be from 1 to 33, below the 34 nodes"),
        ("karate:svd=0", "svd of a scenario is 0"),
        ("rings:svd=3", "'rings' is no single graph"),
    ],
)
def test_a_scenario_that_can_not_be_is_refused_in_a_sentence(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        wb.load_graph(name)
