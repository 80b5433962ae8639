"""The terms of the rule language on a graph: each is computed once and kept, mostly in order nodes + edges."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import remove_self_loops

from workbench.datasets.attributes import blocks, entries, few, in_memory, is_sparse, to_scipy
from workbench.datasets.door import check_edges, whole
from workbench.errors import UserError, nearest
from workbench.rules.published import principal_components

BLOCK = 1 << 23  # numbers looked at in one go when rows are compared: 64 MiB
SHORTEST = 1e-12  # shorter rows of attributes are what rounding leaves of zeros
MOST_PATHS = 50_000_000
OF_ATTRIBUTES = ("cos", "dot", "jaccard", "norm", "pca", "unit")  # what changes with attributes that are learned


class Relation(NamedTuple):
    """Pairs of nodes that a quantifier runs over: row i ties `centre[i]` to `other[i]`, int64 [rows] each."""

    name: str
    centre: Tensor
    other: Tensor


class Terms:
    """A graph with every term that a rule has asked of it so far; hand it to `evaluate` instead of the graph.

    The graph must not be changed while it is in use. Nothing is kept of attributes that require a gradient. Attributes
    must be finite numbers where a rule compares them; one column that a rule names by `attribute` is looked at alone.

    Args:
        graph: edge_index [2, edges], directed or not, with self-loops, repeated edges and isolated nodes as they come;
            attributes x [nodes, features] where a rule compares them; feature_names where a column is called by name.
    """

    def __init__(self, graph: Data):
        if not isinstance(graph, Data) or graph.get("edge_index") is None or graph.num_nodes is None:
            raise UserError("a rule needs edges (edge_index) and the number of nodes; load the graph with load_graph")
        self.graph, self.nodes = graph, int(graph.num_nodes)
        self.edge_index: Tensor = whole(graph.edge_index, "edge_index", [])
        check_edges(self.edge_index, self.nodes)
        self._kept: dict[tuple[object, ...], Tensor] = {}
        self._finite = False  # whether the attributes are known to be

    @property
    def learning(self) -> bool:
        """Whether the attributes require a gradient."""
        return self.graph.x is not None and self.graph.x.requires_grad

    @property
    def x(self) -> Tensor:
        """The attributes, finite numbers [nodes, features]."""
        if self.learning or not self._finite:
            self._check_finite(self._stored_x)
            self._finite = True
        return self._stored_x

    @property
    def _stored_x(self) -> Tensor:
        if self.graph.x is None:
            raise UserError("the rule compares attributes, and this graph has none; use a rule of the topology alone")
        return in_memory(self.graph.x, "a rule on attributes")

    def _check_finite(self, x: Tensor, first: int = 0) -> None:
        """Refuse attributes [nodes, any] of which one is no finite number; their first column has number `first`."""
        values = entries(x.detach())
        if bool(torch.isfinite(values).all()):
            return
        where = values.isfinite().logical_not().nonzero()
        if is_sparse(x):
            where = x.to_sparse_coo().coalesce().indices().T[where[:, 0]]
        node, column = where[(where[:, 1] * len(x) + where[:, 0]).argmin()].tolist()
        what = "NaN" if bool(_column(x, column)[node].isnan()) else "infinity"
        names = getattr(self.graph, "feature_names", None)
        called = f" ({str(names[first + column])[:80]!r})" if names else ""
        raise UserError(
            f"attribute column {first + column}{called} of the graph holds {what}, first at node {node}; rules compare "
            "finite numbers: fill it in or leave the column out"
        )

    def node(self, name: str, argument: float | str | None = None, pca: int | None = None) -> Tensor:
        """Return a term of each node, float64 [nodes]."""
        if name == "attribute":
            assert argument is not None
            return self._attribute(argument)
        if name == "norm":
            parts = (lambda: (x for _, x in blocks(self.x))) if pca is None else (lambda: iter([self.rows(pca)]))
            return self._keep((name, pca), lambda: torch.cat([x.double().norm(dim=1) for x in parts()]))
        return self._keep((name,), lambda: NODE_TERMS[name](self).to(self.edge_index.device, torch.float64))

    def pair(self, name: str, relation: Relation, pca: int | None = None) -> Tensor:
        """Return a term of each pair of a relation, float64 [rows]."""
        device = self.edge_index.device
        compute = PAIR_TERMS[name]
        return self._keep((name, relation.name, pca), lambda: compute(self, relation, pca).to(device, torch.float64))

    def _keep(self, key: tuple[object, ...], compute: Callable[[], Tensor]) -> Tensor:
        if self.learning and key[0] in OF_ATTRIBUTES:
            return compute()
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def _attribute(self, argument: float | str) -> Tensor:
        names, features = getattr(self.graph, "feature_names", None), self._stored_x.shape[1]
        if isinstance(argument, str):
            if names is None:
                raise UserError(f"the attributes of this graph have no names; use a number, 0 to {features - 1}")
            named = list(map(str, names))
            if argument not in named:
                close = nearest(argument, named)
                hint = f"; did you mean {close!r}?" if close else f"; it has {features:,} others"
                raise UserError(f"this graph has no attribute {argument[:80]!r}{hint}")
            column = named.index(argument)
        elif not 0 <= (column := int(argument)) < features:
            raise UserError(f"there is no attribute {column}; this graph has {features}, from 0 to {features - 1}")
        values = _column(self._stored_x, column)
        self._check_finite(values[:, None], column)
        return values.double()

    def rows(self, pca: int | None, unit: bool = False) -> Tensor:
        """Return attributes, or their principal components, dense float64 [nodes, any]; `unit` makes them that long."""
        if unit:
            return self._keep(("unit", pca), lambda: _unit(self.rows(pca)))
        if pca is not None:
            return self._keep(("pca", pca), lambda: self._components(pca))
        return self.x.to_dense().double()

    def _components(self, pca: int) -> Tensor:
        if self.x.shape[0] < 2:
            return self.x.new_zeros(self.nodes, 1, dtype=torch.float64)  # there is no direction to find
        with np.errstate(invalid="ignore"):  # scikit-learn divides by the variance, which may be 0
            components = principal_components(self.graph, pca)
        if not self.learning:
            return components.double()
        # A gradient flows through the projection; the directions themselves stand still.
        mean = self.x.detach().double().mean(0)
        centred = (self.x.detach().double() - mean).cpu()  # only there does the solver take any rank
        directions = torch.linalg.lstsq(centred, components.double().cpu(), driver="gelsd").solution
        return (self.x.double() - mean) @ directions.to(mean.device)

    @cached_property
    def _sparse_x(self) -> sp.csr_matrix | None:
        x = self.x.cpu()
        return to_scipy(x).astype(np.float64) if not self.learning and (is_sparse(x) or few(x)) else None

    @cached_property
    def _sparse_unit(self) -> sp.csr_matrix | None:
        x = self._sparse_x
        if x is None:
            return None
        length = np.sqrt(x.multiply(x).sum(1)).A1
        return sp.csr_matrix(sp.diags_array(1 / np.where(length > SHORTEST, length, np.inf)) @ x)

    def sparse_rows(self, unit: bool) -> sp.csr_matrix | None:
        """Return attributes as a sparse matrix, of length 1 on request, or None where they are dense or learned."""
        return self._sparse_unit if unit else self._sparse_x

    def products_with_sum(self, weights: Tensor, pca: int | None, unit: bool) -> Tensor:
        """Return the inner product of each node's attributes with the weighted sum of all nodes' ones [nodes]."""
        x = self.sparse_rows(unit) if pca is None and not weights.requires_grad else None
        if x is not None:
            return torch.from_numpy(x @ (x.T @ weights.cpu().numpy())).to(weights.device)
        rows = self.rows(pca, unit)
        return rows @ (weights @ rows)

    def relation(self, name: str) -> Relation:
        """Return the pairs that a domain around a node makes."""
        if name == "N2":
            return self._two_steps
        row, column = self.edge_index if name == "N" else self.edge_index.flip(0)
        return Relation(name, row, column)

    @cached_property
    def _two_steps(self) -> Relation:
        links = self.links
        paths = int((links.getnnz(axis=1)[links.indices]).sum())
        if paths > MOST_PATHS:
            raise UserError(
                f"N2 would follow {paths:,} paths of two edges here, and {MOST_PATHS:,} are the limit; nest N(u) in "
                "N(v) instead"
            )
        reached = (links @ links).astype(bool)
        pairs = np.stack((reached > reached.multiply(links)).nonzero()).astype(np.int64)
        centre, other = torch.from_numpy(pairs[:, pairs[0] != pairs[1]]).to(self.edge_index.device)
        return Relation("N2", centre, other)

    def count(self, nodes: Tensor) -> Tensor:
        """Return how often each node is among some [nodes]."""
        return torch.bincount(nodes, minlength=self.nodes)

    @cached_property
    def links(self) -> sp.csr_matrix:
        """Whether an edge leads from one node to another, each once, self-loops left out, CSR [nodes, nodes]."""
        ends = remove_self_loops(self.edge_index.cpu())[0].numpy()
        stored = sp.csr_matrix((np.ones(ends.shape[1], np.int32), ends), shape=(self.nodes, self.nodes))
        return stored.sign()  # repeated edges have been added up

    @cached_property
    def undirected(self) -> sp.csr_matrix:
        """The same with directions left out."""
        return self.links.maximum(self.links.T).tocsr()

    @cached_property
    def triangles(self) -> sp.csr_matrix:
        """Triangles on each undirected edge, from its lower node to the higher, CSR [nodes, nodes]."""
        return count_triangles(self.undirected)


def _column(x: Tensor, column: int) -> Tensor:
    """Return one column of a matrix that may be sparse, dense [nodes]."""
    x = x.to_sparse_coo() if is_sparse(x) else x
    return x.index_select(1, torch.tensor([column], device=x.device)).to_dense()[:, 0]


def _unit(rows: Tensor) -> Tensor:
    # Division by infinity, so that rows of zeros stay and get a gradient of 0 too.
    length = rows.norm(dim=1, keepdim=True)
    return rows / length.masked_fill(length <= SHORTEST, torch.inf)


NODE_TERMS: dict[str, Callable[[Terms], Tensor]] = {}  # measures.py enters what they are
PAIR_TERMS: dict[str, Callable[[Terms, Relation, int | None], Tensor]] = {}


def row_products(
    x: sp.csr_matrix, a: NDArray[np.int64], b: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], sp.csr_matrix]]:
    """Yield in blocks the numbers of pairs, and rows a of a sparse matrix times its rows b, entry by entry."""
    filled = x.getnnz(axis=1).astype(np.int64)
    block = np.cumsum(filled[a] + filled[b]) // BLOCK
    for pairs in np.split(np.arange(len(a)), np.flatnonzero(np.diff(block)) + 1):
        yield pairs, x[a[pairs]].multiply(x[b[pairs]])


def count_triangles(links: sp.csr_matrix) -> sp.csr_matrix:
    """Count the triangles on each undirected edge, which stands from its lower node to the higher [nodes, nodes].

    Each edge is directed to its end of higher degree, which leaves few outgoing edges even at hubs; each triangle is
    then met once, from its lowest edge, in O(edges^1.5) at worst (Schank, Wagner, 2005).
    """
    rank = links.getnnz(axis=1).argsort(kind="stable").argsort()
    low, high = sp.triu(links, k=1).nonzero()
    tail, head = np.where(rank[low] < rank[high], (low, high), (high, low))
    onward = sp.csr_matrix((np.ones(len(low)), (tail, head)), links.shape)
    counts = sp.csr_matrix(links.shape, dtype=np.int64)
    for block, shared in row_products(onward, tail, head):
        edge, c = shared.nonzero()
        a, b = tail[block][edge], head[block][edge]
        sides = np.concatenate([(a, b), (a, c), (b, c)], axis=1)
        counts += sp.csr_matrix((np.ones(3 * len(c), np.int64), (sides.min(0), sides.max(0))), links.shape)
    return counts
