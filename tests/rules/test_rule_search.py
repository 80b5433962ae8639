"""The search for rules: what was planted is found among the first, by chance nothing is, and rows say what they say."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.rules import searching

NODES = 800


@pytest.fixture(scope="module")
def graph() -> Data:
    return wb.graphs.planted(nodes=NODES, commonsense=0, seed=3)


def torn(graph: Data, holds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two embeddings that agree but for a rotation and noise, which is large where a rule holds [nodes, 8]."""
    generator = torch.Generator().manual_seed(0)
    first, noise = torch.randn(2, NODES, 8, generator=generator)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q
    return first, (first + (0.3 + holds.float()[:, None]) * noise) @ rotation


@pytest.mark.parametrize("planted", ["triangles(v) >= 3", "degree(v) >= 8 and clustering(v) <= 0.1", "core(v) <= 3"])
def test_the_planted_rule_is_found_among_the_first(graph: Data, planted: str) -> None:
    holds = wb.rules.evaluate(planted, graph)
    found = wb.rules.search(graph, *torn(graph, holds))
    alike = [abs(np.corrcoef(wb.rules.evaluate(rule, graph), holds)[0, 1]) for rule in found["formula"][:3]]
    assert max(alike) > 0.8
    assert (found["score"][:3] > found["by_chance"][:3]).all()


def test_on_permuted_disagreement_nothing_scores(graph: Data) -> None:
    holds = wb.rules.evaluate("triangles(v) >= 3", graph)
    above = []
    for seed in range(5):
        order = torch.randperm(NODES, generator=torch.Generator().manual_seed(seed))
        found = wb.rules.search(graph, *torn(graph, holds[order]), seed=seed)
        above.append((found["score"] > found["by_chance"]).any())
    assert sum(above) <= 1


def test_each_row_says_what_its_formula_does(graph: Data) -> None:
    first, second = torn(graph, wb.rules.evaluate("triangles(v) >= 3", graph))
    found = wb.rules.search(graph, first, second, most=6)
    assert len(found) == 6 and found["fitted"].is_monotonic_decreasing
    assert found["formula"].str.replace(r"(\d|\.)+", "", regex=True).is_unique  # no two differ in numbers only
    for row in found.itertuples():
        assert row.share == pytest.approx(float(wb.rules.evaluate(row.formula, graph).mean()), abs=1e-6)
        assert row.says.startswith("A node whose ") and row.formula.rsplit(" ", 1)[1] in row.says


def test_disagreement_and_unlikeness_by_hand() -> None:
    first = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2]]
    second = first[:, [1, 2, 0]].clone()
    second[3] = second[2]  # the last one moves to the third
    found = searching.disagreement(first, second, torch.Generator())
    wanted = [1 - np.corrcoef(first[v] @ first.T, second[v] @ second.T)[0, 1] for v in range(4)]
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert found[0] == pytest.approx(0, abs=1e-9) and found[3] > 0.3
    links = Data(edge_index=torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]]), num_nodes=4)
    unlike = searching.unlikeness(wb.rules.Terms(links), first)
    np.testing.assert_allclose(unlike, [0.5, 0, 1, 1])


def test_what_does_not_fit_is_told(graph: Data) -> None:
    with pytest.raises(UserError, match=r"shape \[7, 2\] don't fit a graph of 800 nodes"):
        wb.rules.search(graph, torch.ones(7, 2))
    with pytest.raises(UserError, match="most is 0; it must be a whole number above 0"):
        wb.rules.search(graph, torch.ones(NODES, 2), most=0)
