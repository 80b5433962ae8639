"""PiGCL: pairs whose similarity just changed most are no negatives until the next comparison.

PiGCL: A New Mechanism for Eliminating Implicit Conflict in Graph Contrastive Learning; after the released code.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize
from torch_geometric.data import Data

from workbench.config import Part, rate
from workbench.contrast import Contrast
from workbench.contrast.kernels import EdgeSimilarity, Kept, Lists, PairSimilarity
from workbench.contrast.ratio import log_negatives
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.nodes.grace import Grace, GraceConfig
from workbench.randomness import Randomness

PAIRS = 1 << 18  # that a quantile is taken of; it then leaves out the wanted share within about 0.3 %


@dataclass(frozen=True)
class PiGCLConfig(GraceConfig):
    """Configuration of PiGCL, beside GRACE's; the defaults are the script's for Cora.

    Attributes:
        left_out: share of the pairs that are left out after a comparison.
        every: epochs from one comparison to the next.
        comparison: which pairs are left out. "code": those whose similarity fell most; "paper": those whose similarity
            rose most; the control "random": by a comparison of random directions in place of embeddings.
        toning: scale the other negatives up by α, and add -(1 - 1/α) times the mean cosine of positive pairs.
        own_pairs: as released, a node's positive pair and its pair with itself in the same view are negatives too,
            unless pairs whose similarity didn't change are left out.
    """

    main = ("epochs", "lr", "dim", "tau", "left_out", "comparison")

    epochs: int = at_least(0, 600)
    lr: float = above(0, 1e-3)
    edge_drop_1: float = rate(0.4)
    feature_drop_1: float = rate(0.2)
    left_out: float = rate(0.5)
    every: int = at_least(1, 10)
    comparison: Literal["code", "paper", "random"] = "code"
    toning: bool = True
    own_pairs: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective != Part("infonce") or self.positives != Part("self"):
            raise UserError("pigcl scales the negatives of InfoNCE; its objective must be 'infonce', positives 'self'")

    def pair_bytes(self, rows: int, views: int = 2) -> float:
        """Return about how many bytes the pairs take, and the embeddings that say which are left out."""
        compared = EdgeSimilarity.peak_bytes(min(rows**2 / 2, PAIRS), 2 * self.dim)
        return super().pair_bytes(rows, views) + 4 * 8 * rows * self.dim + compared


@METHODS.register("pigcl")
class PiGCL(Grace):
    """W is α for pairs that are kept and 0 for others; until the first comparison it is 1 for all.

    Whether a pair is kept is worked out block by block from two embeddings of the graph as it is, at this comparison
    and the last: with all negatives too, memory grows with the nodes alone. α is the sum over all pairs divided by that
    over kept ones: of raw cosines as released, of exp(cosine / tau) with "paper"; 1 where that is not above 0.

    The release sorts all pairs; here the quantile and α are of a sample where there are many. There the second view's
    anchors take the first's rows of the cross-view block, here their own. With left_out=0, own_pairs=False it is GRACE.
    """

    Config = PiGCLConfig
    new: Tensor
    old: Tensor
    threshold: Tensor
    alpha: Tensor

    def __init__(self, config: PiGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.pairs, self.sign = randomness.generator("pairs"), -1.0 if config.comparison == "paper" else 1.0
        for name in ("new", "old"):
            self.register_buffer(name, torch.zeros(int(inputs.num_nodes), config.dim))
        self.register_buffer("threshold", torch.tensor(-math.inf))  # of changes that are kept
        self.register_buffer("alpha", torch.tensor(1.0))

    @torch.no_grad()
    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Compare the embedding with the one before where it is time; the first is that after one epoch."""
        if epoch == 1 or (epoch > 1 and epoch % self.config.every == 0 and len(self.new) > 1):
            seen = normalize(self.encoder.embed(self.inputs))
            self.compare(seen) if epoch > 1 else self.new.copy_(seen)

    def compare(self, seen: Tensor) -> None:
        """Decide which pairs are kept, and α, by embeddings of unit length [nodes, dim]."""
        c, nodes = self.config, len(seen)
        self.old.copy_(self.new)
        self.new.copy_(seen)
        if c.comparison == "random":
            for one in (self.new, self.old):
                one.copy_(normalize(torch.randn(seen.shape, generator=self.pairs)))
        pairs = torch.randint(nodes, (2, PAIRS), generator=self.pairs)
        if nodes**2 <= 2 * PAIRS:
            pairs = torch.combinations(torch.arange(nodes)).T
        pairs = pairs[:, pairs[0] != pairs[1]].to(seen.device)
        change = EdgeSimilarity.apply(*self.change(slice(None)), pairs)
        # Between two changes, so that rounding decides of no pair.
        order, rank = change.sort().values, int(len(change) * c.left_out)
        self.threshold.copy_(order[rank - 1 : rank + 1].mean() if rank else order.new_tensor(-math.inf))
        if c.toning:
            cosine = EdgeSimilarity.apply(seen, seen, pairs)
            shares = ((cosine - 1) / c.tau).exp() if c.comparison == "paper" else cosine
            alpha = shares.sum() / shares[change >= self.threshold].sum()
            self.alpha.copy_(torch.where(alpha.isfinite() & (alpha > 0), alpha, 1.0))

    def change(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Return matrices of nodes whose inner products are by how much their cosines rose, or fell in "paper"."""
        new, old = self.new[rows], self.old[rows]
        return torch.cat([new, old], 1), self.sign * torch.cat([new, -old], 1)

    def masked(self, contrast: Contrast, ids: Tensor | None) -> tuple[Contrast, Kept | None]:
        """Return a contrast, listed negatives that are left out with weight 0; of all, also which ones are kept."""
        if self.threshold == -math.inf:
            return contrast, None
        anchors, others = self.change(slice(None) if ids is None else ids)
        if contrast.candidates is None:
            return contrast, Kept(anchors, others, self.threshold)
        listed = contrast.candidates.expand(len(anchors), -1).contiguous()
        change = PairSimilarity.apply(anchors, others, Lists(listed, len(others)))
        kept = (change >= self.threshold).to(anchors.dtype)
        weights = kept if contrast.weights is None else contrast.weights * kept
        return replace(contrast, candidates=listed, weights=weights), None

    def step(self, batch: Data) -> Step:
        """Contrast two views of the graph without the negatives left out."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        u, v = (self.projector(self.encoder(view)) for view in views)
        contrast, kept = self.masked(self.contrast(batch, u, v), self.sampled_anchors(batch))
        masses, cosine = log_negatives(contrast, u, v, kept=kept), cosine_similarity(u, v)
        own = cosine / self.config.tau
        if self.config.own_pairs and self.threshold <= 0:
            masses = torch.logaddexp(masses, own.logaddexp(torch.full_like(own, 1 / self.config.tau)))
        losses = torch.logaddexp(masses + self.alpha.log(), own) - own
        terms = {"contrast": losses.mean(), "toning": (1 / self.alpha - 1) * cosine.mean()}
        return Step(terms, kept={"projections": (u, v)} | ({} if kept else {"contrast": contrast}))
