"""Encoders made of PyG's own layers, one behind another."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool, global_max_pool, global_mean_pool

from workbench.datasets.attributes import in_memory
from workbench.encoders.base import Encoder, Layer, Plain, source_of
from workbench.errors import UserError

Activation = Literal["prelu", "relu", "elu"]
Norm = Literal["none", "batch", "after"]
Pooling = Literal["mean", "sum", "max"]

ACTIVATIONS = {"prelu": nn.PReLU, "relu": nn.ReLU, "elu": nn.ELU}
POOLING = {"mean": global_mean_pool, "sum": global_add_pool, "max": global_max_pool}
GRAPHS_AT_ONCE = 256  # are embedded together


def embed_set(nodes: Callable[[Batch], Tensor], graphs: Any, pooling: Pooling) -> Tensor:
    """Return the embedding of each graph of a set [graphs, dim], by a function that embeds the nodes of many as one."""
    pool, batches = POOLING[pooling], DataLoader(graphs, GRAPHS_AT_ONCE)
    return torch.cat([pool(nodes(batch), batch.batch, batch.num_graphs) for batch in batches])


class Layers(Encoder):
    """Convolutions with dropout before each, normalisation and an activation after each, the last one included.

    Args:
        convolutions: one per layer, all of the width of the embedding.
        dim: that width.
        activation: after each; a PReLU has one slope per layer.
        norm: "batch" standardises each column before the activation, "after" behind it; "none" does not.
        dropout: share of each layer's inputs that is dropped in training, in [0, 1).
        pooling: how nodes make a graph where a set of graphs is embedded.
        concatenate: whether the codes of all layers side by side are the embedding, in place of the last one's.

    Raises:
        UserError: no layer, or a dropout outside its range.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Module],
        dim: int,
        activation: Activation,
        norm: Norm,
        dropout: float,
        pooling: Pooling,
        concatenate: bool = False,
    ):
        super().__init__()
        if not convolutions:
            raise UserError("an encoder has at least 1 layer", parameter="encoder.layers")
        if not 0 <= dropout < 1:
            raise UserError(f"dropout of the encoder is {dropout}; it must be in [0, 1)", parameter="encoder.dropout")
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(nn.BatchNorm1d(dim) for _ in convolutions if norm != "none")
        self.activations = nn.ModuleList(ACTIVATIONS[activation]() for _ in convolutions)
        self.dropout, self.pooling, self.norm, self.concatenate = nn.Dropout(dropout), pooling, norm, concatenate

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the embedding of nodes [nodes, dim].

        Args:
            x: attributes [nodes, features], dense.
            edge_index: [2, edges].
        """
        codes = list[Tensor]()
        for number, convolution in enumerate(self.convolutions):
            x = convolution(self.dropout(x), edge_index)
            for module in self.behind(number):
                x = module(x)
            codes += [x] if self.concatenate else []
        return torch.cat(codes, 1) if self.concatenate else x

    def behind(self, number: int) -> list[nn.Module]:
        """Return what stands behind a convolution: activation and normalisation, in their order."""
        modules = [self.activations[number], *([self.norms[number]] if self.norms else [])]
        return modules if self.norm == "after" else modules[::-1]

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a graph's nodes [nodes, dim], or of each graph of a set [graphs, dim]."""
        if isinstance(inputs, Data):
            nodes: Tensor = self(in_memory(inputs.x, "this encoder").to_dense(), inputs.edge_index)
            return nodes
        return embed_set(lambda batch: self(batch.x, batch.edge_index), inputs, self.pooling)

    def plain(self) -> Plain:
        """Return the same encoder of nodes made of PyG's layers; dropout, which embeds nothing, is left out."""
        layers, state, codes = list[Layer](), dict[str, Tensor](), ["x"]
        for number, convolution in enumerate(self.convolutions):
            modules = [convolution, *self.behind(number)]
            made = [
                Layer(self.source(convolution), f"{codes[-1]}, edge_index"),
                *map(Layer, map(source_of, modules[1:])),
            ]
            if self.concatenate:
                codes.append(f"x{number}")
                made[-1] = made[-1]._replace(gives=codes[-1])
            for module, layer in zip(modules, made, strict=True):
                state |= {f"module_{len(layers)}.{name}": value for name, value in module.state_dict().items()}
                layers.append(layer)
        if self.concatenate:
            layers.append(Layer("lambda *codes: torch.cat(codes, 1)", ", ".join(codes[1:])))
        return Plain(layers, state, [f"from torch_geometric.nn import {type(self.convolutions[0]).__name__}"])

    def source(self, convolution: nn.Module) -> str:
        """Return the source code that makes a convolution like this one."""
        return repr(convolution)
