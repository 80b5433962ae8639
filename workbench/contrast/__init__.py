"""The contrast: what a contrastive method does to pairs of nodes, as one value and one exact, streamed loss."""

from workbench.contrast.contrast import Contrast
from workbench.contrast.loss import loss

__all__ = ["Contrast", "loss"]
