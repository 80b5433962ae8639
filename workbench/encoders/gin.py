"""The graph isomorphism network of Xu and others."""

from torch import nn
from torch_geometric.nn import GINConv

from workbench.encoders.base import ENCODERS, source_of
from workbench.encoders.layers import ACTIVATIONS, Activation, Layers, Norm, Pooling
from workbench.errors import UserError


def perceptron(features: int, hidden: int, dim: int, activation: Activation, norm: Norm) -> nn.Sequential:
    """Return what a layer does to the sum over a neighbourhood: linear, normalisation, activation, linear."""
    norms = [nn.BatchNorm1d(hidden)] if norm == "batch" else []
    return nn.Sequential(nn.Linear(features, hidden), *norms, ACTIVATIONS[activation](), nn.Linear(hidden, dim))


@ENCODERS.register("gin")
class GIN(Layers):
    """Sums over neighbourhoods (Xu and others 2019), the node's own part with the factor 1; defaults are GraphMAE's.

    Args:
        features: attributes of a node.
        dim: width of the embedding, and of each layer unless they are concatenated and share it.
        layers: how many there are.
        activation, norm, dropout, pooling, concatenate: as for `Layers`; the activation and a norm before it also hold
            inside a layer.

    Raises:
        UserError: layers that don't divide the width that they share, or what `Layers` refuses.
    """

    def __init__(
        self,
        features: int,
        dim: int,
        layers: int = 2,
        activation: Activation = "prelu",
        norm: Norm = "batch",
        dropout: float = 0.2,
        pooling: Pooling = "mean",
        concatenate: bool = False,
    ):
        if concatenate and layers > 0:
            if dim % layers:
                raise UserError(f"a width of {dim} can't be divided among {layers} layers", parameter="encoder.layers")
            dim //= layers
        widths = [features, *[dim] * (layers - 1)][:layers]
        convolutions = [GINConv(perceptron(width, dim, dim, activation, norm)) for width in widths]
        super().__init__(convolutions, dim, activation, norm, dropout, pooling, concatenate)

    def source(self, convolution: nn.Module) -> str:
        """Return the source code that makes a convolution like this one."""
        assert isinstance(convolution, GINConv)
        return f"GINConv({source_of(convolution.nn)})"
