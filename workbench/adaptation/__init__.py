"""Adapting a pretrained encoder: what of it is changed, what is trained beside it, and what that costs.

Importing this package is cheap; torch is loaded by the first name that needs it.
"""

from typing import TYPE_CHECKING

from workbench.lazy import lazily

if TYPE_CHECKING:
    from workbench.adaptation.base import PLANS, Plan
    from workbench.adaptation.partial import angle, angles, ranked, turned
    from workbench.adaptation.receipts import Receipt, receipt

_HOMES = {
    "base": ("PLANS", "Plan"),
    "partial": ("angle", "angles", "ranked", "turned"),
    "receipts": ("Receipt", "receipt"),
}
__getattr__ = lazily(
    __name__, {name: f"{__name__}.{module}:{name}" for module, names in _HOMES.items() for name in names}
)

__all__ = ["PLANS", "Plan", "Receipt", "angle", "angles", "ranked", "receipt", "turned"]
