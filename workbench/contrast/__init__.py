"""The contrast: what a contrastive method does to pairs, as one value, and the exact, streamed ratio that it is."""

from typing import TYPE_CHECKING

from workbench.lazy import lazily

if TYPE_CHECKING:
    from workbench.contrast.pairs import Contrast

__getattr__ = lazily(__name__, {"Contrast": f"{__name__}.pairs:Contrast"})
__all__ = ["Contrast"]
