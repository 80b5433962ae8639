"""Losses that want one item ranked above another."""

from torch import Tensor
from torch.nn.functional import softplus


def bayesian_personalised_ranking(positive: Tensor, negative: Tensor) -> Tensor:
    """Return -ln sigmoid(positive - negative) of each triple [triples], in nats; ln 2 where both scores are equal.

    The scores are of a user with an item that the user took and with one that was drawn [triples] each. Source: Rendle,
    Freudenthaler, Gantner and Schmidt-Thieme, BPR, UAI 2009; softplus as in LightGCN's release.
    """
    return softplus(negative - positive)
