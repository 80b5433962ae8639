"""The receipt of an adaptation: what was trained, what has to be stored, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from workbench.errors import UserError

PREFIX = "receipt."  # of what a run's details keep of it


@dataclass(frozen=True)
class Receipt:
    """What an adaptation costs.

    Attributes:
        plan: its name, with its options.
        trained: numbers of the encoder that were trained, each once however often it is used.
        head, input: numbers of the classifier, and of a new input layer, which are trained in any case.
        stored_bytes: of what has to be stored of the encoder beside its base, indices included, head and input layer
            not.
        flops: of the finished encoder for one item, twice the multiply-adds of its products; nothing else is counted.
        plain: whether the finished encoder is computed as the pretrained one is.
        cpu_seconds: of all steps, whatever else the machine did. seconds: wall seconds of the training.
        peak_mib: its peak memory.
    """

    plan: str
    trained: int
    head: int
    input: int
    stored_bytes: int
    flops: int
    plain: bool
    cpu_seconds: float
    seconds: float
    peak_mib: float

    def __str__(self) -> str:
        more = f" and {self.input:,} of a new input layer" if self.input else ""
        form = "the pretrained architecture" if self.plain else "an architecture of its own"
        return (
            f"{self.plan}: {self.trained:,} numbers trained beside {self.head:,} of the classifier{more}; "
            f"{self.stored_bytes:,} bytes stored beside the base; {self.flops:,} FLOPs an item by {form}; "
            f"{self.cpu_seconds:.1f} CPU seconds"
        )


def receipt(run: Any) -> Receipt:
    """Return the receipt of an adapted run; a UserError refuses any other."""
    kept = {name.removeprefix(PREFIX): t for name, t in run.details.items() if name.startswith(PREFIX)}
    if not kept:
        raise UserError(f"this run of {run.method} adapted no encoder, so it has no receipt; `fit adapt` makes one")
    known = {field.name: kept[field.name].item() for field in fields(Receipt) if field.name in kept}
    return Receipt(str(run.config.plan), **known, seconds=run.seconds, peak_mib=run.peak_mib)


def costs(
    trained: tuple[int, int, int], stored: Mapping[str, Tensor], flops: int, plain: bool, cpu_seconds: Tensor
) -> dict[str, Tensor]:
    """Return what a run keeps of a receipt.

    Args:
        trained: numbers of the encoder, the classifier and a new input layer. stored: what a plan has new.
        flops, plain, cpu_seconds: as of `Receipt`.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in stored.values())
    numbers = zip(
        ("trained", "head", "input", "stored_bytes", "flops", "plain"), (*trained, size, flops, plain), strict=True
    )
    counted = {f"{PREFIX}{name}": torch.tensor(number) for name, number in numbers}
    return counted | {f"{PREFIX}cpu_seconds": cpu_seconds.clone()}


@torch.no_grad()
def flops(encoder: nn.Module, inputs: Any, items: int) -> int:
    """Return the floating-point operations of embedding an item, of inputs with so many.

    Products are counted as they are run, twice their multiply-adds, those of a sparse matrix by its entries.
    """
    sparse = {torch.ops.aten.mm: _product, torch.ops.aten._sparse_addmm: _sparse_product}
    counter = FlopCounterMode(display=False, custom_mapping=sparse)
    # The kernel that keeps no matrix of all pairs isn't among what is counted; this one makes the same products.
    with sdpa_kernel(SDPBackend.MATH), counter:
        encoder.embed(inputs)  # type: ignore[operator]
    return round(counter.get_total_flops() / items)


def _product(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    rows = a.shape[0] * a.shape[1] if a.layout == torch.strided else a._nnz()
    return int(2 * rows * b.shape[1])


def _sparse_product(added: Tensor, a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    return _product(a, b)


_product._get_raw = _sparse_product._get_raw = True  # type: ignore[attr-defined] # they are handed tensors, not shapes
