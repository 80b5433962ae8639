"""What a person asks to be trained, checked, and what is said of a method's parameters; no widget."""

import dataclasses
import inspect
import re
from dataclasses import dataclass
from typing import Any

from torch_geometric.data import Data

from workbench.methods import Config, configure
from workbench.methods.presets import changes
from workbench.randomness import Randomness


@dataclass(frozen=True)
class Request:
    """What is to be trained.

    Attributes:
        graph: the graph, or what `load_graph` loads it by. label: what it is called.
        method, preset: names, the preset's in full. changed: parameters that differ from the preset.
        epochs: how many there are in all. seed: the master seed.
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


def label_of(graph: Data | str) -> str:
    """Return what a graph is called on the screen."""
    return str(graph.get("name") or "your graph") if isinstance(graph, Data) else graph


def checked(
    graph: Data | str, method: str, preset: str | None, seed: int, parameters: dict[str, Any]
) -> tuple[Request, Config]:
    """Check what is asked for; return it, and the configuration that it means.

    Args:
        graph: the graph, or what `load_graph` loads it by; it is not loaded.
        method, preset, seed: as for `fit`.
        parameters: single ones; those that are as the preset has them count as not given.

    Raises:
        UserError: an unknown name or parameter, or a value that does not fit.
    """
    Randomness(seed)  # refuses what is no seed
    label = label_of(graph)
    full_name, config = configure(method, preset, label, parameters)
    changed = changes(method, full_name, config).changed
    return Request(graph, label, method, full_name, changed, config.epochs, seed), config


def explained(config_class: type[Config]) -> dict[str, str]:
    """Return what is said of each parameter of a configuration class: its docstrings' words, and the limits."""
    told: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for names, text in re.findall(r"^    ([\w, ]+): (.+(?:\n {5,}.+)*)", section, re.MULTILINE):
            told |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    words = (("low", "at least"), ("above", "above"), ("below", "below"))
    for one in dataclasses.fields(config_class):
        limits = ", ".join(f"{word} {one.metadata[key]:g}" for key, word in words if key in one.metadata)
        told[one.name] = " · ".join(filter(None, [told.get(one.name, one.name), limits]))
    return told
