"""What a person takes home from a widget: the Python call of what it shows."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
from torch_geometric.data import Data
from traitlets import Unicode

from workbench.datasets import names
from workbench.training.run import Run
from workbench.widgets.live import Heard, script

WRITTEN = 100  # selected nodes that a call names


class TakeHome(Heard, anywidget.AnyWidget):
    """The line below a widget in which its Python `call` unfolds, to be copied; nothing while there is none.

    It also says at the top of its widget that the kernel is busy, or gone.
    """

    _esm = script("heard", "presence", "home")
    _css = Path(__file__).with_name("home.css")
    call = Unicode().tag(sync=True)


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
        elif isinstance(value, Data) and value.get("name") in names():
            lines.append(f"{name} = wb.load_graph({text(value.name)})")
        else:
            lines.append(f"# {name}: as in the notebook")
    return "\n".join(lines) + "\n"
