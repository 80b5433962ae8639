"""SelfTask: the targets of each pretext against loops over a small graph, the release's faults, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx

import workbench as wb
from workbench.datasets.structure import adjacency, partition
from workbench.errors import UserError
from workbench.methods.generative import label_pretexts, pretexts
from workbench.methods.generative.pretexts import PRETEXTS, Pretext, Question

UNLABELLED = ["attribute-mask", "attribute-similarity", "cluster-distance", "degree", "edge-mask", "pair-distance"]


@pytest.fixture
def ten() -> tuple[Data, Any]:
    """10 nodes, of which one is alone and two are a component of their own; the first three have a label."""
    links = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4), (4, 5), (5, 6), (8, 9)]
    network = nx.Graph(links)
    network.add_nodes_from(range(10))
    x = (torch.rand(10, 6, generator=torch.Generator().manual_seed(0)) < 0.6).float()
    edges = torch.tensor(links).T
    targets = torch.tensor([0, 1, 1, *[-1] * 7])
    return Data(x=x, edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=10, targets=targets), network


def asked(
    name: str, graph: Data, hidden: Tensor | None = None, epoch: int = 0, **options: Any
) -> tuple[Pretext, list[Question]]:
    pretext = PRETEXTS.get(name)(graph, torch.Generator().manual_seed(0), **options)
    return pretext, pretext.ask(torch.zeros(10, 4) if hidden is None else hidden, epoch)


def hops(network: Any, u: int, v: int) -> float:
    return nx.shortest_path_length(network, u, v) if nx.has_path(network, u, v) else np.inf


def inverse(hops: float) -> float:
    return 1.0 if hops == 0 else 1 / hops


def test_every_pretext_is_registered_and_no_method_is_called_like_one() -> None:
    assert PRETEXTS.names() == sorted([*UNLABELLED, *label_pretexts.LABELLED])
    assert not {*PRETEXTS.names()} & {*wb.methods.names()}


def test_targets_of_nodes_are_those_of_loops(ten: tuple[Data, Any]) -> None:
    graph, network = ten
    question = asked("degree", graph)[1][0]
    wanted = [0 if network.degree[v] <= 2 else 1 if network.degree[v] <= 7 else 2 for v in range(10)]
    assert question.targets.tolist() == wanted and question.items.tolist() == [*range(10)]

    pretext, (question,) = asked("attribute-mask", graph, share=0.4)
    gone = question.items.tolist()
    assert len(gone) == 3 and min(gone) > 2, "labelled nodes keep their attributes"
    assert torch.equal(question.targets, graph.x[gone]) and not pretext.graph.x[gone].any()
    kept = sorted({*range(10)} - {*gone})
    assert torch.equal(pretext.graph.x[kept], graph.x[kept])

    part = partition(graph, 3)
    assert sorted(np.bincount(part)) == [3, 3, 4]
    question = asked("cluster-distance", graph, parts=3)[1][0]
    for number in range(3):
        members = [v for v in range(10) if part[v] == number]
        centre = max(members, key=lambda v: (network.degree[v], -v))
        assert question.targets[:, number].tolist() == pytest.approx(
            [inverse(hops(network, centre, v)) for v in range(10)]
        )
        wrong = members.index(centre)
        faulty = asked("cluster-distance", graph, parts=3, centres="index")[1][0].targets[:, number]
        wanted = [0.0 if v == wrong else inverse(hops(network, wrong, v)) for v in range(10)]
        assert faulty.tolist() == pytest.approx(wanted)


def test_targets_of_pairs_are_those_of_loops(ten: tuple[Data, Any]) -> None:
    graph, network = ten
    pretext, (question,) = asked("edge-mask", graph, share=0.3)
    pairs = question.items.T.tolist()
    assert [network.has_edge(*pair) for pair in pairs] == question.targets.bool().tolist()
    assert question.targets.sum() == 3 and len(pairs) == 6
    left = {frozenset(pair) for pair in pretext.graph.edge_index.T.tolist()}
    assert left == {frozenset(pair) for pair in network.edges} - {
        frozenset(p) for p, t in zip(pairs, question.targets, strict=True) if t
    }

    question = asked("pair-distance", graph, pairs=20)[1][0]
    wanted = [min(hops(network, u, v), 4) - 1 for u, v in question.items.T.tolist()]
    assert question.targets.tolist() == wanted and {*wanted} == {0, 1, 2, 3}
    assert (question.targets == 3).sum() == 20 and (question.targets == 2).sum() <= 20

    question = asked("attribute-similarity", graph, pairs=1000)[1][0]
    wanted = cosine_similarity(graph.x[question.items[0]], graph.x[question.items[1]])
    assert torch.allclose(question.targets[:, 0], wanted) and question.items.shape == (2, 100)
    assert (question.items[0] != question.items[1]).all()
    cosines = torch.nn.functional.normalize(graph.x) @ torch.nn.functional.normalize(graph.x).T
    for v in range(10):
        others = cosines[v][torch.arange(10) != v].sort().values
        drawn = question.targets[question.items[0] == v, 0].sort().values
        assert torch.allclose(drawn[:1], others[:1]) and torch.allclose(drawn[-1:], others[-1:])


def test_targets_by_labels_are_those_of_loops(ten: tuple[Data, Any]) -> None:
    graph, network = ten
    question = asked("label-distance", graph)[1][0]
    wanted = [
        [np.mean([inverse(hops(network, v, u)) for u in members]) for members in ([0], [1, 2])] for v in range(3, 10)
    ]
    assert question.items.tolist() == [*range(3, 10)] and question.targets.tolist() == [
        pytest.approx(row) for row in wanted
    ]

    labels = label_pretexts.pseudo_labels(graph, "propagation")
    assert labels[:3].tolist() == [0, 1, 1]
    question = asked("context-label", graph)[1][0]
    assert question.items.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9], "who reaches nobody is not asked"
    for v, shares in zip(question.items.tolist(), question.targets, strict=True):
        near = [*network[v]]
        near += [u for u in range(10) if u != v and any(u in network[w] for w in network[v])]
        wanted = torch.bincount(labels[near], minlength=2) / len(near)
        assert torch.allclose(shares, wanted)
    for source in ("iterative", "both"):
        assert label_pretexts.pseudo_labels(graph, source)[:3].tolist() == [0, 1, 1]


def test_iterative_labels_do_not_depend_on_the_scale_of_attributes(labelled: Data) -> None:
    labelled.targets = torch.where(torch.arange(100) < 40, labelled.y, -1)
    labelled.x = torch.eye(2)[labelled.y] + 0.5 * torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    labels = label_pretexts.pseudo_labels(labelled, "iterative")
    assert (labels == labelled.y).float().mean() > 0.9
    labelled.x = labelled.x / 1000
    assert torch.equal(label_pretexts.pseudo_labels(labelled, "iterative"), labels)


def test_what_is_known_in_closed_form() -> None:
    path = from_networkx(nx.path_graph(5))
    assert pretexts.hops_from(adjacency(path), np.array([0]), 4).tolist() == [[0, 1, 2, 3, 4]]
    star = from_networkx(nx.star_graph(4))
    star.targets = torch.tensor([-1, 0, -1, -1, -1])
    assert asked("label-distance", star)[1][0].targets.flatten().tolist() == [1, 0.5, 0.5, 0.5]
    # Two cliques whose hidden states point apart keep their labels, and a node that was mislabelled gets its own back.
    hidden = torch.eye(2).repeat_interleave(20, 0) + 0.05 * torch.rand(
        40, 2, generator=torch.Generator().manual_seed(0)
    )
    labels = torch.arange(2).repeat_interleave(20)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(label_pretexts.corrected(hidden, labels, 2, generator), labels)
    wrong = labels.clone()
    wrong[:3] = 1
    assert torch.equal(label_pretexts.corrected(hidden, wrong, 2, generator), labels)


def by_loops(hidden: np.ndarray, labels: np.ndarray, prototypes: int) -> tuple[list[int], bool] | None:
    """Labels that loops correct where all nodes are sampled, and if a near rival mattered; None where ties decide."""
    unit = hidden / np.linalg.norm(hidden, axis=1, keepdims=True)
    chosen, near = {}, False
    for label in sorted({*labels.tolist()}):
        members = np.flatnonzero(labels == label)
        table = {(i, j): float(unit[i] @ unit[j]) for i in members for j in members}
        bound = sorted(table.values())[int(0.4 * (len(table) - 1))]
        density = {i: sum(np.sign(table[i, j] - bound) for j in members) for i in members}
        count = {}
        for i in members:
            above = [table[i, j] for j in members if density[j] > density[i]]
            rival = max(above) if above else min(table[i, j] for j in members)
            count[i] = 0 if rival >= 0.95 else density[i]
        first, last = (sorted(members, key=lambda i, by=by: -by[i]) for by in (count, density))
        if count[first[prototypes - 1]] == count[first[prototypes]]:
            return None
        chosen[label], near = first[:prototypes], near or {*first[:prototypes]} != {*last[:prototypes]}
    means = [{label: np.mean([row @ unit[u] for u in of]) for label, of in chosen.items()} for row in unit]
    return [max(each, key=lambda label, each=each: each[label]) for each in means], near


def test_corrected_labels_are_those_of_loops_over_densities_and_rivals() -> None:
    changed, by_rivals = 0, 0
    labels = torch.tensor([0] * 7 + [2] * 6)  # no node is said to be of class 1
    for seed in range(150):
        hidden = torch.randn(13, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        if told := by_loops(hidden.numpy(), labels.numpy(), 2):
            found = label_pretexts.corrected(hidden, labels, 3, torch.Generator().manual_seed(1), prototypes=2)
            assert found.tolist() == told[0]
            changed, by_rivals = changed + (told[0] != labels.tolist()), by_rivals + told[1]
    assert changed > 10 and by_rivals > 2


def test_the_correction_starts_when_it_is_told_to(ten: tuple[Data, Any]) -> None:
    hidden = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    first, last = (asked("corrected-label", ten[0], hidden, epoch, start=5, nodes=4)[1] for epoch in (4, 5))
    assert len(first) == 1 and [question.weight for question in last] == [1.0, 1.5] and len(last[1].items) == 4
    assert torch.allclose(last[1].targets.sum(1), torch.ones(4))


def test_the_broadcast_has_the_mean_as_its_best_answer(ten: tuple[Data, Any]) -> None:
    faulty, (question,) = asked("attribute-similarity", ten[0], broadcast=True)
    right = asked("attribute-similarity", ten[0])[0]
    answers, targets = torch.randn(len(question.targets), 1), question.targets
    assert faulty.loss(answers, targets).item() == pytest.approx(
        mse_loss(answers.expand(-1, len(targets)), targets.T.expand(len(targets), -1)).item()
    )
    best, spread = targets.mean().expand_as(targets), targets.var(correction=0)
    assert faulty.loss(best, targets) == pytest.approx(spread.item()) and faulty.loss(targets, targets) > spread
    assert right.loss(targets, targets) == 0 and right.loss(best, targets) == pytest.approx(spread.item())


@pytest.mark.parametrize("pretext", [*UNLABELLED, *label_pretexts.LABELLED])
def test_each_pretext_trains_and_is_supervised_where_it_looks_at_labels(
    pretext: str, labelled: Data, tmp_path: Path
) -> None:
    labelled.train_mask = torch.arange(100) % 3 > 0
    quick: dict[str, Any] = {"preset": "small", "progress": False, "store": tmp_path, "pretext": pretext}
    run, control = (wb.fit("selftask", labelled, permuted=permuted, **quick) for permuted in (False, True))
    assert run.history["loss"].notna().all() and not torch.equal(run.embeddings, control.embeddings)
    assert ("supervised" in (run.supervision or "")) == (pretext in label_pretexts.LABELLED)
    hidden = labelled.clone()
    hidden.y = torch.where(labelled.train_mask, labelled.y, 7)  # labels that it may not see
    again = wb.fit("selftask", hidden, **{**quick, "store": tmp_path / "again"})
    assert torch.equal(run.embeddings, again.embeddings)


def test_beside_labels_its_classifier_tells_classes(labelled: Data, tmp_path: Path) -> None:
    labelled.train_mask = torch.arange(100) % 2 > -1
    labelled.edge_index = labelled.edge_index[
        :, labelled.y[labelled.edge_index[0]] == labelled.y[labelled.edge_index[1]]
    ]
    run = wb.fit("selftask", labelled, "small", joint=True, epochs=80, progress=False, store=tmp_path)
    assert (run.details["predicted"] == labelled.y).float().mean() > 0.85
    assert {"pretext", "classes"} <= {*run.history} and run.supervision


def test_its_own_classes_are_scored_on_the_test_part_and_studied(labelled: Data, tmp_path: Path) -> None:
    part, quick = torch.arange(100) // 2 % 4, {"progress": False, "store": tmp_path}
    labelled.train_mask, labelled.val_mask, labelled.test_mask = part < 2, part == 2, part == 3
    run = wb.fit("selftask", labelled, "small", joint=True, **quick)
    scores = wb.evaluate(run, labelled, "own-classifier-public", progress=False)
    hit = (run.details["predicted"] == labelled.y)[labelled.test_mask]
    assert scores.accuracy == pytest.approx(100 * float(hit.float().mean())) and len(scores.per_split) == 1
    assert scores.macro_f1 != scores.accuracy and "labels of other items" in str(scores.flawed)
    joint = (wb.studies.Condition("joint", "selftask", "small", (("joint", True),)),)
    asked: dict[str, Any] = {"protocols": ("own-classifier-public",), "baselines": (), "untrained": False, "seeds": 1}
    study = wb.studies.Study("mine", conditions=joint, supervised=True, **asked)
    rows = wb.studies.run(study, labelled, **quick).query("metric == 'accuracy'")
    assert rows["value"].tolist() == [float(scores.accuracy)]
    with pytest.raises(UserError, match="a study that is not `supervised` compares what learns without them"):
        wb.studies.run(study.changed(supervised=False), labelled, **quick)
    bare = wb.fit("selftask", labelled, "small", **quick)
    for scored, what in ((bare, "this run of selftask"), (labelled.x, "a bare matrix")):
        with pytest.raises(
            UserError, match=f"the classifier that a method learned, and {what} has none; 'random-10-10-80' trains"
        ):
            wb.evaluate(scored, labelled, "own-classifier-public")


def alone(graph: Data, nodes: int) -> Data:
    kept = graph.edge_index[:, (graph.edge_index < nodes).all(0)]
    return Data(x=graph.x[:nodes], edge_index=kept, y=graph.y[:nodes], num_nodes=nodes)


def test_what_has_nothing_to_ask_for_is_refused_in_a_sentence(labelled: Data, tmp_path: Path) -> None:
    def fit(graph: Data, pretext: str, **options: Any) -> Callable[[], Any]:
        quick: dict[str, Any] = {"preset": "small", "progress": False, "store": tmp_path}
        return lambda: wb.fit("selftask", graph, pretext=pretext, **quick, **options)

    one, two, none = alone(labelled, 1), alone(labelled, 2), labelled.clone()
    none.edge_index = torch.empty(2, 0, dtype=torch.long)
    unlabelled = Data(x=labelled.x, edge_index=labelled.edge_index)
    bad = labelled.clone()
    bad.x = labelled.x.clone()
    bad.x[3, 2] = torch.nan
    for mistake, sentence in (
        (fit(none, "edge-mask"), "edge-mask takes links away, and this graph has none"),
        (fit(one, "pair-distance"), "pair-distance asks for pairs of nodes"),
        (fit(one, "attribute-similarity"), "attribute-similarity asks for pairs of nodes"),
        (fit(two, "cluster-distance"), "parts=10 were asked for; the graph has 2 nodes"),
        (fit(unlabelled, "label-distance"), "these data have none"),
        (fit(labelled, "distance"), "unknown pretext 'distance'"),
        (fit(bad, "degree"), "node 3 hold nan"),
    ):
        with pytest.raises(UserError) as told:
            mistake()
        assert sentence in str(told.value) and "\n" not in str(told.value)
    for graph in (none, two):
        for pretext in {*UNLABELLED} - {"edge-mask", "cluster-distance"}:
            assert fit(graph, pretext)().embeddings.isfinite().all(), pretext
