"""Local-GCL: each node is pulled to its neighbours and pushed from all nodes, in the graph as it is.

Localized Contrastive Learning on Graphs. 2022, arXiv 2212.04604. No released code was found: the abstract says what the
method is; the encoder, all settings, and on which side of the logarithm positives are averaged are ours.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.fourier import fourier_log_mass
from workbench.contrast.kernels import EdgeSimilarity, log_sums
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.base import METHODS, ContrastConfig, Step, above, at_least
from workbench.methods.nodes.batches import BatchConfig, NodeMethod
from workbench.randomness import Randomness
from workbench.views.features import shuffle


@dataclass(frozen=True)
class LocalGCLConfig(BatchConfig, ContrastConfig):
    """Configuration of Local-GCL; every default is ours.

    Attributes:
        dim: width of the embedding and of each layer.
        layers: graph convolutions; the last one has no activation.
        tau: temperature.
        directions: random directions by which the sum over all nodes is estimated in time proportional to them; 0 sums
            exactly, over all pairs. Negatives of a sampler, and objectives other than InfoNCE, are summed exactly.
        average: over the positives of a node, "inside" the logarithm or "outside" of it, which is never less.
        positives: "neighbours", or the control "random", which puts another node in the place of each, drawn anew in
            each step.
    """

    main = ("epochs", "lr", "dim", "tau", "negatives", "k")

    epochs: int = at_least(0, 100)
    lr: float = above(0, 1e-3)
    dim: int = at_least(1, 256)
    layers: int = at_least(1, 2)
    tau: float = above(0, 0.5)
    directions: int = at_least(0, 512)
    average: Literal["inside", "outside"] = "inside"
    positives: Literal["neighbours", "random"] = "neighbours"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective.name == "cacr":
            raise UserError("local-gcl averages exponentials of its positives; the objective 'cacr' takes no such mean")

    @property
    def estimates(self) -> bool:
        """Whether the sum over all nodes is estimated."""
        return self.directions > 0 and self.negatives.name == "all" and self.objective.name == "infonce"

    def pair_bytes(self, rows: int, views: int = 1) -> float:
        """Return about how many bytes the sum over the nodes takes."""
        return 4 * 4 * rows * self.directions if self.estimates else super().pair_bytes(rows, 1)


@METHODS.register("local-gcl")
class LocalGCL(NodeMethod):
    """Neither views nor a projector: P is the adjacency divided by the degree, W is 1, a node itself included.

    Positives are the nodes that a convolution collects from, the sources of a node's edges; a node without any is only
    pushed. In a sampled batch they are its sampled neighbours, and the sum is over the anchors of the batch.
    """

    Config = LocalGCLConfig
    beyond: ClassVar[int] = 1  # of an anchor the neighbours are embedded too

    encoder: GCN

    def __init__(self, config: LocalGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        if not GraphTensors.of(inputs).edge_index.numel():
            raise UserError("local-gcl pulls neighbours together, and no two nodes of this graph have an edge")
        self.directions, self.order = randomness.generator("directions"), randomness.generator("positives")
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)

    @classmethod
    def make_encoder(cls, config: LocalGCLConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions of equal width with ReLU between them."""
        return GCN((shape["features"], *[config.dim] * config.layers), bare=True)

    def step(self, batch: Data) -> Step:
        """Pull each anchor to its neighbours and push it from all anchors."""
        c, graph = self.config, GraphTensors.of(batch)
        # Neighbours were sampled for one layer more than there is, so that those of the anchors are embedded as well.
        rows = normalize(self.encoder(dataclasses.replace(graph.whole, reach=graph.whole.reach[1:])))
        u = rows[: graph.anchors]
        contrast = self.contrast(batch, u, u)
        if c.estimates:
            pushed = fourier_log_mass(u, c.tau, c.directions, self.directions)
        else:
            pushed = c.loss(contrast, u) + 1 / c.tau  # in the contrast a row is its own positive, of cosine 1
        pairs = self.pairs(graph, len(rows))
        loss = (pushed - self.pulled(graph, rows, pairs)).mean()
        if len(rows) == graph.anchors:  # in a batch neighbours have no row of the contrast
            contrast = dataclasses.replace(contrast, positives=mean_over(pairs, len(u)))
        return Step({"contrast": loss}, kept={"contrast": contrast, "projections": (u,)})

    def pairs(self, graph: GraphTensors, rows: int) -> Tensor:
        """Return the anchor and the row of each positive pair, of so many rows [2, pairs]."""
        neighbour, anchor = graph.edge_index[:, graph.edge_index[1] < graph.anchors]
        if self.config.positives == "random":
            neighbour = shuffle(rows, self.order, anchor.device)[neighbour]
        return torch.stack([anchor, neighbour])

    def pulled(self, graph: GraphTensors, rows: Tensor, pairs: Tensor) -> Tensor:
        """Return the log of the mean of exp(s / tau) over the positives of each anchor, or the mean of s / tau.

        Args:
            graph: as a whole, or a batch of it.
            rows: embeddings of unit length, anchors first [rows, dim].
            pairs: anchor and row of each positive pair [2, pairs].
        """
        anchor, logits = pairs[0], EdgeSimilarity.apply(rows, rows, pairs) / self.config.tau
        degree = torch.bincount(anchor, minlength=graph.anchors)
        if self.config.average == "outside":
            pulled = rows.new_zeros(graph.anchors).index_add(0, anchor, logits / degree[anchor])
        else:
            pulled = log_sums(logits - degree[anchor].log(), anchor, graph.anchors)
        return torch.where(degree > 0, pulled, 1 / self.config.tau)


def mean_over(pairs: Tensor, anchors: int) -> tuple[Tensor, Tensor]:
    """Return positives of a contrast that weigh alike for each anchor and sum to 1; of one without any, itself."""
    degree = torch.bincount(pairs[0], minlength=anchors)
    alone = (degree == 0).nonzero()[:, 0]
    return torch.cat([pairs, alone.expand(2, -1)], 1), torch.cat([1 / degree[pairs[0]], torch.ones_like(alone)])
