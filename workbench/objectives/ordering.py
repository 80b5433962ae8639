"""Group ordering: each row's positives must come before the others most similar to it, by a sorter with a gradient.

Shvetsova, Petersen, Kukleva, Schiele, Kuehne: Learning by Sorting: Self-supervised Learning with Group Ordering
Constraints (GroCo). ICCV 2023. The sorter is the odd-even network of Petersen and others, ICML 2021 and ICLR 2022.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy
from torch.utils.checkpoint import checkpoint

from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import BUDGET_MIB
from workbench.errors import UserError
from workbench.objectives import OBJECTIVES


@OBJECTIVES.register("groco")
def groco(
    contrast: Contrast,
    u: Tensor,
    v: Tensor | None = None,
    budget_mib: float | None = None,
    top: int = 10,
    steepness: float = 10.0,
    loss: Literal["order", "ratio"] = "order",
    anchors_only: bool = True,
) -> Tensor:
    """Return how far each anchor's positives are from coming before the `top` others of its own view [rows].

    Cosines of the others and of the positives, each from the least up, go through a sorter whose swaps are soft, 1/2 +
    arctan(steepness * difference) / pi. The loss is the binary cross-entropy, the mean over the cosines, of how much of
    each lies on the highest ranks, as many as there are positives. With `anchors_only` nothing else has a gradient.
    `loss="ratio"` is the authors' control: InfoNCE of the same pairs. Differs from the release: its other half, which
    equals this one, is left out. Other arguments as for `infonce`.

    Raises:
        UserError: a contrast that it isn't defined for, fewer others than `top`, or a steepness that isn't above 0.
    """
    parts = contrast.candidates, contrast.weights, contrast.bias, contrast.mixed
    if contrast.similarity == "dot" or contrast.class_prior or any(part is not None for part in parts):
        raise UserError("objective 'groco' chooses its own negatives by cosine: negatives must be 'all', unweighted")
    if not 1 <= top < len(u):
        raise UserError(f"the objective 'groco' was asked for top={top} others; {len(u)} rows give 1 to {len(u) - 1}")
    if not steepness > 0:
        raise UserError(f"steepness of the objective 'groco' is {steepness}; it must be above 0", parameter="steepness")
    u, v = contrast.prepared(u, v)
    contrast.check_positives(len(u))
    losses = torch.zeros_like(u[:, 0])
    for anchors, banks in (directions := contrast.directions(u, v)):
        others = _nearest(anchors.detach(), top)
        for rows, listed in _groups(contrast, len(u), u.device):
            near, far = (bank.detach() if anchors_only else bank for bank in (banks[0], anchors))
            values = _cosines(anchors[rows], near, listed), _cosines(anchors[rows], far, others[rows])
            found = _ordered(*values, steepness, budget_mib) if loss == "order" else _ratio(*values, contrast.tau)
            losses = losses.index_add(0, rows, found / len(directions))
    return losses


def rank_mass(values: Tensor, marks: Tensor, steepness: float) -> Tensor:
    """Return how much of each value [rows, n] a soft sorter, from the least up, puts on marked ranks.

    Marks are [n, columns], 1 at each rank that counts for a column; with the identity, the result is the transposed
    soft permutation, doubly stochastic. The swaps go back from the ranks, so that no permutation is multiplied out.
    """
    x, kept = values[..., None], []
    for layer in range(values.shape[1]):
        first, second = _pairs(x, layer % 2)
        kept.append(0.5 + torch.atan(steepness * (second - first)) / math.pi)
        x = _swapped(x, kept[-1], layer % 2)
    mass = marks.expand(len(values), -1, -1)
    for layer in reversed(range(values.shape[1])):
        mass = _swapped(mass, kept[layer], layer % 2)
    return mass


def _pairs(x: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """Return the first and the second of the neighbours from `start` on [rows, pairs, columns] each."""
    end = start + (x.shape[1] - start) // 2 * 2
    return x[:, start:end:2], x[:, start + 1 : end : 2]


def _swapped(x: Tensor, kept: Tensor, start: int) -> Tensor:
    """Return x [rows, n, columns] whose neighbours from `start` on keep their place by so much [rows, pairs, 1]."""
    first, second = _pairs(x, start)
    moved = kept * first + (1 - kept) * second, (1 - kept) * first + kept * second
    middle = torch.stack(moved, 2).flatten(1, 2)
    return torch.cat([x[:, :start], middle, x[:, start + middle.shape[1] :]], 1)


def _ordered(positive: Tensor, negative: Tensor, steepness: float, budget_mib: float | None) -> Tensor:
    """Return the cross-entropy of each anchor [rows] by cosines of its groups [rows, positives], [rows, top]."""
    values = torch.cat([negative.sort(1)[0], positive.sort(1)[0]], 1)
    count = values.shape[1]
    target = (torch.arange(count, device=values.device) >= negative.shape[1]).to(values.dtype)

    def entropy(part: Tensor) -> Tensor:
        mass = rank_mass(part, target[:, None], steepness)[..., 0].clamp(0, 1)
        return binary_cross_entropy(mass, target.expand_as(mass), reduction="none").mean(1)

    # Each layer keeps about twelve numbers a cosine; parts beyond the budget are computed again in the backward pass.
    most = (BUDGET_MIB if budget_mib is None else budget_mib) * 2**20 / (12 * values.element_size() * count**2)
    if len(values) <= most:
        return entropy(values)
    return torch.cat([checkpoint(entropy, part, use_reentrant=False) for part in values.split(max(1, int(most)))])


def _ratio(positive: Tensor, negative: Tensor, tau: float) -> Tensor:
    """Return InfoNCE of each anchor [rows], the mean over its positives; arguments as for `_ordered`."""
    own, others = positive / tau, (negative / tau).logsumexp(1, keepdim=True)
    return (torch.logaddexp(own, others) - own).mean(1)


@torch.no_grad()
def _nearest(rows: Tensor, top: int) -> Tensor:
    """Return the others most similar to each row by inner product [rows, top], by blocks of rows."""
    found, step = [], max(1, (1 << 22) // len(rows))
    for start in range(0, len(rows), step):
        cosines = rows[start : start + step] @ rows.T
        cosines.diagonal(start).fill_(-math.inf)
        found.append(cosines.topk(top, 1).indices)
    return torch.cat(found)


def _cosines(anchors: Tensor, bank: Tensor, listed: Tensor) -> Tensor:
    """Return inner products of anchors [rows, dim] with the rows of a bank that they list [rows, k]."""
    return (anchors[:, None] * bank[listed]).sum(2)


def _groups(contrast: Contrast, rows: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Return anchors with as many positives [some], and these [some, positives], for each such number."""
    if contrast.positives is None:
        own = torch.arange(rows, device=device)
        return [(own, own[:, None])]
    anchor, candidate = contrast.positives[0]
    order = anchor.argsort(stable=True)
    counts = torch.bincount(anchor, minlength=rows)
    starts = counts.cumsum(0) - counts
    groups = []
    for count in counts.unique().tolist():
        chosen = (counts == count).nonzero()[:, 0]
        groups.append((chosen, candidate[order][starts[chosen, None] + torch.arange(count, device=device)]))
    return groups
