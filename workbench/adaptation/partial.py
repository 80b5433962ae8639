"""Partial fine-tuning: some layers of an encoder are trained, by a scheme or by how far a full training turned them.

Ye, Huang, Tu, Li, Chen, He, Ouyang: Partial Fine-Tuning: A Successor to Full Fine-Tuning for Vision Transformers.
arXiv 2312.15681. A layer is one residual unit with its normalisation. Schemes but the first two are ours.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from workbench.adaptation.base import PLANS, Plan
from workbench.encoders.transformers import layers_of
from workbench.errors import UserError, unknown

ANGLE = "angle."  # of what a run's details keep
NORMS = "norms-and-biases"
SCHEMES = ("feed-forward", "attention", "first-half", "second-half", "odd", "even", "last", NORMS)


@PLANS.register("partial")
class Partial(Plan):
    """Some layers are trained, and all else stays as it is to the bit.

    Args:
        layers: "feed-forward" or "attention" of all blocks; the "first-half" or "second-half" of the blocks, the "odd"
            or "even" ones counted from 1, the "last" one; "norms-and-biases" of all; or layers by name, e.g.
            "0.attention,3.feed_forward", as `ranked` chooses them.
    """

    def __init__(self, layers: str = "feed-forward"):
        super().__init__()
        self.layers = layers

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Train the chosen layers."""
        if self.layers == NORMS:
            norms = {id(p) for part in encoder.modules() if isinstance(part, nn.LayerNorm) for p in part.parameters()}
            for name, parameter in encoder.named_parameters():
                parameter.requires_grad_(parameter.requires_grad or name.endswith("bias") or id(parameter) in norms)
            return
        layers = layers_of(encoder)
        for name in chosen(self.layers, [*layers]):
            layers[name].requires_grad_(True)


def chosen(words: str, layers: list[str]) -> list[str]:
    """Return which of the layers, e.g. "0.attention", a scheme or a list of their names says."""
    blocks = 1 + max(int(name.partition(".")[0]) for name in layers)
    kept: dict[str, Any] = {
        "feed-forward": lambda block, unit: unit == "feed_forward",
        "attention": lambda block, unit: unit == "attention",
        "first-half": lambda block, unit: block < blocks // 2,
        "second-half": lambda block, unit: block >= blocks // 2,
        "odd": lambda block, unit: block % 2 == 0,
        "even": lambda block, unit: block % 2 == 1,
        "last": lambda block, unit: block == blocks - 1,
    }
    if words in kept:
        found = [name for name in layers if kept[words](int(name.partition(".")[0]), name.partition(".")[2])]
        if not found:
            raise UserError(f"layers {words!r} are none of an encoder with 1 block", parameter="plan.layers")
        return found
    names = [name.strip() for name in words.split(",")]
    for name in names:
        if name not in layers:
            raise unknown("layers", name, (*SCHEMES, *layers), "of this encoder", parameter="plan.layers")
    return names


def angle(before: Tensor, after: Tensor) -> float:
    """Return the angle between two vectors of any shape in degrees, nan where either is 0.

    By 2 atan2(|u - v|, |u + v|) of unit vectors in float64; the arc cosine in float32 returns 0 for angles below 2e-2.
    """
    u, v = (vector.detach().cpu().double().flatten() for vector in (before, after))
    u, v = u / u.norm(), v / v.norm()
    return (
        math.degrees(2 * math.atan2(float((u - v).norm()), float((u + v).norm())))
        if bool(u.isfinite().all() & v.isfinite().all())
        else math.nan
    )


def angles(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, float]:
    """Return by which angle each layer was turned in degrees, by its name, e.g. "0.attention".

    Args:
        before, after: the state of an encoder with blocks. Vectors that are 0 before, such as biases that start there,
            and what has another shape afterwards, are left out.
    """
    vectors: dict[str, tuple[list[Tensor], list[Tensor]]] = {}
    for name, start in before.items():
        blocks, number, unit, *_ = [*name.split("."), "", ""]
        end = after.get(name)
        if blocks != "blocks" or end is None or end.shape != start.shape or not bool(start.any()):
            continue
        for vector, kept in zip((start, end), vectors.setdefault(f"{number}.{unit}", ([], [])), strict=True):
            kept.append(vector.flatten())
    return {layer: angle(torch.cat(starts), torch.cat(ends)) for layer, (starts, ends) in vectors.items()}


def turned(run: Any) -> dict[str, float]:
    """Return by which angle an adaptation turned each layer, see `angles`; a UserError refuses any other run."""
    kept = {name.removeprefix(ANGLE): float(t) for name, t in run.details.items() if name.startswith(ANGLE)}
    if not kept:
        raise UserError(f"this run of {run.method} adapted no encoder, so it turned no layer; `fit adapt` does")
    return kept


def ranked(turned: Mapping[str, float], end: str, k: int, generator: torch.Generator | None = None) -> str:
    """Return k layers of each kind as `Partial` takes them: the "top" ones by angle, "bottom" or "random" ones.

    Args:
        turned: the angle of each layer, see `turned`, after a full training.
        end: which. k: how many of each kind, of which there must be as many.
        generator: for random ones.
    """
    if end not in ("top", "bottom", "random"):
        raise unknown("end", end, ("top", "bottom", "random"), "of a ranking by angles")
    kinds = dict.fromkeys(name.partition(".")[2] for name in turned)
    layers = list[str]()
    for kind in kinds:
        members = [name for name in turned if name.partition(".")[2] == kind]
        if not 1 <= k <= len(members):
            raise UserError(f"k is {k}; there are {len(members)} layers {kind!r}, and 1 to as many can be chosen")
        order = torch.tensor([turned[name] for name in members]).argsort(descending=end == "top", stable=True)
        if end == "random":
            order = torch.randperm(len(members), generator=generator)
        layers += [members[place] for place in sorted(order[:k].tolist())]
    return ",".join(layers)
