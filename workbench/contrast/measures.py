"""What negatives and embeddings are like: the tables of an audit, closed forms of a loss, measures of the whole."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.utils import softmax

from workbench.contrast.kernels import log_sums
from workbench.contrast.negatives.context import Positions, SamplingContext
from workbench.contrast.negatives.selection import Selection
from workbench.contrast.pairs import Mixed
from workbench.datasets.attributes import in_memory
from workbench.datasets.structure import hop_distances
from workbench.errors import UserError
from workbench.randomness import Randomness
from workbench.types import Trained

Values = NDArray[np.float64]
Views = tuple[Tensor, ...]


class Compared(NamedTuple):
    """Both views [nodes, dim], or the one matrix that stands for both, and what they are in words."""

    views: Views
    note: str


_BLOCK = 1 << 22  # numbers looked at in one go: 32 MiB
_DRAWS = 1_000  # of a bootstrap


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
    context = SamplingContext(graph, anchors=torch.from_numpy(nodes))
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


def views_of(embedding: Any, graph: Data, tau: float) -> Compared:
    """Return what an audit compares, checked; what was checked before as it is."""
    nodes = int(graph.num_nodes or 0)
    if isinstance(embedding, Compared):
        return embedding
    if embedding is None:
        if graph.x is None:
            raise UserError("the audit compares attributes, and the graph has none; pass an embedding")
        u = v = in_memory(graph.x, "the audit")
        note = "Similarities are of the attributes, which stand for both views."
    elif isinstance(embedding, Tensor) or (isinstance(embedding, np.ndarray) and embedding.dtype.kind in "biuf"):
        u = v = torch.as_tensor(embedding)
        note = "Similarities are of the matrix given, which stands for both views."
    elif isinstance(embedding, tuple | list):
        if len(embedding) != 2:
            raise UserError(f"two views are two matrices [nodes, dim], not {len(embedding)}")
        (u, v), note = map(torch.as_tensor, embedding), "Similarities are of the two matrices given, one per view."
    elif not hasattr(embedding, "projections"):
        raise UserError(f"an embedding is a run or a matrix [nodes, dim], not {type(embedding).__name__}")
    else:
        by_node = projections_by_node(embedding, nodes)
        u, v = by_node or [embedding.embeddings] * 2
        note = "Similarities are of both views' projections, which the run's last step compared."
        if not by_node:
            note = "The run has no projections of two views with one row per node: its embeddings stand for both."
        if embedding.contrast is not None and embedding.contrast.tau != tau:
            note += f" Gradients and q are at a temperature of {tau}; the run was trained at {embedding.contrast.tau}."
    if u.dim() != 2 or len(u) != nodes or u.shape != v.shape or not u.numel():
        raise UserError(f"an audit compares rows [{nodes}, dim] in each view, not {list(u.shape)} and {list(v.shape)}")
    if u.is_complex() or v.is_complex():
        raise UserError("the embedding holds complex numbers; an audit compares real ones")
    stored = (rows if rows.layout == torch.strided else rows.to_sparse_coo().coalesce().values() for rows in (u, v))
    if not all(rows.sum().isfinite() or rows.isfinite().all() for rows in stored):  # a finite sum has no other terms
        raise UserError("the embedding holds numbers that are not finite, so an audit can't compare nodes by it")
    same = u is v or torch.equal(u, v)
    return Compared(tuple(rows.detach().cpu() for rows in ((u,) if same else (u, v))), note)


def _rows(matrix: Tensor, nodes: Positions) -> Tensor:
    """Return some rows of a matrix that may be sparse, dense [some, dim]."""
    matrix = matrix if matrix.layout == torch.strided else matrix.to_sparse_coo()
    return matrix.index_select(0, torch.from_numpy(nodes)).to_dense()


def projections_by_node(run: Trained, nodes: int) -> tuple[Tensor, ...] | None:
    """Return the projections of both views that a run compared, where they have one row per node, else None."""
    by_node = run.contrast is not None and run.contrast.nodes is None
    return run.projections if by_node and [len(rows) for rows in run.projections] == [nodes] * 2 else None


def node_classes(graph: Data) -> Positions:
    """Return the class of each node, negative for none; several labels per node count as none [nodes]."""
    y, nodes = graph.get("y"), int(graph.num_nodes or 0)
    labels = np.asarray(y.cpu()).reshape(-1) if isinstance(y, Tensor) else np.empty(0)
    if len(labels) != nodes or not np.issubdtype(labels.dtype, np.integer):
        return np.full(nodes, -1)
    return labels.astype(np.int64)


def label_precision(pairs: sp.csr_matrix, labels: Positions) -> float:
    """Return the share of pairs of a sparse matrix [items, items] whose items are of one class; nan without any pair.

    Items of an unknown class, negative in `labels` [items], and pairs of an item with itself are left out.
    """
    first, second = pairs.nonzero()
    known = (labels[first] >= 0) & (labels[second] >= 0) & (first != second)
    same = labels[first[known]] == labels[second[known]]
    return float(same.mean()) if len(same) else np.nan


def false_parents(mixed: Mixed, labels: Tensor) -> float:
    """Return the share of synthetic negatives of which a parent, not the anchor itself, is of the anchor's class.

    Labels are the class of each row [rows].
    """
    rows = torch.arange(len(labels))[:, None]
    first, second = (
        (labels[parent] == labels[rows]) & (parent != rows) for parent in (mixed.first.cpu(), mixed.second.cpu())
    )
    return float((first | second).float().mean())


def gradient_shares(logits: Tensor, positive: Tensor, weight: Tensor, anchor: Tensor) -> Tensor:
    """Return each negative's share of what the gradient of its anchor's InfoNCE puts on all its negatives [pairs].

    With the positive's logit s+ the derivative of an anchor's loss in one view by the logit s_j of a negative is
    W_j exp(s_j) / (exp(s+) + sum_k W_k exp(s_k)). For a pair it is summed over both views as the anchor's and both as
    the negative's, and divided by the anchor's total, so that shares sum to 1. Source: the proof of E2Neg's theorem 2.

    Args:
        logits: s / tau of each pair, by the anchor's view and by the negative's [views, banks, pairs].
        positive: s / tau of each anchor's positive pair [views, anchors].
        weight: W of each pair, above 0 [pairs].
        anchor: number of each pair's anchor [pairs].
    """
    terms = logits.logsumexp(1) + weight.log()
    total = torch.logaddexp(positive, log_sums(terms, anchor, positive.shape[1]))
    slope = (terms - total[:, anchor]).logsumexp(0)
    return softmax(slope, anchor, num_nodes=positive.shape[1])


def coupling(logits: Tensor, positive: Tensor, weight: Tensor, anchor: Tensor) -> Tensor:
    """Return q = U / (exp(s+) + U), by which DCL's gradient of an anchor is multiplied in InfoNCE [views, anchors].

    U is the weighted sum of exp(s) over its negatives in both views; without any q is 0. Arguments as for
    `gradient_shares`. Source: Yeh and others, Decoupled Contrastive Learning, ECCV 2022.
    """
    return (log_sums(logits.logsumexp(1) + weight.log(), anchor, positive.shape[1]) - positive).sigmoid()


def alignment(u: Tensor, v: Tensor) -> float:
    """Return the mean of ||u_i - v_i||^2 of rows [nodes, dim] scaled to unit length, 0 to 4 (Wang and Isola, 2020)."""
    return float((normalize(u.double(), dim=1) - normalize(v.double(), dim=1)).square().sum(1).mean())


def _units(rows: Any, nodes: Tensor) -> Tensor:
    """Return some rows of a tensor or SciPy matrix, scaled to unit length, in float64 [some, dim]."""
    some = torch.from_numpy(rows[nodes.numpy()].toarray()) if sp.issparse(rows) else rows[nodes]
    return normalize(some.double(), dim=1)


def link_alignment(rows: Any, links: Tensor) -> float:
    """Return the mean of ||x - y||^2 over links [2, links] of rows [nodes, dim] scaled to unit length, 0 to 4.

    This is `alignment` where linked nodes, not two views of one node, are the positive pairs; loops are left out. nan
    without links. Each link counts as often as it is listed.
    """
    total, count = 0.0, 0
    for part in links.split(max(1, _BLOCK // max(1, rows.shape[1])), dim=1):
        part = part[:, part[0] != part[1]]
        total += float((_units(rows, part[0]) - _units(rows, part[1])).square().sum())
        count += part.shape[1]
    return total / count if count else float("nan")


def uniformity(rows: Any, most: int = 2_000, seed: int = 0) -> float:
    """Return log mean exp(-2 ||x - y||^2) over pairs of rows, -8 to 0, lower being more uniform; nan below two rows.

    Of rows [nodes, dim] scaled to unit length, at most `most` of them, drawn with the seed (Wang and Isola, 2020).
    """
    nodes = torch.arange(rows.shape[0])
    if len(nodes) > most:
        nodes = torch.randperm(len(nodes), generator=Randomness(seed).generator("uniformity"))[:most]
    if len(nodes) < 2:
        return float("nan")
    units = _units(rows, nodes)
    # Products are several times as fast as distances of pairs; a row of zeros has no length.
    size = units.square().sum(1)
    near = (units @ units.T).mul_(4).sub_(2 * size).sub_(2 * size[:, None]).exp_()
    return float(((near.sum() - near.trace()) / (len(nodes) * (len(nodes) - 1))).log())


def overlap(fields: sp.csr_matrix, first: Positions, second: Positions) -> Values:
    """Return the Jaccard index of two of the receptive fields, 0/1 [fields, nodes], for each pair of them [pairs]."""
    size = np.diff(fields.indptr).astype(np.int64)
    block, both = np.cumsum(size[first] + size[second]) // _BLOCK, np.zeros(len(first))
    for mine in np.split(np.arange(len(first)), np.flatnonzero(np.diff(block)) + 1):
        both[mine] = fields[first[mine]].multiply(fields[second[mine]]).getnnz(1)
    return both / (size[first] + size[second] - both)


def resampled(upper: Values, lower: Values, seed: int) -> tuple[Values, Values, Values]:
    """Return ratios of two sums over anchors [anchors, ratios], and their bootstrap intervals, [ratios] each."""

    def ratio(a: Values, b: Values) -> Values:
        return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)

    anchors, draw, drawn = len(upper), np.random.default_rng(Randomness(seed).integer("bootstrap")), []
    low, high = np.full((2, upper.shape[1]), np.nan)
    spread = (lower > 0).sum(0) > 1
    if spread.any():
        step = max(1, _BLOCK // anchors)
        for size in np.diff([*range(0, _DRAWS, step), _DRAWS]):
            cells = draw.integers(anchors, size=(size, anchors)) + anchors * np.arange(size)[:, None]
            times = np.bincount(cells.ravel(), minlength=size * anchors).reshape(size, anchors).astype(np.float64)
            drawn.append(ratio(times @ upper[:, spread], times @ lower[:, spread]))
        low[spread], high[spread] = np.nanquantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
    return ratio(upper.sum(0), lower.sum(0)), low, high
