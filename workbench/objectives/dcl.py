"""Decoupled contrastive learning: InfoNCE without the positive pair in the denominator, plain and weighted.

Yeh, Hong, Hsu, Liu, Chen, LeCun: Decoupled Contrastive Learning. ECCV 2022, arXiv 2110.06848.
"""

from torch import Tensor

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import ratio_loss
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES


@OBJECTIVES.register("dcl")
def dcl(contrast: Contrast, u: Tensor, v: Tensor | None = None, budget_mib: float | None = None) -> Tensor:
    """Return -s+/tau + log U of each anchor [rows], U being the sum over its negatives; arguments as for `infonce`."""
    return ratio_loss(contrast, u, v, budget_mib, positive_weight=0.0)


@OBJECTIVES.register("dclw")
def dclw(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None = None,
    budget_mib: float | None = None,
    sigma: float = 0.5,
) -> Tensor:
    """Return `dcl` whose positive term is weighted by how dissimilar the positive pair is [rows].

    The weight, 2 - rows * softmax(s+ / sigma) over the rows, is 1 on average and has no gradient, as in the
    implementations at hand.

    Args:
        contrast: which pairs count and how much, by cosines; the positive of a row is itself in the other matrix.
        u, v, budget_mib: as for `infonce`.
        sigma: temperature of the weights, above 0.

    Raises:
        UserError: inner products instead of cosines, or positives among other things.
    """
    if contrast.similarity == "dot" or not (contrast.paired or contrast.positives is None):
        raise UserError("the objective 'dclw' weighs a row's pair with itself by its cosine; this contrast has no such")
    if sigma <= 0:
        raise UserError(f"sigma of the objective 'dclw' is {sigma}; it must be above 0", parameter="sigma")
    return ratio_loss(contrast, u, v, budget_mib, 0.0, lambda cosine: hardness(cosine, sigma))


def hardness(similarity: Tensor, sigma: float) -> Tensor:
    """Return 2 - rows * softmax(s / sigma) without a gradient [rows]; more than 1 where a pair is dissimilar."""
    return 2 - len(similarity) * (similarity.detach() / sigma).softmax(0)
