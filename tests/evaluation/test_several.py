"""Several labels per node: the protocol against scikit-learn and by hand, what admits such labels, and what refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import normalize
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

import workbench as wb
from workbench.datasets import label_sets, labels_of, statistics
from workbench.errors import UserError
from workbench.evaluation import clustering, protocols, several

GRID = tuple(2.0**power for power in range(-6, 13, 3))


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(protocols.get("multi-label")), "grid", GRID)


@pytest.fixture
def tagged() -> Data:
    """Return 400 nodes of four labels that hang on their attributes, noisily; a fifth of them without any."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(400, 8, generator=g)
    y = (x @ torch.randn(8, 4, generator=g) + 1.5 * torch.randn(400, 4, generator=g) > 1).long()
    edge_index = to_undirected(torch.randint(400, (2, 900), generator=g))
    return Data(x=x, y=y, edge_index=edge_index, name="tagged", class_names=["a", "b", "c", "d"])


def test_what_scikit_learn_says_with_c_chosen_by_micro_f1(tagged: Data) -> None:
    tagged.y[::9] = -1
    scores = wb.evaluate(tagged.x, tagged, splits=3, solver="liblinear", progress=False)
    assert scores.protocol == "multi-label" and list(scores.measures) == ["micro_f1", "macro_f1"]
    x, y = normalize(tagged.x.numpy()), tagged.y.numpy()
    for number, split in enumerate(protocols.get("multi-label").splits(tagged, 3)):
        assert split.validation is not None
        assert not set(range(0, 400, 9)) & {*split.train, *split.validation, *split.test}
        models = []
        for strength in GRID:
            model = OneVsRestClassifier(LogisticRegression(solver="liblinear", C=strength, random_state=0))
            model.fit(x[split.train], y[split.train])
            said = model.predict(x[split.validation])
            models.append((f1_score(y[split.validation], said, average="micro"), model, strength))
        _, model, strength = max(models, key=lambda tried: tried[0])
        row, said = scores.per_split.loc[number], model.predict(x[split.test])
        assert row["C"] == strength and (row["train"], row["test"]) == (35, 285)
        for average in ("micro", "macro"):
            assert row[f"{average}_f1"] == pytest.approx(100 * f1_score(y[split.test], said, average=average))
    fast = wb.evaluate(tagged.x, tagged, splits=3, progress=False)
    assert fast.solver == "fast" and (fast.per_split["C"] == scores.per_split["C"]).all()
    for name, measure in fast.measures.items():
        assert float(measure) == pytest.approx(float(scores.measures[name]), abs=0.5)
    assert "micro F1" in str(fast) and "multi-label, fast" in str(fast)


def test_micro_and_macro_f1_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((6, 3), np.int8)
    labels[4:] = [[1, 1, 0], [1, 0, 0]]  # the test part; nobody has the third label
    said = np.zeros((4, 3), bool)
    said[2:] = [[1, 0, 0], [0, 1, 0]]
    monkeypatch.setattr(several, "_answers", lambda *_: iter([(1.0, said)]))
    part = protocols.Split(np.arange(2), np.arange(2, 4), np.arange(4, 6))
    row = several.per_split(np.zeros((6, 2)), labels, [part], "fast", [1.0]).loc[0]
    # Right: one yes of two said and three there. Label by label: 1 of 1 said, 2 there; none of 1 and 1; none at all.
    assert row["micro_f1"] == pytest.approx(100 * 2 / (2 + 3))
    assert row["macro_f1"] == pytest.approx(100 * (2 / (1 + 2) + 0 + 0) / 3)
    assert row["classes_without_training_node"] == 3


def test_a_label_that_training_lacks_is_never_predicted_and_one_that_all_have_always(tagged: Data) -> None:
    train = np.arange(100)
    targets = tagged.y.numpy()[train] > 0
    targets[:, 1], targets[:, 2] = False, True
    for solver in ("fast", "liblinear"):
        for _, answers in several._answers(solver, tagged.x.numpy()[train], targets, tagged.x.numpy(), GRID):
            assert not answers[:, 1].any() and answers[:, 2].all() and 0 < answers[:, 0].sum() < 400


def test_labels_of_the_test_part_change_no_answer(tagged: Data) -> None:
    split = protocols.get("multi-label").splits(tagged, 1)[0]
    before = wb.evaluate(tagged.x, tagged, splits=1, progress=False).per_split
    assert split.validation is not None
    wrong = tagged.clone()
    wrong.y[split.test] = 1 - wrong.y[split.test]
    after = wb.evaluate(tagged.x, wrong, splits=1, progress=False).per_split
    assert (before["C"] == after["C"]).all() and (before["micro_f1"] != after["micro_f1"]).all()


def test_a_person_who_asks_for_the_wrong_one_is_told_the_right_one(tagged: Data, labelled: Data) -> None:
    for name in ("random-10-10-80", "k-means", "public", "linear-10-10-80"):
        with pytest.raises(UserError, match=r"several per item, \[400, 4\].* protocol 'multi-label' scores several"):
            wb.evaluate(tagged.x, tagged, name, progress=False)
    for ask in (lambda: clustering(tagged.x, tagged), lambda: labels_of(tagged)):
        with pytest.raises(UserError, match="'multi-label' scores several"):
            ask()
    with pytest.raises(UserError, match="one class per item, which 'random-10-10-80' scores; 'multi-label' scores sev"):
        wb.evaluate(labelled.x, labelled, "multi-label", progress=False)
    assert "multi-label" not in protocols.names_for(wb.graphs.kind_of(labelled))


@pytest.mark.parametrize(
    ("value", "told"),
    [(2, "hold 2 for node 5 in column 1; several labels are 0 and 1"), (-1, "hold -1 for node 5 in column 1")],
)
def test_the_door_admits_zeros_and_ones_and_names_what_is_neither(tagged: Data, value: int, told: str) -> None:
    loaded = wb.load_graph(tagged, normalise=False)
    assert torch.equal(loaded.y, tagged.y) and statistics(loaded)["classes"] == 4
    assert statistics(loaded)["edge_homophily"] is None
    assert (label_sets(loaded) == tagged.y.numpy()).all()
    tagged.y[5, 1] = value
    with pytest.raises(UserError, match=told):
        wb.load_graph(tagged)
    tagged.y[5] = -1
    assert (label_sets(wb.load_graph(tagged))[5] == -1).all()
    tagged.class_names = ["a", "b"]
    with pytest.raises(UserError, match="class_names has 2 names, but y has 4 columns"):
        wb.load_graph(tagged)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.int32])
def test_labels_of_any_type_count_as_what_they_say(tagged: Data, dtype: torch.dtype) -> None:
    there = tagged.clone()
    there.y = tagged.y.to(dtype)
    assert (label_sets(there) == tagged.y.numpy()).all()
    if dtype == torch.float32:
        there.y[0] = float("nan")
        assert (label_sets(there)[0] == -1).all() and (label_sets(there)[1:] >= 0).all()


def test_a_run_is_trained_scored_compared_and_looked_at(tagged: Data, tmp_path: Path) -> None:
    run = wb.fit("grace", tagged, "quick", epochs=2, progress=False)
    scores = wb.evaluate(run, tagged, splits=2, progress=False)
    assert wb.evaluate(run, tagged, splits=2, progress=False).as_dict() == scores.as_dict()  # kept beside the run
    with pytest.raises(UserError, match="measures no accuracy, but micro_f1, macro_f1"):
        _ = scores.accuracy
    table = wb.compare(run, tagged, splits=2, progress=False)
    assert {"micro F1", "macro F1"} < set(table) and table["protocol"].eq("multi-label").all()
    assert "micro F1 % (± over splits)" in wb.evaluation.format(table)
    with pytest.raises(UserError, match="several labels per node, which a map can't be coloured by at once"):
        wb.plots.embedding_map(run, graph=tagged, method="pca")
    report = wb.widgets.embedding_explorer(run, tagged, method="pca")
    assert next(name for _, name in report.scene.colours()) == "cluster"
    report.close()


def test_several_labels_come_from_a_table_or_an_array(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("source,target\n" + "\n".join(f"n{i},n{(i + 1) % 4}" for i in range(4)))
    (tmp_path / "tags.csv").write_text("id,sport,music\nn0,1,0\nn1,1,1\nn2,,\nn3,0,0\n")
    read = {"features": "degree", "labels": tmp_path / "tags.csv"}
    graph = wb.load_graph(tmp_path / "edges.csv", **read)
    assert graph.y.tolist() == [[1, 0], [1, 1], [-1, -1], [0, 0]] and graph.class_names == ["sport", "music"]
    assert "several labels per node" in graph.report.text
    values = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    (tmp_path / "numbered.csv").write_text("0,1\n1,2\n2,3\n")
    assert wb.load_graph(tmp_path / "numbered.csv", features="degree", labels=values).y.tolist() == values.tolist()
    with pytest.raises(UserError, match="hold 3 for node 0 in column 0"):
        wb.load_graph(tmp_path / "numbered.csv", features="degree", labels=values * 3)
    (tmp_path / "two.csv").write_text(
        "id,team,since\nn0,a,1\nn1,b,0\nn2,a,1\nn3,b,1\n"
    )  # one class per node, and a year
    with pytest.raises(UserError, match="which column has the labels"):
        wb.load_graph(tmp_path / "edges.csv", features="degree", labels=tmp_path / "two.csv")
    graph = wb.load_graph(tmp_path / "edges.csv", features="degree", labels=(tmp_path / "two.csv", "team"))
    assert graph.y.tolist() == [0, 1, 0, 1]
