"""What the words of logic mean as arithmetic on truths."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.errors import UserError, unknown

SEMANTICS = ("crisp", "product", "godel", "lukasiewicz")


@dataclass(frozen=True)
class Semantics:
    """What the words of logic mean as arithmetic on truths in [0, 1].

    "crisp" is two-valued. The others are graded: a comparison a >= b becomes sigmoid(steepness * (a - b)), a = b
    becomes 4 s (1 - s) of that s, and the connectives are those of a t-norm T with its dual: `and` is T, `not` is
    1 - a, a or b is not (not a and not b), a implies b is not a or b, `forall` is T over all and `exists` its dual.
    T(a, b) is a b ("product"), min(a, b) ("godel") or max(0, a + b - 1) ("lukasiewicz"). Below a condition `sum`,
    `mean` and `count` weigh each node by its truth, `max` and `min` take the nodes where it is 1/2 or more. The
    steepness is in 1 / unit of what is compared, above 0.

    Source: van Krieken, Acar, van Harmelen, Analyzing Differentiable Fuzzy Logic Operators, 2022, sections 3 and 4.
    """

    name: str = "crisp"
    steepness: float = 10.0

    def __post_init__(self) -> None:
        if self.name not in SEMANTICS:
            raise unknown("semantics", self.name, SEMANTICS)
        if not 0 < self.steepness < float("inf"):
            raise UserError(f"the steepness of a comparison is {self.steepness}; it must be above 0 and finite")

    def compare(self, operator: str, a: Tensor, b: Tensor) -> Tensor:
        """Return the truth of a comparison, elementwise."""
        if self.name == "crisp":
            compared = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "=": a == b, "!=": a != b}[operator]
            return compared.to(torch.float64)
        above = torch.sigmoid(self.steepness * (a - b))
        if operator in ("=", "!="):
            equal = 4 * above * (1 - above)
            return equal if operator == "=" else 1 - equal
        return above if operator in (">", ">=") else 1 - above

    def both(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the truth of `a and b`."""
        if self.name == "product":
            return a * b
        return (a + b - 1).clamp(min=0) if self.name == "lukasiewicz" else torch.minimum(a, b)

    def join(self, operator: str, a: Tensor, b: Tensor) -> Tensor:
        """Return the truth of `a operator b`."""
        if operator == "and":
            return self.both(a, b)
        if operator == "or":
            return 1 - self.both(1 - a, 1 - b)
        if operator == "implies":
            return 1 - self.both(a, 1 - b)
        return self.both(1 - self.both(a, 1 - b), 1 - self.both(b, 1 - a))

    def all_of(self, kind: str, truth: Tensor, group: Tensor, groups: int) -> Tensor:
        """Return the truth of a quantifier in each group; of an empty one `forall` is 1 [groups]."""
        if kind == "exists":
            return 1 - self.all_of("forall", 1 - truth, group, groups)
        start = truth.new_ones(groups)
        if self.name == "lukasiewicz":
            return start.index_add(0, group, truth - 1).clamp(min=0)
        return start.scatter_reduce(0, group, truth, "prod" if self.name == "product" else "amin")
