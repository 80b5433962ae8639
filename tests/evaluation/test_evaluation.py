"""Protocols, probes, scores, comparisons, clustering, neighbours and intervals."""

import copy
import itertools
import json
import pickle
import random
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy import optimize, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, normalized_mutual_info_score
from sklearn.model_selection import ShuffleSplit, cross_val_score, train_test_split
from sklearn.preprocessing import normalize
from sklearn.svm import SVC
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench import evaluation
from workbench.datasets import content_hash, load_graph
from workbench.datasets.bipartite import as_users_and_items
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.labels import labels_of
from workbench.datasets.structure import adjacency as links_of
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.evaluation import (
    baselines,
    clustering,
    clusters,
    compare,
    evaluate,
    logistic,
    neighbours,
    probes,
    protocols,
    ranking,
    unsupervised,
)
from workbench.evaluation.embeddings import matrix_of
from workbench.evaluation.scores import Measure, Scores
from workbench.evaluation.splits import Split
from workbench.evaluation.statistics import mean_interval, nested_spread, paired_difference
from workbench.randomness import Randomness
from workbench.training.fit import fit

GRID = list(protocols.get("random-10-90").grid)
COARSE = (*GRID[::4], GRID[-1])  # where what is tested does not depend on how many there are


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six values of C in each protocol."""
    for name in ("random-10-90", "random-10-10-80"):
        monkeypatch.setitem(vars(protocols.get(name)), "grid", COARSE)


def labelled_graph(nodes: int = 300, classes: int = 3, dim: int = 12, noise: float = 1.0, seed: int = 0) -> Data:
    """Noisy class centres as attributes, random edges."""
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (nodes,), generator=g)
    x = 2 * torch.randn(classes, dim, generator=g)[y] + noise * 2 * torch.randn(nodes, dim, generator=g)
    edge_index = to_undirected(torch.randint(nodes, (2, 3 * nodes), generator=g), num_nodes=nodes)
    return Data(x=x, edge_index=edge_index, y=y, name="made", num_nodes=nodes)


def with_masks(graph: Data, columns: int | None = None) -> Data:
    nodes = graph.num_nodes
    part = torch.arange(nodes) % 5
    masks = {"train_mask": part == 0, "val_mask": part == 1, "test_mask": part > 1}
    if columns:
        masks["train_mask"] = torch.stack([(torch.arange(nodes) % (5 + c) == 0) for c in range(columns)], 1)
        masks["val_mask"] = torch.stack([(torch.arange(nodes) % (5 + c) == 1) for c in range(columns)], 1)
        masks["test_mask"] = torch.arange(nodes) < 0
        masks["test_mask"] = ~(masks["train_mask"].any(1) | masks["val_mask"].any(1))
    for name, mask in masks.items():
        graph[name] = mask
    return graph


# protocols


LAYERS = ["best-on-test", "linear-10-10-80", "linear-gca", "pygcl-swapped"]
DRAWN = [*LAYERS, "random-10-10-80", "random-10-90", "random-20-80"]
OTHERS = [
    "multi-label",
    "public",
    "linear-graphmae",
    "linear-graphmae-last",
    "linear-public",
    "full-ranking",
    "full-ranking-head",
    "full-ranking-tail",
    "parts",
    "heco-20",
    "heco-40",
    "heco-60",
    "interactions",
    "k-means",
    "k-means-best-epoch",
    "learned-clusters",
    "links",
    "own-classifier",
    "own-classifier-held-out",
    "own-classifier-public",
    "svc-10-folds",
    "svc-5-shot",
    "svc-10-shot",
    "svc-20-shot",
    "svc-scaffold",
    "auc-scaffold",
    "ridge-10-folds",
]
FLAWED = ["best-on-test", "k-means-best-epoch", "pygcl-swapped"]


def test_the_protocols_state_what_they_are() -> None:
    assert protocols.names() == sorted([*DRAWN, *OTHERS, "svc-10-folds-graphmae"])
    for name in protocols.names():
        rules = protocols.get(name)
        assert rules.name == name and len(rules.description) > 40 and rules.source
    assert [name for name in protocols.names() if protocols.get(name).flawed] == FLAWED
    assert [name for name in protocols.names() if protocols.get(name).picks_on_test] == ["best-on-test"]
    fewer = {"linear-gca": 3_000, "linear-public": 2_000, "linear-graphmae": 300, "linear-graphmae-last": 300}
    for name in {*LAYERS, *fewer}:
        rules, steps = protocols.get(name), fewer.get(name, 10_000)
        assert (rules.probe, rules.solvers, rules.steps) == ("linear-layer", ("adam",), steps) and not rules.normalise
    assert [2.0**power for power in range(-10, 10)] == GRID
    assert list(protocols.get("random-20-80").grid) == [*GRID, 2.0**10]
    for name in ("random-10-10-80", "public"):
        assert list(protocols.get(name).grid) == [2.0**power for power in range(-10, 20)]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("random-10-90", (270, None, 2438)),
        ("random-20-80", (541, None, 2167)),
        ("random-10-10-80", (270, 270, 2168)),
        ("linear-10-10-80", (270, 270, 2168)),
        ("linear-gca", (270, 270, 2168)),
        ("best-on-test", (270, 270, 2168)),
        ("pygcl-swapped", (270, 2166, 272)),
    ],
)
def test_parts_have_the_sizes_of_the_releases_on_2708_nodes(name: str, sizes: tuple[int, int | None, int]) -> None:
    graph = Data(y=torch.arange(2708) % 7, num_nodes=2708)
    for split in protocols.get(name).splits(graph, 3, seed=1):
        validation = [] if split.validation is None else [split.validation]
        assert (split.train.size, validation[0].size if validation else None, split.test.size) == sizes
        assert np.array_equal(np.sort(np.concatenate([split.train, *validation, split.test])), np.arange(2708))


def test_random_10_90_cuts_where_scikit_learn_does() -> None:
    for nodes in (50, 183, 890, 3327, 19717):
        graph = Data(y=torch.arange(nodes) % 2, num_nodes=nodes)
        split = protocols.get("random-10-90").splits(graph, 1)[0]
        train, test = train_test_split(np.arange(nodes), test_size=1 - 0.1)
        assert (split.train.size, split.test.size) == (len(train), len(test))


def test_splits_depend_on_seed_and_number_only() -> None:
    graph, rules = labelled_graph(), protocols.get("random-10-10-80")
    few, many, other = rules.splits(graph, 2, 3), rules.splits(graph, 4, 3), rules.splits(graph, 2, 4)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(few, many, strict=False))
    assert not np.array_equal(many[0].test, many[1].test)
    assert not np.array_equal(few[0].test, other[0].test)


def test_nodes_without_a_label_belong_to_no_part() -> None:
    graph = labelled_graph()
    graph.y[:40] = -1
    for name in DRAWN:
        split = protocols.get(name).splits(graph, 1)[0]
        parts = [split.train, split.test] + ([] if split.validation is None else [split.validation])
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(40, 300))


def test_public_takes_the_masks_of_the_graph() -> None:
    graph = with_masks(labelled_graph())
    (split,) = protocols.get("public").splits(graph, 10)
    assert np.array_equal(split.train, np.arange(0, 300, 5)) and split.test.size == 180
    several = with_masks(labelled_graph(), columns=4)
    splits = protocols.get("public").splits(several, 3)
    assert len(splits) == 3 and len(protocols.get("public").splits(several, 10)) == 4
    assert np.array_equal(splits[1].train, np.arange(0, 300, 6)) and np.array_equal(splits[0].test, splits[2].test)


def test_every_mistake_is_one_sentence_that_says_what_to_do() -> None:
    graph = labelled_graph()
    karate = Data(x=torch.eye(34), y=torch.arange(34) % 4, num_nodes=34, name="karate")
    no_labels, one_class = Data(x=torch.eye(80), num_nodes=80), Data(y=torch.zeros(80, dtype=torch.long), num_nodes=80)
    floats = Data(y=torch.rand(80), num_nodes=80)
    overlapping = with_masks(labelled_graph())
    overlapping.test_mask = overlapping.train_mask
    cases = [
        (lambda: evaluate(graph.x, graph, "random-10-9"), "did you mean 'random-10-90'"),
        (lambda: evaluate(graph.x, graph, solver="fsat"), "did you mean 'fast'"),
        (lambda: evaluate(graph.x, graph, "pygcl-swapped", solver="fast"), "valid: adam"),
        (lambda: evaluate(graph.x, graph, steps=100), "no steps to set"),
        (lambda: evaluate(graph.x, graph, "pygcl-swapped", steps=19), "at least 20"),
        (lambda: evaluate(graph.x, graph, splits=0), "splits must be a whole number from 1 to 10,000"),
        (lambda: evaluate(graph.x, graph, splits=10**9), "splits must be a whole number from 1 to 10,000"),
        (lambda: evaluate(graph.x, graph, seed=-1), "seed of the splits"),
        (lambda: evaluate(graph.x[1:], graph), "one row per node [300, dim] of graph 'made', not [299, 12]"),
        (lambda: evaluate(graph.x * torch.nan, graph), "3600 of 3600 values of the embeddings are not finite"),
        (lambda: evaluate(graph.x, graph, "public"), "has no train_mask and no val_mask and no test_mask"),
        (lambda: evaluate(overlapping.x, overlapping, "public"), "in two parts of one split"),
        (lambda: evaluate(no_labels.x, no_labels), "the graph has no labels (y)"),
        (lambda: evaluate(torch.eye(80), one_class), "fewer than two classes"),
        (lambda: evaluate(torch.eye(80), floats), "one whole number per node [80], not torch.float32 [80]"),
        (lambda: neighbours(karate.x, karate, ks=(34,)), "k must lie between 1 and 33"),
        (lambda: clustering(karate.x, karate, repeats=0), "repeats must be at least 1"),
        (lambda: mean_interval([1.0]), "at least two values"),
        (lambda: mean_interval([1.0, 2.0], confidence=95), "between 0 and 1"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), "not 2 and 1"),
        (lambda: nested_spread([1.0, 2.0]), "a table [seeds, splits]"),
        (lambda: evaluate(graph.x, graph, "svc-10-folds"), "'svc-10-folds' does not score one graph"),
        (
            lambda: evaluate(graph.x, graph, "full-ranking"),
            "protocols for it: best-on-test, k-means, k-means-best-epoch, learned-clusters, linear-10-10-80",
        ),
        (lambda: evaluate(torch.eye(3), load_graph("tastes")), "one matrix by each of the names user, item"),
        (lambda: evaluate(graph.x, load_graph("rings")), "one row per graph [200, dim] of data 'rings', not [300, 12]"),
    ]
    for name in DRAWN:
        sentence = f"protocol '{name}' wants at least 50 labelled nodes (5 to train on) and graph 'karate' has 34"
        cases.append((lambda name=name: evaluate(karate.x, karate, name), sentence))
    for mistake, sentence in cases:
        with pytest.raises(UserError) as told:
            mistake()
        assert sentence in str(told.value) and "\n" not in str(told.value)


# the fast solver


def by_scipy(x: np.ndarray, signs: np.ndarray, strength: float) -> np.ndarray:
    """Minimise liblinear's objective over [weights, intercept] by a general optimiser."""
    x = np.hstack([x, np.ones((len(x), 1))])

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = signs * (x @ w)
        slope = -strength * signs / (1 + np.exp(margin))
        return 0.5 * w @ w + strength * np.logaddexp(0, -margin).sum(), w + x.T @ slope

    return optimize.minimize(objective, np.zeros(x.shape[1]), jac=True, tol=1e-12, options={"maxiter": 5000}).x


@pytest.mark.parametrize("shape", [(40, 9), (12, 30)])
@pytest.mark.parametrize("form", ["dense", "sparse, rotated", "sparse, as it is"])
def test_the_path_minimises_the_objective(shape: tuple[int, int], form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=shape) * (draw.random(shape) < 0.6)
    signs = np.where(draw.random((shape[0], 3)) < 0.4, 1.0, -1.0)
    used = np.ones((shape[0], 3))
    used[::3, 1] = 0
    if form == "sparse, as it is":
        monkeypatch.setattr(logistic, "WIDEST_EIGENPROBLEM", 0)
    block = logistic.reduce(x if form == "dense" else sp.csr_matrix(x))
    assert (block.lift is None) == (form == "sparse, as it is")
    found = list(logistic.path(block.rows, signs, used, GRID, tolerance=1e-9))
    for place in (0, 10, 19):
        weights = block.weights(found[place])
        for problem in range(3):
            kept = used[:, problem] > 0
            wanted = by_scipy(x[kept], signs[kept, problem], GRID[place])
            np.testing.assert_allclose(weights[:, problem], wanted, rtol=2e-4, atol=2e-4 * np.abs(wanted).max())


def test_the_objective_is_liblinears() -> None:
    graph = labelled_graph(nodes=120)
    x, signs = graph.x.double().numpy(), np.where(graph.y.numpy() == 1, 1.0, -1.0)
    block = logistic.reduce(x)
    for strength, solved in zip(
        GRID, logistic.path(block.rows, signs[:, None], np.ones((120, 1)), GRID, 1e-9), strict=True
    ):
        model = LogisticRegression(solver="liblinear", C=strength, tol=1e-10, max_iter=10_000).fit(x, signs)
        wanted = np.append(model.coef_[0], model.intercept_)
        np.testing.assert_allclose(block.weights(solved)[:, 0], wanted, atol=1e-4 * np.abs(wanted).max())


def test_separable_classes_and_a_single_row_do_not_break_the_solver() -> None:
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 1.0]])
    block = logistic.reduce(x)
    *_, last = logistic.path(block.rows, np.array([[1.0], [-1.0], [1.0]]), np.ones((3, 1)), [1.0, 1e6])
    assert np.isfinite(last).all() and np.all(np.sign(block.rows @ last).ravel() == [1, -1, 1])
    single = logistic.reduce(np.zeros((1, 3)))
    assert all(np.isfinite(w).all() for w in logistic.path(single.rows, np.ones((1, 1)), np.ones((1, 1)), GRID))


# probes


def released_choice(x: np.ndarray, labels: np.ndarray, classes: int, folds: list[np.ndarray] | None = None) -> float:
    """C by the release's cross-validation, as a plain loop: contiguous folds, exact match of outputs cut at zero."""
    folds = np.array_split(np.arange(len(x)), 5) if folds is None else folds
    means = []
    for strength in COARSE:
        hits = []
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(x)), fold)
            said = np.zeros((len(fold), classes), dtype=bool)
            for one in range(classes):
                model = LogisticRegression(solver="liblinear", C=strength, random_state=0)
                model.fit(x[rest], labels[rest] == one)
                said[:, one] = model.decision_function(x[fold]) > 0
            hits.append((said == (labels[fold][:, None] == np.arange(classes))).all(axis=1).mean())
        means.append(np.mean(hits))
    return COARSE[int(np.argmax(means))]


@pytest.fixture(scope="module")
def noisy() -> tuple[np.ndarray, np.ndarray, Split, Split]:
    graph = labelled_graph(nodes=600, noise=2.0)
    splits = [protocols.get(name).splits(graph, 1, 2)[0] for name in ("random-10-90", "random-10-10-80")]
    return normalize(graph.x.numpy()), graph.y.numpy(), *splits


def test_cross_validation_chooses_as_the_release_does(noisy: tuple) -> None:
    x, y, split, _ = noisy
    wanted = released_choice(x[split.train], y[split.train], 3)
    assert probes.liblinear(x, y, split, 3, COARSE).chosen == probes.fast(x, y, split, 3, COARSE).chosen == wanted


def test_random_halves_choose_as_bgrls_release_does(noisy: tuple) -> None:
    x, y, split, _ = noisy
    half = ShuffleSplit(5, test_size=0.5, random_state=0)
    wanted = released_choice(x[split.train], y[split.train], 3, [held for _, held in half.split(split.train)])
    both = [probe(x, y, split, 3, COARSE, True) for probe in (probes.fast, probes.liblinear)]
    assert [said.chosen for said in both] == [wanted, wanted]
    assert (both[0].classes == both[1].classes).mean() > 0.998
    scores = evaluate(x, labelled_graph(nodes=600, noise=2.0), "random-20-80", splits=2, progress=False)
    assert scores.per_split["train"].tolist() == [120, 120]


@pytest.mark.parametrize("dense", [True, False])
def test_fast_predicts_what_liblinear_predicts(noisy: tuple, dense: bool) -> None:
    x, y, *splits = noisy
    x = x if dense else sp.csr_matrix(x)
    for split in splits:
        fast, slow = probes.fast(x, y, split, 3, COARSE), probes.liblinear(x, y, split, 3, COARSE)
        assert fast.chosen == slow.chosen
        assert (fast.classes == slow.classes).mean() > 0.998


def test_where_rows_hardly_differ_the_grid_does_not_bind_and_a_grid_that_does_is_told() -> None:
    graph = labelled_graph(nodes=600)
    x = 1 + 3e-3 * graph.x  # nearly one direction, as attributes of small norm or a collapsed embedding have
    released, own = (evaluate(x, graph, name, splits=2, progress=False) for name in ("random-10-90", "random-10-10-80"))
    assert released.at_an_end == "C at an end of its range in 2 of 2 splits" and own.at_an_end is None
    assert released.at_an_end in str(released) and released.at_an_end in released._repr_html_()
    assert "an end" not in str(own) and own.accuracy > released.accuracy + 3
    assert evaluate(graph.x, graph, "linear-10-10-80", splits=1, steps=20, progress=False).at_an_end is None


@pytest.mark.parametrize("absent", [0, 2])
def test_a_class_without_a_training_node_is_never_predicted(noisy: tuple, absent: int) -> None:
    x, y, *splits = noisy
    for split in splits:
        train = split.train[y[split.train] != absent]
        short = Split(train, split.validation, split.test)
        fast, slow = probes.fast(x, y, short, 3, COARSE), probes.liblinear(x, y, short, 3, COARSE)
        assert fast.chosen == slow.chosen and (fast.classes == slow.classes).mean() > 0.998
        assert absent not in fast.classes and absent not in slow.classes


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_one_class_in_training_is_predicted_everywhere(noisy: tuple) -> None:
    x, y, *splits = noisy
    for split in splits:
        single = Split(split.train[y[split.train] == 1], split.validation, split.test)
        for probe in (probes.fast, probes.liblinear):
            assert (probe(x, y, single, 3, COARSE).classes == 1).all()


def course(
    x: torch.Tensor, y: torch.Tensor, train: np.ndarray, steps: int, seed: int, decay: float = 0.0, every: int = 20
) -> dict[int, torch.Tensor]:
    """Class of each node [nodes] after every 20th step of PyGCL's layer, as its release trains it."""
    draw = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(12, 3)
    with torch.no_grad():
        torch.nn.init.xavier_uniform_(layer.weight, generator=draw)
        layer.bias.uniform_(-(12**-0.5), 12**-0.5, generator=draw)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.01, weight_decay=decay)
    said = {}
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        torch.nn.NLLLoss()(torch.log_softmax(layer(x[train]), dim=-1), y[train]).backward()
        optimiser.step()
        if step % every == 0:
            said[step] = layer(x).argmax(-1)
    return said


def test_the_linear_layer_is_the_one_of_pygcl(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    split = protocols.get("pygcl-swapped").splits(graph, 1)[0]
    x, y = graph.x, graph.y
    best, chosen, said = 0.0, 0, None
    for step, classes in course(x, y, split.train, 300, seed=11).items():
        micro = f1_score(y[split.validation], classes[split.validation], average="micro")
        if micro > best:
            best, chosen, said = micro, step, classes[split.test]
    for features, limit in ((x.numpy(), 0.0), (sp.csr_matrix(x.numpy()), 0.0), (sp.csr_matrix(x.numpy()), 2.0)):
        monkeypatch.setattr(probes, "SPARSE_STEP_BELOW", limit)
        found = probes.linear_layer(features, y.numpy(), split, 3, steps=300, seed=11)
        assert found.chosen == chosen and np.array_equal(found.classes, said)


def test_several_weight_decays_are_several_layers_among_whose_steps_the_validation_part_picks() -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    split, y = protocols.get("linear-10-10-80").splits(graph, 1)[0], graph.y
    courses = [course(graph.x, y, split.train, 100, 5, decay) for decay in (0.0, 0.3, 1.0)]
    right = [(int((c == y)[split.validation].sum()), c[split.test]) for one in courses for c in one.values()]
    wanted = max(right, key=lambda pair: pair[0])[1]
    found = probes.linear_layer(graph.x.numpy(), y.numpy(), split, 3, 100, 5, (0.0, 0.3, 1.0))
    assert np.array_equal(found.classes, wanted)
    alone = [
        probes.linear_layer(graph.x.numpy(), y.numpy(), split, 3, 100, 5, (decay,)).classes for decay in (0.0, 1.0)
    ]
    assert not np.array_equal(*alone)


def test_graphmae_reports_the_latest_of_the_best_steps_and_the_last_one_side_by_side() -> None:
    graph = with_masks(labelled_graph(nodes=200, noise=4.0))
    split, y = protocols.get("linear-graphmae").splits(graph)[0], graph.y
    start = Randomness(0).integer("probe 0")
    for name, decay in (("made", 1e-4), ("citeseer", 1e-2)):
        graph.name = name
        said = course(graph.x, y, split.train, 300, start, decay, every=1)
        right = {step: int((classes == y)[split.validation].sum()) for step, classes in said.items()}
        tied = [step for step in right if right[step] == max(right.values())]
        latest, last = (evaluate(graph.x, graph, protocol) for protocol in ("linear-graphmae", "linear-graphmae-last"))
        for scores, step in ((latest, tied[-1]), (last, 300)):
            assert scores.per_split["step"].tolist() == [step] and not scores.flawed
            assert scores.accuracy == pytest.approx(100 * float((said[step] == y)[split.test].float().mean()))
        assert len(tied) > 1 and tied[-1] < 300


def test_best_on_test_reports_the_highest_accuracy_that_the_layer_passed_through() -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    fair, best = (evaluate(graph.x, graph, name, splits=4, seed=3, steps=300) for name in DRAWN[1::-1])
    gained = 0.0
    for number, split in enumerate(protocols.get("best-on-test").splits(graph, 4, 3)):
        twin = protocols.get("linear-10-10-80").splits(graph, 4, 3)[number]
        assert np.array_equal(split.train, twin.train) and np.array_equal(split.test, twin.test)
        said = course(graph.x, graph.y, split.train, 300, Randomness(3).integer(f"probe {number}"))
        right = {step: int((classes == graph.y)[split.test].sum()) for step, classes in said.items()}
        found, other = best.per_split.loc[number], fair.per_split.loc[number]
        assert found["step"] == max(right, key=right.get)  # the first of several that are as high
        assert found["accuracy"] == pytest.approx(100 * max(right.values()) / 160)
        assert other["accuracy"] == pytest.approx(100 * right[other["step"]] / 160)
        assert found["accuracy"] >= other["accuracy"]
        gained += found["accuracy"] - other["accuracy"]
    assert gained > 0


# scores


def answering(monkeypatch: pytest.MonkeyPatch, probe: str, answer: object) -> list[np.ndarray]:
    """Replace a probe by a fixed answer; returns the labels that it is handed."""
    seen: list[np.ndarray] = []

    def fixed(x: object, known: np.ndarray, split: Split, *rest: object) -> probes.Prediction:
        seen.append(known)
        return probes.Prediction(answer(split), 1.0)

    monkeypatch.setattr(probes, probe, fixed)
    return seen


def test_accuracy_and_macro_f1_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = with_masks(labelled_graph(nodes=50, classes=2))
    graph.y = torch.tensor([0, 1] * 25)
    graph.y[0] = 2  # a training node: class 2 is neither present nor predicted in the test part
    test = np.flatnonzero(graph.test_mask.numpy())
    answering(monkeypatch, "fast", lambda split: np.zeros(split.test.size, dtype=int))
    scores = evaluate(graph.x, graph, "public")
    zeros = int((graph.y[test] == 0).sum())
    assert scores.accuracy == pytest.approx(100 * zeros / test.size)
    precision, recall = zeros / test.size, 1.0
    assert scores.macro_f1 == pytest.approx(100 * (2 * precision * recall / (precision + recall) + 0) / 2)
    everything = np.eye(3, dtype=bool)
    answering(monkeypatch, "liblinear", lambda split: np.zeros(split.test.size, dtype=int))
    graph = labelled_graph(nodes=60, classes=2)
    graph.y[0] = 2
    scores = evaluate(graph.x, graph, "random-10-90", splits=2)
    for number, split in enumerate(protocols.get("random-10-90").splits(graph, 2)):
        truth = everything[graph.y[split.test].numpy()]  # the release's form: one-hot truth and prediction
        said = everything[np.zeros(split.test.size, dtype=int)]
        macro = 100 * f1_score(truth, said, average="macro", zero_division=0)
        micro = 100 * f1_score(truth, said, average="micro")
        assert scores.per_split.loc[number, "macro_f1"] == pytest.approx(macro)
        assert scores.per_split.loc[number, "accuracy"] == pytest.approx(micro)


def few_steps(name: str) -> int | None:
    return 300 if protocols.get(name).steps else None


@pytest.mark.parametrize("name", DRAWN)
def test_test_labels_reach_no_probe_but_the_one_that_is_flawed_in_this(
    name: str, monkeypatch: pytest.MonkeyPatch, coarse: None
) -> None:
    sees = name == "best-on-test"
    graph = labelled_graph(nodes=200, noise=2.0)
    said: list[np.ndarray] = []
    for probe in ("fast", "liblinear", "linear_layer"):
        original = getattr(probes, probe)

        def recorded(x, known, split, *rest, original=original):
            assert (known[split.test] == -1).all() or sees
            answer = original(x, known, split, *rest)
            said.append(answer.classes)
            return answer

        monkeypatch.setattr(probes, probe, recorded)
    before = evaluate(graph.x, graph, name, splits=1, steps=few_steps(name))
    test = torch.from_numpy(protocols.get(name).splits(graph, 1)[0].test)
    graph.y[test] = graph.y[test.flip(0)]
    after = evaluate(graph.x, graph, name, splits=1, steps=few_steps(name))
    assert np.array_equal(*said) != sees and before.accuracy != after.accuracy


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_gives_the_same_scores_and_touches_no_global_generator(name: str, coarse: None) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    options = {"splits": 2, "steps": few_steps(name)}
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first, second = (evaluate(graph.x, graph, name, **options) for _ in range(2))
    assert torch.equal(states[0], torch.get_rng_state()) and random.getstate() == states[2]
    assert np.array_equal(states[1], np.random.get_state()[1])
    pd.testing.assert_frame_equal(first.per_split, second.per_split)
    assert not first.per_split.equals(evaluate(graph.x, graph, name, seed=1, **options).per_split)


def test_each_protocol_reports_its_own_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    for name, ddof, kind in (("random-10-90", 0, "population"), ("random-10-10-80", 1, "sample")):
        scores = evaluate(graph.x, graph, name, splits=3, solver="fast")
        assert scores.accuracy.mean == pytest.approx(scores.per_split["accuracy"].mean())
        assert scores.accuracy.std == pytest.approx(np.std(scores.per_split["accuracy"], ddof=ddof))
        assert scores.macro_f1.std == pytest.approx(np.std(scores.per_split["macro_f1"], ddof=ddof))
        assert scores.accuracy.over == f"{kind} std over 3 random splits of one embedding"
    assert scores.per_split[["train", "validation", "test"]].iloc[0].tolist() == [20, 20, 160]
    assert 0 < scores.accuracy < 100


def test_a_line_of_scores_says_what_they_are() -> None:
    graph = with_masks(labelled_graph(nodes=200))
    line = str(evaluate(graph.x, graph, splits=2))
    assert "(random-10-10-80, fast; mean ± sample std over 2 random splits of one embedding)" in line
    line = str(evaluate(graph.x, graph, "pygcl-swapped", splits=2, steps=40))
    assert "pygcl-swapped, adam, 40 steps" in line and "FLAWED: " in line
    line = str(evaluate(graph.x, graph, "linear-10-10-80", splits=2, steps=40))
    assert "(linear-10-10-80, adam, 40 steps; mean" in line and "FLAWED" not in line
    line = str(evaluate(graph.x, graph, "linear-10-10-80", splits=2, steps=40, normalise=True))
    assert "(linear-10-10-80, adam, 40 steps, rows normalised; mean" in line
    assert "(random-10-10-80, fast, rows as they are; mean" in str(evaluate(graph.x, graph, splits=2, normalise=False))
    single = evaluate(graph.x, graph, "public")
    assert "mean over the one public split" in str(single) and "±" not in str(single) and np.isnan(single.accuracy.std)


@pytest.mark.parametrize("name", ["random-10-10-80", "linear-10-10-80"])
def test_rows_are_divided_by_their_norm_when_asked_whatever_the_protocol_does(name: str, coarse: None) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    graph.x *= torch.logspace(-2, 2, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(1))][:, None]
    by_hand = graph.x / (graph.x**2).sum(dim=1, keepdim=True).sqrt()
    options = {"splits": 2, "steps": few_steps(name)}
    divided, plain = (evaluate(graph.x, graph, name, normalise=asked, **options) for asked in (True, False))
    assert divided.normalised and not plain.normalised and not divided.per_split.equals(plain.per_split)
    for asked in (True, False):
        twin = evaluate(by_hand, graph, name, normalise=asked, **options)
        pd.testing.assert_frame_equal(twin.per_split, divided.per_split)
    own = evaluate(graph.x, graph, name, **options)
    assert own.normalised == protocols.get(name).normalise
    pd.testing.assert_frame_equal(own.per_split, (divided if own.normalised else plain).per_split)


def test_a_measure_is_a_number_that_keeps_its_spread() -> None:
    measure = Measure(83.25, 0.94, "population std over 10 random splits of one embedding")
    assert measure == 83.25 and measure + 1 == 84.25 and f"{measure:.2f}" == "83.25" and str(measure) == "83.2 ± 0.9"
    for twin in (copy.deepcopy(measure), pickle.loads(pickle.dumps(measure))):
        assert (twin, twin.std, twin.over, twin.mean) == (83.25, 0.94, measure.over, 83.25)
    assert str(Measure(83.25, np.nan, "")) == "83.2"


def test_a_wide_matrix_of_few_values_stays_sparse() -> None:
    graph = labelled_graph(nodes=60)
    few = torch.zeros(60, 50)
    few[:, 3] = graph.y.float()
    kept = matrix_of(few, graph)
    assert sp.issparse(kept) and np.array_equal(kept.toarray(), few.numpy())
    assert (
        not sp.issparse(matrix_of(graph.x.double(), graph)) and matrix_of(graph.x.double(), graph).dtype == np.float32
    )


# scores beside a run


@dataclass(frozen=True)
class Config:
    hidden: int = 8
    tau: float = 0.4


def made_run(
    graph: Data, seed: int = 0, method: str = "made-up", path: Path | None = None, **config
) -> SimpleNamespace:
    draw = torch.Generator().manual_seed(seed)
    embeddings = graph.x @ torch.randn(graph.x.size(1), 8, generator=draw)
    facts = {"graph": "made", "graph_hash": content_hash(graph), "seconds": 2.0 + seed, "peak_mib": 100.0}
    return SimpleNamespace(embeddings=embeddings, method=method, config=Config(**config), seed=seed, path=path, **facts)


def test_scores_of_a_stored_run_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=200)
    run = made_run(graph, path=tmp_path)
    first = evaluate(run, graph, splits=2)
    (file,) = (tmp_path / "scores").iterdir()
    assert file.name.startswith("random-10-10-80-") and file.suffix == ".json"
    with monkeypatch.context() as patch:
        patch.setattr(probes, "fast", lambda *_: pytest.fail("computed again"))
        again = evaluate(run, graph, splits=2)
    assert str(again) == str(first) and again.accuracy.std == first.accuracy.std and again.macro_f1 == first.macro_f1
    pd.testing.assert_frame_equal(again.per_split, first.per_split)

    computed = []
    original = probes.fast
    monkeypatch.setattr(probes, "fast", lambda *args: computed.append(1) or original(*args))
    other_labels = graph.clone()
    other_labels.y = graph.y.flip(0)
    retrained = SimpleNamespace(**{**vars(run), "embeddings": run.embeddings + 1})
    relabelled = SimpleNamespace(**{**vars(run), "graph_hash": content_hash(other_labels)})
    for asked in (
        lambda: evaluate(run, graph, splits=3),
        lambda: evaluate(run, graph, splits=2, seed=1),
        lambda: evaluate(run, graph, "random-10-90", splits=2, solver="fast"),
        lambda: evaluate(relabelled, other_labels, splits=2),
        lambda: evaluate(retrained, graph, splits=2),
        lambda: evaluate(run, graph, splits=2, fresh=True),
    ):
        count = len(computed)
        asked()
        assert len(computed) > count
    file.write_text("{half a fi")
    with pytest.warns(UserWarning, match="not usable and are computed again"):
        assert str(evaluate(run, graph, splits=2)) == str(first)
    assert not list((tmp_path / "scores").glob("*.part"))
    monkeypatch.setattr(evaluation.scores, "VERSION", 10**6)
    count = len(computed)
    evaluate(run, graph, splits=2)
    assert len(computed) > count


def test_scores_of_normalised_rows_are_kept_apart_from_those_of_rows_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    run = made_run(graph, path=tmp_path)
    divided, plain = (evaluate(run, graph, splits=2, normalise=asked) for asked in (True, False))
    assert divided.accuracy != plain.accuracy and len([*(tmp_path / "scores").iterdir()]) == 2
    monkeypatch.setattr(probes, "fast", lambda *_: pytest.fail("computed again"))
    for asked, kept in ((True, divided), (False, plain), (None, divided)):  # None: what the protocol does
        assert evaluate(run, graph, splits=2, normalise=asked).as_dict() == kept.as_dict()


def test_scores_survive_the_way_through_json() -> None:
    graph = with_masks(labelled_graph(nodes=200))
    for scores in (
        evaluate(graph.x, graph, "public"),
        evaluate(graph.x, graph, "pygcl-swapped", splits=2, steps=40),
        evaluate(graph.x, graph, splits=2, normalise=False),
    ):
        twin = Scores.from_dict(json.loads(json.dumps(scores.as_dict())))
        assert str(twin) == str(scores) and twin.as_dict() == scores.as_dict()
        assert twin.normalised is scores.normalised


# comparisons


def test_compare_keeps_seeds_and_splits_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    started = []
    monkeypatch.setattr("workbench.evaluation.comparison.untrained", lambda run, g: started.append(run.seed) or run)
    runs = [made_run(graph, seed) for seed in (0, 1, 2)]
    table = compare(runs, graph, splits=3)
    floors = ["raw attributes", "propagated attributes Â²X", "hops X, ÂX, Â²X, Â⁴X"]
    assert table["name"].tolist() == [*floors, "untrained made-up", "made-up"]
    assert table["kind"].tolist() == ["baseline", "baseline", "baseline", "untrained", "trained"]
    assert table["training seeds"].tolist() == [0, 0, 0, 3, 3] and started == [0, 1, 2]
    row = table.iloc[-1]
    own = [evaluate(run, graph, splits=3) for run in runs]
    assert row["accuracy"] == pytest.approx(np.mean([s.accuracy for s in own]))
    assert row["macro F1"] == pytest.approx(np.mean([s.macro_f1 for s in own]))
    assert row["spread over seeds"] == pytest.approx(np.std([s.accuracy for s in own], ddof=1))
    assert row["spread over splits"] == pytest.approx(np.sqrt(np.mean([s.accuracy.std**2 for s in own])))
    assert row["seconds"] == 3.0 and row["peak MiB"] == 100 and row["protocol"] == "random-10-10-80"
    raw = evaluate(graph.x, graph, splits=3)
    assert table.loc[0, "accuracy"] == raw.accuracy and table.loc[0, "spread over splits"] == raw.accuracy.std
    assert np.isnan(table.loc[0, "spread over seeds"])

    shown = evaluation.format(table)
    assert shown.iloc[-1, 1] == f"{row['accuracy']:.1f} ± {row['spread over splits']:.1f}"
    assert shown.iloc[0]["± over seeds"] == "–" and shown.iloc[0]["training seeds"] == "–"
    assert shown.iloc[0]["protocol"] == "random-10-10-80, fast"
    flawed = evaluation.format(compare(runs[0], graph, "pygcl-swapped", baselines=False, splits=2, steps=40))
    assert flawed["protocol"].tolist() == ["pygcl-swapped, adam 40 steps, FLAWED"]


def test_baselines_are_scored_once_beside_the_runs_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=200, noise=2.0)
    monkeypatch.setattr("workbench.evaluation.comparison.untrained", lambda run, g: run)
    run = made_run(graph, path=tmp_path / "run")
    first = compare(run, graph, splits=2).drop(columns="seconds")
    other = graph.clone()
    other.y = graph.y.flip(0)
    with monkeypatch.context() as patch:
        patch.setattr(probes, "fast", lambda *_: pytest.fail("computed again"))
        again = compare(run, graph, splits=2).drop(columns="seconds")
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            compare(made_run(other, path=tmp_path / "run"), other, splits=2)
    pd.testing.assert_frame_equal(again, first)


def test_compare_tells_configurations_apart_and_refuses_to_count_twice() -> None:
    graph = labelled_graph(nodes=200)
    runs = [made_run(graph), made_run(graph, tau=0.9), made_run(graph, method="other")]
    assert compare(runs, graph, baselines=False, splits=2)["name"].tolist() == [
        "made-up (tau=0.4)",
        "made-up (tau=0.9)",
        "other",
    ]
    with pytest.raises(UserError, match="same configuration and training seed 0"):
        compare([made_run(graph), made_run(graph)], graph, baselines=False)


def test_the_same_nodes_in_another_order_are_refused() -> None:
    graph = labelled_graph(nodes=200)
    run, order = made_run(graph), torch.randperm(200, generator=torch.Generator().manual_seed(0))
    place = torch.argsort(order)
    other = Data(x=graph.x[order], y=graph.y[order], edge_index=place[graph.edge_index], name="made")
    sentence = "trained on 'made', and graph 'made' differs from it in content or in the order"
    for asked in (
        lambda: evaluate(run, other),
        lambda: compare(run, other),
        lambda: evaluation.agreement(run, run, other),
        lambda: evaluation.lens(run, other),
        lambda: neighbours(run, other),
        lambda: evaluation.check_same(run, other),
    ):
        with pytest.raises(UserError, match=sentence):
            asked()
    assert evaluate(run.embeddings[order], other, splits=2, solver="fast").accuracy > 50  # a matrix can't be checked
    graph.x[0, 0] += 1
    with pytest.raises(UserError, match=sentence):
        evaluate(run, graph)


# sets of graphs


@pytest.fixture
def few_rings() -> GraphSet:
    return rings(graphs=60)


def test_folds_are_stratified_and_test_each_graph_once(few_rings: GraphSet) -> None:
    labels = labels_of(few_rings)
    for seed in (0, 1):
        parts = protocols.get("svc-10-folds").splits(few_rings, 10, seed)
        assert np.array_equal(np.sort(np.hstack([split.test for split in parts])), np.arange(60))
        for split, twin in zip(parts, protocols.get("svc-10-folds-graphmae").splits(few_rings, 20, seed), strict=True):
            assert np.array_equal(np.sort(np.hstack([split.train, split.test])), np.arange(60))
            assert labels[split.test].sum() == 3 and np.array_equal(split.test, twin.test)
    assert not np.array_equal(parts[0].test, protocols.get("svc-10-folds").splits(few_rings, 1, 0)[0].test)


@pytest.mark.parametrize(("name", "last"), [("svc-10-folds", 3), ("svc-10-folds-graphmae", 1)])
def test_the_svc_is_chosen_as_the_releases_do(name: str, last: int, few_rings: GraphSet) -> None:
    draw = np.random.default_rng(0)
    y = labels_of(few_rings)
    x = (draw.normal(size=(60, 5)) + 0.8 * y[:, None]).astype(np.float32)
    scores = evaluate(x, few_rings, name, splits=3)
    for number, split in enumerate(protocols.get(name).splits(few_rings, 3)):
        a, b = x[split.train], y[split.train]
        by_c = {c: cross_val_score(SVC(C=c), a, b, cv=5).mean() for c in 10.0 ** np.arange(-3, last + 1)}
        best = max(by_c, key=by_c.get)
        right = SVC(C=best).fit(a, b).score(x[split.test], y[split.test])
        row = scores.per_split.loc[number]
        assert row["C"] == best and row["accuracy"] == pytest.approx(100 * right)
    assert scores.accuracy.over == "population std over 3 folds of one embedding" and scores.protocol == name


def test_colour_refinement_against_a_dictionary(few_rings: GraphSet) -> None:
    graphs, known = GraphSet(few_rings[:6]), {}
    wanted = [{} for _ in graphs]
    for number, graph in enumerate(graphs):
        label = [tuple(row) for row in graph.x.tolist()]
        around = [graph.edge_index[0, graph.edge_index[1] == node].tolist() for node in range(graph.num_nodes)]
        for step in range(4):
            for one in label:
                place = known.setdefault((step, one), len(known))
                wanted[number][place] = wanted[number].get(place, 0) + 1
            label = [(own, tuple(sorted(label[v] for v in near))) for own, near in zip(label, around, strict=True)]
    counts = evaluation.BASELINES.get("weisfeiler-lehman").embed(graphs).toarray()
    assert counts.shape == (6, len(known))
    table = np.zeros_like(counts)
    for number, row in enumerate(wanted):
        table[number, [*row]] = [*row.values()]
    assert sorted(map(tuple, counts.T)) == sorted(map(tuple, table.T))


# users and items


def ranking_by_loops(scores: np.ndarray, train: set, test: set) -> dict[str, float]:
    """Measure by the definition: sort each user's items, leave out those of training, count."""
    found = {name: [] for name in protocols.RANKING}
    for user in sorted({u for u, _ in test}):
        wanted = {i for u, i in test if u == user}
        order = sorted(
            (i for i in range(scores.shape[1]) if (user, i) not in train), key=lambda i: (-scores[user, i], i)
        )
        for k in (20, 40):
            top = order[:k]
            found[f"recall@{k}"].append(len(wanted & {*top}) / len(wanted))
            gain = sum(1 / np.log2(rank + 2) for rank, item in enumerate(top) if item in wanted)
            best = sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted))))
            found[f"ndcg@{k}"].append(gain / best)
    return {name: 100 * float(np.mean(values)) for name, values in found.items()}


@pytest.mark.parametrize("ties", [False, True])
def test_full_ranking_against_a_loop(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    users, items = 30, 70
    drawn = draw.random((users, items))
    train, test = drawn < 0.1, (drawn > 0.55) & (np.arange(users)[:, None] % 7 > 0)  # some users have nothing held out
    pairs = [torch.from_numpy(np.stack(part.nonzero())) for part in (train, test)]
    data = as_users_and_items(users, items, *pairs)
    table = {"user": draw.integers(3, size=(users, 4)), "item": draw.integers(3, size=(items, 4))}
    if not ties:
        table = {name: matrix + draw.normal(size=matrix.shape) for name, matrix in table.items()}
    table = {name: matrix.astype(np.float32) for name, matrix in table.items()}
    wanted = ranking_by_loops(table["user"] @ table["item"].T, *({*zip(*part.tolist(), strict=True)} for part in pairs))
    monkeypatch.setattr(ranking, "BLOCK", 1000)  # several blocks of users
    scores = evaluate(table, data)
    assert scores.protocol == "full-ranking" and {*scores.measures} == {*wanted}
    for name, measure in scores.measures.items():
        assert measure == pytest.approx(wanted[name], abs=1e-9), name
    asked = int((test.any(axis=1)).sum())
    assert scores.main.over == f"standard error over {asked} users of one embedding" and scores.main.std > 0
    assert str(scores).startswith(f"recall@20 {scores.main} %, ndcg@20") and "full-ranking" in str(scores)
    assert Scores.from_dict(json.loads(json.dumps(scores.as_dict()))).as_dict() == scores.as_dict()
    with pytest.raises(UserError, match="measures no accuracy, but recall@20"):
        _ = scores.accuracy
    with pytest.raises(UserError, match="no interactions are held out"):
        evaluate(table, as_users_and_items(users, items, pairs[0]))


def test_item_cosine_and_popularity_by_hand() -> None:
    pairs = torch.tensor([[0, 0, 1, 1, 2], [0, 1, 0, 2, 2]])
    data = as_users_and_items(3, 3, pairs, torch.tensor([[0], [2]]))
    scores = evaluation.BASELINES.get("item-cosine").embed(data)(np.array([0, 2]))
    half = 1 / 2  # items 0 and 2 share one of their two users each
    assert np.allclose(scores, [[1 + 2**-0.5, 1 + 2**-0.5, half], [half, 0, 1]])
    popular = evaluation.BASELINES.get("popularity").embed(data)
    assert (popular["user"] @ popular["item"].T).tolist() == [[2, 1, 2]] * 3


def test_compare_puts_the_baselines_of_the_kind_beside(few_rings: GraphSet) -> None:
    users = load_graph("tastes")
    table = compare([], users)
    assert table["name"].tolist() == ["popularity", "item-item cosine", "singular vectors, rank 64"]
    assert {*table["kind"]} == {"baseline"} and {*protocols.RANKING} <= {*table.columns}
    assert table["recall@20"][1] > table["recall@20"][0] and table["spread over splits"].notna().all()
    assert list(evaluation.format(table))[:2] == ["name", "recall@20 % (± over users)"]
    table = compare([], few_rings, splits=2)
    assert table["name"].tolist() == ["sum of attributes", "Weisfeiler-Lehman counts"]


def test_propagated_attributes_are_two_gcn_steps() -> None:
    graph = labelled_graph(nodes=40)
    adjacency = np.zeros((40, 40))
    for source, target in graph.edge_index.T.tolist():
        adjacency[target, source] = 1
    np.fill_diagonal(adjacency, 1)
    degree = adjacency.sum(1)
    step = adjacency / np.sqrt(degree[:, None] * degree[None])
    wanted = step @ step @ graph.x.double().numpy()
    np.testing.assert_allclose(evaluation.propagated(graph), wanted, rtol=1e-4, atol=1e-5)
    graph.x = torch.eye(40)
    np.testing.assert_allclose(
        np.asarray(sp.csr_matrix(evaluation.propagated(graph)).todense()), step @ step, atol=1e-6
    )


def test_hops_are_unit_rows_of_each_distance_side_by_side() -> None:
    graph = labelled_graph(nodes=40)
    found = baselines.BASELINES.get("hops").embed(graph)
    assert found.shape == (40, 4 * 12) and found.dtype == np.float32
    for place, step in enumerate((0, 1, 2, 4)):
        x = np.asarray(evaluation.propagated(graph, step))
        for node in (0, 7, 39):
            wanted = x[node] / np.linalg.norm(x[node])
            np.testing.assert_allclose(found[node, 12 * place : 12 * (place + 1)], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found, baselines.BASELINES.get("hops").embed(graph))


def test_hops_of_many_columns_keep_the_largest_directions_alone() -> None:
    graph = labelled_graph(nodes=40, dim=30)
    found = baselines.hops(graph, (1,), dim=5)
    u, values, _ = np.linalg.svd(np.asarray(evaluation.propagated(graph, 1)), full_matrices=False)
    wanted = normalize((u * values)[:, :5])
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-3)  # but for signs


def test_netmf_factorises_the_logarithm_of_what_walks_meet() -> None:
    graph = labelled_graph(nodes=30)
    graph.edge_index = graph.edge_index[:, (graph.edge_index != 29).all(0)]  # the last node has no edge
    links = links_of(graph).toarray()
    degree = np.maximum(links.sum(1), 1)
    step, walked = links / degree[:, None], np.zeros((30, 30))
    for length in range(1, 5):
        walked += np.linalg.matrix_power(step, length)
    wanted = np.log(np.maximum(1, links.sum() * walked / degree / (2 * 4)))
    assert 0.05 < (wanted > 0).mean() < 0.9
    np.testing.assert_allclose(baselines.cooccurrences(graph, 4, 2).toarray(), wanted, atol=1e-5)
    kept = baselines.cooccurrences(graph, 4, 2, most=30 * 3).toarray()
    for row, whole in zip(kept, wanted, strict=True):
        largest = np.where(whole >= np.sort(whole)[-3] - 1e-6, whole, 0)
        np.testing.assert_allclose(row, largest, atol=1e-5)
    found = baselines.BASELINES.get("netmf").embed(graph)
    values = np.linalg.svd(baselines.cooccurrences(graph, 10).toarray())[1]
    np.testing.assert_allclose(np.sort(np.linalg.norm(found, axis=0))[::-1] ** 2, values, atol=1e-3)
    assert (np.abs(found[29]) < 1e-3).all() and np.abs(found).max() > 0.5
    np.testing.assert_array_equal(found, baselines.netmf(graph))


def test_netmf_of_a_graph_without_edges_says_nothing() -> None:
    assert not baselines.netmf(Data(x=torch.ones(1, 1), edge_index=torch.empty(2, 0, dtype=torch.long))).any()


# clusters and neighbours


def test_clusters_are_matched_as_the_best_of_all_matchings() -> None:
    draw = np.random.default_rng(0)
    labels, found = draw.integers(0, 4, 60), draw.integers(0, 4, 60)
    orders = [np.array(order)[found] for order in itertools.permutations(range(4))]
    wanted = max(orders, key=lambda order: (order == labels).mean())
    scores = clusters.compared(labels, found)
    assert [*scores] == list(clusters.MEASURES)
    assert scores["accuracy"] == pytest.approx(100 * (wanted == labels).mean())
    each = []
    for c in range(4):
        right = ((wanted == c) & (labels == c)).sum()
        each.append(2 * right / ((wanted == c).sum() + (labels == c).sum()))
    assert scores["macro_f1"] == pytest.approx(100 * np.mean(each))


def test_a_cluster_without_a_class_and_a_class_without_a_cluster_count_as_wrong() -> None:
    one = clusters.compared(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]))
    assert one == pytest.approx({"accuracy": 50, "nmi": 0, "ari": 0, "macro_f1": 100 * (2 / 3) / 2})
    assert clusters.matched(np.array([5, 5, 5]), np.array([2, 0, 2])).tolist() == [5, -1, 5]


def test_the_protocol_k_means_says_what_clustering_says(labelled: Data) -> None:
    scores, found = evaluate(labelled.x, labelled, "k-means", splits=4, seed=3), clustering(labelled.x, labelled, 4, 3)
    assert [*scores.measures] == ["accuracy", "nmi", "ari", "macro_f1"] and scores.main == scores.accuracy
    for name, measure in scores.measures.items():
        assert measure == getattr(found, name) and measure.std == getattr(found, name).std
        np.testing.assert_array_equal(scores.per_split[name], found.per_repeat[name])
    assert scores.solver == "k-means" and scores.normalised and scores.flawed is None
    assert scores.accuracy.over == "sample std over 4 starts of k-means of one embedding"
    assert "NMI" in str(scores) and "(k-means, k-means;" in str(scores) and "NMI" in scores._repr_html_()
    assert Scores.from_dict(json.loads(json.dumps(scores.as_dict()))).as_dict() == scores.as_dict()
    first = evaluate(labelled.x, labelled, "k-means", splits=1, seed=3)
    assert first.accuracy == scores.per_split["accuracy"].iloc[0] and np.isnan(first.accuracy.std)


def test_k_means_wants_hardly_any_labels_and_other_items_are_left_out() -> None:
    graph = labelled_graph(nodes=30, classes=2, noise=0.0)
    graph.y[2:] = -1
    graph.y[:2] = torch.tensor([0, 1])
    graph.x[1] = -graph.x[0]
    assert evaluate(graph.x, graph, "k-means", splits=2).accuracy == 100
    with pytest.raises(UserError, match="unknown solver 'fast'"):
        evaluate(graph.x, graph, "k-means", solver="fast")


def test_the_best_epoch_is_the_maximum_of_each_measure_by_itself(labelled: Data, tmp_path: Path) -> None:
    run = fit("grace", labelled, "small", epochs=6, snapshots=4, store=tmp_path, progress=False)
    last = evaluate(run, labelled, "k-means", splits=3, progress=False)
    best = evaluate(run, labelled, "k-means-best-epoch", splits=3, progress=False)
    of_epochs = [evaluate(x.float(), labelled, "k-means", splits=3) for x in [*run.snapshots.values()][:-1]] + [last]
    for name in clusters.MEASURES:
        every = np.array([scores.per_split[name] for scores in of_epochs])
        np.testing.assert_allclose(best.per_split[name], every.max(0))
        assert best.measures[name] >= last.measures[name]
    at = np.array([scores.per_split["accuracy"] for scores in of_epochs]).argmax(0)
    assert best.per_split["epoch"].tolist() == [[0, 2, 4, 6][place] for place in at]
    assert "FLAWED" in str(best) and "FLAWED" not in str(last)
    table = compare(run, labelled, "k-means-best-epoch", splits=2, progress=False)
    assert table["kind"].tolist() == ["trained"] and {"accuracy", "NMI", "ARI", "macro F1"} <= {*table}
    assert evaluation.format(compare(run, labelled, "k-means", splits=2, progress=False)).columns[2] == "NMI %"


def test_a_matrix_or_a_run_without_snapshots_has_no_best_epoch(labelled: Data, tmp_path: Path) -> None:
    run = fit("grace", labelled, "small", store=tmp_path, progress=False)
    command = ", or workbench fit grace two --snapshots 11 with its settings,"
    for scored, what, more in ((run, "this run", command), (labelled.x, "a bare matrix", "")):
        with pytest.raises(UserError, match=rf"{what} has none; fit\(..., snapshots=11\){more} keeps eleven"):
            evaluate(scored, labelled, "k-means-best-epoch")


def test_learned_clusters_are_scored_as_they_are_once(labelled: Data, tmp_path: Path) -> None:
    labelled.y = torch.where(torch.arange(100) < 10, -1, labelled.y)
    run = fit("scgc", labelled, "small", store=tmp_path, progress=False)
    given = (run.details["cluster"].numpy()[10:], labelled.y.numpy()[10:])
    table = np.array([[((given[0] == a) & (given[1] == b)).sum() for b in range(2)] for a in range(3)])
    best = max(table[a, 0] + table[b, 1] for a in range(3) for b in range(3) if a != b)
    scores = evaluate(run, labelled, "learned-clusters", splits=7, progress=False)
    assert scores.accuracy == pytest.approx(100 * best / 90)
    assert scores.measures["nmi"] == pytest.approx(100 * normalized_mutual_info_score(given[1], given[0]))
    assert len(scores.per_split) == 1 and scores.per_split.loc[0, ["clusters", "test"]].tolist() == [3, 90]
    assert "(learned-clusters, argmax; mean over 1 set of learned clusters of one embedding)" in str(scores)
    assert compare(run, labelled, "learned-clusters", progress=False)["kind"].tolist() == ["trained"]
    grace = fit("grace", labelled, "small", epochs=1, store=tmp_path, progress=False)
    for scored, what in ((grace, "this run of grace"), (labelled.x, "a bare matrix")):
        with pytest.raises(UserError, match=f"a method learned, and {what} has none; 'k-means' clusters any embedding"):
            evaluate(scored, labelled, "learned-clusters")


def test_clusters_that_are_the_classes_score_full_marks() -> None:
    graph = labelled_graph(nodes=200, noise=0.0)
    found = clustering(graph.x, graph, repeats=3)
    best = found.per_repeat.max()
    assert best["nmi"] == pytest.approx(100) and best["ari"] == pytest.approx(100) and best["accuracy"] == 100
    assert len(found.per_repeat) == 3 and "over 3 starts on one embedding" in str(found)
    again = clustering(graph.x, graph, repeats=3)
    pd.testing.assert_frame_equal(found.per_repeat, again.per_repeat)


@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_clustering_and_neighbours_leave_out_nodes_without_a_label() -> None:
    graph = labelled_graph(nodes=80, noise=0.3)
    cut = Data(x=graph.x[20:], y=graph.y[20:], edge_index=graph.edge_index[:, :0], num_nodes=60)
    graph.y[:20] = -1
    pd.testing.assert_frame_equal(neighbours(graph.x, graph), neighbours(cut.x, cut))
    pd.testing.assert_frame_equal(clustering(graph.x, graph, 2).per_repeat, clustering(cut.x, cut, 2).per_repeat)


@pytest.mark.parametrize("chunk", [64, 0])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_neighbours_against_a_loop(chunk: int, form: object, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = labelled_graph(nodes=70, noise=2.0)
    monkeypatch.setattr(unsupervised, "CHUNK_MIB", chunk)
    found = neighbours(form(graph.x.numpy()), graph, ks=(1, 5, 69))
    unit, y = normalize(graph.x.numpy()), graph.y.numpy()
    for k in (1, 5, 69):
        shares = []
        for node in range(70):
            others = [o for o in np.argsort(-(unit @ unit[node]), kind="stable") if o != node][:k]
            shares.append(np.mean(y[others] == y[node]))
        assert found.loc[k, "same_class"] == pytest.approx(100 * np.mean(shares))
    assert found.loc[69, "by_chance"] == pytest.approx(found.loc[69, "same_class"])


# statistics


def test_intervals_by_hand() -> None:
    found = mean_interval([80.0, 82.0, 84.0])
    half = 4.302653 * 2 / np.sqrt(3)
    assert (found.mean, found.count) == (82, 3) and found.low == pytest.approx(82 - half, abs=1e-5)
    low, high = stats.t.interval(0.9, 2, loc=82, scale=2 / np.sqrt(3))
    assert mean_interval([80.0, 82.0, 84.0], 0.9).high == pytest.approx(high)
    assert mean_interval([80.0, 82.0, 84.0], 0.9).low == pytest.approx(low)
    difference = paired_difference([80.0, 82.0, 84.0], [79.0, 81.5, 82.0])
    assert difference.mean == pytest.approx(3.5 / 3) and str(found) == "82.0 [77.0, 87.0] (95%, n = 3)"
    test = stats.ttest_rel([80.0, 82.0, 84.0], [79.0, 81.5, 82.0]).confidence_interval()
    assert (difference.low, difference.high) == pytest.approx((test.low, test.high))


def test_spread_by_hand() -> None:
    found = nested_spread([[80.0, 82.0], [84.0, 88.0]])
    assert found.between_seeds == pytest.approx(np.std([81, 86], ddof=1))
    assert found.within_seed == pytest.approx(np.sqrt((2 + 8) / 2))
    assert np.isnan(nested_spread([[80.0, 82.0]]).between_seeds) and np.isnan(nested_spread([[80.0]]).within_seed)


# a real graph


def test_fast_and_liblinear_agree_on_cora(real_graph) -> None:
    graph = real_graph("cora")
    smooth = evaluation.propagated(graph)
    narrow = np.asarray(smooth @ np.random.default_rng(0).normal(size=(graph.x.size(1), 32)))
    for protocol, splits in (("random-10-90", 1), ("random-10-10-80", 2)):
        fast, slow = (evaluate(narrow, graph, protocol, splits, solver=s) for s in ("fast", "liblinear"))
        assert abs(fast.accuracy - slow.accuracy) < 0.2
    assert 80 < evaluate(smooth, graph, splits=3).accuracy < 86
    assert evaluate(smooth, graph, "public").per_split[["train", "validation", "test"]].iloc[0].tolist() == [
        140,
        500,
        1000,
    ]


def test_a_notebook_shows_each_measure_with_its_spread_and_the_flaw_of_the_protocol() -> None:
    graph = labelled_graph()
    scores = evaluate(graph.x, graph, "best-on-test", splits=2, steps=20, progress=False)
    shown = scores._repr_html_()
    rows = re.findall(r"<th>(.+?)</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", shown)
    assert [name for name, _, _ in rows] == ["accuracy", "macro F1"] and "FLAWED: " in shown.split("<table")[0]
    assert rows[0][1:] == (f"{scores.accuracy} %", scores.accuracy.over)
