"""Tables of a person's own graph: lines of text into numbers, node names and classes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from torch import Tensor

from workbench.errors import UserError

TABLES = (".csv", ".tsv")
HEADER_WORDS = {"source", "target", "src", "dst", "from", "to", "u", "v", "node", "node1", "node2", "id", "name"}
HEADER_WORDS |= {"label", "class", "y"}


def read_table(path: Path) -> pandas.DataFrame:
    """Read a .csv or .tsv as text; its first line is a header when a word stands there above a column of numbers.

    A first line with one of the words source, target, node, id, label or the like is a header as well.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    comma = "," if path.suffix == ".csv" else "\t"
    try:
        table = pandas.read_csv(
            path, sep=comma, header=None, dtype=str, comment="#", keep_default_na=False, skipinitialspace=True
        )
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a table: {str(error).strip().splitlines()[-1]}") from error
    table = table.map(str.strip)
    first, rest = table.iloc[0], table.iloc[1:]
    numeric = rest.apply(pandas.to_numeric, errors="coerce").notna().all() & bool(len(rest))
    titled = numeric & pandas.to_numeric(first, errors="coerce").isna() & (first.str.casefold() != "nan")
    if titled.any() or HEADER_WORDS & set(first.str.casefold()):
        table = rest.reset_index(drop=True).set_axis(first.tolist(), axis=1)
    return table


def read_beside(source: Any) -> pandas.DataFrame | np.ndarray:
    """Read attributes or labels that lie beside a graph: a table by node names, or an array, a row per node."""
    if isinstance(source, Tensor):
        return source.detach().cpu().numpy()
    if not isinstance(source, str | os.PathLike):
        return np.asarray(source)
    path = Path(source).expanduser()
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} can't be read as an array: {error}") from error
    if path.suffix not in TABLES:
        raise UserError(f"attributes and labels are read from .csv, .tsv or .npy, not from {str(source)!r}")
    table = read_table(path)
    if table.shape[1] < 2:
        raise UserError(f"{source}: the first column names the node, and at least one more must follow")
    table = table.set_index(table.columns[0])
    if not table.index.is_unique:
        raise UserError(f"{source} has two lines for node {table.index[table.index.duplicated()][0]!r}")
    return table


def numbers(values: Any, what: str) -> Tensor:
    """Turn a table [nodes, features] into a float32 tensor of its own; a UserError names what is not a number."""
    array = np.asarray(values)
    if array.ndim != 2:
        raise UserError(f"{what} must be a table [nodes, features], not of shape {list(array.shape)}")
    if array.dtype.kind not in "biuf":
        parsed = pandas.DataFrame(array).apply(pandas.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
        written = np.char.lower(array.astype(str))
        wrong = np.argwhere(np.isnan(parsed) & (written != "nan"))
        if len(wrong):
            row, column = wrong[0]
            raise UserError(f"{what}: {str(array[row, column])!r} in row {row}, column {column} is not a number")
        array = parsed
    return torch.from_numpy(array.astype(np.float32))


def classes(values: Any, nodes: Sequence[Any]) -> tuple[Tensor, list[str]]:
    """Number the classes of labels [nodes], in numeric order where they are whole numbers, else alphabetically."""
    labels = pandas.Series(list(values), dtype=object)
    missing = labels.isna() | (labels.astype(str) == "")
    if missing.any():
        raise UserError(f"node {nodes[int(missing.argmax())]!r} has no label; give each node one, or no labels at all")
    whole = pandas.to_numeric(labels, errors="coerce")
    if whole.notna().all() and (whole == whole.round()).all():
        if (whole < 0).any():
            wrong = int((whole < 0).argmax())
            raise UserError(f"node {nodes[wrong]!r} has the negative label {whole[wrong]:g}; classes start at 0")
        labels = whole.astype(np.int64)
    names, y = np.unique(labels.to_numpy(None if labels.dtype == np.int64 else str), return_inverse=True)
    return torch.from_numpy(y.astype(np.int64)), [str(name) for name in names]
