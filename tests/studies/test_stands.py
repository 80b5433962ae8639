"""What experiments learn on besides digits: attributes of nodes, their PageRank, words of two planted graphs."""

from typing import Any

import networkx
import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot
from torch_geometric.utils import to_networkx

from workbench.datasets import load_graph
from workbench.studies.experiments import cacr, mcl, supremix
from workbench.studies.experiments.training import attributes, held_out


def test_weights_of_equal_similarities_are_even_and_a_low_temperature_leaves_few_negatives() -> None:
    same = torch.ones(6, 4)
    assert cacr.evenness((same, same, same), 0.1) == pytest.approx((1.0, 1.0))
    pairs = one_hot(torch.arange(12) // 2, 6).float()  # of eleven others one is as near as can be, in both other views
    positives, negatives = cacr.evenness((pairs, pairs, pairs), 0.01)
    assert abs(positives - 1) < 1e-6 and abs(negatives - np.log(2) / np.log(22)) < 1e-5
    opposite = cacr.evenness((pairs, pairs, -pairs), 0.01)[0]
    share = np.array([1, np.exp(4)]) / (1 + np.exp(4))  # squared distances of 0 and 4
    assert abs(opposite - -(share * np.log(share)).sum() / np.log(2)) < 1e-5


def test_the_number_of_a_node_is_the_logarithm_of_its_pagerank_and_its_row_has_a_one_for_each_word() -> None:
    graph, rows = load_graph("cora"), supremix.numbered(supremix.CORA)
    assert set(rows.x.unique().tolist()) == {0.0, 1.0} and (rows.x.sum(1) == (graph.x > 0).sum(1)).all()
    assert abs(float(rows.y.mean())) < 1e-4 and abs(float(rows.y.std()) - 1) < 1e-4
    # The equation of PageRank itself, by which a node gives 85 % of its rank to its neighbours, in equal parts.
    spread = np.log([*networkx.pagerank(to_networkx(graph)).values()]).std(ddof=1)  # that standardising took away
    rank, degree = (rows.y.double() * spread).exp(), torch.bincount(graph.edge_index[0]).double()
    given = torch.zeros_like(rank).index_add(0, graph.edge_index[1], (rank / degree)[graph.edge_index[0]])
    base = rank - 0.85 * given
    assert float(base.std() / base.mean()) < 0.1, "what is not given is the same for all, but for where iteration ends"


def told(rows: Any, side: str) -> dict[str, float]:
    """How well the words of one side tell each class, in %."""
    half = rows.x.shape[1] // 2
    columns = slice(half) if side == "strong" else slice(half, None)
    return {name: held_out(rows.x[:, columns], rows[name]) for name in ("strong", "weak")}


def test_planted_words_tell_both_classes_but_for_noise_and_a_draw_has_graphs_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, other = (mcl.drawn(True, seed) for seed in (0, 1))
    half = rows.x.shape[1] // 2
    assert len(rows.x) == mcl.ROWS and not torch.equal(rows.strong, other.strong)
    assert abs(float(rows.x[:, half:].std() / rows.x[:, :half].std()) - 0.3) < 0.01
    assert abs(float(rows.x[:, :half].std()) - 10**0.5) < 0.1  # a word's own deviation is 1
    noisy = {side: told(rows, side)[side] for side in ("strong", "weak")}
    monkeypatch.setattr(mcl, "NOISE", 0.0)
    rows = mcl.drawn(True, 0)
    for side, accuracy in noisy.items():
        found = told(rows, side)
        assert found[side] > 90 > 70 > accuracy > 30 and min(found.values()) < 40


def test_attributes_are_rows_with_the_classes_of_the_graph() -> None:
    graph = load_graph("cora")
    assert torch.equal(attributes(graph).y, graph.y) and attributes(graph).x.shape == graph.x.shape
