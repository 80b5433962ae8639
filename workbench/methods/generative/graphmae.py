"""GraphMAE: attributes of masked nodes are reconstructed from what surrounds them; nothing is contrasted.

Hou, Liu, Cen, Dong, Yang, Wang, Tang: GraphMAE: Self-Supervised Masked Graph Autoencoders. KDD 2022, arXiv 2205.10803.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from workbench.config import Part
from workbench.encoders.base import ENCODERS, Encoder
from workbench.encoders.decoders import AttributeDecoder
from workbench.errors import UserError
from workbench.methods.base import METHODS, PROCESS, Step, above, at_least, part, rate
from workbench.methods.momentum import cosine
from workbench.methods.nodes.batches import BatchConfig, NodeMethod
from workbench.objectives.reconstruction import scaled_cosine_error
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges


@dataclass(frozen=True)
class GraphMAEConfig(BatchConfig):
    """Configuration of GraphMAE; the defaults are the authors' for Cora.

    Attributes:
        lr: learning rate of the first epoch.
        schedule: how it goes on: "cosine" falls to 0 along half a cosine, "constant" does not.
        dim: width of the embedding and of each layer.
        encoder: "gat", "gin" or "gcn", with its options, e.g. encoder.heads=2.
        decoder: one layer of "gat" or "gin", or an "mlp", which sees no neighbours and whose codes stay as they are.
        mask: share of nodes whose attributes are hidden.
        replace: share of those that get the attributes of another node in place of the token.
        remask: whether the codes of masked nodes are set to 0 before the decoder.
        edge_drop: rate of edges that the encoder does not see in training.
        power: how much easy nodes are weighed down; 1 weighs all alike.
        batch_size: anchors of a step, 0 for the whole graph; of a set of graphs how many are in a batch, 0 for 32.
    """

    main = ("epochs", "lr", "dim", "encoder", "mask", "power")

    epochs: int = at_least(0, 1500)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 2e-4)
    schedule: Literal["cosine", "constant"] = "cosine"
    dim: int = at_least(1, 512)
    encoder: Part = part(ENCODERS, "gat")
    decoder: Literal["gat", "gin", "mlp"] = "gat"
    mask: float = rate(0.5)
    replace: float = rate(0.05)
    remask: bool = True
    edge_drop: float = rate(0.0)
    power: float = at_least(1, 3.0)


@METHODS.register("graphmae")
class GraphMAE(NodeMethod):
    """A learned token in place of attributes, an encoder and a decoder that both see the graph, the cosine error.

    Where less than one node would be replaced, none is; the release fails there, on a slice [-0:] that is everything.
    """

    Config = GraphMAEConfig
    kinds = ("nodes", "graph-sets")
    beyond = 1  # the decoder's layer

    encoder: Encoder

    def __init__(self, config: GraphMAEConfig, inputs: Any, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        features = (inputs if isinstance(inputs, Data) else inputs[0]).x.shape[1]
        options = config.encoder.all_options(ENCODERS)
        shared = {name: options[name] for name in ("dropout", "attention_dropout", "gain", "norm") if name in options}
        self.generator = randomness.generator("views")
        self.token = nn.Parameter(torch.zeros(1, features))
        self.bridge = nn.Linear(config.dim, config.dim, bias=False)
        self.decoder = AttributeDecoder(config.decoder, config.dim, features, **shared)

    @classmethod
    def make_encoder(cls, config: GraphMAEConfig, shape: Mapping[str, int]) -> Encoder:
        """Return the encoder that is named."""
        return config.encoder.call(ENCODERS, shape["features"], config.dim)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Set the learning rate of the epoch."""
        share = cosine(epoch, self.config.epochs) if self.config.schedule == "cosine" else 1
        for group in optimiser.param_groups:
            group["lr"] = self.config.lr * share

    def batches(self) -> Any:
        """Return the graph or batches of it, or a set of graphs in batches, in a new order each epoch."""
        if isinstance(self.inputs, Data):
            return super().batches()
        order = torch.randperm(len(self.inputs), generator=self.generator).tolist()
        return DataLoader([self.inputs[number] for number in order], self.config.batch_size or 32)

    def step(self, batch: Any) -> Step:
        """Hide attributes and reconstruct them."""
        x, edges = batch.x.to_dense(), batch.edge_index
        visible, masked = self.hide(x)
        kept = keep_edges(edges.shape[1], self.config.edge_drop, self.generator, device=edges.device).bool()
        seen = Data(x=visible, edge_index=edges[:, kept], degree=batch.get("degree"))
        codes = self.bridge(self.encoder.embed(seen))
        anchors = masked[masked < batch.get("batch_size", len(x))]
        anchors = anchors if len(anchors) else masked[:1]
        return Step({"reconstruction": self.error(x, codes, edges, masked, anchors)}, kept={"mask": masked})

    def hide(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return attributes of which some nodes' are hidden [nodes, features], and the numbers of those [masked].

        The first of them get the token, the last the attributes of any nodes; one or two between may keep their own.
        """
        order, donors = (torch.randperm(len(x), generator=self.generator).to(x.device) for _ in range(2))
        masked = order[: int(self.config.mask * len(x))]
        if not len(masked):
            raise UserError(f"mask={self.config.mask:g} hides none of {len(x)} nodes", parameter="mask")
        tokens, replaced = (int(share * len(masked)) for share in (1 - self.config.replace, self.config.replace))
        visible = x.index_copy(0, masked[:tokens], self.token.expand(tokens, -1))
        return visible.index_copy(0, masked[len(masked) - replaced :], x[donors[:replaced]]), masked

    def error(self, x: Tensor, codes: Tensor, edge_index: Tensor, masked: Tensor, anchors: Tensor) -> Tensor:
        """Return the mean error of masked nodes, a scalar; what else the decoder could make is not computed.

        Args:
            x: the true attributes [nodes, features].
            codes: of all nodes, behind the bridge [nodes, dim].
            edge_index: all edges [2, edges].
            masked: numbers of the masked nodes [masked].
            anchors: those of them that count [anchors].
        """
        if self.config.remask and self.config.decoder != "mlp":
            codes = codes.index_fill(0, masked, 0.0)
        decoded = self.decoder(codes, edge_index, anchors)
        return scaled_cosine_error(x[anchors], decoded, self.config.power).mean()

    @classmethod
    def memory(cls, config: GraphMAEConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: dense attributes, messages along each edge, and those of the decoder to masked nodes."""
        share = min(1.0, (config.batch_size or 32) / sizes.get("graphs", 1)) if "graphs" in sizes else 1.0
        nodes, features = share * sizes["nodes"], sizes["features"]
        links = share * sizes.get("edges", 0) + nodes
        numbers = 4 * nodes * features + (cls.hops(config) - cls.beyond) * config.dim * (6 * nodes + 3 * links)
        numbers += config.mask * features * (3 * links + 4 * nodes)
        return PROCESS + 4 * (numbers + 6 * (cls.encoder_numbers(config, sizes) + config.dim * (config.dim + features)))
