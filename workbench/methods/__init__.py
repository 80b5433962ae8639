"""The methods: a folder per family, one file each, found by name.

Importing this package is cheap; torch is loaded by the first method that is looked up.
"""

from typing import TYPE_CHECKING

from workbench.config import Preset
from workbench.lazy import lazily
from workbench.methods.presets import configure, preset_names

if TYPE_CHECKING:
    from workbench.methods.base import METHODS, Config, Method, Step
else:
    from workbench.methods.registry import METHODS

__getattr__ = lazily(__name__, {name: f"{__name__}.base:{name}" for name in ("Config", "Method", "Step")})
get = METHODS.get
presets = preset_names


def names(kind: str | None = None) -> list[str]:
    """Return the names of all methods, sorted, or of those that learn on one kind of data, e.g. "nodes"."""
    return [name for name in METHODS.names() if kind is None or kind in METHODS.get(name).kinds]


__all__ = ["METHODS", "Config", "Method", "Preset", "Step", "configure", "get", "names", "presets"]
