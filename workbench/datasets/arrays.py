"""Rows of an array, such as images or measurements, without a graph."""

from typing import Any

from torch import Tensor

from workbench.datasets.kinds import KINDS, Contents, Kind, alone
from workbench.errors import UserError


@KINDS.register("arrays")
class Arrays(Kind):
    """A tensor x [rows, ...], or a tuple (x, y) with the class of each row."""

    name, items = "arrays", ("rows",)
    words = "an array (a tensor x [rows, ...], or a tuple of x and y)"
    baselines, protocol = ("raw",), "random-10-10-80"

    def recognises(self, data: Any) -> bool:
        """Return whether this is a tensor of rows, or that with one class a row."""
        if isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data):
            data = data[0]
        return isinstance(data, Tensor) and data.dim() >= 2

    def check(self, data: Any) -> None:
        """Raise a UserError where there is not one class a row."""
        if isinstance(data, tuple) and len(data[0]) != len(data[1]):
            raise UserError(f"an array of {len(data[0])} rows needs as many classes, not {len(data[1])}")

    def inputs(self, data: Any) -> Tensor:
        """Return the rows alone."""
        return alone(data[0] if isinstance(data, tuple) else data)

    def contents(self, data: Any) -> Contents:
        """Return rows and classes."""
        return {"x": data[0], "y": data[1]} if isinstance(data, tuple) else {"x": data}

    def sizes(self, data: Any) -> dict[str, int]:
        """Return how many rows there are."""
        return {"rows": len(self.contents(data)["x"])}

    def attributes(self, data: Any) -> Tensor | None:
        """Return each row as a vector."""
        return self.inputs(data).flatten(1)
