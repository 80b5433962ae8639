"""The door: what a person hands over as data, in the types that are computed with, or a sentence that says why not."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from workbench.datasets.attributes import entries, is_sparse
from workbench.datasets.kinds import Kind, kind_of
from workbench.errors import UserError, warn

EXACT = {torch.float16: 2**11, torch.bfloat16: 2**8, torch.float32: 2**24, torch.float64: 2**53}  # whole numbers


def admitted(data: Any) -> tuple[Kind, Any]:
    """Return the kind of data, and the data as they are computed with, for a method to learn on.

    Where something had to be cast, the data returned are a shallow copy and one warning says what was cast.

    Raises:
        UserError: data of no kind that is known, or something in them that can't be learned on, by its name and place.
    """
    kind, data = as_computed(data)
    kind.check(data)
    return kind, data


def as_computed(data: Any) -> tuple[Kind, Any]:
    """Return the same without the check of all that a training needs: for what looks at some of the data only."""
    kind, notes = kind_of(data), list[str]()
    data = kind.cast(data, notes)
    if notes:
        warn(f"the data were not as they are computed with: {'; '.join(notes)}")
    return kind, data


def numbers(x: Any, called: str, notes: list[str]) -> Any:
    """Return attributes as float32; `notes` gets what was done, and a UserError says what are no numbers."""
    x = _tensor(x, called, notes)
    if not isinstance(x, Tensor) or x.dtype == torch.float32:
        return x
    if x.is_complex() or x.is_quantized:
        raise UserError(f"{called} must be real numbers, not {_type(x)}; take their real part or their modulus")
    single = x.float()
    stored, before = entries(single), entries(x)
    if bool((over := stored.isinf() & before.isfinite()).any()):
        raise UserError(f"{called} hold {before[over][0]:.3g}, which float32 can't; scale them down")
    notes.append(f"{called} were {_type(x)}, taken as float32")
    return single


def whole(values: Any, called: str, notes: list[str]) -> Any:
    """Return whole numbers, such as the ends of edges, as int64; of what is no tensor the check will tell."""
    values = _tensor(values, called, notes)
    if not isinstance(values, Tensor) or values.dtype == torch.long or values.layout != torch.strided:
        return values
    if values.dtype == torch.bool or values.is_complex() or values.is_quantized:
        raise UserError(f"{called} must be whole numbers as int64, not {_type(values)}")
    if values.is_floating_point():
        wrong = ~(values.isfinite() & (values == values.round()) & (values.abs() < EXACT.get(values.dtype, 0)))
        if wrong.any():
            place = wrong.nonzero()[0].tolist()
            held = f"{float(values[tuple(place)]):g} at {place}"
            raise UserError(f"{called} must be whole numbers as int64, and {_type(values)} holds {held}")
    notes.append(f"{called} was {_type(values)}, taken as int64")
    return values.long()


def classes(y: Any, items: int, notes: list[str]) -> Any:
    """Return labels as int64 [items], -1 for none, where they can be read as one class per item; else as they are."""
    if isinstance(y, np.ndarray) and y.dtype.kind in "biuf":
        y = torch.from_numpy(y)
    if not isinstance(y, Tensor) or y.layout != torch.strided or y.is_complex() or y.is_quantized:
        return y
    column = y[:, 0] if y.dim() == 2 and y.shape == (items, 1) else y
    if column.shape != (items,):
        return y
    if column.is_floating_point():
        unknown = column.isnan()
        number = column.masked_fill(unknown, -1)
        if not bool((number.isfinite() & (number == number.round()) & (number.abs() < 2**24)).all()):
            return y
        if unknown.any():
            notes.append(f"{int(unknown.sum()):,} labels (y) were NaN and count as none (-1)")
        column = number
    if y.dim() == 2 or column.dtype != torch.long:
        notes.append(f"the labels (y) were {_type(y)} {list(y.shape)}, taken as int64 [{items}]")
    return column.long()


def check_edges(edge_index: Any, nodes: int, called: str = "edge_index") -> None:
    """Raise a UserError where edges are no pairs of nodes that are there."""
    if not isinstance(edge_index, Tensor):
        raise UserError(f"{called} must be a tensor of shape [2, edges], not {type(edge_index).__name__}")
    if edge_index.layout != torch.strided:
        raise UserError(f"{called} must be a tensor of shape [2, edges], not a sparse matrix; its indices() are that")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        shape, turn = list(edge_index.shape), ""
        if edge_index.dim() == 2 and edge_index.size(1) == 2:
            turn = f"; {called}.T.contiguous() turns it"
        raise UserError(f"{called} must be a tensor of shape [2, edges], not {shape}{turn}")
    if edge_index.dtype != torch.long:
        raise UserError(f"{called} must hold node numbers as int64, not {edge_index.dtype}")
    if not edge_index.numel() or 0 <= int(edge_index.min()) <= int(edge_index.max()) < nodes:
        return
    edge = int(((edge_index < 0) | (edge_index >= nodes)).any(0).nonzero()[0])
    numbered = f"nodes are numbered 0 to {nodes - 1}" if nodes else "there are no nodes"
    where = "" if called == "edge_index" else f" of {called.removeprefix('edge_index of ')}"
    raise UserError(f"edge {edge}{where} joins {edge_index[:, edge].tolist()}, but {numbered}")


def finite(x: Tensor) -> bool:
    """Return whether all entries are finite numbers, without a copy of them."""
    stored = entries(x)
    return not stored.numel() or bool(torch.stack(stored.aminmax()).isfinite().all())


def _tensor(values: Any, called: str, notes: list[str]) -> Any:
    """Return what numpy holds as a tensor, and all else as it is."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "biufc":
            raise UserError(f"{called} must be numbers, not an array of {values.dtype}")
        notes.append(f"{called} came as a numpy array, taken as a tensor")
        return torch.from_numpy(np.ascontiguousarray(values))
    return values


def _type(values: Tensor) -> str:
    return str(values.dtype).removeprefix("torch.") + (", sparse" if is_sparse(values) else "")
