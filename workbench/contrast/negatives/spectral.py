"""Representative nodes by the spectrum of the graph: clusters and the most central node of each (E2Neg, stage 1)."""

from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import eigsh
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.randomness import Randomness

Spectrum = Literal["largest", "smallest"]


def spectral_clusters(graph: Data, k: int, spectrum: Spectrum, randomness: Randomness) -> tuple[Tensor, Tensor]:
    """Cluster nodes by singular vectors of the normalised Laplacian; the norm of a node's row is its centrality.

    Args:
        graph: a graph with edge_index. k: vectors and clusters, at least 1 and below the number of nodes.
        spectrum: "largest" singular vectors, as released (the most oscillating ones); "smallest" takes the smoothest
            vectors of the largest component, in which clusters are communities. Nodes outside it are in no cluster.
        randomness: seeds the eigensolver. Differs from the release, which leaves it unseeded.

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
    # Small components repeat eigenvalues, where the solver restarts with random vectors: it needs the generator, too.
    draw = np.random.default_rng(randomness.integer("spectrum"))
    matrix = normalised if spectrum == "smallest" else sp.eye(len(inside), format="csr") - normalised
    values, vectors = eigsh(matrix, k, which="LA", v0=draw.standard_normal(len(inside)), rng=draw)
    vectors = vectors[:, np.argsort(-values, kind="stable")]
    spread = vectors.std(0)
    standardised = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1.0)
    clusters, centrality = np.full(nodes, -1), np.zeros(nodes)
    clusters[inside] = MiniBatchKMeans(k, batch_size=2000, n_init=10, random_state=42).fit_predict(standardised)
    centrality[inside] = np.linalg.norm(vectors, axis=1)
    return torch.from_numpy(clusters), torch.from_numpy(centrality)


def most_central(clusters: Tensor, centrality: Tensor) -> Tensor:
    """Return the node of highest centrality in each non-empty cluster, by cluster [centres]."""
    order = np.lexsort((-centrality.numpy(), clusters.numpy()))
    sorted_clusters = clusters.numpy()[order]
    first = np.flatnonzero(np.r_[True, sorted_clusters[1:] != sorted_clusters[:-1]] & (sorted_clusters >= 0))
    return torch.from_numpy(order[first])
