"""Readers of graph files, one per ending: into networkx, tensors, or edges and names as they stand there."""

import io
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from scipy.io import mmread
from scipy.sparse import csr_matrix
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from workbench.datasets.attributes import as_loaded
from workbench.datasets.columns import Rows
from workbench.datasets.files.content import RATIO, decoded, read_bytes
from workbench.datasets.files.json_graphs import read_json
from workbench.datasets.files.node_table import TextColumn
from workbench.datasets.files.report import Report, clipped, listed
from workbench.datasets.files.tables import ADJACENCY, TABLES, ending
from workbench.errors import UserError

KEPT = (
    *("x", "edge_index", "edge_weight", "y", "train_mask", "val_mask", "test_mask"),
    *("class_names", "node_names", "node_ids", "feature_names"),
)
LARGEST = 1 << 30  # bytes that a small archive of arrays may unpack to


def read(path: Path, report: Report) -> Any:
    """Return what a graph file holds: a networkx graph, a scipy matrix, or a Data.

    Raises:
        UserError: the file is damaged, of another form than its ending says, or holds what is never opened.
    """
    suffix = ending(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return READERS[suffix](path, report)
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(f"{path} can't be read as {suffix[1:]}: it is nested too deeply") from error
    except Exception as error:  # each reader has errors of its own
        lines = str(error).strip().splitlines()
        detail = "".join(letter for letter in (lines[0] if lines else "") if letter.isprintable())[:160]
        raise UserError(f"{path} can't be read as {suffix[1:]}: {detail or type(error).__name__}") from error


def _text(path: Path, report: Report) -> str:
    return decoded(read_bytes(path), path, report)


def _graphml(path: Path, report: Report) -> networkx.Graph:
    return networkx.read_graphml(io.BytesIO(read_bytes(path)))


def _gexf(path: Path, report: Report) -> networkx.Graph:
    return networkx.read_gexf(io.BytesIO(read_bytes(path)))


def _gml(path: Path, report: Report) -> networkx.Graph:
    """Read GML; True and False count as 1 and 0, and nodes without a label of their own are called by their id."""
    text = _text(path, report)
    text, changed = re.subn(
        r"(?mi)^(\s*\w+\s+)(true|false)\s*$", lambda line: line[1] + str(int(line[2].lower() == "true")), text
    )
    if changed:
        report.add("changed", "true and false, read as 1 and 0", changed)
    return networkx.parse_gml(text, label="id")


def _pajek(path: Path, report: Report) -> networkx.Graph:
    """Read Pajek's form; nodes are their labels, or their numbers where labels repeat, which networkx would join."""
    text = _text(path, report)
    graph = networkx.parse_pajek(text)
    begin = re.search(r"(?mi)^\*vertices\s+(\d+).*$", text)
    if begin is None or len(graph) >= int(begin[1]):
        return graph
    labels = dict[str, str]()

    def numbered(line: re.Match[str]) -> str:
        labels[line[1]] = line[2].strip('"')
        return f"{line[1]} {line[1]}"

    head, nodes, rest = re.split(r"(?m)(^\*[^\n]*\n[^*]*)", text[begin.start() :], maxsplit=1)
    graph = networkx.parse_pajek(head + re.sub(r'(?m)^\s*(\d+)\s+("[^"]*"|\S+)', numbered, nodes) + rest)
    networkx.set_node_attributes(graph, labels, "label")
    return graph


def _matrix(path: Path, report: Report) -> sp.coo_matrix:
    return sp.coo_matrix(mmread(io.BytesIO(read_bytes(path))))


def read_arrays(path: Path, report: Report | None = None) -> Data:
    """Read an .npz file of arrays; one that unpacks to far more than it is, is refused before that.

    It has x, edge_index and perhaps y; or node_features, edges and node_labels; or the compressed matrices of the
    gnn-benchmark layout; or a scipy matrix of links alone.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(LARGEST, RATIO * path.stat().st_size):
        raise UserError(f"{path} unpacks to {unpacked >> 20:,} MiB, over {RATIO} times its own size; it is not opened")
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if {"indices", "indptr", "shape", "data", "format"} <= set(arrays):
        return sp.load_npz(path)
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
    if "edge_index" not in arrays:
        wanted = "edge_index and x; edges and node_features; adj_indptr ...; or one scipy matrix"
        raise UserError(f"{path} has no edges under a name known here ({wanted}), but {listed([*arrays])}")
    data = Data()
    for key in (key for key in KEPT if key in arrays):
        words = arrays[key].dtype.kind == "U"
        data[key] = arrays[key].tolist() if words else torch.from_numpy(np.ascontiguousarray(arrays[key]))
    if "adj_indptr" in arrays:
        data.x = attributes
    return data


def _tensors(path: Path, report: Report) -> Data:
    """Read a .pt file with weights_only: nothing in it runs. What is in it and is none of ours is named."""
    with torch.serialization.safe_globals(
        [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage, Report, Rows, TextColumn]
    ):
        try:
            loaded = torch.load(io.BytesIO(read_bytes(path)), weights_only=True, map_location="cpu")
        except Exception as error:
            named = re.search(r"GLOBAL ([\w.]+)|type ([\w.]+)|class '?([\w.]+)", str(error))
            odd = next((name for name in (named.groups() if named else ()) if name), None)
            if odd is None:
                raise UserError(f"{path} can't be read as pt: it is no file that torch.save wrote") from error
            raise UserError(
                f"{path} can't be read as pt: it holds a {odd}, which could run code and is never opened; "
                "save x, edge_index and y alone, as torch.save({'x': data.x, 'edge_index': data.edge_index}, ...)"
            ) from error
    if isinstance(loaded, list | tuple) and loaded and isinstance(loaded[0], Data | dict):
        one = loaded[0]
        if len(loaded) > 1 and isinstance(loaded, list):
            raise UserError(f"{path} holds {len(loaded)} graphs; pass the list to load_graph as a set of graphs")
        report.add("read", "the one graph that the file's list holds")
        loaded = one
    if isinstance(loaded, dict):
        loaded = Data(**{str(key): value for key, value in loaded.items()})
    if not isinstance(loaded, Data):
        raise UserError(f"{path} holds a {type(loaded).__name__}, not a PyG Data or a mapping with x and edge_index")
    return loaded


READERS: dict[str, Callable[[Path, Report], Any]] = {
    ".graphml": _graphml,
    ".xml": _graphml,
    ".gexf": _gexf,
    ".gml": _gml,
    ".net": _pajek,
    ".pajek": _pajek,
    ".json": read_json,
    ".jsonl": read_json,
    ".cyjs": read_json,
    ".mtx": _matrix,
    ".npz": read_arrays,
    ".pt": _tensors,
    ".pth": _tensors,
}


def parquet() -> Any:
    """Return fastparquet, which takes half a second, without what it warns of while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fastparquet
    return fastparquet


def _parquet(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        frame = parquet().ParquetFile(file).to_pandas()
    index = frame.index
    if index.nlevels == 1 and index.name is None and not pd.api.types.is_numeric_dtype(index):
        frame.index = index.rename("index")  # names of nodes, most likely; numbers only count the lines
    indexed = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = frame.reset_index(level=indexed) if indexed else frame
    for name in frame.columns:  # whole numbers that pandas wrote as fractions, since some were missing: 3.0 is node 3
        if pd.api.types.is_float_dtype(frame[name]):
            filled = frame[name].dropna()
            if (filled.eq(filled.round()) & filled.abs().lt(2**53)).all():
                frame[name] = frame[name].astype("Int64")
    return frame


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table of FRAMES, with its named index as columns; all values are text, as `read_table` gives them."""
    try:
        frame = FRAMES[ending(path)](path)
    except Exception as error:  # the reader's errors are many
        raise UserError(f"{path} can't be read as a table: {clipped(error) or type(error).__name__}") from error
    return frame.reset_index(drop=True).astype(object).where(frame.notna().to_numpy(), "").astype(str)


FRAMES: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": _parquet}
SUFFIXES = (*TABLES, ADJACENCY, *FRAMES, *READERS)
