"""The graph convolutional encoder of Kipf and Welling."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from workbench.encoders.graph import View


class GCN(nn.Module):
    """Graph convolutions (Kipf and Welling 2017) with an activation after each, the last one included.

    Args:
        widths: sizes from the attributes to the embedding, e.g. (1433, 256, 128).
        activation: "relu", or "prelu" with one slope shared by all layers.
    """

    def __init__(self, widths: tuple[int, ...], activation: str = "relu"):
        super().__init__()
        self.weights = nn.ParameterList(torch.empty(a, b) for a, b in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(b) for b in widths[1:])
        self.activation: nn.Module = nn.PReLU() if activation == "prelu" else nn.ReLU()
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)

    def forward(self, view: View) -> Tensor:
        """Return embeddings [nodes, width]."""
        h = view.linear(self.weights[0])
        for layer, bias in enumerate(self.biases):
            h = self.activation(view.adjacency @ (h if layer == 0 else h @ self.weights[layer]) + bias)
        return h
