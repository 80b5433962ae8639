"""The two rules of Str-GCL exactly as its released code computes them, with the switches of that code.

The same rules as formulas are in library.py. Source: He et al., Str-GCL, WWW 2025. O(edges) time and memory.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, remove_self_loops, scatter

from workbench.datasets.attributes import in_memory, to_scipy
from workbench.errors import UserError

Degree = Literal["doubled", "plain"]
LocalMean = Literal["nonzero", "all"]
PCA_SIZE = 8


def ntsc_soft(graph: Data, degree: Degree = "doubled") -> Tensor:
    """Score nodes by how small the degrees of their neighbours are: max_w ln(1+S(w)) - ln(1+S(v)), float32 [nodes].

    S(v) is the sum of the neighbours' degrees; an isolated node scores the maximum.

    Args:
        graph: rows of edge_index are sources, their targets are the neighbours.
        degree: "doubled" counts a node in both rows of the edge list, as released (2 d on undirected graphs); "plain"
            counts its neighbours.
    """
    log_sum = torch.log1p(neighbour_degree_sum(graph, degree))
    return log_sum.max() - log_sum if len(log_sum) else log_sum


def neighbour_degree_sum(graph: Data, degree: Degree = "doubled") -> Tensor:
    """Return S(v), the sum of the degrees of v's neighbours, self-loops left out, float32 [nodes]."""
    nodes, edge_index = graph.num_nodes, graph.edge_index
    assert nodes is not None and edge_index is not None
    counted = edge_index.flatten() if degree == "doubled" else edge_index[0]
    degrees = torch.bincount(counted, minlength=nodes).float()
    source, target = remove_self_loops(edge_index)[0]
    return scatter(degrees[target], source, dim_size=nodes, reduce="sum")


def lgtc_soft(
    graph: Data, pca: int = PCA_SIZE, local_mean: LocalMean = "nonzero", components: Tensor | None = None
) -> Tensor:
    """Score nodes by how much less similar their neighbours are than the average node: (max delta - delta)/2 [nodes].

    Differs from the paper's idea: the score is not a relaxation of the hard rule, which asks for |delta| near 0; the
    released code gives the largest score to the most negative delta.

    Args:
        graph: with attributes x [nodes, features]. pca: principal components that similarity is measured on; 8 as
            released.
        local_mean: "nonzero" averages over neighbours whose similarity isn't exactly 0, as released; "all" over all.
        components: what to measure similarity on instead of the attributes' principal components [nodes, any].
    """
    delta = local_minus_global(graph, pca, local_mean, components)
    return (delta.max() - delta) / 2 if len(delta) else delta


def local_minus_global(
    graph: Data, pca: int = PCA_SIZE, local_mean: LocalMean = "nonzero", components: Tensor | None = None
) -> Tensor:
    """Return delta(v): mean cosine to v's neighbours minus mean cosine to all nodes, v included, float32 [nodes].

    A repeated edge multiplies its similarity but is counted once, as released; without neighbours the mean is 0.
    """
    nodes = graph.num_nodes
    assert nodes is not None and graph.edge_index is not None
    unit = normalize(principal_components(graph, pca) if components is None else components, dim=1)
    overall = unit @ unit.mean(0)
    weight = torch.ones(graph.edge_index.shape[1], device=unit.device)
    (source, target), multiplicity = coalesce(graph.edge_index, weight, nodes)
    similarity = multiplicity * (unit[source] * unit[target]).sum(1)
    counted = (similarity != 0).float() if local_mean == "nonzero" else torch.ones_like(similarity)
    total, count = (scatter(part, source, dim_size=nodes, reduce="sum") for part in (similarity, counted))
    return total / count.clamp(min=1) - overall


def principal_components(graph: Data, size: int = PCA_SIZE) -> Tensor:
    """Return the first principal components of the attributes, float32 [nodes, size].

    Differs from the release: scikit-learn's solver there is randomised and unseeded on most graphs, so its scores vary
    from run to run; here it is exact. Only cosines of the components are used, which don't depend on their signs.
    """
    x = in_memory(graph.x, "rule LGTC")
    if x is None:
        raise UserError("rule LGTC compares attributes, and this graph has none; use an NTSC rule instead")
    if not 1 <= size <= x.shape[1]:
        raise UserError(
            f"pca={size} components were asked for; with {x.shape[1]} attributes it must be 1 to {x.shape[1]}"
        )
    if 4 * size < min(x.shape):
        components = _leading_components(to_scipy(x).astype(np.float64), size)
    else:
        dense = x.detach().cpu().to_dense().double().numpy()
        components = PCA(min(size, *dense.shape), svd_solver="full").fit_transform(dense)
    return torch.from_numpy(np.ascontiguousarray(components, dtype=np.float32)).to(x.device)


@threadpool_limits.wrap(limits=1)  # the solver's own products are small
def _leading_components(x: csr_matrix, size: int) -> NDArray[np.float64]:
    """Scores on the leading principal components by Lanczos iteration, which needs products with vectors only.

    scikit-learn's PCA does the same but leaves the restarts of the solver unseeded.
    """
    mean, draw, features = np.asarray(x.mean(0)).ravel(), np.random.default_rng(0), x.shape[1]

    def scatter_matrix_times(v: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = x @ v.ravel() - mean @ v.ravel()
        return x.T @ scores - mean * scores.sum()

    scatter_matrix = LinearOperator((features, features), scatter_matrix_times, dtype=np.float64)
    _, directions = eigsh(scatter_matrix, size, which="LA", v0=draw.standard_normal(features), rng=draw)
    return x @ directions[:, ::-1] - mean @ directions[:, ::-1]
