"""Samplers that cluster the nodes and choose representatives, or the anchor's own or another cluster."""

import numpy as np
import torch
from torch_geometric.data import Data

from workbench.contrast.negatives.context import Positions, SamplingContext, walk
from workbench.contrast.negatives.selection import SAMPLERS, Facts, Selection, listed, shared
from workbench.contrast.negatives.spectral import spectral_clusters
from workbench.errors import unknown
from workbench.randomness import Randomness


@SAMPLERS.register("e2neg")
def e2neg(context: SamplingContext, k: int, randomness: Randomness, spectrum: str = "largest") -> Selection:
    """The most central node of each of k spectral clusters; they are the anchors too where nobody asks for others.

    Source: Huang and others, E2Neg, AAAI 2025, stages 1 and 2. `spectrum` is "largest" (singular vectors of the
    Laplacian, as released) or "smallest" (corrected: the smoothest vectors of the largest component). Empty clusters
    give no node.
    """
    if spectrum not in ("largest", "smallest"):
        raise unknown("spectrum", spectrum, ("largest", "smallest"), "of sampler 'e2neg'")
    graph: Data = context.graph
    clusters, centrality = spectral_clusters(graph, k, spectrum, randomness)  # type: ignore[arg-type]
    inside = clusters[context.ids].numpy(), centrality[context.ids].numpy()
    because = "most central of the {cluster_size} nodes of spectral cluster {cluster}, centrality {centrality:.3f}"
    return _centres(context, *inside, because, "centrality", 1.0)


@SAMPLERS.register("kmeans-centres")
def kmeans_centres(context: SamplingContext, k: int, randomness: Randomness) -> Selection:
    """The node nearest to each of k centres of k-means over the attributes (or the embedding that was given).

    The control for E2Neg's spectral clusters that looks at attributes and not at the graph (k-means: Lloyd, 1982).
    """
    because = "nearest to the centre of k-means cluster {cluster} of {cluster_size} nodes, at {distance:.3f}"
    return _centres(context, *context.clusters(k, randomness), because, "distance", -1.0)


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
    context: SamplingContext, clusters: Positions, value: np.ndarray, because: str, name: str, sign: float
) -> Selection:
    """Choose the position of the highest sign * value in each cluster; what came second is displaced."""
    order = np.lexsort((-sign * value, clusters))
    order = order[clusters[order] >= 0]
    sorted_clusters = clusters[order]
    first = np.flatnonzero(np.r_[True, sorted_clusters[1:] != sorted_clusters[:-1]])
    size = np.diff(np.r_[first, len(order)])
    second = order[np.minimum(first + 1, len(order) - 1)]
    centres = order[first]
    facts = {"cluster": sorted_clusters[first], "cluster_size": size, name: value[centres]}
    facts["displaced"] = np.where(size > 1, context.ids.numpy()[second], -1)
    return shared(context, centres, because + "; displaced node {displaced}", centres, **facts)


def _by_cluster(context: SamplingContext, k: int, randomness: Randomness, clusters: int, same: bool) -> Selection:
    cluster, _ = context.clusters(min(clusters, context.size), randomness)
    own = cluster[context.anchors]
    chosen = walk(context, k, randomness, lambda rows, seen: (cluster[seen] == own[rows]) == same)
    because = "of the anchor's cluster {cluster}" if same else "of cluster {cluster}, the anchor is of {own_cluster}"

    def facts(rows: Positions) -> Facts:
        return {"cluster": cluster[chosen[rows]], "own_cluster": own[rows][:, None]}

    return listed(context, chosen, because, facts)
