"""The tables of an audit: what each pair of anchor and negative is like, by topology, class and similarity."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast.measures import coupling, gradient_shares, overlap
from workbench.contrast.negatives.context import Positions, SamplingContext
from workbench.contrast.negatives.selection import Selection
from workbench.datasets.structure import hop_distances
from workbench.errors import UserError
from workbench.types import Trained

Views = tuple[Tensor, ...]


def _cosines(units: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return cosines of pairs of rows of [rows, 1 or 2 views, dim], by the views of both [2, 2, pairs]."""
    step = max(1, (1 << 18) // max(units[:1].numel(), 1))  # few enough to stay in the cache
    parts = [units[i] @ units[j].mT for i, j in zip(first.split(step), second.split(step), strict=True)]
    return torch.cat(parts).expand(-1, 2, 2).permute(1, 2, 0)


def tables_of(
    part: Selection, graph: Data, labels: Positions, views: Views, tau: float, receptive: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of pairs and anchors."""
    audited, (anchor, negative, weight) = part.anchors.numpy(), part.pairs()
    anchor, negative, weight = anchor[weight > 0], negative[weight > 0], weight[weight > 0]
    place = pd.Index(audited).get_indexer(anchor)
    nodes = np.unique(np.concatenate([audited, negative]))
    own, first, second = (np.searchsorted(nodes, ids) for ids in (audited, anchor, negative))
    topology = Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes)
    context = SamplingContext(topology, anchors=torch.from_numpy(nodes))
    fewer = len(np.unique(negative)) < len(audited)  # the search goes from each first node once
    units = torch.stack([normalize(_rows(view, nodes).double(), dim=1) for view in views], 1)
    positive = (units[own, 0] * units[own, -1]).sum(1)
    cosines = _cosines(units, torch.from_numpy(first), torch.from_numpy(second))
    terms = cosines / tau, positive.expand(2, -1) / tau, torch.from_numpy(weight), torch.from_numpy(place)
    share, cosine = gradient_shares(*terms).numpy(), cosines.mean((0, 1)).numpy()
    known = (labels[anchor] >= 0) & (labels[negative] >= 0)
    false = known & (labels[anchor] == labels[negative])
    bar = positive.numpy()[place] if len(views) > 1 else pd.Series(cosine).quantile(0.9)
    jaccard = overlap(context.within(receptive), first, second)
    pairs = pd.DataFrame({
        "anchor": anchor, "negative": negative, "weight": weight, "cosine": cosine,
        "hops": hop_distances(context.links, *((negative, anchor) if fewer else (anchor, negative))),
        "degree": np.diff(context.links.indptr).astype(np.int64)[negative],
        "same_class": np.where(known, false.astype(object), None), "gradient_share": share,
        "overlap": jaccard, "false": false, "coupled": jaccard > 0, "hard": cosine > bar,
    })  # fmt: skip
    size = len(audited)
    count, labelled, same = (np.bincount(place, counted, size) for counted in (np.ones(len(place)), known, false))
    spread = np.bincount(place, -share * np.log(np.where(share > 0, share, 1.0)), size)
    nothing = np.full(size, np.nan)
    return pairs, pd.DataFrame({
        "anchor": audited, "negatives": count.astype(np.int64),
        "false_share": np.divide(same, labelled, out=nothing.copy(), where=labelled > 0),
        "q": np.where(count > 0, coupling(*terms).mean(0).numpy(), np.nan), "positive": positive.numpy(),
        "entropy": np.divide(spread, np.log(np.maximum(count, 1)), out=nothing, where=count > 1),
    })  # fmt: skip


def views_of(embedding: Any, graph: Data, tau: float) -> tuple[Views, str]:
    """Return both views [nodes, dim], or the one matrix that stands for both, and what they are in words."""
    nodes = int(graph.num_nodes or 0)
    if embedding is None:
        if graph.x is None:
            raise UserError("the audit compares attributes, and the graph has none; pass an embedding")
        u, v, note = graph.x, graph.x, "Similarities are of the attributes, which stand for both views."
    elif isinstance(embedding, Tensor | np.ndarray):
        u = v = torch.as_tensor(embedding)
        note = "Similarities are of the matrix given, which stands for both views."
    elif isinstance(embedding, tuple | list):
        if len(embedding) != 2:
            raise UserError(f"two views are two matrices [nodes, dim], not {len(embedding)}")
        (u, v), note = map(torch.as_tensor, embedding), "Similarities are of the two matrices given, one a view."
    elif not hasattr(embedding, "projections"):
        raise UserError(f"an embedding is a run or a matrix [nodes, dim], not {type(embedding).__name__}")
    else:
        by_node = projections_by_node(embedding, nodes)
        u, v = by_node or [embedding.embeddings] * 2
        note = "Similarities are of both views' projections, which the run's last step compared."
        if not by_node:
            note = "The run has no projections of two views with one row a node: its embeddings stand for both."
        if embedding.contrast is not None and embedding.contrast.tau != tau:
            note += f" Gradients and q are at a temperature of {tau}; the run was trained at {embedding.contrast.tau}."
    if u.dim() != 2 or len(u) != nodes or u.shape != v.shape:
        raise UserError(f"an audit compares rows [{nodes}, dim] in each view, not {list(u.shape)} and {list(v.shape)}")
    stored = (rows if rows.layout == torch.strided else rows.to_sparse_coo().coalesce().values() for rows in (u, v))
    if not all(rows.isfinite().all() for rows in stored):
        raise UserError("the embedding holds numbers that are not finite, so an audit can't compare nodes by it")
    same = u is v or torch.equal(u, v)
    return tuple(rows.detach().cpu() for rows in ((u,) if same else (u, v))), note


def _rows(matrix: Tensor, nodes: Positions) -> Tensor:
    """Return some rows of a matrix that may be sparse, dense [some, dim]."""
    matrix = matrix if matrix.layout == torch.strided else matrix.to_sparse_coo()
    return matrix.index_select(0, torch.from_numpy(nodes)).to_dense()


def projections_by_node(run: Trained, nodes: int) -> tuple[Tensor, ...] | None:
    """Return the projections of both views that a run compared, where they have one row a node, else None."""
    by_node = run.contrast is not None and run.contrast.nodes is None
    return run.projections if by_node and [len(rows) for rows in run.projections] == [nodes] * 2 else None


def node_classes(graph: Data) -> Positions:
    """Return the class of each node, negative for none; several labels a node count as none [nodes]."""
    y, nodes = graph.get("y"), int(graph.num_nodes or 0)
    labels = np.asarray(y.cpu()).reshape(-1) if isinstance(y, Tensor) else np.empty(0)
    if len(labels) != nodes or not np.issubdtype(labels.dtype, np.integer):
        return np.full(nodes, -1)
    return labels.astype(np.int64)
