"""The form of a graph that encoders compute on.

Both sparse matrices of a graph stay sparse: its attributes, through the first layer, and its adjacency, which is
normalised once per view and used by every layer of it.
"""

import warnings
import weakref
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")

# Above this share of non-zero attributes a dense product is the faster one.
SPARSE_BELOW = 0.2


@dataclass(frozen=True, eq=False)
class View:
    """What an encoder sees: attributes [nodes, features], kept columns [features] or None, adjacency [nodes, nodes]."""

    x: Tensor
    columns: Tensor | None
    adjacency: Tensor

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return X diag(columns) weight + bias [nodes, width]; rows of the weight are masked, not the attributes."""
        out = self.x @ (weight if self.columns is None else self.columns[:, None] * weight)
        return out if bias is None else out + bias


class GraphTensors:
    """Attributes and adjacency of a graph, prepared once for training.

    Args:
        graph: attributes x [nodes, features], dense or sparse, and edge_index [2, edges]. Self-loops are replaced by
            one per node, as in a graph convolution; a repeated edge counts as often as it is stored.
    """

    def __init__(self, graph: Data):
        x, edge_index = graph.x, graph.edge_index
        assert x is not None and edge_index is not None
        self.nodes, self.features = x.shape
        self.edge_index = edge_index[:, edge_index[0] != edge_index[1]]
        # Attributes that are learned themselves, such as a mask token, stay dense.
        filled = x.numel() if x.requires_grad else int(x.count_nonzero()) if x.layout == torch.strided else 0
        sparse = filled < SPARSE_BELOW * x.numel()
        self.x = x.to_sparse_csr() if sparse else x
        loops = torch.arange(self.nodes, device=x.device).expand(2, -1)
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
        inverse_root = self._degree(kept).rsqrt()
        return self._with(kept * inverse_root[self._source] * inverse_root[self._target])

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
        return View(self.x, None, self.adjacency())

    def view(self, edge_drop: float, feature_drop: float, generator: torch.Generator, undirected: bool = False) -> View:
        """Draw a view: edges dropped, then attribute columns masked (the augmentation of GRACE, section 3.2)."""
        device = self._order.device
        pairs = self.pairs if undirected else None
        keep = keep_edges(self.edge_index.shape[1], edge_drop, generator, pairs, device)
        columns = keep_columns(self.features, feature_drop, generator, device)
        return View(self.x, columns, self.adjacency(keep))


_PREPARED: dict[int, GraphTensors] = {}
