"""Edges of a person's own graph: which columns of a table are their ends and weights, and what becomes of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.utils import coalesce, to_undirected

from workbench.datasets.files.report import Report, clipped, listed
from workbench.datasets.files.tables import Reading, ends_of, plain
from workbench.errors import UserError, unknown
from workbench.text import composed

WEIGHTS = {"weight", "weights", "w", "edgeweight", "weightfloat", "weightdouble", "weightint", "strength", "value"}
UNUSED = "kept as edge_weight; no method here reads them, each edge counts the same"
MOMENT = 1e8  # numbers of a third column without a name that are larger than this are seconds, not weights


@dataclass
class Found:
    """A graph as it stands in a source, before anything is made of it.

    Attributes:
        names: of the nodes, in the order in which they get their numbers.
        pairs: int64 [edges, 2], the numbers of the ends of each edge as listed.
        weights: float32 [edges], None where there are none.
        nodes: attributes of the nodes, a row each.
        directed: whether the source says that edges have a direction.
    """

    names: list[str]
    pairs: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any] | None = None
    nodes: pd.DataFrame = field(default_factory=pd.DataFrame)
    directed: bool = False


def edges_of(
    table: pd.DataFrame, path: Path, reading: Reading, report: Report
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None, bool | None]:
    """Return the ends of edges, text [edges, 2], weights [edges] or None, and whether a column says that they point."""
    first, second = _ends(table, path, reading)
    ends = table.iloc[:, [first, second]].to_numpy(dtype=str)
    blank = (ends == "").any(axis=1)
    if blank.any():
        where = int(blank.argmax())
        which = "neither end (lines of nodes belong into a file of their own, features=)"
        which = which if (ends[where] == "").all() else "only one end"
        raise UserError(f"{path}: edge {where + 1} has {which}")
    for place, role in ((first, "source"), (second, "target")):
        report.column("edges", table.columns[place], table.iloc[:, place], role)
    examples = (f"{one} – {other}" for one, other in ends)
    report.add(
        "read", f"edges, from the columns {listed([*map(str, table.columns[[first, second]])])}", len(ends), examples
    )
    weights = _weights(table, {first, second}, path, reading, report)
    directed, others = None, []
    for place, name in enumerate(table.columns):
        values = table.iloc[:, place]
        if place in (first, second) or (str(name), "weight") in {(row[1], row[5]) for row in report.roles}:
            continue
        words = set(values.str.casefold())
        if plain(name) == "type" and words <= {"directed", "undirected"}:
            directed = "directed" in words
            report.column("edges", name, values, "direction")
            if len(words) == 2:
                back = (values.str.casefold() == "undirected").to_numpy()
                ends = np.concatenate([ends, ends[back][:, ::-1]])
                weights = None if weights is None else np.concatenate([weights, weights[back]])
                report.add("changed", "undirected edges among directed ones, stored both ways", int(back.sum()))
            continue
        others.append(str(name))
        report.column("edges", name, values, "left out")
    if others:
        report.add("left out", f"other columns of the edges: {listed(others)}", len(others))
    return ends, weights, directed


def matrix_of(table: pd.DataFrame, path: Path, report: Report) -> tuple[list[str], sp.coo_matrix] | None:
    """Return names and links [nodes, nodes] of a table that has the same names over and before its numbers, else None.

    Raises:
        UserError: a square of numbers alone, which may be such a matrix and may be edges.
    """
    named = table.columns.dtype.kind not in "iu"
    if not named and len(table) == table.shape[1] > 2:
        numbers = table.apply(pd.to_numeric, errors="coerce")
        if numbers.notna().all(axis=None) and (len(table) > 3 or numbers.isin([0, 1]).all(axis=None)):
            raise UserError(
                f"{path}: is this square of numbers a matrix? Write the same names over its columns and before its "
                "rows; where it is a table of edges, say source= and target="
            )
    body = table if named else table.iloc[1:]
    corner, *names = map(composed, table.columns if named else table.iloc[0])
    if corner.isdecimal() or len(body) != len(names) or len(names) < 2 or len({*names}) < len(names):
        return None
    rows = [*map(composed, body.iloc[:, 0])]
    if {*rows} != {*names}:
        return None
    cells = body.iloc[:, 1:].set_axis(rows).loc[names]
    blank, cells = cells == "", cells.replace(r"^([+-]?\d*),(\d+)$", r"\1.\2", regex=True)  # decimal commas
    links = cells.mask(blank, "0").apply(pd.to_numeric, errors="coerce")
    if links.isna().any(axis=None):
        return None
    report.lines = [line for line in report.lines if not line[1].startswith("no header")]
    report.add("read", "a matrix, with the names of its nodes over its columns and before its rows", len(names), names)
    if count := int(blank.to_numpy().sum()):
        report.add("read", "blanks in the matrix, as no edge", count)
    return names, sp.coo_matrix(links.to_numpy(dtype=np.float64))


def _place(table: pd.DataFrame, asked: str | int, path: Path, what: str) -> int:
    """Return where a column stands that a person named."""
    names = [str(name) for name in table.columns]
    if isinstance(asked, str) and names.count(asked) == 1:
        return names.index(asked)
    folded = [name.casefold() for name in names]
    if isinstance(asked, str) and folded.count(asked.casefold()) == 1:
        return folded.index(asked.casefold())
    if str(asked).isdecimal() and int(asked) < len(names):
        return int(asked)
    raise unknown(f"column for {what}=", asked, names, f"of {path.name}")


def _ends(table: pd.DataFrame, path: Path, reading: Reading) -> tuple[int, int]:
    """Return the columns that hold the ends; a question where neither names nor places say which."""
    width, named = table.shape[1], table.columns.dtype.kind not in "iu"
    if width < 2:
        raise UserError(f"{path}: an edge list needs two columns, this one has {width}")
    if (reading.source is None) != (reading.target is None):
        raise UserError("source= and target= name the two ends of an edge: give both or neither")
    if reading.source is not None and reading.target is not None:
        pair = _place(table, reading.source, path, "source"), _place(table, reading.target, path, "target")
        if pair[0] == pair[1]:
            raise UserError(f"source= and target= name the same column, {str(table.columns[pair[0]])!r}")
        return pair
    found = ends_of([*table.columns]) if named else None
    if found is not None:
        return found
    listing = named and plain(table.columns[0]) in ("id", "node", "nodeid", "name")  # a table of nodes
    if width == 2 and not listing:
        return 0, 1
    if named or _counts(table):
        lines = " / ".join(" | ".join(clipped(cell) for cell in row) for row in table.head(2).to_numpy(dtype=str))
        names = listed([*map(str, table.columns)])
        raise UserError(
            f"{path}: which columns are the ends of an edge? They are called {names}, and the first lines are "
            f"{lines}; say source= and target={' (a table of nodes is given as features=)' * listing}"
        )
    return 0, 1


def _counts(table: pd.DataFrame) -> bool:
    """Return whether the first column counts the lines, from 0 or 1, while the two after it share their values."""
    values, lines = table.iloc[:, 0], pd.Series(np.arange(len(table)))
    if not any((values == (lines + start).astype(str)).all() for start in (0, 1)):
        return False
    first, second, third = (set(table.iloc[:, place]) for place in range(3))
    return len(first & second) < len(second & third)


def _weights(
    table: pd.DataFrame, ends: set[int], path: Path, reading: Reading, report: Report
) -> np.ndarray[Any, Any] | None:
    """Return the weights [edges] of the column that is named or called so, None where there is none."""
    named = table.columns.dtype.kind not in "iu"
    others = [place for place in range(table.shape[1]) if place not in ends]
    if reading.weight is False:
        return None
    if reading.weight is not None and reading.weight is not True:
        place = _place(table, reading.weight, path, "weight")
    else:
        called = [place for place in others if plain(table.columns[place]) in WEIGHTS] if named else others[:1]
        called = called if named or len(others) == 1 else []
        if not called:
            return None
        place = called[0]
    name, values = str(table.columns[place]), table.iloc[:, place]
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(numbers)
    if wrong.any() and reading.weight is None:
        if not named or wrong.all():
            return None
        shown = [value or "nothing" for value in values[wrong]]
        what = f"column {name!r} as weights: not all of it are numbers"
        report.add("left out", what, len(shown), shown, warn=True)
        return None
    if wrong.any():
        edge = int(wrong.argmax())
        raise UserError(
            f"{path}: the weight of edge {edge + 1} in column {name!r} is {clipped(values.iloc[edge])!r}, no number"
        )
    if not named and reading.weight is None and np.median(np.abs(numbers)) > MOMENT:
        report.add(
            "left out", f"column {name}, numbers so large that they look like times (weight={name} takes them)", 1
        )
        return None
    report.column("edges", table.columns[place], values, "weight")
    report.add("read", f"weights from column {name!r}, {UNUSED}", len(numbers), values, warn=True)
    return numbers.astype(np.float32)


def joined(found: Found, directed: bool | None, report: Report) -> tuple[Tensor, Tensor | None]:
    """Return edge_index int64 [2, edges], sorted and without repeats, and edge_weight float32 [edges] or None.

    Weights of parallel edges are added; a list that has each edge in both directions, alike, lists each once.
    """
    nodes, points = len(found.names), found.directed if directed is None else directed
    edges = torch.from_numpy(np.ascontiguousarray(found.pairs.T)).long().reshape(2, -1)
    weights = None if found.weights is None else torch.from_numpy(found.weights)
    loops = edges[0] == edges[1]
    if loops.any():
        names = (found.names[node] for node in edges[0, loops].tolist())
        report.add("read", "edges from a node to itself, kept", int(loops.sum()), names)
    listed_edges = edges.shape[1]
    edges, weights = once(edges, weights, nodes)
    if edges.shape[1] < listed_edges:
        what = "parallel edges, joined to one" + ("" if weights is None else ", their weights added")
        report.add("changed", what, listed_edges - edges.shape[1], warn=weights is not None)
    if not points:
        before = edges.shape[1] - int((edges[0] == edges[1]).sum())
        alike = False
        if weights is None:
            edges = to_undirected(edges, num_nodes=nodes)
        else:
            back = once(edges.flip(0), weights, nodes)
            alike = torch.equal(back[0], edges) and torch.equal(back[1], weights)  # type: ignore[arg-type]
            edges, weights = (edges, weights) if alike else _both_ways(edges, weights, nodes)
        pairs = (edges.shape[1] - int((edges[0] == edges[1]).sum())) // 2
        if pairs < before:
            added = weights is not None and not alike
            what = "edges that are listed in both directions, counted once" + ", their weights added" * added
            report.add("changed" if added else "read", what, before - pairs, warn=added)
        report.add("read", "undirected edges between different nodes; each is stored both ways", pairs)
    else:
        report.add("read", "edges that keep their direction (directed=False stores them both ways)", edges.shape[1])
    if weights is not None:
        negative = weights < 0
        if negative.any():
            report.add("read", "weights below 0", int(negative.sum()), weights[negative].tolist(), warn=True)
    return edges, weights


def once(edges: Tensor, weights: Tensor | None, nodes: int) -> tuple[Tensor, Tensor | None]:
    """Return each pair once, sorted, with the sum of its weights."""
    if weights is None:
        return coalesce(edges, num_nodes=nodes), None
    return coalesce(edges, weights, num_nodes=nodes, reduce="sum")


def _both_ways(edges: Tensor, weights: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """Return each edge in both directions; a loop stays one."""
    loops = edges[0] == edges[1]
    every = torch.cat([edges, edges[:, ~loops].flip(0)], dim=1), torch.cat([weights, weights[~loops]])
    return coalesce(*every, num_nodes=nodes, reduce="sum")
