"""Sparse matrices whose entries are learned: where they lie, and their product with a dense matrix."""

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Pattern(NamedTuple):
    """Where a symmetric sparse matrix has its entries.

    Attributes:
        nodes: how many rows. pointer: where the entries of each row begin [nodes + 1].
        rows, columns: of each entry [entries]. turn: the place of the entry that mirrors each [entries].
    """

    nodes: int
    pointer: Tensor
    rows: Tensor
    columns: Tensor
    turn: Tensor

    @classmethod
    def of(cls, keys: Tensor, nodes: int) -> "Pattern":
        """Return the pattern of sorted numbers row * nodes + column, both of each pair being there [entries]."""
        rows, columns = keys // nodes, keys % nodes
        pointer = torch.cat([keys.new_zeros(1), torch.bincount(rows, minlength=nodes).cumsum(0)])
        return cls(nodes, pointer, rows, columns, torch.searchsorted(keys, columns * nodes + rows))

    def matrix(self, values: Tensor) -> Tensor:
        """Return the matrix with these entries, CSR [nodes, nodes]."""
        return torch.sparse_csr_tensor(
            self.pointer, self.columns, values, (self.nodes, self.nodes), check_invariants=False
        )

    def products(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the inner products of rows of a and of b [nodes, dim] at the entries [entries]."""
        return torch.sparse.sampled_addmm(self.matrix(a.new_zeros(len(self.rows))), a, b.T).values()


class EdgeProduct(torch.autograd.Function):
    """A sparse matrix by its entries [entries] times a dense one [nodes, dim], with the gradients of both."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, x: Tensor, pattern: Pattern) -> Tensor:
        """Return pattern.matrix(values) @ x."""
        ctx.save_for_backward(values, x)
        ctx.pattern = pattern
        return pattern.matrix(values) @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument of `forward`."""
        values, x = ctx.saved_tensors
        moved = ctx.pattern.products(gradients[0], x) if ctx.needs_input_grad[0] else None
        return moved, ctx.pattern.matrix(values[ctx.pattern.turn]) @ gradients[0], None
