"""DeRS: feed-forward units become several experts, of which a router sends each token to the likeliest.

Huang, Ye, Peng and others: DeRS: Towards Extremely Efficient Upcycled Mixture-of-Experts Models. CVPR 2025,
arXiv 2503.01359. No code of it was at hand.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor

from workbench.adaptation.banks import Bank, LowRank, Mode, Sparse, Whole
from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.blocks import blocks_of, within
from workbench.adaptation.compression import Compression, Quantised, compress, packed, positions, unpacked
from workbench.adaptation.expert_counts import Shape
from workbench.adaptation.mixtures import Experts
from workbench.encoders.blocks import FeedForward


@PLANS.register("experts")
class ExpertsPlan(Plan):
    """Tune everything, with experts in place of some feed-forward units.

    Args:
        mode: what an expert has of its own beside the base that is trained as well: "vanilla" whole matrices and no
            base, "sparse" (SM) a share 1 - p of their entries, "low-rank" (LM) products of rank `rank`.
        blocks: whose units become experts, see `blocks_of`.
        experts, top: their number N, and to how many of them a token is sent.
        p: share of the entries that is left out, by mode "sparse" from the start and by `compress` after training.
        rank: of mode "low-rank".
        balance: factor of the term that keeps the load even.
        compress: what is left of the differences after training, see `compressed`.
        bits: of each difference, 1, 2, 4 or 8, for "quantised".
        base: what they differ from: the "pretrained" unit, or the "mean" of the experts.

    Raises:
        UserError: an option outside its limits.
    """

    plain = False

    def __init__(
        self,
        mode: Mode = "vanilla",
        blocks: str = "even",
        experts: int = 4,
        top: int = 2,
        p: float = 0.9,
        rank: int = 4,
        balance: float = 0.01,
        compress: Compression = "none",
        bits: Literal["1", "2", "4", "8"] = "4",
        base: Literal["pretrained", "mean"] = "mean",
    ):
        super().__init__()
        within("experts", experts, 1)
        within("top", top, 1, experts)
        within("p", p, 0, 1)
        within("rank", rank, 1)
        within("balance", balance, 0)
        self.mode: Mode = mode
        self.compress: Compression = compress
        self.blocks, self.experts, self.top, self.p, self.rank = blocks, experts, top, p, rank
        self.factor, self.bits, self.base = balance, int(bits), base

    def prepare(self, encoder: Any, generator: torch.Generator) -> None:
        """Let everything be trained, and the units be experts."""
        encoder.requires_grad_(True)
        self._draw, self._pretrained = generator, (deepcopy(encoder),)
        for block in blocks_of(encoder, self.blocks).values():
            bank = self.bank(block.feed_forward, generator)
            block.feed_forward = Experts(block.feed_forward, bank, self.top, generator)
        self._units = tuple(block.feed_forward for block in blocks_of(encoder, self.blocks).values())

    def bank(self, unit: FeedForward, draw: torch.Generator) -> Bank:
        """Return experts that are all like a unit."""
        if self.mode == "vanilla":
            return Whole(unit, self.experts)
        if self.mode == "low-rank":
            return LowRank(unit, self.experts, self.rank, draw)
        hidden, width = unit.up.weight.shape
        shape = Shape(width, hidden, self.experts, p=self.p)
        return Sparse(unit, self.experts, positions(shape.kept, self.experts, shape.entries, draw))

    def loss(self) -> Tensor:
        """Return the mean balance of the units, times its factor."""
        return self.factor * torch.stack([unit.balance for unit in self._units]).mean()

    def details(self, encoder: Any, inputs: Any) -> dict[str, Tensor]:
        """Return the "load": how many of the latest tokens each expert of each unit got [units, experts]."""
        return {"load": torch.stack([unit.load for unit in self._units])}

    def finish(self, encoder: Any) -> None:
        """Compress the experts."""
        pretrained = self._pretrained[0] if self.base == "pretrained" else None
        compress(encoder, self.compress, self.p, self.bits, self._draw, pretrained)

    def new(self, encoder: Any, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what is new, places in a compact form; the base of differences only where it isn't pretrained."""
        state = super().new(encoder, base)
        for name, block in blocks_of(encoder, self.blocks).items():
            bank, prefix = block.feed_forward.bank, f"{name}.feed_forward.bank."
            if isinstance(bank, Sparse):
                del state[f"{prefix}positions"]
                forms = packed(bank.positions, bank.experts, len(bank.base))
                state |= {prefix + form: value for form, value in forms.items()}
            if self.compress != "none" and self.base == "pretrained":
                del state[f"{prefix}base"]
        return state

    def restore(self, encoder: Any, stored: Mapping[str, Tensor]) -> None:
        """Put the experts in place of the units, and load what is stored."""
        for name, block in blocks_of(encoder, self.blocks).items():
            unit, prefix = block.feed_forward, f"{name}.feed_forward.bank."
            own = {key.removeprefix(prefix): value for key, value in stored.items() if key.startswith(prefix)}
            if "values" in own:
                bank: Bank = Sparse(unit, self.experts, unpacked(own, self.experts, 2 * unit.up.weight.numel()))
            else:
                quantised = "codes" in own
                bank = Quantised(unit, self.experts, self.bits) if quantised else self.bank(unit, torch.Generator())
            block.feed_forward = Experts(unit, bank, self.top, torch.Generator())
        plain = {key: value for key, value in stored.items() if not key.endswith((".mask", ".places", ".counts"))}
        encoder.load_state_dict(encoder.state_dict() | plain)
