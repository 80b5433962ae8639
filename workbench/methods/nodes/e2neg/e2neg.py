"""E2Neg: a few representative centres, contrasted with one another only.

Huang, Zhao, He, Jin, Huang, Wang: Does GCL Need a Large Number of Negative Samples? AAAI 2025, vol. 39,
pp. 17511-17518, arXiv 2503.17908. Stages follow the appendix's pseudo-code and the released code.

Only the centres' rows reach the loss and only their attributes ever change, so a step aggregates the centres' stars
once and never touches the other rows: same loss and gradients as a graph convolution over the star graph.
"""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.contrast.negatives.spectral import most_central, spectral_clusters
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, Method, Step, above, at_least, rate
from workbench.methods.nodes.e2neg.stars import Stars, grow_stars
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns, shuffle


@dataclass(frozen=True)
class E2NegConfig(base.ContrastConfig):
    """Configuration of E2Neg. Sizes default to a small CPU's; each switch defaults to what the release does.

    Attributes:
        dim: width of the embedding.
        tau: temperature, fixed at 0.5 in the release.
        k: clusters, hence centres. Negatives of another sampler than "all" are chosen among the centres.
        each: negatives of a centre at most; 0 for as many as there are centres.
        neighbours: most neighbours in a star.
        min_neighbours, max_hop: a star stops growing at this many entries, or hops.
        centres: how they are chosen: "spectral" (released), or the controls "random" and "degree" (highest).
        spectrum: singular vectors to cluster on: "largest" (released) or "smallest" of the largest component.
        counting: star membership by object "identity" (released, with repeats) or by "value".
        alias: the released in-place shuffle, which makes both views the same tensor and composes from epoch to epoch;
            False compares the unchanged centres with a second view.
        augment: the second view without aliasing: "shuffle" permutes the centres' attributes; "mask-drop" masks
            attribute columns and drops star edges.
        mask_rate, drop_rate: of attribute columns masked, and of star edges dropped, by "mask-drop".
        inference: the whole graph is encoded with the "gcn" normalisation (released) or as one-hop "star"s, as trained.
        stop_within: nats above the lowest possible aliased loss at which training ends; 0 runs all epochs.
    """

    main = ("epochs", "lr", "dim", "tau", "k", "alias")

    epochs: int = at_least(0, 150)
    lr: float = above(0, 5e-5)
    weight_decay: float = at_least(0, 5e-4)
    dim: int = at_least(1, 1024)
    tau: float = above(0, 0.5)
    k: int = at_least(1, 50)
    each: int = at_least(0, 0)
    neighbours: int = at_least(1, 100)
    min_neighbours: int = at_least(0, 50)
    max_hop: int = at_least(2, 10)
    centres: Literal["spectral", "random", "degree"] = "spectral"
    spectrum: Literal["largest", "smallest"] = "largest"
    counting: Literal["identity", "value"] = "identity"
    alias: bool = True
    augment: Literal["shuffle", "mask-drop"] = "shuffle"
    mask_rate: float = rate(0.3)
    drop_rate: float = rate(0.3)
    inference: Literal["gcn", "star"] = "gcn"
    stop_within: float = at_least(0, 0.0)
    count = "each"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alias and self.augment == "mask-drop":
            raise UserError("augment='mask-drop' needs a true second view; set alias=False as well")
        if self.stop_within and not self.alias:
            raise UserError("stop_within compares with the floor of the aliased loss; it needs alias=True")
        if self.stop_within and (self.negatives, self.objective) != (Part("all"), Part("infonce")):
            raise UserError("stop_within knows the floor of InfoNCE with all centres only; leave it at 0 here")


def uniformity_floor(k: int, tau: float) -> float:
    """Return the lowest loss of k identical-view centres, all cosines -1/(k-1): log(1 + 2(k-1) exp(-k/((k-1) tau)))."""
    return math.log1p(2 * (k - 1) * math.exp(-k / ((k - 1) * tau))) if k > 1 else 0.0


@METHODS.register("e2neg")
class E2Neg(Method):
    """Uniformity over K centres of a rebuilt star graph, applied afterwards to the whole graph."""

    Config = E2NegConfig
    encoder: GCN
    order: Tensor

    def __init__(self, config: E2NegConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.graph, self.generator = GraphTensors.of(inputs), randomness.generator("views")
        cpu = Data(edge_index=inputs.edge_index.cpu(), num_nodes=self.graph.nodes)
        if config.k >= self.graph.nodes:
            raise UserError(
                f"k={config.k} centres were asked for; the graph has {self.graph.nodes} nodes, k must be fewer"
            )
        self.clusters = torch.full((self.graph.nodes,), -1)
        if config.centres == "spectral":
            self.clusters, centrality = spectral_clusters(cpu, config.k, config.spectrum, randomness)
            centres = most_central(self.clusters, centrality)
        elif config.centres == "random":
            centres = shuffle(self.graph.nodes, randomness.generator("negatives"))[: config.k].sort().values
        else:
            degree = torch.bincount(cpu.edge_index[1], minlength=self.graph.nodes)
            centres = degree.argsort(descending=True, stable=True)[: config.k].sort().values
        limits = config.neighbours, config.min_neighbours, config.max_hop
        pairs, _ = grow_stars(cpu, centres, *limits, config.counting, randomness)
        self.stars = Stars(inputs.x, centres, pairs)
        lost = len(centres) - len(self.stars.centres)
        if lost:
            warnings.warn(f"{lost} of {len(centres)} centres have no neighbour left and take no part", stacklevel=2)
        if not len(self.stars.centres):
            raise UserError("no centre has a neighbour, so there is no star to learn from; the graph has too few edges")
        self.projector = projector(config.dim, config.dim)
        among = dataclasses.replace(config, k=config.each or len(self.stars.centres))
        base_contrast = Contrast(config.tau, nodes=self.stars.centres)
        self.negatives = among.sampled(base_contrast, inputs, randomness, self.stars.centres)
        # The composition of all permutations so far: what an in-place shuffle leaves in memory.
        self.register_buffer("order", torch.arange(len(self.stars.centres)))

    @classmethod
    def make_encoder(cls, config: E2NegConfig, shape: Mapping[str, int]) -> GCN:
        """Return the one layer that the stars train and that is applied to the whole graph."""
        return GCN((shape["features"], config.dim), "prelu-each", config.inference)

    def _project(self, aggregated: Tensor, weight: Tensor) -> Tensor:
        projection: Tensor = self.projector(self.encoder.activation(aggregated @ weight + self.encoder.biases[0]))
        return projection

    def project_centres(self, order: Tensor) -> Tensor:
        """Return the centres' projections when their attributes stand in `order`, [centres, dim]."""
        fixed, mixing, own = self.stars.parts
        return self._project(fixed + mixing @ own[order], self.encoder.weights[0])

    def step(self, batch: Data) -> Step:
        """Contrast the centres with one another."""
        c, centres = self.config, len(self.order)
        if c.alias:
            self.order = self.order[shuffle(centres, self.generator, self.order.device)]
            u = v = self.project_centres(self.order)
        else:
            u, v = self.project_centres(self.order), self._second_view()
        contrast = self.negatives(u, v)
        value = c.loss(contrast, u, v).mean()
        target = uniformity_floor(centres, c.tau) + c.stop_within
        finished = c.stop_within > 0 and float(value.detach()) < target
        return Step({"contrast": value}, kept={"contrast": contrast, "projections": (u, v)}, finished=finished)

    def _second_view(self) -> Tensor:
        device = self.order.device
        if self.config.augment == "shuffle":
            return self.project_centres(shuffle(len(self.order), self.generator, device))
        keep = keep_edges(self.stars.pairs.shape[1], self.config.drop_rate, self.generator, device=device)
        columns = keep_columns(self.graph.features, self.config.mask_rate, self.generator, device)
        return self._project(self.stars.weights(keep) @ self.stars.x, columns[:, None] * self.encoder.weights[0])

    def details(self) -> dict[str, Tensor]:
        """Return centres [k], cluster of each node [nodes] and stars as (neighbour, centre) ids [2, entries]."""
        return {"centres": self.stars.centres, "clusters": self.clusters, "stars": self.stars.pairs}
