"""Losses of a discriminator that tells true pairs from false ones by a logit, of any shape."""

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus


def binary_cross_entropy(positive: Tensor, negative: Tensor) -> Tensor:
    """Return the binary cross-entropy of logits, mean over all of them, a scalar in nats; ln 2 where all are 0.

    -log sigmoid(t) of a true pair, -log (1 - sigmoid(t)) of a false one. Source: Velickovic and others, Deep Graph
    Infomax, ICLR 2019, eq. 1.
    """
    return torch.cat([softplus(-positive).flatten(), softplus(negative).flatten()]).mean()


def jensen_shannon(positive: Tensor, negative: Tensor) -> Tensor:
    """Return minus the Jensen-Shannon estimate of mutual information, a scalar in nats; 0 where all logits are 0.

    The mean of softplus(-t) - ln 2 over true pairs plus the mean of softplus(t) - ln 2 over false ones. Source: Sun and
    others, InfoGraph, ICLR 2020, and its released code.
    """
    return softplus(-positive).mean() + softplus(negative).mean() - 2 * math.log(2)
