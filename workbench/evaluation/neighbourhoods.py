"""The nearest nodes of each node in an embedding, exactly, and how many two lists share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import Tensor

from workbench.errors import UserError
from workbench.evaluation import cache

Floats = NDArray[np.float32]
NEIGHBOURS = 15
MANY_COLUMNS = 512  # above them products of blocks are several times faster than scikit-learn's search
BLOCK = 2_048  # rows whose cosines with as many others are looked at in one go: 16 MiB


class Nearest(NamedTuple):
    """The nearest other rows of each row by cosine, the nearest first, and their distances when of unit length."""

    indices: NDArray[np.int32]  # [n, k]
    distances: Floats  # [n, k], the square root of 2 - 2 cosine


def nearest(embeddings: Tensor, k: int = NEIGHBOURS, folder: Path | None = None) -> Nearest:
    """Return the k nearest other nodes of each node [nodes, dim] by cosine, exactly; fewer where there are not so many.

    A folder is where they are kept and looked up.
    """
    values = checked(embeddings, 2)
    file = folder / f"nearest{k}-{cache.digest(values)[:16]}.npz" if folder else None
    return Nearest(**cache.arrays(file, lambda: search(normalize(values), k)._asdict()))


def search(rows: Floats, k: int) -> Nearest:
    """Return the k nearest others of rows [n, dim], by blocks of products where there are many columns.

    Those take a fifth of the time of the library's search; of few columns it takes half, but maps by UMAP depend on the
    last bits of distances, and those of usual embeddings stay what they were.
    """
    k = min(k, len(rows) - 1)
    if rows.shape[1] > MANY_COLUMNS:
        return _by_blocks(rows, k)
    # The search without arguments leaves each row itself out, also where rows repeat.
    search = NearestNeighbors(n_neighbors=k, algorithm="auto" if rows.shape[1] < 3 else "brute").fit(rows)
    distances, indices = search.kneighbors()
    return Nearest(indices.astype(np.int32), distances.astype(np.float32))


def _by_blocks(rows: Floats, k: int) -> Nearest:
    """Return the k nearest others of rows of unit length [n, dim]; the product of a pair of rows is taken once."""
    units = torch.from_numpy(rows)
    starts = range(0, len(rows), BLOCK)
    cosines = [torch.full((len(part), 0), -torch.inf) for part in units.split(BLOCK)]
    indices = [torch.zeros(len(part), 0, dtype=torch.int32) for part in units.split(BLOCK)]

    def keep(block: int, pairs: Tensor, first: int) -> None:
        """Keep the nearest of a block of rows among those so far and others, of which the first is given."""
        best, place = pairs.topk(min(k, pairs.shape[1]))
        best, place = torch.cat([cosines[block], best], 1), torch.cat([indices[block], (place + first).int()], 1)
        cosines[block], chosen = best.topk(min(k, best.shape[1]))
        indices[block] = place.gather(1, chosen)

    for i, start in enumerate(starts):
        for j, other in enumerate(starts[i:], start=i):
            pairs = units[start : start + BLOCK] @ units[other : other + BLOCK].T
            if i == j:
                pairs.fill_diagonal_(-torch.inf)  # itself, also where rows repeat
            else:
                keep(j, pairs.T.contiguous(), start)
            keep(i, pairs, other)
    # A product of float32 can't tell how far almost equal rows are apart.
    near = torch.cat(indices)
    parts = zip(units.split(64), near.split(64), strict=True)
    distances = torch.cat([(part[:, None].double() - units[others]).norm(dim=2).float() for part, others in parts])
    order = distances.sort(dim=1, stable=True)
    return Nearest(near.gather(1, order.indices).numpy(), order.values.numpy())


def shared(one: NDArray[np.int32], other: NDArray[np.int32]) -> Floats:
    """Return which share of the neighbours in each row of one list [n, k] is in that row of another [n, k], too."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1, dtype=np.float32)


def checked(embeddings: Tensor, least: int) -> Floats:
    """Return embeddings of at least so many nodes [nodes, dim] as an array; a UserError where they can't be mapped."""
    values: Floats = embeddings.detach().cpu().float().contiguous().numpy()
    if values.ndim != 2 or len(values) < least or values.shape[1] < 2:
        raise UserError(f"a map needs at least {least} rows and 2 columns; those given are {list(values.shape)}")
    if not np.isfinite(values).all():
        raise UserError("the embeddings hold numbers that are not finite, so they cannot be mapped")
    return values
