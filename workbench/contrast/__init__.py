"""The contrast: what a contrastive method does to pairs, as one value, and the exact, streamed ratio that it is."""

from workbench.contrast.pairs import Contrast

__all__ = ["Contrast"]
