"""Molecules: read where rdkit is there, refused in a sentence where it is not; split by scaffolds."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.cli import main
from workbench.datasets.files.molecules import molecules
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
