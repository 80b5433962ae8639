"""The terms of the vocabulary: what each measures of a node [nodes] or of a pair of nodes [rows]."""

import networkx as nx
import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from workbench.rules.published import dense
from workbench.rules.terms import BLOCK, NODE_TERMS, Relation, Terms, node_term, pair_term


@node_term
def out_degree(terms: Terms) -> Tensor:
    """Stored edges that leave each node [nodes]."""
    return torch.bincount(terms.edge_index[0], minlength=terms.nodes)


NODE_TERMS["degree"] = out_degree


@node_term
def in_degree(terms: Terms) -> Tensor:
    """Stored edges that reach each node [nodes]."""
    return torch.bincount(terms.edge_index[1], minlength=terms.nodes)


@node_term
def total_degree(terms: Terms) -> Tensor:
    """Both together [nodes]."""
    return torch.bincount(terms.edge_index.flatten(), minlength=terms.nodes)


@node_term
def isolated(terms: Terms) -> Tensor:
    """1 where no edge leaves or reaches the node [nodes]."""
    return total_degree(terms) == 0


@node_term
def self_loop(terms: Terms) -> Tensor:
    """1 where the node has an edge to itself [nodes]."""
    source, target = terms.edge_index
    return torch.bincount(source[source == target], minlength=terms.nodes) > 0


@node_term
def triangles(terms: Terms) -> Tensor:
    """Triangles through each node [nodes]."""
    return torch.from_numpy(terms.closed[2]).to(terms.edge_index.device)


@node_term
def clustering(terms: Terms) -> Tensor:
    """Triangles over pairs of neighbours [nodes]."""
    degree = torch.from_numpy(np.diff(terms.undirected.indptr).astype(np.float64)).to(terms.edge_index.device)
    return terms.node("triangles") / (degree * (degree - 1) / 2).clamp(min=1)


@node_term
def core(terms: Terms) -> Tensor:
    """Core numbers by networkx [nodes]."""
    numbers = nx.core_number(nx.from_scipy_sparse_array(terms.undirected))
    return torch.tensor([numbers[node] for node in range(terms.nodes)], device=terms.edge_index.device)


@node_term
def pagerank(terms: Terms) -> Tensor:
    """PageRank by power iteration [nodes]; networkx stops at an error of 1e-6 a node, which is as large as ranks."""
    leaving = np.diff(terms.links.indptr)
    follow = (sp.diags_array(0.85 / np.maximum(leaving, 1)) @ terms.links).T.tocsr()
    rank = np.full(terms.nodes, 1 / max(terms.nodes, 1))
    for _ in range(200):  # 0.85^200 < 1e-14
        rank = follow @ rank + (0.15 + 0.85 * rank[leaving == 0].sum()) / terms.nodes
    return torch.from_numpy(rank).to(terms.edge_index.device)


@pair_term
def dot(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    """Inner products of attributes [rows]."""
    return _products(terms, relation, pca, unit=False)


@pair_term
def cos(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    """Cosines of attributes [rows]."""
    return _products(terms, relation, pca, unit=True)


def _each_once(relation: Relation, nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pairs of a relation, sorted, each once and in one order only, and where each row finds its own.

    Most relations hold a pair in both orders, and what is the same in both takes half the time this way.
    """
    low, high = torch.minimum(relation.centre, relation.other), torch.maximum(relation.centre, relation.other)
    key, place = (low * nodes + high).unique(return_inverse=True)
    return key // max(nodes, 1), key % max(nodes, 1), place


def _products(terms: Terms, relation: Relation, pca: int | None, unit: bool) -> Tensor:
    x = (terms.sparse_unit if unit else terms.sparse_x) if pca is None else None
    if x is not None:
        return _sparse_products(x, relation)
    rows = terms.unit(pca) if unit else terms.rows(pca)
    if rows.requires_grad:
        step = max(1, BLOCK // max(1, rows.shape[1]))
        pairs = zip(relation.centre.split(step), relation.other.split(step), strict=True)
        return torch.cat([rows.new_zeros(0), *((rows[a] * rows[b]).sum(1) for a, b in pairs)])
    # One pass over the pairs that keeps no rows of them; it wants them sorted, and each once.
    low, high, place = _each_once(relation, terms.nodes)
    begin = torch.searchsorted(low, torch.arange(terms.nodes + 1, device=low.device))
    shape, zeros = (terms.nodes, terms.nodes), rows.new_zeros(len(low))
    pairs_of = torch.sparse_csr_tensor(begin, high, zeros, shape, check_invariants=False)
    return torch.sparse.sampled_addmm(pairs_of, rows, rows.T, beta=0).values()[place]


def _sparse_products(x: sp.csr_matrix, relation: Relation) -> Tensor:
    step = max(1, BLOCK * x.shape[0] // max(1, x.nnz))
    low, high, place = _each_once(relation, x.shape[0])
    a, b = low.cpu().numpy(), high.cpu().numpy()
    blocks = (slice(begin, begin + step) for begin in range(0, len(a), step))
    products = [np.zeros(0), *(np.asarray(x[a[part]].multiply(x[b[part]]).sum(1)).ravel() for part in blocks)]
    return torch.from_numpy(np.concatenate(products)).to(relation.centre.device)[place]


@pair_term
def jaccard(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    """Shared over joint non-zero attributes [rows]."""
    present = sp.csr_matrix(dense(terms.x.detach().cpu()).numpy() != 0, dtype=np.float64)
    filled = torch.from_numpy(present.getnnz(axis=1).astype(np.float64)).to(relation.centre.device)
    shared = _sparse_products(present, relation)
    return shared / (filled[relation.centre] + filled[relation.other] - shared).clamp(min=1)


@pair_term
def multiplicity(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    """How often the edge from the first node of each pair to the second is stored [rows]."""
    stored, times = (terms.edge_index[0] * terms.nodes + terms.edge_index[1]).unique(return_counts=True)
    if not len(stored):
        return torch.zeros(len(relation.centre), dtype=torch.float64, device=relation.centre.device)
    key = relation.centre * terms.nodes + relation.other
    place = torch.searchsorted(stored, key).clamp(max=len(stored) - 1)
    return torch.where(stored[place] == key, times[place], 0).double()


@pair_term
def common_neighbours(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    """Neighbours that both nodes of a pair have [rows]."""
    if relation.name == "N2":
        return _sparse_products(terms.undirected, relation)
    centre, other = relation.centre.cpu().numpy(), relation.other.cpu().numpy()
    keys, count, _ = terms.closed
    key = np.minimum(centre, other) * np.int64(terms.nodes) + np.maximum(centre, other)
    loops = centre == other
    counts = np.where(loops, np.diff(terms.undirected.indptr)[centre], 0).astype(np.float64)
    counts[~loops] = count[np.searchsorted(keys, key[~loops])]
    return torch.from_numpy(counts).to(relation.centre.device)
