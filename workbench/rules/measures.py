"""What each term of the vocabulary measures of a node [nodes] or of a pair of nodes [rows]."""

import networkx as nx
import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from workbench.datasets.attributes import to_scipy
from workbench.rules.terms import NODE_TERMS, PAIR_TERMS, Relation, Terms, row_products


def _clustering(terms: Terms) -> Tensor:
    degree = torch.from_numpy(np.diff(terms.undirected.indptr).astype(np.float64)).to(terms.edge_index.device)
    return terms.node("triangles") / (degree * (degree - 1) / 2).clamp(min=1)


def _core(terms: Terms) -> Tensor:
    numbers = nx.core_number(nx.from_scipy_sparse_array(terms.undirected))
    return torch.tensor([numbers[node] for node in range(terms.nodes)])


def _pagerank(terms: Terms) -> Tensor:
    """Iterate the powers; networkx stops at an error of 1e-6 per node, which is as large as ranks."""
    leaving = np.diff(terms.links.indptr)
    follow = (sp.diags_array(0.85 / np.maximum(leaving, 1)) @ terms.links).T.tocsr()
    rank = np.full(terms.nodes, 1 / max(terms.nodes, 1))
    for _ in range(200):  # 0.85^200 < 1e-14
        rank = follow @ rank + (0.15 + 0.85 * rank[leaving == 0].sum()) / terms.nodes
    return torch.from_numpy(rank)


NODE_TERMS |= {
    "degree": lambda terms: terms.count(terms.edge_index[0]),
    "out_degree": lambda terms: terms.count(terms.edge_index[0]),
    "in_degree": lambda terms: terms.count(terms.edge_index[1]),
    "total_degree": lambda terms: terms.count(terms.edge_index.flatten()),
    "isolated": lambda terms: terms.count(terms.edge_index.flatten()) == 0,
    "self_loop": lambda terms: terms.count(terms.edge_index[0][terms.edge_index[0] == terms.edge_index[1]]) > 0,
    "triangles": lambda terms: torch.from_numpy((terms.triangles.sum(0).A1 + terms.triangles.sum(1).A1) // 2),
    "clustering": _clustering,
    "core": _core,
    "pagerank": _pagerank,
}


def _each_once(relation: Relation, nodes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pairs of a relation, sorted, each once and in one order only, and where each row finds its own.

    Most relations hold a pair in both orders, and what is the same in both takes half the time this way.
    """
    low, high = torch.minimum(relation.centre, relation.other), torch.maximum(relation.centre, relation.other)
    key, place = (low * nodes + high).unique(return_inverse=True)
    return key // max(nodes, 1), key % max(nodes, 1), place


def _products(terms: Terms, relation: Relation, pca: int | None, unit: bool) -> Tensor:
    x = terms.sparse_rows(unit) if pca is None else None
    if x is not None:
        return _sparse_products(x, relation)
    rows = terms.rows(pca, unit)
    if rows.requires_grad:
        return (rows[relation.centre] * rows[relation.other]).sum(1)
    # One pass over the pairs that keeps no rows of them; it wants them sorted, and each once.
    low, high, place = _each_once(relation, terms.nodes)
    begin = torch.searchsorted(low, torch.arange(terms.nodes + 1, device=low.device))
    shape, zeros = (terms.nodes, terms.nodes), rows.new_zeros(len(low))
    pairs = torch.sparse_csr_tensor(begin, high, zeros, shape, check_invariants=False)
    return torch.sparse.sampled_addmm(pairs, rows, rows.T, beta=0).values()[place]


def _sparse_products(x: sp.csr_matrix, relation: Relation) -> Tensor:
    low, high, place = _each_once(relation, x.shape[0])
    products = [shared.sum(1).A1 for _, shared in row_products(x, low.cpu().numpy(), high.cpu().numpy())]
    return torch.from_numpy(np.concatenate(products)).double().to(place.device)[place]


def _jaccard(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    present = (to_scipy(terms.x) != 0).astype(np.float64)
    filled = torch.from_numpy(present.getnnz(axis=1).astype(np.float64)).to(relation.centre.device)
    shared = _sparse_products(present, relation)
    return shared / (filled[relation.centre] + filled[relation.other] - shared).clamp(min=1)


def _entries(matrix: sp.csr_matrix, row: Tensor, column: Tensor) -> Tensor:
    """Return entries of a sparse matrix [rows]."""
    if not len(row):
        return torch.zeros(0)
    return torch.from_numpy(matrix[row.cpu().numpy().copy(), column.cpu().numpy().copy()].A1)


def _multiplicity(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    stored = sp.csr_matrix((np.ones(terms.edge_index.shape[1]), terms.edge_index.cpu().numpy()), terms.links.shape)
    return _entries(stored, relation.centre, relation.other)


def _common_neighbours(terms: Terms, relation: Relation, pca: int | None) -> Tensor:
    _, centre, other = relation
    if relation.name == "N2":
        return _sparse_products(terms.undirected, relation)
    around = torch.from_numpy(np.diff(terms.undirected.indptr)).to(centre.device)
    on_edge = _entries(terms.triangles, torch.minimum(centre, other), torch.maximum(centre, other))
    return torch.where(centre == other, around[centre], on_edge.to(centre.device))


PAIR_TERMS |= {
    "dot": lambda terms, relation, pca: _products(terms, relation, pca, unit=False),
    "cos": lambda terms, relation, pca: _products(terms, relation, pca, unit=True),
    "jaccard": _jaccard,
    "multiplicity": _multiplicity,
    "common_neighbours": _common_neighbours,
}
