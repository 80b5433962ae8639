"""AdaMEOW: MEOW whose weights of negatives are learned from both codes of a pair.

Yu, Ge, Li and others: Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively Weighted Negative
Samples. IEEE TKDE 2024, arXiv 2212.13847.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.contrast.weights import Learned
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.hetero.contexts import ContextConfig, ContextMethod
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness

BUDGET_MIB = 24.0  # a pair takes as many numbers as the perceptron has hidden ones


@dataclass(frozen=True)
class AdaMEOWConfig(ContextConfig):
    """Configuration of AdaMEOW; the defaults are the authors' for ACM.

    Attributes:
        hidden: width of the perceptron's hidden layer.
        weights: of the pairs: "learned"; the controls "shuffled", those of another anchor, and "ones".
        unit_mean: whether the weights of each anchor are divided by their mean. Without it they can all fall to 0
            together, and the loss without bound: times c they add ln c to it.
    """

    epochs: int = at_least(0, 1200)
    lr: float = above(0, 5e-5)
    weight_decay: float = at_least(0, 1e-5)
    patience: int = at_least(0, 0)
    tau: float = above(0, 1.0)
    dropout: float = rate(0.3)
    nearest: str = "690"
    edge_mask: str = "0.2"
    hidden: int = at_least(1, 16)
    weights: Literal["learned", "shuffled", "ones"] = "learned"
    unit_mean: bool = False


@METHODS.register("adameow")
class AdaMEOW(ContextMethod):
    """Fine anchors, coarse candidates, W_ij = sigmoid(MLP(z_i + z'_j)), the positive pair included with its own weight.

    Differs from the release: exact by blocks of anchors in place of a tensor [targets, targets, dim]. `unit_mean` is
    ours; the mean over all pairs would not do, since one anchor's weights could still fall to 0. Ties and the
    embedding as of MEOW.
    """

    Config = AdaMEOWConfig

    def __init__(self, config: AdaMEOWConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.mix = nn.Linear(config.dim, config.hidden)
        self.readout = nn.Linear(config.hidden, 1)
        self.generator = randomness.generator("shuffle")

    def learned(self, fine: Tensor, coarse: Tensor) -> Learned | None:
        """Return the weights of the pairs of fine anchors with coarse candidates; None where all are 1."""
        if self.config.weights == "ones":
            return None
        left, right = self.mix(fine), coarse @ self.mix.weight.T
        if self.config.weights == "shuffled":
            left = left[torch.randperm(len(left), generator=self.generator).to(left.device)]
        readout = torch.cat([self.readout.weight[0], self.readout.bias])
        return Learned(left, right, readout, self.config.unit_mean)

    def step(self, batch: Any) -> Step:
        """Contrast fine with coarse codes."""
        coarse, fine = self.projected()
        weights = self.learned(fine, coarse)
        contrast = Contrast(self.config.tau, paired=False, made=weights)
        loss = infonce(contrast, fine, coarse, BUDGET_MIB).mean()
        kept = {"contrast": replace(contrast, made=weights and weights.detached()), "projections": (fine, coarse)}
        return Step({"contrast": loss}, kept=kept, finished=self.finished)
