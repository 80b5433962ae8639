"""The contrast: what a contrastive method does to pairs of nodes, as one value and one exact, streamed loss."""

from workbench.contrast.loss import loss
from workbench.contrast.pairs import Contrast

__all__ = ["Contrast", "loss"]
