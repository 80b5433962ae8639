"""E2Neg: a few representative centres, contrasted with one another only.

Huang, Zhao, He, Jin, Huang, Wang: Does GCL Need a Large Number of Negative Samples? AAAI 2025, vol. 39,
pp. 17511-17518, arXiv 2503.17908. Stages follow the appendix's pseudo-code and the released code.

Only the centres' rows reach the loss and only their attributes ever change, so a step aggregates the centres' stars
once and never touches the other rows: same loss and gradients as a graph convolution over the star graph.
"""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.contrast import Contrast, loss
from workbench.contrast.stars import grow_stars, most_central, spectral_clusters
from workbench.encoders import GraphTensors, projector
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, Method, Step, above, at_least, rate
from workbench.randomness import Randomness
from workbench.views import keep_columns, keep_edges, shuffle


@dataclass(frozen=True)
class E2NegConfig(base.Config):
    """Configuration of E2Neg. Sizes default to a small CPU's; each switch defaults to what the release does.

    Attributes:
        dim: width of the embedding.
        tau: temperature, fixed at 0.5 in the release.
        k: clusters, hence centres.
        neighbours: most neighbours in a star; min_neighbours: entries at which a star stops growing; max_hop: its limit.
        centres: how they are chosen: "spectral" (released), or the controls "random" and "degree" (highest).
        spectrum: singular vectors to cluster on: "largest" (released) or "smallest" of the largest component.
        counting: star membership by object "identity" (released, with repeats) or by "value".
        alias: the released in-place shuffle, which makes both views the same tensor and composes from epoch to epoch;
            False compares the unchanged centres with a second view.
        augment: the second view without aliasing: "shuffle" permutes the centres' attributes; "mask-drop" masks
            attribute columns at `mask_rate` and drops star edges at `drop_rate`.
        inference: the whole graph is encoded with the "gcn" normalisation (released) or as one-hop "star"s, as trained.
        stop_within: nats above the lowest possible aliased loss at which training ends; 0 runs all epochs.
    """

    epochs: int = at_least(0, 150)
    lr: float = above(0, 5e-5)
    weight_decay: float = at_least(0, 5e-4)
    dim: int = at_least(1, 1024)
    tau: float = above(0, 0.5)
    k: int = at_least(1, 50)
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alias and self.augment == "mask-drop":
            raise UserError("augment='mask-drop' needs a true second view; set alias=False as well")
        if self.stop_within and not self.alias:
            raise UserError("stop_within compares with the floor of the aliased loss; it needs alias=True")


def uniformity_floor(k: int, tau: float) -> float:
    """Return the lowest loss of k identical-view centres, all cosines -1/(k-1): log(1 + 2(k-1) exp(-k/((k-1) tau)))."""
    return math.log1p(2 * (k - 1) * math.exp(-k / ((k - 1) * tau))) if k > 1 else 0.0


class Stars:
    """The star graph around the centres as one sparse matrix of its centre rows.

    Args:
        x: attributes of the whole graph [nodes, features].
        centres: node ids [centres].
        pairs: (node, centre) ids [2, entries].
    """

    def __init__(self, x: Tensor, centres: Tensor, pairs: Tensor):
        self.pairs = pairs[:, pairs[0] != pairs[1]].to(x.device)
        has_star = torch.isin(centres.to(x.device), self.pairs[1])
        self.centres = centres.to(x.device)[has_star]
        members, self._index = torch.unique(torch.cat([self.centres, self.pairs.flatten()]), return_inverse=True)
        self._own, node, centre = self._index.split([len(self.centres), *[self.pairs.shape[1]] * 2])
        self._node = node
        row_of = torch.empty(len(members), dtype=torch.long, device=x.device)
        row_of[self._own] = torch.arange(len(self.centres), device=x.device)
        self._row, self.members = row_of[centre], len(members)
        self.x = (x.to_dense() if x.layout != torch.strided else x)[members]

    def weights(self, keep: Tensor | None = None) -> Tensor:
        """Return the normalised star adjacency's centre rows, CSR [centres, members] (weight 1/(n+1) on the centre)."""
        kept = torch.ones(self.pairs.shape[1], device=self.x.device) if keep is None else keep
        degree = torch.ones(self.members, device=self.x.device).index_add_(0, self._own[self._row], kept)
        root = degree.rsqrt()
        values = torch.cat([kept * root[self._node] * root[self._own[self._row]], 1 / degree[self._own]])
        rows = torch.cat([self._row, torch.arange(len(self.centres), device=self.x.device)])
        index = torch.stack([rows, torch.cat([self._node, self._own])])
        return torch.sparse_coo_tensor(index, values, (len(self.centres), self.members)).coalesce()

    @cached_property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The aggregate as fixed + mixing @ centre attributes: [centres, features], [centres, centres], [.., features]."""
        weights, own = self.weights(), self.x[self._own]
        mixing = weights.to_dense()[:, self._own]
        return weights @ self.x - mixing @ own, mixing, own


@METHODS.register("e2neg")
class E2Neg(Method):
    """Uniformity over K centres of a rebuilt star graph, applied afterwards to the whole graph."""

    Config = E2NegConfig

    def __init__(self, config: E2NegConfig, graph: Data, randomness: Randomness):
        super().__init__()
        self.config, self.graph = config, GraphTensors(graph)
        self.generator = randomness.generator("views")
        cpu = Data(edge_index=graph.edge_index.cpu(), num_nodes=self.graph.nodes)  # type: ignore[union-attr]
        if config.k >= self.graph.nodes:
            raise UserError(f"k={config.k} centres were asked for; the graph has {self.graph.nodes} nodes, k must be fewer")
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
        self.stars = Stars(graph.x, centres, pairs)  # type: ignore[arg-type]
        lost = len(centres) - len(self.stars.centres)
        if lost:
            warnings.warn(f"{lost} of {len(centres)} centres have no neighbour left and take no part", stacklevel=2)
        if not len(self.stars.centres):
            raise UserError("no centre has a neighbour, so there is no star to learn from; the graph has too few edges")
        self.weight = nn.Parameter(torch.empty(self.graph.features, config.dim))
        self.bias = nn.Parameter(torch.zeros(config.dim))
        nn.init.xavier_uniform_(self.weight)
        self.activation = nn.PReLU(config.dim)
        self.projector = projector(config.dim, config.dim)
        self.contrast = Contrast(config.tau, nodes=self.stars.centres)
        # The composition of all permutations so far: what an in-place shuffle leaves in memory.
        self.register_buffer("order", torch.arange(len(self.stars.centres)))

    def _project(self, aggregated: Tensor, weight: Tensor) -> Tensor:
        projection: Tensor = self.projector(self.activation(aggregated @ weight + self.bias))
        return projection

    def step(self) -> Step:
        fixed, mixing, own = self.stars.parts
        order = shuffle(len(own), self.generator, own.device)
        if self.config.alias:
            self.order = self.order[order]
            u = v = self._project(fixed + mixing @ own[self.order], self.weight)
        else:
            u = self._project(fixed + mixing @ own, self.weight)
            v = self._second_view(order)
        value = loss(self.contrast, u, v).mean()
        target = uniformity_floor(len(own), self.config.tau) + self.config.stop_within
        return Step({"contrast": value}, self.contrast, finished=self.config.stop_within > 0 and float(value) < target)

    def _second_view(self, order: Tensor) -> Tensor:
        fixed, mixing, own = self.stars.parts
        if self.config.augment == "shuffle":
            return self._project(fixed + mixing @ own[order], self.weight)
        device = own.device
        keep = keep_edges(self.stars.pairs.shape[1], self.config.drop_rate, self.generator, device=device)
        columns = keep_columns(self.graph.features, self.config.mask_rate, self.generator, device)
        return self._project(self.stars.weights(keep) @ self.stars.x, columns[:, None] * self.weight)

    def embed(self) -> Tensor:
        whole = self.graph.whole
        adjacency = whole.adjacency if self.config.inference == "gcn" else self.graph.star_adjacency()
        embedding: Tensor = self.activation(adjacency @ whole.linear(self.weight) + self.bias)
        return embedding

    def details(self) -> dict[str, Tensor]:
        return {"centres": self.stars.centres, "clusters": self.clusters, "stars": self.stars.pairs}
