"""Graphs: named, embedded, planted and a person's own."""

import json
import pickle
import re
import runpy
import subprocess
import sys
import threading
import time
import urllib.error
import warnings
from pathlib import Path

import networkx
import numpy as np
import pytest
import torch
from safetensors.torch import save
from scipy.sparse import csr_matrix
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeFeatures
from torch_geometric.utils import is_undirected

from workbench import rules
from workbench.datasets import check, content_hash, facts, load_graph, names, planted, register, statistics
from workbench.datasets.files import cache
from workbench.datasets.files import registry as catalogue
from workbench.datasets.files.cache import read, write
from workbench.datasets.synthetic import pydocs
from workbench.errors import UserError

# Physics takes 2 GB and 10 s; the real files of the others are not among the test data, so they have stand-ins below.
NOT_HERE = {"physics", "wisconsin", "actor", "wikics", "airports-brazil"}
REAL = [name for name in names("nodes") if "family" in facts(name) and name not in NOT_HERE]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def any_figures(monkeypatch):
    """Leave the expected figures out, so that a tiny stand-in passes for the published graph."""
    rows = {
        name: {key: value for key, value in row.items() if key not in catalogue.FIGURES}
        for name, row in catalogue.rows().items()
    }
    monkeypatch.setattr(catalogue, "rows", lambda: rows)


def stand_in(name: str, root: Path, nodes: int = 6, last: int = 0) -> Path:
    """Write raw files of the right layout with `nodes` nodes on a path 0 -> 1 -> 2 ...; the last label is `last`."""
    row = facts(name)
    raw = root / row["folder"] / "raw"
    raw.mkdir(parents=True)
    labels = [node % 2 for node in range(nodes - 1)] + [last]
    steps = [(node, node + 1) for node in range(nodes - 1)]
    if row["family"] in ("WebKB", "WikipediaNetwork", "Actor"):
        kinds = {"Actor": "film"}
        prefix = kinds.get(row["family"], row.get("arguments", {}).get("name", "").lower())
        attributes = ["1,0,1", "0,1,1"] if row["family"] != "Actor" else ["0,2", "1,2"]
        lines = [f"{node}\t{attributes[node % 2]}\t{label}" for node, label in enumerate(labels)]
        (raw / "out1_node_feature_label.txt").write_text("\n".join(["node\tfeature\tlabel", *lines, ""]))
        (raw / "out1_graph_edges.txt").write_text("\n".join(["a\tb", *(f"{u}\t{v}" for u, v in steps), ""]))
        for split in range(10):
            masks = {
                f"{part}_mask": np.arange(nodes) % 3 == place for place, part in enumerate(("train", "val", "test"))
            }
            np.savez(raw / f"{prefix}_split_0.6_0.2_{split}.npz", **masks)
    elif row["family"] == "Airports":
        place = row["arguments"]["name"].lower()
        (raw / f"{place}-airports.edgelist").write_text("".join(f"{100 + u} {100 + v}\n" for u, v in steps))
        lines = [f"{100 + node} {label}" for node, label in enumerate(labels)]
        (raw / f"labels-{place}-airports.txt").write_text("\n".join(["node label", *lines, ""]))
    elif row["family"] == "WikiCS":
        mask = [[node % 2 == 0 for node in range(nodes)]]
        content = dict(features=[[-1.0, node] for node in range(nodes)], labels=labels, test_mask=mask[0])
        content |= dict(links=[[node + 1] if node + 1 < nodes else [] for node in range(nodes)])
        content |= dict(train_masks=mask, val_masks=mask, stopping_masks=mask)
        (raw / "data.json").write_text(json.dumps(content))
    else:
        raise AssertionError(f"no stand-in for {name}")
    return raw


def listing(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(root)), path.stat().st_mtime_ns) for path in root.rglob("*"))


# --- the registry -----------------------------------------------------------------------------------------------------


def test_names_come_without_torch():
    code = "import sys, workbench.datasets as g; g.names(), g.facts('cora'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_names_hold_what_is_promised():
    promised = """cora citeseer pubmed cora-ml dblp photo computers cs physics wikics texas cornell wisconsin chameleon
        squirrel chameleon-filtered squirrel-filtered actor minesweeper tolokers airports-usa airports-europe
        airports-brazil pydocs digits karate planted mutag proteins nci1 imdb-binary imdb-multi collab lastfm
        amazon-beauty gowalla yelp2018 amazon-book acm acm-typed acm-sdcn dblp-heco dblp-sdcn imdb-meow rings tastes
        counts library dblp-typed aminer-typed imdb-typed"""
    assert set(promised.split()) <= set(names())


def test_each_row_is_complete_and_lies_where_its_class_looks(tmp_path):
    from workbench.datasets.files.named import _raw_paths

    for name in names():
        row = facts(name)
        assert {"title", "source", "citation", "used_by", "directed" if name in names("nodes") else "kind"} <= set(row)
        if "pyg_class" in row and "folder" in row:
            assert {path.parent for path in _raw_paths(row, tmp_path)} == {tmp_path / row["folder"] / "raw"}
        if "npz" not in row and "sha256" in row:
            assert set(row["sha256"]) == {path.name for path in _raw_paths(row, tmp_path)}


def test_the_page_on_data_says_what_the_registry_says():
    root = Path(__file__).parents[2]
    tables = runpy.run_path(str(root / "docs" / "catalogue.py"))["markdown"]()
    assert (root / "data" / "README.md").read_text(encoding="utf-8").endswith(tables)


@pytest.mark.parametrize("wrong", ["coraa", "planed", ""])
def test_a_wrong_name_is_told_with_the_right_ones(wrong):
    with pytest.raises(UserError, match=f"unknown graph '{wrong}'.*cora"):
        load_graph(wrong)
    with pytest.raises(UserError, match="unknown graph"):
        facts(wrong)


def test_a_registered_graph_is_found_by_name(monkeypatch):
    monkeypatch.setattr(catalogue.BUILDERS, "_entries", dict(catalogue.BUILDERS._entries))
    register("two")(lambda: Data(x=torch.eye(2), edge_index=torch.tensor([[1, 0], [0, 1]]), y=torch.tensor([0, 1])))
    graph = load_graph("two")
    assert "two" in names() and graph.name == "two" and graph.edge_index.tolist() == [[0, 1], [1, 0]]


# --- named graphs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_a_real_graph_has_the_form_that_is_promised(name, real_graph):
    graph, row = real_graph(name), facts(name)
    assert graph.name == name and graph.x.dtype == torch.float32 and graph.x.is_contiguous()
    assert graph.y.dtype == torch.long and graph.y.dim() == 1 and len(graph.y) == len(graph.x) == row["nodes"]
    keys = graph.edge_index[0] * row["nodes"] + graph.edge_index[1]
    assert graph.edge_index.dtype == torch.long and (keys.diff() > 0).all()
    assert is_undirected(graph.edge_index, num_nodes=row["nodes"]) is not row["directed"]
    assert graph.y.unique().numel() == row["classes"] and graph.edge_index.size(1) == row["edges"]
    sums = graph.x.sum(1)
    assert ((sums - 1).abs() < 1e-5).logical_or(sums == 0).all()
    if "class_names" in graph:
        assert len(graph.class_names) == row["classes"]
    check(graph)


def test_rows_are_normalised_as_pyg_does(real_graph):
    real_graph("citeseer")
    raw = load_graph("citeseer", normalise=False)
    assert torch.equal(NormalizeFeatures()(raw.clone()).x, load_graph("citeseer").x)
    columns = load_graph("citeseer", normalise="columns").x.double()
    assert columns.mean(0).abs().max() < 1e-5 and ((columns.std(0, correction=0) - 1).abs() < 1e-4).all()


def test_normalise_by_hand():
    x = torch.tensor([[1.0, 3.0], [0.0, 0.0], [0.25, 0.25]])
    graph = Data(x=x.clone(), edge_index=torch.tensor([[0], [1]]))
    assert load_graph(graph).x.tolist() == [[0.25, 0.75], [0, 0], [0.25, 0.25]]  # PyG leaves sums below 1 alone
    assert torch.equal(load_graph(graph, normalise=False).x, x) and torch.equal(graph.x, x)
    rows = np.array([[0.25, 0.75], [0, 0], [0.25, 0.25]])
    wanted = (rows - rows.mean(0)) / rows.std(0)
    assert np.allclose(load_graph(graph, normalise="columns").x, wanted, atol=1e-6)
    constant = Data(x=torch.ones(3, 2), edge_index=torch.tensor([[0], [1]]))
    assert load_graph(constant, normalise="columns").x.abs().sum() == 0
    with pytest.raises(UserError, match="unknown value of normalise 'column'; did you mean 'columns'"):
        load_graph(graph, normalise="column")


@pytest.mark.parametrize("name", ["wisconsin", "actor", "airports-brazil", "wikics", "chameleon"])
def test_raw_folders_of_pyg_load_by_name_and_stay_untouched(name, tmp_path, own_cache, any_figures, capfd):
    raw = stand_in(name, tmp_path / "root")
    before = listing(tmp_path / "root")
    graph = load_graph(name, root=tmp_path / "root")
    assert graph.y.tolist() == [0, 1, 0, 1, 0, 0] and graph.x.shape[0] == 6
    both = name == "wikics"
    assert statistics(graph)["directed"] is not both and graph.edge_index.size(1) == (10 if both else 5)
    assert listing(tmp_path / "root") == before and raw.is_dir()
    assert torch.equal(load_graph(name, root=tmp_path / "root").x, graph.x)
    assert load_graph(name, root=tmp_path / "root", directed=False).edge_index.size(1) == 10
    assert capfd.readouterr() == ("", "")


def test_the_root_is_argument_then_environment_then_data(tmp_path, own_cache, any_figures, monkeypatch):
    for place, nodes in (("argument", 5), ("environment", 6), ("data", 7)):
        stand_in("wisconsin", tmp_path / place, nodes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "environment"))
    assert len(load_graph("wisconsin", root="argument").x) == 5
    assert len(load_graph("wisconsin").x) == 6
    monkeypatch.delenv("WORKBENCH_DATA")
    assert len(load_graph("wisconsin").x) == 7


def test_the_cache_tells_contents_apart_and_is_used(tmp_path, own_cache, any_figures, monkeypatch):
    raw = stand_in("wisconsin", tmp_path / "a", last=0)
    stand_in("wisconsin", tmp_path / "b", last=1)
    assert load_graph("wisconsin", root=tmp_path / "a").y[-1] == 0
    assert load_graph("wisconsin", root=tmp_path / "b").y[-1] == 1
    monkeypatch.setattr("torch_geometric.datasets.WebKB.process", lambda self: pytest.fail("processed again"))
    assert load_graph("wisconsin", root=tmp_path / "a").y[-1] == 0
    monkeypatch.undo()
    monkeypatch.setenv("WORKBENCH_CACHE", str(own_cache))
    file = raw / "out1_node_feature_label.txt"
    file.write_text(file.read_text().replace("5\t0,1,1\t0", "5\t0,1,1\t1"))
    rows = {"wisconsin": {k: v for k, v in facts("wisconsin").items() if k not in catalogue.FIGURES}}
    monkeypatch.setattr(catalogue, "rows", lambda: rows)
    assert load_graph("wisconsin", root=tmp_path / "a").y[-1] == 1


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "header", "other"])
def test_a_damaged_cache_is_made_anew_and_never_in_the_root(damage, tmp_path, own_cache, any_figures):
    stand_in("wisconsin", tmp_path)
    wanted, before = content_hash(load_graph("wisconsin", root=tmp_path)), sorted(tmp_path.rglob("*"))
    file = next(own_cache.rglob("graphs.safetensors"))
    content = {"empty": b"", "cut": file.read_bytes()[:-3], "header": b"\xff" * 200, "other": save({"x": torch.eye(2)})}
    file.write_bytes(content[damage]) if damage in content else file.unlink()
    assert content_hash(load_graph("wisconsin", root=tmp_path)) == wanted
    assert sorted(tmp_path.rglob("*")) == before


def test_no_code_runs_from_the_cache(tmp_path, own_cache, any_figures):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    stand_in("wisconsin", tmp_path)
    wanted = content_hash(load_graph("wisconsin", root=tmp_path))
    folder = next(own_cache.rglob("graphs.safetensors")).parent
    assert [entry.name for entry in folder.iterdir()] == ["graphs.safetensors"], "nothing there is a pickle"
    for name in ("graphs.safetensors", "data.pt", "pre_transform.pt", "pre_filter.pt"):
        torch.save(Trap(), folder / name)
    assert content_hash(load_graph("wisconsin", root=tmp_path)) == wanted and not (tmp_path / "sprung").exists()


def test_whatever_is_cached_comes_back_as_it_was(tmp_path):
    values = {
        ("user", "rates", "item"): {"edge_index": torch.tensor([[0, 1], [1, 0]])},
        "x": torch.eye(3).to_sparse(),
        "part": torch.arange(12.0).reshape(3, 4).T,
        "same": torch.arange(3)[1:],
        "plain": {"nodes": 3, "none": None, "names": ["a", "\x1b"]},
        "empty": torch.empty(0, 3),
    }
    write(values, tmp_path / "f.safetensors")
    back = read(tmp_path / "f.safetensors")
    assert [*back] == [*values] and back["plain"] == values["plain"] and back["x"].layout == torch.sparse_coo
    for key in ("x", "part", "same", "empty"):
        assert torch.equal(back[key].to_dense(), values[key].to_dense()) and back[key].dtype == values[key].dtype
    edges = "user", "rates", "item"
    assert torch.equal(back[edges]["edge_index"], values[edges]["edge_index"])


def test_another_graph_under_a_published_name_is_told(tmp_path, own_cache):
    stand_in("wisconsin", tmp_path)
    with pytest.raises(UserError, match="'wisconsin' should have 251 nodes, but the one loaded has 6"):
        load_graph("wisconsin", root=tmp_path)


def test_an_incomplete_folder_names_what_is_lacking(tmp_path, own_cache):
    raw = stand_in("wisconsin", tmp_path)
    (raw / "wisconsin_split_0.6_0.2_7.npz").unlink()
    with pytest.raises(UserError, match=r"has 11 of its 12 files and lacks 'wisconsin_split_0.6_0.2_7.npz'"):
        load_graph("wisconsin", root=tmp_path)


@pytest.mark.parametrize("damage", ["", "node\tfeature\tlabel\n0\t1,x\t0\n", "version https://git-lfs\n"])
def test_a_damaged_file_is_one_sentence(damage, tmp_path, own_cache):
    raw = stand_in("wisconsin", tmp_path)
    (raw / "out1_node_feature_label.txt").write_text(damage)
    with pytest.raises(UserError, match=r"graph 'wisconsin': the files at .* can't be read .*fetch them again from"):
        load_graph("wisconsin", root=tmp_path)
    assert not list(own_cache.glob("graphs/*"))


def test_an_unknown_pickle_is_not_opened(tmp_path, own_cache):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    raw = tmp_path / "Planetoid/Cora/raw"
    raw.mkdir(parents=True)
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"):
        (raw / f"ind.cora.{part}").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match=r"ind.cora.x is damaged or not the published file .* it was not opened"):
        load_graph("cora", root=tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_without_network_and_file_one_sentence_says_what_there_is(tmp_path, own_cache, monkeypatch):
    def offline(*_: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("torch_geometric.datasets.webkb.download_url", offline)
    stand_in("actor", tmp_path / "root")
    before = [name for name, _ in listing(tmp_path / "root")]
    with pytest.raises(
        UserError, match=r"looked for .*WebKB/texas/raw, and downloading failed \(URLError\); usable now"
    ) as error:
        load_graph("texas", root=tmp_path / "root")
    usable = str(error.value).partition("usable now: ")[2].split(", ")
    arrays = {"diabetes", "digits-placed", "digits-stripes", "digits-two", "series"}
    assert (
        set(usable)
        == {"pydocs", "digits", "karate", "planted", "rings", "tastes", "library", "counts", "actor"} | arrays
    )
    assert [name for name, _ in listing(tmp_path / "root")] == before
    with pytest.raises(UserError, match="downloading failed"):
        load_graph("texas", root=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(UserError, match=r"looked for .*chameleon_filtered.npz, which no PyG class can download"):
        load_graph("chameleon-filtered", root=tmp_path)


def test_a_root_marked_read_only_is_not_downloaded_into(tmp_path, own_cache):
    (tmp_path / "root").mkdir(mode=0o555)
    with pytest.raises(UserError, match="texas/raw, and the root is read-only; usable now"):
        load_graph("texas", root=tmp_path / "root")


def test_a_download_lands_in_the_root_only_when_complete(tmp_path, own_cache, any_figures, monkeypatch):
    source = stand_in("texas", tmp_path / "source")
    broken = True

    def fetch(url: str, folder: str) -> None:
        name = url.rpartition("/")[2]
        if broken and name.endswith("_9.npz"):
            raise TimeoutError
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_bytes((source / name).read_bytes())

    monkeypatch.setattr("torch_geometric.datasets.webkb.download_url", fetch)
    with pytest.raises(UserError, match="TimeoutError"):
        load_graph("texas", root=tmp_path / "root")
    assert not (tmp_path / "root").exists()
    broken = False
    assert len(load_graph("texas", root=tmp_path / "root").x) == 6
    assert {path.name for path in (tmp_path / "root/WebKB/texas").iterdir()} == {"raw"}
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["WebKB"]


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch, any_figures):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "file"))
    stand_in("wisconsin", tmp_path / "root")
    with pytest.raises(UserError, match=r"cache folder .* can't be written .*WORKBENCH_CACHE"):
        load_graph("wisconsin", root=tmp_path / "root")


def test_what_a_killed_builder_left_is_removed_by_the_next(own_cache):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from workbench import atomic; "
         "atomic.draft_of(Path(sys.argv[1])).mkdir(parents=True)", str(own_cache / "graphs/x")]
    )  # fmt: skip
    assert done.returncode == 0 and len([*own_cache.glob("graphs/.*")]) == 1
    cache.publish("graphs/x", lambda folder: (folder / "made").touch())
    assert [path.name for path in (own_cache / "graphs").iterdir()] == ["x"]


def test_two_builders_at_once_leave_one_whole_folder(own_cache):
    barrier, seen = threading.Barrier(2), []

    def build(folder: Path) -> None:
        (folder / "first").write_text("1")
        barrier.wait(10)
        (folder / "second").write_text("2")

    def go() -> None:
        seen.append(cache.publish("graphs/x", build))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == [own_cache / "graphs/x"] * 2
    assert sorted(path.name for path in (own_cache / "graphs").rglob("*")) == ["first", "second", "x"]
    with pytest.raises(RuntimeError):
        cache.publish("graphs/y", lambda folder: (_ for _ in ()).throw(RuntimeError))
    assert not (own_cache / "graphs/y").exists() and not list(own_cache.glob("graphs/.*"))


# --- embedded graphs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def documentation():
    return pydocs._build()


@pytest.fixture
def docs_graph(documentation, own_cache, monkeypatch):
    monkeypatch.setattr(pydocs, "_build", lambda: documentation)
    return load_graph("pydocs")


def test_pydocs_has_the_promised_size(docs_graph):
    counts = docs_graph.y.bincount()
    assert 2000 <= len(docs_graph.x) <= 3000 and 16 <= len(counts) <= 22 and counts.min() >= 20
    assert len(docs_graph.class_names) == len(counts) and len(docs_graph.node_names) == len(docs_graph.x)
    facts_ = statistics(docs_graph)
    assert facts_["isolated"] == facts_["self_loops"] == 0 and not facts_["directed"]
    assert docs_graph.content_hash == facts_["hash"]
    check(docs_graph)


def test_pydocs_edges_are_see_also_references(docs_graph):
    place = {name: node for node, name in enumerate(docs_graph.node_names)}
    pairs = set(map(tuple, docs_graph.edge_index.T.tolist()))
    for one, other in (
        ("numpy.argsort", "numpy.sort"),
        ("numpy.atleast_1d", "numpy.atleast_2d"),
        ("pandas.DataFrame.merge", "pandas.DataFrame.join"),
        ("scipy.linalg.lu_solve", "scipy.linalg.lu_factor"),
    ):
        assert (place[one], place[other]) in pairs and (place[other], place[one]) in pairs
    assert (place["numpy.argsort"], place["scipy.linalg.lu_solve"]) not in pairs
    labels = {docs_graph.node_names[node]: docs_graph.class_names[label] for node, label in enumerate(docs_graph.y)}
    assert labels["scipy.linalg.lu_solve"] == "scipy.linalg" and labels["pandas.DataFrame.merge"] == "pandas"


def test_pydocs_is_the_same_each_time_and_cached(documentation, docs_graph, monkeypatch):
    again = pydocs._build()
    assert all(np.array_equal(again[key], documentation[key]) for key in documentation)
    monkeypatch.setattr(pydocs, "_build", lambda: pytest.fail("built again"))
    assert load_graph("pydocs").content_hash == docs_graph.content_hash


def test_pydocs_words_do_not_spell_the_label(docs_graph):
    parts = {part for name in docs_graph.class_names for part in re.split(r"[._]", name)}
    assert not parts & set(docs_graph.feature_names) and not {"np", "pd", "nx"} & set(docs_graph.feature_names)


@pytest.mark.filterwarnings("ignore:Unknown section")
def test_see_also_agrees_with_numpydoc():
    docscrape = pytest.importorskip("sklearn.externals._numpydoc.docscrape")
    documents = pydocs._collect().values()
    different = 0
    for document in documents:
        sections = docscrape.NumpyDocString(document.text)["See Also"]
        wanted = [name.lstrip("~.").rstrip(".") for entry, _ in sections for name, _ in entry]
        different += pydocs.see_also(document.text) != wanted
    assert len(documents) > 3000 and different <= 5


def test_see_also_by_hand():
    doc = """Do it.

    See Also
    --------
    one, two : Both of them,
        three : not this, it continues the description.
    :func:`~numpy.four`, `five`
    six.seven

    Notes
    -----
    eight : no.
    """
    assert pydocs.see_also(pydocs.inspect.cleandoc(doc)) == ["one", "two", "numpy.four", "five", "six.seven"]
    assert pydocs.see_also("Nothing.\n\nNotes\n-----\nx") == []


def test_references_resolve_to_the_nearest_scope():
    public = {name: name for name in ("p.sort", "p.sub.sort", "p.sub.Class.sort", "numpy.sort")}
    assert pydocs._resolve("sort", ["p.sub.Class.other"], public) == "p.sub.Class.sort"
    assert pydocs._resolve("sort", ["p.sub.other"], public) == "p.sub.sort"
    assert pydocs._resolve("sort", ["p.else.other"], public) == "p.sort"
    assert pydocs._resolve("np.sort", ["p.sub.other"], public) == "numpy.sort"
    assert pydocs._resolve("Class.sort", ["p.sub.other"], public) == "p.sub.Class.sort"
    assert pydocs._resolve("missing", ["p.sub.other"], public) is None


def test_digits_joins_the_nearest():
    graph = load_graph("digits", normalise=False)
    distance = torch.cdist(graph.x, graph.x[:5]).T
    for node in range(5):
        near = set(distance[node].argsort()[1:9].tolist())
        joined = set(graph.edge_index[1, graph.edge_index[0] == node].tolist())
        farthest = distance[node, list(near)].max()
        assert sum(float(distance[node, other]) <= farthest + 1e-4 for other in joined) >= 8
    assert is_undirected(graph.edge_index) and graph.class_names == [str(digit) for digit in range(10)]
    assert statistics(load_graph("karate"))["edges"] == 156


# --- planted graphs ---------------------------------------------------------------------------------------------------


def flagged_by_brute_force(graph: Data) -> tuple[list[bool], list[bool]]:
    """Evaluate both hard rules as they are written, node by node."""
    nodes, x = len(graph.x), graph.x.double().numpy()
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for u, v in graph.edge_index.T.tolist():
        neighbours[u].append(v)
    centred = x - x.mean(0)
    z = centred @ np.linalg.svd(centred, full_matrices=False)[2][:8].T
    ntsc, lgtc = [], []
    for v in range(nodes):
        ntsc.append(sum(2 * len(neighbours[u]) for u in neighbours[v]) <= 6)
        cosine = [float(z[v] @ z[w] / np.linalg.norm(z[v]) / np.linalg.norm(z[w])) for w in range(nodes)]
        lgtc.append(abs(np.mean([cosine[u] for u in neighbours[v]]) - np.mean(cosine)) < 0.01)
    return ntsc, lgtc


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(homophily=0.1),
        dict(classes=2, nodes=300, degree=4),
        dict(degree_exponent=None, signal=0.3),
        dict(seed=5),
    ],
)
def test_exactly_the_planted_nodes_satisfy_the_rules(options):
    graph = planted(**{"nodes": 400, **options})
    ntsc, lgtc = flagged_by_brute_force(graph)
    assert graph.planted_ntsc.tolist() == ntsc and graph.planted_lgtc.tolist() == lgtc
    assert sum(ntsc) == sum(lgtc) == 2 * round(0.05 * len(graph.x) / 2)
    degree = graph.edge_index[0].bincount(minlength=len(graph.x))
    sums = torch.zeros(len(degree), dtype=torch.long).index_add_(0, graph.edge_index[0], degree[graph.edge_index[1]])
    assert (sums[~graph.planted_ntsc] >= 7).all()  # so the rule read with plain degrees agrees


def test_the_rules_of_the_workbench_find_what_is_planted():
    graph = load_graph("planted")
    assert torch.equal(rules.evaluate("ntsc", graph).bool(), graph.planted_ntsc)
    assert torch.equal(rules.evaluate("lgtc", graph).bool(), graph.planted_lgtc)


def test_planted_graphs_follow_their_numbers():
    graph = planted(nodes=20_000, classes=4, degree=12, homophily=0.7, features=16, commonsense=0)
    numbers = statistics(graph)
    assert "planted_ntsc" not in graph and numbers["self_loops"] == 0 and not numbers["directed"]
    assert numbers["mean_degree"] == 12 and abs(numbers["edge_homophily"] - 0.7) < 0.01 and numbers["classes"] == 4
    assert graph.x.shape == (20_000, 16) and torch.allclose(graph.x.sum(1), torch.ones(20_000))
    degree = graph.edge_index[0].bincount(minlength=20_000)
    even = planted(nodes=20_000, degree=12, degree_exponent=None, commonsense=0).edge_index[0].bincount()
    assert degree.max() > 200 > 50 > even.max()
    means = torch.stack([graph.x[graph.y == label].mean(0) for label in range(4)])
    blurred = planted(nodes=20_000, classes=4, features=16, signal=0, commonsense=0)
    same = torch.stack([blurred.x[blurred.y == label].mean(0) for label in range(4)])
    assert torch.pdist(means).min() > 0.05 > 0.005 > torch.pdist(same).max()


def test_planted_seeds():
    assert content_hash(planted(seed=3)) == content_hash(planted(seed=3)) != content_hash(planted(seed=4))
    named = load_graph("planted")
    assert content_hash(named) == content_hash(planted()) == content_hash(load_graph("planted", normalise=False))
    assert len(load_graph("planted:200").x) == 200


def test_a_large_planted_graph_takes_seconds():
    start = time.process_time()
    graph = planted(nodes=100_000)
    assert time.process_time() - start < 15 and graph.edge_index.size(1) > 900_000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(nodes=50), "at least 20 per class"),
        (dict(homophily=1.5), "homophily must lie between 0 and 1, not 1.5"),
        (dict(degree=2), "degree must lie between 3"),
        (dict(degree_exponent=2), "above 2"),
        (dict(commonsense=0.5), "commonsense must lie"),
        (dict(classes=1), "classes"),
        (dict(signal=-1), "signal"),
        (dict(features=1), "features"),
    ],
)
def test_planted_ranges(options, sentence):
    with pytest.raises(UserError, match=sentence):
        planted(**options)


def test_planted_names():
    with pytest.raises(UserError, match="number of nodes, at most 10,000,000, not 'many'"):
        load_graph("planted:many")
    with pytest.raises(UserError, match="would change which nodes"):
        load_graph("planted", normalise="columns")
    with pytest.raises(UserError, match="for a graph of your own only"):
        load_graph("karate", features="degree")


# --- statistics, hash and checks --------------------------------------------------------------------------------------


def small(**changes: object) -> Data:
    """Two joined nodes of a class, a third of another with a self-loop and an edge to it, and an isolated one."""
    content: dict[str, object] = dict(
        x=torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 2.0], [0.0, 0.0]]),
        edge_index=torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]]),
        y=torch.tensor([0, 0, 1, 1]),
    )
    return Data(**(content | changes))


def test_statistics_by_hand():
    numbers = statistics(small())
    assert len(numbers.pop("hash")) == 64
    assert numbers == dict(
        nodes=4,
        edges=5,
        features=2,
        classes=2,
        isolated=1,
        self_loops=1,
        components=2,
        mean_degree=1.25,
        edge_homophily=pytest.approx(0.6),
        directed=False,
        attribute_density=0.375,
    )
    bare = statistics(Data(x=torch.eye(2), edge_index=torch.empty(2, 0, dtype=torch.long)))
    assert bare["classes"] is bare["edge_homophily"] is None and bare["isolated"] == bare["components"] == 2
    assert statistics(small(edge_index=torch.tensor([[0], [1]])))["directed"]


def test_the_hash_sees_each_change_and_no_layout():
    graph = small()
    wanted = content_hash(graph)
    assert content_hash(small(x=graph.x.to_sparse())) == content_hash(small(x=graph.x.to_sparse_csr())) == wanted
    assert content_hash(small(name="else", train_mask=torch.ones(4, dtype=torch.bool))) == wanted
    assert content_hash(small(x=graph.x.double(), y=graph.y[:, None])) == wanted, "computed in the same types"
    changed = [
        small(x=graph.x + 1e-6 * torch.eye(4, 2)),
        small(x=graph.x[:, [1, 0]]),
        small(x=graph.x.reshape(2, 4)),
        small(edge_index=graph.edge_index[:, 1:]),
        small(y=1 - graph.y),
        small(y=None),
    ]
    assert len({wanted, *map(content_hash, changed)}) == len(changed) + 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (dict(x=torch.tensor([[1.0, 0], [0, 1], [0, float("nan")], [0, 0]])), r"node 2 hold nan in column 1"),
        (dict(x=torch.full((4, 2), float("inf"))), r"node 0 hold inf in column 0"),
        (dict(x=None), "x must be a tensor .* not NoneType"),
        (dict(x=torch.zeros(4)), r"not of shape \[4\]"),
        (dict(x=torch.zeros(4, 2).long()), "floating-point"),
        (dict(edge_index=torch.tensor([[0, 1], [1, 4]])), r"edge 1 joins \[1, 4\], but nodes are numbered 0 to 3"),
        (dict(edge_index=torch.tensor([[0, -1], [1, 2]])), r"edge 1 joins \[-1, 2\]"),
        (dict(edge_index=torch.zeros(3, 2).long()), r"shape \[2, edges\]"),
        (dict(edge_index=torch.zeros(2, 2)), "int64, not torch.float32"),
        (dict(y=torch.tensor([0, 1])), r"one number per node \(4\), not shape \[2\]"),
        (dict(y=torch.tensor([0, 1, -2, 0])), "node 2 has the negative label -2"),
        (dict(y=torch.tensor([0.0, 1, 1, 0])), "int64, not torch.float32"),
        (dict(train_mask=torch.ones(3, dtype=torch.bool)), "train_mask must be boolean with one row per node"),
        (dict(test_mask=torch.ones(4)), "test_mask must be boolean"),
        (dict(node_names=["a"]), "node_names has 1 names for 4"),
        (dict(class_names=["only"]), "class_names has 1 names, but the labels go up to 1"),
        (dict(y=torch.tensor([0, 1, -2, 0]), node_names=list("abcd")), r"node 2 \('c'\) has the negative label"),
    ],
)
def test_what_cannot_be_trained_on_is_named(changes, sentence):
    check(small())
    with pytest.raises(UserError, match=sentence):
        check(small(**changes))


# --- a person's own graph ---------------------------------------------------------------------------------------------


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("suffix", "edges"),
    [
        ("csv", "a,b\nb,c\n"),
        ("csv", "source,target\nb,a\nb,c\nc,b\n"),
        ("tsv", "from\tto\na\tb\nb\tc\n"),
        ("csv", "# a comment\na, b\nb, c\n"),
    ],
)
def test_an_edge_list_with_attributes_and_labels(suffix, edges, tmp_path):
    written(tmp_path, x__csv="node,height,weight\nc,1,3\na,2,2\nb,0,0\nd,4,4\n", y__csv="a,up\nb,down\nc,up\nd,down\n")
    (tmp_path / f"edges.{suffix}").write_text(edges)
    graph = load_graph(tmp_path / f"edges.{suffix}", features=tmp_path / "x.csv", labels=str(tmp_path / "y.csv"))
    assert graph.name == "edges" and graph.node_names == ["a", "b", "c", "d"]
    assert graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert graph.x.tolist() == [[0.5, 0.5], [0, 0], [0.25, 0.75], [0.5, 0.5]]
    assert graph.feature_names == ["height", "weight"]
    assert graph.y.tolist() == [1, 0, 1, 0] and graph.class_names == ["down", "up"]


def test_numbered_nodes_are_sorted_as_numbers_and_take_arrays(tmp_path):
    written(tmp_path, edges__csv="10,2\n2,1\n")
    with pytest.warns(UserWarning, match="degree of each node, one-hot, stands in"):
        graph = load_graph(str(tmp_path / "edges.csv"))
    assert graph.node_names == ["1", "2", "10"] and graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert graph.x.tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]] and "y" not in graph
    np.save(tmp_path / "x.npy", np.ones((12, 2)))
    graph = load_graph(tmp_path / "edges.csv", features=tmp_path / "x.npy", labels=np.arange(12) % 3, directed=True)
    assert graph.edge_index.tolist() == [[2, 10], [1, 2]] and graph.y.tolist() == [0, 1, 2] * 4
    assert load_graph(tmp_path / "edges.csv", features="identity").x.tolist() == torch.eye(3).tolist()


def test_networkx_graphs_and_their_files(tmp_path):
    graph = networkx.Graph([("a", "b"), ("b", "c")])
    networkx.set_node_attributes(graph, {"a": 1.0, "b": 2.0, "c": 5.0}, "size")
    networkx.set_node_attributes(graph, {"a": 3, "b": 2, "c": 5}, "age")
    networkx.set_node_attributes(graph, {"a": "red", "b": "red", "c": "blue"}, "class")
    networkx.set_node_attributes(graph, {"a": "Ann", "b": "Bob", "c": "Cy"}, "called")
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    networkx.write_gml(graph, tmp_path / "g.gml")
    for source in (graph, tmp_path / "g.graphml", str(tmp_path / "g.gml")):
        loaded = load_graph(source, normalise=False)
        assert loaded.node_names == ["a", "b", "c"] and loaded.feature_names == ["size", "age"]
        assert loaded.x.tolist() == [[1, 3], [2, 2], [5, 5]]
        assert loaded.y.tolist() == [1, 1, 0] and loaded.class_names == ["blue", "red"]
        assert loaded.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert load_graph(graph, features="age", labels=["p", "q", "p"], normalise=False).y.tolist() == [0, 1, 0]
    assert load_graph(graph, features=np.eye(3)).x.shape == (3, 3)
    arrows = networkx.DiGraph([(0, 1), (2, 1)])
    networkx.set_node_attributes(arrows, {node: [1.0, node] for node in arrows}, "x")
    networkx.set_node_attributes(arrows, {node: f"name {node}" for node in arrows}, "label")  # a name, not a class
    loaded = load_graph(arrows, normalise=False)
    assert loaded.edge_index.tolist() == [[0, 2], [1, 1]] and loaded.x.tolist() == [[1, 0], [1, 1], [1, 2]]
    assert "y" not in loaded and load_graph(arrows, directed=False).edge_index.size(1) == 4


def test_arrays_and_tensors_from_files(tmp_path):
    graph = small()
    torch.save({"x": graph.x, "edge_index": graph.edge_index, "y": graph.y}, tmp_path / "a.pt")
    torch.save(graph, tmp_path / "b.pt")
    arrays = {key: graph[key].numpy() for key in ("x", "edge_index", "y")}
    np.savez(tmp_path / "c.npz", **(arrays | {"edge_index": arrays["edge_index"].astype(np.int32)}))
    np.savez(tmp_path / "d.npz", node_features=arrays["x"], edges=arrays["edge_index"].T, node_labels=arrays["y"])
    x, adjacency = csr_matrix(arrays["x"]), csr_matrix((np.ones(5), arrays["edge_index"]), (4, 4))
    parts = {f"attr_{part}": getattr(x, part) for part in ("data", "indices", "indptr", "shape")}
    parts |= {f"adj_{part}": getattr(adjacency, part) for part in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "e.npz", labels=arrays["y"], **parts)
    for name in ("a.pt", "b.pt", "c.npz", "d.npz", "e.npz"):
        assert content_hash(load_graph(tmp_path / name, normalise=False)) == content_hash(graph), name
    assert load_graph(graph).name == "data" and graph.x[2, 1] == 2  # the original is left alone


def test_nothing_runs_from_a_file(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"x": Trap()}, tmp_path / "g.pt")
    np.savez(tmp_path / "g.npz", x=np.array([Trap()], dtype=object))
    for name in ("g.pt", "g.npz"):
        with pytest.raises(UserError, match=f"{name} can't be read as"):
            load_graph(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("files", "options", "sentence"),
    [
        ({}, {}, "there is no graph file .*edges.csv; did you mean 'edge.csv'?"),
        ({"edges__csv": "a\nb\n"}, {}, "needs two columns, this one has 1"),
        ({"edges__csv": "a,b\nc,\n"}, {}, "edge 2 has only one end"),
        ({"edges__csv": ""}, {}, "can't be read as a table"),
        ({"edges__csv": "a,b\nb,c,1,2\n"}, {}, "can't be read as a table: .*line 2"),
        ({"x__csv": "a,1\nb,2\n"}, {"features": "x.csv"}, "node 'c' has no attributes in .*x.csv"),
        ({"x__csv": "a,1\nb,2\nc,cat\n"}, {"features": "x.csv"}, "'cat' in row 2, column 0 is not a number"),
        ({"x__csv": "a,1\nb,nan\nc,2\n"}, {"features": "x.csv"}, r"node 1 \('b'\) hold nan in column 0"),
        ({"x__csv": "a,1\na,2\nb,2\nc,1\n"}, {"features": "x.csv"}, "two lines for node 'a'"),
        ({"y__csv": "a,\nb,-1\nc,nan\n"}, {"labels": "y.csv"}, "no node has a label"),
        ({}, {"labels": "y.csv", "write": True}, "there is no file .*y.csv"),
        ({}, {"labels": "y.xls", "write": True}, "read from .csv, .tsv, .*, .parquet, .npy, not from 'y.xls'"),
        ({"edges__csv": "0,1\n1,2\n"}, {"labels": [0, 1]}, "nodes must be numbered 0 to 1"),
        ({}, {"labels": [0, 1, 1], "write": True}, "with attributes or labels by row number"),
    ],
)
def test_mistakes_in_a_graph_of_ones_own_are_named(files, options, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, edge__csv="a,b\n")
    if (files and "edges__csv" not in files) or options.pop("write", False):
        files = files | {"edges__csv": "a,b\nb,c\n"}
    written(tmp_path, **files)
    with warnings.catch_warnings(), pytest.raises(UserError, match=sentence):
        warnings.simplefilter("ignore")
        load_graph("edges.csv", **{"features": "degree", **options})


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (networkx.Graph(), {}, "has no nodes"),
        (networkx.path_graph(3), {"features": "colour"}, "'colour' is not a node attribute .*there are: none"),
        (networkx.path_graph(3), {"features": np.eye(2)}, "attributes for 2 nodes, but the graph has 3"),
        (networkx.path_graph(3), {"features": np.ones(3)}, "must be a table"),
        (3, {}, "int is no data that a method learns on, and nothing that load_graph takes"),
        ("folder/graph.xyz", {}, "ends in one of .csv"),
        (Data(x=torch.eye(2)), {}, "no edge_index, only x"),
        (small(y=torch.tensor([0, 1, -2, 0])), {}, "negative label"),
    ],
)
def test_mistakes_in_a_graph_in_memory_are_named(source, options, sentence):
    with pytest.raises(UserError, match=sentence):
        load_graph(source, **options)
