"""The methods: a folder a family, one file each, found by name."""

from workbench.config import Preset
from workbench.methods.base import METHODS, Config, Method, Step
from workbench.methods.presets import configure, preset_names

get = METHODS.get
presets = preset_names


def names(kind: str | None = None) -> list[str]:
    """Return the names of all methods, sorted, or of those that learn on one kind of data, e.g. "nodes"."""
    return [name for name in METHODS.names() if kind is None or kind in METHODS.get(name).kinds]


__all__ = ["METHODS", "Config", "Method", "Preset", "Step", "configure", "get", "names", "presets"]
