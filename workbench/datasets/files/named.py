"""Graphs that lie in files, read by PyTorch Geometric's own dataset classes from a root that may be read-only."""

import contextlib
import errno
import hashlib
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch_geometric
from torch_geometric import datasets
from torch_geometric.data import Data, HeteroData, InMemoryDataset
from torch_geometric.data.separate import separate
from torch_geometric.utils import to_undirected

from workbench.datasets.attributes import as_loaded
from workbench.datasets.files.cache import loaded, quiet, read, write
from workbench.datasets.files.formats import read_arrays
from workbench.datasets.files.molecules import molecules, needs_rdkit
from workbench.datasets.files.registry import facts, kind_of_row, usable
from workbench.datasets.files.sets import READERS, collab
from workbench.datasets.graph_sets import GraphSet, with_attributes
from workbench.datasets.kinds import kind_of
from workbench.datasets.nodes import check
from workbench.errors import UserError

LAYOUT = 2  # of the cached files; raise it when it changes
DOWNLOAD_SECONDS = 30  # a connection that says nothing for longer counts as none


Loaded: TypeAlias = Data | GraphSet | HeteroData


def load_files(name: str, root: Path) -> Loaded:
    """Load a named graph, as PyG gives it, from its files; where they are missing, they are downloaded into the root.

    The root is laid out by family (Planetoid/Cora/raw, Amazon/Photo/raw, ...) and not written when it has the files.
    """
    row = facts(name)
    plain = root / row["npz" if "npz" in row else "folder"]
    if row.get("reader") == "molecules":
        needs_rdkit(name)
    if "pyg_class" not in row:
        if not plain.exists():
            raise _missing(name, root, f"{plain}, which no PyG class can download")
        return _read(name, row, plain)
    raw_paths = _raw_paths(row, root)
    raw = raw_paths[0].parent
    here = [path for path in raw_paths if path.is_file()]
    if not here and plain.is_file():
        return _read(name, row, plain)
    if not here:
        _download(name, row, root, raw)
    elif len(here) < len(raw_paths):
        lacking = next(path.name for path in raw_paths if path not in here)
        raise UserError(
            f"graph {name!r}: {raw} has {len(here)} of its {len(raw_paths)} files and lacks {lacking!r}; "
            "complete the folder, or remove it to download the graph anew"
        )
    return _through_cache(name, row, root, raw_paths)


def _raw_paths(row: dict[str, Any], root: Path) -> list[Path]:
    """Return the files that the PyG class reads; for a set of graphs, what else lies there under its name as well."""
    paths = [Path(path) for path in _only(row, root).raw_paths]
    others = paths[0].parent.glob(f"{row['arguments']['name']}_*.txt") if row["pyg_class"] == "TUDataset" else ()
    return [*paths, *sorted({*others} - {*paths})]


def _only(row: dict[str, Any], root: Path, *steps: str, **folders: str) -> InMemoryDataset:
    """Make the PyG dataset of a graph, which takes only the named ones of its steps _download, _process and load.

    Its raw_dir and processed_dir may be other folders than those below the root.
    """
    left_out = {"_download", "_process", "load"}.difference(steps)
    changed: dict[str, Any] = dict.fromkeys(left_out, lambda *_, **__: None) | folders
    if row["pyg_class"] == "TUDataset" and "load" in left_out:
        changed["__init__"] = _without_load
    if "url" in row:
        changed["url"] = row["url"]
    kind = type(row["pyg_class"], (getattr(datasets, row["pyg_class"]),), changed)
    options = {"pre_transform": sparse_attributes} if kind_of_row(row) == "nodes" else {}
    return kind(str(root / row["family"]), **row.get("arguments", {}), **options)


def _without_load(self: Any, root: str, name: str) -> None:
    """Stand in for TUDataset.__init__, which loads in any case."""
    self.name, self.cleaned = name, False
    InMemoryDataset.__init__(self, root)


def sparse_attributes(data: Data) -> Data:
    """Keep x as COO on disk where less than a tenth is filled: bags of words are 20 to 100 times smaller that way."""
    if torch.count_nonzero(data.x) * 10 < data.x.numel():
        data.x = data.x.to_sparse()
    return data


def _through_cache(name: str, row: dict[str, Any], root: Path, raw_paths: list[Path]) -> Loaded:
    """Let the PyG class process the raw files into the cache folder, and load what it made there."""
    raw = raw_paths[0].parent.resolve()
    seal = hashlib.sha256(f"{LAYOUT} {raw} {torch_geometric.__version__}".encode())
    for path in raw_paths:
        status = path.stat()
        seal.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())

    def process(folder: Path) -> None:
        if row["pyg_class"] == "Planetoid":  # pickles, which run code when opened: only the published ones are
            _check_sums(name, row, raw_paths)
        with tempfile.TemporaryDirectory(dir=folder) as own:  # what PyG keeps is a pickle, so it is kept for now only
            dataset = _only(row, root, "_process", "load", raw_dir=str(raw), processed_dir=own)
        if kind_of_row(row) == "graph-sets":
            write({"data": dataset._data.to_dict(), "slices": dataset.slices}, folder / "graphs.safetensors")
        else:
            write({"data": dataset[0].to_dict()}, folder / "graphs.safetensors")
        try:
            _check(load(folder))
        except UserError as error:
            raise _damaged(name, raw, error) from error

    def load(folder: Path) -> Loaded:
        stored = read(folder / "graphs.safetensors")
        if kind_of_row(row) == "bipartite":
            return HeteroData.from_dict(stored["data"])
        data = Data.from_dict(stored["data"])
        if "slices" not in stored:
            return data
        slices = stored["slices"]
        count = len(next(iter(slices.values()))) - 1
        parts = (separate(Data, data, number, slices, decrement=False) for number in range(count))
        return with_attributes(GraphSet(parts))

    try:
        with quiet():
            data = loaded(f"graphs/{name}-{seal.hexdigest()[:16]}", process, load)
    except UserError:
        raise
    except Exception as error:
        raise _damaged(name, raw, error) from error
    if isinstance(data, Data):
        data.x = as_loaded(data.x)
        if raw_paths[0].suffix == ".npz":
            _add_names(data, raw_paths[0])
    return data


def _check(data: Loaded) -> None:
    if isinstance(data, Data):
        check(data)
    else:
        kind_of(data).check(data)


def _add_names(data: Data, path: Path) -> None:
    """Add the names of classes and features where the file holds them beside its numbers."""
    with np.load(path, allow_pickle=False) as file:
        for key, attribute in (("class_names", "class_names"), ("attr_names", "feature_names")):
            if key in file.files:
                data[attribute] = file[key].astype(str).tolist()


def _read(name: str, row: dict[str, Any], path: Path) -> Loaded:
    """Read data in files that no PyG class reads: an npz file, or a folder by the reader that the row names."""
    try:
        if "reader" in row:
            data: Loaded = {**READERS, "molecules": molecules}[row["reader"]](path, row)
        elif kind_of_row(row) == "graph-sets":
            data = with_attributes(collab(path))
        else:
            data = read_arrays(path)
            data.x, data.edge_index, data.y = data.x.float(), data.edge_index.long(), data.y.long()
            if not row["directed"]:
                data.edge_index = to_undirected(data.edge_index, num_nodes=len(data.x))
        _check(data)
    except Exception as error:
        raise _damaged(name, path, error) from error
    return data


def _download(name: str, row: dict[str, Any], root: Path, raw: Path) -> None:
    """Let the PyG class download into a folder of its own; the raw folder appears only when it is complete."""
    if root.is_dir() and not root.stat().st_mode & 0o222:  # so marked; a superuser could write there all the same
        raise _missing(name, root, f"{raw}, and the root is read-only")
    print(f"graph {name!r}: downloading into {raw}", file=sys.stderr)
    was_there, usual = root.is_dir(), socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)  # PyG's download sets no limit of its own
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as staging, quiet():
            fetched = [Path(path) for path in _only(row, Path(staging), "_download").raw_paths]
            raw.parent.mkdir(parents=True, exist_ok=True)
            fetched[0].parent.rename(raw)
    except Exception as error:
        if not was_there:
            with contextlib.suppress(OSError):
                root.rmdir()
        closed = getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
        reason = "the root can't be written" if closed else "downloading failed"
        raise _missing(name, root, f"{raw}, and {reason} ({type(error).__name__})") from error
    finally:
        socket.setdefaulttimeout(usual)


def _check_sums(name: str, row: dict[str, Any], paths: list[Path]) -> None:
    for path in paths:
        known = row.get("sha256", {}).get(path.name)
        if known and hashlib.sha256(path.read_bytes()).hexdigest() != known:
            raise UserError(
                f"graph {name!r}: {path} is damaged or not the published file (its SHA-256 differs from the one in "
                "data/README.md), so it was not opened; fetch it again from " + row["source"]
            )


def _damaged(name: str, path: Path, error: Exception) -> UserError:
    detail = str(error).splitlines()[0][:120] if str(error) else ""
    return UserError(
        f"graph {name!r}: the files at {path} can't be read ({type(error).__name__}: {detail}): they are damaged, "
        f"incomplete or not of the published layout; fetch them again from {facts(name)['source']}"
    )


def _missing(name: str, root: Path, what: str) -> UserError:
    return UserError(f"graph {name!r} is not here: looked for {what}; usable now: {', '.join(usable(root))}")
