"""What a person asks to be trained, checked, and what is said of a method's parameters; no widget."""

import dataclasses
import inspect
import re
from dataclasses import dataclass
from typing import Any

from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure
from workbench.methods.presets import changes
from workbench.randomness import Randomness


@dataclass(frozen=True)
class Request:
    """What is to be trained.

    Attributes:
        graph: the graph, or what `load_graph` loads it by. label: what it is called. method: its name.
        preset: its full name. changed: parameters that differ from it. epochs: how many in all. seed: the master seed.
    """

    graph: Data | str
    label: str
    method: str
    preset: str
    changed: dict[str, Any]
    epochs: int
    seed: int

    @property
    def parameters(self) -> str:
        """The preset and what differs from it."""
        changed = ", ".join(f"{name}={value}" for name, value in self.changed.items())
        return f"preset {self.preset}" + (f" + {changed}" if changed else "")

    def __str__(self) -> str:
        return f"{self.method} on {self.label}, {self.parameters}, seed {self.seed}"


def checked(
    graph: Data | str, method: str, preset: str | None, seed: int, parameters: dict[str, Any]
) -> tuple[Request, Config]:
    """Check what is asked for, as for `fit`, without loading the graph; return it, and the configuration that it means.

    Parameters that are as the preset has them count as not given.
    """
    Randomness(seed)  # refuses what is no seed
    if "nodes" not in METHODS.get(method).kinds:
        raise UserError(f"the training panel shows nodes of a graph, on which {method!r} does not learn; use fit")
    label = str(graph.get("name") or "your graph") if isinstance(graph, Data) else graph
    full_name, config = configure(method, preset, label, parameters)
    changed = changes(method, full_name, config).changed
    return Request(graph, label, method, full_name, changed, config.epochs, seed), config


def explained(config_class: type[Config]) -> dict[str, str]:
    """Return what is said of each parameter of a configuration class: its docstrings' words, and the limits."""
    about: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for names, text in re.findall(r"^    ([\w, ]+): (.+(?:\n {5,}.+)*)", section, re.MULTILINE):
            about |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    words = (("low", "at least"), ("above", "above"), ("below", "below"))
    for field in dataclasses.fields(config_class):
        limits = ", ".join(f"{word} {field.metadata[key]:g}" for key, word in words if key in field.metadata)
        about[field.name] = " · ".join(filter(None, [about.get(field.name, field.name), limits]))
    return about
