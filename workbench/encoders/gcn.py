"""The graph convolutional encoder of Kipf and Welling."""

from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.datasets.attributes import BLOCK as READ
from workbench.encoders.base import ENCODERS, Encoder, Layer, Plain, source_of
from workbench.encoders.graph import BLOCK, GraphTensors, View, blocks_of
from workbench.encoders.layers import embed_set
from workbench.errors import UserError

Activation = Literal["relu", "prelu", "prelu-each", "prelu-layers", "rrelu"]

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


_ADD_NEIGHBOURS = '''
class AddNeighbours(nn.Module):
    """x plus its sums over neighbours and the node itself, normalised as in a graph convolution."""

    def __init__(self):
        super().__init__()
        self.halves = APPNP(1, 0.5)

    def forward(self, x, edge_index):
        return 2 * self.halves(x, edge_index)
'''


class GCN(Encoder):
    """Graph convolutions (Kipf and Welling 2017) with an activation after each, unless the last one stays bare.

    Args:
        widths: sizes from the attributes to the embedding, e.g. (1433, 256, 128).
        activation: "relu", "prelu" with one slope shared by all layers, or "prelu-each" with one for each column, which
            layers of equal width share; "prelu-layers" with one slope for each layer; "rrelu" with the mean of the
            slopes that randomised ReLU draws from, as it is outside of training, (1/8 + 1/3) / 2.
        inference: how the whole graph is normalised by `embed`: "gcn", or as one-hop "star"s (E2Neg).
        norm: "batch" standardises each column before the activation, over the nodes of the view in training and by
            running statistics afterwards; "none" does not.
        norm_momentum: weight of the newest view in those statistics, in (0, 1].
        bare: whether the last layer has neither normalisation nor activation.
        add_neighbours: whether the embedding h is given as h + Âh, neighbours once more (SGRL).
    """

    streams = True

    def __init__(
        self,
        widths: tuple[int, ...],
        activation: Activation = "relu",
        inference: Literal["gcn", "star"] = "gcn",
        norm: Literal["none", "batch"] = "none",
        norm_momentum: float = 0.1,
        bare: bool = False,
        add_neighbours: bool = False,
    ):
        super().__init__()
        self.weights = nn.ParameterList(torch.empty(a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(b) for b in widths[1:])
        slopes = widths[-1] if activation == "prelu-each" else 1
        self.activation: nn.Module = nn.ReLU() if activation == "relu" else nn.PReLU(slopes)
        if activation == "rrelu":
            self.activation = nn.LeakyReLU((1 / 8 + 1 / 3) / 2)
        if activation == "prelu-layers":
            self.activation = nn.ModuleList(nn.PReLU() for _ in self.biases)
        normed = widths[1 : -1 if bare else None] if norm == "batch" else ()
        self.norms, self.bare = nn.ModuleList(nn.BatchNorm1d(b, momentum=norm_momentum) for b in normed), bare
        self.inference, self.add_neighbours = inference, add_neighbours
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)

    def forward(self, view: View, order: Tensor | None = None) -> Tensor:
        """Return embeddings [nodes, width], of a sampled batch those of the anchors.

        Args:
            view: attributes and adjacency.
            order: the node whose attributes each node gets [nodes]; None leaves everyone their own.
        """
        h = view.x
        for layer, bias in enumerate(self.biases):
            h = self._finished(layer, self._summed(layer, view, h, order) + bias)
        if self.add_neighbours:
            adjacency = view.step(0)
            h = h[: len(adjacency)] + adjacency @ h
        return h

    def _summed(self, layer: int, view: View, h: Tensor, order: Tensor | None) -> Tensor:
        """Return sums over neighbours, mixed by a layer's weight [rows that the next layer needs, width]."""
        weight, adjacency = self.weights[layer], view.step(len(self.biases) - 1 - layer + self.add_neighbours)
        if layer:
            return (adjacency @ h) @ weight if view.reach else adjacency @ (h @ weight)
        if view.reach and h.layout == torch.strided:  # of a batch few rows are left once neighbours are summed
            return View(adjacency @ (h if order is None else h[order]), view.columns, adjacency).linear(weight)
        mixed = view.linear(weight)
        return adjacency @ (mixed if order is None else mixed[order])

    def _finished(self, layer: int, h: Tensor) -> Tensor:
        """Return what a layer gives of its sums: normalised, and through the activation."""
        for module in self._behind(layer):
            h = module(h)
        return h

    def _behind(self, layer: int) -> list[nn.Module]:
        """Return what stands behind the sums of a layer."""
        if self.bare and layer == len(self.biases) - 1:
            return []
        return [*([self.norms[layer]] if self.norms else []), self._activation(layer)]

    def _activation(self, layer: int) -> nn.Module:
        return self.activation[layer] if isinstance(self.activation, nn.ModuleList) else self.activation

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a whole graph [nodes, dim], or the means of those of a set's nodes [graphs, dim].

        Where no gradient is kept, a large graph, or one whose attributes stay on disk, goes through each layer in
        blocks of rows, so that beside what the layer takes there is only what it gives.
        """
        if isinstance(inputs, list):
            return embed_set(self.embed, inputs, "mean")
        graph = GraphTensors.of(inputs)
        view = graph.whole if self.inference == "gcn" else View(graph.x, None, graph.star_adjacency())
        exact = torch.is_grad_enabled() or (self.training and len(self.norms) > 0)
        small = graph.nodes * max(bias.numel() for bias in self.biases) <= BLOCK
        if exact or (small and isinstance(view.x, Tensor)):
            embedding: Tensor = self(view)
            return embedding
        for layer, bias in enumerate(self.biases):
            step = max(1, (BLOCK if isinstance(view.x, Tensor) else READ) // max(self.weights[layer].shape))
            mixed = bias.new_empty(graph.nodes, len(bias))
            for rows, part in blocks_of(view.x if layer == 0 else embedding, step):
                mixed[rows] = part @ self.weights[layer]
            embedding = torch.empty_like(mixed)
            for rows, part in blocks_of(view.adjacency, step):
                embedding[rows] = self._finished(layer, part @ mixed + bias)
            del mixed
        return embedding + view.adjacency @ embedding if self.add_neighbours else embedding

    def plain(self) -> Plain:
        """Return the same encoder made of PyG's `GCNConv`."""
        layer = "GCNConv" if self.inference == "gcn" else "StarConv"
        layers, state = list[Layer](), dict[str, Tensor]()
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            state |= {f"module_{len(layers)}.lin.weight": weight.T, f"module_{len(layers)}.bias": bias}
            layers.append(Layer(f"{layer}({weight.shape[0]}, {weight.shape[1]})", "x, edge_index"))
            for module in self._behind(number):
                state |= {f"module_{len(layers)}.{name}": value for name, value in module.state_dict().items()}
                layers.append(Layer(source_of(module)))
        if self.add_neighbours:
            layers.append(Layer("AddNeighbours()", "x, edge_index"))
            return Plain(layers, state, ["from torch_geometric.nn import APPNP, GCNConv"], _ADD_NEIGHBOURS)
        if self.inference == "gcn":
            return Plain(layers, state, ["from torch_geometric.nn import GCNConv"])
        imports = [
            "from torch_geometric.nn import MessagePassing",
            "from torch_geometric.utils import degree, remove_self_loops",
        ]
        return Plain(layers, state, imports, _STAR)


@ENCODERS.register("gcn")
def gcn(
    features: int,
    dim: int,
    layers: int = 2,
    activation: Literal["relu", "prelu", "prelu-each", "prelu-layers"] = "relu",
    norm: Literal["none", "batch"] = "none",
) -> GCN:
    """Return graph convolutions of equal width; arguments as for `GCN`."""
    if layers < 1:
        raise UserError("an encoder has at least 1 layer", parameter="encoder.layers")
    return GCN((features, *[dim] * layers), activation, norm=norm)
