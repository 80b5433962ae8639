"""Decoders that make attributes of codes; they are left out after training."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear
from torch_geometric.nn import GATConv, GINConv
from torch_geometric.utils import add_self_loops, remove_self_loops, softmax

from workbench.encoders.gat import GAIN, attention
from workbench.encoders.gin import perceptron
from workbench.encoders.layers import Norm


class AttributeDecoder(nn.Module):
    """One layer from the codes of nodes to their attributes, computed for the rows that are asked for alone.

    Args:
        kind: a layer of "gat" or "gin", or an "mlp", which sees no neighbours.
        dim: width of the codes.
        features: attributes of a node.
        dropout: share of the codes that is dropped in training.
        attention_dropout: the same of the attention of "gat".
        gain: of the initial weights of "gat", see `workbench.encoders.gat.attention`.
        norm: "batch" standardises within "gin", over the rows that are asked for; "none" does not.
    """

    def __init__(
        self,
        kind: Literal["gat", "gin", "mlp"],
        dim: int,
        features: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        gain: float = GAIN,
        norm: Norm = "none",
    ):
        super().__init__()
        self.kind, self.dropout = kind, nn.Dropout(dropout)
        self.layer: nn.Module
        if kind == "gat":
            self.layer = attention(dim, features, 1, attention_dropout, gain, self_loops=False)
        elif kind == "gin":
            self.layer = GINConv(perceptron(dim, dim, features, "prelu", norm))
        else:
            self.layer = nn.Sequential(nn.Linear(dim, dim), nn.PReLU(), nn.Dropout(0.2), nn.Linear(dim, features))

    def forward(self, codes: Tensor, edge_index: Tensor, rows: Tensor) -> Tensor:
        """Return the attributes of some nodes [rows, features].

        Args:
            codes: of all nodes [nodes, dim].
            edge_index: [2, edges]; "gat" replaces self-loops by one per node.
            rows: numbers of the nodes, each once.
        """
        if self.kind == "gat":
            edge_index = add_self_loops(remove_self_loops(edge_index)[0], num_nodes=len(codes))[0]
        place = rows.new_full((len(codes),), -1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        source, target = edge_index[:, place[edge_index[1]] >= 0]
        codes = codes if self.kind == "mlp" else self.dropout(codes)
        decoded: Tensor
        if isinstance(self.layer, GATConv):
            decoded = self._attend(self.layer, codes, source, place[target], rows)
        elif self.kind == "gin":
            decoded = self.layer((codes, codes[rows]), torch.stack([source, place[target]]))
        else:
            decoded = self.layer(codes[rows])
        return decoded

    def _attend(self, layer: GATConv, codes: Tensor, source: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        """Return what the layer makes of edges into rows, W (sum of a h) in place of its sum of a (W h).

        The sum is then of codes, which are narrower than attributes, and the product is of the rows alone.
        """
        weight = layer.lin.weight
        of_source, of_target = (
            codes @ (layer.att_src.view(-1) @ weight),
            codes[rows] @ (layer.att_dst.view(-1) @ weight),
        )
        logits = leaky_relu(of_source[source] + of_target[target], layer.negative_slope)
        attention = nn.functional.dropout(softmax(logits, target, num_nodes=len(rows)), layer.dropout, self.training)
        mixed = codes.new_zeros(len(rows), codes.shape[1]).index_add(0, target, attention[:, None] * codes[source])
        return linear(mixed, weight, layer.bias)
