"""Graphs that lie in files, read by PyTorch Geometric's own dataset classes from a root that may be read-only."""

import contextlib
import errno
import hashlib
import io
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import torch_geometric
from torch_geometric import datasets
from torch_geometric.data import Data, HeteroData, InMemoryDataset
from torch_geometric.utils import to_undirected

from workbench.datasets.files.cache import publish
from workbench.datasets.files.own import read_arrays
from workbench.datasets.files.registry import facts, kind_of_row, usable
from workbench.datasets.files.sets import READERS, collab
from workbench.datasets.graph_sets import GraphSet, with_attributes
from workbench.datasets.kinds import kind_of
from workbench.datasets.nodes import check
from workbench.errors import UserError

DOWNLOAD_SECONDS = 30  # a connection that says nothing for longer counts as none


def sparse_attributes(data: Data) -> Data:
    """Keep x as COO on disk where less than a tenth is filled: bags of words are 20 to 100 times smaller that way."""
    if torch.count_nonzero(data.x) * 10 < data.x.numel():
        data.x = data.x.to_sparse()
    return data


Loaded: TypeAlias = Data | GraphSet | HeteroData


def load_files(name: str, root: Path) -> Loaded:
    """Load a named graph from its files, downloading them into the root where they are missing.

    Args:
        name: a set whose facts name a PyG class, an npz file or a reader of plain files.
        root: folder laid out by family (Planetoid/Cora/raw, Amazon/Photo/raw, ...); not written when it has the files.

    Returns:
        The data as PyG gives them; a graph has x float32 [nodes, features], edge_index [2, edges], y [nodes], and masks
        where it has; a set of graphs without attributes gets degrees.
    """
    row = facts(name)
    npz = root / row["npz"] if "npz" in row else None
    if "pyg_class" not in row:
        plain = npz or root / row["folder"]
        if not plain.exists():
            raise _missing(name, root, f"{plain}, which no PyG class can download")
        return _read(name, row, plain)
    raw_paths = _raw_paths(row, root)
    raw = raw_paths[0].parent
    here = [path for path in raw_paths if path.is_file()]
    if not here and npz is not None and npz.is_file():
        return _read(name, row, npz)
    if not here:
        _download(name, row, root, raw)
    elif len(here) < len(raw_paths):
        lacking = next(path.name for path in raw_paths if path not in here)
        raise UserError(
            f"graph {name!r}: {raw} has {len(here)} of its {len(raw_paths)} files and lacks {lacking!r}; "
            "complete the folder, or remove it to download the graph anew"
        )
    return _through_cache(name, row, raw_paths)


def _raw_paths(row: dict[str, Any], root: Path) -> list[Path]:
    """Return the files that the PyG class reads; for a set of graphs, what else lies there under its name as well."""
    paths = [Path(path) for path in _only(row, root).raw_paths]
    others = paths[0].parent.glob(f"{row['arguments']['name']}_*.txt") if row["pyg_class"] == "TUDataset" else ()
    return [*paths, *sorted({*others} - {*paths})]


def _only(row: dict[str, Any], root: Path, *steps: str) -> InMemoryDataset:
    """Make the PyG dataset of a graph, which takes only the named ones of its steps _download, _process and load."""
    changed: dict[str, Any] = {s: _nothing for s in ("_download", "_process", "load") if s not in steps}
    if row["pyg_class"] == "TUDataset" and "load" not in steps:
        changed["__init__"] = _without_load
    if "url" in row:
        changed["url"] = row["url"]
    kind = type(row["pyg_class"], (getattr(datasets, row["pyg_class"]),), changed)
    options = {"pre_transform": sparse_attributes} if kind_of_row(row) == "nodes" else {}
    return kind(str(root / row["family"]), **row.get("arguments", {}), **options)


def _nothing(*_: object, **__: object) -> None:
    """Stand in for a step that is left out."""


def _without_load(self: Any, root: str, name: str) -> None:
    """Stand in for TUDataset.__init__, which loads in any case."""
    self.name, self.cleaned = name, False
    InMemoryDataset.__init__(self, root)


def _through_cache(name: str, row: dict[str, Any], raw_paths: list[Path]) -> Loaded:
    """Let the PyG class process links to the raw files inside the cache folder, and load what it made there."""
    raw = raw_paths[0].parent.resolve()
    seal = hashlib.sha256(f"{torch_geometric.__version__} {raw}".encode())
    for path in raw_paths:
        status = path.stat()
        seal.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())

    def process(folder: Path) -> None:
        if row["pyg_class"] == "Planetoid":  # pickles, which run code when opened: only the published ones are
            _check_sums(name, row, raw_paths)
        place = _raw_paths(row, folder)[0].parent
        place.mkdir(parents=True, exist_ok=True)
        for path in raw_paths:
            _link(path.resolve(), place / path.name)
        _only(row, folder, "_process")
        try:
            _check(_loaded(row, folder))
        except UserError as error:
            raise _damaged(name, raw, error) from error

    try:
        with _quiet():
            folder = publish(f"graphs/{name}-{seal.hexdigest()[:16]}", process)
            data = _loaded(row, folder)
    except UserError:
        raise
    except Exception as error:
        raise _damaged(name, raw, error) from error
    if not isinstance(data, Data):
        return data
    if data.x.is_sparse:
        data.x = data.x.to_dense()
    return _with_names(data, raw_paths)


def _loaded(row: dict[str, Any], folder: Path) -> Loaded:
    dataset = _only(row, folder, "load")
    return with_attributes(GraphSet(dataset)) if kind_of_row(row) == "graph-sets" else dataset[0]


def _check(data: Loaded) -> None:
    if isinstance(data, Data):
        check(data)
    else:
        kind_of(data).check(data)


def _link(path: Path, target: Path) -> None:
    try:
        target.symlink_to(path)
    except OSError:  # a file system or an account that knows no links
        shutil.copy2(path, target)


def _with_names(data: Data, raw_paths: list[Path]) -> Data:
    """Add the names of classes and features where the file holds them beside its numbers."""
    if len(raw_paths) == 1 and raw_paths[0].suffix == ".npz":
        with np.load(raw_paths[0], allow_pickle=False) as file:
            for key, attribute in (("class_names", "class_names"), ("attr_names", "feature_names")):
                if key in file.files:
                    data[attribute] = [str(word) for word in file[key]]
    return data


def _read(name: str, row: dict[str, Any], path: Path) -> Loaded:
    """Read data in files that no PyG class reads: an npz file, or a folder by the reader that the row names."""
    try:
        if "reader" in row:
            data: Loaded = READERS[row["reader"]](path, row)
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
    was_there = root.is_dir()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as staging, _quiet(), _timeout():
            fetched = [Path(path) for path in _only(row, Path(staging), "_download").raw_paths]
            raw.parent.mkdir(parents=True, exist_ok=True)
            fetched[0].parent.rename(raw)
    except UserError:
        raise
    except Exception as error:
        if not was_there:
            with contextlib.suppress(OSError):
                root.rmdir()
        closed = getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
        reason = "the root can't be written" if closed else "downloading failed"
        raise _missing(name, root, f"{raw}, and {reason} ({type(error).__name__})") from error


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyG's 'Processing...' and 'Downloading ...' off the screen."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _timeout() -> Iterator[None]:
    """Give up on a silent connection; PyG's download sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
