"""Meta-paths of a typed graph: which there are, how many of their instances join two targets, and what lies on them.

A meta-path leads from the target type along relations and back the same way, as "pap" does from papers by authors to
papers. Instances are counted by sparse products; the files of HeCo hold 0 and 1 in place of counts.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.preprocessing import normalize
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from workbench.datasets.hetero import MetaPath, meta_paths, target_type
from workbench.errors import UserError, unknown


def links(data: HeteroData, source: str, target: str, relation: EdgeType | None = None) -> sp.csr_matrix:
    """Return which nodes of two types have an edge, in whatever relation and direction, 0/1 [sources, targets].

    Args:
        data: a typed graph.
        source, target: names of types.
        relation: the only relation that counts; None for all between the two.
    """
    shape = int(data[source].num_nodes or 0), int(data[target].num_nodes or 0)
    pairs = [np.empty((2, 0), np.int64)]
    for edge_type in data.edge_types:
        if relation not in (None, edge_type):
            continue
        ends = data[edge_type].edge_index.cpu().numpy()
        pairs += [ends] if (edge_type[0], edge_type[2]) == (source, target) else []
        pairs += [ends[::-1]] if (edge_type[2], edge_type[0]) == (source, target) else []
    rows, columns = np.concatenate(pairs, axis=1)
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
    matrix.data[:] = 1
    return matrix


def chosen_paths(data: HeteroData, names: str | Sequence[str] = ()) -> list[MetaPath]:
    """Return the meta-paths of these names, separated by commas or a list, or all where none is named.

    Raises:
        UserError: there is none, or none of a name.
    """
    known = {path.name: path for path in meta_paths(data)}
    if not known:
        raise UserError(f"no relation leads from the target type {target_type(data)!r}, so there is no meta-path")
    asked = [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else [*names]
    for name in asked:
        if name not in known:
            raise unknown("meta-path", name, known, "of this graph")
    return [known[name] for name in asked or known]


def steps(data: HeteroData, path: MetaPath) -> list[sp.csr_matrix]:
    """Return the links of each step of a meta-path, 0/1 [nodes of a type, nodes of the next] each."""
    if path.relation is not None:
        own = links(data, path.types[0], path.types[1], path.relation)
        return [own.maximum(own.T).tocsr()]
    return [links(data, a, b) for a, b in pairwise(path.types)]


def half(data: HeteroData, path: MetaPath) -> sp.csr_matrix:
    """Return how many ways lead from each target to each node in the middle of a path [targets, middle nodes]."""
    whole = steps(data, path)
    return reduce(lambda a, b: (a @ b).tocsr(), whole[: max(1, len(whole) // 2)])


def path_counts(data: HeteroData, path: MetaPath) -> sp.csr_matrix:
    """Return how many instances of a meta-path join each two targets, float32 [targets, targets]; CSR, sorted."""
    left = half(data, path)
    counts = left if path.relation is not None else (left @ left.T).tocsr()
    counts.sort_indices()
    return counts


def relations(data: HeteroData, names: str | Sequence[str] = ()) -> dict[str, sp.csr_matrix]:
    """Return the instances that join each two targets by the name of the meta-path, or of the relation."""
    return {path.name: path_counts(data, path) for path in chosen_paths(data, names)}


def path_sim(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Return PathSim of each two targets that a path joins, 2 A_ij / (A_ii + A_jj), of the same pattern.

    Where counts are 0 and 1 it is 1 throughout (Sun and others, PathSim, VLDB 2011).
    """
    own, pairs = counts.diagonal(), counts.tocoo()
    around = own[pairs.row] + own[pairs.col]
    values = np.divide(2 * pairs.data, around, out=np.ones_like(pairs.data), where=around > 0)
    return sp.csr_matrix((values, (pairs.row, pairs.col)), counts.shape)


def largest(values: sp.csr_matrix, k: int, ties: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the k largest entries of each row as (rows, columns) [entries], and in which rows the k-th is tied [rows].

    Args:
        values: CSR. k: how many at most.
        ties: of entries that are equal, those of nodes with the smaller number come first [columns]; None for node ids.
    """
    columns, sizes = values.indices, np.diff(values.indptr)
    rows = np.repeat(np.arange(values.shape[0]), sizes)
    order = np.lexsort((columns if ties is None else ties[columns], -values.data, rows))
    place = np.arange(len(rows)) - np.repeat(values.indptr[:-1], sizes)
    tied = np.zeros(values.shape[0], bool)
    longer = np.flatnonzero(sizes > k)
    ordered = values.data[order]
    tied[longer] = ordered[values.indptr[longer] + k - 1] == ordered[values.indptr[longer] + k]
    kept = order[place < k]
    return rows[kept], columns[kept], tied


def positives(
    counts: Sequence[sp.csr_matrix], k: int, ties: np.ndarray, own: bool = False, by_path: bool = True
) -> sp.csr_matrix:
    """Return whom HeCo takes for positives: of each target the k others, or itself, that most paths join it with, 0/1.

    Args:
        counts: of each meta-path [targets, targets].
        k: how many at most. ties: see `largest`.
        own: whether each target is a positive of itself beside them; as released it is only if it is among the k.
        by_path: whether it counts how many meta-paths join two targets, as released, and not how many instances.
    """
    total = sum((a.sign() if by_path else a for a in counts[1:]), counts[0].sign() if by_path else counts[0]).tocsr()
    rows, columns, _ = largest(total, k, ties)
    chosen = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), total.shape)
    alone = np.ones(total.shape[0]) if own else (chosen.getnnz(axis=1) == 0).astype(float)
    return chosen.maximum(sp.diags(alone.astype(np.float32))).tocsr()


def smallest_middle(data: HeteroData) -> sp.csr_matrix:
    """Return the counts of the smallest type in the middle of a meta-path, rows of unit length [targets, its nodes]."""
    halves = [half(data, path) for path in chosen_paths(data) if path.relation is None]
    if not halves:
        raise UserError(f"no relation leads from the target type {target_type(data)!r} to another type")
    return normalize(min(halves, key=lambda matrix: matrix.shape[1]))


def as_multiplex(data: HeteroData, names: str | Sequence[str] = ()) -> HeteroData:
    """Return the targets of a typed graph with a relation for each meta-path, labels and masks included."""
    made, target = HeteroData(), target_type(data)
    made[target].update(data[target].to_dict())
    for name, counts in relations(data, names).items():
        made[target, name, target].edge_index = torch.from_numpy(np.stack(counts.nonzero())).long()
    return made
