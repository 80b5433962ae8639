"""Samplers that cluster the nodes and choose representatives, or the anchor's own or another cluster."""

from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import eigsh
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast.negatives.context import Positions, SamplingContext, walk
from workbench.contrast.negatives.selection import SAMPLERS, Selection, listed, shared
from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.randomness import Randomness

Spectrum = Literal["largest", "smallest"]
EXACT_BELOW = 50_000  # nodes; the exact vectors of more take minutes
ROUNDS, EXTRA = 8, 10  # of subspace iteration, two products each; columns beyond those that are asked for


@SAMPLERS.register("e2neg")
def e2neg(context: SamplingContext, k: int, randomness: Randomness, spectrum: Spectrum = "largest") -> Selection:
    """The most central node of each of k spectral clusters; they are the anchors too where nobody asks for others.

    Source: Huang and others, E2Neg, AAAI 2025, stages 1 and 2. `spectrum` is "largest" (singular vectors of the
    Laplacian, as released) or "smallest" (corrected: the smoothest vectors of the largest component). Empty clusters
    give no node.
    """
    clusters, centrality = (
        part[context.ids].numpy() for part in spectral_clusters(context.graph, k, spectrum, randomness)
    )
    because = "most central of the {cluster_size} nodes of spectral cluster {cluster}, centrality {centrality:.3f}"
    return _centres(context, clusters, centrality, because, centrality=centrality)


@SAMPLERS.register("kmeans-centres")
def kmeans_centres(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """The node nearest to each of k centres of k-means over the attributes (or the embedding that was given).

    The control for E2Neg's spectral clusters that looks at attributes and not at the graph (k-means: Lloyd, 1982).
    """
    because = "nearest to the centre of k-means cluster {cluster} of {cluster_size} nodes, at {distance:.3f}"
    clusters, distance = context.clusters(k, randomness)
    return _centres(context, clusters, -distance, because, distance=distance)


@SAMPLERS.register("random-centres")
def random_centres(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """K nodes at random that stay the same for the whole training and are the anchors too: E2Neg's placebo."""
    fixed = torch.Generator().manual_seed(randomness.integer("centres"))
    centres = torch.randperm(context.size, generator=fixed)[:k].sort().values.numpy()
    return shared(context, centres, "drawn at random, once", centres)


@SAMPLERS.register("same-cluster")
def same_cluster(context: SamplingContext, k: int, randomness: Randomness, clusters: int = 10) -> Selection:
    """K nodes of the anchor's own cluster, drawn uniformly for each anchor: what tells like from like.

    Source: Zhang and others, Learning the Unlearned (multistage contrastive learning, MCL), 2024. It clusters the
    embedding of an earlier stage; here the attributes are clustered where no embedding is given.
    """
    return _by_cluster(context, k, randomness, clusters, same=True)


@SAMPLERS.register("different-cluster")
def different_cluster(context: SamplingContext, k: int, randomness: Randomness, clusters: int = 10) -> Selection:
    """K nodes of other clusters than the anchor's, drawn uniformly for each anchor: fewer false negatives, it hopes."""
    return _by_cluster(context, k, randomness, clusters, same=False)


def _centres(
    context: SamplingContext, clusters: Positions, score: np.ndarray, because: str, **measured: np.ndarray
) -> Selection:
    """Choose the position of the highest score in each cluster; what came second is displaced."""
    order, first = _ranked(clusters, score)
    centres, size = order[first], np.diff(np.r_[first, len(order)])
    second = context.ids.numpy()[order[np.minimum(first + 1, len(order) - 1)]]
    facts = {"cluster": clusters[centres], "cluster_size": size, **{name: of[centres] for name, of in measured.items()}}
    facts["displaced"] = np.where(size > 1, second, -1)
    return shared(context, centres, because + "; displaced node {displaced}", centres, **facts)


def _ranked(clusters: Positions, score: np.ndarray) -> tuple[Positions, Positions]:
    """Return the positions in a cluster, by cluster and from the highest score, and where each cluster begins."""
    order = np.lexsort((-score, clusters))
    order = order[clusters[order] >= 0]
    return order, np.unique(clusters[order], return_index=True)[1]


def most_central(clusters: Tensor, centrality: Tensor) -> Tensor:
    """Return the node of highest centrality in each non-empty cluster, by cluster [centres]."""
    order, first = _ranked(clusters.numpy(), centrality.numpy())
    return torch.from_numpy(order[first])


def _by_cluster(context: SamplingContext, k: int, randomness: Randomness, clusters: int, same: bool) -> Selection:
    cluster, _ = context.clusters(min(clusters, context.size), randomness)
    own = cluster[context.anchors]
    chosen = walk(context, k, randomness, lambda rows, seen: (cluster[seen] == own[rows]) == same)
    because = "of the anchor's cluster {cluster}" if same else "of cluster {cluster}, the anchor is of {own_cluster}"
    return listed(
        context, chosen, because, lambda rows: {"cluster": cluster[chosen[rows]], "own_cluster": own[rows][:, None]}
    )


def spectral_clusters(graph: Data, k: int, spectrum: Spectrum, randomness: Randomness) -> tuple[Tensor, Tensor]:
    """Cluster nodes by k singular vectors of the normalised Laplacian; the norm of a node's row is its centrality.

    The spectrum "largest", as released, takes the most oscillating vectors, "smallest" the smoothest of the largest
    component, in which clusters are communities. Differs from the release, which leaves the eigensolver unseeded; from
    `EXACT_BELOW` nodes on the vectors come from subspace iteration (Halko, Martinsson, Tropp, 2011).

    Returns:
        Cluster of each node, -1 for none [nodes], and centrality, 0 outside clusters, float64 [nodes].
    """
    a, nodes = adjacency(graph), int(graph.num_nodes or 0)
    inside = np.arange(nodes)
    if spectrum == "smallest":
        labels = sp.csgraph.connected_components(a, directed=False)[1]
        inside = np.flatnonzero(labels == np.bincount(labels).argmax())
        a = a[inside][:, inside]
    if not 1 <= k < len(inside):
        raise UserError(f"{k} centres were asked for; the graph allows 1 to {len(inside) - 1} with this spectrum")
    degree = np.asarray(a.sum(1)).ravel()
    scale = sp.diags(np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
    normalised = (scale @ a @ scale).tocsr()
    identity = sp.eye(len(inside), format="csr")
    if spectrum == "largest":
        matrix = identity - normalised
    else:  # the exact solver takes either sign
        matrix = normalised if len(inside) < EXACT_BELOW else normalised + identity
    vectors = _leading(matrix, k, randomness.integer("spectrum"))
    spread = vectors.std(0)
    standardised = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1.0)
    clusters, centrality = np.full(nodes, -1), np.zeros(nodes)
    with threadpool_limits(1):
        model = MiniBatchKMeans(k, batch_size=2000, n_init=10, random_state=42)
        clusters[inside] = model.fit_predict(standardised)
    centrality[inside] = np.linalg.norm(vectors, axis=1)
    return torch.from_numpy(clusters), torch.from_numpy(centrality)


@threadpool_limits.wrap(limits=1)  # threads that wait for one another cost more than they save on such products
def _leading(matrix: sp.csr_matrix, k: int, seed: int) -> np.ndarray:
    """Return the vectors of the k highest eigenvalues of a symmetric matrix [rows, k].

    Of a matrix with `EXACT_BELOW` rows or more none may be negative.
    """
    draw = np.random.default_rng(seed)
    if matrix.shape[0] >= EXACT_BELOW:
        return _iterated(matrix, draw.standard_normal((matrix.shape[0], k + EXTRA), np.float32))[:, :k]
    # Small components repeat eigenvalues, where the solver restarts with random vectors: it needs the generator, too.
    values, vectors = eigsh(matrix, k, which="LA", v0=draw.standard_normal(matrix.shape[0]), rng=draw)
    return vectors[:, np.argsort(-values, kind="stable")]


def _iterated(matrix: sp.csr_matrix, start: np.ndarray) -> np.ndarray:
    """Return approximate leading vectors of a symmetric positive matrix, the first of them first [rows, columns].

    Subspace iteration in single precision, which moves half the memory, from a random start [rows, columns]; a
    Rayleigh-Ritz step at its end turns the space to the vectors.
    """
    pointer, columns = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(matrix.data.astype(np.float32))
    operator = torch.sparse_csr_tensor(pointer, columns, values, matrix.shape, check_invariants=False)
    space = torch.from_numpy(start)
    for _ in range(ROUNDS):
        space = operator @ (operator @ space)
        # Two products spread the columns by little, so that Cholesky's factor of their products makes them orthonormal.
        factor = torch.linalg.cholesky((space.T @ space).double()).to(space)
        space = space @ torch.linalg.inv(factor.T)
    _, turn = torch.linalg.eigh((space.T @ (operator @ space)).double())
    vectors: np.ndarray = (space.double() @ turn.flip(1)).numpy()
    return vectors
