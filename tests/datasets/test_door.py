"""What a person hands over as data is learned on and scored as what it says, or refused in a sentence."""

import copy
import hashlib

import numpy as np
import pytest
import torch
from torch_geometric.data import Data, HeteroData

import workbench as wb
from workbench.datasets import content_hash
from workbench.errors import UserError

EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7, 0]])


def graph(**changes):
    x = torch.arange(8.0)[:, None].expand(8, 3).contiguous() + torch.eye(8, 3)
    return Data(**{"x": x, "edge_index": EDGES, "y": torch.arange(8) % 2} | changes)


def fit(data, method="grace", **settings):
    return wb.fit(method, data, preset="small", epochs=1, progress=False, **settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"edge_index": EDGES.int()}, "edge_index was int32, taken as int64"),
        ({"edge_index": EDGES.float()}, "edge_index was float32, taken as int64"),
        ({"edge_index": EDGES.numpy()}, "edge_index came as a numpy array"),
        ({"x": graph().x.double()}, "attributes .x. were float64, taken as float32"),
        ({"x": graph().x.long()}, "were int64"),
        ({"x": graph().x > 1}, "were bool"),
        ({"x": graph().x.half()}, "were float16"),
        ({"x": graph().x.numpy()}, "came as a numpy array"),
        ({"y": (torch.arange(8) % 2)[:, None]}, r"the labels .y. were int64 \[8, 1\], taken as int64 \[8\]"),
        ({"y": torch.arange(8) % 2.0}, r"the labels .y. were float32 \[8\]"),
        ({"y": torch.tensor([0, 1, 0, 1, 0, 1, 0, float("nan")])}, "1 labels .y. were NaN and count as none"),
    ],
)
def test_what_can_be_cast_is_cast_and_said_once(changes, said):
    given, wanted = graph(**changes), graph()
    before = {key: copy.deepcopy(value) for key, value in given.to_dict().items()}
    if "x" in changes:
        wanted.x = torch.as_tensor(changes["x"]).float()
    with pytest.warns(UserWarning, match=said) as warned:
        run = fit(given)
    assert [one.filename for one in warned if "as they are computed with" in str(one.message)] == [__file__]
    torch.testing.assert_close(run.embeddings, fit(wanted).embeddings, rtol=0, atol=0)
    assert all(type(value) is type(given[key]) for key, value in before.items()), "the person's own data stay"
    assert wb.evaluation.check_same(run, given) is None, "and are known again as what the run was trained on"


NOT_A_NUMBER = graph().x.clone()
NOT_A_NUMBER[3, 1] = float("nan")
INFINITE = graph().x.clone()
INFINITE[7, 2] = -float("inf")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"edge_index": EDGES + 1}, r"edge 6 joins \[7, 8\], but nodes are numbered 0 to 7"),
        ({"edge_index": EDGES - 1}, r"edge 0 joins \[-1, 0\]"),
        ({"edge_index": EDGES + 0.5}, r"edge_index must be whole numbers .* float32 holds 0.5 at \[0, 0\]"),
        ({"edge_index": EDGES * torch.nan}, "whole numbers"),
        ({"edge_index": EDGES + 2.0**24}, "whole numbers"),
        ({"edge_index": EDGES > 0}, "must be whole numbers as int64, not bool"),
        ({"edge_index": EDGES.cfloat()}, "not complex64"),
        ({"edge_index": EDGES.T}, r"not \[8, 2\]; edge_index.T.contiguous\(\) turns it"),
        ({"edge_index": torch.zeros(3, 8, dtype=torch.long)}, r"of shape \[2, edges\], not \[3, 8\]"),
        ({"edge_index": EDGES.tolist()}, "not list"),
        ({"edge_index": torch.eye(8).to_sparse()}, "not a sparse matrix"),
        ({"x": graph().x[:, 0]}, r"not of shape \[8\]; x\[:, None\] makes one column"),
        ({"x": graph().x[None]}, r"not of shape \[1, 8, 3\]"),
        ({"x": graph().x[:, :0]}, "at least one entry"),
        ({"x": graph().x[:0], "edge_index": EDGES[:, :0]}, "at least one entry"),
        ({"x": graph().x.cfloat()}, "must be real numbers, not complex64"),
        ({"x": NOT_A_NUMBER}, "attributes of node 3 hold nan in column 1"),
        ({"x": INFINITE, "feature_names": list("abc")}, r"node 7 hold -inf in column 2 \('c'\)"),
        ({"x": graph().x.double() * 1e300}, "hold .*e.300, which float32 can't"),
        ({"x": np.array([["a"] * 3] * 8)}, "must be numbers, not an array of <U1"),
        ({"x": "words"}, "not str"),
        ({"num_nodes": 9}, r"num_nodes is 9, but there are attributes \(x\) of 8 nodes"),
        ({"node_names": ["a"]}, "node_names has 1 names for 8"),
    ],
)
def test_what_can_not_be_learned_on_is_refused_by_its_name(changes, sentence):
    for ask in (fit, lambda data: wb.forecast("grace", data, preset="small")):
        with pytest.raises(UserError, match=sentence) as refused:
            ask(graph(**changes))
        assert "learning rate" not in str(refused.value)


@pytest.mark.parametrize("edges", [EDGES + 1, EDGES - 1, EDGES.T, EDGES + 0.5])
def test_nothing_is_said_of_edges_that_are_none(edges):
    broken = graph(edge_index=edges)
    for ask in (
        lambda: wb.negatives.select("uniform", broken, k=2),
        lambda: wb.rules.evaluate("exists u in N(v): degree(u) >= 1", broken),
        lambda: wb.rules.evaluate("degree(v)", broken),
        lambda: wb.graphs.statistics(broken),
    ):
        with pytest.raises(UserError, match=r"edge_index|edge \d+ joins"):
            ask()


def test_an_object_of_an_older_package_is_told():
    old = Data.__new__(Data)
    old.__dict__["x"] = torch.eye(3)
    with pytest.raises(UserError, match="older version of torch_geometric"):
        fit(old)


@pytest.mark.parametrize("name", ["n" * 400, "ж" * 400, "../../up", "a\nb", "\x1b[31m", "CON", "", 7])
def test_any_name_of_a_graph_is_stored_under(name, tmp_path):
    run = fit(graph(name=name), store=tmp_path)
    assert run.path.parent == tmp_path and wb.runs.load(run.path).graph == str(name or "graph")


def test_parallel_edges_and_loops_are_learned_on():
    run = fit(graph(edge_index=torch.cat([EDGES, EDGES, EDGES[:, :2], torch.tensor([[0, 0], [0, 0]])], 1)))
    assert run.embeddings.isfinite().all()


class TestLabels:
    @pytest.fixture
    def matrix(self, labelled):
        return labelled.x

    def score(self, matrix, data, **options):
        return wb.evaluate(matrix, data, splits=2, progress=False, **options)

    @pytest.mark.parametrize("form", [lambda y: y[:, None], lambda y: y.float(), lambda y: y.int(), lambda y: y > 0])
    def test_one_class_a_node_is_read_in_any_form(self, matrix, labelled, form):
        wanted = self.score(matrix, labelled)
        given = copy.copy(labelled)
        given.y = form(labelled.y)
        with pytest.warns(UserWarning, match="the labels .y."):
            assert self.score(matrix, given).accuracy == wanted.accuracy

    @pytest.mark.parametrize("none", [-1, float("nan")])
    def test_nodes_without_a_label_are_left_out_and_told(self, matrix, labelled, none):
        given, known = copy.copy(labelled), torch.arange(100) % 4 > 0
        given.y = torch.where(known, labelled.y, torch.tensor(none))
        with pytest.warns(UserWarning, match="25 of 100 nodes have no label") as warned:
            scores = self.score(matrix, given)
            wb.compare(fit(given), given, splits=2)
        assert {one.filename for one in warned} == {__file__}, "a warning points at who called the package"
        assert (scores.per_split[["train", "validation", "test"]].sum(axis=1) == 75).all()
        assert wb.graphs.statistics(wb.load_graph(given))["classes"] == 2

    @pytest.mark.parametrize(
        ("y", "sentence"),
        [
            (torch.full((100, 5), 0.5), "several labels are 0 and 1"),
            (torch.zeros(7, dtype=torch.long), r"\[7\]"),
            (torch.rand(100), "float32"),
            (["a"] * 100, "list"),
            (torch.zeros(100, dtype=torch.long), "fewer than two classes"),
            (torch.full((100,), -1), "fewer than two classes"),
            (None, "no labels"),
        ],
    )
    def test_what_is_no_class_a_node_is_refused_where_labels_count(self, matrix, labelled, y, sentence):
        given = copy.copy(labelled)
        given.y = y
        assert fit(given).embeddings.shape[0] == 100, "training looks at no labels"
        with pytest.raises(UserError, match=sentence):
            self.score(matrix, given)

    def test_a_class_of_one_node_is_scored(self, matrix, labelled):
        given = copy.copy(labelled)
        given.y = labelled.y.clone()
        given.y[0] = 2
        for protocol in wb.protocols.names_for(wb.graphs.kind_of(given)):
            rules = wb.protocols.get(protocol)
            if rules.drawn and not (rules.of_runs or rules.several or rules.parts):
                steps = 20 if rules.steps else None
                assert self.score(matrix, given, protocol=protocol, steps=steps).accuracy > 50, protocol

    def test_masks_are_checked_where_they_count(self, matrix, labelled):
        def masked(**changes):
            given = copy.copy(labelled)
            part = torch.arange(100) % 3
            masks = {f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))}
            return given.update(masks | changes)

        self.score(matrix, masked(), protocol="public")
        columns = {name: masked()[name][:, None].repeat(1, 3) for name in ("train_mask", "val_mask", "test_mask")}
        scores = self.score(matrix, masked(**columns), protocol="public")
        assert "2 of 3 public splits" in scores.accuracy.over and [*scores.per_split.index] == [0, 1]
        columns["val_mask"] = columns["val_mask"].clone()
        columns["val_mask"][:, 1] = False
        with pytest.raises(UserError, match=r"no labelled node in the validation part of .*in column 1 of its masks"):
            self.score(matrix, masked(**columns), protocol="public")
        for changes, sentence in (
            ({"train_mask": torch.ones(99, dtype=torch.bool)}, r"train_mask must be boolean .* \(100\), not"),
            ({"val_mask": torch.ones(100)}, "val_mask must be boolean"),
            ({"test_mask": [True] * 100}, "test_mask must be boolean .*not list"),
            ({"val_mask": columns["val_mask"], "test_mask": columns["test_mask"][:, :2]}, "as many columns each"),
        ):
            with pytest.raises(UserError, match=sentence):
                self.score(matrix, masked(**changes), protocol="public")


class TestOtherKinds:
    def graphs(self, **changes):
        one = Data(x=torch.rand(5, 3), edge_index=torch.tensor([[0, 1], [1, 2]]), y=torch.tensor([0]))
        return [one, *(one.clone().update(changes) for _ in range(3))]

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"x": torch.full((5, 3), float("nan"))}, "graph 1: .*node 0 hold nan in column 0"),
            ({"x": torch.rand(5)}, r"graph 1 must be floating-point numbers \[nodes, 3\]"),
            ({"edge_index": torch.tensor([[0, 1, 2]])}, "graph 1 must be a tensor of shape"),
            ({"edge_index": torch.tensor([[0], [9]])}, r"edge 0 of graph 1 joins \[0, 9\]"),
            ({"edge_index": torch.tensor([[0.5], [1]])}, "whole numbers"),
        ],
    )
    def test_a_set_of_graphs_names_the_graph(self, changes, sentence):
        with pytest.raises(UserError, match=sentence):
            fit(self.graphs(**changes), "infograph")

    def test_a_set_of_graphs_is_cast(self):
        with pytest.warns(UserWarning, match="were int64, taken as float32") as warned:
            fit(self.graphs(x=torch.ones(5, 3, dtype=torch.long), edge_index=torch.zeros(2, 2)), "infograph")
        assert len([one for one in warned if "as they are computed with" in str(one.message)]) == 1

    @pytest.mark.parametrize(
        ("edges", "sentence"),
        [
            (torch.tensor([[0, 1], [0, 9]]), "names items outside 0 to 3"),
            (torch.tensor([[0, -1], [0, 1]]), "names users outside 0 to 4"),
            (torch.tensor([[0.5, 1], [0, 1]]), "whole numbers"),
            (torch.tensor([0, 1]), r"shape \[2, interactions\]"),
            (None, r"shape \[2, interactions\]"),
            (torch.zeros(2, 0, dtype=torch.long), "made no batch"),
        ],
    )
    def test_interactions_are_checked(self, edges, sentence):
        data = HeteroData()
        data["user"].num_nodes, data["item"].num_nodes = 5, 4
        data["user", "likes", "item"].edge_index = edges
        with pytest.raises(UserError, match=sentence):
            fit(data, "lightgcn")


def test_two_fresh_fits_give_the_same_bits_whatever_else_was_drawn():
    digests, hashes = set(), set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        run = wb.fit("grace", wb.load_graph("karate"), preset="quick", epochs=5, fresh=True, progress=False)
        digests.add(hashlib.sha256(run.embeddings.numpy().tobytes()).hexdigest())
    shuffled = wb.load_graph("karate")
    shuffled.edge_index = shuffled.edge_index[:, torch.randperm(shuffled.edge_index.shape[1])]
    loaded = wb.load_graph(shuffled)
    loaded.name = "karate"
    run = wb.fit("grace", loaded, preset="quick", epochs=5, fresh=True, progress=False)
    digests.add(hashlib.sha256(run.embeddings.numpy().tobytes()).hexdigest())
    hashes |= {content_hash(loaded), content_hash(wb.load_graph("karate"))}
    assert len(digests) == len(hashes) == 1


def test_memory_is_told_before_training_and_a_setting_that_is_not_there_is_refused():
    assert wb.forecast("grace", wb.load_graph("karate")).peak_mib > 0
    with pytest.raises(UserError, match=r"unknown parameter 'batchsize'.*did you mean 'batch_size'"):
        wb.fit("grace", wb.load_graph("karate"), batchsize=256)
    wide = torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.ones(1), (8, 10**10), check_invariants=True)
    with pytest.raises(UserError, match="MiB are available"):
        fit(graph(x=wide))
