"""Attribute columns of new data made those that an encoder was trained on, by their names."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from workbench.datasets.attributes import Attributes, in_memory, is_sparse, nonzeros
from workbench.errors import UserError, nearest

COUNTED = re.compile(r"(degree|core) (\d+)")  # one-hot columns of a number that any graph has
SHOWN = 5  # columns that a sentence names


def matched(x: Attributes, columns: Sequence[str], trained: Sequence[str]) -> tuple[Attributes, list[str]]:
    """Return attributes with the columns of a training, and a sentence for each thing that was changed for it.

    Args:
        x: of the new data [nodes, here].
        columns: what its columns are called [here]. trained: what those of the training were called [there].

    Returns:
        The attributes [nodes, there], and the sentences. Columns in another order are put into that of the training,
        and those that it didn't have left out. One-hot degrees are made as wide as in training: a degree that no node
        had there is all zero, and one above its highest counts as the highest.

    Raises:
        UserError: a column of the training is missing.
    """
    if list(columns) == list(trained):
        return x, []
    place = {name: position for position, name in enumerate(trained)}
    if len(place) < len(trained) or len(set(columns)) < len(columns):
        twice = next(name for names in (columns, trained) for name in names if list(names).count(name) > 1)
        raise UserError(f"two attribute columns are called {twice!r}, so columns can't be matched by name; rename one")
    counted, target, told = counted_in(trained), np.array([place.get(name, -1) for name in columns]), list[str]()
    x = in_memory(x, "another order of attribute columns")
    if counted and counted == counted_in(columns):
        return _one_hot(x, columns, trained, target)
    missing, surplus = [n for n in trained if n not in set(columns)], [n for n in columns if n not in place]
    if missing:
        raise _lacking(missing, surplus, counted)
    if surplus:
        told.append(f"{_are(surplus, 'left out')}, since training had none of that name")
    if (np.diff(target[target >= 0]) < 0).any():
        told.append("the attribute columns stand in another order than in training and were matched by their names")
    return _placed(x, target, len(trained)), told


def numbered(x: Attributes, names: Sequence[str] | None, trained: Sequence[str] | None, width: int) -> Attributes:
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


def counted_in(columns: Sequence[str]) -> str:
    """Return what is counted where all columns are one-hot numbers of it, e.g. "degree"; else ""."""
    found = [COUNTED.fullmatch(name) for name in columns]
    kinds = {match[1] for match in found if match}
    return kinds.pop() if len(kinds) == 1 and all(found) else ""


def _one_hot(
    x: Tensor, columns: Sequence[str], trained: Sequence[str], target: np.ndarray
) -> tuple[Attributes, list[str]]:
    numbers = [int(name.rpartition(" ")[2]) for name in trained]
    highest = int(np.argmax(numbers))
    here = np.array([int(name.rpartition(" ")[2]) for name in columns])
    above = (target < 0) & (here > numbers[highest])
    between = [name for name, lost in zip(columns, (target < 0) & ~above, strict=True) if lost]
    if between:
        raise UserError(f"no node of the training had {between[0]}, so the encoder knows nothing of it")
    what = trained[highest].rpartition(" ")[0]
    many = nonzeros(_placed(x, np.where(above, 0, -1), 1)) if above.any() else 0
    told = (
        f"{many:,} node{'s have' if many != 1 else ' has'} a {what} above {numbers[highest]}, the highest in training"
    )
    return _placed(x, np.where(above, highest, target), len(trained)), [f"{told}, and count as that"] if many else []


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


def _lacking(missing: list[str], surplus: list[str], counted: str) -> UserError:
    if counted and not counted_in(surplus):
        return UserError(f"this encoder was trained on {counted}s; load these data with features={counted!r}")
    guess = nearest(missing[0], surplus)
    hint = f"; the nearest that training did not have is {guess!r}" if guess else ""
    return UserError(f"{_are(missing, 'missing')}, on which this encoder was trained{hint}")


def _are(names: list[str], what: str) -> str:
    shown = ", ".join(map(repr, names[:SHOWN])) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
    return f"attribute column{'s' * (len(names) > 1)} {shown} {'are' if len(names) > 1 else 'is'} {what}"
