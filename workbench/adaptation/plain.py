"""What each table of adaptations holds beside the others: all weights, none of them, the biases alone."""

import torch
from torch import nn

from workbench.adaptation.base import PLANS, Plan


@PLANS.register("full")
class Full(Plan):
    """All weights of the encoder are trained."""

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Train everything."""
        encoder.requires_grad_(True)


@PLANS.register("probe")
class Probe(Plan):
    """The encoder stays as it is, and a logistic regression reads it."""

    logistic = True


@PLANS.register("bitfit")
class BitFit(Plan):
    """The biases of the encoder are trained, those of its normalisations included.

    Ben Zaken, Ravfogel, Goldberg: BitFit. ACL 2022, arXiv 2106.10199.
    """

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Train each parameter that is called a bias."""
        for name, parameter in encoder.named_parameters():
            if name.endswith("bias"):
                parameter.requires_grad_(True)
