"""Attribute columns of new data made those that an encoder was trained on, by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.attributes import Attributes, in_memory, is_sparse, nonzeros, unit_sums
from workbench.datasets.files.node_table import TextColumn, as_tensor
from workbench.datasets.files.report import listed
from workbench.datasets.structural import CALLED
from workbench.errors import UserError, nearest

FORMS = {word: rf"{called} (\d+)" for word, called in CALLED.items()}  # of columns that `features=` makes of the edges
CAPPED = ("degree", "core")  # a number above the highest of the training can count as that
SHOWN = 5  # columns that a sentence names


class Rows(NamedTuple):
    """How `load_graph` normalised rows: what it subtracted from all entries, and by what it then divided each row."""

    least: float
    divisor: Tensor  # [nodes]


def rows_of(x: Tensor) -> Rows:
    """Return how the rows of a matrix [nodes, features] are going to be normalised, see `unit_sums`."""
    stored = x.to_sparse_coo().coalesce() if is_sparse(x) else x
    least = float(stored.values().min().clamp(max=0.0) if is_sparse(x) and stored._nnz() else stored.min())
    sums = torch.sparse.sum(stored, 1).to_dense() if is_sparse(x) else x.sum(1)
    return Rows(least, (sums.float() - least * x.shape[1]).clamp(min=1.0))


def matched(
    x: Attributes, columns: Sequence[str], trained: Sequence[str], rows: Rows | None = None, least: float = 0.0
) -> tuple[Attributes, list[str]]:
    """Return attributes with the columns of a training, and a sentence for each thing that was changed for it.

    Args:
        x: of the new data [nodes, here].
        columns: what its columns are called [here]. trained: what those of the training were called [there].
        rows: how rows of x were normalised, None where they were not; least: what was subtracted in training.

    Returns:
        The attributes [nodes, there], and the sentences. Columns in another order are put into that of the training,
        and those that it didn't have left out. Rows are divided anew where other columns or another least entry went
        into their sums than in training. One-hot columns of degrees, core numbers and words that no node has here are
        all zero; a degree or core number above the highest of the training counts as that.

    Raises:
        UserError: a column of the training is missing.
    """
    place = {name: position for position, name in enumerate(trained)}
    if len(place) < len(trained) or len(set(columns)) < len(columns):
        if list(columns) == list(trained):
            return x, []
        twice = next(name for names in (columns, trained) for name in names if list(names).count(name) > 1)
        raise UserError(f"two attribute columns are called {twice!r}, so columns can't be matched by name; rename one")
    here = set(columns)
    if (shares := [_share(names) for names in (columns, trained)])[0] != shares[1] and all(shares):
        raise UserError(
            f"PageRank falls into {shares[0]} shares here and {shares[1]} in training, so that they mean other nodes; "
            "train on features='degree', 'core' or 'walks'"
        )
    families = {_family(name) for name in columns} - {""}
    missing = [name for name in trained if name not in here and _family(name) not in families]
    if missing:
        raise _lacking(missing, [name for name in columns if name not in place])
    target, capped = np.array([place.get(name, -1) for name in columns]), dict[str, list[int]]()
    highest = {kind: _highest(kind, trained) for kind in CAPPED}
    for position in np.flatnonzero(target < 0).tolist():
        kind, _, number = columns[position].rpartition(" ")
        if highest.get(kind) is not None and number.isdecimal() and int(number) > highest[kind]:
            target[position] = place[f"{kind} {highest[kind]}"]
            capped.setdefault(kind, []).append(position)
    same, told = (target == np.arange(len(target))).all() and len(target) == len(trained), list[str]()
    if same and (rows is None or rows.least == least):
        return x, []
    x = in_memory(x, "another order of attribute columns")
    for kind, positions in capped.items():
        many = nonzeros(_placed(x, np.where(np.isin(np.arange(len(target)), positions), 0, -1), 1))
        what = f"{many:,} node{'s have' if many != 1 else ' has'} a {kind} above {highest[kind]}"
        told += [f"{what}, the highest in training, and count as that"] * bool(many)
    if surplus := [name for name, where in zip(columns, target, strict=True) if where < 0]:
        told.append(f"{_are(surplus, 'left out')}, since training had none of that name")
    if (np.diff(target[target >= 0]) < 0).any():
        told.append("the attribute columns stand in another order than in training and were matched by their names")
    if rows is None or (not surplus and rows.least == least):
        return _placed(x, target, len(trained)), told
    raw = _placed(x.to_dense() * rows.divisor[:, None] + rows.least, target, len(trained))
    return unit_sums(raw, torch.tensor(least)), told


def vocabularies(data: Any) -> dict[str, dict[str, Any]]:
    """Return, by column of texts, where its words begin among the attributes ("first") and the "idf" of each."""
    texts = data.get("text_columns") if isinstance(data, Data) else None
    return {name: {"first": column.first, "idf": column.idf} for name, column in (texts or {}).items() if column.idf}


def reworded(
    x: Attributes,
    columns: Sequence[str],
    rows: Rows | None,
    texts: Mapping[str, TextColumn],
    known: Mapping[str, Mapping[str, Any]],
    trained: Sequence[str],
) -> tuple[Attributes, list[str], Rows | None, list[str]]:
    """Return attributes whose texts are TF-IDF by the words and weights of a training, as if they had been loaded so.

    Args:
        x, columns, rows, trained: see `matched`. texts: of the new data, by column. known: what `vocabularies` gave of
            the training.

    Returns:
        The attributes, what their columns are called, how their rows were normalised, and one sentence per column of
        texts that says how many words training did not know.

    Raises:
        UserError: texts that training had are missing, or were changed after `load_graph` made words of them.
    """
    own = {name: trained[known[name]["first"] :][: len(known[name]["idf"])] for name in known}
    if lacking := [name for name in known if name not in texts and not set(own[name]) <= set(columns)]:
        guess = nearest(lacking[0], [*texts, *columns])
        hint = f"; the nearest column here is {guess!r}" if guess else ""
        what = f"texts {listed(lacking, SHOWN)} are missing, on whose words this encoder was trained{hint}"
        raise UserError(f"{what}; features= takes them by name")
    parts, names, told, at = [], list[str](), list[str](), 0
    for name, column in sorted(texts.items(), key=lambda pair: pair[1].first):
        if name not in known or column.idf == known[name]["idf"]:
            continue
        end, weights = column.first + column.width, known[name]["idf"]
        block = _unnormalised(x, rows, column.first, end)
        norms = block.norm(dim=1) if column.idf else block.sum(1)
        if len(column.texts) != len(x) or bool(((norms - 1).abs().minimum(norms) > 1e-3).any()):
            raise UserError(
                f"the texts of {name!r} are no longer those that load_graph made attributes of; load them anew"
            )
        matrix, unknown, here = _weighed(column.texts, weights)
        if unknown:
            bare = int((matrix.getnnz(axis=1) == 0).sum())
            alone = f"; {bare:,} node{'s have' if bare != 1 else ' has'} no other" if bare else ""
            which = f"{unknown:,} of {here:,} different words are none of the {len(weights):,} of the training"
            told.append(f"texts of {name!r}: {which} and count for nothing{alone}")
        parts += [_unnormalised(x, rows, at, column.first).numpy(), matrix]
        names += [*columns[at : column.first], *own[name]]
        at = end
    if not parts:
        return x, [*columns], rows, []
    raw = as_tensor(sp.hstack([*parts, _unnormalised(x, rows, at, len(columns)).numpy()], format="csr"))
    names += columns[at:]
    if rows is None:
        return raw, names, None, told
    rows = rows_of(raw)
    if is_sparse(raw) and rows.least == 0:
        raw.values().div_(rows.divisor.repeat_interleave(raw.crow_indices().diff()))
        return raw, names, rows, told
    return unit_sums(raw.to_dense(), torch.tensor(rows.least)), names, rows, told


def _weighed(texts: Sequence[str], idf: Mapping[str, float]) -> tuple[sp.csr_matrix, int, int]:
    """Return TF-IDF by the weights of words [texts, words], and how many different words are unknown, and are here."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second

    model = TfidfVectorizer(vocabulary=[*idf], dtype=np.float32)
    model.idf_ = np.array([*idf.values()], dtype=np.float32)
    words = {word for text in texts for word in model.build_analyzer()(text)}
    return model.transform(texts), len(words - idf.keys()), len(words)


def _unnormalised(x: Attributes, rows: Rows | None, first: int, end: int) -> Tensor:
    """Return some columns [nodes, columns], dense, as they were before their rows were normalised."""
    target = np.full(x.shape[1], -1)
    target[first:end] = np.arange(end - first)
    part = _placed(in_memory(x, "texts by the words of a training"), target, end - first).to_dense()
    return part if rows is None else part * rows.divisor[:, None] + rows.least


def of_numbers(x: Attributes, names: Sequence[str] | None, trained: Sequence[str] | None, width: int) -> Attributes:
    """Return one-hot node numbers, features="identity", with the columns that the nodes had in training.

    Args:
        x: of the new data; anything but an identity matrix is returned as it is.
        names: of the new nodes. trained: of the nodes of the training. width: how many these were.

    Raises:
        UserError: a node that training did not have, for which there is no column.
    """
    if not isinstance(x, Tensor) or x.shape[0] != x.shape[1] or nonzeros(x) != len(x):
        return x
    rows, places = x.to_sparse_coo().coalesce().indices()
    if not torch.equal(rows, places):
        return x
    place = {name: position for position, name in enumerate(trained or ())}
    strangers = [name for name in names or () if name not in place]
    if (names is None) != (trained is None) or strangers or len(x) > width:
        who = f"node {strangers[0]!r} has" if strangers else "these nodes have"
        raise UserError(
            f'this encoder was trained on node numbers (features="identity"), of which {who} none; train on attributes '
            'that new nodes have too, such as features="degree"'
        )
    return x if names is None else _placed(x, np.array([place[name] for name in names]), width)


def structural_in(columns: Sequence[str]) -> list[str]:
    """Return the words of `features=` that make all of some columns, e.g. ["degree"]; none where one is otherwise."""
    words = [next((word for word, form in FORMS.items() if re.fullmatch(form, name)), "") for name in columns]
    return [] if "" in words else list(dict.fromkeys(words))


def _family(name: str) -> str:
    """Return what a one-hot column is one value of, e.g. "degree" or "colour="; "" for any other column."""
    kind, _, number = name.rpartition(" ")
    if kind in CAPPED and number.isdecimal():
        return kind
    return name.partition("=")[0] + "=" if "=" in name else ""


def _highest(kind: str, columns: Sequence[str]) -> int:
    numbers = [int(match[1]) for name in columns if (match := re.fullmatch(FORMS[kind], name))]
    return max(numbers, default=2**62)


def _share(columns: Sequence[str]) -> int:
    return sum(bool(re.fullmatch(FORMS["pagerank"], name)) for name in columns)


def _placed(x: Tensor, target: np.ndarray, width: int) -> Tensor:
    """Return the columns of a matrix where they belong, -1 being nowhere; what shares a place is added up."""
    kept = np.flatnonzero(target >= 0)
    where = torch.from_numpy(target[kept]).to(x.device)
    if not is_sparse(x):
        placed = x.new_zeros(len(x), width)
        return placed.index_add_(1, where, x[:, torch.from_numpy(kept).to(x.device)])
    form = x.to_sparse_coo().coalesce()
    whole = torch.from_numpy(target).to(x.device)[form.indices()[1]]
    there = whole >= 0
    indices = torch.stack([form.indices()[0][there], whole[there]])
    shape = (len(x), width)
    return torch.sparse_coo_tensor(indices, form.values()[there], shape, check_invariants=False).to_sparse_csr()


def _lacking(missing: list[str], surplus: list[str]) -> UserError:
    if words := structural_in(missing):
        return UserError(f"this encoder was trained on features={words}; load these data with that")
    guess = nearest(missing[0], surplus)
    hint = f"; the nearest that training did not have is {guess!r}" if guess else ""
    return UserError(f"{_are(missing, 'missing')}, on which this encoder was trained{hint}")


def _are(names: list[str], what: str) -> str:
    shown = listed(names, SHOWN)
    return f"attribute column{'s' * (len(names) > 1)} {shown} {'are' if len(names) > 1 else 'is'} {what}"
