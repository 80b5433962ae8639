"""The rule branch of Str-GCL, and the distance between the first two moments of two representations."""

from typing import Any

import torch
from torch import Tensor, nn

from workbench.encoders.graph import View


class RuleBranch(nn.Module):
    """Representations that see masked attributes and rule scores, but no edges; kept as hidden [.., h+1] @ mixing.T."""

    def __init__(self, features: int, hidden: int, dim: int, scores: Tensor):
        super().__init__()
        self.scores = nn.Parameter(scores)
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, dim)
        self.weight = nn.Sequential(
            nn.Linear(scores.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.BatchNorm1d(1)
        )

    def forward(self, view: View) -> Tensor:
        """Return the hidden layer with a column of ones for the bias [nodes, hidden + 1]."""
        hidden = nn.functional.elu(view.linear(self.first.weight.T, self.first.bias))
        return torch.cat([hidden, hidden.new_ones(len(hidden), 1)], 1)

    @property
    def mixing(self) -> Tensor:
        """Weight and bias of the second layer [dim, hidden + 1]."""
        return torch.cat([self.second.weight, self.second.bias[:, None]], 1)

    def narrow(self, hidden: Tensor) -> Tensor:
        """Return rows with the same inner products as the representations, in no more columns than `hidden` has."""
        mixing = self.mixing
        if mixing.shape[0] > mixing.shape[1]:
            # Q has orthonormal columns, so R alone decides all inner products.
            mixing = torch.linalg.qr(mixing.double()).R.to(hidden.dtype)
        return hidden @ mixing.T

    def weights(self, ids: Tensor | None = None) -> Tensor:
        """Return the rule weight of each node, or of some, in (0, 1) [nodes, 1]."""
        weights: Tensor = self.weight(self.scores if ids is None else self.scores[ids]).sigmoid()
        return weights


class _Gram(torch.autograd.Function):
    """x.T @ x, whose backward pass is one product instead of the two that autograd would make."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.T @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x @ (gradients[0] + gradients[0].T)


def moment_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return (1/D) |mean(a) - mean(b)|^2 + (1/D^2) |Cov(a) - Cov(b)|_F^2, covariances unbiased over nodes; a scalar.

    Args:
        a: representations [nodes, D].
        b: representations to match [nodes, D].
    """
    means = a.mean(0), b.mean(0)
    scale = 1 / (len(a) - 1)
    difference = (_Gram.apply(a - means[0]) - _Gram.apply(b - means[1])) * scale
    return (means[0] - means[1]).square().mean() + difference.square().mean()
