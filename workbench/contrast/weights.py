"""Weights of pairs that no two thin factors give, made by blocks of anchors: by clusters, or learned."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ByCluster:
    """In how many clusterings two nodes lie in different clusters: K - #{same}, 0 for a node with itself (MEOW).

    Attributes:
        labels: cluster of each node in each clustering [nodes, K].
        fixed: whether no gradient runs through the weights.
    """

    labels: Tensor
    fixed = True

    def tile(self, start: int, stop: int, columns: slice = slice(None)) -> Tensor:
        """Return the weights of the pairs of some anchors with some candidates [stop - start, candidates]."""
        first, *more = self.labels.int().T.contiguous()
        total = (first[start:stop, None] != first[columns]).float()
        for clusters in more:
            total += clusters[start:stop, None] != clusters[columns]
        return total


@dataclass(frozen=True, eq=False)
class Learned:
    """Weights by a perceptron of the sum of two codes, sigmoid(w . tanh(a_i + b_j) + c) (AdaMEOW).

    Its first layer is linear in z_i + z'_j, so that a = z V + bias and b = z' V are made once.

    Attributes:
        left: a of each anchor [anchors, hidden]. right: b of each candidate [candidates, hidden].
        readout: w and c [hidden + 1].
        unit_mean: whether the weights of each anchor are divided by their mean.
        fixed: whether no gradient runs through the weights.
    """

    left: Tensor
    right: Tensor
    readout: Tensor
    unit_mean: bool = False
    fixed = False

    def tile(self, start: int, stop: int) -> Tensor:
        """Return the weights of the pairs of some anchors [stop - start, candidates]."""
        hidden = torch.tanh(self.left[start:stop, None] + self.right)
        weights = (hidden @ self.readout[:-1] + self.readout[-1]).sigmoid()
        return weights / weights.mean(1, keepdim=True) if self.unit_mean else weights

    def detached(self) -> "Learned":
        """Return the weights as they are now, without their gradients."""
        return Learned(self.left.detach(), self.right.detach(), self.readout.detach(), self.unit_mean)


PairWeights = ByCluster | Learned
