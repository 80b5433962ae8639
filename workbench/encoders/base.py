"""`Encoder`: what is kept of a training, and how it is written for those who do not have this package."""

from typing import Any, NamedTuple

from torch import Tensor, nn


class Plain(NamedTuple):
    """An encoder in PyG's own words, for `Run.export`.

    Attributes:
        layers: the arguments of `torch_geometric.nn.Sequential("x, edge_index", [...])` after the first, one a line, as
            source code, e.g. '(GCNConv(1433, 128), "x, edge_index -> x")'.
        state: its weights, by the names that such a module has.
        imports: lines of import beyond torch, `nn` and `Sequential`.
        definitions: source code of what PyG does not have, above the module.
    """

    layers: list[str]
    state: dict[str, Tensor]
    imports: list[str]
    definitions: str = ""


class Encoder(nn.Module):
    """A module that embeds inputs of one kind, whether or not training saw them."""

    def embed(self, inputs: Any) -> Tensor | dict[str, Tensor]:
        """Return the embedding of inputs [items, dim], or one by item name."""
        raise TypeError(f"{type(self).__name__} embeds nothing")

    def plain(self) -> Plain:
        """Return the same encoder in PyG's own words."""
        raise TypeError(f"{type(self).__name__} has no plain form")
