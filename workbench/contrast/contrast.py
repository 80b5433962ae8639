"""`Contrast`: who is an anchor, whom it is compared with, and how much each pair weighs."""

from dataclasses import dataclass

from torch import Tensor

from workbench.errors import UserError, unknown

SIMILARITIES = ("cosine", "dot")


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
            row that is listed twice counts twice.
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

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise UserError(f"the temperature tau of a contrast is {self.tau}; it must be above 0")
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
        for name, (tensor, shape) in wanted.items():
            if tensor is not None and tuple(tensor.shape) != shape:
                raise UserError(f"{name} of the contrast has shape {list(tensor.shape)}; {list(shape)} is needed")
        for name, index in (("candidates", self.candidates), ("positives", self.positives and self.positives[0])):
            if index is not None and index.numel() and not 0 <= int(index.min()) <= int(index.max()) < rows:
                raise UserError(f"{name} of the contrast name rows outside 0..{rows - 1}")

    def negatives_per_anchor(self, rows: int) -> int:
        """Return how many negative terms stand in one anchor's denominator (own row left out, repeats counted)."""
        per_view = max(rows - 1, 0) if self.candidates is None else int(self.candidates.shape[-1])
        return per_view * (2 if self.views == 2 and self.same_view else 1)
