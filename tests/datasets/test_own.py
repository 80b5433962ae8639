"""A person's own graph from files as other programs write them: what is read, what is told, what is refused."""

import gzip
import json
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data

from workbench.cli import encode, main
from workbench.datasets import content_hash, load_graph
from workbench.datasets.files import content
from workbench.datasets.structural import walks
from workbench.errors import UserError
from workbench.evaluation.neighbourhoods import found_node, typed_as
from workbench.training import store as runs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def put(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def links(graph: Data) -> set[tuple[str, str]]:
    """Return the entries of edge_index by the names of their ends."""
    names = graph.get("node_names") or [str(node) for node in range(graph.num_nodes)]
    return {(names[a], names[b]) for a, b in graph.edge_index.t().tolist()}


def both(*pairs: str) -> set[tuple[str, str]]:
    return {tuple(pair.split()) for pair in pairs} | {tuple(pair.split()[::-1]) for pair in pairs}  # type: ignore[misc]


RING = both("ana bo", "bo cy", "cy ana")
TABLE = "ana,bo\nbo,cy\ncy,ana\n"

EDGE_LISTS: dict[str, tuple[str, str, set[tuple[str, str]]]] = {
    # ending, text, entries
    "SNAP": (
        ".txt",
        "# Undirected: road\n# FromNodeId\tToNodeId\n10\t20\n20\t30\n30\t10\n",
        both("10 20", "20 30", "30 10"),
    ),
    "SNAP, packed": (".tsv.gz", "# Nodes: 3\n10\t20\n20\t30\n30\t10\n", both("10 20", "20 30", "30 10")),
    "SNAP, shouted and with blanks": (".TSV", "# FromNodeId ToNodeId\n10 20\n20 30\n", both("10 20", "20 30")),
    "KONECT": (".edges", "% sym positive\n% 3 3 3\n1 2 1 1082040961\n2 3 4 1082155839\n", both("1 2", "2 3")),
    "no ending": ("", "ana bo\nbo cy\ncy ana\n", RING),
    "byte order mark": (".csv", "\ufeffSource,Target\n" + TABLE, RING),
    "byte order mark before quotes": (".csv", '\ufeff"Source","Target"\n"ana","bo"\n', both("ana bo")),
    "byte order mark, no header": (".csv", "\ufeff" + TABLE, RING),
    "semicolons": (".csv", "Source;Target\nana;bo\nbo;cy\n", both("ana bo", "bo cy")),
    "semicolons and decimal commas": (".csv", "ana;bo;0,5\nbo;cy;0,25\ncy;ana;1,5\n", RING),
    "tabs in a .csv": (".csv", "ana\tbo\nbo\tcy\n", both("ana bo", "bo cy")),
    "number of the edge first": (".csv", "EdgeId,Source,Target\n0,ana,bo\n1,bo,cy\n2,cy,ana\n", RING),
    "index of pandas": (".csv", ",source,target\n0,10,20\n1,20,30\n2,30,10\n", both("10 20", "20 30", "30 10")),
    "target first": (".csv", "target,weight,source\nana,1.5,bo\nbo,2.5,cy\ncy,3.5,ana\n", RING),
    "year and type between": (".csv", "from,year,type,to\nana,1999,a,bo\nbo,2001,b,cy\ncy,2002,a,ana\n", RING),
    "Follower": (".csv", "Follower,Followee\n" + TABLE, RING),
    "node_1": (".csv", "node_1,node_2\n" + TABLE, RING),
    "two proteins": (".txt", "protein1 protein2 combined_score\nana bo 490\nbo cy 198\n", both("ana bo", "bo cy")),
    "Neo4j": (
        ".csv",
        ":START_ID(P),since:int,:END_ID(P),:TYPE\nana,3,bo,KNOWS\nbo,4,cy,KNOWS\n",
        both("ana bo", "bo cy"),
    ),
    "names with #": (".csv", "ana,#green\n#green,#oak\n#oak,ana\n", both("ana #green", "#green #oak", "#oak ana")),
    "names with # first": (".csv", "#green,ana\n#oak,ana\nana,bo\n", both("#green ana", "#oak ana", "ana bo")),
    "URLs": (".csv", "http://a.org/p,http://a.org/o#x\n", both("http://a.org/p http://a.org/o#x")),
    "header behind #": (".csv", "#source,target\nana,bo\nbo,cy\n", both("ana bo", "bo cy")),
    "leading zeros": (".csv", "007,08\n08,7\n7,007\n", both("007 08", "08 7", "7 007")),
    "long numbers": (
        ".csv",
        "8237827382738273827382,15830\n15830,2111364\n",
        both("8237827382738273827382 15830", "15830 2111364"),
    ),
    "names that look like nothing": (".csv", "source,target\nNA,null\nnull,nan\n", both("NA null", "null nan")),
    "a node called source": (".csv", "source,ana\nana,bo\nbo,source\n", both("source ana", "ana bo", "bo source")),
    "line ends of old Macs": (".csv", "source,target\rana,bo\rbo,cy\r", both("ana bo", "bo cy")),
}


@pytest.mark.parametrize("case", EDGE_LISTS)
def test_an_edge_list_is_read_as_other_programs_write_it(case: str, tmp_path: Path) -> None:
    suffix, text, entries = EDGE_LISTS[case]
    graph = load_graph(put(tmp_path, f"edges{suffix}", text))
    assert links(graph) == entries and graph.num_nodes == len({name for pair in entries for name in pair})
    assert graph.name == "edges"


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_encodings_are_found_out_and_told(encoding: str, tmp_path: Path) -> None:
    graph = load_graph(put(tmp_path, "g.csv", "source,target\nJosé,Łukasz\n".replace("Ł", "Å"), encoding))
    assert graph.node_names == ["José", "Åukasz"] and "encoding" in graph.report.text


def test_quotes_hold_separators_and_quotes(tmp_path: Path) -> None:
    graph = load_graph(put(tmp_path, "g.csv", 'source,target\n"Lee, J.","Kim ""K"""\n"Kim ""K""",Bo\n'))
    assert graph.node_names == ["Bo", 'Kim "K"', "Lee, J."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "0,ana,bo\n1,bo,cy\n2,cy,ana\n",
            r"which columns are the ends.*0 \| ana \| bo / 1 \| bo \| cy; say source= and target=",
        ),
        ("alpha,beta,type\nana,bo,1\nbo,cy,2\n", "They are called 'alpha', 'beta', 'type'.*say source= and target="),
        ("id,age\nana,1\nbo,2\n", "a table of nodes is given as features="),
        (",ana,bo\nana,0,1\ncy,1,0\n", "which columns are the ends"),
        ("0,1,1\n1,0,0\n1,0,0\n", "is this square of numbers a matrix"),
        ("0,1,0,7\n1,0,0,0\n1,0,0,2\n1,0,2,0\n", "where it is a table of edges, say source= and target="),
        ("ana,bo\nbo,cy,dee\n", r"an adjacency list is read where each name begins one line, or .* ends in \.adjlist"),
    ],
)
def test_what_could_be_read_in_two_ways_is_asked(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        load_graph(put(tmp_path, "g.csv", text))


def test_options_say_how_a_table_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "g.csv", "0~ana~bo~2\n1~bo~cy~4\n")
    graph = load_graph(path, separator="~", source=1, target="2", weight=3)
    assert links(graph) == both("ana bo", "bo cy") and graph.edge_weight.tolist() == [2, 2, 4, 4]
    path = put(tmp_path, "h.csv", "Person,Friend\nana,bo\n// nobody,cy\nbo,cy\n")
    assert load_graph(path).num_nodes == 6  # no word says that this is a header
    assert load_graph(path, header=True, comment="//").node_names == ["ana", "bo", "cy"]
    assert load_graph(path, header=True, comment="//", directed=True).edge_index.tolist() == [[0, 1], [1, 2]]
    with pytest.raises(UserError, match=r"unknown column for source= 'Persn' of h\.csv; did you mean 'Person'"):
        load_graph(path, header=True, source="Persn", target="Friend")
    with pytest.raises(UserError, match="give both or neither"):
        load_graph(path, header=True, source="Person")
    with pytest.raises(UserError, match="separator is one sign or one of"):
        load_graph(path, separator="ab")


def test_weights_are_read_where_there_are_any(tmp_path: Path) -> None:
    graph = load_graph(put(tmp_path, "a.csv", "source;target;weight\nana;bo;0,5\nbo;cy;0,25\n"))
    assert graph.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]] and graph.edge_weight.tolist() == [
        0.5,
        0.5,
        0.25,
        0.25,
    ]
    # The same edge both ways and alike is one edge, not two; repeats are added.
    graph = load_graph(put(tmp_path, "b.csv", "source,target,weight\na,b,2\nb,a,2\n"))
    assert graph.edge_weight.tolist() == [2, 2]
    graph = load_graph(put(tmp_path, "c.csv", "source,target,weight\na,b,2\na,b,3\nb,b,1\n"))
    assert graph.edge_index.tolist() == [[0, 1, 1], [1, 0, 1]] and graph.edge_weight.tolist() == [5, 5, 1]
    graph = load_graph(put(tmp_path, "d.csv", "a,b,1082040961\nb,c,1082155839\n"))
    assert graph.get("edge_weight") is None and "look like times" in graph.report.text
    graph = load_graph(put(tmp_path, "e.csv", "source,target,weight\na,b,1\nb,c,\n"))
    assert graph.get("edge_weight") is None and "not all of it are numbers" in graph.report.text
    with pytest.raises(UserError, match="the weight of edge 2 in column 'weight' is '', no number"):
        load_graph(tmp_path / "e.csv", weight="weight")
    assert load_graph(tmp_path / "a.csv", weight=False).get("edge_weight") is None
    data = Data(
        x=torch.eye(2), edge_index=torch.tensor([[0, 0, 1], [1, 1, 0]]), edge_weight=torch.tensor([1.0, 2.0, 4.0])
    )
    assert load_graph(data).edge_weight.tolist() == [3, 4]


def test_gephis_column_type_says_whether_edges_point(tmp_path: Path) -> None:
    head = "Source,Target,Type,Id,Label,timeset,Weight\n"
    graph = load_graph(put(tmp_path, "a.csv", head + "0,1,Undirected,0,,,1.0\n1,2,Undirected,1,,,2.5\n"))
    assert graph.edge_index.size(1) == 4 and graph.edge_weight.tolist() == [1, 1, 2.5, 2.5]
    graph = load_graph(put(tmp_path, "b.csv", head + "0,1,Directed,0,,,1\n1,2,Directed,1,,,1\n"))
    assert graph.edge_index.tolist() == [[0, 1], [1, 2]]
    assert load_graph(tmp_path / "b.csv", directed=False).edge_index.size(1) == 4
    graph = load_graph(put(tmp_path, "c.csv", "Source,Target,Type\n0,1,Directed\n1,2,Undirected\n"))
    assert graph.edge_index.tolist() == [[0, 1, 2], [1, 2, 1]]


def test_degrees_are_counted_after_repeats_and_directions(tmp_path: Path) -> None:
    star = nx.DiGraph([(0, 1), (0, 2), (0, 3)])
    data = Data(edge_index=torch.tensor([[0, 0, 0, 1], [1, 1, 2, 0]]), num_nodes=3)
    cases: list[tuple[Any, Any]] = [
        (star, False),
        (nx.MultiDiGraph([(0, 1)] * 3 + [(1, 2), (2, 0)]), None),
        (data, None),
    ]
    cases.append((put(tmp_path, "d.csv", "a,b\na,b\na,c\n"), True))
    for (source, directed), degrees in zip(cases, [[3, 1, 1, 1], [1, 1, 1], [2, 1, 0], [2, 0, 0]], strict=True):
        graph = load_graph(source, features="degree", directed=directed)
        assert graph.x.argmax(1).tolist() == degrees
        assert torch.bincount(graph.edge_index[0], minlength=graph.num_nodes).tolist() == degrees


def test_coordinates_of_a_drawing_are_neither_attributes_nor_classes(tmp_path: Path) -> None:
    graph = nx.cycle_graph(["n0", "n1", "n2", "n3"])
    for place, node in enumerate(graph):
        drawn = {"x": -3.5 * place, "y": float(place % 2), "size": 10.0, "r": 200, "g": 10, "b": place}
        graph.nodes[node].update(drawn | {"age": 20 + place, "class": "AB"[place % 2], "label": f"P{place}"})
    nx.write_graphml(graph, tmp_path / "g.graphml")
    nx.write_gexf(graph, tmp_path / "g.gexf")
    nx.write_gml(graph, tmp_path / "g.gml")
    for name in ("g.graphml", "g.gexf", "g.gml"):
        loaded = load_graph(tmp_path / name, normalise=False)
        assert loaded.feature_names == ["age"] and loaded.x[:, 0].tolist() == [20, 21, 22, 23], name
        assert loaded.y.tolist() == [0, 1, 0, 1] and loaded.class_names == ["A", "B"]
        assert "coordinates and looks of a drawing" in loaded.report.text
        assert loaded.node_names == [f"{'n' if name == 'g.gml' else 'P'}{place}" for place in range(4)]
    assert load_graph(tmp_path / "g.gml", features=["x", "age"], normalise=False).x[:, 0].tolist() == [
        0,
        -3.5,
        -7,
        -10.5,
    ]
    for node in graph:  # coordinates alone, as of a road map
        for name in ("age", "class", "label", "size", "r", "g", "b"):
            del graph.nodes[node][name]
    loaded = load_graph(graph)
    assert loaded.feature_names[0] == "degree 0" and loaded.get("y") is None
    # A size where nothing is drawn is an attribute like any other.
    nx.set_node_attributes(plain := nx.path_graph(3), {0: 5, 1: 6, 2: 7}, "size")
    assert load_graph(plain).feature_names == ["size"]


def test_gml_needs_no_labels_and_may_repeat_them(tmp_path: Path) -> None:
    def gml(nodes: list[str]) -> str:
        edges = "".join(f"edge [\n source {a}\n target {a % 4 + 1}\n]\n" for a in range(1, 5))
        return (
            "graph [\ndirected 0\n"
            + "".join(f"node [\n id {i}\n{line}\n]\n" for i, line in enumerate(nodes, 1))
            + edges
            + "]\n"
        )

    ring, twice = both("1 2", "2 3", "3 4", "4 1"), ["J. Lee (1)", "J. Lee (2)", "p3", "p4"]
    assert links(load_graph(put(tmp_path, "none.gml", gml([""] * 4)))) == ring
    repeated = load_graph(
        put(tmp_path, "twice.gml", gml([f'label "{name}"' for name in ("J. Lee", "J. Lee", "p3", "p4")]))
    )
    assert repeated.node_names == twice and repeated.node_ids == [*"1234"] and repeated.get("y") is None
    assert "several nodes have, each followed by its id: 2 (J. Lee (1); J. Lee (2))" in repeated.report.text
    pajek = '*Vertices 4\n1 "J. Lee" 0.1 0.2\n2 "J. Lee"\n3 p3\n4 p4\n*Edges\n1 2\n2 3\n3 4\n4 1\n'
    assert load_graph(put(tmp_path, "twice.net", pajek)).node_names == twice
    named = load_graph(
        put(tmp_path, "bool.gml", gml([f' label "p{i}"\n ok {"True" if i % 2 else "false"}' for i in range(1, 5)]))
    )
    assert links(named) == both("p1 p2", "p2 p3", "p3 p4", "p4 p1") and "true and false" in named.report.text


def test_every_form_gives_the_same_karate_club(tmp_path: Path) -> None:
    club = nx.karate_club_graph()
    nx.write_gexf(club, tmp_path / "a.gexf")
    nx.write_pajek(club, tmp_path / "b.net")
    nx.write_graphml(club, tmp_path / "c.graphml")
    nx.write_weighted_edgelist(club, tmp_path / "d.edges")
    for name, key in (("e", "links"), ("f", "edges")):
        put(tmp_path, f"{name}.json", json.dumps(nx.node_link_data(club, edges=key)))
    put(tmp_path, "g.json", json.dumps(nx.cytoscape_data(club)))
    matrix = nx.to_scipy_sparse_array(club, format="coo")
    scipy.io.mmwrite(tmp_path / "h.mtx", sp.coo_matrix(matrix))
    sp.save_npz(tmp_path / "i.npz", sp.csr_matrix(matrix))
    frame = nx.to_pandas_edgelist(club)
    frame.to_csv(tmp_path / "j.csv")  # with the index of pandas
    import fastparquet

    fastparquet.write(str(tmp_path / "k.parquet"), frame, write_index=False)
    frame.to_csv(tmp_path / "l.tsv.gz", sep="\t", index=False)
    wanted = load_graph(club)
    for source in (*sorted(tmp_path.iterdir()), matrix, sp.csr_matrix(matrix)):
        graph = load_graph(source)
        assert links(graph) == links(wanted), source
        weights = dict(zip(map(tuple, graph.edge_index.t().tolist()), graph.edge_weight.tolist(), strict=True))
        assert (
            all(weight == weights[b, a] for (a, b), weight in weights.items()) and sum(weights.values()) == 2 * 231
        ), source
        assert torch.equal(graph.x, wanted.x), source


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        (
            {"nodes": [{"id": "a"}], "links": [{"source": "a", "target": "zz"}]},
            "number 0 of its links has the target 'zz'",
        ),
        ({"nodes": [{"id": "a"}], "links": [{"source": "a"}]}, "number 0 of its links has no target"),
        ({"vertices": [], "arcs": []}, "has no nodes and links .*but 'vertices', 'arcs'"),
        ([1, 2], "holds a list"),
    ],
)
def test_json_that_is_no_graph_is_named(loaded: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        load_graph(put(tmp_path, "g.json", json.dumps(loaded)))


def test_json_of_drawings_numbers_its_ends(tmp_path: Path) -> None:
    loaded = {"nodes": [{"name": "ana"}, {"name": "bo"}], "links": [{"source": 0, "target": 1, "value": 3}]}
    assert links(load_graph(put(tmp_path, "g.json", json.dumps(loaded)))) == both("ana bo")


@pytest.mark.parametrize(
    "name",
    [
        "g.csv",
        "g.txt",
        "g.graphml",
        "g.gexf",
        "g.gml",
        "g.json",
        "g.mtx",
        "g.net",
        "g.npz",
        "g.pt",
        "g.parquet",
        "g.csv.gz",
    ],
)
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\x00\x01\x02" * 50, b"<html><body>404</body></html>", b"[" * 100_000]
)
def test_a_damaged_file_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as told:
        load_graph(tmp_path / name)
    assert (
        len(str(told.value)) < 400 + len(str(tmp_path))
        and "\n" not in str(told.value)
        and str(told.value).isprintable()
    )


def test_what_unpacks_to_far_more_is_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "UNPACKED", 1 << 16)
    with pytest.raises(UserError, match="unpacks to more than 0 MiB, 50 times its own size"):
        load_graph(put(tmp_path, "g.csv.gz", "a,b\n" * 100_000))
    monkeypatch.setattr("workbench.datasets.files.formats.LARGEST", 1 << 16)
    np.savez_compressed(tmp_path / "g.npz", edge_index=np.zeros((2, 1 << 20), dtype=np.int64))
    with pytest.raises(UserError, match="over 50 times its own size; it is not opened"):
        load_graph(tmp_path / "g.npz")


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its first line has more than 1,048,576 letters"):
        load_graph(put(tmp_path, "g.csv", "a" * (1 << 21)))


def test_files_of_tensors_open_or_name_what_is_odd(tmp_path: Path) -> None:
    data = Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1], [1, 2]]), y=torch.tensor([0, 1, 0]))
    torch.save((data.to_dict(), None), tmp_path / "data.pt")  # as PyG's processed folders have it
    torch.save([data], tmp_path / "list.pt")
    for name in ("data.pt", "list.pt"):
        assert load_graph(tmp_path / name).edge_index.tolist() == [[0, 1], [1, 2]]
    torch.save(data.to_dict() | {"when": np.float64(1)}, tmp_path / "odd.pt")
    with pytest.raises(UserError, match=r"holds a numpy\S*scalar, which could run code and is never opened"):
        load_graph(tmp_path / "odd.pt")
    torch.save(data.to_dict() | {"time": torch.ones(2)}, tmp_path / "more.pt")
    assert "entries that no method reads: 'time'" in load_graph(tmp_path / "more.pt").report.text
    np.savez(tmp_path / "b.npz", features=np.eye(2), adj=np.eye(2))
    with pytest.raises(UserError, match=r"no edges under a name known here .*but 'features', 'adj'"):
        load_graph(tmp_path / "b.npz")


def nodes_of(folder: Path, text: str, **options: Any) -> Data:
    put(folder, "edges.csv", "source,target\nana,bo\nbo,cy\ncy,dee\n")
    return load_graph(folder / "edges.csv", features=put(folder, "nodes.csv", text), normalise=False, **options)


def test_a_table_of_nodes_gives_attributes_classes_and_lone_nodes(tmp_path: Path) -> None:
    graph = nodes_of(tmp_path, "Id,age,class,remark\nana,1,red,a\nbo,2,blue,b\ncy,3,red,c\ndee,4,blue,d\nlone,5,,e\n")
    assert graph.node_names == ["ana", "bo", "cy", "dee", "lone"] and graph.x[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert graph.y.tolist() == [1, 0, 1, 0, -1] and graph.class_names == ["blue", "red"]
    said = graph.report.text
    assert "nodes without a label: they train, and are left out of scoring: 1 (lone)" in said
    assert "words and texts (features= takes them by name): 'remark'" in said
    roles = graph.report.columns.set_index("column")["read as"]
    assert roles["age"] == "attribute" and roles["class"] == "label" and roles["remark"] == "left out"
    assert graph.report.table()["kind"].isin(["read", "changed", "left out"]).all()
    assert "<script>" not in load_graph(put(tmp_path, "x.csv", "<script>,b\n")).report._repr_html_()


def test_texts_become_words_and_words_become_columns(tmp_path: Path) -> None:
    rows = ["ana,deep graphs learn node vectors,red", "bo,markets fall when banks fail,blue"]
    rows += ["cy,graphs of node pairs learn,red", "dee,banks lend when markets rise,blue"]
    graph = nodes_of(tmp_path, "id,abstract,colour\n" + "\n".join(rows) + "\n")
    assert "graphs" in graph.feature_names and "words of 'abstract' as TF-IDF" in graph.report.text
    assert float(graph.x[0] @ graph.x[2]) > 0 and float(graph.x[0] @ graph.x[1]) == 0
    club = nx.path_graph(["a", "b", "c"])
    nx.set_node_attributes(club, dict(zip("abc", ("red", "blue", "red"), strict=True)), "colour")
    nx.set_node_attributes(club, dict(zip("abc", (1, 2, 3), strict=True)), "age")
    loaded = load_graph(club, features=["colour", "age"], normalise=False)
    assert loaded.feature_names == ["colour=blue", "colour=red", "age"]
    assert loaded.x.tolist() == [[0, 1, 1], [1, 0, 2], [0, 1, 3]]


def test_a_single_positive_attribute_that_rows_would_level_is_told(tmp_path: Path) -> None:
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 5, 1: 6, 2: 7}, "size")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_graph(graph, normalise=False)
        assert not caught
        nx.set_node_attributes(graph, {0: 0, 1: 6, 2: 7}, "size")
        graph.nodes[0]["size"] = 5
        loaded = load_graph(graph)
    levelled = bool((loaded.x == loaded.x[0]).all())
    assert levelled == any("made the attributes of all nodes alike" in str(warning.message) for warning in caught)


def test_attributes_that_any_graph_has() -> None:
    graph = nx.lollipop_graph(4, 2)  # a clique with a tail
    assert load_graph(graph, features="core").x.argmax(1).tolist() == [3, 3, 3, 3, 1, 1]
    ranks = load_graph(graph, features="pagerank").x.argmax(1)
    assert ranks[3] == ranks.max() and ranks[5] == ranks.min()
    data = load_graph(graph, features="degree")
    x, names = walks(data)
    a = nx.to_numpy_array(graph)
    step, power = a / a.sum(1, keepdims=True), np.eye(6)
    for time in range(16):
        power = power @ step
        assert np.allclose(x[:, time].numpy(), np.diag(power), atol=1e-6)
    assert names[0] == "back after 1" and not x[:, 0].any()
    both_kinds = load_graph(graph, features=["core", "walks"], normalise=False)
    assert both_kinds.x.shape == (6, 4 + 16) and both_kinds.feature_names[:4] == [f"core {k}" for k in range(4)]
    empty = Data(edge_index=torch.zeros(2, 0, dtype=torch.long), num_nodes=3)
    for word in ("degree", "core", "pagerank", "walks", "identity"):
        assert load_graph(empty, features=word).x.shape[0] == 3


def test_the_command_tells_what_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "l", "ana bo\nbo cy\n")
    put(tmp_path, "n.csv", "id,f,kind\nana,1,p\nbo,2,q\ncy,3,p\nlone,4,q\n")
    assert main(["graphs", "l", "--features", "n.csv", "--labels", "n.csv:kind"]) == 0
    shown = capsys.readouterr().out
    assert "nodes without an edge, from the table of nodes: 1" in shown and "as a table of edges: no ending" in shown
    assert main(["graphs", "l", "--features", "core,walks", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["features"] == 2 + 16 and {line["kind"] for line in told["report"]} >= {"read"}
    store = ["-p", "epochs=1", "-p", "dim=8", "--preset", "quick"]
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    assert main(["fit", "grace", "l", "--features", "n.csv", *store]) == 0
    assert " --graph l --features n.csv" in capsys.readouterr().out  # the next command reads it alike
    assert main(["fit", "grace", "n.csv", *store]) == 2
    assert "a table of nodes is given as features=" in capsys.readouterr().err


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='#%,;|"\ufeff'),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    packed=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_is_written_is_read_again(
    pairs: list[tuple[str, str]], separator: str, packed: bool, encoding: str, tmp_path: Path
) -> None:
    text = f"source{separator}target\n" + "".join(f"{a}{separator}{b}\n" for a, b in pairs)
    graph = load_graph(put(tmp_path, "g.csv.gz" if packed else "g.csv", text, encoding), directed=True)
    assert links(graph) == set(pairs) and set(graph.node_names) == {name for pair in pairs for name in pair}


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    content=st.binary(max_size=200), name=st.sampled_from(["g.csv", "g.txt", "g.json", "g.gml", "g.mtx", "g.net", "g"])
)
def test_any_bytes_are_a_graph_or_one_sentence(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    try:
        graph = load_graph(tmp_path / name)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert graph.num_nodes >= 1 and bool(torch.isfinite(graph.x).all())


def test_a_long_table_keeps_every_line(tmp_path: Path) -> None:
    ends = np.random.default_rng(0).integers(0, 50_000, (300_000, 2))
    pd.DataFrame(ends).to_csv(path := tmp_path / "g.csv", header=False, index=False)
    graph = load_graph(path)
    assert graph.num_nodes <= 50_000 and graph.edge_index.size(1) > 500_000


def test_a_graph_that_was_loaded_is_saved_by_torch_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("from,to,weight\na,b,1\nb,c,2\nc,a,3\na,b,1\n")
    (tmp_path / "nodes.csv").write_text("id,age,team\na,20,x\nb,-30,y\nc,40,x\n")
    graph = load_graph(tmp_path / "edges.csv", features=tmp_path / "nodes.csv", labels="team", normalise=True)
    torch.save(graph, tmp_path / "saved.pt")
    again = load_graph(tmp_path / "saved.pt")
    assert graph.rows.least == again.rows.least == -30 and torch.equal(again.rows.divisor, graph.rows.divisor)
    assert load_graph(graph, normalise=False).rows.least == -30 and "rows" not in load_graph(graph, normalise="columns")
    assert load_graph(graph, features=torch.rand(3, 4)).rows.least >= 0
    assert torch.allclose(again.x, graph.x) and torch.equal(again.edge_index, graph.edge_index)
    assert again.node_names == ["a", "b", "c"] and torch.equal(again.y, graph.y)


def _cytoscape(*nodes: str, value: bool = False) -> list[dict[str, Any]]:
    own = [{"id": str(62 + place), "SUID": 62 + place, "name": name} for place, name in enumerate(nodes)]
    return [
        {"data": one | {"selected": False, "expr": place} | ({"value": 5 * place} if value else {})}
        for place, one in enumerate(own)
    ]


@pytest.mark.parametrize("value", [False, True])
def test_cytoscapes_own_json_is_read(value: bool, tmp_path: Path) -> None:
    ends = [("62", "63"), ("63", "64")]
    edges = [{"data": {"id": str(place), "source": a, "target": b, "SUID": 9}} for place, (a, b) in enumerate(ends)]
    nodes = _cytoscape("ana", "bo", "cy", value=value)
    for name, elements in (("g.cyjs", {"nodes": nodes, "edges": edges}), ("g.json", [*nodes, *edges])):
        graph = load_graph(put(tmp_path, name, json.dumps({"elements": elements})), normalise=False)
        assert links(graph) == both("ana bo", "bo cy") and graph.feature_names == ["expr", *["value"] * value]
        assert graph.x[:, 0].tolist() == [0, 1, 2]
    for elements in ({"nodes": [None]}, [3]):
        with pytest.raises(UserError, match="elements is an object with data"):
            load_graph(put(tmp_path, "g.cyjs", json.dumps({"elements": elements})))


def test_ids_of_json_are_the_same_as_numbers_and_as_text(tmp_path: Path) -> None:
    loaded = {"nodes": [{"id": "1", "f": 2}, {"id": "2", "f": 3}], "links": [{"source": 1, "target": 2}]}
    graph = load_graph(put(tmp_path, "g.json", json.dumps(loaded)))
    assert graph.num_nodes == 2 and graph.feature_names == ["f"] and links(graph) == both("1 2")


def test_sigma_keeps_attributes_in_an_object_of_their_own(tmp_path: Path) -> None:
    nodes = [{"key": "a", "attributes": {"label": "ana", "f": 2}}, {"key": "b", "attributes": {"label": "bo", "f": 3}}]
    loaded = {"nodes": nodes, "edges": [{"source": "a", "target": "b", "attributes": {"weight": 2.5}}]}
    graph = load_graph(put(tmp_path, "g.json", json.dumps(loaded)))
    assert links(graph) == both("ana bo") and graph.feature_names == ["f"] and graph.edge_weight.tolist() == [2.5, 2.5]


def test_neo4j_writes_an_object_a_line(tmp_path: Path) -> None:
    lines = [{"type": "node", "id": str(k), "labels": ["P"], "properties": {"name": n}} for k, n in enumerate("ab")]
    lines += [{"type": "relationship", "label": "KNOWS", "start": {"id": "0"}, "end": {"id": "1"}}]
    graph = load_graph(put(tmp_path, "g.json", "\n".join(map(json.dumps, lines))))
    assert links(graph) == {("a", "b")}
    assert links(load_graph(tmp_path / "g.json", directed=False)) == both("a b")
    with pytest.raises(UserError, match="one object per line that are not Neo4j's"):
        load_graph(put(tmp_path, "g.jsonl", '{"source": "a", "target": "b"}\n' * 2))
    with pytest.raises(UserError, match="line 2 of it has no start"):
        load_graph(put(tmp_path, "g.jsonl", json.dumps(lines[0]) + '\n{"type": "relationship"}\n'))


def test_the_index_of_a_parquet_table_is_read(tmp_path: Path) -> None:
    import fastparquet

    frame = pd.DataFrame({"source": ["ana", "bo"], "target": ["bo", "cy"], "weight": [1.5, 2.5]})
    fastparquet.write(str(tmp_path / "e.parquet"), frame.set_index(["source", "target"]), write_index=True)
    nodes = pd.DataFrame({"age": [3.5, 4, 5]}, index=pd.Index(["ana", "bo", "cy"], name="id"))
    fastparquet.write(str(tmp_path / "n.parquet"), nodes, write_index=True)
    graph = load_graph(tmp_path / "e.parquet", features=tmp_path / "n.parquet", normalise=False)
    assert links(graph) == both("ana bo", "bo cy") and graph.x.tolist() == [[3.5], [4], [5]]
    fastparquet.write(str(tmp_path / "f.parquet"), pd.DataFrame({"source": [1.0, 2.0], "target": [2.0, 3.0]}))
    assert load_graph(tmp_path / "f.parquet").node_names == ["1", "2", "3"]
    fastparquet.write(str(tmp_path / "n.parquet"), nodes.rename_axis(None), write_index=True)
    graph = load_graph(tmp_path / "e.parquet", features=tmp_path / "n.parquet", normalise=False)
    assert graph.x.tolist() == [[3.5], [4], [5]]
    with pytest.raises(UserError, match=r"bad\.parquet can't be read as a table"):
        load_graph(tmp_path / "e.parquet", features=put(tmp_path, "bad.parquet", "no"))


def test_numbers_that_some_nodes_of_a_table_lack_are_left_out(tmp_path: Path) -> None:
    graph = nodes_of(tmp_path, "Id,age,f\nana,,1\nbo,2,2\ncy,3,3\ndee,4,4\n")
    assert graph.feature_names == ["f"] and "attributes that some nodes lack: 'age'" in graph.report.text


def test_dates_are_no_texts(tmp_path: Path) -> None:
    days = "".join(f"{name},2024-05-0{day}T10:20:30Z\n" for day, name in enumerate(["ana", "bo", "cy", "dee"], 1))
    assert "TF-IDF" not in nodes_of(tmp_path, "Id,joined\n" + days).report.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Source,Target\na,b\n,\n", "edge 2 has neither end"),
        ("x" * 200_000 + ",b\n" + '"' + "y" * 200_000 + '",c,d\n', "can't be read as a table"),
        ("PK\3\4 and more", "archive or a workbook, such as Excel's"),
    ],
)
def test_what_is_no_table_of_edges_is_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        load_graph(put(tmp_path, "g.csv", text))


def test_a_separator_at_the_end_of_each_line_leaves_the_header(tmp_path: Path) -> None:
    assert links(load_graph(put(tmp_path, "g.csv", "Source,Target,\nana,bo,\nbo,cy,\n"))) == both("ana bo", "bo cy")


def test_weights_of_an_edge_listed_both_ways_are_told_to_be_added(tmp_path: Path) -> None:
    graph = load_graph(put(tmp_path, "g.csv", "source,target,weight\na,b,2\nb,a,2\nb,c,3\n"))
    assert graph.edge_weight.tolist() == [4, 4, 3, 3]
    assert "listed in both directions, counted once, their weights added: 1" in graph.report.text
    assert "added" not in load_graph(put(tmp_path, "g.csv", "source,target,weight\na,b,2\nb,a,2\n")).report.text
    report = load_graph(put(tmp_path, "g.csv", "source,target,weight\na,b,\nb,c,2\n")).report
    assert "not all of it are numbers: 1 (nothing)" in report.text


def test_commands_repeat_how_a_graph_is_read_and_tell_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    put(tmp_path, "my edges.csv", "source,target\nana,bo\nbo,cy\n")
    put(tmp_path, "n.csv", "id,age,f\nana,1,1\nbo,2,2\ncy,3,4\n")
    put(tmp_path, "later.csv", "id,age,f\nana,1,1\nbo,,2\ncy,3,4\n")
    store = ["-p", "epochs=1", "-p", "dim=8", "--preset", "quick"]
    assert main(["fit", "grace", "my edges.csv", "--features", "n.csv", *store]) == 0
    assert "--graph 'my edges.csv' --features n.csv" in capsys.readouterr().out
    assert main(["encode", "grace/my-edges", "my edges.csv", "--features", "later.csv", "--out", "o.csv"]) == 2
    told = capsys.readouterr().err
    assert "attributes that some nodes lack: 'age'" in told and "attribute column 'age' is missing" in told
    load = encode.load

    def warned(*given: Any) -> Any:
        warnings.warn("Sparse CSR tensor support is in beta state.", UserWarning, stacklevel=1)
        return load(*given)

    monkeypatch.setattr(encode, "load", warned)
    assert main(["encode", "grace/my-edges", "my edges.csv", "--features", "n.csv", "--out", "o.csv"]) == 0
    assert "beta state" not in capsys.readouterr().err


def test_columns_of_a_table_of_nodes_are_named_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    put(tmp_path, "l.csv", "ana,bo\nbo,cy\n")
    table = "id,age,city,shoe:size\nana,1,Rome,3\nbo,2,Oslo,4\ncy,4,Rome,5\n"
    for name in ("n.csv", "n:age.csv"):  # the latter is a path, whatever stands in its name
        put(tmp_path, name, table if name == "n.csv" else table.replace("age", "old"))
    for words, columns in {
        "n.csv:city, shoe:size": ["city", "shoe:size"],
        "n:age.csv": ["old", "shoe:size"],
        "n:age.csv:old": ["old"],
        "n.csv:age:shoe:size": [],
    }.items():
        code = main(["graphs", "l.csv", "--features", words, "--json"])
        assert code == (0 if columns else 2)
        rows = json.loads(capsys.readouterr().out)["columns"] if columns else []
        assert [row["column"] for row in rows if row["read as"] == "attribute"] == columns
    asked = ["--features", "n.csv:age,degree"]
    assert main(["fit", "grace", "l.csv", *asked, "-p", "epochs=1", "-p", "dim=8", "--preset", "quick"]) == 0
    assert runs.load(runs.find("grace/l")).columns == ["age", "degree 0", "degree 1", "degree 2"]
    assert main(["quality", "grace/l", "--graph", "l.csv", *asked]) == 0
    assert main(["encode", "grace/l", "l.csv", *asked, "--out", "o.csv"]) == 0
    for words, said in {
        "n.csv:aeg": "unknown node attribute 'aeg'; did you mean 'age'?",
        "nn.csv:city": "there is no file 'nn.csv'; did you mean 'n.csv'",
    }.items():
        capsys.readouterr()
        assert main(["graphs", "l.csv", "--features", words]) == 2
        assert said in (told := capsys.readouterr().err) and told.count("\n") == 1, told
    with pytest.raises(UserError, match=r"columns are taken from a table of nodes, and 'x\.npy' is none"):
        np.save("x.npy", np.eye(3))
        load_graph("l.csv", features=("x.npy", ["age"]))


def test_a_graph_that_is_read_otherwise_than_in_training_is_told_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    put(tmp_path, "l.csv", "ana,bo\nbo,cy\n")
    put(tmp_path, "n.csv", "id,f,kind\nana,1,p\nbo,2,q\ncy,3,p\n")
    assert (
        main(["fit", "grace", "l.csv", "--features", "n.csv", "-p", "epochs=1", "-p", "dim=8", "--preset", "quick"])
        == 0
    )
    capsys.readouterr()
    assert main(["quality", "grace/l", "--graph", "l.csv"]) == 2
    assert "(--features, --labels and the like are given as to fit)" in capsys.readouterr().err
    assert main(["quality", "grace/l", "--graph", "k.csv"]) == 2
    assert "there is no graph file k.csv" in (told := capsys.readouterr().err) and "--features" not in told


def test_tensors_of_a_file_are_read_in_any_form_that_those_in_memory_are(tmp_path: Path) -> None:
    x, edges = torch.eye(4, dtype=torch.int32), torch.tensor([[0.0, 1, 2], [1.0, 2, 3]])
    for y in (torch.tensor([[0], [1], [0], [1]]), torch.tensor([0.0, 1, 0, 1])):
        torch.save({"x": x, "edge_index": edges, "y": y}, tmp_path / "g.pt")
        graph = load_graph(tmp_path / "g.pt")
        assert graph.y.tolist() == [0, 1, 0, 1] and graph.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]]
        assert "edge_index was float32, taken as int64" in graph.report.text


def named(folder: Path) -> Path:
    """Write a ring of people whose ids are numbers, two of whom have one name, as Gephi does."""
    ring = nx.cycle_graph([f"{number}0" for number in range(1, 7)])
    for place, node in enumerate(ring):
        ring.nodes[node].update(label=["Ana", "Bo", "Bo", "Cy", "Dee", "Eve"][place], age=20 + place)
    nx.write_gexf(ring, folder / "ring.gexf")
    return folder / "ring.gexf"


def test_ids_behind_labels_are_kept_found_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    graph, ids = load_graph(named(tmp_path)), ["10", "20", "30", "40", "50", "60"]
    assert graph.node_names == ["Ana", "Bo (20)", "Bo (30)", "Cy", "Dee", "Eve"] and graph.node_ids == ids
    plain = load_graph(nx.cycle_graph(6), features=graph.x, normalise=False)
    assert content_hash(graph) == content_hash(plain) and "node_ids" not in plain  # ids change no content
    torch.save(graph, tmp_path / "saved.pt")
    put(tmp_path, "n.csv", "id,age,Label\n" + "".join(f"{node},{node},p{node}\n" for node in ids[::-1]))
    assert load_graph(tmp_path / "saved.pt", features="n.csv", normalise=False).x[:, 0].tolist() == [*map(float, ids)]
    beside = load_graph("ring.gexf", features="n.csv")
    assert beside.node_names == [f"p{node}" for node in ids] and beside.node_ids == ids
    put(tmp_path, "m.csv", "id,age\n" + "".join(f"{node},{node}\n" for node in ids))
    beside = load_graph("ring.gexf", features="m.csv")
    assert beside.node_names[0] == "Ana" and beside.node_ids == ids

    assert main(["fit", "grace", "ring.gexf", "-p", "epochs=1", "-p", "dim=8", "--preset", "quick"]) == 0
    assert main(["export", "grace/ring", "out"]) == 0
    for table in (pd.read_parquet("out/embeddings.parquet"), pd.read_csv("out/embeddings.csv", dtype={"id": str})):
        assert table["id"].tolist() == ids and table["name"].tolist() == graph.node_names
        assert [*table][:3] == ["name", "id", "dim_0"]
    capsys.readouterr()
    assert main(["neighbours", "grace/ring", "30", "-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("nearest to node 2 (Bo (30)), id 30, by grace")
    assert lines[1].split() == ["node", "name", "id", "cosine"]
    assert main(["neighbours", "grace/ring", "3"]) == 2 and "no node's name or id is '3'" in capsys.readouterr().err

    # Next week Bo of id 30 is alone in his name, Cy is gone and an Ana is new.
    later = nx.relabel_nodes(nx.read_gexf("ring.gexf"), {"40": "70"})
    later.nodes["70"]["label"], later.nodes["20"]["label"] = "Ana", "Bob"
    nx.write_gexf(later, tmp_path / "later.gexf")
    assert main(["encode", "grace/ring", "later.gexf", "--out", "later.parquet"]) == 0
    assert "5 nodes that training knew, 1 new (Ana (70)), 1 gone (Cy)" in capsys.readouterr().out
    assert pd.read_parquet("later.parquet")["id"].tolist() == ["10", "20", "30", "70", "50", "60"]


def test_a_node_that_is_asked_for_is_a_name_then_an_id_then_a_number() -> None:
    names, ids = ["20", "Bo", "Cy"], ["10", "20", "n3"]
    assert [found_node(text, names, 3, ids) for text in ("20", "10", "n3", "cy")] == [0, 0, 2, 2]
    assert [found_node(typed_as(node, names, ids), names, 3, ids) for node in range(3)] == [0, 1, 2]
    assert found_node("2", ["Ana", "Bo", "Cy"], 3, ["a", "b", "c"]) == 2 and typed_as(2, ["a", "b", "c"], "xyz") == "2"


LISTS: dict[str, tuple[str, str, set[tuple[str, str]]]] = {
    "by networkx": (".txt", "#/home/x.py\n# GMT\n#\nana bo cy\nbo cy\ncy\nlone\n", RING),
    "each edge twice": (".txt", "ana bo cy dee\nbo ana\ncy ana\ndee ana\n", both("ana bo", "ana cy", "ana dee")),
    "from a spreadsheet": (".csv", "1,2,3,4\n2,1,,\n3,1,,\n4,1,,\n", both("1 2", "1 3", "1 4")),
    "the shortest line first": (".tsv", "lone\nana\tbo\nbo\tana\tcy\ncy\tbo\n", both("ana bo", "bo cy")),
    "called so": (".adjlist", "ana bo cy\nbo cy\n", RING),
    "a matrix": (".csv", ",ana,bo,cy\nana,0,1,1\nbo,1,0,1\ncy,1,1,0\n", RING),
    "a matrix of numbered nodes": (".csv", ",1,2,3\n3,0,1,0\n2,1,0,1\n1,0,1,0\n", both("1 2", "2 3")),
    "a matrix with blanks": (".csv", "names;ana;bo\nana;;0,5\nbo;0,5;\n", both("ana bo")),
    "a matrix of arcs": (".csv", "to,ana,bo\nana,0,3\nbo,0,0\n", {("ana", "bo")}),
    # What could be either stays a table of edges.
    "two weights of three": (".csv", "1,2,3\n2,3,\n3,1,\n", both("1 2", "2 3", "3 1")),
    "more about some": (".csv", "ana,bo,2020,x\nbo,cy\ncy,ana\n", RING),
    "others of some": (".csv", "ana,bo,2020,dee\nbo,cy\ncy,ana\ndee,ana\n", RING | both("dee ana")),
}


@pytest.mark.parametrize("case", LISTS)
def test_adjacency_lists_and_matrices_are_read_where_they_can_be_nothing_else(case: str, tmp_path: Path) -> None:
    suffix, text, entries = LISTS[case]
    graph = load_graph(put(tmp_path, f"g{suffix}", text))
    assert links(graph) == entries
    assert ("lone" in graph.node_names) == ("lone" in text)
    said = [line for line in graph.report.text.splitlines() if "adjacency list" in line or "a matrix, with" in line]
    assert len(said) == (case not in ("two weights of three", "more about some"))
    assert ("changed" in "".join(said)) == (case == "others of some")


def test_entries_of_a_matrix_are_weights_and_its_nodes_have_tables(tmp_path: Path) -> None:
    path = put(tmp_path, "g.csv", ",bo,ana\nbo,0,2.5\nana,2.5,0\n")
    graph = load_graph(path, features=put(tmp_path, "n.csv", "id,age\nana,1\nbo,2\n"), normalise=False)
    assert graph.node_names == ["bo", "ana"] and graph.x.tolist() == [[2], [1]]
    assert graph.edge_weight.tolist() == [2.5, 2.5] and load_graph(path, weight=False).get("edge_weight") is None
    square = put(tmp_path, "s.csv", "0,1,1,5\n1,0,2,6\n1,2,0,7\n0,3,0,8\n")
    assert links(load_graph(square, source=0, target=1)) == both("0 1", "1 2", "0 3")


def test_composed_and_decomposed_letters_are_the_same_name(tmp_path: Path) -> None:
    one, two = unicodedata.normalize("NFC", "José"), unicodedata.normalize("NFD", "José")
    table = put(tmp_path, "n.csv", f"id,age\n{two},1\nbo,2\ncy,3\n")
    graph = load_graph(put(tmp_path, "a.csv", f"{one},bo\n{two},cy\n"), features=table, labels=table, normalise=False)
    assert links(graph) == both(f"{one} bo", f"{one} cy") and graph.node_names == ["José", "bo", "cy"]
    told = [line for line in graph.report.text.splitlines() if "decomposed" in line]
    assert told == [
        "  changed   names spelt with composed and with decomposed letters (é), compared as the same: 1 (José)"
    ]
    assert "decomposed" not in load_graph(put(tmp_path, "b.csv", f"{two},bo\nbo,cy\n"), features=table).report.text
    nx.write_graphml(nx.path_graph([one, "bo", "cy"]), tmp_path / "g.graphml")
    drawn = load_graph(tmp_path / "g.graphml", features=table, normalise=False)
    assert drawn.x.tolist() == [[1], [2], [3]] and "compared as the same: 1" in drawn.report.text
    assert found_node(two, drawn.node_names, 3) == 0 == found_node(one, [two, "bo", "cy"], 3)
    with pytest.raises(UserError, match="has two lines for node"):
        load_graph(tmp_path / "b.csv", features=put(tmp_path, "m.csv", f"id,age\n{two},1\n{one},1\nbo,2\ncy,3\n"))
    names = f",{one},bo\n{two},0,1\nbo,1,0\n"
    assert links(load_graph(put(tmp_path, "m.csv", names))) == both(f"{one} bo")
    lists = f"{one} bo cy dee\nbo {two}\ncy {two}\ndee {two}\n"
    assert links(load_graph(put(tmp_path, "l.txt", lists))) == both(f"{one} bo", f"{one} cy", f"{one} dee")


def test_a_table_of_several_columns_is_asked_which_has_the_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(tmp_path, "e.csv", "".join(f"n{i},n{(i + 1) % 6}\n" for i in range(6)))
    lines = [f"n{i},{i},{'ab'[i % 2]},{'xyz'[i % 3]},{i % 2}\n" for i in range(6)]
    table = put(tmp_path, "n.csv", "id,age,team,town,paid\n" + "".join(lines))
    for labels in ((table, "team"), (str(table), ["team"])):
        graph = load_graph(file, labels=labels)
        assert graph.y.tolist() == [0, 1] * 3 and graph.class_names == ["a", "b"]
    assert "classes from column 'team' of n.csv" in graph.report.text
    with pytest.raises(UserError, match=r"which column has the labels\? They are called 'age', 'team', 'town', 'paid'"):
        load_graph(file, labels=table)
    with pytest.raises(UserError, match=r"unknown label column 'taem'.*did you mean 'team'"):
        load_graph(file, labels=(table, "taem"))
    clear = put(tmp_path, "m.csv", "id,age,Class\n" + "".join(f"n{i},{i},{'ab'[i % 2]}\n" for i in range(6)))
    assert load_graph(file, labels=clear).class_names == ["a", "b"]
    graph = load_graph(file, labels=(table, "paid"))
    assert graph.y.tolist() == [0, 1] * 3
    assert main(["graphs", str(file), "--labels", f"{table}:town"]) == 0
    assert "classes from column 'town'" in capsys.readouterr().out
    assert main(["graphs", str(file), "--labels", f"{tmp_path / 'nn.csv'}:town"]) == 2
    assert "--labels: there is no file" in capsys.readouterr().err
