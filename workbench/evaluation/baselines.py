"""Baselines that train nothing, by name; each kind of data names its own in `Kind.baselines` and `Kind.on_request`."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import svds
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import to_scipy_sparse_matrix

from workbench.datasets.attributes import SPARSE_BELOW
from workbench.datasets.bipartite import interactions
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.hetero import target_type
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import chosen_paths, relations, smallest_middle
from workbench.datasets.structure import adjacency
from workbench.evaluation.embeddings import matrix_of
from workbench.evaluation.ranking import user_items
from workbench.registry import Registry

Embed = Callable[[Any], Any]


class Baseline(NamedTuple):
    """What a table calls a baseline, and what makes of data something that `evaluate` scores."""

    label: str
    embed: Embed


BASELINES: Registry[Baseline] = Registry("baseline")
RANK = 64  # of "svd"
ROWS = 256  # that "netmf" computes in one go
ENTRIES = 2**26  # that it keeps: half a GiB


def baseline(name: str, label: str) -> Callable[[Embed], Embed]:
    """Register the decorated function under a name."""

    def enter(embed: Embed) -> Embed:
        BASELINES.register(name)(Baseline(label, embed))
        return embed

    return enter


class Embedded(NamedTuple):
    """What a baseline makes of data, as `evaluate` asks it of a stored run: `path` is where its scores are kept."""

    embeddings: Any
    path: Path | None


def embed(name: str, data: Any, store: Path | None) -> Embedded:
    """Return what a baseline makes of data; its scores are kept in a folder of the store, of a function nowhere."""
    embeddings = BASELINES.get(name).embed(data)
    return Embedded(embeddings, None if store is None or callable(embeddings) else store / ".baselines")


@baseline("raw", "raw attributes")
def raw(data: Any) -> Any:
    """Return the attributes as they are [items, features]; targets of a typed graph without any are one-hot."""
    x = kind_of(data).attributes(data)
    return sp.identity(data[target_type(data)].num_nodes, format="csr") if x is None else x


@baseline("propagated", "propagated attributes Â²X")
def propagated(graph: Data, hops: int = 2) -> Any:
    """Return Â^hops · X [nodes, features], Â = D^-½(A + I)D^-½ as in a GCN layer (Kipf and Welling, 2017, eq. 2).

    Sparse attributes stay sparse as long as few entries are filled.
    """
    return next(itertools.islice(_smoothed(graph), hops, None))


def _smoothed(graph: Data) -> Iterator[Any]:
    """Yield X, ÂX, Â²X, ... without end."""
    edges, weights = gcn_norm(graph.edge_index.cpu(), num_nodes=graph.num_nodes)
    smoother = to_scipy_sparse_matrix(edges.flip(0), weights, graph.num_nodes).tocsr()
    x = matrix_of(graph.x, graph)
    while True:
        yield x
        x = smoother @ x
        if sp.issparse(x) and x.nnz > SPARSE_BELOW * np.prod(x.shape):
            x = x.toarray()


@baseline("hops", "hops X, ÂX, Â²X, Â⁴X")
def hops(graph: Data, steps: tuple[int, ...] = (0, 1, 2, 4), dim: int = 256) -> NDArray[np.float32]:
    """Return attributes of several distances side by side [nodes, at most steps · dim]; nothing is trained.

    Each Â^step · X is cut to its `dim` largest singular directions, by a seeded randomised decomposition where it has
    more columns, and its rows are then of unit length, so that no distance drowns another.
    """
    parts = []
    for step, x in enumerate(itertools.islice(_smoothed(graph), max(steps) + 1)):
        if step in steps:
            parts.append(_narrowed(x, dim))
    return np.hstack(parts)


def _narrowed(x: Any, dim: int) -> NDArray[np.float32]:
    """Return a matrix cut to its largest singular directions where it has more, rows of unit length [rows, <= dim]."""
    with threadpool_limits(1):  # blocks of a few hundred columns
        if min(x.shape) > dim:
            u, values, _ = randomized_svd(x, dim, random_state=0)
            x = u * values
    return normalize(x.toarray() if sp.issparse(x) else x).astype(np.float32)


@baseline("paths", "Â²X of each meta-path")
def paths(data: HeteroData, dim: int = 256) -> NDArray[np.float32]:
    """Return `propagated_path` of each side by side, cut to `dim` directions as in `hops` [targets, paths · dim]."""
    return np.hstack([_narrowed(propagated_path(data, path.name), dim) for path in chosen_paths(data)])


@baseline("sparsest-path", "Â²X of the meta-path with the fewest links")
def sparsest_path(data: HeteroData) -> Any:
    """Return `propagated_path` of the one that joins the fewest pairs of targets, but some [targets, features].

    It names one path without labels: side by side with others that join nearly all, a good one drowns. On ACM macro F1
    of heco-40 is 86.5 % along paper-author-paper and 68.1 % of both paths.
    """
    links = relations(data)
    return propagated_path(data, min(links, key=lambda name: (not links[name].nnz, links[name].nnz)))


def propagated_path(data: HeteroData, name: str) -> Any:
    """Return Â²X along a meta-path or relation [targets, features], Â = D^-½ A D^-½ of its 0/1 links with loops."""
    links = relations(data, name)[name].sign()
    links = links.maximum(sp.identity(links.shape[0], dtype=np.float32)).tocsr()
    scale = sp.diags(np.asarray(links.sum(axis=1)).ravel() ** -0.5)
    smoother, x = (scale @ links @ scale).tocsr(), raw(data)
    x = matrix_of(x, data)
    return smoother @ (smoother @ (x.toarray() if sp.issparse(x) else x))


@baseline("smallest-type", "counts of the smallest type")
def smallest_type(data: HeteroData) -> sp.csr_matrix:
    """Return how many ways lead to each node of the smallest type in the middle of a meta-path [targets, its nodes].

    On ACM it is the one-hot subject of a paper, which is nearly its class.
    """
    return smallest_middle(data)


@baseline("netmf", "walks factorised, NetMF")
def netmf(graph: Data, window: int = 10, dim: int = 128) -> NDArray[np.float32]:
    """Return what DeepWalk tends to, without walking: edges alone decide it, and no direction [nodes, at most dim].

    The matrix of `cooccurrences` is cut to its largest singular values by a seeded randomised decomposition; an
    embedding is u sqrt(s). That is all which is approximated, but on more than 8,192 nodes for the rows that are cut.
    Isolated nodes are at 0. Source: Qiu and others, Network Embedding as Matrix Factorization, WSDM 2018, algorithm 3.
    """
    logarithms = cooccurrences(graph, window)
    with threadpool_limits(1):
        u, values, _ = randomized_svd(logarithms, min(dim, logarithms.shape[0]), random_state=0)
    return (u * np.sqrt(values)).astype(np.float32)


def cooccurrences(graph: Data, window: int, negatives: int = 1, most: int = ENTRIES) -> sp.csr_matrix:
    """Return ln max(1, vol · Σ_{r ≤ window} (D⁻¹A)^r D⁻¹ / (negatives · window)), what it holds above 0 [nodes, nodes].

    It is computed by blocks of rows, of which each keeps its largest most / nodes entries: all that there are where
    the nodes are no more than that.
    """
    links = adjacency(graph).astype(np.float32)
    nodes, degrees = links.shape[0], np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)
    step = sp.csr_matrix(sp.diags(1 / degrees) @ links)
    back, widest = step.T.tocsr(), max(1, most // max(nodes, 1))
    scale = (links.sum() / (negatives * window) / degrees).astype(np.float32)[:, None]
    kept = []
    for start in range(0, nodes, ROWS):
        first = step[start : start + ROWS].T.toarray()
        reached = first.copy()
        for _ in range(window - 1):
            reached = first + back @ reached
        block = np.log(np.maximum(reached * scale, 1)).T
        if widest < nodes:
            block[block < np.partition(block, nodes - widest, axis=1)[:, [nodes - widest]]] = 0
        kept.append(sp.csr_matrix(block))
    return sp.vstack(kept, format="csr")


@baseline("common-neighbours", "common neighbours")
def common_neighbours(graph: Data) -> Any:
    """Return a scorer of pairs [2, pairs]: how many neighbours both nodes have (Liben-Nowell and Kleinberg, 2003)."""
    links = adjacency(graph)
    return lambda pairs: _shared(links, links, pairs)


@baseline("adamic-adar", "Adamic-Adar")
def adamic_adar(graph: Data) -> Any:
    """Return a scorer of pairs [2, pairs]: the sum of 1 / ln degree over common neighbours (Adamic and Adar, 2003)."""
    links = adjacency(graph)
    degrees = np.maximum(links.sum(axis=1).A1, 2)  # a common neighbour has two
    return lambda pairs: _shared(links, sp.csr_matrix(links @ sp.diags(1 / np.log(degrees))), pairs)


@baseline("preferential-attachment", "preferential attachment")
def preferential_attachment(graph: Data) -> Any:
    """Return a scorer of pairs [2, pairs]: the product of both degrees (Newman, 2001)."""
    degrees = np.diff(adjacency(graph).indptr).astype(np.float64)
    return lambda pairs: degrees[pairs[0]] * degrees[pairs[1]]


def _shared(links: sp.csr_matrix, weighted: sp.csr_matrix, pairs: NDArray[np.int64]) -> Any:
    """Return the weights of the neighbours that both nodes of each pair have, summed [pairs]."""
    return np.asarray(links[pairs[0]].multiply(weighted[pairs[1]]).sum(axis=1)).ravel()


@baseline("words", "words")
def words(data: Data) -> sp.csr_matrix:
    """Return the TF-IDF weights of the 2,000 commonest words [nodes, words]."""
    return TfidfVectorizer(max_features=2_000).fit_transform(data.text)


@baseline("sum-of-attributes", "sum of attributes")
def sum_of_attributes(graphs: GraphSet) -> Any:
    """Return the sum over each graph's nodes [graphs, features]: counts of node types, or of degrees."""
    return torch.stack([graph.x.sum(dim=0) for graph in graphs])


@baseline("weisfeiler-lehman", "Weisfeiler-Lehman counts")
def weisfeiler_lehman(graphs: GraphSet) -> sp.csr_matrix:
    """Return how often each label of three rounds of colour refinement occurs in each graph [graphs, labels].

    First labels are the different rows of attributes; a multiset of labels is known by the sum of a random whole number
    for each label. Source: Shervashidze et al., 2011.
    """
    sizes = np.array([graph.num_nodes for graph in graphs])
    owner, first = np.repeat(np.arange(len(graphs)), sizes), np.cumsum(sizes) - sizes
    source, target = np.hstack([g.edge_index.cpu().numpy() + start for g, start in zip(graphs, first, strict=True)])
    draw = np.random.default_rng(0)
    label = np.unique(torch.cat([graph.x for graph in graphs]).cpu().numpy(), axis=0, return_inverse=True)[1].ravel()
    counts = []
    for step in range(4):
        if step:
            numbers, around = draw.integers(2**62, size=label.max() + 1), np.zeros(len(label), np.int64)
            np.add.at(around, target, numbers[label[source]])  # wraps around, the same in any order
            label = np.unique(np.stack([label, around]), axis=1, return_inverse=True)[1].ravel()
        counts.append(sp.csr_matrix((np.ones(len(label), np.float32), (owner, label))))
    return sp.hstack(counts, format="csr")


@baseline("popularity", "popularity")
def popularity(data: HeteroData) -> dict[str, Any]:
    """Return embeddings whose dot product is how many training interactions an item has."""
    ratings = _ratings(data)
    return {"user": np.ones((ratings.shape[0], 1), np.float32), "item": np.asarray(ratings.sum(axis=0)).T}


@baseline("item-cosine", "item-item cosine")
def item_cosine(data: HeteroData) -> Any:
    """Return a scorer that sums the cosines of an item with those that the user has; an item is its column of users."""
    ratings = _ratings(data)
    unit = normalize(ratings, axis=0)
    return lambda users: (ratings[users] @ unit.T @ unit).toarray()


@baseline("svd", f"singular vectors, rank {RANK}")
def singular_vectors(data: HeteroData) -> dict[str, Any]:
    """Return the singular vectors of D_user^-½ R D_item^-½, those of users scaled (PureSVD, Cremonesi et al., 2010)."""
    ratings = _ratings(data)
    by_user, by_item = (sp.diags(np.maximum(np.asarray(ratings.sum(axis=a)).ravel(), 1) ** -0.5) for a in (1, 0))
    scaled = (by_user @ ratings @ by_item).astype(np.float64)
    with threadpool_limits(1):  # the solver's own products are small
        if min(scaled.shape) <= RANK or not scaled.nnz:  # the sparse solver wants more rows and columns, and a value
            u, s, v = np.linalg.svd(scaled.toarray(), full_matrices=False)
        else:
            u, s, v = svds(scaled, k=RANK, v0=np.ones(min(scaled.shape)))
    return {"user": u * s, "item": v.T}


def _ratings(data: HeteroData) -> sp.csr_matrix:
    """Return the training interactions as 0/1 [users, items]."""
    return user_items(interactions(data), data).astype(np.float32)
