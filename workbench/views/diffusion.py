"""Diffusion over a graph: how much of a walk that starts at one node is found at each other."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

BLOCK = 1 << 22  # numbers that are diffused in one go: 16 MiB


class Diffusion(NamedTuple):
    """What is asked of a diffusion; see `personalised_pagerank`."""

    teleport: float
    steps: int
    entries: int


def personalised_pagerank(adjacency: Tensor, teleport: float, steps: int, entries: int) -> Tensor:
    """Return the largest entries of each row of S = α Σ_k (1 - α)^k Ã^k, CSR [nodes, nodes], α being `teleport`.

    S is iterated as S ← α I + (1 - α) S Ã from the identity, by blocks of rows, so that a dense matrix over all nodes
    never exists and rows sum to 1 after any number of steps where those of Ã do. Source: Klicpera, Weissenberger and
    Günnemann, Diffusion Improves Graph Learning, NeurIPS 2019; the power iteration and the cut are ours.

    Args:
        adjacency: Ã, normalised, CSR [nodes, nodes].
        teleport: share of a walk that starts anew at each step, in (0, 1].
        steps: of the iteration, what is left out of S being at most (1 - α)^steps.
        entries: most that are kept of a row; they are not scaled up for those that are cut.
    """
    nodes = len(adjacency)
    parts = (part.cpu().numpy() for part in (adjacency.values(), adjacency.col_indices(), adjacency.crow_indices()))
    backwards = sp.csr_matrix(tuple(parts), (nodes, nodes)).T.tocsr()
    kept, step = [], max(1, BLOCK // nodes)
    for start in range(0, nodes, step):
        places = np.arange(min(step, nodes - start))
        columns = np.zeros((nodes, len(places)), dtype=np.float32)  # rows of S, turned round
        columns[start + places, places] = 1
        for _ in range(steps):
            columns = np.float32(1 - teleport) * (backwards @ columns)
            columns[start + places, places] += np.float32(teleport)
        if entries < nodes:
            small = np.argpartition(columns, nodes - entries, axis=0)[: nodes - entries]
            np.put_along_axis(columns, small, 0, axis=0)
        kept.append(sp.csr_matrix(columns.T))
    found = sp.vstack(kept, format="csr") if kept else backwards
    pointer, indices = (torch.from_numpy(part.astype(np.int64)) for part in (found.indptr, found.indices))
    values = torch.from_numpy(found.data)
    made = torch.sparse_csr_tensor(pointer, indices, values, (nodes, nodes), check_invariants=False)
    return made.to(adjacency.device)
