"""Compression of trained experts to a base and what is left of their differences from it, and how that is stored.

DeRS, arXiv 2503.01359; see `workbench.adaptation.banks`.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from workbench.adaptation.banks import Bank, Sparse, flat
from workbench.adaptation.mixtures import Experts
from workbench.encoders.blocks import FeedForward

Compression = Literal["none", "sparse", "quantised"]


class Quantised(Bank):
    """A base, and each expert's difference from it in k bits, a step for each matrix; nothing of it is trained.

    Symmetric and uniform, ours: codes from -(2^(k-1) - 1) to 2^(k-1) - 1 times the step that takes the largest number
    to the last code; of 1 bit the sign times the mean size. The page of the paper that has the rounding wasn't at hand.

    Args:
        unit, experts: as of `Bank`.
        bits: 1, 2, 4 or 8.
    """

    codes: Tensor
    steps: Tensor

    def __init__(self, unit: FeedForward, experts: int, bits: int):
        super().__init__(unit, experts)
        self.bits, base = bits, flat(unit)
        self.base = nn.Parameter(base)
        size = -(-experts * len(base) * bits // 8)
        self.register_buffer("codes", torch.zeros(size, dtype=torch.uint8))
        self.register_buffer("steps", base.new_zeros(experts, 2, 1))

    @torch.no_grad()
    def keep(self, differences: Tensor) -> None:
        """Keep differences [N, E] from the base."""
        halves, top = differences.unflatten(1, (2, -1)), 2 ** (self.bits - 1) - 1
        if self.bits == 1:
            self.steps.copy_(halves.abs().mean(2, keepdim=True))
            codes = (halves >= 0).flatten()
        else:
            self.steps.copy_(halves.abs().amax(2, keepdim=True) / top)
            codes = (halves / self.steps.clamp(min=torch.finfo(halves.dtype).tiny)).round().clamp(-top, top) + top
        groups = pad(codes.flatten().to(torch.uint8), (0, -codes.numel() % (8 // self.bits))).view(-1, 8 // self.bits)
        self.codes.copy_((groups << self._places).sum(1))

    @property
    def _places(self) -> Tensor:
        """How far each code of a byte is moved."""
        return torch.arange(0, 8, self.bits, dtype=torch.uint8, device=self.codes.device)

    def flat(self) -> Tensor:
        """Return the base plus the differences that the codes stand for."""
        codes = ((self.codes[:, None] >> self._places) & (2**self.bits - 1)).flatten()
        codes = codes[: self.experts * len(self.base)].view(self.experts, 2, -1).to(self.base.dtype)
        signed = 2 * codes - 1 if self.bits == 1 else codes - (2 ** (self.bits - 1) - 1)
        return self.base + (signed * self.steps).flatten(1)


@torch.no_grad()
def compressed(bank: Bank, unit: FeedForward, how: Compression, p: float, bits: int, draw: torch.Generator) -> Bank:
    """Return experts as a base and what is left of their differences from it; nothing is trained anew.

    Args:
        bank: the experts.
        unit: the base.
        how: "sparse" drops each entry of a difference with probability p and divides the others by 1 - p; of p = 1
            nothing is left, and the biases are the base's too. "quantised" keeps `bits` of each. "none" keeps all.
        p, bits: see there.
        draw: of the entries.
    """
    if how == "none":
        return bank
    differences = bank.flat() - flat(unit)
    made: Bank
    if how == "quantised":
        made = Quantised(unit, bank.experts, bits)
        made.keep(differences)
    else:
        kept = torch.rand(differences.shape, generator=draw) >= p
        made = Sparse(unit, bank.experts, kept.flatten().nonzero()[:, 0])
        made.values.copy_(differences[kept] / (1 - p if p < 1 else 1))
    if how == "quantised" or p < 1:
        made.up_bias.copy_(bank.up_bias)
        made.down_bias.copy_(bank.down_bias)
    return made.requires_grad_(False)


def compress(
    encoder: nn.Module,
    how: Compression,
    p: float,
    bits: int,
    draw: torch.Generator,
    pretrained: nn.Module | None = None,
) -> None:
    """Compress all experts of an encoder in place; arguments beyond are as for `compressed`.

    Args:
        encoder: a trained one with `Experts`, such as that of a run; deepcopy keeps it.
        pretrained: the encoder that it began as, whose units are the base; None for the mean of the experts.
    """
    for name, unit in list(encoder.named_modules()):
        if isinstance(unit, Experts):
            base = unit.bank.mean(unit.norm) if pretrained is None else pretrained.get_submodule(name)
            unit.bank = compressed(unit.bank, base, how, p, bits, draw)  # type: ignore[arg-type]


def positions(kept: int, experts: int, entries: int, draw: torch.Generator) -> Tensor:
    """Draw places in the matrices of experts, as many in each as in any other, or one more: ascending [kept]."""
    counts = [kept * (i + 1) // experts - kept * i // experts for i in range(experts)]
    drawn = [
        torch.randperm(entries, generator=draw)[:count].sort().values + i * entries for i, count in enumerate(counts)
    ]
    return torch.cat(drawn)


def packed(positions: Tensor, experts: int, entries: int) -> dict[str, Tensor]:
    """Return places as they are stored: a "mask" of one bit per entry, or "places" in each expert and their "counts".

    The shorter one, see `workbench.adaptation.expert_counts.sparse_bytes`; a place takes 2 bytes up to 65,536 entries.
    """
    places, positions = (positions % entries), positions.long().cpu()
    index = torch.uint16 if entries <= 2**16 else torch.int32
    if len(places) * index.itemsize + 4 * experts < -(-experts * entries // 8):
        counts = torch.bincount(positions // entries, minlength=experts)
        return {"places": places.to(index), "counts": counts.int()}
    mask = np.zeros(experts * entries, dtype=bool)
    mask[positions.numpy()] = True
    return {"mask": torch.from_numpy(np.packbits(mask))}


def unpacked(stored: Mapping[str, Tensor], experts: int, entries: int) -> Tensor:
    """Return the places that `packed` made a form of [kept]."""
    if "mask" in stored:
        return torch.from_numpy(np.flatnonzero(np.unpackbits(stored["mask"].numpy(), count=experts * entries)))
    owners = torch.arange(experts).repeat_interleave(stored["counts"].long())
    return stored["places"].long() + owners * entries
