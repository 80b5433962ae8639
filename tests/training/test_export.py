"""What a run takes home: the encoder on data it never saw, files for others, and what is said where that can't be."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.training import store as runs

CONFIGURATIONS = [
    ("grace", {}),
    ("grace", {"activation": "prelu", "layers": 3}),
    ("grace", {"attributes": "columns"}),
    ("graphmae", {"attributes": "rows"}),
    ("str-gcl", {"layers": 2}),
    ("e2neg", {}),
    ("e2neg", {"inference": "star"}),
    ("few-negatives", {"cut": 2, "farthest": 1}),
    ("graphmae", {}),
    ("graphmae", {"encoder.norm": "batch", "encoder.activation": "elu", "encoder.layers": 3}),
    ("graphmae", {"encoder": "gin"}),
    ("graphmae", {"encoder": "gin", "encoder.norm": "none", "encoder.activation": "relu"}),
    ("graphmae", {"encoder": "gin", "encoder.norm": "after", "encoder.concatenate": True}),
    ("graphmae", {"encoder": "gcn"}),
]


def larger(graph: Data, position: int = 60) -> Data:
    """Return a graph with one more node, joined to nodes 0 and 1, without labels."""
    edges = torch.tensor([[position, 0, position, 1], [0, position, 1, position]])
    x = torch.cat([graph.x, graph.x[:1].roll(1, 1)])
    return Data(x=x, edge_index=torch.cat([graph.edge_index, edges], 1), num_nodes=position + 1)


@pytest.mark.parametrize(("method", "settings"), CONFIGURATIONS)
def test_the_encoder_embeds_what_training_never_saw(
    method: str, settings: dict, small_graph: Data, tmp_path: Path
) -> None:
    run = wb.fit(method, small_graph, "small", store=tmp_path, progress=False, **settings)
    assert torch.equal(run.encode(small_graph), run.embeddings)
    stored = runs.load(run.path)
    found = stored.encode(larger(small_graph))
    assert found.shape == (61, 8) and found.dtype == torch.float32
    # One hop a layer: only the nodes near the new one differ from what they were.
    same = torch.isclose(found[:60], run.embeddings, atol=1e-6).all(1)
    assert 0 < int(same.sum()) < 60
    torch.testing.assert_close(found, stored.encode(larger(small_graph)))


ALONE = """
import sys, torch
class Refuse:
    def find_spec(self, name, *_):
        if name.split('.')[0] in ('workbench', 'safetensors'): raise ImportError(name)
sys.meta_path.insert(0, Refuse())
graph = torch.load('graph.pt', weights_only=True)
for place in sys.argv[1:]:
    sys.path.insert(0, place)
    sys.modules.pop('encoder', None)
    from encoder import load
    torch.save(load()(graph['x'], graph['edge_index']).detach(), f'{place}/found.pt')
"""


def test_an_exported_module_needs_torch_and_pyg_only(small_graph: Data, tmp_path: Path) -> None:
    graph, other = small_graph.clone(), larger(small_graph)
    graph.node_names = [f"node {number}, «é»" for number in range(60)]
    torch.save({"x": other.x, "edge_index": other.edge_index}, tmp_path / "graph.pt")
    exported = {}
    for number, (method, settings) in enumerate(CONFIGURATIONS):
        run = wb.fit(method, graph, "small", store=tmp_path / "runs", progress=False, **settings)
        place = tmp_path / str(number)
        files = run.export(place)
        assert {"encoder.py", "encoder.pt", "embeddings.parquet", "embeddings.csv"} <= {file.name for file in files}
        assert all(file.is_file() for file in files)
        exported[place] = run
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # One process for all, since the most of its time goes by before it is asked anything.
    subprocess.run([sys.executable, "-c", ALONE, *exported], cwd=tmp_path, env=environment, check=True)
    for place, run in exported.items():
        found = torch.load(place / "found.pt", weights_only=True)
        expected = run.encode(other)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6, msg=lambda told, run=run: f"{run}: {told}")


def test_embeddings_are_written_with_the_names_of_the_nodes(small_graph: Data, tmp_path: Path) -> None:
    graph = small_graph.clone()
    graph.node_names = [f'node\t{number} of\n«é, "60"»' for number in range(60)]
    run = runs.load(wb.fit("grace", graph, "small", store=tmp_path / "runs", progress=False).path)
    assert run.names == graph.node_names
    run.export(tmp_path)
    for table in (pd.read_parquet(tmp_path / "embeddings.parquet"), pd.read_csv(tmp_path / "embeddings.csv")):
        assert list(table["name"]) == graph.node_names
        np.testing.assert_allclose(table.drop(columns="name"), run.embeddings, rtol=1e-6)
    lines = (tmp_path / "embeddings.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "60 8" and len(lines) == 61
    words = [line.rsplit(" ", 8) for line in lines[1:]]
    assert words[7][0] == 'node_7_of_«é,_"60"»' and len({word[0] for word in words}) == 60
    np.testing.assert_allclose([[float(value) for value in word[1:]] for word in words], run.embeddings, rtol=1e-5)
    vectors = [line.split("\t") for line in (tmp_path / "projector-vectors.tsv").read_text().splitlines()]
    labels = (tmp_path / "projector-names.tsv").read_text(encoding="utf-8").splitlines()
    assert len(vectors) == len(labels) == 60 and {len(vector) for vector in vectors} == {8}
    assert labels[7] == 'node 7 of «é, "60"»'


def test_another_graph_than_the_encoder_can_take_is_named(small_graph: Data, tmp_path: Path) -> None:
    graph = small_graph.clone()
    graph.feature_names = [f"word {column}" for column in range(40)]
    run = wb.fit("grace", graph, "small", store=tmp_path, progress=False)
    with pytest.raises(UserError, match="trained on 40 features; these data have 39"):
        run.encode(Data(x=graph.x[:, :39], edge_index=graph.edge_index))
    with pytest.raises(UserError, match="the graph has no attributes"):
        run.encode(Data(edge_index=graph.edge_index, num_nodes=60))


def test_attribute_columns_are_matched_by_their_names(small_graph: Data, tmp_path: Path) -> None:
    names = [f"word {column}" for column in range(40)]
    small_graph.feature_names = names
    run = wb.fit("grace", small_graph, "small", store=tmp_path, progress=False)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    other = Data(x=small_graph.x[:, order], edge_index=small_graph.edge_index)
    other.feature_names = [names[place] for place in order]
    with pytest.warns(UserWarning, match="another order than in training and were matched by their names"):
        assert torch.equal(run.encode(other), run.embeddings)
    other.x = other.x.to_sparse_csr()
    with pytest.warns(UserWarning, match="another order"):
        torch.testing.assert_close(run.encode(other), run.embeddings)
    more = Data(x=torch.cat([torch.ones(60, 1), small_graph.x], 1), edge_index=small_graph.edge_index)
    more.feature_names = ["age", *names]
    with pytest.warns(UserWarning, match="^attribute column 'age' is left out, since training had none of that name$"):
        assert torch.equal(run.encode(more), run.embeddings)
    fewer = Data(x=small_graph.x, edge_index=small_graph.edge_index, feature_names=["Word 0", *names[1:-1], "x"])
    told = "^attribute columns 'word 0', 'word 39' are missing, on which .* did not have is 'Word 0'$"
    with pytest.raises(UserError, match=told):
        run.encode(fewer)
    fewer.feature_names = ["word 1", *names[1:]]
    with pytest.raises(UserError, match="two attribute columns are called 'word 1'"):
        run.encode(fewer)


def star(leaves: int) -> Data:
    """Return a graph of one node joined to so many others, those in a ring."""
    ring = torch.arange(1, leaves + 1)
    edges = torch.cat([torch.stack([torch.zeros_like(ring), ring]), torch.stack([ring, ring.roll(1)])], 1)
    return wb.load_graph(Data(edge_index=torch.cat([edges, edges.flip(0)], 1), num_nodes=leaves + 1), features="degree")


def test_degrees_as_attributes_keep_what_they_meant_in_training(tmp_path: Path) -> None:
    run = wb.fit("grace", star(12), "small", store=tmp_path, progress=False)  # degrees 3 and 12
    encoder = run.encoder
    few, many = star(7), star(30)
    assert (few.x.shape[1], many.x.shape[1]) == (8, 31)
    wide = torch.zeros(8, 13)
    wide[:, :8] = few.x
    with pytest.raises(UserError, match="trained on 13 features; these data have 8"):
        run.encode(Data(x=few.x, edge_index=few.edge_index))  # without names nothing says what the columns are
    torch.testing.assert_close(run.encode(few), encoder.embed(Data(x=wide, edge_index=few.edge_index)).detach())
    capped = torch.zeros(31, 13)
    capped[0, 12], capped[1:, 3] = 1.0, 1.0
    with pytest.warns(UserWarning, match="^1 node has a degree above 12, the highest in training, and count"):
        found = run.encode(many)
    torch.testing.assert_close(found, encoder.embed(Data(x=capped, edge_index=many.edge_index)).detach())
    with pytest.raises(UserError, match=r"trained on features=\['degree'\]; load these data with that"):
        run.encode(Data(x=torch.rand(31, 2), edge_index=many.edge_index, feature_names=["age", "height"]))


def test_rows_are_normalised_as_in_training_whatever_new_nodes_and_columns_bring(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(4)
    raw, edges = 3 * torch.randn(30, 5, generator=g), torch.randint(30, (2, 80), generator=g)
    names = ["a", "b", "c", "d=x", "d=y"]

    def loaded(x: torch.Tensor, columns: list[str]) -> Data:
        return wb.load_graph(Data(x=x, edge_index=edges, feature_names=columns), directed=False)

    run = runs.load(wb.fit("grace", loaded(raw, names), "small", store=tmp_path, progress=False).path)
    assert torch.equal(run.encode(loaded(raw, names)), run.embeddings)
    lower = torch.cat([raw, torch.full((1, 5), -90.0)])  # a node by itself, whose numbers move the least of all
    torch.testing.assert_close(run.encode(loaded(lower, names))[:30], run.embeddings, rtol=1e-4, atol=1e-5)
    bare = wb.load_graph(Data(x=lower, edge_index=edges), directed=False)  # by their places
    torch.testing.assert_close(run.encode(bare)[:30], run.embeddings, rtol=1e-4, atol=1e-5)
    more = torch.cat([raw[:, 4:], 7 + raw[:, :1], raw[:, :4]], 1)
    with pytest.warns(UserWarning) as told:
        found = run.encode(loaded(more, ["d=y", "new", *names[:4]]))
    assert "'new' is left out" in str(told[0].message) and "another order" in str(told[1].message)
    torch.testing.assert_close(found, run.embeddings, rtol=1e-4, atol=1e-5)
    other = loaded(raw, ["a", "b", "c", "d=x", "d=z"])  # nobody is "y", somebody is "z", whom training did not know
    with pytest.warns(UserWarning, match="'d=z' is left out"):
        run.encode(other)


ABSTRACTS = ["deep graphs learn node vectors", "markets fall when banks fail", "graphs of node pairs learn"]
ABSTRACTS += ["banks lend when markets rise", "node vectors of deep graphs", "when banks learn markets rise"]


def read(texts: list[str], features: list[str] | None = None, normalise: bool = True) -> Data:
    ring = nx.cycle_graph(len(texts))
    nx.set_node_attributes(ring, dict(enumerate(texts)), "abstract")
    nx.set_node_attributes(ring, {node: 3.0 * (node % 3) - 1 for node in ring}, "age")
    return wb.load_graph(ring, features=features or ["age", "abstract", "degree"], normalise=normalise)


@pytest.mark.parametrize("normalise", [True, False])
def test_new_texts_are_weighed_by_the_words_of_the_training(normalise: bool, tmp_path: Path) -> None:
    graph = read(ABSTRACTS, normalise=normalise)
    run = runs.load(wb.fit("grace", graph, "small", store=tmp_path, progress=False).path)
    assert torch.equal(run.encode(graph), run.embeddings)
    assert set(run.texts["abstract"]["idf"]) >= {"banks", "graphs"} and run.texts["abstract"]["first"] == 1
    later = read([*ABSTRACTS[:5], "banks fail when quantum markets fall", "zebras eat grass daily"], None, normalise)
    with pytest.warns(UserWarning) as told:
        found = run.encode(later)
    said = "texts of 'abstract': 5 of 19 different words are none of the 14 of the training and count for nothing"
    assert [str(warning.message) for warning in told] == [f"{said}; 1 node has no other"]
    model = TfidfVectorizer().fit(ABSTRACTS)
    texts = later.text_columns["abstract"].texts
    ages = torch.tensor([[3.0 * (node % 3) - 1] for node in range(7)])
    degrees = torch.tensor([[0.0, 0, 1]]).expand(7, 3)
    raw = torch.cat([ages, torch.from_numpy(model.transform(texts).toarray()).float(), degrees], 1)
    if normalise:
        raw = (raw + 1) / (raw + 1).sum(1, keepdim=True).clamp(min=1)
    encoder = run.encoder
    torch.testing.assert_close(found, encoder.embed(Data(x=raw, edge_index=later.edge_index)).detach())
    torch.save(later, tmp_path / "later.pt")
    with pytest.warns(UserWarning, match="5 of 19 different words"):
        torch.testing.assert_close(run.encode(wb.load_graph(tmp_path / "later.pt", normalise=normalise)), found)


def test_texts_that_training_had_and_new_data_lack_are_named(tmp_path: Path) -> None:
    run = wb.fit("grace", read(ABSTRACTS), "small", store=tmp_path, progress=False)
    with pytest.raises(UserError, match="texts 'abstract' are missing, on whose words this encoder was trained"):
        run.encode(read(ABSTRACTS, ["age", "degree"]))
    changed = read([*ABSTRACTS, "zebras eat grass daily"])
    changed.x = 2 * changed.x
    with pytest.raises(UserError, match="the texts of 'abstract' are no longer those that load_graph made"):
        run.encode(changed)
    short = read(["graphs learn", "markets fall"] * 4)  # as few as these are no texts by themselves
    assert short.feature_names[1] == "abstract=graphs learn"
    assert run.encode(short).shape == (8, 8)


def test_shares_of_pagerank_of_another_number_are_refused(tmp_path: Path) -> None:
    def ranked(nodes: int) -> Data:
        ends = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
        return wb.load_graph(Data(edge_index=ends, num_nodes=nodes), features="pagerank", directed=False)

    run = wb.fit("grace", ranked(40), "small", store=tmp_path, progress=False)
    with pytest.raises(UserError, match=r"PageRank falls into \d+ shares here and \d+ in training"):
        run.encode(ranked(4))


def test_node_numbers_as_attributes_are_those_of_the_same_nodes(tmp_path: Path) -> None:
    edges = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]])
    names = ["a", "b", "c", "d", "e", "f"]
    graph = wb.load_graph(Data(edge_index=edges, num_nodes=6, node_names=names), features="identity", directed=False)
    run = wb.fit("grace", graph, "small", store=tmp_path, progress=False)
    order = [3, 1, 0, 5, 4, 2]
    place = torch.tensor([order.index(node) for node in range(6)])
    again = Data(edge_index=place[graph.edge_index], num_nodes=6, node_names=[names[node] for node in order])
    found = run.encode(wb.load_graph(again, features="identity"))
    torch.testing.assert_close(found, run.embeddings[order])
    with pytest.raises(UserError, match="trained on 6 features; these data have 2; it was one for each node"):
        run.encode(wb.load_graph(Data(edge_index=edges, num_nodes=6), features="degree"))
    again.node_names[2] = "new"
    with pytest.raises(UserError, match=r"node numbers .* of which node 'new' has none; train on attributes"):
        run.encode(wb.load_graph(again, features="identity"))


def test_runs_without_weights_or_with_those_of_another_are_named_and_still_readable(
    small_graph: Data, tmp_path: Path
) -> None:
    run = wb.fit("grace", small_graph, "small", store=tmp_path, progress=False)
    shutil.copytree(run.path, tmp_path / "before")
    (tmp_path / "before" / "weights.safetensors").unlink()
    facts = json.loads((run.path / "run.json").read_text())
    plain = {name: value for name, value in facts.items() if name not in ("key", "files", "sha256")}
    (tmp_path / "before" / "run.json").write_text(json.dumps(plain))  # as before there were checksums
    before = runs.load(tmp_path / "before")
    assert torch.equal(before.embeddings, run.embeddings)
    with pytest.raises(UserError, match=r"stored before weights were kept.*fresh=True"):
        before.encode(small_graph)
    with pytest.raises(UserError, match="stored before weights were kept"):
        before.export(tmp_path / "out")
    other = wb.fit("e2neg", small_graph, "small", store=tmp_path, progress=False)
    shutil.copyfile(other.path / "weights.safetensors", tmp_path / "before" / "weights.safetensors")
    with pytest.raises(UserError, match="not those of 'grace' as configured"):
        runs.load(tmp_path / "before").encode(small_graph)
    wrong = {name: tensor[:4] for name, tensor in load_file(run.path / "weights.safetensors").items()}
    save_file({name: tensor.contiguous() for name, tensor in wrong.items()}, tmp_path / "before/weights.safetensors")
    with pytest.raises(UserError, match="not those of 'grace' as configured"):
        runs.load(tmp_path / "before").encode(small_graph)


def test_a_run_in_the_form_of_before_is_read(small_graph: Data, tmp_path: Path) -> None:
    run = wb.fit("grace", small_graph, "small", store=tmp_path, progress=False, negatives="hop-far", hops=2, k=5)
    facts = json.loads((run.path / "run.json").read_text())
    assert facts["config"]["negatives.hops"] == 2
    # As it was written before: options in a list of pairs, the preset and its changes in one string.
    config = {name: value for name, value in facts["config"].items() if "." not in name}
    facts["config"] = config | {"options": [["hops", 2]]}
    facts["preset"] = "small + negatives=hop-far, k=5, hops=2"
    for name in ("changed", "kind", "shape", "key", "files", "sha256"):
        del facts[name]
    (run.path / "run.json").write_text(json.dumps(facts))
    (run.path / "weights.safetensors").unlink()
    before = runs.load(run.path)
    assert before.config == run.config and before.preset == "small + negatives=hop-far, k=5, hops=2"
    assert before.asked.name == "small" and torch.equal(before.embeddings, run.embeddings)


def test_a_node_added_to_cora_after_training(real_graph, tmp_path: Path) -> None:
    cora = real_graph("cora")
    run = wb.fit("grace", cora, "quick", epochs=2, store=tmp_path, progress=False)
    more = larger(cora, cora.num_nodes)
    encoder = run.encoder
    torch.testing.assert_close(run.encode(more), encoder.embed(Data(x=more.x, edge_index=more.edge_index)).detach())
    assert run.encode(more).shape[0] == cora.num_nodes + 1


def test_standardised_columns_without_their_moments_are_refused(small_graph: Data, tmp_path: Path) -> None:
    run = wb.fit("grace", small_graph, "small", store=tmp_path, progress=False, attributes="columns")
    del run.weights["attributes.moments"]
    for use in (lambda: run.encode(small_graph), lambda: run.export(tmp_path / "out")):
        with pytest.raises(UserError, match="moments of the columns are missing"):
            use()
    assert not [*(tmp_path / "out").glob("*")]
