"""Recommendations of one user: the items are the best that were not taken, and their reasons add up to the scores."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.cli import main
from workbench.datasets.bipartite import as_users_and_items, interactions
from workbench.errors import UserError
from workbench.evaluation.recommending import one_graph

METHODS = [
    ("lightgcn", {"layers": 2}),
    ("lightgcn", {"layers": 0}),
    ("lightgcl", {"layers": 1}),
    ("sgl", {}),
    ("dccf", {}),
    ("dccf", {"without": "intents", "combine": "mean"}),
    ("dccf", {"without": "adaptive", "layers": 3}),
]


@pytest.mark.parametrize(("method", "changed"), METHODS)
def test_the_reasons_add_up_to_the_scores_of_the_best_items(method: str, changed: dict, tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    run = wb.fit(method, data, "small", store=tmp_path, progress=False, epochs=2, **changed)
    found = wb.recommend(run, data, 5, k=8)
    scores = (run.embeddings["item"] @ run.embeddings["user"][5]).numpy()
    taken = sorted(set(interactions(data)[1][interactions(data)[0] == 5].tolist()))
    allowed = [item for item in np.argsort(-scores, kind="stable") if item not in taken]
    assert found.items["item"].tolist() == allowed[:8]
    np.testing.assert_allclose(found.items["score"], scores[allowed[:8]], rtol=1e-5)
    sums = found.reasons.groupby("item", sort=False)["share"].sum()
    np.testing.assert_allclose(sums[found.items["item"]], found.items["score"], rtol=1e-4, atol=1e-6)
    first = found.reasons[found.reasons["item"] == allowed[0]]
    assert first.loc[first["part"] == "taken item", "number"].tolist() == taken
    intents = (first["part"] == "intent").sum()
    assert intents == (4 if method == "dccf" else 0)
    if changed.get("without") == "intents" or changed.get("layers") == 0:
        part = "intent" if method == "dccf" else "taken item"
        assert not first.loc[first["part"] == part, "share"].any()
    most = first.iloc[first["share"].abs().argmax()]
    assert f"{most['share']:+.2f}" in found.items["because"].iloc[0]


def test_what_a_taken_item_brought_goes_where_the_interaction_goes(tmp_path: Path) -> None:
    data = as_users_and_items(2, 4, torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]]))
    run = wb.fit("lightgcn", data, "small", store=tmp_path, progress=False, layers=1)
    found = wb.recommend(run, data, 0, k=1)
    item = found.items["item"].iloc[0]
    user, learned = run.weights["encoder.user"][0], run.weights["encoder.item"]
    wanted = [user / 2, learned[0] / 2**0.5 / 2, learned[1] / 2 / 2]  # degrees of user and items 2, 1 and 2
    shares = [float(vector @ run.embeddings["item"][item]) for vector in wanted]
    np.testing.assert_allclose(found.reasons["share"], shares, rtol=1e-4, atol=1e-7)


def test_users_who_took_nothing_or_all(tmp_path: Path) -> None:
    data = as_users_and_items(3, 3, torch.tensor([[0, 0, 0, 1], [0, 1, 2, 0]]))
    run = wb.fit("dccf", data, "small", store=tmp_path, progress=False)
    assert wb.recommend(run, data, 0).items.empty and wb.recommend(run, data, 0).reasons.empty
    none = wb.recommend(run, data, 2)
    assert len(none.items) == 3 and none.items["because"].str.startswith("no item was taken in training").all()
    for user in (0, 2):
        with pytest.raises(UserError, match=f"user {user} took .* has no negatives"):
            wb.user_negatives(run, data, user)


def test_the_push_of_an_item_is_the_gradient_of_the_ranking(tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    run = wb.fit("lightgcn", data, "small", store=tmp_path, progress=False)
    table = wb.user_negatives(run, data, 3).set_index("item")
    taken = set(interactions(data)[1][interactions(data)[0] == 3].tolist())
    assert set(table.index) == set(range(120)) - taken and table["share"].sum() == pytest.approx(1)
    scores = (run.embeddings["item"] @ run.embeddings["user"][3]).requires_grad_()
    j = int(table.index[0])
    loss = torch.stack([torch.nn.functional.softplus(scores[j] - scores[i]) for i in taken]).mean()
    assert table.loc[j, "push"] == pytest.approx(float(torch.autograd.grad(loss, scores)[0][j]), rel=1e-5)
    test = data["user", "interacts", "item"].test_edge_index
    assert set(table.index[table["held_out"]]) == set(test[1][test[0] == 3].tolist())


def test_mistakes_are_told_and_the_command_prints_what_the_call_returns(
    small_graph: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = wb.load_graph("tastes")
    run = wb.fit("lightgcn", data, "small", progress=False)
    for user in (-1, 200, "x", True):
        with pytest.raises(UserError, match=r"there is no user .*; users are numbered 0 to 199"):
            wb.recommend(run, data, user)
    with pytest.raises(UserError, match="k=0 items were asked for"):
        wb.recommend(run, data, 0, k=0)
    with pytest.raises(UserError, match="told=-1 parts of a score were asked for"):
        wb.recommend(run, data, 0, told=-1)
    with pytest.raises(UserError, match="was trained on 'tastes'"):
        wb.recommend(run, as_users_and_items(200, 120, torch.tensor([[0], [0]])), 0)
    nodes = wb.fit("grace", small_graph, "small", store=tmp_path, progress=False, epochs=1)
    with pytest.raises(UserError, match="recommendations are made by a run on users and items"):
        wb.recommend(nodes, small_graph, 0)
    assert main(["recommend", str(run.path), "7", "-k", "3", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [row["item"] for row in facts["items"]] == wb.recommend(run, data, 7, k=3).items["item"].tolist()
    assert main(["recommend", str(run.path), "7"]) == 0 and "taken item" in capsys.readouterr().out
    assert main(["recommend", str(run.path), "900"]) == 2


def test_users_and_items_are_mapped_and_explored_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HEADLESS", "1")
    data = wb.load_graph("tastes")
    run = wb.fit("lightgcn", data, "small", store=tmp_path, progress=False, snapshots=2)
    fig = wb.plots.embedding_map(run, graph=data, method="pca")
    assert [trace.name for trace in fig.data][:2] == ["user", "item"]
    assert [len(trace.x) for trace in fig.data][:2] == [200, 120]
    report = wb.widgets.embedding_explorer(run, data, method="pca", node=203)
    assert {"map", "graph", "epochs"} <= set(report.figures)
    single, graph = one_graph(run, data)
    assert torch.equal(single.embeddings[203], run.embeddings["item"][3]) and graph.node_names[203] == "item 3"
    assert graph.edge_index.shape[1] == 2 * interactions(data).unique(dim=1).shape[1]
    with pytest.raises(UserError, match="was trained on 'tastes'"):
        wb.plots.embedding_map(run, graph=as_users_and_items(200, 120, torch.tensor([[0], [0]])))
