"""Columns of nodes into attributes, labels and names: which are taken, how, and why others are not."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.utils import from_scipy_sparse_matrix

from workbench.datasets.attributes import as_loaded
from workbench.datasets.files.report import Report, clipped, kind_of, listed
from workbench.datasets.files.tables import plain
from workbench.errors import UserError, unknown

LABELS = ("y", "label", "class")  # looked for in this order where labels= isn't given
VECTORS = ("x", "features")
DRAWN = {"x", "y", "z", "size", "r", "g", "b", "a", "alpha", "color", "colour", "width", "height"}
NUMBERED = {"id", "nodeid", "index", "unnamed0", "", "timeset", "name", "label"}
MOST_CLASSES = 100  # more values than this are names, not classes
WORDS = 2_000  # columns of TF-IDF


class TextColumn(NamedTuple):
    """A column of texts or words, where its columns begin among the attributes and how many they are.

    `idf` has the weight of each word of TF-IDF, in the order of the columns; it is empty where words are one-hot.
    """

    texts: list[str]
    first: int
    width: int
    idf: dict[str, float]


class Table:
    """Attributes of nodes, a row each, with what a column may be used as.

    Args:
        nodes: one row per node, in their order. names: of the nodes. report: where choices are told.
        strict: whether a column of numbers with something else in it is an error, as in a table of attributes.
    """

    def __init__(self, nodes: pd.DataFrame, names: Sequence[str], report: Report, strict: bool = False):
        self.nodes, self.names, self.report, self.strict = nodes, names, report, strict
        self.texts: dict[str, TextColumn] = {}  # what `attributes` made columns of words from
        nodes.columns = nodes.columns.map(str)
        self.kinds = {name: _kind(nodes[name]) for name in nodes.columns}
        self.whole = [name for name in nodes.columns if not _missing(nodes[name]).any()]
        drawn = {name for name in nodes.columns if plain(name) in DRAWN and self.kinds[name] == "numbers"}
        folded = {plain(name) for name in drawn}
        self.drawn = {name for name in nodes.columns if name.casefold().startswith("viz") or plain(name) == "graphics"}
        if {"x", "y"} <= folded:
            self.drawn |= {name for name in nodes.columns if plain(name) in DRAWN - {"width", "height"}}
        elif {"r", "g", "b"} <= folded:
            self.drawn |= {name for name in drawn if plain(name) in ("r", "g", "b")}

    def note(self, name: str, role: str) -> None:
        """Tell what a column is used as."""
        self.report.column("nodes", name, self.nodes[name], role)

    def called(self) -> list[str] | None:
        """Return the names that a column "label" or "name" has for the nodes; None where most nodes share theirs.

        A name that several nodes have is followed by the id of each, in parentheses.
        """
        for name in self.nodes.columns:
            if plain(name) not in ("label", "name") or name not in self.whole or self.kinds[name] == "numbers":
                continue
            values = self.nodes[name].astype(str)
            shared = values.duplicated(keep=False)
            own = values.where(~shared, values + [f" ({node})" for node in self.names])
            if values.nunique() <= len(values) // 2 or not own.is_unique:
                continue
            if [*own] != [*self.names]:
                self.report.add("read", f"names of the nodes from {name!r}; node_ids keeps their ids", len(own), own)
            if shared.any():
                what = f"names from {name!r} that several nodes have, each followed by its id"
                self.report.add("changed", what, int(shared.sum()), own[shared])
            self.note(name, "name")
            return [*own]
        return None

    def labels(self, asked: str | None, taken: set[str]) -> tuple[Tensor, list[str]] | None:
        """Return y and class names from the column that is asked for, or from one that is called so and looks so."""
        if asked is not None:
            found = classes(self._column(asked, missing=True), self.names, self.report)
            self.report.add("read", f"classes from column {asked!r}", len(found[1]), found[1])
            self.note(asked, "label")
            return found
        for word in LABELS:
            for name in (name for name in self.nodes.columns if plain(name) == word and name not in taken):
                values = self.nodes[name][~_missing(self.nodes[name])].astype(str)
                # A label is often what a node is called, so that classes of two nodes and more are asked of it.
                most = len(values) // 2 if word == "label" else len(values) - 1
                several = 0 < values.nunique() <= min(MOST_CLASSES, most)
                fractions = self.kinds[name] == "numbers" and not _whole(values)
                if name in self.drawn or not several or fractions or self.kinds[name] == "vector":
                    continue
                found = classes(self.nodes[name], self.names, self.report)
                self.report.add(
                    "read", f"classes from column {name!r} (labels= names another)", len(found[1]), found[1]
                )
                self.note(name, "label")
                return found
        return None

    def attributes(self, asked: Sequence[str] | None, taken: set[str]) -> tuple[Tensor, list[str] | None] | None:
        """Return x and its names from the columns asked for, or from those that are numbers; None where there are none.

        Numbers are taken as they are, words one-hot, texts as TF-IDF.
        """
        names = self._suitable(taken) if asked is None else [*asked]
        if not names:
            return None
        parts, columns = [], list[str]()
        for name in names:
            values = self._column(name)
            kind = self.kinds[name]
            if kind == "vector":
                part = numbers(_stacked(values, name), f"the node attributes {name}")
                words = [f"{name} {place}" for place in range(part.shape[1])] if len(names) > 1 else []
            elif kind == "text":
                from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second

                model = TfidfVectorizer(max_features=WORDS, dtype=np.float32)
                part = _vectorised(model, values, name)
                words = [*model.get_feature_names_out()]
                idf = dict(zip(words, model.idf_.tolist(), strict=True))
                self.texts[name] = TextColumn(values.astype(str).tolist(), len(columns), len(words), idf)
                self.report.add("read", f"words of {name!r} as TF-IDF", len(words), words)
            elif kind == "words" and not _mostly(values):
                numbered, distinct = pd.factorize(values.astype(str), sort=True)
                if len(distinct) > MOST_CLASSES:
                    raise UserError(
                        f"{name!r} has {len(distinct):,} different words; one-hot takes at most {MOST_CLASSES}"
                    )
                part = np.eye(len(distinct), dtype=np.float32)[numbered]
                words = [f"{name}={word}" for word in distinct]
                self.texts[name] = TextColumn(values.astype(str).tolist(), len(columns), len(words), {})
                self.report.add("read", f"words of {name!r}, one-hot", len(words), distinct)
            else:
                part, words = numbers(values.to_numpy()[:, None], f"the node attribute {name!r}"), [name]
            parts.append(part)
            columns += words
            self.note(name, "attribute")
        for name, column in self.texts.items() if len({*columns}) < len(columns) else ():
            if column.idf:  # of two columns of texts, or a word that another column is called by
                own = slice(column.first, column.first + column.width)
                columns[own] = [f"{name}: {word}" for word in columns[own]]
        if asked is None and not any(sp.issparse(part) for part in parts):
            self.report.add("read", "attributes of the nodes (features= names others)", len(names), names)
        x = sp.hstack(parts, format="csr") if any(sp.issparse(part) for part in parts) else np.hstack(parts)
        return as_tensor(x), columns if len(columns) == x.shape[1] else None

    def _suitable(self, taken: set[str]) -> list[str]:
        """Return the columns that are attributes without being asked for: a vector, else numbers, else texts."""
        free = [name for name in self.nodes.columns if name not in taken]
        roles = {row[1]: row[5] for row in self.report.roles if row[0] == "nodes"}
        vectors = [name for name in VECTORS if name in free and self.kinds[name] == "vector" and name in self.whole]
        if vectors:
            return vectors[:1]
        left: dict[str, list[str]] = {}
        chosen = []
        for name in free:
            if name in roles:
                continue
            if name in self.drawn:
                left.setdefault("coordinates and looks of a drawing", []).append(name)
            elif plain(name) in NUMBERED:
                left.setdefault("numbers and names of nodes", []).append(name)
            elif name not in self.whole:
                left.setdefault("attributes that some nodes lack", []).append(name)
            elif self.kinds[name] == "numbers" or (self.strict and _mostly(self.nodes[name])):
                chosen.append(name)
            else:
                left.setdefault("words and texts (features= takes them by name)", []).append(name)
        if not chosen:
            words = next((key for key in left if key.startswith("words")), "")
            chosen = [name for name in left.get(words, []) if self.kinds[name] == "text"]
            left[words] = [name for name in left.get(words, []) if name not in chosen]
        for why, names in left.items():
            if names:
                self.report.add("left out", f"{why}: {listed(names)}", len(names), warn=why.startswith("attributes"))
                for name in names:
                    self.note(name, "left out")
        return chosen

    def _column(self, name: str, missing: bool = False) -> pd.Series:
        if name not in self.kinds:
            if not self.kinds:
                raise UserError(f"{name!r} is not a node attribute that each node has (there are: none)")
            raise unknown("node attribute", name, self.kinds)
        if name not in self.whole and not missing:
            lacking = int(_missing(self.nodes[name]).to_numpy().argmax())
            raise UserError(
                f"{name!r} is not a node attribute that each node has (node {self.names[lacking]!r} lacks it)"
            )
        return self.nodes[name]


def numbers(values: Any, what: str) -> np.ndarray[Any, Any]:
    """Turn a table [nodes, features] into float32; a UserError names what is not a number."""
    array = np.asarray(values)
    if array.ndim != 2:
        raise UserError(f"{what} must be a table [nodes, features], not of shape {list(array.shape)}")
    if array.dtype.kind not in "biuf":
        parsed = pd.DataFrame(array).apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
        written = np.char.lower(array.astype(str))
        wrong = np.argwhere(np.isnan(parsed) & (written != "nan"))
        if len(wrong):
            row, column = wrong[0]
            raise UserError(f"{what}: {clipped(array[row, column])!r} in row {row}, column {column} is not a number")
        array = parsed
    return array.astype(np.float32)


def as_tensor(x: Any) -> Tensor:
    """Return a matrix [nodes, features] as a float32 tensor; a sparse one stays so where that pays."""
    if not sp.issparse(x):
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    places, values = from_scipy_sparse_matrix(x)
    return as_loaded(torch.sparse_coo_tensor(places, values.float(), x.shape, check_invariants=False))


def classes(values: Any, nodes: Sequence[Any], report: Report) -> tuple[Tensor, list[str]]:
    """Number the classes of labels [nodes], in numeric order where they are whole numbers, else alphabetically.

    A node without a label, or with a number below 0, gets -1: it trains as any other and is not scored.
    """
    labels = pd.Series(list(values), dtype=object)
    empty = _missing(labels) | labels.astype(str).str.casefold().isin(["nan", "none", "null", "na"])
    number = pd.to_numeric(labels, errors="coerce")
    whole = bool(number[~empty].notna().all() and (number[~empty] == number[~empty].round()).all())
    empty |= (number < 0) & whole
    if empty.all():
        raise UserError("no node has a label: leave labels= out to go on without")
    if empty.any():
        without = (nodes[int(place)] for place in np.flatnonzero(empty))
        report.add(
            "read", "nodes without a label: they train, and are left out of scoring", int(empty.sum()), without, True
        )
    known = number[~empty].astype(np.int64) if whole else labels[~empty].astype(str)
    names, numbered = np.unique(known.to_numpy(None if whole else str), return_inverse=True)
    y = np.full(len(labels), -1, dtype=np.int64)
    y[~empty.to_numpy(dtype=bool)] = numbered
    return torch.from_numpy(y), [str(name) for name in names]


def _kind(values: pd.Series) -> str:
    """Return "numbers", "vector", "text" or "words"."""
    filled = values[~_missing(values)]
    if len(filled) and isinstance(filled.iloc[0], list | tuple | np.ndarray | Tensor):
        return "vector"
    if pd.api.types.is_numeric_dtype(values):
        return "numbers"
    return kind_of(filled[filled.astype(str).str.casefold() != "nan"])


def _missing(values: pd.Series) -> pd.Series:
    """Return where a column has nothing [nodes]."""
    empty = values.isna()
    return empty if pd.api.types.is_numeric_dtype(values) else empty | (values.astype(str) == "")


def _whole(values: pd.Series) -> bool:
    number = pd.to_numeric(values, errors="coerce")
    return bool((number == number.round()).all())


def _mostly(values: pd.Series) -> bool:
    """Return whether more than half of the values are numbers."""
    return bool(pd.to_numeric(values, errors="coerce").notna().mean() > 0.5)


def _stacked(values: pd.Series, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.array([np.hstack([row]) for row in values])
    except ValueError as error:
        raise UserError(f"the node attributes {name} don't have the same length for each node") from error


def _vectorised(model: Any, values: pd.Series, name: str) -> Any:
    try:
        return model.fit_transform(values.astype(str))
    except ValueError as error:
        raise UserError(f"the texts of {name!r} hold no words ({clipped(error)})") from error
