"""Agreement with a target that has no gradient: no negatives."""

from torch import Tensor
from torch.nn.functional import cosine_similarity


def bootstrap(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 2 - 2 cos of each row [rows, dim] with its target [rows, dim], which has no gradient: 0 to 4 [rows].

    It is the squared distance of both at unit length. A method of two views takes the mean over rows of either
    direction; BGRL's 2 - cos - cos is half of their sum. Sources: Grill and others, BYOL, NeurIPS 2020; Thakoor and
    others, BGRL, ICLR 2022.
    """
    return 2 - 2 * cosine_similarity(prediction, target.detach(), dim=1)
