"""A transformer of the nodes of one graph: message passing over its edges, and attention among all nodes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from workbench.config import Part
from workbench.datasets.attributes import in_memory
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.transformers import TRANSFORMERS, Transformer
from workbench.encoders.vit import ViT


class Attributes(nn.Linear):
    """A linear layer of the attributes of nodes, which may be sparse."""

    def forward(self, view: View) -> Tensor:  # type: ignore[override]
        """Return tokens [nodes, dim] of a view."""
        return view.linear(self.weight.T, self.bias)


@TRANSFORMERS.register("graph-transformer")
class GraphTransformer(Transformer):
    """Message passing, attention and a feed-forward layer in turn; the form follows GPS, where the first two are added.

    Rampasek and others: Recipe for a General, Powerful, Scalable Graph Transformer. NeurIPS 2022, arXiv 2205.12454.
    Nodes have no positions but what message passing tells of them.

    Args:
        shape: "features" of a node.
        dim, blocks, heads: as for `Transformer`.
    """

    def __init__(self, shape: Mapping[str, int], dim: int, blocks: int = 4, heads: int = 4):
        super().__init__(dim, blocks, heads, local=True)
        self.made = Part("graph-transformer", (("blocks", blocks), ("heads", heads)))
        self.input = Attributes(shape["features"], dim)

    def forward(self, view: View) -> Tensor:
        """Return the embedding of the nodes of a view, the whole graph [nodes, dim]."""
        tokens = self.input(view)
        for block in self.blocks:
            tokens = block(tokens, view.adjacency)
        codes: Tensor = self.norm(tokens)
        return codes

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a graph's nodes [nodes, dim]."""
        in_memory(inputs.x, "this encoder")
        return self(GraphTensors.of(inputs).whole)


@TRANSFORMERS.register("by-kind")
def by_kind(shape: Mapping[str, int], dim: int, blocks: int = 4, heads: int = 4, patch: int = 2) -> Transformer:
    """Return a "vit" of images and a "graph-transformer" of anything else; patches are of the former."""
    return ViT(shape, dim, blocks, heads, patch) if "height" in shape else GraphTransformer(shape, dim, blocks, heads)
