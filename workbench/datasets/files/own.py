"""A person's own graph: an edge list, GraphML, GML, npz or pt file, a networkx graph, or PyG Data."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import networkx
import numpy as np
import pandas
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.utils import degree, one_hot, to_undirected

from workbench.datasets.attributes import AttributesOnDisk, as_loaded
from workbench.datasets.files.tables import TABLES, classes, numbers, read_beside, read_table
from workbench.datasets.nodes import check
from workbench.errors import UserError, nearest

Features = str | os.PathLike[str] | Sequence[str] | np.ndarray | Tensor | None
Labels = str | os.PathLike[str] | Sequence[Any] | np.ndarray | Tensor | None

SUFFIXES = (*TABLES, ".graphml", ".gml", ".npz", ".pt")
ALWAYS = ("degree", "identity")  # attributes that any graph has
LABEL_ATTRIBUTES = ("y", "label", "class")  # looked for in this order where labels= isn't given
VECTOR_ATTRIBUTES = ("x", "features")
KEPT = ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask", "class_names", "node_names", "feature_names")


def read_file(path: Path, features: Features = None, labels: Labels = None, directed: bool = False) -> Data:
    """Read a graph from a file; it is checked, its attributes not yet normalised.

    A .csv or .tsv has one edge a line, two columns of node names, with or without a header, and is undirected unless
    said otherwise. .graphml and .gml are as networkx reads them. An .npz has arrays x, edge_index and y, or
    node_features, edges and node_labels, or the compressed matrices of the gnn-benchmark layout; a .pt is PyG Data or a
    mapping of tensors. Files of features and labels have the node's name in their first column, or are a .npy whose
    row i is node i.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a graph file ends in one of {', '.join(SUFFIXES)}, not {path.suffix!r}")
    if not path.is_file():
        others = [entry.name for entry in path.parent.glob("*") if entry.suffix in SUFFIXES]
        guess = nearest(path.name, others)
        raise UserError(f"there is no graph file {path}" + (f"; did you mean {guess!r}?" if guess else ""))
    if path.suffix in TABLES:
        return _from_edge_list(path, features, labels, directed)
    try:
        loaded = _READERS[path.suffix](path)
    except Exception as error:  # each reader has errors of its own
        detail = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise UserError(f"{path} can't be read as {path.suffix[1:]}: {detail}") from error
    if isinstance(loaded, networkx.Graph):
        return from_networkx(loaded, features, labels)
    if isinstance(loaded, dict):
        loaded = Data(**{key: value for key, value in loaded.items() if key in KEPT})
    if not isinstance(loaded, Data):
        raise UserError(f"{path} holds a {type(loaded).__name__}, not a PyG Data or a mapping with x and edge_index")
    return from_data(loaded, features, labels)


def read_folder(path: Path, features: Features = None, labels: Labels = None) -> Data:
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
            read = torch.from_numpy(np.load(file, allow_pickle=False)) if file.is_file() else None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{file} can't be read as a .npy file: {str(error)[:120]}") from error
        if read is not None:
            data[key] = read if read.dtype == torch.bool or read.is_floating_point() else read.long()
    return _finished(data, features, labels)


def from_networkx(graph: networkx.Graph, features: Features = None, labels: Labels = None) -> Data:
    """Turn a networkx graph into a graph of this workbench; node order and directions stay, weights aren't used.

    Without features, see load_graph, the node attribute "x" or "features" (a vector) is taken, else every numeric node
    attribute that each node has, else the one-hot degree, with a warning; without labels, the first of the node
    attributes "y", "label", "class" that each node has.
    """
    nodes = list(graph.nodes)
    index = {node: position for position, node in enumerate(nodes)}
    pairs = np.array([(index[u], index[v]) for u, v in graph.edges()], dtype=np.int64).reshape(-1, 2)
    data = _joined([str(node) for node in nodes], pairs, graph.is_directed())
    if any("weight" in edge for _, _, edge in graph.edges(data=True)):
        warnings.warn("edge weights are not used: each edge counts the same", stacklevel=2)
    table = pandas.DataFrame.from_records([attributes for _, attributes in graph.nodes(data=True)])
    table.columns = table.columns.map(str)
    shared = [name for name in table.columns if table[name].notna().all()]
    if labels is None:  # a value for each node of its own is a name, not a class
        possible = (name for name in LABEL_ATTRIBUTES if name in shared and str(features) != name)
        labels = next((name for name in possible if table[name].astype(str).nunique() < len(nodes)), None)
    if isinstance(labels, str) and _names_attributes(labels):
        data.y, data.class_names = classes(_column(table, labels, shared), data.node_names)
        shared.remove(labels)
        labels = None
    if features is None:
        vectors = [name for name in VECTOR_ATTRIBUTES if name in shared]
        features = vectors[:1] or [name for name in shared if pandas.api.types.is_numeric_dtype(table[name])] or None
    if _names_attributes(features):
        chosen: list[str] = [features] if isinstance(features, str) else [*cast(Sequence[str], features)]
        data.x = _columns(table, chosen, shared)
        if data.x.size(1) == len(chosen):
            data.feature_names = chosen
        features = None
    return _finished(data, features, labels)


def _names_attributes(source: Any) -> bool:
    """Return whether a source of features or labels names attributes of the nodes, not a file or numbers."""
    if isinstance(source, str):
        return not _is_word(source) and Path(source).suffix not in (*TABLES, ".npy")
    return isinstance(source, list | tuple) and bool(source) and all(isinstance(name, str) for name in source)


def _columns(table: pandas.DataFrame, names: Sequence[str], shared: list[str]) -> Tensor:
    columns = [_column(table, name, shared) for name in names]
    what = "the node attributes " + ", ".join(names)
    try:
        values = np.array([np.hstack(row) for row in zip(*columns, strict=True)])
    except ValueError as error:
        raise UserError(f"{what} don't have the same length for each node") from error
    return numbers(values, what)


def from_data(source: Data, features: Features = None, labels: Labels = None) -> Data:
    """Take over x, edge_index, y, masks and names of a PyG Data; its edges stay as they are."""
    data = Data(**{key: value for key, value in source.to_dict().items() if key in KEPT})
    if not isinstance(data.get("edge_index"), Tensor):
        raise UserError(f"the graph has no edge_index, only {', '.join(source.keys()) or 'nothing'}")
    if source.get("edge_attr") is not None or source.get("edge_weight") is not None:
        warnings.warn("edge weights and attributes are not used: each edge counts the same", stacklevel=2)
    for key in ("edge_index", "y"):
        if isinstance(data.get(key), Tensor) and data[key].dtype in (torch.int32, torch.int16, torch.uint8):
            data[key] = data[key].long()
    if isinstance(data.get("x"), Tensor):
        data.x = as_loaded(data.x.clone() if data.x.is_floating_point() else data.x.float())
    else:
        data.num_nodes = source.num_nodes
    return _finished(data, features, labels)


def _from_edge_list(path: Path, features: Features, labels: Labels, directed: bool) -> Data:
    edges = read_table(path)
    if edges.shape[1] < 2:
        raise UserError(f"{path}: an edge list needs two columns, this one has {edges.shape[1]}")
    if edges.shape[1] > 2:
        warnings.warn(f"{path.name}: only the first two columns are used, edge weights are not", stacklevel=2)
    ends = edges.iloc[:, :2].to_numpy(dtype=str)
    blank = (ends == "").any(axis=1)
    if blank.any():
        raise UserError(f"{path}: edge {int(blank.argmax()) + 1} has only one end")
    sources = (source for source in (features, labels) if source is not None and not _is_word(source))
    beside = [read_beside(source) for source in sources]
    tables = [table.index for table in beside if isinstance(table, pandas.DataFrame)]
    names = np.unique(np.concatenate([ends.ravel(), *tables]))
    names = np.array(sorted(names, key=int)) if all(name.isdecimal() for name in names) else names
    if rows := [len(array) for array in beside if isinstance(array, np.ndarray)]:  # no names: row i is node i
        if not all(name.isdecimal() and int(name) < rows[0] for name in names):
            last = rows[0] - 1
            raise UserError(f"{path}: with attributes or labels by row number, nodes must be numbered 0 to {last}")
        names = np.arange(rows[0]).astype(str)
    place = pandas.Series(np.arange(len(names)), index=names)
    data = _joined(names.tolist(), place[ends.ravel()].to_numpy().reshape(-1, 2), directed)
    return _finished(data, features, labels)


def _joined(names: list[str], pairs: np.ndarray, directed: bool) -> Data:
    """Make a graph of node names [nodes] and pairs of node numbers [edges, 2], without attributes yet."""
    if not names:
        raise UserError("the graph has no nodes")
    edge_index = torch.from_numpy(np.ascontiguousarray(pairs.T)).long()
    if not directed:
        edge_index = to_undirected(edge_index, num_nodes=len(names))
    return Data(edge_index=edge_index, num_nodes=len(names), node_names=names)


def _finished(data: Data, features: Features, labels: Labels) -> Data:
    """Add attributes and labels that were given beside the graph, and check the whole."""
    nodes = int(data.num_nodes)
    if features is None and data.get("x") is None:
        features = "degree"
        warnings.warn(
            "the graph has no attributes: the degree of each node, one-hot, stands in for them; "
            'features= takes others ("degree" and "identity" among them)',
            stacklevel=2,
        )
    if _is_word(features):
        data.x = torch.ones(nodes, 1)
        check(data)  # the edges, before anything is counted on them
        if features == "identity":
            diagonal = torch.arange(nodes).expand(2, -1)
            data.x = as_loaded(
                torch.sparse_coo_tensor(diagonal, torch.ones(nodes), (nodes, nodes), check_invariants=False)
            )
        else:
            data.x = one_hot(degree(data.edge_index[0], nodes, dtype=torch.long))
            data.feature_names = [f"degree {count}" for count in range(data.x.size(1))]
    elif features is not None:
        values = _by_node(features, data, "attributes", "attributes")
        data.x = numbers(values, str(features) if isinstance(values, pandas.DataFrame) else "the attributes given")
        if isinstance(values, pandas.DataFrame):
            data.feature_names = [str(column) for column in values.columns]
    if labels is not None:
        values = _by_node(labels, data, "label", "labels")
        values = values.iloc[:, 0] if isinstance(values, pandas.DataFrame) else values
        data.y, data.class_names = classes(values, data.get("node_names") or range(nodes))
    if isinstance(data.x, Tensor):  # PyG counts no rows of a file
        del data.num_nodes
    check(data)
    return data


def _is_word(source: Any) -> bool:
    """Return whether a source of attributes is a word for those that any graph has."""
    return isinstance(source, str) and source in ALWAYS


def _by_node(source: Any, data: Data, what: str, several: str) -> pandas.DataFrame | np.ndarray:
    """Return what stands beside the graph in the order of its nodes, a row per node."""
    values, nodes = read_beside(source), int(data.num_nodes)
    if isinstance(values, pandas.DataFrame):
        names = pandas.Index(data.get("node_names") or [str(node) for node in range(nodes)])
        for missing in names.difference(values.index):
            raise UserError(f"node {missing!r} has no {what} in {source}")
        for stranger in values.index.difference(names):
            raise UserError(f"{stranger!r} has {what} in {source}, but the graph has no such node")
        return values.loc[names]
    if values.ndim and len(values) != nodes:
        raise UserError(f"there are {several} for {len(values)} nodes, but the graph has {nodes}")
    return values


def _column(table: pandas.DataFrame, name: str, shared: list[str]) -> pandas.Series:
    if name not in shared:
        lacking = table.index[table[name].isna()][0] if name in table else None
        there = f"there are: {', '.join(shared) or 'none'}"
        detail = there if lacking is None else f"node number {lacking} lacks it"
        raise UserError(f"{name!r} is not a node attribute that each node has ({detail})")
    return table[name]


def read_arrays(path: Path) -> Data:
    """Read an .npz file of arrays, in the layouts that `read_file` names."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if "adj_indptr" in arrays:
        x, edges = (
            csr_matrix(tuple(arrays[f"{key}_{part}"] for part in ("data", "indices", "indptr")), arrays[f"{key}_shape"])
            for key in ("attr", "adj")
        )
        places = torch.from_numpy(np.stack(x.nonzero()))
        attributes = as_loaded(
            torch.sparse_coo_tensor(places, torch.from_numpy(x.data[x.data != 0]), x.shape, check_invariants=True)
        )
        arrays |= {"edge_index": np.stack(edges.nonzero())}
        arrays |= {"y": arrays["labels"]} if "labels" in arrays else {}
    elif "edges" in arrays:
        arrays |= {"x": arrays["node_features"], "edge_index": arrays["edges"].T}
        arrays |= {"y": arrays["node_labels"]} if "node_labels" in arrays else {}
        arrays |= {key.removesuffix("s"): masks.T for key, masks in arrays.items() if key.endswith("_masks")}
    data = Data()
    for key in (key for key in KEPT if key in arrays):
        words = arrays[key].dtype.kind == "U"
        data[key] = arrays[key].tolist() if words else torch.from_numpy(np.ascontiguousarray(arrays[key]))
    if "adj_indptr" in arrays:
        data.x = attributes
    return data


def _read_tensors(path: Path) -> Any:
    with torch.serialization.safe_globals([DataEdgeAttr, DataTensorAttr, GlobalStorage]):  # what a Data is made of
        return torch.load(path, weights_only=True)  # never runs code from the file


_READERS: dict[str, Callable[[Path], Any]] = {
    ".graphml": networkx.read_graphml,
    ".gml": networkx.read_gml,
    ".npz": read_arrays,
    ".pt": _read_tensors,
}
