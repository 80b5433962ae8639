"""`Contrast`: who is an anchor, whom it is compared with, and how much each pair weighs."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.contrast.weights import PairWeights
from workbench.errors import UserError, unknown


class Mixed(NamedTuple):
    """Synthetic negatives: each the normalised mix share * first + (1 - share) * second of two rows [rows, synthetic].

    Where the second is the anchor's own row, the anchor itself is mixed in. A share is in [0, 1], and its shape is that
    of the rows or anything that expands to it. Of a contrast that `mixes` similarities, the same of the two cosines.
    """

    first: Tensor
    second: Tensor
    share: Tensor


@dataclass(frozen=True, eq=False)
class Contrast:
    """One filling of the general contrastive loss over pairs (anchor i, candidate j).

    With similarity s_ij and temperature tau, an anchor's loss is

        -log [ sum_j P_ij exp(s_ij/tau + B_ij) / sum_j W_ij exp(s_ij/tau + B_ij) ].

    An objective takes a contrast and one or two matrices u [rows, dim] and v; `workbench.objectives` has them. They say
    one of three things:

    * u alone: each row is an anchor, the rows are its candidates, and its positive is itself.
    * u and v, `paired`: both hold the same rows in two views [rows, dim]. Each row is an anchor in either view in turn;
      its candidates are rows of the other view and, with `same_view`, of its own. The pair of a row with itself is the
      positive pair and never a negative one; in the denominator it counts as the objective says (InfoNCE: 1).
    * u and v, not `paired`: v holds the candidates, other things than the anchors and of any number [others, dim], such
      as all items, cluster proxies or texts. Each row of u is an anchor, in this one direction. Its denominator is what
      `candidates` and `weights` say, positives included (the decoupled objectives leave them out).

    Attributes:
        tau: temperature, above 0.
        paired: whether two matrices are two views of the same rows.
        nodes: graph nodes that the rows stand for [rows]; None means that row i is node i.
        candidates: rows whose pairs stand in the denominator: None for all, [k] shared by all anchors, or [rows, k] per
            anchor. A row that is listed twice counts twice, and a paired anchor that lists itself lists one fewer.
        positives: sparse P as (index [2, entries] of anchor and candidate rows, mass [entries]), of rows in the other
            view or matrix; None for row i with row i, mass 1.
        same_view: whether negatives of paired views come from the anchor's own view too.
        weights: W of the pairs: None for 1; [columns] per candidate; [rows, k] beside candidates of that shape; or a
            pair of non-negative factors (left [rows, rank], right [columns, rank]) with W = left @ right.T, so that
            learned factors never need a dense matrix. `columns` is k where candidates are listed, else as many as there
            are rows to choose from.
        made: W in place of these, made by blocks of anchors with all candidates, see `workbench.contrast.weights`.
        bias: B per candidate row [rows], not paired [others]; None for 0. It acts on positive and negative pairs alike.
        similarity: "cosine" or "dot".
        class_prior: assumed probability that a negative is of the anchor's class, in [0, 1): above 0 the sum over the
            negatives is corrected for it, see `workbench.contrast.ratio`.
        mixed: synthetic negatives beside the listed ones; they push the anchor and are not moved themselves.
        mixes: "vectors", as said there, or "similarities" of an anchor with two rows of the other view, by which these
            are moved as well.
    """

    tau: float = 0.5
    paired: bool = True
    nodes: Tensor | None = None
    candidates: Tensor | None = None
    positives: tuple[Tensor, Tensor] | None = None
    same_view: bool = True
    weights: Tensor | tuple[Tensor, Tensor] | None = None
    made: PairWeights | None = None
    bias: Tensor | None = None
    similarity: str = "cosine"
    class_prior: float = 0.0
    mixed: Mixed | None = None
    mixes: str = "vectors"

    def __post_init__(self) -> None:
        if not isinstance(self.tau, int | float) or not self.tau > 0:
            raise UserError(f"the temperature tau of a contrast is {self.tau!r}; it must be a number above 0")
        if self.similarity not in ("cosine", "dot"):
            raise unknown("similarity", self.similarity, ("cosine", "dot"), "of a contrast")
        if self.mixes not in ("vectors", "similarities"):
            raise unknown("kind of mix", self.mixes, ("vectors", "similarities"), "of a contrast")
        if not 0 <= self.class_prior < 1:
            raise UserError(f"class_prior of a contrast is {self.class_prior}; it must be at least 0 and below 1")
        if (self.mixed or self.class_prior) and (self.similarity == "dot" or not self.paired):
            raise UserError("mixed negatives and class_prior are defined for cosines of paired rows only")
        if isinstance(self.weights, tuple) and self.listed:
            raise UserError("weights of candidates per anchor must be one tensor [rows, k], not two factors")
        if self.made is not None and (self.candidates is not None or self.paired or self.weights is not None):
            raise UserError("weights that are made by blocks are defined for all candidates of rows that aren't paired")

    @property
    def listed(self) -> bool:
        """Whether each anchor lists candidates of its own."""
        return self.candidates is not None and self.candidates.dim() == 2

    def chosen(self, rows: Tensor) -> Tensor:
        """Return which of these rows are candidates, all in order where none are listed [k] or [rows, k]."""
        return torch.arange(len(rows), device=rows.device) if self.candidates is None else self.candidates

    def prepared(self, u: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the matrices of an objective, of unit length for cosines; a UserError names what doesn't fit them."""
        if not self.paired and v is None:
            raise UserError("a contrast that isn't paired compares two matrices; only one was given")
        if v is not None and (v.shape != u.shape if self.paired else v.shape[1:] != u.shape[1:]):
            wanted = "the same shape in both views" if self.paired else "as many columns"
            raise UserError(f"a contrast was given {list(u.shape)} and {list(v.shape)}; {wanted} are needed")
        rows, others = len(u), len(u if v is None else v)
        if self.positives is None and rows != others:
            raise UserError(f"{rows} anchors are compared with {others} other things; the contrast must say positives")
        columns = others if self.candidates is None else self.candidates.shape[-1]
        left, right = self.weights if isinstance(self.weights, tuple) else (None, None)
        weights = None if isinstance(self.weights, tuple) else self.weights
        rank = 0 if left is None else left.shape[-1]
        each = (rows, columns) if self.listed else (columns,)
        anchors, matches = (None, None) if self.positives is None else self.positives[0]
        first, second = self.mixed[:2] if self.mixed else (None, None)
        for name, tensor, shape, end in (
            ("nodes", self.nodes, (rows,), None),
            ("bias", self.bias, (others,), None),
            ("left factor of weights", left, (rows, rank), None),
            ("right factor of weights", right, (columns, rank), None),
            ("weights", weights, each, None),
            ("candidates", self.candidates, each, others),
            ("anchors of positives", anchors, None, rows),
            ("positives", matches, None, others),
            ("first of mixed", first, None, rows),
            ("second of mixed", second, None if first is None else first.shape, rows),
        ):
            if tensor is None:
                continue
            if shape is not None and tensor.shape != shape:
                raise UserError(f"{name} of the contrast has shape {list(tensor.shape)}; {list(shape)} is needed")
            if end is not None and tensor.numel() and not 0 <= int(tensor.min()) <= int(tensor.max()) < end:
                raise UserError(f"{name} of the contrast name rows outside 0..{end - 1}")
        if self.similarity == "cosine":
            u, v = normalize(u, dim=1), None if v is None else normalize(v, dim=1)
        return u, v

    def check_positives(self, rows: int) -> None:
        """Raise a UserError where one of so many anchors has no positive of any mass."""
        if self.positives is None:
            return
        (anchors, _), mass = self.positives
        if int(torch.bincount(anchors[mass > 0], minlength=rows).min()) == 0:
            raise UserError("an anchor of the contrast has no positive; give each anchor at least one, e.g. itself")

    def directions(self, u: Tensor, v: Tensor | None) -> list[tuple[Tensor, list[Tensor]]]:
        """Return the matrices of anchors, each with those of its candidates, the positives' first."""
        if v is None or not self.paired:
            return [(u, [u if v is None else v])]
        return [(a, [b, a] if self.same_view else [b]) for a, b in ((u, v), (v, u))]

    def of_anchor(self, anchor: int, others: int) -> tuple[Tensor, Tensor]:
        """Return how strongly an anchor is pulled to each candidate row, P exp(B), and pushed from it, W exp(B).

        Both are [others], on the CPU, for figures: by what exp(s / tau) of a pair is multiplied above and below. A row
        that is not compared is pushed by 0, and so is a paired anchor from itself; one that is listed twice counts
        twice. Synthetic negatives have no row and are left out.
        """
        pulled, pushed = torch.zeros(2, others)
        if self.positives is None:
            pulled[anchor] = 1
        else:
            (anchors, matches), mass = (part.detach().cpu() for part in self.positives)
            pulled.index_add_(0, matches[anchors == anchor], mass[anchors == anchor].float())
        columns = self.chosen(pulled).cpu()
        columns, weights = columns[anchor] if self.listed else columns, self.weights
        if self.made is not None:
            weights = self.made.tile(anchor, anchor + 1)[0]
        elif isinstance(weights, tuple):
            weights = weights[1] @ weights[0][anchor]
        elif weights is None:
            weights = torch.ones(len(columns))
        elif self.listed:
            weights = weights[anchor]
        pushed.index_add_(0, columns, weights.detach().cpu().float())
        if self.bias is not None:
            pulled, pushed = self.bias.detach().cpu().exp() * pulled, self.bias.detach().cpu().exp() * pushed
        if self.paired:
            pushed[anchor] = 0
        return pulled, pushed
