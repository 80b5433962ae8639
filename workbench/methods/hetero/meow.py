"""MEOW: a coarse and a fine view of meta-paths, with negatives that weigh by how often they are in other clusters.

Yu, Li: Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted Negative Samples. SDM 2023,
arXiv 2212.13847.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.contrast.weights import ByCluster
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.hetero.contexts import ContextConfig, ContextMethod
from workbench.methods.hetero.typed import BUDGET_MIB, each_path
from workbench.objectives.clusters import density, lloyd
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness


@dataclass(frozen=True)
class MEOWConfig(ContextConfig):
    """Configuration of MEOW; the defaults are the authors' for ACM.

    Attributes:
        clusters: how many, of each clustering of the targets.
        refresh: epochs after which they are found anew, from where they were.
        weights: of negatives: "clusters"; the controls "random", clusters of the same sizes, and "ones".
        prototypes: weight of the loss by which targets are drawn to the centre of their cluster.
        density: of a cluster sets its temperature: "distance", tight ones the lower; "released", the square root of the
            inner product, tight ones the higher.
    """

    lr: float = above(0, 7e-4)
    tau: float = above(0, 0.4)
    clusters: str = "100, 300"
    refresh: int = at_least(1, 5)
    weights: Literal["clusters", "random", "ones"] = "clusters"
    prototypes: float = at_least(0, 1.0)
    density: Literal["distance", "released"] = "distance"


@METHODS.register("meow")
class MEOW(ContextMethod):
    """Coarse anchors, fine candidates, W_ij = K - #{clusterings in which i and j share a cluster}, and prototypes.

    W is 0 on the diagonal, so that the positive pair is not in the denominator; a node in whose clusters all lie has
    the loss 0. Differs from the release: clusters by Lloyd's rounds on unit rows, warm, every `refresh` epochs; each
    prototype's denominator is the sum over the clusters, which changes no gradient; ties as said; the embedding is made
    after the last epoch and without dropout.
    """

    Config = MEOWConfig
    member: Tensor
    centres: Tensor

    def __init__(self, config: MEOWConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.counts = [int(number) for number in each_path(config.clusters, config.clusters.count(",") + 1, "clusters")]
        if not 1 <= min(self.counts) <= max(self.counts) <= self.graph.targets:
            asked = f"{max(self.counts)} clusters were asked for"
            raise UserError(
                f"{asked}; {self.graph.targets} targets give 1 to {self.graph.targets}", parameter="clusters"
            )
        self.generator, self.refreshes = randomness.generator("clusters"), True
        self.register_buffer("member", torch.zeros(self.graph.targets, len(self.counts), dtype=torch.long))
        self.register_buffer("centres", torch.zeros(sum(self.counts), config.dim))

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Say whether clusters are found anew."""
        self.refreshes, self.first = epoch % self.config.refresh == 0, epoch == 0

    @torch.no_grad()
    def cluster(self, rows: Tensor) -> None:
        """Find the clusters of rows of unit length, from their centres on or, at first, from random rows."""
        for number, centres in enumerate(self.centres.split(self.counts)):
            start = None if self.first else centres
            centres.copy_(lloyd(rows, len(centres), 20 if self.first else 5, self.generator, start))
            self.member[:, number] = (2 * rows @ centres.T - centres.square().sum(1)).argmax(1)

    def step(self, batch: Any) -> Step:
        """Contrast coarse with fine codes, and draw coarse ones to the prototypes of fine ones."""
        c, (coarse, fine) = self.config, self.projected()
        if self.refreshes:
            self.cluster(fine.detach())
        weights: ByCluster | None = None
        if c.weights != "ones":
            order = torch.randperm(len(coarse), generator=self.generator) if c.weights == "random" else slice(None)
            weights = ByCluster(self.member[order])
        contrast = Contrast(c.tau, paired=False, made=weights)
        terms = {"contrast": infonce(contrast, coarse, fine, BUDGET_MIB).mean()}
        if c.prototypes:
            terms["prototypes"] = self.drawn(coarse, fine.detach())
        kept = {"contrast": contrast, "projections": (coarse, fine)}
        return Step(terms, {"prototypes": c.prototypes}, kept, self.finished)

    def drawn(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the mean over clusterings of the cross-entropy of each row's own prototype, at their temperatures."""
        losses = []
        for centres, labels in zip(self.centres.split(self.counts), self.member.T, strict=True):
            centres = normalize(centres.clone(), dim=1)
            phi = density(fine, centres, labels, self.config.tau, self.config.density == "released")
            losses.append(cross_entropy(coarse @ centres.T / phi, labels))
        return torch.stack(losses).mean()
