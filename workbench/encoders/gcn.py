"""The graph convolutional encoder of Kipf and Welling."""

from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.encoders.base import Encoder, Plain
from workbench.encoders.graph import GraphTensors, View

Activation = Literal["relu", "prelu", "prelu-each"]

_STAR = '''
class StarConv(MessagePassing):
    """x W averaged as in a star around each node: 1/(n+1) for itself, 1/sqrt(n+1) for each of its n neighbours."""

    def __init__(self, features, dim):
        super().__init__(aggr="add")
        self.lin, self.bias = nn.Linear(features, dim, bias=False), nn.Parameter(torch.zeros(dim))

    def forward(self, x, edge_index):
        edge_index = remove_self_loops(edge_index)[0]
        size = 1 + degree(edge_index[1], len(x), x.dtype)[:, None]
        x = self.lin(x)
        return x / size + self.propagate(edge_index, x=x) / size.sqrt() + self.bias
'''


class GCN(Encoder):
    """Graph convolutions (Kipf and Welling 2017) with an activation after each, the last one included.

    Args:
        widths: sizes from the attributes to the embedding, e.g. (1433, 256, 128).
        activation: "relu", "prelu" with one slope shared by all layers, or "prelu-each" with one for each column, which
            layers of equal width share.
        inference: how the whole graph is normalised by `embed`: "gcn", or as one-hop "star"s (E2Neg).
    """

    def __init__(
        self, widths: tuple[int, ...], activation: Activation = "relu", inference: Literal["gcn", "star"] = "gcn"
    ):
        super().__init__()
        self.weights = nn.ParameterList(torch.empty(a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(b) for b in widths[1:])
        slopes = widths[-1] if activation == "prelu-each" else 1
        self.activation: nn.Module = nn.ReLU() if activation == "relu" else nn.PReLU(slopes)
        self.inference = inference
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)

    def forward(self, view: View) -> Tensor:
        """Return embeddings [nodes, width]."""
        h = view.linear(self.weights[0])
        for layer, bias in enumerate(self.biases):
            h = self.activation(view.adjacency @ (h if layer == 0 else h @ self.weights[layer]) + bias)
        return h

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a whole graph [nodes, dim]."""
        graph = GraphTensors.of(inputs)
        view = graph.whole if self.inference == "gcn" else View(graph.x, None, graph.star_adjacency())
        embedding: Tensor = self(view)
        return embedding

    def plain(self) -> Plain:
        """Return the same encoder made of PyG's `GCNConv`."""
        layer = "GCNConv" if self.inference == "gcn" else "StarConv"
        slope = self.activation.weight if isinstance(self.activation, nn.PReLU) else None
        activation = "nn.ReLU()" if slope is None else f"nn.PReLU({len(slope)})"
        layers, state = list[str](), dict[str, Tensor]()
        for position, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layers += [f'({layer}({weight.shape[0]}, {weight.shape[1]}), "x, edge_index -> x")', activation]
            state |= {f"module_{2 * position}.lin.weight": weight.T, f"module_{2 * position}.bias": bias}
            if slope is not None:
                state[f"module_{2 * position + 1}.weight"] = slope
        if self.inference == "gcn":
            return Plain(layers, state, ["from torch_geometric.nn import GCNConv"])
        imports = [
            "from torch_geometric.nn import MessagePassing",
            "from torch_geometric.utils import degree, remove_self_loops",
        ]
        return Plain(layers, state, imports, _STAR)
