"""Bottleneck adapters in a library, and what a block has of its own that sends tokens to them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from workbench.adaptation.blocks import balance, each


class Library(nn.Module):
    """E adapters of rank r for tokens of width d: E (2 d r + d + r) numbers, the second matrix and bias being 0 first.

    Args:
        adapters, width, rank: E, d and r.
        generator: of the first matrices.
    """

    def __init__(self, adapters: int, width: int, rank: int, generator: torch.Generator):
        super().__init__()
        drawn = torch.rand(adapters, rank, width, generator=generator)
        self.down = nn.Parameter((2 * drawn - 1) / width**0.5)
        self.down_bias = nn.Parameter(torch.zeros(adapters, rank))
        self.up = nn.Parameter(torch.zeros(adapters, width, rank))
        self.up_bias = nn.Parameter(torch.zeros(adapters, width))

    def forward(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Return what the adapter that each token is sent to says of it [tokens, d].

        Args:
            x: tokens [tokens, d]. chosen: their adapters [tokens].
        """
        order = chosen.argsort(stable=True)
        counts = torch.bincount(chosen, minlength=len(self.down)).tolist()
        said = each(x[order].split(counts), self.down, self.down_bias, self.up, self.up_bias)
        return torch.zeros_like(x).index_add(0, order, said)


class BlockAdapter(nn.Module):
    """What a block has of its own: a norm, a generator of prompts, and a router to the library.

    Args:
        library: of all blocks, or of this one.
        owned: whether it is of this one.
        width: of a token.
        prompts: rows of the generator, which adds softmax(K_b x / sqrt(d)) P_b to a token x, P_b being 0 first: 2 d
            numbers each; 0 adds nothing.
        learned: whether the router is; else a token is sent by its place, as was drawn once, with a probability of 1.
        generator: of the router, the keys and the places.

    Attributes:
        load: last tokens that each adapter got [adapters].
        balance: of these tokens, see `workbench.adaptation.blocks.balance`; None where nothing is learned of it.
    """

    offset: Tensor

    def __init__(
        self, library: Library, owned: bool, width: int, prompts: int, learned: bool, generator: torch.Generator
    ):
        super().__init__()
        adapters = len(library.down)
        self._library = (library,)  # not a part of this one: what all blocks share is counted once
        if owned:
            self.library = library
        self.norm = nn.LayerNorm(width)
        self.router = self.keys = None
        if adapters > 1 and learned:
            self.router = nn.Parameter(torch.randn(adapters, width, generator=generator) / width**0.5)
        elif adapters > 1:
            self.register_buffer("offset", torch.randint(2**31, (1,), generator=generator))
        if prompts:
            self.keys = nn.Parameter(torch.randn(prompts, width, generator=generator))
            self.prompts = nn.Parameter(torch.zeros(prompts, width))
        self.balance: Tensor | None = None
        self.load = torch.zeros(adapters, dtype=torch.long)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens plus what their adapters say [..., d]."""
        (library,), x = self._library, tokens.flatten(0, -2)
        weight, chosen = self.routes(tokens)
        asked = x
        if self.keys is not None:
            asked = x + (linear(x, self.keys) / x.shape[1] ** 0.5).softmax(-1) @ self.prompts
        return tokens + (weight * library(self.norm(asked), chosen)).view_as(tokens)

    def routes(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability [tokens, 1] and the number [tokens] of the adapter that each token is sent to."""
        x, adapters = tokens.flatten(0, -2), len(self._library[0].down)
        if self.router is None:
            places = torch.arange(tokens.shape[-2], device=x.device)
            mixed = (places + (self.offset if adapters > 1 else 0)) * 2654435761 % 2**32  # Knuth's hash
            chosen = ((mixed >> 16) % adapters).expand(tokens.shape[:-1]).flatten()
            self.load = torch.bincount(chosen, minlength=adapters)
            return x.new_ones(len(x), 1), chosen
        probabilities = linear(x, self.router).softmax(-1)
        weight, chosen = probabilities.max(-1)
        self.load = torch.bincount(chosen, minlength=adapters)
        self.balance = balance(self.load, probabilities)
        return weight[:, None], chosen
