"""InfoNCE: the ratio of a contrast as it stands."""

from torch import Tensor

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import ratio_loss
from workbench.objectives import OBJECTIVES


@OBJECTIVES.register("infonce")
def infonce(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None = None,
    budget_mib: float | None = None,
    positive_weight: float = 1.0,
) -> Tensor:
    """Return -log [ sum_j P_ij exp(s_ij/tau + B_ij) / sum_j W_ij exp(s_ij/tau + B_ij) ] of each anchor [rows].

    Source: van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018.

    Args:
        contrast: which pairs count and how much; it says what u and v may be.
        u: rows that are anchors [rows, dim].
        v: the same rows in a second view [rows, dim], or other things [others, dim]; None for one view.
        budget_mib: memory that blocks of pairs may take, 512 by default.
        positive_weight: weight of the positive pair in the denominator: 0 is `dcl`.
    """
    return ratio_loss(contrast, u, v, budget_mib, positive_weight)
