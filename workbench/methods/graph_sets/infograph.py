"""InfoGraph: a discriminator that tells the nodes of a graph from those of others by the code of the whole graph.

Sun, Hoffmann, Verma, Tang: InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via Mutual
Information Maximization. ICLR 2020, arXiv 1908.01000.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool

from workbench.datasets.graph_sets import GraphSet
from workbench.encoders.gin import GIN
from workbench.encoders.heads import ResidualHead
from workbench.encoders.layers import GRAPHS_AT_ONCE
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, PROCESS, Method, Step, above, at_least
from workbench.objectives.discriminator import jensen_shannon
from workbench.randomness import Randomness
from workbench.views.features import shuffle


@dataclass(frozen=True)
class InfoGraphConfig(base.Config):
    """Configuration of InfoGraph; the defaults are the authors', whose script wants the learning rate to be named.

    Attributes:
        dim: width of each layer; the embedding has all of them side by side.
        layers: of the encoder.
        batch_size: graphs in a batch; a node is told apart from the other graphs of its batch.
        owner: which graph a node is a true pair with: "own", or "shuffled", that of another node of the batch, a
            control from which nothing can be learned.
    """

    main = ("epochs", "lr", "dim", "layers")

    epochs: int = at_least(0, 20)
    lr: float = above(0, 1e-2)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 32)
    layers: int = at_least(1, 5)
    batch_size: int = at_least(2, 128)
    owner: Literal["own", "shuffled"] = "own"


@METHODS.register("infograph")
class InfoGraph(Method):
    """Each node is paired with each graph of its batch; the pair is true where the node lies in the graph.

    The pairs of a batch are [nodes, graphs], and true ones are picked by index. Differs from the release: batches are
    drawn anew each epoch, not once; the embedding is that of the last epoch, where the release scores each of them.
    """

    Config = InfoGraphConfig
    kinds = ("graph-sets",)

    encoder: GIN

    def __init__(self, config: InfoGraphConfig, inputs: GraphSet, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        if len(inputs) < 2:
            raise UserError("infograph tells the nodes of a graph from those of others; this set has one graph only")
        self.generator = randomness.generator("batches")
        self.node_head, self.graph_head = (ResidualHead(config.dim * config.layers) for _ in range(2))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @classmethod
    def make_encoder(cls, config: InfoGraphConfig, shape: Mapping[str, int]) -> GIN:
        """Return sums over neighbourhoods whose layers are concatenated, graphs being the sums of their nodes."""
        width = config.dim * config.layers
        return GIN(shape["features"], width, config.layers, "relu", "after", 0.0, "sum", concatenate=True)

    def batches(self) -> Iterable[Batch]:
        """Yield the graphs in batches, in a new order each epoch; one that would be alone in the last is left out."""
        order = torch.randperm(len(self.inputs), generator=self.generator).tolist()
        alone = len(order) % self.config.batch_size == 1
        return DataLoader([self.inputs[number] for number in order], self.config.batch_size, drop_last=alone)

    def step(self, batch: Batch) -> Step:
        """Tell the nodes of each graph of a batch from those of the others."""
        codes = self.encoder(batch.x, batch.edge_index)
        graphs = global_add_pool(codes, batch.batch, batch.num_graphs)
        owner = batch.batch
        if self.config.owner == "shuffled":
            owner = owner[shuffle(len(owner), self.generator, owner.device)]
        return Step({"discriminator": self.discriminate(codes, graphs, owner)})

    def discriminate(self, codes: Tensor, graphs: Tensor, owner: Tensor) -> Tensor:
        """Return the Jensen-Shannon loss of the inner products of nodes and graphs behind their heads, a scalar.

        Args:
            codes: of nodes [nodes, width].
            graphs: codes of the graphs [graphs, width].
            owner: number of the graph that a node is a true pair with [nodes].
        """
        logits = self.node_head(codes) @ self.graph_head(graphs).T
        own = owner[:, None]
        others = torch.ones_like(logits, dtype=torch.bool).scatter_(1, own, False)
        return jensen_shannon(logits.gather(1, own), logits[others])

    @classmethod
    def memory(cls, config: InfoGraphConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: codes, heads and pairs of a batch, or the larger batch that is embedded, with messages."""
        width, features = config.dim * config.layers, sizes["features"]
        weights = cls.encoder_numbers(config, sizes) + 8 * width**2
        peaks = [2.0 * weights]  # of Adam, once the codes are gone
        for most, codes, pairs in ((config.batch_size, 22, 6), (GRAPHS_AT_ONCE, 3, 0)):
            graphs = min(most, sizes["graphs"])
            nodes, links = (graphs / sizes["graphs"] * sizes[name] for name in ("nodes", "edges"))
            peaks.append(nodes * (codes * width + 2 * features + pairs * graphs) + links * max(features, config.dim))
        return PROCESS + 4 * (2 * weights + max(peaks))
