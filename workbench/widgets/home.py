"""What a person takes home from a widget: the Python call of what it shows, and its figures for a paper."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import plotly.graph_objects as go
from torch_geometric.data import Data
from traitlets import List, Unicode

from workbench.datasets import names
from workbench.errors import UserError
from workbench.plots.paper import archive
from workbench.training.run import Run
from workbench.widgets.live import Heard, script

WRITTEN = 100  # selected nodes that a call names


class TakeHome(Heard, anywidget.AnyWidget):
    """The lines below a widget that unfold: its Python `call`, to be copied, and its `figures`, to be downloaded.

    One that has nothing in it is hidden. It also says at the top of its widget that the kernel is busy, or gone.

    Attributes:
        call: Python. figures: names of those that are shown; `drawn` returns them. name: of the file with them.
    """

    _esm = script("heard", "presence", "dom", "home")
    _css = Path(__file__).with_name("home.css")
    call = Unicode().tag(sync=True)
    figures = List(Unicode()).tag(sync=True)

    def __init__(self, name: str = "", drawn: Callable[[], Mapping[str, go.Figure]] = dict) -> None:
        super().__init__()
        self.name, self.drawn = name, drawn
        self.on_msg(self.asked)

    def asked(self, _: Any, content: dict[str, Any], __: Any) -> None:
        """Send a screen the figures as they are printed in a column of a paper of some width, see `plots.save`."""
        if content.get("kind") != "paper":
            return
        try:
            whole = archive(self.drawn(), str(content.get("width")))
        except Exception as error:  # the screen waits for an answer
            said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self.send({"kind": "paper", "said": f"They could not be drawn: {said}"})
        else:
            self.send({"kind": "paper", "file": f"{self.name}.zip"}, [whole])


def text(value: Any) -> str:
    """Return the Python text of a value, a string in the quotes that the project writes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def written(function: Callable[..., Any], *variables: str, **state: Any) -> str:
    """Return the Python call of a widget's function, with what differs from its defaults.

    Args:
        function: what makes the widget, e.g. `rule_explorer`.
        *variables: Python text of its first arguments, e.g. "run", "graph", see `preamble`.
        **state: its other arguments by name; those that are as the function has them by default are left out.
    """
    usual = inspect.signature(function).parameters
    changed = {name: value for name, value in state.items() if name not in usual or usual[name].default != value}
    arguments = [*variables, *(f"{name}={text(value)}" for name, value in changed.items() if name.isidentifier())]
    if dotted := [f"{text(name)}: {text(value)}" for name, value in changed.items() if not name.isidentifier()]:
        arguments.append(f"**{{{', '.join(dotted)}}}")
    line = f"wb.widgets.{function.__name__}({', '.join(arguments)})"
    if len(line) > 100:
        line = f"wb.widgets.{function.__name__}(\n" + "".join(f"    {part},\n" for part in arguments) + ")"
    return line


def preamble(**variables: Any) -> str:
    """Return the lines that a call stands on: the import, and how a script comes by each variable that can be loaded.

    A graph can be by its name, a run by its folder; what can't is the notebook's, and a comment says so.
    """
    lines = ["import workbench as wb\n"]
    for name, value in variables.items():
        if isinstance(value, Run) and value.path is not None:
            lines.append(f"{name} = wb.runs.load({text(str(value.path))})")
        elif isinstance(value, Run) and not value.complete:
            lines.append(f"# {name}: was stopped after {value.epochs} epochs, and what is stopped is not stored")
        elif isinstance(value, Data) and value.get("name") in names():
            lines.append(f"{name} = wb.load_graph({text(value.name)})")
        else:
            lines.append(f"# {name}: as in the notebook")
    return "\n".join(lines) + "\n"
