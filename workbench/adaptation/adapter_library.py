"""Adapter-X: one library of bottleneck adapters for all blocks, to which each block sends each of its tokens.

Li, Xia, Ran and others: Adapter-X: A Novel General Parameter-Efficient Fine-Tuning Framework for Vision. arXiv
2406.03051, of which the abstract alone was at hand. The form is ours:
y = x + p_e (U_e gelu(D_e norm_b(x + g_b(x)) + c_e) + d_e) behind each block b, e being the likeliest adapter by
softmax(R_b x) and p_e its probability, from which the router has its gradient.
"""

from collections.abc import Mapping
from math import log
from typing import Any, Literal

import torch
from torch import Tensor, nn

from workbench.adaptation.adapters import BlockAdapter, Library
from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.blocks import blocks_of, entropy, within
from workbench.errors import warn


def added(
    blocks: int, width: int, adapters: int, rank: int, prompts: int, separate: bool = False, learned: bool = True
) -> int:
    """Return how many numbers are trained: E (2 d r + d + r) once, and of each block E d, 2 d and 2 d a prompt.

    Args:
        blocks, width, adapters, rank, prompts: B, d, E, r, and rows of a generator.
        separate: whether each block has a library of its own.
        learned: whether routers are; a single adapter needs none.
    """
    library = adapters * (2 * width * rank + width + rank)
    router = adapters * width if learned and adapters > 1 else 0
    return library * (blocks if separate else 1) + blocks * (router + 2 * width + 2 * width * prompts)


@PLANS.register("adapter-library")
class AdapterLibrary(Plan):
    """The encoder stays as it is, and tokens go through adapters behind each block.

    Args:
        adapters: in the library; 1 is one shared adapter.
        rank: of each.
        library: "shared" by all blocks, or "separate" for each, a control.
        routing: "learned", or "random" by the place of a token, as was drawn once, a control.
        prompts: rows of each block's generator of prompts; 0 for none.
        balance: factor of the term that keeps the load even.

    Raises:
        UserError: an option outside its limits.
    """

    plain = False

    def __init__(
        self,
        adapters: int = 4,
        rank: int = 8,
        library: Literal["shared", "separate"] = "shared",
        routing: Literal["learned", "random"] = "learned",
        prompts: int = 4,
        balance: float = 0.01,
    ):
        super().__init__()
        within("adapters", adapters, 1)
        within("rank", rank, 1)
        within("prompts", prompts, 0)
        within("balance", balance, 0)
        self.adapters, self.rank, self.prompts, self.factor = adapters, rank, prompts, balance
        self.separate, self.routed = library == "separate", routing == "learned"

    def prepare(self, encoder: Any, generator: torch.Generator) -> None:
        """Put the adapters behind the blocks."""
        width, shared = encoder.norm.normalized_shape[0], None
        if not self.separate:
            encoder.library = shared = Library(self.adapters, width, self.rank, generator)
        for block in blocks_of(encoder, "all").values():
            library = shared or Library(self.adapters, width, self.rank, generator)
            block.adapter = BlockAdapter(library, self.separate, width, self.prompts, self.routed, generator)
            block.register_forward_hook(adapted)
        self._adapters = tuple(block.adapter for block in blocks_of(encoder, "all").values())

    def loss(self) -> Tensor | None:
        """Return the mean balance of the routers, times its factor; None where none is learned."""
        balances = [adapter.balance for adapter in self._adapters if adapter.balance is not None]
        return self.factor * torch.stack(balances).mean() if balances else None

    def details(self, encoder: Any, inputs: Any) -> dict[str, Tensor]:
        """Return the "load": how many of the latest tokens of each block each adapter got [blocks, adapters]."""
        return {"load": torch.stack([adapter.load for adapter in self._adapters])}

    def finish(self, encoder: nn.Module) -> None:
        """Warn where tokens hardly use the library."""
        load = self.details(encoder, None)["load"].sum(0)
        if load.sum() and (nat := entropy(load / load.sum())) < (least := log(self.adapters) / 2):
            used = f"the load of the {self.adapters} adapters has an entropy of {nat:.2f} nat"
            warn(f"{used}, less than half of what an even one has ({2 * least:.2f}): few of them are used")

    def restore(self, encoder: nn.Module, stored: Mapping[str, Tensor]) -> None:
        """Put the adapters behind the blocks, and load what is stored."""
        self.prepare(encoder, torch.Generator())
        super().restore(encoder, stored)


def adapted(block: Any, _: object, tokens: Tensor) -> Tensor:
    """Return what the adapter of a block makes of what the block gives: a hook."""
    made: Tensor = block.adapter(tokens)
    return made
