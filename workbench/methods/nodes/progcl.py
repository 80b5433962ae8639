"""ProGCL: GCA whose negatives weigh by how likely each is a true one, under a mixture of two Beta distributions.

Xia, Wu, Wang, Chen, Li: ProGCL: Rethinking Hard Negative Mining in Graph Contrastive Learning. ICML 2022,
arXiv 2110.02027.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.config import Part, part
from workbench.contrast import Contrast
from workbench.contrast.kernels import Lists, PairSimilarity
from workbench.contrast.negatives.selection import SAMPLERS
from workbench.contrast.ratio import BUDGET_MIB
from workbench.errors import UserError
from workbench.methods.base import METHODS
from workbench.methods.nodes.gca import GCA
from workbench.methods.nodes.mixture import MixtureConfig, fitted, joint, mixes
from workbench.randomness import Randomness

SAMPLED = 100  # pairs of a node that the mixture is fitted on


@dataclass(frozen=True)
class ProGCLConfig(MixtureConfig):
    """Configuration of ProGCL; where the authors give no setting for a graph, the defaults are GCA's.

    Attributes:
        negatives: any sampler but "all": a weight belongs to a pair, and those of all pairs are nodes x nodes.
    """

    negatives: Part = part(SAMPLERS, "uniform")
    centrality: Literal["degree", "pagerank", "eigenvector", "shuffled", "uniform"] = "eigenvector"

    def pair_bytes(self, rows: int, views: int = 2) -> float:
        """Return about how many bytes the pairs take: each anchor lists its negatives, whoever chose them."""
        k = min(self.k, rows)
        return min(24 * (views * rows) * (views * k), BUDGET_MIB * 2**20) + 48 * rows * k

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives.name == "all":
            raise UserError(
                "ProGCL weighs each pair, and the weights of all pairs are too many; choose negatives='uniform' and k",
                parameter="negatives",
            )
        if self.mode == "mix" and self.negatives.name == "mixing":
            raise UserError(
                "mode='mix' makes synthetic negatives of its own; choose negatives='uniform', or mode='weight'",
                parameter="mode",
            )


def cosines(u: Tensor, v: Tensor, candidates: Tensor) -> Tensor:
    """Return the cosine of each row of u with the rows of v that it lists [rows, k]."""
    products: Tensor = PairSimilarity.apply(normalize(u, dim=1), normalize(v, dim=1), Lists(candidates, len(v)))
    return products


def weights_of(similar: Tensor, mixture: Tensor, counted: Tensor) -> Tensor:
    """Return the weights of negatives, of mean 1 over those of an anchor that count [rows, k].

    A weight is in proportion to the similarity, times the probability that the pair is of the low component. Where it
    is 0 for all negatives of an anchor, all weigh alike.
    """
    densities = joint(similar, mixture.to(similar.dtype))
    return evened(similar * densities[0] / densities.sum(0).clamp(min=torch.finfo(similar.dtype).tiny), counted)


def evened(scores: Tensor, counted: Tensor) -> Tensor:
    """Return scores divided by their mean over a row's entries that count, or 1 where that is 0 [rows, k]."""
    mean = (scores * counted).sum(1, keepdim=True) / counted.sum(1, keepdim=True).clamp(min=1)
    return torch.where(mean > 0, scores / mean, 1.0)


@METHODS.register("progcl")
class ProGCL(GCA):
    """GCA with weighed negatives of each anchor, or with synthetic ones that are mixed by those weights.

    The release weighs all pairs by a nodes x nodes matrix, which is computed once, at the start, and kept. Here pairs
    are those that a sampler chooses, and a new one gets its weight from the similarity that it has then. As released,
    the similarity of view 1 with view 2 says the weight in both directions, and of pairs within a view. A synthetic
    negative is the mean of two similarities with the other view by their weights, of the negatives that weigh most and
    a permutation of them, drawn in each step; it counts once, beside all negatives unweighed (mode "mix" as released).
    """

    Config = ProGCLConfig

    mixture: Tensor
    fitted_in: Tensor  # the epoch; -1 before

    def __init__(self, config: ProGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.drawn, self.epoch = randomness.generator("mixture"), 0
        self.register_buffer("mixture", torch.zeros(2, 3, dtype=torch.float64))
        self.register_buffer("fitted_in", torch.tensor(-1))

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Take down the epoch."""
        self.epoch = epoch

    def contrast(self, batch: Data, u: Tensor, v: Tensor) -> Contrast:
        """Return whom the anchors of a batch are compared with, and how much each weighs once that has begun."""
        contrast = super().contrast(batch, u, v)
        if self.epoch < self.config.start:
            return contrast
        u, v, rows = u.detach(), v.detach(), torch.arange(len(u), device=u.device)[:, None]
        last = int(self.fitted_in)
        if last < 0 or (self.config.refit and self.epoch - last >= self.config.refit):
            others = torch.randint(max(len(u) - 1, 1), (len(u), SAMPLED), generator=self.drawn).to(u.device)
            others = (others + (others >= rows)).clamp(max=len(u) - 1)
            self.mixture = fitted((cosines(u, v, others).double().flatten() + 1) / 2, self.config.share)
            self.fitted_in = torch.tensor(self.epoch, device=u.device)
        listed = contrast.chosen(u)
        listed = listed if contrast.listed else listed.expand(len(u), -1)
        weights = weights_of((cosines(u, v, listed) + 1) / 2, self.mixture, listed != rows)
        if self.config.weighing == "shuffled":
            order = torch.rand(weights.shape, generator=self.drawn).argsort(1).to(u.device)
            weights = evened(weights.gather(1, order), listed != rows)
        if self.config.mode == "mix":
            order = torch.randperm(min(self.config.mixed, listed.shape[1]), generator=self.drawn).to(u.device)
            return dataclasses.replace(
                contrast, mixed=mixes(weights, listed, listed != rows, order), mixes="similarities"
            )
        if isinstance(contrast.weights, Tensor):
            weights = weights * contrast.weights
        return dataclasses.replace(contrast, candidates=listed, weights=weights)
