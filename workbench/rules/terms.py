"""The terms of the rule language on a graph: each is computed once and kept, mostly in order nodes + edges."""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError, nearest
from workbench.rules.published import dense, principal_components

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")

# Numbers looked at in one go when rows of attributes are compared: 64 MiB.
BLOCK = 1 << 23
SPARSE_BELOW = 0.2
SHORTEST = 1e-12  # shorter rows of attributes are what rounding leaves of zeros
MOST_PATHS = 50_000_000


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
        if getattr(graph, "edge_index", None) is None or graph.num_nodes is None:
            raise UserError("a rule needs edges (edge_index) and the number of nodes; load the graph with load_graph")
        self.graph, self.nodes = graph, int(graph.num_nodes)
        self.edge_index = graph.edge_index
        self._kept: dict[tuple[object, ...], Tensor] = {}
        self._finite = False

    @property
    def learning(self) -> bool:
        """Whether the attributes require a gradient."""
        return self.graph.x is not None and self.graph.x.requires_grad

    @property
    def x(self) -> Tensor:
        """The attributes, finite numbers [nodes, features]."""
        x = self._given
        if self.learning or not self._finite:
            self._check_finite(x)
            self._finite = True
        return x

    @property
    def _given(self) -> Tensor:
        """The attributes as they are [nodes, features]."""
        if self.graph.x is None:
            raise UserError("the rule compares attributes, and this graph has none; use a rule of the topology alone")
        return self.graph.x

    def _check_finite(self, x: Tensor, first: int = 0) -> None:
        """Refuse attributes [nodes, any] of which one is no finite number; their first column has number `first`."""
        stored = x if x.layout == torch.strided else x.to_sparse_coo().coalesce().values()
        if bool(torch.isfinite(stored).all()):
            return
        columns = dense(x.detach())
        broken = ~torch.isfinite(columns)
        column = int(broken.any(0).nonzero()[0])
        node = int(broken[:, column].nonzero()[0])
        what = "NaN" if bool(columns[node, column].isnan()) else "infinity"
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
            return self._keep(("norm", pca), lambda: self.rows(pca).norm(dim=1), attributes=True)
        return self._keep((name,), lambda: NODE_TERMS[name](self).to(torch.float64))

    def pair(self, name: str, relation: Relation, pca: int | None = None) -> Tensor:
        """Return a term of each pair of a relation, float64 [rows]."""
        compute = PAIR_TERMS[name]
        attributes = name in ("cos", "dot", "jaccard")
        return self._keep((name, relation.name, pca), lambda: compute(self, relation, pca), attributes)

    def _keep(self, key: tuple[object, ...], compute: Callable[[], Tensor], attributes: bool = False) -> Tensor:
        if attributes and self.learning:
            return compute()
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def _attribute(self, argument: float | str) -> Tensor:
        names = getattr(self.graph, "feature_names", None)
        features = self._given.shape[1]
        if isinstance(argument, str):
            if names is None:
                raise UserError(f"the attributes of this graph have no names; use a number, 0 to {features - 1}")
            column = next((i for i, name in enumerate(names) if str(name) == argument), None)
            if column is None:
                close = nearest(argument, map(str, names))
                hint = f"; did you mean {close!r}?" if close else f"; it has {features:,} others"
                raise UserError(f"this graph has no attribute {argument[:80]!r}{hint}")
        else:
            column = int(argument)
            if not 0 <= column < features:
                raise UserError(f"there is no attribute {column}; this graph has {features}, from 0 to {features - 1}")
        values = dense(self._given)[:, column]
        self._check_finite(values[:, None], column)
        return values.double()

    def rows(self, pca: int | None) -> Tensor:
        """Return attributes, or their principal components, dense float64 [nodes, any]."""
        if pca is not None:
            return self._keep(("pca", pca), lambda: self._components(pca), attributes=True)
        return dense(self.x).double()

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

    def unit(self, pca: int | None) -> Tensor:
        """Return attributes, or principal components, of length 1, rows of zeros as they are [nodes, any]."""
        return self._keep(("unit", pca), lambda: unit_rows(self.rows(pca)), attributes=True)

    @cached_property
    def sparse_x(self) -> sp.csr_matrix | None:
        """The attributes as a sparse matrix, or None where they are dense or learned."""
        if self.learning:
            return None
        x = self.x.cpu()
        if x.layout == torch.strided and int(x.count_nonzero()) >= SPARSE_BELOW * x.numel():
            return None
        return sp.csr_matrix(dense(x).numpy(), dtype=np.float64)

    @cached_property
    def sparse_unit(self) -> sp.csr_matrix | None:
        """The sparse attributes with rows of length 1, or of zeros, or None where there are none."""
        x = self.sparse_x
        if x is None:
            return None
        length = np.sqrt(x.multiply(x).sum(1)).A1
        return (sp.diags_array(1 / np.where(length > SHORTEST, length, np.inf)) @ x).tocsr()

    def products_with_sum(self, weights: Tensor, pca: int | None, unit: bool) -> Tensor:
        """Return the inner product of each node's attributes with the weighted sum of all nodes' ones [nodes]."""
        x = (self.sparse_unit if unit else self.sparse_x) if pca is None and not weights.requires_grad else None
        if x is not None:
            return torch.from_numpy(x @ (x.T @ weights.cpu().numpy())).to(weights.device)
        rows = self.unit(pca) if unit else self.rows(pca)
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
        pairs = (reached > reached.multiply(links)).tocoo()
        apart = pairs.row != pairs.col
        device = self.edge_index.device
        centre, other = (torch.from_numpy(part[apart].astype(np.int64)).to(device) for part in (pairs.row, pairs.col))
        return Relation("N2", centre, other)

    @cached_property
    def links(self) -> sp.csr_matrix:
        """Whether an edge leads from one node to another, each once, self-loops left out, CSR [nodes, nodes]."""
        source, target = self.edge_index.cpu().numpy()
        apart = source != target
        shape = (self.nodes, self.nodes)
        matrix = sp.csr_matrix((np.ones(apart.sum(), np.int32), (source[apart], target[apart])), shape=shape)
        matrix.data[:] = 1  # repeated edges have been added up
        return matrix

    @cached_property
    def undirected(self) -> sp.csr_matrix:
        """The same with directions left out."""
        return self.links.maximum(self.links.T).tocsr()

    @cached_property
    def closed(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Keys low * nodes + high of the undirected edges, sorted; triangles on each; triangles through each node."""
        return _triangles(self.undirected)


NODE_TERMS: dict[str, Callable[[Terms], Tensor]] = {}
PAIR_TERMS: dict[str, Callable[[Terms, Relation, int | None], Tensor]] = {}


def node_term(compute: Callable[[Terms], Tensor]) -> Callable[[Terms], Tensor]:
    """Enter a term of a node under its function's name."""
    NODE_TERMS[compute.__name__] = compute
    return compute


def pair_term(compute: Callable[[Terms, Relation, int | None], Tensor]) -> Callable[..., Tensor]:
    """Enter a term of a pair of nodes under its function's name."""
    PAIR_TERMS[compute.__name__] = compute
    return compute


def unit_rows(rows: Tensor) -> Tensor:
    """Return rows of length 1, those of zeros as they are [nodes, any]."""
    # Division by infinity, so that rows of zeros get a gradient of 0 too.
    length = rows.norm(dim=1, keepdim=True)
    return rows / length.masked_fill(length <= SHORTEST, torch.inf)


def _triangles(links: sp.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count triangles on each undirected edge and through each node, in O(edges^1.5) at worst.

    Each edge is directed to its end of higher degree, which leaves few outgoing edges even at hubs; each triangle is
    then met once, from its lowest node (Schank, Wagner, 2005).
    """
    nodes = np.int64(links.shape[0])
    upper = sp.triu(links, k=1).tocoo()
    low, high = upper.row.astype(np.int64), upper.col.astype(np.int64)
    keys = low * nodes + high
    order = keys.argsort()
    keys, low, high = keys[order], low[order], high[order]
    rank = np.empty(nodes, np.int64)
    rank[np.lexsort((np.arange(nodes), np.diff(links.indptr)))] = np.arange(nodes)
    flip = rank[low] > rank[high]
    tail, head = np.where(flip, high, low), np.where(flip, low, high)
    by_tail = tail.argsort(kind="stable")
    tail, head = tail[by_tail], head[by_tail]
    begin = np.searchsorted(tail, np.arange(nodes + 1))
    out = np.diff(begin)
    on_edge = np.zeros(len(keys), np.int64)
    through = np.zeros(nodes, np.int64)

    def edge_number(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(keys, np.minimum(a, b) * nodes + np.maximum(a, b))

    # Pairs of outgoing edges of one node, as many at a time as fit a block.
    work = out[tail]
    ends = np.cumsum(work)
    start = 0
    while start < len(tail):
        stop = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + BLOCK, side="right")))
        sizes = work[start:stop]
        a, b = np.repeat(tail[start:stop], sizes), np.repeat(head[start:stop], sizes)
        within = np.arange(len(a)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        c = head[np.repeat(begin[tail[start:stop]], sizes) + within]
        above = rank[c] > rank[b]
        a, b, c = a[above], b[above], c[above]
        third = edge_number(b, c)
        met = keys[np.minimum(third, len(keys) - 1)] == np.minimum(b, c) * nodes + np.maximum(b, c)
        a, b, c, third = a[met], b[met], c[met], third[met]
        for number in (third, edge_number(a, b), edge_number(a, c)):
            on_edge += np.bincount(number, minlength=len(keys))
        for node in (a, b, c):
            through += np.bincount(node, minlength=nodes)
        start = stop
    return keys, on_edge, through
