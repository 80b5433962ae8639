"""SwAV on nodes: the cluster of a node in one view is predicted from the other view; no pair of nodes is compared.

Caron, Misra, Mairal, Goyal, Bojanowski, Joulin: Unsupervised Learning of Visual Features by Contrasting Cluster
Assignments. NeurIPS 2020, arXiv 2006.09882. Views and encoder are GRACE's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.encoders.gcn import GCN
from workbench.encoders.graph import BLOCK, GraphTensors
from workbench.encoders.heads import normalised_projector
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.objectives.clusters import swapped_cross_entropy
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SwAVConfig(TwoViews):
    """Configuration of SwAV; temperatures and iterations are the authors', all else is ours, for a graph like Cora.

    Attributes:
        dim: width of the embedding; all layers but the last are twice as wide.
        projection: hidden width of the projector.
        layers: graph convolutions.
        activation: "relu" or "prelu".
        prototypes: directions that stand for clusters; the authors take 3,000 for 1,000 classes of images.
        tau: temperature of the predictions.
        epsilon: temperature of the assignments.
        iterations: of Sinkhorn's algorithm, which make all prototypes be used alike; 0 leaves them free to collapse.
        frozen: epochs in which the prototypes stay as drawn.
        crops: further views of more dropped edges, small subgraphs around each node, which predict the assignments of
            both views; the authors take 6.
        crop_drop: rate of the edges that those lack.
        queue: nodes of earlier steps among which a batch is assigned, once there are so many; the authors take 3,840.
    """

    main = ("epochs", "lr", "dim", "prototypes", "tau")

    lr: float = above(0, 1e-3)
    dim: int = at_least(1, 128)
    projection: int = at_least(1, 128)
    layers: int = at_least(1, 2)
    activation: Literal["relu", "prelu"] = "relu"
    prototypes: int = at_least(1, 64)
    tau: float = above(0, 0.1)
    epsilon: float = above(0, 0.05)
    iterations: int = at_least(0, 3)
    frozen: int = at_least(0, 0)
    crops: int = at_least(0, 0)
    crop_drop: float = rate(0.7)
    queue: int = at_least(0, 0)


@METHODS.register("swav")
class SwAV(NodeMethod):
    """Scores are nodes times prototypes: memory grows with the nodes, not with their square.

    Differs from the release, which is for images: two views of the whole graph in place of crops in batches, so that
    no queue is needed; small crops have fewer edges and not fewer pixels; the queue is used as soon as it is full.
    Assignments are taken after the prototypes were normalised, as there.
    """

    Config = SwAVConfig

    encoder: GCN
    earlier: Tensor  # projections of earlier steps in both views, the latest first [2, queue, dim]
    seen: Tensor  # how many there were

    def __init__(self, config: SwAVConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("views")
        self.projector = normalised_projector(config.dim, config.projection)
        self.prototypes = nn.Parameter(normalize(torch.randn(config.prototypes, config.dim)))
        if config.queue:
            self.register_buffer("earlier", torch.zeros(2, config.queue, config.dim))
            self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @classmethod
    def make_encoder(cls, config: SwAVConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions, all but the last twice as wide as the embedding."""
        return GCN((shape["features"], *[2 * config.dim] * (config.layers - 1), config.dim), config.activation)

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Hold the prototypes where they are in the first epochs."""
        self.prototypes.requires_grad_(epoch >= self.config.frozen)

    def step(self, batch: Data) -> Step:
        """Predict the assignments of each view from the other."""
        config = self.config
        graph = GraphTensors.of(batch)
        views = config.views(graph, self.generator)
        u, v = (self.projector(self.encoder(view)) for view in views)
        small = (graph.view(config.crop_drop, config.feature_drop_2, self.generator) for _ in range(config.crops))
        crops = [self.scores(self.projector(self.encoder(view))) for view in small]
        full = config.queue and self.seen >= config.queue
        earlier = self.scores(self.earlier).detach() if full else None
        settings = config.tau, config.epsilon, config.iterations
        losses = swapped_cross_entropy(self.scores(u), self.scores(v), *settings, crops, earlier)
        if config.queue:
            self.seen += len(u)
            self.earlier = torch.cat([torch.stack([u, v]).detach(), self.earlier], 1)[:, : config.queue]
        return Step({"clusters": losses.mean()}, kept={"projections": (u, v)})

    def scores(self, projected: Tensor) -> Tensor:
        """Return the cosines of projections [nodes, dim] with the prototypes [nodes, prototypes]."""
        return normalize(projected, dim=-1) @ self.prototypes.T

    @torch.no_grad()
    def after_update(self) -> None:
        """Bring the prototypes back to unit length."""
        self.prototypes.copy_(normalize(self.prototypes))

    @classmethod
    def memory(cls, config: SwAVConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: both views through encoder and projector, and their scores with six copies."""
        scores = 4.0 * 7 * config.prototypes * ((2 + config.crops) * sizes["nodes"] + 2 * config.queue)
        return super().memory(config, sizes) * (1 + config.crops / 2) + scores

    def details(self) -> dict[str, Tensor]:
        """Return the prototype that each node of the whole graph is nearest to, "cluster" [nodes]."""
        blocks = self.encoder.embed(self.inputs).split(max(1, BLOCK // self.config.prototypes))
        return {"cluster": torch.cat([self.scores(self.projector(block)).argmax(1) for block in blocks])}
