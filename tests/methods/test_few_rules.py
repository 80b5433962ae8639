"""few-rules: what rules say is a distance of its own, by hand; on planted graphs it helps and its placebo doesn't."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.evaluation.choosing import validation
from workbench.methods.nodes.few_rules import FewRules, FewRulesConfig
from workbench.randomness import Randomness

RULES = ("degree(v) >= 6", "triangles(v)")
SMALL = {"cut": 5, "hidden": 8, "dim": 4, "anchors": 20, "negatives": "uniform", "k": 6, "rules": RULES}


def model(graph: Data, seed: int = 0, **settings: object) -> FewRules:
    torch.manual_seed(0)
    return FewRules(FewRulesConfig.from_flat(SMALL | settings), graph, Randomness(seed))


def by_hand(graph: Data) -> np.ndarray:
    """Return what the two rules say, standardised, each row of mean square 1 in all [nodes, 2]."""
    links = np.zeros((60, 60))
    for source, target in graph.edge_index.T.tolist():
        links[source, target] += 1
    closed = (links > 0).astype(float)
    np.fill_diagonal(closed, 0)
    said = np.stack([links.sum(1) >= 6, np.diag(closed @ closed @ closed) / 2], 1)
    return (said - said.mean(0)) / said.std(0) / np.sqrt(2)


def test_what_rules_say_stands_beside_the_hops(small_graph: Data) -> None:
    tested = model(small_graph).eval()
    embedding, wanted = tested.embed(small_graph).detach(), by_hand(small_graph)
    np.testing.assert_allclose(embedding[:, 20:22], wanted, atol=1e-5)
    assert np.square(wanted).sum(1).mean() == pytest.approx(1)  # a distance's rows are of unit length
    assert torch.equal(embedding[:, :20], tested.encoder.hops(GraphTensors.of(small_graph)))
    assert torch.equal(tested.details()["degree(v) >= 6"], wb.rules.evaluate("degree(v) >= 6", small_graph))


def test_the_placebo_hands_each_node_what_is_said_of_another(small_graph: Data) -> None:
    own = model(small_graph).cached[:, 20:]
    first, second = (model(small_graph, seed, weighting="permuted").cached[:, 20:] for seed in (0, 1))
    assert not torch.equal(first, own) and not torch.equal(first, second)
    for moved in (first, second):
        assert torch.equal(moved[moved[:, 1].argsort()][:, 1], own[own[:, 1].argsort()][:, 1])
        assert sorted(map(tuple, moved.tolist())) == sorted(map(tuple, own.tolist()))


def test_a_view_hides_what_rules_say_like_a_distance(small_graph: Data) -> None:
    tested = model(small_graph, hop_drop=0.5, feature_drop=0.0)
    views = [set(tested.seen().tolist()) for _ in range(400)]
    assert all(({20, 21} <= view) or not ({20, 21} & view) for view in views)
    assert np.mean([20 in view for view in views]) == pytest.approx(0.6, abs=0.1)  # half, or the one that stays


def test_other_nodes_are_judged_by_the_moments_of_the_training(small_graph: Data, tmp_path: Path) -> None:
    run = wb.fit("few-rules", small_graph, "small", store=tmp_path, progress=False, rules=RULES, attributes="columns")
    other = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, :100], num_nodes=60)
    said = torch.stack([wb.rules.evaluate(rule, small_graph) for rule in RULES], 1)
    new = torch.stack([wb.rules.evaluate(rule, other) for rule in RULES], 1)
    wanted = (new - said.mean(0)) / said.std(0, correction=0) / 2**0.5
    torch.testing.assert_close(run.encode(other)[:, 16:18], wanted, rtol=1e-5, atol=1e-5)


def test_the_exported_module_is_told_what_the_rules_say(small_graph: Data, tmp_path: Path) -> None:
    run = wb.fit("few-rules", small_graph, "small", store=tmp_path / "runs", progress=False, rules=RULES)
    run.export(tmp_path)
    found = importlib.util.spec_from_file_location("exported", tmp_path / "encoder.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert all(f"    {rule}\n" in module.__doc__ for rule in RULES) and "model(x, edge_index, rules)" in module.__doc__
    said = torch.stack([wb.rules.evaluate(rule, small_graph) for rule in RULES], 1)
    with torch.no_grad():
        made = module.load()(small_graph.x, small_graph.edge_index, said)
    torch.testing.assert_close(made, run.embeddings, rtol=1e-5, atol=1e-6)


def test_on_a_planted_graph_the_rule_helps_and_the_permuted_one_does_not(tmp_path: Path) -> None:
    # Attributes tell which of three groups a node is of, and the rule which half of it.
    graph = wb.graphs.planted(
        nodes=400, classes=3, commonsense=0, signal=0.5, features=16, degree_exponent=None, seed=0
    )
    graph.y = 2 * graph.y + wb.rules.evaluate("degree(v) >= 10", graph).long()
    del graph.class_names
    made = dict(seed=0, progress=False, store=tmp_path, epochs=40, hidden=64, dim=32, anchors=256)
    accuracy = {"few-negatives": float(validation(wb.fit("few-negatives", graph, "quick", **made), graph, splits=3))}
    for weighting in ("on", "permuted"):
        run = wb.fit("few-rules", graph, "quick", rules=["degree(v) >= 10"], weighting=weighting, **made)
        accuracy[weighting] = float(validation(run, graph, splits=3))
        # What is learned knows it, too, not only what stands beside it.
        accuracy[f"{weighting}, learned"] = float(validation(run.embeddings[:, -32:], graph, splits=3))
    assert accuracy["on"] > accuracy["few-negatives"] + 20, accuracy
    assert accuracy["on, learned"] > accuracy["few-negatives"] + 20, accuracy
    assert accuracy["permuted"] < accuracy["few-negatives"] + 5, accuracy
    assert accuracy["permuted, learned"] < accuracy["few-negatives"] + 5, accuracy


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (["homophyly"], "did you mean 'homophily'"),
        (["degre(v) > 2"], "degree"),
        ([], "few-rules needs at least one rule; few-negatives is the same without any"),
    ],
)
def test_a_mistake_in_a_rule_is_told_in_a_sentence(rules: list[str], told: str, small_graph: Data) -> None:
    with pytest.raises(UserError, match=told):
        wb.fit("few-rules", small_graph, "small", rules=rules, progress=False)
