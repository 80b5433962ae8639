"""Attributes in each form: the sparse one stands for the dense one, and those on disk are read by rows only."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast.negatives.context import SamplingContext
from workbench.datasets import attributes
from workbench.datasets.attributes import AttributesOnDisk, few, is_sparse, rescale, unscaled, where_it_pays
from workbench.datasets.kinds import content_hash, kind_of
from workbench.errors import UserError
from workbench.evaluation.baselines import BASELINES
from workbench.evaluation.embeddings import matrix_of
from workbench.methods import METHODS, configure
from workbench.randomness import Randomness
from workbench.training import memory


@pytest.fixture
def bag_of_words() -> Data:
    """80 nodes with counts of a few of 200 words and some fractions, whose sums depend on their order."""
    g = torch.Generator().manual_seed(1)
    x = torch.rand(80, 200, generator=g) * (torch.rand(80, 200, generator=g) < 0.03)
    return Data(x=x, edge_index=torch.randint(80, (2, 300), generator=g), y=torch.arange(80) % 3)


def on_disk(graph: Data, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("x", "edge_index", "y"):
        if key in graph:
            np.save(folder / f"{key}.npy", graph[key].numpy())
    return folder


# --- sparse -----------------------------------------------------------------------------------------------------------


def test_the_sparse_form_is_taken_below_the_share_that_was_measured():
    x = torch.zeros(50, 20)
    x.view(-1)[:39] = 1
    assert few(x) and where_it_pays(x).layout == torch.sparse_csr
    x.view(-1)[39] = 1
    assert not few(x) and where_it_pays(x) is x


@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_large_sparse_attributes_stay_so_and_are_the_dense_ones_to_the_bit(layout, bag_of_words, monkeypatch):
    dense = wb.load_graph(bag_of_words)
    given = bag_of_words.clone()
    given.x = given.x.to_sparse_csr() if layout == "csr" else given.x.to_sparse()
    before = given.x.to_dense().clone()
    assert wb.load_graph(given).x.layout == torch.strided  # a dense one is small
    monkeypatch.setattr(attributes, "LARGE", 0)
    for normalise in (True, False):
        sparse = wb.load_graph(given, normalise=normalise)
        dense = wb.load_graph(bag_of_words, normalise=normalise)
        assert sparse.x.layout == torch.sparse_csr and sparse.num_nodes == 80
        assert torch.equal(sparse.x.to_dense(), dense.x) and content_hash(sparse) == content_hash(dense)
        told, known = wb.graphs.statistics(sparse), wb.graphs.statistics(dense)
        assert told == known
    assert torch.equal(given.x.to_dense(), before)
    columns = wb.load_graph(given, normalise="columns").x
    assert torch.equal(columns, wb.load_graph(bag_of_words, normalise="columns").x)
    given.x = (-bag_of_words.x).to_sparse()  # the least entry is subtracted from every other
    assert wb.load_graph(given).x.layout == torch.strided
    given.x = torch.ones(80, 200).to_sparse()
    assert wb.load_graph(given).x.layout == torch.strided


def test_sparse_attributes_are_scored_chosen_by_and_embedded_as_dense_ones(bag_of_words, tmp_path):
    sparse = bag_of_words.clone()
    sparse.x = sparse.x.to_sparse_csr()
    for name in ("raw", "propagated", "hops"):
        both = [matrix_of(BASELINES.get(name).embed(graph), graph) for graph in (bag_of_words, sparse)]
        dense, other = (matrix if isinstance(matrix, np.ndarray) else matrix.toarray() for matrix in both)
        assert np.array_equal(dense, other)
    chosen = [wb.negatives.select("hardest", graph, k=5, seed=0).negatives for graph in (bag_of_words, sparse)]
    assert torch.equal(*chosen)
    for formula in ("norm(v)", "attribute(v, 7)", "mean(cos(u, v) for u in N(v))", "lgtc-soft"):
        assert torch.equal(*(wb.rules.evaluate(formula, graph) for graph in (bag_of_words, sparse)))
    for method in ("grace", "e2neg"):
        runs = [
            wb.fit(method, graph, "small", store=tmp_path / name, progress=False)
            for name, graph in (("dense", bag_of_words), ("sparse", sparse))
        ]
        torch.testing.assert_close(*(run.embeddings for run in runs))


# --- on disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_a_folder_is_the_graph_that_lies_in_it(shift, bag_of_words, tmp_path):
    bag_of_words.x += shift
    stored = wb.load_graph(on_disk(bag_of_words, tmp_path / "mine"))
    for normalise in (True, False):
        known = wb.load_graph(bag_of_words, normalise=normalise)
        stored = wb.load_graph(tmp_path / "mine", normalise=normalise)
        assert isinstance(stored.x, AttributesOnDisk) and stored.num_nodes == 80 and stored.name == "mine"
        some = torch.tensor([7, 3, 3, 79])
        assert torch.equal(stored.x.get_tensor(group_name=None, attr_name="x", index=some), known.x[some])
        assert torch.equal(stored.edge_index, known.edge_index) and torch.equal(stored.y, known.y)
        assert content_hash(stored) == content_hash(known)
        assert wb.graphs.statistics(stored) == wb.graphs.statistics(known)


@pytest.mark.parametrize("stored_as", ["int8", "float64", "bool"])
def test_numbers_of_any_type_are_read_as_float32(stored_as, bag_of_words, tmp_path):
    x = (bag_of_words.x.numpy() * 9).astype(stored_as)
    np.save(on_disk(bag_of_words, tmp_path) / "x.npy", x)
    stored = wb.load_graph(tmp_path, normalise=False)
    assert torch.equal(stored.x.rows(slice(None)), torch.from_numpy(x.astype(np.float32)))


def test_batches_from_disk_are_those_from_memory_and_no_other_row_is_read(bag_of_words, tmp_path, monkeypatch):
    graphs = wb.load_graph(bag_of_words), wb.load_graph(on_disk(bag_of_words, tmp_path))
    config = configure("grace", "small", "", {"batch_size": 20, "neighbours": 1, "layers": 1})[1]
    models = [METHODS.get("grace")(config, kind_of(graph).inputs(graph), Randomness(0)) for graph in graphs]
    asked = list[torch.Tensor]()
    read = AttributesOnDisk.rows
    monkeypatch.setattr(AttributesOnDisk, "rows", lambda self, nodes: asked.append(nodes) or read(self, nodes))
    for known, batch in zip(*(model.batches() for model in models), strict=True):
        assert torch.equal(batch.x, known.x) and torch.equal(batch.edge_index, known.edge_index)
        assert torch.equal(batch.n_id, known.n_id) and torch.equal(batch.degree, known.degree)
        assert torch.equal(asked.pop(), batch.n_id) and not asked


@pytest.mark.parametrize("sparse", [False, True])
def test_attributes_are_scaled_as_a_loop_scales_them_and_stay_at_hand_as_loaded(sparse):
    x = torch.tensor([[3.0, 4.0, 7.0], [0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    x[1:, 2] = 7.0 if not sparse else 0.0  # a constant column where no entry has to be 0
    edges = torch.tensor([[0, 1], [1, 0]])

    def graph() -> Data:
        return Data(x=x.to_sparse_csr() if sparse else x.clone(), edge_index=edges, num_nodes=4)

    rows, columns, same = graph(), graph(), graph()
    assert rescale(rows, "rows") is None and rescale(same, "loaded") is None
    assert is_sparse(rows.x) == sparse and same.x.to_dense().equal(x) and unscaled(same) is same
    for found, row in zip(rows.x.to_dense(), x, strict=True):
        norm = float(sum(value**2 for value in row.tolist())) ** 0.5
        torch.testing.assert_close(found, row / (norm or 1.0))
    moments = rescale(columns, "columns")
    for place, column in enumerate(x.T.tolist()):
        mean = sum(column) / 4
        deviation = (sum((value - mean) ** 2 for value in column) / 4) ** 0.5 or 1.0
        torch.testing.assert_close(moments[:, place], torch.tensor([mean, deviation]))
        expected = torch.tensor([(value - mean) / deviation for value in column])
        torch.testing.assert_close(columns.x[:, place], expected, atol=1e-6, rtol=1e-6)
    assert unscaled(columns).x.to_dense().equal(x) and unscaled(rows).x.to_dense().equal(x)
    part = Data(x=x[:1].clone(), edge_index=edges[:, :0], num_nodes=1)
    rescale(part, "columns", moments)  # by what training saw, not by its own mean, which would leave zeros
    torch.testing.assert_close(part.x, columns.x[:1])


def test_rules_and_samplers_see_attributes_as_loaded(bag_of_words):
    loaded, scaled = (kind_of(bag_of_words).inputs(bag_of_words) for _ in range(2))
    rescale(scaled, "columns")
    assert not torch.equal(loaded.x, scaled.x)
    features = [SamplingContext(graph).features for graph in (loaded, scaled)]
    assert (features[0] != features[1]).sum() == 0
    config = configure("str-gcl", "small", "", {})[1]
    scores = [METHODS.get("str-gcl")(config, graph, Randomness(0)).rules.scores for graph in (loaded, scaled)]
    assert torch.equal(*scores)


def test_attributes_that_cannot_be_scaled_are_refused(bag_of_words, tmp_path):
    settings = {"preset": "small", "store": tmp_path / "runs", "progress": False, "batch_size": 20}
    with pytest.raises(UserError, match="attributes='columns' takes all attributes at once"):
        wb.fit("grace", wb.load_graph(on_disk(bag_of_words, tmp_path)), attributes="columns", **settings)
    with pytest.raises(UserError, match="scales the attributes of one graph"):
        wb.fit("graphmae", wb.load_graph("rings"), "small", attributes="rows", store=tmp_path, progress=False)


@pytest.mark.parametrize(("method", "dense"), [("dgi", 1), ("grace", 0), ("bgrl", 1), ("swav", 0), ("str-gcl", 0)])
def test_training_from_disk_gives_the_bits_of_training_from_memory(method, dense, bag_of_words, tmp_path):
    bag_of_words.x += dense * torch.rand(bag_of_words.x.shape, generator=torch.Generator().manual_seed(2))
    settings = {"preset": "small", "batch_size": 20, "neighbours": 3, "progress": False}
    settings |= {"rules": ("ntsc-soft",)} if method == "str-gcl" else {}
    known = wb.fit(method, wb.load_graph(bag_of_words), store=tmp_path / "memory", **settings)
    stored = wb.load_graph(on_disk(bag_of_words, tmp_path / "mine"))
    run = wb.fit(method, stored, store=tmp_path / "disk", **settings)
    assert torch.equal(run.embeddings, known.embeddings) and run.graph_hash == known.graph_hash
    assert torch.equal(run.encode(stored), known.embeddings)
    assert wb.evaluate(run, stored).accuracy.mean == wb.evaluate(known, wb.load_graph(bag_of_words)).accuracy.mean


_LIMITED = """
import resource, sys
import numpy as np
import torch
import workbench as wb

torch.set_num_threads(1)
folder, store = sys.argv[1:]
settings = {"batch_size": 400, "neighbours": 2, "epochs": 1, "dim": 16, "progress": False, "device": "cpu"}
wb.fit("dgi", wb.load_graph("karate"), store=store, **{**settings, "batch_size": 10})  # loads all code
private = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
room = 100 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (private + room, private + room))
try:
    np.load(f"{folder}/x.npy").astype(np.float32)
except MemoryError:
    print("does not fit")
graph = wb.load_graph(folder)
run = wb.fit("dgi", graph, store=store, **settings)
np.save(f"{folder}/embeddings.npy", run.embeddings.numpy())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system limits private memory alone")
def test_a_graph_larger_than_memory_is_trained_on_and_embedded_to_the_same_bits(tmp_path):
    draw = np.random.default_rng(0)
    nodes, features = 12_000, 2_500  # 114 MiB, more than the process may have
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (nodes, features))
    for block in np.array_split(x, 20):
        block[:] = draw.random(block.shape, np.float32)
    x.flush()
    np.save(tmp_path / "edge_index.npy", draw.integers(nodes, size=(2, 3 * nodes)))
    command = [sys.executable, "-c", _LIMITED, str(tmp_path), str(tmp_path / "limited")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == "does not fit", done.stderr[-2000:]
    known = wb.load_graph(
        Data(x=torch.from_numpy(x), edge_index=torch.from_numpy(np.load(tmp_path / "edge_index.npy")))
    )
    settings = {"batch_size": 400, "neighbours": 2, "epochs": 1, "dim": 16, "progress": False, "device": "cpu"}
    run = wb.fit("dgi", known, store=tmp_path / "memory", **settings)
    assert np.array_equal(np.load(tmp_path / "embeddings.npy"), run.embeddings.numpy())
    told = {"batch_size": 400, "neighbours": 2, "dim": 16}
    assert wb.forecast("dgi", wb.load_graph(tmp_path), **told).peak_mib < 110  # what is read, not the 114 MiB


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda g: wb.fit("dgi", g), "would take them all at once; batch_size=1024 reads them by batches"),
        (lambda g: wb.fit("e2neg", g), "e2neg takes no batch_size; give it a Data with x in memory"),
        (lambda g: wb.fit("graphmae", g, batch_size=20), "an encoder that takes them all at once; encoder='gcn' goes"),
        (lambda g: wb.rules.evaluate("norm(v)", g), "a rule on attributes takes all attributes at once, and those of"),
        (lambda g: wb.rules.evaluate("lgtc-soft", g), "takes all attributes at once, and those of this graph stay"),
        (lambda g: wb.evaluate(g.x, g), "scoring attributes takes all attributes at once"),
    ],
)
def test_what_would_take_all_attributes_at_once_is_refused(call, sentence, bag_of_words, tmp_path):
    with pytest.raises(UserError, match=sentence):
        call(wb.load_graph(on_disk(bag_of_words, tmp_path)))


def test_mistakes_in_a_folder_are_named(bag_of_words, tmp_path):
    on_disk(bag_of_words, tmp_path)
    with pytest.raises(UserError, match='normalise="columns" takes all attributes at once'):
        wb.load_graph(tmp_path, normalise="columns")
    for damage, sentence in (
        (np.full((80, 3), np.nan), "attributes of node 0 hold nan in column 0"),
        (np.ones(80), r"must hold numbers \[nodes, features\], not float64 \[80\]"),
        (np.array([[{}]]), "can't be read as a .npy file of attributes"),
        (np.ones((70, 2)), "nodes are numbered 0 to 69"),
    ):
        np.save(tmp_path / "x.npy", damage)
        with pytest.raises(UserError, match=sentence):
            wb.load_graph(tmp_path)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(UserError, match=r"has no x\.npy; a graph on disk is x.npy, edge_index.npy"):
        wb.load_graph(tmp_path)


def test_a_fit_that_is_too_large_names_the_batch_size_that_needs_less(bag_of_words, monkeypatch):
    monkeypatch.setattr(memory, "available_mib", lambda: 1.0)
    with pytest.raises(
        UserError, match=r"; batch_size=1024 needs about \d+ MiB, and a smaller dim or smaller data need"
    ):
        wb.fit("dgi", bag_of_words)
    with pytest.raises(UserError, match="available; a smaller batch_size or dim or smaller data need less"):
        wb.fit("dgi", bag_of_words, batch_size=20)
