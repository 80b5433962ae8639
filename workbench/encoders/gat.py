"""The graph attention network of Velickovic and others."""

from torch import nn
from torch_geometric.nn import GATConv

from workbench.encoders.base import ENCODERS
from workbench.encoders.layers import Activation, Layers, Norm, Pooling
from workbench.errors import UserError

GAIN = 2**0.5  # of initial weights in DGL and the release of GraphMAE, which learns much more slowly from PyG's


def attention(
    features: int, dim: int, heads: int = 1, dropout: float = 0.0, gain: float = GAIN, self_loops: bool = True
) -> GATConv:
    """Return a layer of attention whose weights start normal, with the variance of Glorot times gain squared.

    Args:
        features: width of what goes in.
        dim: of what comes out, all heads side by side.
        heads: how many.
        dropout: of the attention.
        gain: how much larger than Glorot's the initial weights are.
        self_loops: whether the layer adds one to each node.
    """
    layer = GATConv(features, dim // heads, heads, dropout=dropout, add_self_loops=self_loops)
    for weight in (layer.lin.weight, layer.att_src, layer.att_dst):
        nn.init.xavier_normal_(weight, gain)
    return layer


@ENCODERS.register("gat")
class GAT(Layers):
    """Graph attention (Velickovic and others 2018); the defaults are those that GraphMAE trains on Cora.

    Args:
        features: attributes of a node.
        dim: width of the embedding and of each layer: all heads side by side.
        layers: how many there are.
        heads: of each layer.
        attention_dropout: share of the attention that is dropped in training, in [0, 1).
        gain: of the initial weights, see `attention`.
        activation, norm, dropout, pooling: as for `Layers`.

    Raises:
        UserError: heads that don't divide the width, or what `Layers` refuses.
    """

    def __init__(
        self,
        features: int,
        dim: int,
        layers: int = 2,
        heads: int = 4,
        activation: Activation = "prelu",
        norm: Norm = "none",
        dropout: float = 0.2,
        attention_dropout: float = 0.1,
        gain: float = GAIN,
        pooling: Pooling = "mean",
    ):
        if heads < 1 or dim % heads:
            raise UserError(f"a width of {dim} can't be divided among {heads} heads", parameter="encoder.heads")
        if not 0 <= attention_dropout < 1:
            raise UserError(
                f"attention dropout of the encoder is {attention_dropout}; it must be in [0, 1)",
                parameter="encoder.attention_dropout",
            )
        widths = [features, *[dim] * (layers - 1)][:layers]
        convolutions = [attention(width, dim, heads, attention_dropout, gain) for width in widths]
        super().__init__(convolutions, dim, activation, norm, dropout, pooling)
