"""EWA: in training a unit is several experts among which tokens are dealt out at random; afterwards it is their mean.

Huang, Ye, Ouyang and others: Experts Weights Averaging: A New General Training Scheme for Vision Transformers.
arXiv 2308.06093, of which the abstract alone was at hand: the step of averaging, its ramp and the number of experts are
ours. Each expert sees a part of a mean loss, so that by plain gradient descent the mean of N experts moves N times
slower than the dense unit; by Adam that factor goes away.
"""

from typing import Any

import torch

from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.blocks import blocks_of, within
from workbench.adaptation.mixtures import DealtExperts


@PLANS.register("averaged-experts")
class AveragedExperts(Plan):
    """Tune everything, with experts in training that are averaged towards each other after each step.

    Args:
        blocks: whose feed-forward units become experts, see `blocks_of`.
        experts: their number N.
        b: how far each moves towards the others after the last step, from 0 linearly; with 0 they are averaged at the
            end alone, the control.

    Raises:
        UserError: an option outside its limits; from b = 2 (N - 1) / N on experts would move apart.
    """

    def __init__(self, blocks: str = "even", experts: int = 4, b: float = 0.1):
        super().__init__()
        within("experts", experts, 1)
        within("b", b, 0, 1)
        self.blocks, self.experts, self.b = blocks, experts, b

    def prepare(self, encoder: Any, generator: torch.Generator) -> None:
        """Let everything be trained, and the units be experts."""
        encoder.requires_grad_(True)
        for block in blocks_of(encoder, self.blocks).values():
            block.feed_forward = DealtExperts(block.feed_forward, self.experts)

    def after_update(self, encoder: Any, step: int, steps: int) -> None:
        """Average the experts a little."""
        for block in blocks_of(encoder, self.blocks).values():
            block.feed_forward.average(self.b * step / steps)

    def finish(self, encoder: Any) -> None:
        """Put the plain unit in place of its experts."""
        for block in blocks_of(encoder, self.blocks).values():
            block.feed_forward = block.feed_forward.bank.mean(block.feed_forward.norm)
