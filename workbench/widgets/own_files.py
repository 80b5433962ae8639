"""What a person's own graph is read from, and as what: the files and the state behind the upload page."""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
from torch_geometric.data import Data
from traitlets import Instance

from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.widgets.home import text
from workbench.widgets.live import Heard, script

NONE = "none"


def safe_name(name: str) -> str:
    """Return the last part of a name that a browser sent, as one that stays in its folder and hides nowhere."""
    last = Path(name.replace("\\", "/")).name
    return re.sub(r"[^\w.-]", "-", last).lstrip(".")[-100:] or "file"


class Upload(Heard, anywidget.AnyWidget):
    """A button that takes a file, or what is dropped beside it, into a folder: in parts, so that it may be of any size.

    Attributes:
        file: where the last one lies once it is whole; None before.
    """

    _esm = script("heard", "dom", "upload")
    _css = """
    .workbench-upload { display: flex; align-items: center; gap: 8px; min-width: 250px; margin-right: 12px; }
    .workbench-upload-says { opacity: .75; font-size: 12px; overflow-wrap: anywhere; }
    """
    file = Instance(Path, allow_none=True)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.add_class("workbench-upload")
        self.on_msg(self.take)

    def take(self, _: Any, content: dict[str, Any], parts: list[Any]) -> None:
        """Write a part that a page sends, and tell it up to where the file is here; from there it sends the next."""
        if content.get("kind") != "part":
            return
        path, at = self.folder / safe_name(content["name"]), int(content["at"])
        try:
            self.folder.mkdir(exist_ok=True)
            if at == 0:
                self.file = None
                path.write_bytes(b"")
            have = path.stat().st_size
            if at == have:
                with path.open("ab") as whole:
                    have += whole.write(parts[0])
        except OSError as error:
            self.send({"kind": "failed", "why": f"{path.name} can't be kept: {error.strerror}"})
            return
        self.send({"kind": "have", "at": have})
        if have >= int(content["size"]):
            self.file = path


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

    def call(self) -> str:
        """Return the Python that reads the same."""
        given = [text(str(self.graph)), *(f"{name}={value!r}" for name, value in self.options.items())]
        without = ["graph.y = None  # no labels"] if self.label == NONE else []
        read = f"graph = wb.load_graph({', '.join(given)})"
        return "\n".join(["import workbench as wb\n", read, *without, "wb.widgets.first_look(graph, preset='quick')"])
