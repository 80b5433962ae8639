"""What encoders of typed graphs compute on and are made of: meta-paths as operators, codes of types, attention."""

import weakref
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from workbench.datasets.attributes import where_it_pays
from workbench.datasets.hetero import MetaPath, target_type
from workbench.datasets.metapaths import chosen_paths, half, links, path_counts, steps


class Product(torch.autograd.Function):
    """A sparse matrix times a dense one whose transpose is at hand: several times as fast backwards as without."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, turned: Tensor, x: Tensor) -> Tensor:
        """Return matrix @ x."""
        ctx.turned = turned
        return matrix @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        """Return the gradient of x."""
        return None, None, ctx.turned @ gradients[0]


class Operator(NamedTuple):
    """A linear map made of sparse factors, each with its transpose, the first of which is applied last."""

    factors: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the map of x [columns, width]."""
        for matrix, turned in reversed(self.factors):
            x = Product.apply(matrix, turned, x)
        return x


def operator(*factors: sp.spmatrix, device: torch.device | None = None) -> Operator:
    """Return the product of scipy matrices as an operator."""
    turned = [(_tensor(factor, device), _tensor(factor.T, device)) for factor in factors]
    return Operator(tuple(turned))


def _tensor(matrix: sp.spmatrix, device: torch.device | None) -> Tensor:
    matrix = sp.csr_matrix(matrix, dtype=np.float32)
    pointer, columns = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    values = torch.from_numpy(matrix.data)
    return torch.sparse_csr_tensor(pointer, columns, values, matrix.shape, check_invariants=False).to(device)


def symmetric(a: sp.spmatrix) -> sp.csr_matrix:
    """Return D^-½ A D^-½ with D the row sums; rows without any entry stay empty."""
    sums = np.asarray(a.sum(axis=1)).ravel()
    scale = sp.diags(np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0))
    return (scale @ a @ scale).tocsr()


class TypedGraph:
    """A typed graph, prepared once for training.

    Attributes:
        inputs: the graph. target: the type that is embedded. device: where its tensors are.
    """

    def __init__(self, inputs: HeteroData):
        self.inputs: Any = weakref.proxy(inputs)  # lives no longer for it
        self.target = target_type(inputs)
        self.device = inputs[inputs.edge_types[0]].edge_index.device if inputs.edge_types else torch.device("cpu")
        self.smoother, self.x = cache(self._smoother), cache(self._x)

    @classmethod
    def of(cls, inputs: HeteroData) -> "TypedGraph":
        """Return the prepared form of a graph, which is made once and lives as long as the graph."""
        if id(inputs) not in _PREPARED:
            _PREPARED[id(inputs)] = cls(inputs)
            weakref.finalize(inputs, _PREPARED.pop, id(inputs), None)
        return _PREPARED[id(inputs)]

    @property
    def targets(self) -> int:
        """How many nodes are embedded."""
        return int(self.inputs[self.target].num_nodes)

    def _x(self, kind: str) -> Any:
        """Return the attributes of a type, sparse where that pays; None where it has none."""
        x = self.inputs[kind].get("x")
        return None if x is None else where_it_pays(x)

    def _smoother(self, name: str) -> Operator:
        """Return D^-½ A D^-½ of the 0/1 links of a meta-path; in two thin factors where these are exact and fewer."""
        path = chosen_paths(self.inputs, name)[0]
        counts = path_counts(self.inputs, path)
        if path.relation is None and counts.nnz and counts.max() == 1:
            left = half(self.inputs, path)
            if 2 * left.nnz < counts.nnz:
                sums = np.asarray(counts.sum(axis=1)).ravel()
                scaled = sp.diags(np.divide(1, np.sqrt(sums), out=np.zeros_like(sums), where=sums > 0)) @ left
                return operator(scaled, scaled.T, device=self.device)
        return operator(symmetric(counts.sign()), device=self.device)

    def neighbours(self, kind: str) -> tuple[Tensor, Tensor]:
        """Return the neighbours of another type as CSR: where each target's begin [targets + 1], and who they are."""
        whole = links(self.inputs, self.target, kind)
        parts = (torch.from_numpy(part.astype(np.int64)) for part in (whole.indptr, whole.indices))
        pointer, columns = (part.to(self.device) for part in parts)
        return pointer, columns

    def contexts(self, path: MetaPath) -> list[tuple[str, Operator]]:
        """Return, for each node between the ends of a path, its type and the mean over those that a target reaches."""
        found, whole = [], steps(self.inputs, path)
        for count in range(1, len(whole)):
            factors = [*whole[:count]]
            sums = reduce(lambda v, step: step @ v, factors[::-1], np.ones(factors[-1].shape[1]))
            scale = sp.diags(np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0))
            factors[0] = scale @ factors[0]
            found.append((path.types[count], operator(*factors, device=self.device)))
        return found


_PREPARED: dict[int, TypedGraph] = {}


class TypeCodes(nn.Module):
    """ELU(x W + b) of each type, of those without attributes by one-hot numbers.

    Args:
        shape: sizes as `Hetero.shape` gives them. dim: width. dropout: before the activation.
        types: whose codes are made; None for all.
    """

    def __init__(self, shape: Mapping[str, int], dim: int, dropout: float, types: Sequence[str] | None = None):
        super().__init__()
        self.weights, self.biases, self.dropout = nn.ParameterDict(), nn.ParameterDict(), nn.Dropout(dropout)
        for name, size in shape.items():
            kind = name.partition(" of ")[2]
            if kind in (type_names(shape) if types is None else types) and not name.startswith("steps"):
                self.weights[kind] = nn.Parameter(nn.init.xavier_normal_(torch.empty(size, dim), gain=1.414))
                self.biases[kind] = nn.Parameter(torch.zeros(dim))

    def forward(self, graph: TypedGraph, kind: str, x: Any = None) -> Tensor:
        """Return the codes of the nodes of a type [nodes, dim], by other attributes where these are given."""
        x = graph.x(kind) if x is None else x
        mixed = self.weights[kind] if x is None else x @ self.weights[kind]
        coded: Tensor = nn.functional.elu(self.dropout(mixed + self.biases[kind]))
        return coded


class Attention(nn.Module):
    """One weight for each of several codes of all nodes, softmax of the mean over nodes of a . tanh(W h + b)."""

    def __init__(self, dim: int, dropout: float):
        super().__init__()
        self.linear, self.dropout = nn.Linear(dim, dim), nn.Dropout(dropout)
        self.vector = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, dim), gain=1.414))
        nn.init.xavier_normal_(self.linear.weight, gain=1.414)

    def weights(self, codes: Sequence[Tensor]) -> Tensor:
        """Return the weight of each code [codes]; codes are [nodes, dim] each."""
        vector = self.dropout(self.vector)[0]
        return torch.stack([torch.tanh(self.linear(code)).mean(0) @ vector for code in codes]).softmax(0)

    def forward(self, codes: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum [nodes, dim]."""
        return (self.weights(codes)[:, None, None] * torch.stack([*codes])).sum(0)


def type_names(shape: Mapping[str, int]) -> list[str]:
    """Return the names of the types that a shape tells of, the targets' first."""
    parts = [name.partition(" of ") for name in shape]
    return [kind for what, _, kind in parts if what in ("features", "nodes") and kind]


def path_names(shape: Mapping[str, int]) -> list[str]:
    """Return the names of the meta-paths that a shape tells of."""
    return [name.removeprefix("steps of ") for name in shape if name.startswith("steps of ")]
