"""Rankings by strata, beside what trains nothing, and of users and items that lack something."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import workbench as wb
from workbench import evaluation
from workbench.cli import main
from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.evaluation import protocols, ranking


def test_strata_are_the_means_of_their_users_and_items() -> None:
    draw = np.random.default_rng(0)
    drawn = draw.random((40, 60))
    train, test = drawn < np.linspace(0, 0.4, 40)[:, None], drawn > 0.8  # the first user has nothing in training
    train[:, 50:] = False
    pairs = [torch.from_numpy(np.stack(part.nonzero())) for part in (train, test)]
    data = as_users_and_items(40, 60, torch.cat([pairs[0], pairs[0][:, :1]], 1), pairs[1])
    table = {"user": draw.normal(size=(40, 4)), "item": draw.normal(size=(60, 4))}
    strata = ranking.strata(table, data, groups=3).set_index("stratum")
    scores = np.where(train, -np.inf, table["user"] @ table["item"].T)
    top = np.argsort(-scores, axis=1)[:, :20]
    hit = np.zeros_like(test)
    np.put_along_axis(hit, top, True, axis=1)
    counts, taken = train.sum(1), train.sum(0)
    head = np.isin(np.arange(60), np.argsort(-taken, kind="stable")[:12])
    columns = {ranking.HEAD: head, "tail": ~head & (taken > 0), "not in training": taken == 0}
    for name, chosen in columns.items():
        asked = test & chosen
        users = asked.any(1)
        recall = 100 * ((hit & asked).sum(1)[users] / asked.sum(1)[users])
        found = strata.loc[name]
        assert found["recall@20"] == pytest.approx(recall.mean()) and found["users"] == users.sum()
        assert found["held out"] == asked.sum()
        if (word := name.split(":")[0]) in ("head", "tail"):
            told = wb.evaluate(table, data, f"full-ranking-{word}", progress=False)
            assert told.main == pytest.approx(recall.mean()) and told.per_split["users"][0] == users.sum()
        margin = 1.96 * recall.std(ddof=1) / users.sum() ** 0.5
        assert found["to"] - found["from"] == pytest.approx(min(2 * margin, found["to"]))
    rows = strata[strata["of"] == "users"]
    assert rows.index[0] == "no training item" and rows["users"].iloc[0] == 2 == (counts == 0).sum()
    for name in rows.index[1:]:
        low, high = (int(word) for word in name.removesuffix(" training items").split(" to "))
        users = (low <= counts) & (counts <= high) & test.any(1)
        recall = 100 * ((hit & test).sum(1)[users] / test.sum(1)[users])
        assert rows.loc[name, "recall@20"] == pytest.approx(recall.mean())
    whole = wb.evaluate(table, data, progress=False).measures["recall@20"]
    assert (rows["recall@20"] * rows["users"]).sum() / rows["users"].sum() == pytest.approx(whole)


@pytest.mark.parametrize(
    ("users", "items", "train", "test"),
    [
        (1, 4, [[0, 0], [0, 1]], [[0], [2]]),  # one user, items without users
        (3, 4, [[1, 1], [0, 1]], [[0], [2]]),  # the user that counts has nothing in training
        (2, 3, [[0, 0, 0, 1], [0, 1, 2, 0]], [[1], [2]]),  # a user who took all
        (3, 4, [[], []], [[0], [2]]),  # no interactions at all
    ],
)
def test_few_or_no_interactions_are_ranked(users: int, items: int, train: list, test: list, tmp_path: Path) -> None:
    data = as_users_and_items(users, items, *(torch.tensor(part).long() for part in (train, test)))
    for name in kind_of(data).baselines:
        embedding = evaluation.BASELINES.get(name).embed(data)
        assert wb.evaluate(embedding, data, progress=False).main == 100  # there are fewer than 20 items
        assert set(ranking.strata(embedding, data)["of"]) == {"users", "items"}
    for method in ("lightgcn", "sgl", "lightgcl", "dccf"):
        if not train[0]:
            with pytest.raises(UserError, match="the method made no batch of these data"):
                wb.fit(method, data, "small", store=tmp_path, progress=False)
            continue
        run = wb.fit(method, data, "small", store=tmp_path, progress=False)
        assert wb.evaluate(run, data, progress=False).main == 100


def test_an_empty_part_is_told_in_a_sentence() -> None:
    none = torch.empty(2, 0, dtype=torch.long)
    data = as_users_and_items(2, 3, torch.tensor([[0], [1]]), none)
    table = {"user": np.ones((2, 1)), "item": np.ones((3, 1))}
    for call in (wb.evaluate, ranking.strata):
        with pytest.raises(UserError, match="no interactions are held out"):
            call(table, data)


def test_a_run_is_told_beside_what_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run = wb.fit("lightgcn", wb.load_graph("tastes"), "mf", progress=False, epochs=1)
    assert run.preset == "mf + epochs=1" and run.config.layers == 0
    assert main(["evaluate", str(run.path)]) == 0
    told = capsys.readouterr().out
    assert "NOT above" in told and "item-item cosine (75.7 %)" in told and "what trains nothing ranks as well" in told
    assert ranking.HEAD in told
    assert main(["evaluate", str(run.path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["baselines"]["item-item cosine"] == pytest.approx(75.7, abs=0.1)
    assert {row["of"] for row in facts["strata"]} == {"users", "items"}
    better = {"user": np.eye(200), "item": np.eye(200)[:120]}
    data = wb.load_graph("tastes")
    store = data["user", "interacts", "item"]
    store.test_edge_index = torch.arange(120).repeat(2, 1)
    store.edge_index = store.edge_index[:, store.edge_index[0] != store.edge_index[1]]
    assert "NOT" not in evaluation.beside_baselines(wb.evaluate(better, data, progress=False), data)[1]


def test_what_trains_nothing_is_ranked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = wb.load_graph("tastes")
    scores = wb.evaluate(evaluation.BASELINES.get("popularity").embed(data), data, progress=False)
    first = evaluation.beside_baselines(scores, data, tmp_path)
    assert first == evaluation.beside_baselines(scores, data)
    assert len([*(tmp_path / ".baselines").iterdir()]) == 3
    monkeypatch.setattr(evaluation.comparison, "evaluate", None)
    assert evaluation.beside_baselines(scores, data, tmp_path) == first
    store = data["user", "interacts", "item"]
    store.test_edge_index = store.test_edge_index[:, 1:]
    with pytest.raises(TypeError):  # other data are ranked anew
        evaluation.beside_baselines(scores, data, tmp_path)


@pytest.mark.parametrize(
    ("graph", "baseline", "wanted"),
    [
        ("lastfm", "popularity", (3.69, 2.11, 7.03, 3.28)),
        ("lastfm", "item-cosine", (26.55, 20.54, 37.35, 24.40)),
        ("lastfm", "svd", (21.82, 15.66, 32.06, 19.26)),
        ("amazon-beauty", "item-cosine", (9.10, 4.43, 11.91, 5.01)),
    ],
)
def test_what_trains_nothing_has_the_values_of_an_independent_computation(
    graph: str, baseline: str, wanted: tuple[float, ...], real_graph: Callable[[str], Any]
) -> None:
    data = real_graph(graph)
    scores = wb.evaluate(evaluation.BASELINES.get(baseline).embed(data), data, progress=False)
    # Items of equal scores are in another order there, and the decomposition is a random one.
    assert [float(scores.measures[name]) for name in protocols.RANKING] == pytest.approx(wanted, abs=0.05)


def test_a_stratum_without_held_out_items_is_told_in_a_sentence() -> None:
    data = as_users_and_items(2, 9, torch.tensor([[0, 1], [0, 0]]), torch.tensor([[0], [8]]))
    with pytest.raises(UserError, match="none of the held-out items is in the tail"):
        wb.evaluate({"user": np.ones((2, 1)), "item": np.ones((9, 1))}, data, "full-ranking-tail", progress=False)
