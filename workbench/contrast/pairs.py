"""`Contrast`: who is an anchor, whom it is compared with, and how much each pair weighs."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from workbench.errors import UserError, unknown

SIMILARITIES = ("cosine", "dot")
OBJECTIVES = ("infonce", "dcl", "dclw", "cacr")


class Mixed(NamedTuple):
    """Synthetic negatives: each the normalised mix share * first + (1 - share) * second of two rows.

    Attributes:
        first: rows [rows, synthetic].
        second: rows [rows, synthetic]; where it is the anchor's own row, the anchor itself is mixed in.
        share: weight of the first row, in [0, 1], float [rows, synthetic] or anything that expands to it.
    """

    first: Tensor
    second: Tensor
    share: Tensor


@dataclass(frozen=True, eq=False)
class Contrast:
    """One filling of the general contrastive loss over pairs (anchor i, candidate j).

    With similarity s_ij and temperature tau, an anchor's loss is

        -log [ sum_j P_ij exp(s_ij/tau + B_ij) / sum_j W_ij exp(s_ij/tau + B_ij) ].

    The projections handed to `loss` have one row per anchor. With two views each row is an anchor in either view in
    turn, and its candidates are rows of the other view and, with `same_view`, of its own. A row is never its own
    negative, in neither view: the pair of a row with itself is the positive pair.

    Attributes:
        tau: temperature, above 0.
        views: 2, or 1 where a row's positive is itself (the uniformity term of Str-GCL's rule branch).
        nodes: graph nodes that the rows stand for [rows]; None means that row i is node i.
        candidates: rows that serve as negatives: None for all, [k] shared by all anchors, or [rows, k] per anchor. A
            row that is listed twice counts twice, and an anchor that lists itself lists one negative fewer.
        positives: sparse P as (index [2, entries] of anchor and candidate rows in the other view, mass [entries]);
            None for the row itself with mass 1.
        positive_weight: W of a row with itself in the denominator: 1 as in InfoNCE, 0 for decoupled contrast (DCL).
        same_view: whether negatives come from the anchor's own view too.
        weights: W of the other pairs: None for 1; [columns] per candidate; [rows, k] beside candidates of that shape;
            or a pair of non-negative factors (left [rows, rank], right [columns, rank]) with W = left @ right.T, so
            that weights by cluster or by learned factors never need a dense matrix. `columns` is `rows` where
            candidates is None, else k.
        bias: B per candidate row [rows]; None for 0. It acts on positive and negative pairs alike.
        similarity: "cosine" or "dot".
        objective: "infonce", the ratio above; "dcl", the same with positive_weight 0; "dclw", dcl whose positive term
            is weighted by how hard the positive pair is; "cacr", attraction and repulsion with two weightings. The
            equations and sources stand in `workbench.contrast.objectives`.
        class_prior: assumed probability that a negative is of the anchor's class, in [0, 1): above 0 the denominator
            is corrected for it ("debiased", Chuang and others).
        mixed: synthetic negatives beside the listed ones; they push the anchor and are not moved themselves.
    """

    tau: float = 0.5
    views: int = 2
    nodes: Tensor | None = None
    candidates: Tensor | None = None
    positives: tuple[Tensor, Tensor] | None = None
    positive_weight: float = 1.0
    same_view: bool = True
    weights: Tensor | tuple[Tensor, Tensor] | None = None
    bias: Tensor | None = None
    similarity: str = "cosine"
    objective: str = "infonce"
    class_prior: float = 0.0
    mixed: Mixed | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise unknown("objective", self.objective, OBJECTIVES, "of a contrast")
        if self.objective in ("dcl", "dclw"):
            object.__setattr__(self, "positive_weight", 0.0)
        if not 0 <= self.class_prior < 1:
            raise UserError(f"class_prior of a contrast is {self.class_prior}; it must be at least 0 and below 1")
        if self.similarity == "dot" and (self.mixed or self.class_prior or self.objective in ("dclw", "cacr")):
            raise UserError("mixed negatives, class_prior, dclw and cacr are defined for the similarity 'cosine' only")
        if self.objective == "cacr" and (self.class_prior or self.mixed or self.bias is not None):
            raise UserError("the objective 'cacr' takes no class_prior, mixed negatives or bias; weights it does take")
        if not isinstance(self.tau, int | float) or not self.tau > 0:
            raise UserError(f"the temperature tau of a contrast is {self.tau!r}; it must be a number above 0")
        if self.similarity not in SIMILARITIES:
            raise unknown("similarity", self.similarity, SIMILARITIES, "of a contrast")
        if self.views not in (1, 2):
            raise UserError(f"a contrast has {self.views} views; it must be 1 or 2")
        if self.positive_weight < 0:
            raise UserError(f"positive_weight of a contrast is {self.positive_weight}; it must not be negative")
        listed = self.candidates is not None and self.candidates.dim() == 2
        if isinstance(self.weights, tuple) and listed:
            raise UserError("weights of candidates per anchor must be one tensor [rows, k], not two factors")

    def check(self, rows: int) -> None:
        """Raise a UserError that names what doesn't fit projections of `rows` rows."""
        columns = rows if self.candidates is None else self.candidates.shape[-1]
        wanted: dict[str, tuple[Tensor | None, tuple[int, ...]]] = {
            "nodes": (self.nodes, (rows,)),
            "bias": (self.bias, (rows,)),
        }
        if isinstance(self.weights, tuple):
            rank = self.weights[0].shape[-1]
            wanted["left factor of weights"] = (self.weights[0], (rows, rank))
            wanted["right factor of weights"] = (self.weights[1], (columns, rank))
        elif self.weights is not None:
            listed = self.candidates is not None and self.candidates.dim() == 2
            wanted["weights"] = (self.weights, (rows, columns) if listed else (columns,))
        if self.candidates is not None and self.candidates.dim() == 2:
            wanted["candidates"] = (self.candidates, (rows, columns))
        if self.mixed is not None:
            wanted["second row of mixed"] = (self.mixed.second, tuple(self.mixed.first.shape))
        for name, (tensor, shape) in wanted.items():
            if tensor is not None and tuple(tensor.shape) != shape:
                raise UserError(f"{name} of the contrast has shape {list(tensor.shape)}; {list(shape)} is needed")
        first, second = self.mixed[:2] if self.mixed else (None, None)
        named = {"candidates": self.candidates, "positives": self.positives and self.positives[0]}
        for name, index in {**named, "first of mixed": first, "second of mixed": second}.items():
            if index is not None and index.numel() and not 0 <= int(index.min()) <= int(index.max()) < rows:
                raise UserError(f"{name} of the contrast name rows outside 0..{rows - 1}")

    def negatives_per_anchor(self, rows: int) -> int:
        """Return how many negative terms stand in one anchor's denominator at most (own row left out)."""
        per_view = max(rows - 1, 0) if self.candidates is None else int(self.candidates.shape[-1])
        return (per_view + (self.mixed.first.shape[1] if self.mixed else 0)) * self._banks

    @property
    def _banks(self) -> int:
        return 2 if self.views == 2 and self.same_view else 1

    def negative_mass(self, rows: int, device: torch.device) -> Tensor:
        """Return the summed weight of each anchor's negatives, both views counted, float [rows]."""
        own = torch.arange(rows, device=device)
        listed = own if self.candidates is None else self.candidates
        if isinstance(self.weights, tuple):
            left, right = self.weights
            total, mine = left @ right.sum(0), (left[listed] * right).sum(1)
        else:
            weights = torch.ones(listed.shape, device=device) if self.weights is None else self.weights
            if listed.dim() == 2:
                return (weights * (listed != own[:, None])).sum(1) * self._banks
            total, mine = weights.sum().expand(rows), weights
        return (total - mine.new_zeros(rows).index_add(0, listed, mine)) * self._banks
