"""DGI: a discriminator that tells nodes of the graph from nodes with shuffled attributes by a summary of the graph.

Velickovic, Fedus, Hamilton, Lio, Bengio, Hjelm: Deep Graph Infomax. ICLR 2019, arXiv 1809.10341.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.methods.base import METHODS, PROCESS, Step, above, at_least
from workbench.methods.nodes.batches import BatchConfig
from workbench.methods.nodes.lowest import LowestLoss
from workbench.objectives.discriminator import binary_cross_entropy
from workbench.randomness import Randomness
from workbench.views.features import shuffle


@dataclass(frozen=True)
class DGIConfig(BatchConfig):
    """Configuration of DGI; the defaults are the authors' for Cora.

    Attributes:
        dim: width of the embedding, which one graph convolution makes.
        patience: epochs without a lower loss after which training ends; 0 goes on to the last epoch.
        corruption: what makes the false nodes: "shuffle" gives each node the attributes of another, drawn anew each
            epoch; "identity" changes nothing, a control from which nothing can be learned.
    """

    main = ("epochs", "lr", "dim", "patience")

    epochs: int = at_least(0, 10_000)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 512)
    patience: int = at_least(0, 20)
    corruption: Literal["shuffle", "identity"] = "shuffle"


@METHODS.register("dgi")
class DGI(LowestLoss):
    """Negatives are the same nodes with other attributes, told apart by a bilinear form: no pair of nodes is compared.

    The release stops by the training loss and returns to the weights of the lowest one; so does this: `encoder` holds
    the weights of the lowest loss so far, `online` those that are trained. Its sparse path, followed here, adds
    self-loops once, as the paper does; its dense path adds them twice.
    """

    Config = DGIConfig

    encoder: GCN

    def __init__(self, config: DGIConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("corruption")
        # As in the release, whose bilinear form counts as a convolution over dim rows: very small initial weights.
        self.matrix = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, config.dim, config.dim))[0])
        self.bias = nn.Parameter(torch.zeros(1))

    @classmethod
    def make_encoder(cls, config: DGIConfig, shape: Mapping[str, int]) -> GCN:
        """Return one graph convolution with a PReLU."""
        return GCN((shape["features"], config.dim), "prelu")

    def step(self, batch: Data) -> Step:
        """Tell the nodes of the graph from corrupted ones."""
        order = None
        if self.config.corruption == "shuffle":
            order = shuffle(GraphTensors.of(batch).nodes, self.generator, self.bias.device)
        loss = self.loss(batch, order)
        self.seen(loss)
        return Step({"discriminator": loss}, finished=0 < self.config.patience <= int(self.waited))

    def loss(self, batch: Data, order: Tensor | None) -> Tensor:
        """Return the loss of a batch whose false nodes have the attributes of those in an order [nodes], a scalar."""
        view = GraphTensors.of(batch).whole
        return self.discriminate(*(self.online(view, nodes) for nodes in (None, order)))

    @classmethod
    def memory(cls, config: DGIConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: the graph and the corrupted one through one layer, no projector, the best encoder beside."""
        # Blocks below 32 MiB are kept by glibc's allocator, which leaves gaps; larger ones are given back.
        copies = 13 if 4 * sizes["rows"] * config.dim < 2**25 else 7
        numbers = copies * sizes["rows"] * config.dim + 7 * cls.encoder_numbers(config, sizes) + 4 * config.dim**2
        return PROCESS + 4.0 * numbers + cls.graph_bytes(sizes)

    def discriminate(self, true: Tensor, false: Tensor) -> Tensor:
        """Return the binary cross-entropy of h M c + b, c being the summary sigmoid(mean h) of the true nodes.

        M c is computed once, so that a node costs one inner product. Arguments are embeddings [nodes, dim].
        """
        direction = self.matrix @ true.mean(0).sigmoid()
        return binary_cross_entropy(true @ direction + self.bias, false @ direction + self.bias)
