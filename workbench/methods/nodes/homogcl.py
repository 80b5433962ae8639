"""HomoGCL: neighbours count as positives, each as much as its soft cluster agrees with the node's.

HomoGCL: Rethinking Homophily in Graph Contrastive Learning. KDD 2023; after the released code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.config import Part, rate
from workbench.contrast import Contrast
from workbench.contrast.kernels import EdgeSimilarity
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods.base import METHODS, ContrastConfig, Step, above, at_least
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.two_views import TwoViews
from workbench.objectives.clusters import lloyd
from workbench.objectives.neighbours import neighbour_infonce
from workbench.randomness import Randomness


@dataclass(frozen=True)
class HomoGCLConfig(TwoViews, ContrastConfig):
    """Configuration of HomoGCL; the defaults are the authors' for Cora.

    Attributes:
        dim: width of the embedding; all layers but the last are twice as wide.
        layers: graph convolutions; the last one has no activation.
        projection: hidden width of the projector; 0 contrasts the embedding itself.
        tau: temperature.
        centres: of the clusters of k-means, at most as many as nodes.
        rounds: of k-means, which starts from random nodes in each step.
        sigma: squared distances from the centres are divided by it before the softmax. The released 1e-3 makes the
            assignment of almost every node all but certain.
        alpha: weight of the squared difference between the assignments of neighbours, whose mean is over edges, a loop
            at each node, and clusters.
        average: divide the shares of a node's neighbours by their number plus 0.01, as released for Cora only.
        shares: a neighbour counts by the cosine of both assignments, "clusters"; the controls are "one" and "shuffled",
            the same cosines handed to other edges.
    """

    main = ("epochs", "lr", "dim", "tau", "centres", "alpha")

    epochs: int = at_least(0, 50)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 256)
    layers: int = at_least(1, 2)
    projection: int = at_least(0, 0)
    tau: float = above(0, 0.5)
    centres: int = at_least(1, 10)
    rounds: int = at_least(0, 20)
    sigma: float = above(0, 1e-3)
    alpha: float = at_least(0, 1.0)
    average: bool = True
    shares: Literal["clusters", "one", "shuffled"] = "clusters"
    edge_drop_1: float = rate(0.4)
    edge_drop_2: float = rate(0.4)
    feature_drop_1: float = rate(0.1)
    feature_drop_2: float = rate(0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective != Part("infonce"):
            raise UserError("homogcl has a denominator of its own; its objective must be 'infonce'")


@METHODS.register("homogcl")
class HomoGCL(NodeMethod):
    """A node's neighbours in a view are positives there and no negatives; its own pair is in the denominator twice.

    Gradients flow through the assignments, not through the centres. Neighbours are the sources of a node's edges, as in
    the convolution; the release takes their targets, which is the same where each edge is stored in both directions,
    and masks them by dense nodes x nodes matrices. In a sampled batch they are those among the anchors whose edge was
    sampled, and the clusters are of the anchors.
    """

    Config = HomoGCLConfig

    encoder: GCN

    def __init__(self, config: HomoGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        nodes = int(inputs.num_nodes)
        if config.centres > nodes:
            asked = f"{config.centres} centres of clusters were asked for"
            raise UserError(f"{asked}; {nodes} nodes give 1 to {nodes}", parameter="centres")
        self.generator, self.starts = randomness.generator("views"), randomness.generator("clusters")
        self.order = randomness.generator("shares")
        self.projector = projector(config.dim, config.projection) if config.projection else torch.nn.Identity()
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)

    @classmethod
    def make_encoder(cls, config: HomoGCLConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions with ReLU between them, all but the last twice as wide as the embedding."""
        return GCN((shape["features"], *[2 * config.dim] * (config.layers - 1), config.dim), bare=True)

    def step(self, batch: Data) -> Step:
        """Contrast two views, and have neighbours agree on their cluster."""
        graph = GraphTensors.of(batch)
        views = self.config.views(graph, self.generator)
        u, v = (self.projector(self.encoder(view)) for view in views)
        assigned = self.assignments(self.encoder(graph.whole))
        edges = views[0].edges(graph.anchors), views[1].edges(graph.anchors)
        shares = self.shares(assigned, edges[0]), self.shares(assigned, edges[1])
        contrast = self.contrast(batch, u, v)
        links = graph.edge_index[:, (graph.edge_index < graph.anchors).all(0)]
        apart = (assigned[links[0]] - assigned[links[1]]).square().sum() / assigned.shape[1]
        terms = {
            "contrast": neighbour_infonce(contrast, u, v, edges, shares).mean(),
            "homophily": apart / (links.shape[1] + graph.anchors),
        }
        return Step(terms, {"homophily": self.config.alpha}, {"contrast": contrast, "projections": (u, v)})

    def assignments(self, embedding: Tensor) -> Tensor:
        """Return how likely each cluster is for each node [nodes, clusters]."""
        c = self.config
        centres = lloyd(embedding.detach(), c.centres, c.rounds, self.starts)
        # Squared distances up to the square of the row itself, which the softmax cancels.
        return ((2 * embedding @ centres.T - centres.square().sum(1)) / c.sigma).softmax(1)

    def shares(self, assigned: Tensor, edges: Tensor) -> Tensor:
        """Return how much the neighbour at each edge counts as a positive [edges]."""
        c, anchor = self.config, edges[0]
        if c.shares == "one":
            shares = assigned.new_ones(len(anchor))
        else:
            unit = normalize(assigned)
            shares = EdgeSimilarity.apply(unit, unit, edges)
            if c.shares == "shuffled":
                shares = shares[torch.randperm(len(anchor), generator=self.order).to(anchor.device)]
        degree = torch.bincount(anchor, minlength=len(assigned))
        return shares / (degree[anchor] + 0.01) if c.average else shares

    @classmethod
    def memory(cls, config: HomoGCLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: both views, the graph as it is, assignments, and what an edge keeps in each view."""
        edges = sizes.get("edges", 0)
        numbers = 2.5 * sizes["rows"] * (6 * config.dim + 4 * config.centres) + edges * (30 + 2 * config.centres)
        return super().memory(config, sizes) + 4 * numbers + EdgeSimilarity.peak_bytes(edges, config.dim)
