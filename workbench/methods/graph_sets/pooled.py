"""What methods on sets of graphs share: batches of graphs, and sums over neighbourhoods pooled to graphs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from workbench.datasets.graph_sets import GraphSet
from workbench.encoders.gin import GIN
from workbench.encoders.layers import GRAPHS_AT_ONCE
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import PROCESS, Method, above, at_least
from workbench.randomness import Randomness


@dataclass(frozen=True)
class GraphSetConfig(base.Config):
    """What methods on sets of graphs have in common.

    Attributes:
        dim: width of each layer.
        batch_size: graphs in a batch.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim")

    epochs: int = at_least(0, 20)
    lr: float = above(0, 1e-2)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 32)
    batch_size: int = at_least(2, 128)


@dataclass(frozen=True)
class PooledConfig(GraphSetConfig):
    """What InfoGraph and GraphCL have in common; the defaults are those of both releases.

    Attributes:
        dim: width of each layer; the embedding has all of them side by side.
        layers: of the encoder.
    """

    main = (*GraphSetConfig.main, "layers")

    layers: int = at_least(1, 5)


class GraphSetMethod(Method):
    """A method that sees a set of graphs in batches, in a new order each epoch.

    Attributes:
        compares: what the method does with other graphs, for a sentence to who has one only.
    """

    kinds = ("graph-sets",)
    compares: ClassVar[str]
    config: Any

    def __init__(self, config: Any, inputs: GraphSet, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        if len(inputs) < 2:
            raise UserError(f"{self.compares}; this set has one graph only")
        self.generator = randomness.generator("batches")

    def batches(self) -> Iterable[Batch]:
        """Yield the graphs in batches, in a new order each epoch; one that would be alone in the last is left out."""
        order = torch.randperm(len(self.inputs), generator=self.generator).tolist()
        alone = len(order) % self.config.batch_size == 1
        return DataLoader([self.inputs[number] for number in order], self.config.batch_size, drop_last=alone)


class PooledMethod(GraphSetMethod):
    """A method whose encoder is that of InfoGraph and GraphCL, which call the same code."""

    encoder: GIN

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> GIN:
        """Return sums over neighbourhoods whose layers are concatenated, graphs being the sums of their nodes."""
        width = config.dim * config.layers
        return GIN(shape["features"], width, config.layers, "relu", "after", 0.0, "sum", concatenate=True)

    def initialise(self) -> None:
        """Draw all linear layers as the releases do."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @classmethod
    def peak_of(cls, config: Any, sizes: Mapping[str, int], codes: int, pairs: int, heads: int) -> float:
        """Return the bytes of a batch, or of the larger one that is embedded, with messages.

        Args:
            config: the parameters.
            sizes: as for `memory`.
            codes: numbers of the encoder's width that a step keeps for each node.
            pairs: numbers that it keeps for each node and graph of a batch.
            heads: squares of that width in the heads.
        """
        width, features = config.dim * config.layers, sizes["features"]
        weights = cls.encoder_numbers(config, sizes) + heads * width**2
        peaks = [2.0 * weights]  # of Adam, once the codes are gone
        for most, kept, together in ((config.batch_size, codes, pairs), (GRAPHS_AT_ONCE, 3, 0)):
            graphs = min(most, sizes["graphs"])
            nodes, links = (graphs / sizes["graphs"] * sizes[name] for name in ("nodes", "edges"))
            peaks.append(nodes * (kept * width + 2 * features + together * graphs) + links * max(features, config.dim))
        return PROCESS + 4 * (2 * weights + max(peaks))
