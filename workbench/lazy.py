"""Public names of a package that are imported when they are asked for, so that importing the package stays cheap."""

import inspect
import sys
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: it imports where a name lives when the name is first asked for.

    Args:
        package: its `__name__`.
        homes: where each name lives, "module:name", or "module:" for the module itself; without any colon
            `resolve_name` would hide why an import fails.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = resolve_name(homes[name])
        if inspect.isfunction(value):
            from workbench.arguments import door

            value = door(value)
        setattr(sys.modules[package], name, value)
        return value

    return load
