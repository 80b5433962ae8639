"""From what a source holds to a graph: edges first, then attributes and labels, of its own or from files beside it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.files.edges import Found, joined
from workbench.datasets.files.formats import FRAMES, read_frame
from workbench.datasets.files.node_table import LABELS, Table, as_tensor, classes, numbers
from workbench.datasets.files.report import Report, listed
from workbench.datasets.files.tables import TABLES, Reading, ending, is_table, plain, read_table
from workbench.datasets.nodes import check
from workbench.datasets.structural import STRUCTURAL
from workbench.errors import UserError, unknown
from workbench.text import composed

SPELT = "names spelt with composed and with decomposed letters (é), compared as the same"
IDS = {"id", "node", "nodeid", "name", "key", "index"}  # columns of a table of nodes that edges refer to


def assembled(
    found: Found, features: Any, labels: Any, directed: bool | None, report: Report, own_names: bool = False
) -> Data:
    """Make a graph of what was found: edges first, then what is counted on them."""
    if not found.names:
        raise UserError("the graph has no nodes")
    edge_index, weights = joined(found, directed, report)
    data = Data(edge_index=edge_index, num_nodes=len(found.names), node_names=found.names)
    if weights is not None:
        data.edge_weight = weights
    return finished(data, found.nodes, features, labels, report, own_names)


def finished(
    data: Data, nodes: pd.DataFrame, features: Any, labels: Any, report: Report, own_names: bool = True
) -> Data:
    """Add attributes and labels, of the graph's own or given beside it, and check the whole."""
    count = int(data.num_nodes)
    beside, given = beside_it(features, report, True), beside_it(labels, report, False)
    strict = isinstance(beside, pd.DataFrame)
    names = data.get("node_names") or [str(node) for node in range(count)]
    own = Table(nodes, names, report)
    table = Table(_by_name(beside, data, "attributes", report), names, report, strict) if strict else own
    asked = [features] if isinstance(features, str) else features if _are_words(features) else None
    words = beside.attrs.get("asked") if strict else asked if asked and beside is None else None
    structural = [word for word in words or [] if word in STRUCTURAL and word not in table.kinds]
    columns = None if words is None else [word for word in words if word not in structural]
    taken = {*(columns or [])}
    if isinstance(given, pd.DataFrame):
        data.y, data.class_names = _labels(given, data, names, report)
    elif given is not None:
        if given.ndim and len(given) != count:
            raise UserError(f"there are labels for {len(given)} nodes, but the graph has {count}")
        if given.ndim == 2 and given.shape[1] > 1:
            data.y = _several(given)
            data.pop("class_names", None)
        else:
            data.y, data.class_names = classes(given, names, report)
    elif data.get("y") is None and (found := table.labels(labels if isinstance(labels, str) else None, taken)):
        data.y, data.class_names = found
    if not own_names and (called := table.called() or own.called()) and called != names:
        data.node_names, data.node_ids = called, names
    x = None if columns == [] else table.attributes(columns, taken | {str(labels)} if columns is None else set())
    if isinstance(beside, np.ndarray):
        if beside.ndim and len(beside) != count:
            raise UserError(f"there are attributes for {len(beside)} nodes, but the graph has {count}")
        x = as_tensor(numbers(beside, "the attributes given")), None
    if x is None and data.get("x") is None and not structural:
        structural = ["degree"]
        what = "the graph has no attributes: the degree of each node, one-hot, stands in for them; features= takes "
        report.add("changed", what + f"others ({', '.join(STRUCTURAL)} among them)", warn=True)
    if structural:
        data.x = data.x if isinstance(data.get("x"), Tensor) else torch.ones(count, 1)
        check(data)  # the edges, before anything is counted on them
        made = [STRUCTURAL[word](data) for word in structural]
        parts = [x[0].to_dense()] if x else []
        if len(made) + len(parts) == 1:
            x = made[0]
        else:
            first = (x[1] or []) if x else []
            x = (
                torch.cat([*parts, *(part.to_dense() for part, _ in made)], 1),
                first + [n for _, on in made for n in on],
            )
        report.add("read", f"attributes from the edges: {', '.join(structural)}", x[0].shape[1])
    if x is not None:
        data.x = x[0]
        data.pop("feature_names", None)
        data.pop("text_columns", None)
        if x[1]:
            data.feature_names = x[1]
            if table.texts:
                data.text_columns = table.texts
    if isinstance(data.x, Tensor):  # PyG counts no rows of a file
        del data.num_nodes
    check(data)
    return data


def _labels(table: pd.DataFrame, data: Data, names: Sequence[str], report: Report) -> tuple[Tensor, list[str]]:
    """Return y and class names from a table beside the graph: of the columns asked for, or of the one that is clear."""
    source, asked = table.attrs["source"], table.attrs.get("asked")
    columns, several = [*map(str, table.columns)], table.isin(["0", "1", ""]).all(axis=None)
    called = [name for word in LABELS for name in columns if plain(name) == word]
    if asked is None and len(columns) > 1 and not several and not called:
        raise UserError(
            f"{source}: which column has the labels? They are called {listed(columns)}; say labels=({source!r}, "
            f"{columns[0]!r})"
        )
    chosen = asked or (columns if several else called[:1] or columns)
    for name in chosen:
        if name not in columns:
            raise unknown("label column", name, columns, f"of {source}")
    table = _by_name(table.set_axis(columns, axis=1), data, "label", report, missing=True)[chosen]
    if len(chosen) == 1:
        found = classes(table[chosen[0]], names, report)
        report.add("read", f"classes from column {chosen[0]!r} of {Path(source).name}", len(found[1]), found[1])
        return found
    report.add("read", "several labels per node, a column of 0 and 1 each", len(chosen), chosen)
    return _several(table.replace("", "-1")), chosen


def _several(values: Any) -> Tensor:
    """Return several labels per node [nodes, classes]; what is neither 0 nor 1 is told by `check`."""
    y = as_tensor(numbers(np.asarray(values), "the labels given"))
    return y.long() if bool((y == y.round()).all()) else y


def _are_words(source: Any) -> bool:
    return isinstance(source, list | tuple) and bool(source) and all(isinstance(name, str) for name in source)


def beside_it(source: Any, report: Report, columns: bool) -> Any:
    """Read attributes or labels that lie beside a graph: a table by node names, or an array, a row per node.

    What names columns of the nodes, or nothing, is None; `columns` says whether a list of words does.
    """
    if source is None or isinstance(source, pd.DataFrame):
        return source
    if isinstance(source, Tensor):
        return source.detach().cpu().numpy()
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[1], str):
        source = source[0], [source[1]]
    if isinstance(source, tuple) and len(source) == 2 and _are_words(source[1]):
        table = beside_it(source[0], report, columns)
        if isinstance(table, pd.DataFrame):
            table.attrs["asked"] = [*source[1]]
            return table
        raise UserError(f"columns are taken from a table of nodes, and {str(source[0])!r} is none")
    path = Path(source).expanduser() if isinstance(source, str | os.PathLike) else None
    if path is None:
        return None if columns and _are_words(source) else np.asarray(source)
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} can't be read as an array: {error}") from error
    if not is_table(path) and ending(path) not in FRAMES:
        if isinstance(source, str) and not path.suffix and not path.is_file():
            return None
        wanted = ", ".join((*TABLES, *FRAMES, ".npy"))
        raise UserError(f"attributes and labels are read from {wanted}, not from {str(source)!r}")
    framed = ending(path) in FRAMES and path.is_file()
    table = read_frame(path) if framed else read_table(path, report, Reading())
    if table.shape[1] < 2:
        raise UserError(f"{source}: the first column names the node, and at least one more must follow")
    key = next((name for name in table.columns if str(name).endswith(":ID") or plain(name) == "id"), None)
    key = key or next((name for name in table.columns[:1] if plain(name) in IDS), table.columns[0])
    table = table.set_index(key)
    table.attrs |= {"source": str(source), "spelt": table.index}
    table.index = table.index.map(composed)
    if not table.index.is_unique:
        raise UserError(f"{source} has two lines for node {table.index[table.index.duplicated()][0]!r}")
    return table


def _by_name(table: pd.DataFrame, data: Data, what: str, report: Report, missing: bool = False) -> pd.DataFrame:
    """Return a table beside the graph in the order of its nodes, a row per node, by their names or else their ids."""
    names, source = pd.Index(data.get("node_names") or [*map(str, range(int(data.num_nodes)))]), table.attrs["source"]
    if (ids := data.get("node_ids")) is not None and table.index.isin([*map(composed, ids)]).all():
        names = pd.Index(ids)
    spelt, names = names, names.map(composed)
    if (other := names.isin(table.index) & ~spelt.isin(table.attrs["spelt"])).any():
        report.add("changed", SPELT, int(other.sum()), names[other])
    lacking, strangers = names.difference(table.index), table.index.difference(names)
    if len(lacking) and not missing:
        raise UserError(f"node {lacking[0]!r} has no {what} in {source}")
    if len(strangers):
        raise UserError(f"{strangers[0]!r} has {what} in {source}, but the graph has no such node")
    return table.reindex(names, fill_value="").reset_index(drop=True)
