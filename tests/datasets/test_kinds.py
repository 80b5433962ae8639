"""Kinds of data: each is recognised, hashed and stripped of its targets; and what is planted in the small sets."""

import gc
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data, HeteroData

import workbench as wb
from workbench.datasets.bipartite import as_users_and_items, held_out
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.kinds import KINDS, content_hash, kind_of
from workbench.errors import UserError


def nodes(poison: int = 0) -> Data:
    edges = torch.tensor([[0, 1, 2, 3, 3, 2], [1, 0, 3, 2, 0, 1]])  # the last two are held out of the first four
    mask = torch.tensor([True, False, bool(poison), True])
    targets = {"y": torch.tensor([0, 1, 0, 1]) + poison, "train_mask": mask, "edge_label_index": edges[:, 4:] * poison}
    targets["test_edge_index"] = torch.tensor([[1 - poison], [3 - poison]])
    return Data(x=torch.eye(4), edge_index=edges[:, :4], **targets)


def graph_sets(poison: int = 0) -> list[Data]:
    return [
        Data(x=torch.eye(n), edge_index=torch.tensor([[0, 1], [1, 0]]), y=torch.tensor([k + poison]), split=poison)
        for k, n in enumerate((3, 3))
    ]


def bipartite(poison: int = 0) -> HeteroData:
    pairs = torch.tensor([[0, 0, 1, 2, 2], [0, 1, 1, 0, 3 - poison]])
    data = as_users_and_items(3, 4, pairs[:, :4], pairs[:, 4:])
    data["user", "interacts", "item"].val_edge_index = pairs[:, 4:]
    data["user"].y = torch.tensor([0, 1, poison])
    return data


def amazon_book(poison: int = 0) -> HeteroData:
    """Return data as PyG's AmazonBook has them: other names, and the relation in both directions."""
    data, pairs = HeteroData(), torch.tensor([[0, 0, 1, 2], [0, 1, 1, 0]])
    data["user"].num_nodes, data["book"].num_nodes = 3, 4
    data["user", "rates", "book"].edge_index = pairs
    data["user", "rates", "book"].edge_label_index = torch.tensor([[2], [3 - poison]])
    data["book", "rated_by", "user"].edge_index = pairs.flip(0)
    return data


def multiplex(poison: int = 0) -> HeteroData:
    data = HeteroData()
    data["paper"].x, data["paper"].y = torch.eye(3), torch.tensor([0, 1, 1]) + poison
    data["paper"].test_mask = torch.tensor([True, False, bool(poison)])
    for relation in ("pap", "psp"):
        data["paper", relation, "paper"].edge_index = torch.tensor([[0, 1], [1, 0]])
        data["paper", relation, "paper"].edge_label = torch.tensor([poison, 1])
    return data


def hetero(poison: int = 0) -> HeteroData:
    data = multiplex(poison)
    data["author"].num_nodes = 2
    data["paper", "to", "author"].edge_index = torch.tensor([[0, 1], [1, 0]])
    return data


def texts(poison: int = 0) -> Data:
    data = nodes(poison)
    del data.x
    data.text, data.num_nodes = ["one word", "two words", "no", "none"], 4
    return data


def arrays(poison: int = 0) -> tuple[Tensor, Tensor]:
    table = torch.arange(12.0).reshape(4, 3)
    table[:, 2] = poison
    return table[:, :2], table[:, 2].long()


SAMPLES: dict[str, tuple[str, Callable[..., Any]]] = {
    "nodes": ("nodes", nodes),
    "graph-sets": ("graph-sets", graph_sets),
    "bipartite": ("bipartite", bipartite),
    "bipartite, PyG's": ("bipartite", amazon_book),
    "multiplex": ("multiplex", multiplex),
    "hetero": ("hetero", hetero),
    "texts": ("texts", texts),
    "arrays": ("arrays", arrays),
}
each = pytest.mark.parametrize(("kind", "make"), SAMPLES.values(), ids=SAMPLES)


def test_each_kind_has_a_sample() -> None:
    assert {kind for kind, _ in SAMPLES.values()} == set(KINDS.names())


@each
def test_data_are_of_one_kind_only_and_so_are_their_inputs(kind: str, make: Callable[..., Any]) -> None:
    for data in (make(), KINDS.get(kind)().inputs(make())):
        assert [name for name in KINDS.names() if KINDS.get(name)().recognises(data)] == [kind]
        kind_of(data).check(data)
        assert all(size >= 0 for size in (kind_of(data).sizes(data) | kind_of(data).shape(data)).values())
    assert wb.protocols.get(kind_of(make()).protocol) and kind in wb.protocols.get(kind_of(make()).protocol).kinds
    assert {*kind_of(make()).baselines, *kind_of(make()).on_request} <= set(wb.evaluation.BASELINES.names())


def reachable(start: Any) -> Iterator[Tensor]:
    """Yield each tensor that can be got at from an object, by whatever attribute."""
    seen, waiting = set(), [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            yield thing
        waiting += gc.get_referents(thing)


@each
def test_inputs_hold_no_target_and_lead_to_none(kind: str, make: Callable[..., Any]) -> None:
    data, poisoned = make(), make(poison=1)
    own = kind_of(data)
    inputs, others = own.inputs(data), own.inputs(poisoned)
    assert own.content_hash(inputs) == own.content_hash(others)
    seen, same = list(reachable(inputs)), list(reachable(others))
    assert len(seen) == len(same) > 0 and all(map(torch.equal, seen, same))
    for tensor in seen:  # nothing else lies in its memory either
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    assert own.content_hash(data) != own.content_hash(poisoned), "what scores are computed from belongs to the hash"


@each
def test_the_hash_is_kept_until_something_changes(kind: str, make: Callable[..., Any], monkeypatch: Any) -> None:
    data, computed = make(), []
    own = KINDS.get(kind)
    digest = own.digest
    monkeypatch.setattr(own, "digest", lambda self, contents: computed.append(1) or digest(self, contents))
    first = content_hash(data)
    assert content_hash(data) == first and len(computed) == 1
    assert content_hash(make()) == first and len(computed) == 2
    tensor = next(value for value in kind_of(data).contents(data).values() if isinstance(value, Tensor))
    tensor[0] = 1 - tensor[0].clone()
    changed = content_hash(data)
    assert changed != first and len(computed) == 3
    tensor.data = tensor.data.flip(0).clone()
    assert content_hash(data) != changed


def test_the_same_nodes_in_another_order_are_other_data() -> None:
    graph = nodes()
    order = torch.tensor([1, 0, 2, 3])
    assert content_hash(graph) != content_hash(graph.subgraph(order))


@each
def test_a_kind_that_a_method_does_not_learn_on_is_told_with_those_that_do(kind: str, make: Callable[..., Any]) -> None:
    learners = wb.methods.names(kind)
    if "grace" not in learners:
        with pytest.raises(UserError, match=r"learns on one graph .*; this is ") as refused:
            wb.fit("grace", make())
        assert str(refused.value).endswith("no method here learns on it yet") == (not learners)
        assert all(name in str(refused.value) for name in learners)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([Data(edge_index=torch.zeros(2, 0, dtype=torch.long))], "graph 0 has no attributes"),
        (
            [*graph_sets(), Data(x=torch.eye(2), edge_index=torch.zeros(2, 0, dtype=torch.long))],
            r"graph 2.*\[nodes, 3\]",
        ),
        (
            [Data(x=torch.eye(2), edge_index=torch.tensor([[0], [2]]))],
            r"edge 0 of graph 0 joins \[0, 2\], but nodes are numbered 0 to 1",
        ),
        (as_users_and_items(3, 2, torch.tensor([[0], [2]])), "edge_index names items outside 0 to 1"),
        (as_users_and_items(3, 2, torch.tensor([[0], [1]]), torch.tensor([[3], [0]])), "held-out edges names users"),
        (texts().update({"text": ["one"]}), r"one text per node \(4\)"),
        ((torch.eye(2), torch.zeros(3)), "2 rows needs as many classes, not 3"),
    ],
)
def test_what_is_wrong_with_data_is_named(data: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        kind_of(data).check(data)


@pytest.mark.parametrize("data", [[], (), 3, [torch.eye(2), torch.eye(2), torch.eye(2)], HeteroData()])
def test_what_is_no_data_is_told(data: Any) -> None:
    with pytest.raises(UserError, match=r"is no data that a method learns on.*graph-sets: a set of graphs"):
        kind_of(data)


def test_a_name_in_place_of_data_is_told_to_be_loaded() -> None:
    with pytest.raises(UserError, match=r"'cora' names data; load them first, load_graph\('cora'\)$"):
        kind_of("cora")


# loading


@pytest.mark.parametrize("name", ["mutag", "lastfm", "amazon-beauty", "acm", "acm-typed", "library", "imdb-binary"])
def test_published_sets_have_the_published_figures(name: str, real_graph: Callable[[str], Any]) -> None:
    data, row = real_graph(name), wb.graphs.facts(name)  # loading compares the figures
    kind = kind_of(data)
    assert data.name == name and kind.name == row["kind"]
    if kind.name == "graph-sets":
        assert all(torch.equal(graph.x.sum(1), torch.ones(graph.num_nodes)) for graph in data)
    if kind.name == "bipartite":
        kind.check(data)
        train, test = ({*zip(*pairs.tolist(), strict=True)} for pairs in (wb_pairs(data), held_out(data)))
        assert len(train) == row["interactions"] and not train & test
    if name.startswith("acm"):
        assert data["paper"].train_mask.sum(0).tolist() == [60, 120, 180]


def wb_pairs(data: HeteroData) -> Tensor:
    return data["user", "interacts", "item"].edge_index


def test_gowalla_is_read_as_its_authors_wrote_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.datasets.files import registry

    rows = {"gowalla": {k: v for k, v in wb.graphs.facts("gowalla").items() if k not in registry.FIGURES}}
    monkeypatch.setattr(registry, "rows", lambda: rows)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    raw = tmp_path / "Recommendation" / "gowalla" / "raw"
    raw.mkdir(parents=True)
    (raw / "user_list.txt").write_text("org_id remap_id\n7 0\n8 1\n")
    (raw / "item_list.txt").write_text("org_id remap_id\n4 0\n5 1\n6 2\n")
    (raw / "train.txt").write_text("0 0 2\n1 1\n")
    (raw / "test.txt").write_text("0 1\n1 0\n")
    data = wb.load_graph("gowalla", tmp_path)
    assert kind_of(data).sizes(data) == {"user": 2, "item": 3}
    assert kind_of(data).entries(data) == {"interactions": 3, "held_out": 2}
    inputs = kind_of(data).inputs(data)
    assert wb_pairs(inputs).tolist() == [[0, 0, 1], [0, 2, 1]]


def test_own_graphs_without_attributes_get_their_degrees() -> None:
    path, star = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([[0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]])
    graphs = [Data(edge_index=path, num_nodes=3), Data(edge_index=star, num_nodes=4)]
    loaded = wb.load_graph(graphs)
    assert isinstance(loaded, GraphSet) and graphs[0].x is None
    assert loaded[0].x.argmax(1).tolist() == [1, 2, 1] and loaded[1].x.shape == (4, 4)


# planted sets


def test_triangles_tell_the_classes_of_rings_apart_and_nothing_simpler_does() -> None:
    graphs = wb.load_graph("rings")
    triangles, degrees = [], []
    for graph in graphs:
        a = sp.csr_matrix((np.ones(graph.num_edges), graph.edge_index.numpy()), (graph.num_nodes,) * 2)
        triangles.append((a @ a @ a).diagonal().sum() / 6)
        degrees.append(sorted(a.sum(1).tolist()))
    y = kind_of(graphs).labels(graphs).numpy()
    assert set(triangles) == {0.0, 3.0} and np.array_equal(np.array(triangles) > 0, y == 1)
    for first, second in zip(degrees[:50], y[:50], strict=True):  # the same degrees occur in both classes
        assert any(first == other and second != label for other, label in zip(degrees, y, strict=True))


def test_users_of_tastes_choose_within_their_communities() -> None:
    data = wb.load_graph("tastes")
    for pairs in (wb_pairs(data), held_out(data)):
        same = data["user"].y[pairs[0]] == data["item"].y[pairs[1]]
        assert 0.7 < same.double().mean() < 0.9
    everything = torch.cat([wb_pairs(data), held_out(data)], dim=1)
    assert torch.unique(everything, dim=1).size(1) == everything.size(1) == 200 * 15
    assert torch.equal(held_out(data)[0].bincount(), torch.full((200,), 3))
