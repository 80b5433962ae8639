"""Rows of an array, such as images or measurements, without a graph."""

import copy
import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.door import classes, numbers
from workbench.datasets.kinds import KINDS, Contents, Kind, alone
from workbench.errors import UserError


class Rows(Data):
    """Rows of an array: PyG's Data with x [rows, ...], such as images [rows, height, width], and without edges.

    Where they are known y is the class of each row, or a number, [rows], and train_mask [rows] says whose a supervised
    method may learn from. Of two populations `target` is true in the rows of the one that has something of its own
    [rows], such as patients beside healthy people; it is no label, and methods see it.
    """


@KINDS.register("arrays")
class Arrays(Kind):
    """`Rows`, a tensor x [rows, ...], or a tuple (x, y) with the class of each row."""

    name, items = "arrays", ("rows",)
    words = "an array (a tensor x [rows, ...], or a tuple of x and y)"
    baselines, protocol = ("raw",), "random-10-10-80"

    def recognises(self, data: Any) -> bool:
        """Return whether these are rows, a tensor of them, or that with one class per row."""
        if isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data):
            data = data[0]
        return isinstance(data, Rows) or (isinstance(data, Tensor) and data.dim() >= 2)

    def cast(self, data: Any, notes: list[str]) -> Rows:
        """Return `Rows` with x as float32 and y, where it can be read so, as int64."""
        if not isinstance(data, Rows):
            x, y = data if isinstance(data, tuple) else (data, None)
            data = Rows(x=x) if y is None else Rows(x=x, y=y)
        values = {"x": numbers(data.get("x"), "the array (x)", notes)}
        if data.get("y") is not None and isinstance(values["x"], Tensor):
            values["y"] = classes(data.y, len(values["x"]), notes)
        changed = {key: value for key, value in values.items() if value is not data.get(key)}
        return copy.copy(data).update(changed) if changed else data

    def check(self, data: Any) -> None:
        """Raise a UserError where there is not one class per row, or a row holds what is no number."""
        data = self.cast(data, [])
        if not isinstance(data.get("x"), Tensor) or data.x.dim() < 2 or not data.x.numel():
            raise UserError(
                "an array to learn on is a tensor x [rows, ...] with at least one row and one number per row"
            )
        if data.get("y") is not None and len(data.y) != len(data.x):
            raise UserError(f"an array of {len(data.x)} rows needs as many classes, not {len(data.y)}")
        target = data.get("target")
        if target is not None and not (isinstance(target, Tensor) and target.dtype == torch.bool):
            raise UserError("target of an array says which rows are of the target population: true or false [rows]")
        if target is not None and target.shape != data.x.shape[:1]:
            raise UserError(
                f"target of an array of {len(data.x)} rows has shape {list(target.shape)}; one per row is due"
            )
        if not bool(data.x.isfinite().all()):
            row, *place = (~data.x.isfinite()).nonzero()[0].tolist()
            raise UserError(
                f"row {row} of the array holds {data.x[(row, *place)]:g} at {place}; numbers must be finite"
            )

    def inputs(self, data: Any) -> Rows:
        """Return the rows, and of which population each is where there are two."""
        data = self.cast(data, [])
        return Rows(**{key: alone(data[key]) for key in ("x", "target") if data.get(key) is not None})

    def contents(self, data: Any) -> Contents:
        """Return rows, classes and populations."""
        data = self.cast(data, [])
        return {key: data[key] for key in ("x", "y", "target") if data.get(key) is not None}

    def shape(self, inputs: Any) -> dict[str, int]:
        """Return how many numbers a row has, and of images how they lie."""
        size = tuple(self.contents(inputs)["x"].shape[1:])
        images = {"height": size[0], "width": size[1]} if len(size) == 2 else {}
        return {"features": math.prod(size), **images}

    def sizes(self, data: Any) -> dict[str, int]:
        """Return how many rows there are."""
        return {"rows": len(self.contents(data)["x"])}

    def attributes(self, data: Any) -> Tensor | None:
        """Return each row as a vector."""
        x: Tensor = self.contents(data)["x"]
        return x.flatten(1)

    def labels(self, data: Any) -> Tensor | None:
        """Return the class of each row [rows], None without any, or where y are numbers to predict."""
        y = self.contents(data).get("y")
        return None if y is None or y.is_floating_point() else y

    def names_of(self, data: Any, key: str = "node_names") -> list[str] | None:
        """Return what their owner calls the rows."""
        names = data.get(key) if isinstance(data, Rows) else None
        return None if names is None else list(names)
