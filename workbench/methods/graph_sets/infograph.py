"""InfoGraph: a discriminator that tells the nodes of a graph from those of others by the code of the whole graph.

Sun, Hoffmann, Verma, Tang: InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via Mutual
Information Maximization. ICLR 2020, arXiv 1908.01000.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn import global_add_pool

from workbench.datasets.graph_sets import GraphSet
from workbench.encoders.heads import ResidualHead
from workbench.methods.base import METHODS, Step
from workbench.methods.graph_sets.pooled import PooledConfig, PooledMethod
from workbench.objectives.discriminator import jensen_shannon
from workbench.randomness import Randomness
from workbench.views.features import shuffle


@dataclass(frozen=True)
class InfoGraphConfig(PooledConfig):
    """Configuration of InfoGraph; the defaults are the authors', whose script wants the learning rate to be named.

    Attributes:
        batch_size: graphs in a batch; a node is told apart from the other graphs of its batch.
        owner: which graph a node is a true pair with: "own", or "shuffled", that of another node of the batch, a
            control from which nothing can be learned.
    """

    owner: Literal["own", "shuffled"] = "own"


@METHODS.register("infograph")
class InfoGraph(PooledMethod):
    """Each node is paired with each graph of its batch; the pair is true where the node lies in the graph.

    The pairs of a batch are [nodes, graphs], and true ones are picked by index. Differs from the release: batches are
    drawn anew each epoch, not once; the embedding is that of the last epoch, where the release scores each of them.
    """

    Config = InfoGraphConfig
    compares = "infograph tells the nodes of a graph from those of others"

    def __init__(self, config: InfoGraphConfig, inputs: GraphSet, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.node_head, self.graph_head = (ResidualHead(config.dim * config.layers) for _ in range(2))
        self.initialise()

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
        """Return the peak: codes, heads and pairs of a batch."""
        return cls.peak_of(config, sizes, codes=22, pairs=6, heads=8)
