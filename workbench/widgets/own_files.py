"""What a person's own graph is read from, and as what: the state behind the upload page."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch_geometric.data import Data

from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.widgets.home import text

NONE = "none"


def safe_name(name: str) -> str:
    """Return the last part of a name that a browser sent, as one that stays in its folder and hides nowhere."""
    last = Path(name.replace("\\", "/")).name
    return re.sub(r"[^\w.-]", "-", last).lstrip(".")[-100:] or "file"


@dataclass(frozen=True)
class Asked:
    """What is to be read, and as what; None is as the importer finds it.

    Attributes:
        graph, nodes: the files. source, target, weight, label: columns; "none" for no weights or no labels.
        attributes: columns of the nodes, or words of `STRUCTURAL`. directed: of the edges.
    """

    graph: Path
    nodes: Path | None = None
    source: str | None = None
    target: str | None = None
    weight: str | None = None
    label: str | None = None
    attributes: tuple[str, ...] = ()
    directed: bool | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What `load_graph` is given besides the file."""
        chosen: Any = [*self.attributes] or None
        features = chosen if self.nodes is None else (str(self.nodes), chosen) if chosen else str(self.nodes)
        options = {"features": features, "labels": None if self.label == NONE else self.label}
        options |= {"source": self.source, "target": self.target, "directed": self.directed}
        options["weight"] = False if self.weight == NONE else self.weight
        return {name: value for name, value in options.items() if value is not None}

    def load(self) -> Data:
        """Return the graph; its report says what was read, changed and left out."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report says it
            graph = load_graph(self.graph, **self.options)
        if not isinstance(graph, Data):
            raise UserError(f"{self.graph.name} holds no single graph; load_graph and fit take it in Python")
        if self.label == NONE:
            graph.pop("y", None)
            graph.pop("class_names", None)
        return graph

    def call(self, folder: Path) -> str:
        """Return the Python that reads the same; files that were uploaded stand without their folder."""
        given = [text(str(self.graph)), *(f"{name}={value!r}" for name, value in self.options.items())]
        without = ["graph.y = None  # no labels"] if self.label == NONE else []
        read = f"graph = wb.load_graph({', '.join(given)})".replace(f"{folder}/", "")
        return "\n".join(["import workbench as wb\n", read, *without, "wb.widgets.first_look(graph, preset='quick')"])
