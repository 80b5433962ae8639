"""Decoders that make attributes of codes; they are left out after training."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GINConv
from torch_geometric.utils import add_self_loops, remove_self_loops

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
        norm: "batch" standardises within "gin", over the rows that are asked for; "none" does not.
    """

    def __init__(
        self,
        kind: Literal["gat", "gin", "mlp"],
        dim: int,
        features: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        norm: Norm = "none",
    ):
        super().__init__()
        self.kind, self.dropout = kind, nn.Dropout(dropout)
        self.layer: nn.Module
        if kind == "gat":
            self.layer = GATConv(dim, features, dropout=attention_dropout, add_self_loops=False)
        elif kind == "gin":
            self.layer = GINConv(perceptron(dim, dim, features, "prelu", norm))
        else:
            self.layer = nn.Sequential(nn.Linear(dim, dim), nn.PReLU(), nn.Dropout(0.2), nn.Linear(dim, features))

    def forward(self, codes: Tensor, edge_index: Tensor, rows: Tensor) -> Tensor:
        """Return the attributes of some nodes [rows, features].

        Args:
            codes: of all nodes [nodes, dim].
            edge_index: [2, edges]; "gat" replaces self-loops by one a node.
            rows: numbers of the nodes, each once.
        """
        decoded: Tensor
        if self.kind == "mlp":
            decoded = self.layer(codes[rows])
            return decoded
        if self.kind == "gat":
            edge_index = add_self_loops(remove_self_loops(edge_index)[0], num_nodes=len(codes))[0]
        place = rows.new_full((len(codes),), -1)
        place[rows] = torch.arange(len(rows), device=rows.device)
        inward = place[edge_index[1]] >= 0
        source, target = edge_index[:, inward]
        codes = self.dropout(codes)
        decoded = self.layer((codes, codes[rows]), torch.stack([source, place[target]]))
        return decoded
