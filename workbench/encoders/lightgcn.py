"""The encoder of LightGCN: learned embeddings of users and items, averaged along their interactions, no weights."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.index import index2ptr
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import to_undirected

from workbench.datasets.bipartite import interactions
from workbench.datasets.kinds import kind_of
from workbench.encoders.base import Encoder, Layer, Plain


class Parts(NamedTuple):
    """Vectors that add up to the embedding of one user.

    Attributes:
        own: from the user's learned embedding [dim].
        items: those that the user took [taken]; brought: from each of them, by all layers [taken, dim].
        intents: from each intent [intents, dim], none where a method has none.
    """

    own: Tensor
    items: Tensor
    brought: Tensor
    intents: Tensor


class SymmetricProduct(torch.autograd.Function):
    """A symmetric sparse matrix times a dense one: ten times as fast backwards as by a transpose made each time."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, x: Tensor) -> Tensor:
        """Return matrix @ x."""
        ctx.matrix = matrix
        return matrix @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """Return the gradient of x."""
        return None, ctx.matrix @ gradients[0]


def adjacency(data: HeteroData) -> Tensor:
    """Return the `normalised` interactions of data."""
    users, items = kind_of(data).shape(data).values()
    return normalised(interactions(data), users, items)


def normalised(pairs: Tensor, users: int, items: int) -> Tensor:
    """Return D^-1/2 A D^-1/2 of users and items, the users first, CSR [users + items, users + items].

    A repeated interaction [2, interactions] counts once; a user or item without any has a row of zeros.
    """
    ends = to_undirected(torch.stack([pairs[0], pairs[1] + users]), num_nodes=users + items)
    (row, column), values = gcn_norm(ends, None, users + items, add_self_loops=False)
    size = (users + items,) * 2
    return torch.sparse_csr_tensor(index2ptr(row, size[0]), column, values, size, check_invariants=False)


class LightGCN(Encoder):
    """An embedding for each user and item, and what convolutions without weights make of it.

    Args:
        users, items: how many.
        dim: width of the embedding.
        layers: convolutions; 0 is matrix factorisation.
        combine: how the layers, the learned embeddings included, make one: their "mean" or "sum".
        start: of the learned embeddings: "normal" with deviation 0.1, or "xavier".
    """

    def __init__(
        self,
        users: int,
        items: int,
        dim: int,
        layers: int,
        combine: Literal["mean", "sum"] = "mean",
        start: Literal["normal", "xavier"] = "normal",
    ):
        super().__init__()
        self.sizes, self.depth, self.combine = (users, items), layers, combine
        self.user, self.item = (nn.Parameter(torch.empty(count, dim)) for count in self.sizes)
        for table in (self.user, self.item):
            nn.init.normal_(table, std=0.1) if start == "normal" else nn.init.xavier_uniform_(table)

    def layers(self, matrix: Tensor | Sequence[Tensor], symmetric: bool = True) -> list[Tensor]:
        """Return the embeddings of each layer, the learned ones first, each [users + items, dim].

        Args:
            matrix: the adjacency of this name, or some of its entries; or one a layer.
            symmetric: whether it is, which makes gradients fast.
        """
        layers = [torch.cat([self.user, self.item])]
        for each in [matrix] * self.depth if isinstance(matrix, Tensor) else matrix:
            layers.append(SymmetricProduct.apply(each, layers[-1]) if symmetric else each @ layers[-1])
        return layers

    def combined(self, layers: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return one embedding of the users [users, dim] and one of the items [items, dim]."""
        total = sum(layers[1:], layers[0])
        users, items = (total / len(layers) if self.combine == "mean" else total).split(self.sizes)
        return users, items

    def embed(self, inputs: Any) -> dict[str, Tensor]:
        """Return the embedding of the same users and items by other interactions, too."""
        return dict(zip(("user", "item"), self.combined(self.layers(adjacency(inputs))), strict=True))

    def parts(self, inputs: Any, user: int) -> Parts:
        """Return what the embedding of a user by some interactions is the sum of, exactly."""
        matrix = adjacency(inputs)
        layers = self.layers(matrix)
        row = slice(*matrix.crow_indices()[user : user + 2].tolist())
        taken, weights = matrix.col_indices()[row], matrix.values()[row, None]
        brought = weights * sum((layer[taken] for layer in layers[:-1]), torch.zeros_like(layers[0][taken]))
        scale = 1 / len(layers) if self.combine == "mean" else 1.0
        return Parts(scale * layers[0][user], taken - self.sizes[0], scale * brought, layers[0][:0])

    def plain(self) -> Plain:
        """Return the same encoder made of an embedding and PyG's `LGConv`."""
        count = sum(self.sizes)
        names = [f"x{layer}" for layer in range(self.depth + 1)]
        layers = [Layer(f"nn.Embedding({count}, {self.user.shape[1]})", gives="x0")]
        layers += [Layer("LGConv()", f"{before}, edge_index", after) for before, after in pairwise(names)]
        scale = f" / {len(names)}" if self.combine == "mean" else ""
        layers.append(Layer(f"lambda *layers: sum(layers){scale}", ", ".join(names)))
        state = {"module_0.weight": torch.cat([self.user, self.item])}
        return Plain(layers, state, ["from torch_geometric.nn import LGConv"], embeds=self.embeds())

    def embeds(self) -> str:
        """Return what x and edge_index are, for whoever calls the plain module."""
        users, items = self.sizes
        numbers = f"x is torch.arange({users + items}), edge_index holds user u and item i as (u, {users} + i)"
        return f"{users:,} users and then {items:,} items:\n{numbers} and turned round"
