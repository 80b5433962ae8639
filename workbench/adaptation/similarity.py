"""How alike several encoders have changed the layers of the one they began as, and which layers that singles out."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

State = Mapping[str, Tensor]


def of(layer: str, state: State) -> dict[str, Tensor]:
    """Return the weights of a layer by their names in it."""
    prefix = f"{layer}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def similarities(start: State, members: Sequence[State], layers: Sequence[str]) -> dict[str, float]:
    """Return how alike members have changed each layer: the mean cosine of W_i - W_start over pairs of members.

    Ours: cosines of the weights themselves are near 1 whatever was learned. A layer that all left as it was has 1, a
    pair in which one alone did 0.
    """
    found = {}
    for layer in layers:
        before = of(layer, start)
        changes = [
            torch.cat([(own[name] - before[name]).double().flatten() for name in before])
            for own in (of(layer, member) for member in members)
        ]
        if not any(bool(change.any()) for change in changes):
            found[layer] = 1.0
            continue
        cosines = [float(cosine_similarity(a, b, dim=0)) for a, b in combinations(changes, 2)]
        found[layer] = sum(cosines) / len(cosines)
    return found


def chosen(order: Sequence[str], start: State, share: float) -> list[str]:
    """Return the first layers of an order that together have a share of all their numbers, in [0, 1], at most."""
    sizes = [sum(value.numel() for value in of(layer, start).values()) for layer in order]
    room, taken = share * sum(sizes) + 1e-9, list[str]()
    for layer, size in zip(order, sizes, strict=True):
        room -= size
        if room < 0:
            break
        taken.append(layer)
    return taken
