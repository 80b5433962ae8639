"""A perceptron over the attributes alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from workbench.encoders.base import Encoder, Layer, Plain, source_of
from workbench.encoders.graph import GraphTensors, View


class MLP(Encoder):
    """Linear layers with ReLU between them, and batch normalisation unless it is left out; no edge is looked at.

    Args:
        features: attributes of a node.
        dim: width of the last layer.
        layers: how many there are, all of this width.
        hidden: in place of `layers`, the widths of those before the last.
        norm: whether columns are standardised before each ReLU.
    """

    def __init__(
        self, features: int, dim: int, layers: int = 2, hidden: Sequence[int] | None = None, norm: bool = True
    ):
        super().__init__()
        hidden = [dim] * (layers - 1) if hidden is None else hidden
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([features, *hidden, dim]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if norm else nn.Identity() for width in hidden)

    def forward(self, view: View) -> Tensor:
        """Return embeddings [nodes, dim], of a sampled batch those of the anchors."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        h = (view.first(view.reach[0]) if view.reach else view).linear(first.weight.T, first.bias)
        for norm, layer in zip(self.norms, self.layers[1:], strict=True):
            h = layer(norm(h).relu())
        return h

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a whole graph [nodes, dim]."""
        embedding: Tensor = self(GraphTensors.of(inputs).whole)
        return embedding

    def plain(self) -> Plain:
        """Return the same encoder as torch's own layers."""
        modules = [self.layers[0]]
        for norm, layer in zip(self.norms, self.layers[1:], strict=True):
            modules += [norm, nn.ReLU(), layer]
        state = {
            f"module_{number}.{name}": value
            for number, module in enumerate(modules)
            for name, value in module.state_dict().items()
        }
        return Plain([Layer(source_of(module)) for module in modules], state, [])
