"""Feed-forward units of several experts: a router sends tokens to the likeliest, or they are dealt out at random."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from workbench.adaptation.banks import Bank, Whole
from workbench.adaptation.blocks import balance
from workbench.encoders.blocks import FeedForward


class Experts(nn.Module):
    """A unit whose tokens are sent to several experts each; the gates of these sum to 1.

    Args:
        unit: that it comes of, whose norm it goes on to have.
        bank: the experts.
        top: how many of them a token is sent to; with 1 the gate is 1, and the router learns from `balance` alone.
        draw: of the router.

    Attributes:
        balance: of the latest tokens, see `workbench.adaptation.blocks.balance`.
        load: how many of these tokens each expert got [experts].
    """

    def __init__(self, unit: FeedForward, bank: Bank, top: int, draw: torch.Generator):
        super().__init__()
        width = bank.shape[1]
        self.norm, self.bank, self.top = unit.norm, bank, top
        self.router = nn.Parameter((torch.randn(bank.experts, width, generator=draw) / width**0.5).to(bank.up_bias))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens plus what their experts say [..., d]."""
        x, experts = self.norm(tokens).flatten(0, -2), self.bank.experts
        probabilities = linear(x, self.router).softmax(-1)
        gates, chosen = probabilities.topk(self.top)
        gates = gates / gates.sum(-1, keepdim=True)
        self.load = torch.bincount(chosen.flatten(), minlength=experts)
        self.balance = balance(self.load, probabilities)
        order = chosen.flatten().argsort(stable=True)
        rows = order // self.top
        said = self.bank(x[rows].split(self.load.tolist())) * gates.flatten()[order, None]
        return tokens + torch.zeros_like(x).index_add(0, rows, said).view_as(tokens)


class DealtExperts(nn.Module):
    """A unit whose tokens are dealt out evenly to experts in training; else the mean of the experts sees all tokens.

    Args:
        unit: that it comes of, whose norm it goes on to have.
        experts: their number N.
    """

    def __init__(self, unit: FeedForward, experts: int):
        super().__init__()
        self.norm, self.bank = unit.norm, Whole(unit, experts)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens plus what the expert says that each was dealt to [..., d]."""
        if not self.training:
            plain: Tensor = self.bank.mean(self.norm)(tokens)
            return plain
        x = self.norm(tokens).flatten(0, -2)
        order = torch.randperm(len(x)).to(x.device)  # by the stream that dropout has
        said = self.bank([x[part] for part in order.tensor_split(self.bank.experts)])
        return tokens + said[order.argsort()].view_as(tokens)

    @torch.no_grad()
    def average(self, b: float) -> None:
        """Move each expert towards the mean of the others, W_i <- (1 - b) W_i + b mean_(j != i) W_j.

        The mean stays, and what each differs from it by shrinks by 1 - b N / (N - 1).
        """
        if self.bank.experts > 1:
            weight = b * self.bank.experts / (self.bank.experts - 1)
            for weights in self.bank.parameters():
                weights.lerp_(weights.mean(0, keepdim=True), weight)
