"""The form of a graph that encoders compute on.

Both sparse matrices of a graph stay sparse: its attributes, through the first layer, and its adjacency, which is
normalised once per view and used by every layer of it.
"""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.attributes import Attributes, AttributesOnDisk, csr_slice, is_sparse, parts_of, where_it_pays
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns

BLOCK = 1 << 23  # numbers that are embedded in one go: 32 MiB


@dataclass(frozen=True, eq=False)
class View:
    """What an encoder sees.

    Attributes:
        x: attributes [nodes, features]; where they stay on disk, only `GCN.embed` reads them.
        columns: kept columns, 1 or 0 [features]; None for all.
        adjacency: CSR [nodes, nodes].
        reach: of a sampled batch how many nodes lie within 0, 1, ... hops of the anchors; they stand in that order.
    """

    x: Any
    columns: Tensor | None
    adjacency: Tensor
    reach: tuple[int, ...] = ()

    def step(self, left: int) -> Tensor:
        """Return the adjacency that a layer needs which so many layers follow: rows of nodes that reach the anchors."""
        if not self.reach:
            return self.adjacency
        return csr_slice(self.adjacency, slice(0, self.reach[left]), self.reach[left + 1])

    def first(self, rows: int) -> "View":
        """Return the view without the attributes of other nodes than the first ones."""
        if rows == len(self.x):
            return self
        x = self.x[:rows] if self.x.layout == torch.strided else csr_slice(self.x, slice(0, rows), self.x.shape[1])
        return View(x, self.columns, self.adjacency, self.reach)

    def edges(self, anchors: int) -> Tensor:
        """Return the edges left between the first nodes, each once and no loop, as target and source [2, edges]."""
        nodes, columns = self.adjacency.shape[0], self.adjacency.col_indices()
        rows = torch.arange(nodes, device=columns.device).repeat_interleave(self.adjacency.crow_indices().diff())
        kept = (self.adjacency.values() > 0) & (rows != columns) & (rows < anchors) & (columns < anchors)
        stored = torch.unique_consecutive(rows[kept] * nodes + columns[kept])
        return torch.stack([stored // nodes, stored % nodes])

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return X diag(columns) weight + bias [nodes, width]; rows of the weight are masked, not the attributes."""
        out = self.x @ (weight if self.columns is None else self.columns[:, None] * weight)
        return out if bias is None else out + bias


class GraphTensors:
    """Attributes and adjacency of a graph, prepared once for training.

    Args:
        graph: attributes x [nodes, features], dense, sparse or on disk, and edge_index [2, edges]. Self-loops are
            replaced by one per node, as in a graph convolution; a repeated edge counts as often as it is stored. A
            sampled batch has num_sampled_nodes, a number per hop, anchors first, and `degree`, how many neighbours each
            node has in the whole graph [nodes].

    Attributes:
        anchors: how many rows a loss is of.
    """

    def __init__(self, graph: Data):
        x, edge_index = graph.x, graph.edge_index
        assert x is not None and edge_index is not None
        self.nodes, self.features = x.shape
        self.reach = tuple(accumulate(graph.get("num_sampled_nodes") or ()))
        self.anchors, self._full = self.reach[0] if self.reach else self.nodes, graph.get("degree")
        self.edge_index = edge_index[:, edge_index[0] != edge_index[1]]
        # Attributes that are learned themselves, such as a mask token, stay dense; so do dense ones of a sampled batch.
        as_it_is = isinstance(x, AttributesOnDisk) or x.requires_grad or (self.reach and not is_sparse(x))
        self.x: Attributes = x if as_it_is else where_it_pays(x)
        loops = torch.arange(self.nodes, device=edge_index.device).expand(2, -1)
        source, target = torch.cat([self.edge_index, loops], 1)
        # CSR rows are targets: a node collects from the sources of its incoming edges.
        self._order = (target * self.nodes + source).argsort(stable=True)
        self._source, self._target = source[self._order], target[self._order]
        degree = torch.bincount(self._target, minlength=self.nodes)
        self._pointer = torch.cat([degree.new_zeros(1), degree.cumsum(0)])

    @classmethod
    def of(cls, graph: Data) -> "GraphTensors":
        """Return the prepared form of a graph, which is made once and lives as long as the graph."""
        if id(graph) not in _PREPARED:
            _PREPARED[id(graph)] = cls(graph)
            weakref.finalize(graph, _PREPARED.pop, id(graph), None)
        return _PREPARED[id(graph)]

    @cached_property
    def pairs(self) -> Tensor:
        """The number of the undirected edge of each stored edge, loops left out [edges]."""
        low, high = self.edge_index.amin(0), self.edge_index.amax(0)
        return torch.unique(low * self.nodes + high, return_inverse=True)[1]

    def adjacency(self, keep: Tensor | None = None) -> Tensor:
        """Return D^-1/2 (A + I) D^-1/2 over the kept edges (Kipf and Welling 2017), CSR [nodes, nodes].

        Args:
            keep: 1 for each edge of `self.edge_index` that stays, else 0 [edges]; None keeps all.
        """
        if keep is None:
            keep = torch.ones(self.edge_index.shape[1], device=self._order.device)
        kept = torch.cat([keep, keep.new_ones(self.nodes)])[self._order]
        degree = self._degree(kept)
        if self._full is not None:  # sampled neighbours stand for all; of a node without any as many are dropped
            sampled, times = self._sampled
            unseen = self._full * (keep.mean() if len(keep) else 1)
            degree = 1 + torch.where(sampled > 0, (degree - 1) * times, unseen)
            kept = kept * torch.where(self._source == self._target, 1.0, times[self._target])
        inverse_root = degree.rsqrt()
        return self._with(kept * inverse_root[self._source] * inverse_root[self._target])

    @cached_property
    def _sampled(self) -> tuple[Tensor, Tensor]:
        """How many neighbours of each node are in a batch [nodes], and for how many each of them stands [nodes]."""
        sampled = self._degree(torch.ones(len(self._source), device=self._source.device)) - 1
        return sampled, torch.where(sampled > 0, self._full / sampled.clamp(min=1), 1.0)

    def star_adjacency(self) -> Tensor:
        """Return the adjacency in which each node's neighbours count as leaves of a star around it.

        It holds 1/(n+1) for the node and 1/sqrt(n+1) for each of its n neighbours, CSR [nodes, nodes]: the
        normalisation that E2Neg trains with.
        """
        degree = self._degree(torch.ones(len(self._source), device=self._source.device))
        values = torch.where(self._source == self._target, 1.0, degree[self._target].sqrt()) / degree[self._target]
        return self._with(values)

    def _degree(self, kept: Tensor) -> Tensor:
        return torch.zeros(self.nodes, device=kept.device).index_add_(0, self._target, kept)

    def _with(self, values: Tensor) -> Tensor:
        return torch.sparse_csr_tensor(
            self._pointer, self._source, values, (self.nodes, self.nodes), check_invariants=False
        )

    @cached_property
    def whole(self) -> View:
        """The graph as it is, nothing dropped or masked."""
        return View(self.x, None, self.adjacency(), self.reach)

    def view(
        self,
        edge_drop: float | Tensor,
        feature_drop: float | Tensor,
        generator: torch.Generator,
        undirected: bool = False,
    ) -> View:
        """Draw a view: edges dropped, then attribute columns masked (the augmentation of GRACE, section 3.2).

        A rate is one for all, or one for each edge of `self.edge_index` or each column.
        """
        device = self._order.device
        pairs = self.pairs if undirected else None
        keep = keep_edges(self.edge_index.shape[1], edge_drop, generator, pairs, device)
        columns = keep_columns(self.features, feature_drop, generator, device)
        return View(self.x, columns, self.adjacency(keep), self.reach)


def blocks_of(matrix: Attributes, step: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield a matrix [rows, columns], dense, CSR or on disk, in blocks of rows, in the form that is multiplied."""
    for rows, part in parts_of(matrix, step):
        yield rows, where_it_pays(part) if isinstance(matrix, AttributesOnDisk) else part


_PREPARED: dict[int, GraphTensors] = {}
