"""What a loss does to one anchor: which rows it is pulled to and pushed from, and how hard; and gauges of the whole."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.config import Part, options_of
from workbench.contrast.measures import alignment, false_parents, uniformity
from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import log_negatives
from workbench.contrast.spectrum import effective_rank
from workbench.errors import UserError, node_number
from workbench.objectives import OBJECTIVES

GAUGES = {
    "q": "coupling q: what is left of the decoupled gradient",
    "alignment": "alignment: squared distance of both views, 0 to 4",
    "uniformity": "uniformity: lower is more even",
    "effective_rank": "effective rank of the projections",
    "entropy": "evenness of the weights of an anchor's negatives, 0 to 1",
    "pull_entropy": "evenness of the weights of an anchor's positives, 0 to 1",
    "false_share": "share of the push that falls on the anchor's own class",
    "false_parents": "synthetic negatives with a parent of the anchor's class",
}


class Forces(NamedTuple):
    """The forces on one anchor.

    Attributes:
        anchor: number of its row.
        pairs: one line per row and view: "row", "view" ("other" or "own"), "cosine", "force" (the derivative of the
            anchor's loss by that cosine, in nats: above 0 the loss pushes the pair apart, below it pulls it together)
            and "positive", whether the contrast names it as one.
        loss: of the anchor, in nats. rest: length of the force on the anchor that comes from no row, such as that of
            synthetic negatives.
    """

    anchor: int
    pairs: pd.DataFrame
    loss: float
    rest: float


def forces(objective: "str | Part", contrast: Contrast, u: Tensor, v: Tensor, anchor: int = 0) -> Forces:
    """Return the derivative of an anchor's loss by each of its cosines, whatever the objective makes of them.

    In paired views the anchor acts in both; a row's lines sum both directions. A row that an objective gives no
    gradient, as GroCo does, acts on the anchor all the same. The derivatives are told apart by autograd alone: the
    gradient at a row lies in the plane of both anchors, and the two factors are solved for.

    Args:
        objective: a name of `objectives.names()`, or with options a `Part`.
        contrast: of cosines in paired views.
        u, v: the rows in both views [rows, dim].
        anchor: which row.

    Raises:
        UserError: another contrast, no such row, or an objective that is not defined for the contrast.
    """
    if not contrast.paired or contrast.similarity != "cosine":
        raise UserError("forces are told apart by cosines of paired views; this contrast has others")
    anchor = node_number(anchor, len(u))
    part = Part.of(objective, OBJECTIVES)
    if "anchors_only" in options_of(OBJECTIVES, part.name):  # else the rows it is held against would seem to do nothing
        part = dataclasses.replace(part, options=tuple(sorted({**dict(part.options), "anchors_only": False}.items())))
    a, b = (normalize(x.detach(), dim=1).requires_grad_() for x in (u, v))
    loss = part.call(OBJECTIVES, contrast, a, b)[anchor]
    gradients = torch.autograd.grad(loss, (a, b), allow_unused=True)
    ga, gb = (torch.zeros_like(a) if g is None else g for g in gradients)
    # The two factors are near to each other's multiples where both views nearly agree.
    a, b, ga, gb = (x.detach().double().cpu() for x in (a, b, ga, gb))
    first, second = a[anchor], b[anchor]
    # Of the rows of the second view the first anchor sees "other" rows, the second one its "own"; and the other way.
    other_b, own_b = _factors(gb, b, first, second)
    own_a, other_a = _factors(ga, a, first, second)
    other, own = other_a + other_b, own_a + own_b
    others = torch.arange(len(a)) != anchor
    left = ga[anchor] - _tangent(a[others].T @ own_a[others] + b[others].T @ other_b[others], first)
    toward = _tangent(second, first)
    pull = (left @ toward) / toward.square().sum().clamp(min=1e-12)
    other[anchor], own[anchor] = pull, torch.nan
    cosines = {"other": (b @ first + a @ second) / 2, "own": (a @ first + b @ second) / 2}
    named = torch.zeros(len(a), dtype=torch.bool)
    named[anchor] = True
    if contrast.positives is not None:
        (anchors, matches), mass = contrast.positives
        named[matches[(anchors == anchor) & (mass > 0)].cpu()] = True
    table = pd.concat([
        pd.DataFrame({"row": np.arange(len(a)), "view": view, "cosine": cosines[view].numpy(), "force": force.numpy(),
                      "positive": named.numpy()})
        for view, force in (("other", other), ("own", own))
    ]).dropna().reset_index(drop=True)  # fmt: skip
    return Forces(anchor, table, float(loss.detach()), float((left - pull * toward).norm()))


def _tangent(x: Tensor, at: Tensor) -> Tensor:
    """Return what of a vector lies along the sphere at a point of it."""
    return x - (x @ at) * at


def _factors(gradient: Tensor, rows: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return c and d [rows] for which a row's gradient is c · first + d · second along the sphere, the least such."""
    s, t = rows @ first, rows @ second
    across = (first @ second) - s * t
    system = torch.stack([torch.stack([1 - s**2, across], 1), torch.stack([across, 1 - t**2], 1)], 1)
    wanted = torch.stack([gradient @ first, gradient @ second], 1)[:, :, None]
    c, d = (torch.linalg.pinv(system, hermitian=True, rtol=1e-9) @ wanted)[:, :, 0].T
    return c.clone(), d.clone()


def gauges(
    objective: "str | Part", contrast: Contrast, u: Tensor, v: Tensor, labels: Any = None, anchor: int = 0
) -> dict[str, float]:
    """Return the numbers of `GAUGES` for the rows of a contrast in two views; nan for what it has not.

    Args:
        objective, contrast, u, v, anchor: as for `forces`; entropies and the share of false negatives are the anchor's.
        labels: the class of each row [rows], below 0 for none; None without any. They are looked at only.
    """
    u, v = u.detach().float(), v.detach().float()
    own = (normalize(u, dim=1) * normalize(v, dim=1)).sum(1) / contrast.tau
    q = (log_negatives(contrast, u, v) - own).sigmoid()
    told = forces(objective, contrast, u, v, anchor).pairs
    push = told[(told["force"] > 0) & ~told["positive"]].groupby("row")["force"].sum()
    pull = told[(told["force"] < 0) & told["positive"]].groupby("row")["force"].sum()
    share = push / push.sum()
    numbers = {"q": float(q.mean()), "alignment": alignment(u, v), "uniformity": uniformity(u)}
    numbers |= {"effective_rank": effective_rank(u), "entropy": _evenness(share)}
    numbers["pull_entropy"] = _evenness(pull / pull.sum())
    y = None if labels is None else torch.as_tensor(labels)
    known = y is not None and bool(y[anchor] >= 0)
    same = y == y[anchor] if known and y is not None else torch.zeros(len(u), dtype=torch.bool)
    numbers["false_share"] = float(share[same.numpy()[share.index]].sum()) if known else float("nan")
    numbers["false_parents"] = float("nan")
    if contrast.mixed is not None and y is not None:
        numbers["false_parents"] = false_parents(contrast.mixed, y)
    return numbers


def _evenness(share: pd.Series) -> float:
    """Return the entropy of shares that sum to 1 by that of as many equal ones, nan of fewer than two."""
    return float(-(share * np.log(share)).sum() / np.log(len(share))) if len(share) > 1 else float("nan")
