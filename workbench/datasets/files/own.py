"""A person's own graph: a file of any common form, a networkx graph, a scipy matrix, or PyG Data."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from workbench.datasets.attributes import AttributesOnDisk, as_loaded
from workbench.datasets.columns import Rows
from workbench.datasets.files.assemble import SPELT, assembled, beside_it, finished
from workbench.datasets.files.edges import UNUSED, Found, edges_of, matrix_of, once
from workbench.datasets.files.formats import FRAMES, KEPT, SUFFIXES, read, read_frame
from workbench.datasets.files.node_table import TextColumn
from workbench.datasets.files.report import Report, listed
from workbench.datasets.files.tables import ADJACENCY, Reading, ending, is_table, read_table
from workbench.datasets.nodes import Nodes
from workbench.errors import UserError, nearest
from workbench.text import composed

Features = str | os.PathLike[str] | Sequence[str] | np.ndarray | Tensor | None
Labels = str | os.PathLike[str] | Sequence[Any] | np.ndarray | Tensor | None


def read_file(
    path: Path, features: Features, labels: Labels, directed: bool | None, reading: Reading, report: Report
) -> Data:
    """Read a graph from a file; it is checked, its attributes not yet normalised.

    Args:
        path: of one of the endings in SUFFIXES, of text also with .gz behind it.
        features, labels, directed: see `load_graph`. reading: how a table of edges is to be read.
        report: what was read, changed and left out is added to it.
    """
    known = ending(path) in SUFFIXES
    if not path.is_file() and known:
        folder = path.parent if path.parent.is_dir() else Path()
        others = [entry.name for entry in folder.glob("*") if ending(entry) in SUFFIXES]
        guess = nearest(path.name, others)
        raise UserError(f"there is no graph file {path}" + (f"; did you mean {guess!r}?" if guess else ""))
    if not path.is_file():
        raise UserError(f"{path}: a graph file ends in one of {', '.join(SUFFIXES)}, not {ending(path)!r}")
    if not known:
        report.add("read", f"as a table of edges: {ending(path) or 'no'} ending says what it is")
    if is_table(path) or ending(path) in (ADJACENCY, *FRAMES) or not known:
        return _from_edges(path, features, labels, directed, reading, report)
    if reading != Reading(weight=reading.weight):
        raise UserError(f"{path.name}: source, target, header, separator and comment are for tables of edges only")
    loaded = read(path, report)
    if isinstance(loaded, networkx.Graph):
        return from_networkx(loaded, features, labels, directed, reading, report, from_file=True)
    if sp.issparse(loaded):
        return from_matrix(loaded, features, labels, directed, reading, report)
    return from_data(loaded, features, labels, report, directed)


def read_folder(path: Path, features: Features, labels: Labels, directed: bool | None, report: Report) -> Data:
    """Read a graph from a folder of .npy files; it is checked, and its attributes, in x.npy, stay on disk.

    Beside them are edge_index.npy [2, edges] and perhaps y.npy [nodes] and train_mask.npy, val_mask.npy and
    test_mask.npy [nodes]; all but the attributes are read.
    """
    for needed in ("x.npy", "edge_index.npy"):
        if not (path / needed).is_file():
            raise UserError(
                f"the folder {path} has no {needed}; a graph on disk is x.npy, edge_index.npy, perhaps y.npy"
            )
    x = AttributesOnDisk(path / "x.npy")
    data = Data(x=x, num_nodes=len(x))
    for key in ("edge_index", "y", "train_mask", "val_mask", "test_mask"):
        file = path / f"{key}.npy"
        try:
            found = torch.from_numpy(np.load(file, allow_pickle=False)) if file.is_file() else None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{file} can't be read as a .npy file: {str(error)[:120]}") from error
        if found is not None:
            data[key] = found if found.dtype == torch.bool or found.is_floating_point() else found.long()
    _once(data, len(x), directed, report)
    return finished(data, pd.DataFrame(), features, labels, report)


def from_networkx(
    graph: networkx.Graph,
    features: Features,
    labels: Labels,
    directed: bool | None,
    reading: Reading,
    report: Report,
    from_file: bool = False,
) -> Data:
    """Turn a networkx graph into a graph of this workbench; node order and directions stay.

    Without features, see `load_graph`, the node attribute "x" or "features" (a vector) is taken, else every numeric one
    that each node has and that is no coordinate of a drawing, else the degree; without labels, the first of "y",
    "label", "class" with few values. Of a file, a label that each node has for itself is its name.
    """
    nodes = list(graph.nodes)
    place = {node: position for position, node in enumerate(nodes)}
    pairs = np.array([(place[u], place[v]) for u, v in graph.edges()], dtype=np.int64).reshape(-1, 2)
    report.add("read", "nodes", len(nodes), nodes)
    report.add("read", "edges", len(pairs), (f"{u} – {v}" for u, v in graph.edges()))
    table = pd.DataFrame.from_records([attributes for _, attributes in graph.nodes(data=True)], index=range(len(nodes)))
    weights = _weights_of(graph, reading, report)
    found = Found([str(node) for node in nodes], pairs, weights, table, graph.is_directed())
    return assembled(found, features, labels, directed, report, own_names=not from_file)


def _weights_of(graph: networkx.Graph, reading: Reading, report: Report) -> np.ndarray[Any, Any] | None:
    """Return the weights [edges] under "weight", or under what reading calls them; None where an edge lacks one."""
    keys = {key for _, _, attributes in graph.edges(data=True) for key in attributes}
    others = keys - {"id", "weight"}
    if reading.weight is False:
        return None
    asked = "weight" if reading.weight in (None, True) else str(reading.weight)
    if asked not in keys:
        if reading.weight not in (None, True):
            raise UserError(f"no edge has the attribute {asked!r} for weight=; there are: {listed(sorted(keys))}")
        if others:
            report.add("left out", f"attributes of edges (weight= reads one): {listed(sorted(others))}", len(others))
        return None
    values = pd.to_numeric(
        pd.Series([value for _, _, value in graph.edges(data=asked)], dtype=object), errors="coerce"
    ).to_numpy(dtype=np.float32)
    wrong = ~np.isfinite(values)
    if wrong.any():
        report.add(
            "left out", f"weights {asked!r}: so many edges have none that is a number", int(wrong.sum()), warn=True
        )
        return None
    if (values == 1).all():
        return None  # what some programs write for each edge
    report.add("read", f"weights from {asked!r}, {UNUSED}", len(values), values, warn=True)
    return values


def from_matrix(
    matrix: Any,
    features: Features,
    labels: Labels,
    directed: bool | None,
    reading: Reading,
    report: Report,
    names: list[str] | None = None,
) -> Data:
    """Turn a scipy sparse matrix of links [nodes, nodes] into a graph; entries other than 1 are weights."""
    matrix = sp.coo_matrix(matrix)
    if matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise UserError(f"a matrix of links is square, [nodes, nodes], not {list(matrix.shape)}")
    if matrix.dtype.kind not in "biuf" or not np.isfinite(matrix.data.astype(float)).all():
        raise UserError(f"a matrix of links holds finite numbers, not {matrix.dtype} with nan or infinity")
    there = matrix.data != 0
    pairs = np.stack([matrix.row[there], matrix.col[there]], axis=1).astype(np.int64)
    values = matrix.data[there].astype(np.float32)
    weights = None if reading.weight is False or (values == 1).all() else values
    symmetric = (abs(matrix.tocsr() - matrix.tocsr().T) > 0).nnz == 0
    report.add("read", f"{'symmetric ' if symmetric else ''}entries of a matrix as edges", len(pairs))
    if weights is not None:
        others = values[values != 1]
        report.add("read", f"entries other than 1, {UNUSED}", len(others), others, warn=True)
    numbered = [str(node) for node in range(matrix.shape[0])]
    found = Found(names or numbered, pairs, weights, directed=not symmetric)
    data = assembled(found, features, labels, directed, report)
    if names is None:
        del data.node_names  # numbers are no names
    return data


def from_data(source: Data, features: Features, labels: Labels, report: Report, directed: bool | None = None) -> Data:
    """Take over x, edge_index, edge_weight, y, masks and names of a PyG Data; its edges keep their directions."""
    data = Data(**{key: value for key, value in source.to_dict().items() if key in KEPT})
    if isinstance(rows := source.get("rows"), Rows):
        data.rows = rows
    texts = source.get("text_columns")
    if isinstance(texts, dict) and all(isinstance(column, TextColumn) for column in texts.values()):
        data.text_columns = texts
    left = [
        str(key)
        for key in source.to_dict()
        if key not in (*KEPT, "name", "num_nodes", "report", "rows", "text_columns", "content_hash")
    ]
    if left:
        report.add("left out", f"entries that no method reads: {listed(left)}", len(left), warn="edge_attr" in left)
    if not isinstance(data.get("edge_index"), Tensor):
        raise UserError(f"the graph has no edge_index, only {', '.join(map(str, source.keys())) or 'nothing'}")
    notes: list[str] = []
    data = Nodes().cast(data, notes)  # of files: what is in memory went through the door already
    for note in notes:
        report.add("changed", note)
    if isinstance(data.get("x"), Tensor):
        data.x = as_loaded(data.x.clone())
    else:
        data.num_nodes = source.num_nodes
    nodes = len(data.x) if data.get("x") is not None else int(data.num_nodes or 0)
    _once(data, nodes, directed, report)
    return finished(data, pd.DataFrame(), features, labels, report)


def _once(data: Data, nodes: int, directed: bool | None, report: Report) -> None:
    """Keep each entry of edge_index once, sorted, with its weights added; both ways where that is asked for."""
    edges = data.edge_index
    if edges.dim() != 2 or edges.size(0) != 2 or edges.dtype != torch.long:
        return  # `check` says what is wrong
    if edges.numel() and not (int(edges.min()) >= 0 and int(edges.max()) < nodes):
        return
    weights, before = data.get("edge_weight"), data.edge_index.size(1)
    if weights is not None and (not isinstance(weights, Tensor) or weights.numel() != before):
        raise UserError(f"edge_weight must be one number per edge ({before})")
    edges, weights = once(edges, None if weights is None else weights.reshape(-1).float(), nodes)
    if directed is False and weights is None:
        edges = to_undirected(edges, num_nodes=nodes)
    elif directed is False:
        edges, weights = to_undirected(edges, weights, num_nodes=nodes, reduce="max")
    data.edge_index = edges
    if weights is not None:
        data.edge_weight = weights
        report.add("read", f"weights, {UNUSED}", before, warn=True)
    fewer = before - data.edge_index.size(1)
    if fewer > 0:
        report.add("changed", "parallel edges, joined to one", fewer)


def _from_edges(
    path: Path, features: Features, labels: Labels, directed: bool | None, reading: Reading, report: Report
) -> Data:
    """Read a table of edges, with tables of nodes beside it."""
    table = read_frame(path) if ending(path) in FRAMES else read_table(path, report, reading, edges=True)
    plain = reading.source is None and reading.weight in (None, True, False)
    if plain and (matrix := matrix_of(table, path, report)) is not None:
        return from_matrix(matrix[1], features, labels, directed, reading, report, matrix[0])
    ends, weights, points = edges_of(table, path, reading, report)
    beside = [beside_it(features, report, True), beside_it(labels, report, False)]
    tables = [table.attrs["spelt"] for table in beside if isinstance(table, pd.DataFrame)]
    alone_too = [table.attrs["nodes"]] if "nodes" in table.attrs else []
    spelt = np.unique(np.concatenate([ends.ravel(), *alone_too, *tables]).astype(str))
    alike = np.array([*map(composed, spelt)])
    names, counts = np.unique(alike, return_counts=True)
    if (counts > 1).any():
        report.add("changed", SPELT, int((counts > 1).sum()), names[counts > 1])
    for one in beside:
        if isinstance(one, pd.DataFrame):
            one.attrs["spelt"] = one.index  # it is told
    names = np.array(sorted(names, key=lambda name: (int(name), name))) if all(map(str.isdecimal, names)) else names
    if rows := [len(array) for array in beside if isinstance(array, np.ndarray) and array.ndim]:  # row i is node i
        if not all(name.isdecimal() and int(name) < rows[0] for name in names):
            last = rows[0] - 1
            raise UserError(f"{path}: with attributes or labels by row number, nodes must be numbered 0 to {last}")
        names = np.arange(rows[0]).astype(str)
    place = pd.Series(np.arange(len(names)), index=names)
    pairs = pd.Series(place[alike].to_numpy(), index=spelt)[ends.ravel()].to_numpy().reshape(-1, 2)
    report.add("read", "nodes", len(names), names)
    alone = len(names) - len(np.unique(pairs))
    if alone:
        where = f"from {'the list' if alone_too and not tables else 'the table of nodes'}"
        report.add("read", f"nodes without an edge, {where}", alone)
    found = Found(names.tolist(), pairs, weights, directed=bool(points))
    features, labels = (given if read is None else read for given, read in zip((features, labels), beside, strict=True))
    return assembled(found, features, labels, directed, report)


def with_reading(**options: Any) -> Reading:
    """Return how to read a table, with a person's options checked."""
    given = {key: value for key, value in options.items() if value is not None}
    for key, kinds in {"header": (bool,), "separator": (str,), "comment": (str,)}.items():
        if key in given and not isinstance(given[key], kinds):
            raise UserError(f"{key} is {'True or False' if key == 'header' else 'text'}, not {given[key]!r}")
    return Reading(**given)
