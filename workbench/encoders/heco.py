"""The two views of HeCo: what meta-paths say of a target, and what its neighbours of each type say."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from workbench.encoders.base import Encoder
from workbench.encoders.typed import Attention, TypeCodes, TypedGraph, type_names


class PathView(Encoder):
    """A graph convolution for each meta-path, PReLU(Â h W + b), and attention over them.

    Args:
        shape: sizes as `Hetero.shape` gives them. dim: width.
        paths: names of the meta-paths.
        dropout: of the codes of types. attention_dropout: of the vector that attention is by.
    """

    def __init__(
        self, shape: Mapping[str, int], dim: int, paths: Sequence[str], dropout: float, attention_dropout: float
    ):
        super().__init__()
        self.codes, self.paths = TypeCodes(shape, dim, dropout, type_names(shape)[:1]), [*paths]
        mixes = [nn.Linear(dim, dim, bias=False) for _ in paths]
        self.biases = nn.ParameterList(torch.zeros(dim) for _ in paths)
        self.slopes = nn.ModuleList(nn.PReLU() for _ in paths)
        self.attention = Attention(dim, attention_dropout)
        for mix in mixes:
            nn.init.xavier_normal_(mix.weight, gain=1.414)
        self.mixes = nn.ModuleList(mixes)

    def along(self, graph: TypedGraph, h: Tensor) -> list[Tensor]:
        """Return what each path makes of the codes of the targets [targets, dim] each."""
        parts = zip(self.paths, self.mixes, self.biases, self.slopes, strict=True)
        return [slope(graph.smoother(path)(mix(h)) + bias) for path, mix, bias, slope in parts]

    def forward(self, graph: TypedGraph) -> tuple[Tensor, Tensor]:
        """Return the codes of the targets, and their embedding [targets, dim] each."""
        h = self.codes(graph, graph.target)
        return h, self.attention(self.along(graph, h))

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of the targets [targets, dim]."""
        embedding: Tensor = self(TypedGraph.of(inputs))[1]
        return embedding


class SchemaView(nn.Module):
    """Attention over sampled neighbours of each type, then over the types; arguments as for `PathView`."""

    def __init__(
        self, shape: Mapping[str, int], dim: int, types: Sequence[str], dropout: float, attention_dropout: float
    ):
        super().__init__()
        self.codes, self.types = TypeCodes(shape, dim, dropout, types), [*types]
        vectors = (nn.init.xavier_normal_(torch.empty(1, 2 * dim), gain=1.414) for _ in types)
        self.vectors, self.dropout = nn.ParameterList(vectors), nn.Dropout(attention_dropout)
        self.attention = Attention(dim, attention_dropout)

    def forward(self, graph: TypedGraph, h: Tensor, sampled: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return what the neighbours say of each target [targets, dim].

        Args:
            graph: the typed graph. h: codes of the targets [targets, dim].
            sampled: of each type the neighbours [targets, sampled], and which targets have any [targets].
        """
        said = []
        for kind, vector, (neighbours, there) in zip(self.types, self.vectors, sampled, strict=True):
            own, others = self.dropout(vector)[0].chunk(2)
            around = nn.functional.embedding(neighbours, self.codes(graph, kind))
            weights = nn.functional.leaky_relu((h @ own)[:, None] + around @ others, 0.01).softmax(1)
            said.append(nn.functional.elu((weights[:, None] @ around)[:, 0]) * there[:, None])
        summed: Tensor = self.attention(said)
        return summed
