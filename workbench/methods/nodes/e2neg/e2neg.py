"""E2Neg: a few representative centres, contrasted with one another only.

Huang, Zhao, He, Jin, Huang, Wang: Does GCL Need a Large Number of Negative Samples? AAAI 2025, vol. 39,
pp. 17511-17518, arXiv 2503.17908. Stages follow the appendix's pseudo-code and the released code.

Only the centres' rows reach the loss and only their attributes ever change, so a step aggregates the centres' stars
once and never touches the other rows: same loss and gradients as a graph convolution over the star graph.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.negatives.samplers.clustered import most_central, spectral_clusters
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.encoders.heads import projector
from workbench.errors import UserError, warn
from workbench.methods.base import METHODS, PROCESS, Method, Step
from workbench.methods.nodes.e2neg.config import E2NegConfig, uniformity_floor
from workbench.methods.nodes.e2neg.stars import Stars, grow_stars
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns, shuffle


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
            warn(f"{lost} of {len(centres)} centres have no neighbour left and take no part")
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

    @classmethod
    def memory(cls, config: E2NegConfig, sizes: Mapping[str, int]) -> float:
        """Return the bytes of the weights, the stars and the eigenvectors, and of the whole graph as it is embedded."""
        rows, features, dim = sizes["rows"], sizes["features"], config.dim
        members = min(config.k * (config.neighbours + 1), rows)
        weights = 4 * (cls.encoder_numbers(config, sizes) + 2 * dim**2)
        stars = (members + 3 * config.k) * features + 16 * config.k * dim
        eigenvectors = 4 * rows * (2 * config.k + 1)
        return PROCESS + 4.0 * (weights + stars + max(3 * rows * dim, eigenvectors)) + cls.graph_bytes(sizes)

    def details(self) -> dict[str, Tensor]:
        """Return centres [k], cluster of each node [nodes] and stars as (neighbour, centre) ids [2, entries]."""
        return {"centres": self.stars.centres, "clusters": self.clusters, "stars": self.stars.pairs}
