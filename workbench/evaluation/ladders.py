"""Whether an encoder takes a graph the farther away the more it is edited."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch_geometric.data import Batch, Data

from workbench.datasets.graph_sets import GraphSet
from workbench.errors import UserError
from workbench.views.graphs import ladders


def edit_order(
    encode: Callable[[GraphSet], Any], graphs: Any, copies: int = 3, strength: float = 0.01, seed: int = 0
) -> NDArray[np.float64]:
    """Return Spearman's correlation of distance and number of edits within the ladder of each graph [ladders].

    A graph of which all copies are edited alike, as it is too small or too dense, has no ladder.
    Copy k of a graph has k times the edits of the first, all random and symmetric. An encoder that was never trained
    orders ladders as well: its value belongs beside that of a training.

    Args:
        encode: from a set of graphs to their embedding [graphs, dim], e.g. `run.encode`.
        graphs: such that the training did not see.
        copies, strength: as for `workbench.views.graphs.ladders`; at least 2 copies.
        seed: of the edits.

    Raises:
        UserError: fewer than two copies, or no graph of which two copies differ in their number of edits.
    """
    if copies < 2:
        raise UserError(f"a ladder of {copies} copies has no order; at least 2 are needed", parameter="copies")
    batch = Batch.from_data_list(list(graphs))
    draw = torch.Generator().manual_seed(seed)
    edges, edits = ladders(batch.edge_index, batch.ptr.diff(), copies, strength, draw)
    kept = edits.amin(0) < edits.amax(0)
    if not bool(kept.any()):
        raise UserError("no graph of this set has copies that differ in their edits: all are too small or complete")
    z = encode(_separate(batch.x.repeat(copies + 1, 1), edges, batch.ptr.diff().repeat(copies + 1)))
    z = torch.as_tensor(z).view(copies + 1, len(graphs), -1)
    away = (z[1:] - z[:1]).double().norm(dim=-1)
    ranks = [rankdata(part[:, kept], axis=0) for part in (away.numpy(), edits.numpy())]
    first, second = (part - part.mean(0) for part in ranks)
    spread = np.sqrt((first**2).sum(0) * (second**2).sum(0))
    product: NDArray[np.float64] = (first * second).sum(0)
    return np.divide(product, spread, out=np.zeros_like(spread), where=spread > 0)


def _separate(x: Tensor, edge_index: Tensor, nodes: Tensor) -> GraphSet:
    """Return graphs that stood together as one, each with nodes numbered from 0."""
    first = nodes.cumsum(0) - nodes
    owner = torch.arange(len(nodes)).repeat_interleave(nodes)[edge_index[0]]
    order = owner.argsort(stable=True)
    parts = (edge_index - first[owner])[:, order].split(torch.bincount(owner, minlength=len(nodes)).tolist(), 1)
    return GraphSet(Data(x=rows, edge_index=e) for rows, e in zip(x.split(nodes.tolist()), parts, strict=True))
