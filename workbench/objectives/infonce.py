"""InfoNCE, the ratio of a contrast as it stands, and its decoupled forms without the positive pair below.

Sources: van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018; Yeh, Hong, Hsu,
Liu, Chen and LeCun, Decoupled Contrastive Learning, ECCV 2022, arXiv 2110.06848.
"""

from torch import Tensor

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import ratio_loss
from workbench.errors import UserError
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

    Args:
        contrast: which pairs count and how much; it says what u and v may be.
        u: rows that are anchors [rows, dim].
        v: the same rows in a second view [rows, dim], or other things [others, dim]; None for one view.
        budget_mib: memory that blocks of pairs may take, 512 by default.
        positive_weight: weight of the positive pair in the denominator: 0 is `dcl`.
    """
    return ratio_loss(contrast, u, v, budget_mib, positive_weight)


@OBJECTIVES.register("dcl")
def dcl(contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float | None = None) -> Tensor:
    """Return -s+/tau + log U of each anchor [rows], U being the sum over its negatives; arguments as for `infonce`."""
    return ratio_loss(contrast, u, v, budget_mib, positive_weight=0.0)


@OBJECTIVES.register("dclw")
def dclw(
    contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float | None = None, sigma: float = 0.5
) -> Tensor:
    """Return `dcl` whose positive term is weighted by how dissimilar the positive pair is [rows].

    The weight, 2 - rows * softmax(s+ / sigma) over the rows, is 1 on average and has no gradient, as in the
    implementations at hand. Arguments as for `infonce`; `sigma` is the temperature of the weights, above 0.

    Raises:
        UserError: inner products instead of cosines, or positives among other things.
    """
    if contrast.similarity == "dot" or not (contrast.paired or contrast.positives is None):
        raise UserError("the objective 'dclw' weighs a row's pair with itself by its cosine; this contrast has no such")
    if sigma <= 0:
        raise UserError(f"sigma of the objective 'dclw' is {sigma}; it must be above 0", parameter="sigma")

    def hardness(cosine: Tensor) -> Tensor:
        return 2 - len(cosine) * (cosine.detach() / sigma).softmax(0)

    return ratio_loss(contrast, u, v, budget_mib, 0.0, hardness)
