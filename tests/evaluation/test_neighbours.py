"""The nearest nodes of one: against a loop, by name, and told in one sentence where there is no such node."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

import workbench as wb
from workbench.errors import UserError
from workbench.evaluation.neighbourhoods import found_node, typed_as


@pytest.fixture
def named(small_graph: Data) -> Data:
    small_graph.node_names = [f"paper {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]
    small_graph.class_names = ["red", "green", "blue"]
    return small_graph


def test_the_nearest_are_those_of_a_loop_with_hops_and_classes(named: Data) -> None:
    x = torch.randn(60, 7, generator=torch.Generator().manual_seed(1))
    found = wb.neighbours(x, "paper ac", 12, named)
    cosine = {j: float(torch.cosine_similarity(x[2], x[j], dim=0)) for j in range(60) if j != 2}
    assert found["node"].tolist() == sorted(cosine, key=cosine.get, reverse=True)[:12]  # type: ignore[arg-type]
    np.testing.assert_allclose(found["cosine"], [cosine[j] for j in found["node"]], atol=1e-6)
    links = to_networkx(named, to_undirected=True)
    for row in found.itertuples():
        assert row.name == named.node_names[row.node]
        assert row[3] == named.class_names[int(named.y[row.node])]  # "class" is no name that a tuple may have
        far = nx.shortest_path_length(links, 2, row.node) if nx.has_path(links, 2, row.node) else None
        assert row.hops == far if far is not None else pd.isna(row.hops)
    everybody = wb.neighbours(x, 2, 59, named)
    assert everybody["hops"].isna().sum() == 2  # the nodes without edges


def test_a_bare_matrix_sparse_or_not_has_numbers_alone() -> None:
    x = torch.zeros(40, 90)
    x[torch.arange(40), torch.arange(40)] = 1.0
    x[3, :2] = torch.tensor([2.0, 1.0])
    x[7] = 0.0  # like nobody
    found = wb.neighbours(x, 0, 2)
    assert list(found) == ["node", "cosine"] and found["node"].tolist() == [3, 1]
    np.testing.assert_allclose(found["cosine"], [2 / 6**0.5, 0.0], atol=1e-6)
    assert (wb.neighbours(x, 7, 39)["cosine"] == 0).all()


def test_several_classes_a_node_are_joined_and_none_is_empty(named: Data) -> None:
    named.y = torch.zeros(60, 3, dtype=torch.long)
    named.y[1] = torch.tensor([1, 0, 1])
    found = wb.neighbours(torch.eye(60), 0, 59, named).set_index("node")
    assert found.loc[1, "class"] == "red, blue" and found.loc[2, "class"] == ""


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ("papre ab", "no node's name holds 'papre ab'; did you mean 'paper ab'?"),
        ("paper", "60 names hold 'paper'; type more of one, or a number: node 0 (paper aa)"),
        (60, "there is no node 60; this graph has 60, from 0 to 59"),
        ("60", "there is no node 60"),
        (1.5, "there is no node 1.5"),
    ],
)
def test_a_node_that_is_none(named: Data, node: object, told: str) -> None:
    with pytest.raises(UserError) as refused:
        wb.neighbours(torch.eye(60), node, 3, named)
    assert told in str(refused.value)


@pytest.mark.parametrize("k", [0, 60, -1, True, 2.0])
def test_k_has_its_limits(k: object) -> None:
    if k is True:  # one is a number of nodes, true is none
        with pytest.raises(UserError):
            wb.neighbours(torch.eye(60), 0, k)  # type: ignore[arg-type]
        return
    with pytest.raises(UserError, match="k must lie between 1 and 59"):
        wb.neighbours(torch.eye(60), 0, k)  # type: ignore[arg-type]


def test_nodes_named_by_numbers_are_found_by_their_names_only() -> None:
    names = ["1003", "2", "1", "x"]
    assert found_node("1003", names, 4) == 0 and found_node(" 2 ", names, 4) == 1 and found_node("1", names, 4) == 2
    with pytest.raises(UserError, match="no node's name is '3'"):  # would be node 3 among nodes without names
        found_node("3", names, 4)
    assert [found_node(typed_as(node, names), names, 4) for node in range(4)] == [0, 1, 2, 3]
    assert typed_as(2, ["a", "b", "c"]) == "2" and typed_as(2, None) == "2"
    assert found_node("Bob", ["bob", "Bob"], 2) == 1


def test_users_and_items_are_asked_one_at_a_time() -> None:
    run = type("Run", (), {"embeddings": {"user": torch.eye(4), "item": torch.eye(5)}})()
    with pytest.raises(UserError, match="embeddings of user, item are not one matrix; give one"):
        wb.neighbours(run, 0)
    assert len(wb.neighbours(run.embeddings["item"], 0, 4)) == 4
