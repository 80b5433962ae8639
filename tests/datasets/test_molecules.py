"""Molecules: read where rdkit is there, refused in a sentence where it is not; split by scaffolds."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import workbench as wb
from workbench.cli import main
from workbench.datasets.files.molecules import molecules
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError

NO_RDKIT = importlib.util.find_spec("rdkit") is None


def test_without_rdkit_molecules_are_refused_in_a_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    assert main(["graphs", "bbbp"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "'bbbp' are molecules, which rdkit reads" in said
    assert "pip install 'graph-contrast-workbench[molecules]'" in said and "mutag" in said


@pytest.mark.skipif(NO_RDKIT, reason="rdkit, an extra, is not installed")
def test_molecules_have_atoms_bonds_and_scaffolds(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("smiles,y\nc1ccccc1O,1\nnonsense,0\nCC[N+],0\nCc1ccccc1,1\n[Na]Cl,0\n")
    found = molecules(file, {"smiles": "smiles", "target": "y"})
    assert [graph.num_nodes for graph in found] == [7, 3, 7, 2] and [int(graph.y) for graph in found] == [1, 0, 1, 0]
    assert [int(graph.scaffold) for graph in found] == [0, 1, 0, 1]
    phenol = found[0]
    assert phenol.num_edges == 14 and phenol.x.shape[1] == 17
    assert phenol.x[:, 2:5].sum().item() == 7 and phenol.x[:, 16].tolist() == [1] * 6 + [0]
    assert found[1].x[2, 13] == 1, "a charge"
    assert found[3].x[0, 12] == 1, "an element without a column of its own"
    numbers = molecules(file, {"smiles": "smiles", "target": "y", "numbers": True})
    assert numbers.targets == ("y",) and numbers[0].y.shape == (1, 1)
    file.write_text("smiles,id,first,second\nCCO,a,1,0\nCC,b,,1\nC,c,0,\n")
    tasks = molecules(file, {"smiles": "smiles", "besides": ["id"]})
    assert tasks.targets == ("first", "second")
    torch.testing.assert_close(
        torch.cat([graph.y for graph in tasks]),
        torch.tensor([[1, 0], [torch.nan, 1], [0, torch.nan]]),
        equal_nan=True,
    )


def test_scaffolds_go_whole_into_the_first_part_that_has_room() -> None:
    data = rings(graphs=60)
    sizes = [20, 20, 6, 4, 4, 3, 2, 1]  # 48 graphs are 80 %, 54 are 90 %
    scaffolds = np.random.default_rng(0).permutation(np.repeat(np.arange(8), sizes))
    for graph, scaffold in zip(data, scaffolds.tolist(), strict=True):
        graph.scaffold = torch.tensor([scaffold])
    (split,) = wb.protocols.get("svc-scaffold").splits(data, 10)
    parts = [set(scaffolds[part].tolist()) for part in (split.train, split.validation, split.test)]
    assert parts[0] | parts[1] | parts[2] == set(range(8)) and sum(map(len, parts)) == 8
    assert len(split.train) <= 48 and {0, 1, 2} <= parts[0]
    scores = wb.evaluate(torch.eye(60), data, "svc-scaffold", progress=False)
    assert scores.accuracy.over == "1 split by scaffolds of one embedding" and len(scores.per_split) == 1


def test_a_set_without_scaffolds_is_not_split_by_them() -> None:
    with pytest.raises(UserError, match="'rings' has none; 'svc-10-folds' draws folds at random"):
        wb.evaluate(torch.eye(200), wb.load_graph("rings"), "svc-scaffold")


def with_tasks(tasks: torch.Tensor | None = None) -> GraphSet:
    data = rings(graphs=100)
    for number, graph in enumerate(data):
        graph.scaffold = torch.tensor([number // 3])
        if tasks is not None:
            graph.y = tasks[number : number + 1]
    return GraphSet(data, targets=("a", "b", "c", "never") if tasks is not None else ())


def test_the_auc_of_tasks_is_that_of_scikit_learn_with_one_c_for_all_and_unknown_answers_left_out() -> None:
    g = torch.Generator().manual_seed(0)
    z = torch.randn(100, 3, generator=g)
    tasks = torch.stack([(z[:, c] + noise * torch.randn(100, generator=g) > 0).float()
                         for c, noise in ((0, 0.5), (1, 2.0), (2, 1.0))] + [torch.zeros(100)], 1)  # fmt: skip
    tasks[torch.rand(100, 4, generator=g) < 0.2] = torch.nan
    tasks[3] = torch.nan
    data = with_tasks(tasks)
    scores = wb.evaluate(z, data, "auc-scaffold", progress=False)
    (split,) = wb.protocols.get("auc-scaffold").splits(data)
    parts = split.train, split.validation, split.test
    assert sum(map(len, parts)) == 99 and 3 not in np.concatenate(parts)
    x = ((z - z[split.train].mean(0)) / z[split.train].std(0, correction=0)).double().numpy()
    found = {}
    for strength in wb.protocols.get("auc-scaffold").grid:
        areas: list[list[float]] = [[], []]
        for y in tasks.numpy().T[:3]:
            train, *rest = (part[np.isfinite(y[part])] for part in parts)
            model = LogisticRegression(C=strength, solver="liblinear", random_state=0).fit(x[train], y[train])
            for kept, part in zip(areas, rest, strict=True):
                kept.append(100 * roc_auc_score(y[part], model.predict_proba(x[part])[:, 1]))
        found[strength] = np.mean(areas[0]), areas[1]
    best = max(found, key=lambda strength: found[strength][0])
    row = scores.per_split.iloc[0]
    assert row["C"] == best and row["tasks"] == 3 and np.isnan(row["auc never"])
    np.testing.assert_allclose(row[["auc a", "auc b", "auc c"]].astype(float), found[best][1])
    assert scores.main == pytest.approx(np.mean(found[best][1])) and scores.main > 60
    assert "1 split by scaffolds" in scores.main.over


def test_two_classes_are_one_task_and_what_is_no_task_is_told() -> None:
    data, noise = with_tasks(), torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    y = torch.cat([graph.y for graph in data]).float()
    scores = wb.evaluate(torch.cat([noise, y[:, None]], 1), data, "auc-scaffold", progress=False)
    assert scores.main == 100 and scores.per_split["tasks"].tolist() == [1]
    data[0].y = torch.tensor([2])
    for wrong, told in (
        (data, "are of 3 classes, where yes or no is asked for"),
        (with_tasks(torch.full((100, 4), 0.5)), "holds 0.5 for item 0; a task has 0, 1 or NaN"),
        (wb.load_graph("rings"), "'rings' has none; 'svc-10-folds' draws folds at random"),
    ):
        with pytest.raises(UserError, match=told):
            wb.evaluate(torch.eye(len(wrong)), wrong, "auc-scaffold", progress=False)
