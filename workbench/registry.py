"""Named parts that register themselves by a decorator and are found by name."""

import importlib
import importlib.metadata
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from workbench.errors import UserError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named parts of one kind.

    Args:
        kind: what one entry is, in the words of an error message, e.g. "method".
        package: the package below which the entries stand. A new file in it, at any depth, is enough to add an entry:
            names are read from the `register("name")` lines of the sources, and a look-up imports one file. Other
            distributions add entries by entry points of the group of the same name, e.g. "workbench.methods".
    """

    def __init__(self, kind: str, package: str | None = None):
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a class or function to enter it under `name`; a name can be taken once."""

        def enter(part: T) -> T:
            taken = self._modules.get(name, part.__module__) != part.__module__
            if name in self._entries or taken:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = part
            return part

        return enter

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module of each entry of the package by the entry's name, without importing any."""
        if self._package is None:
            return {}
        package = importlib.import_module(self._package)
        return {name: module for path in package.__path__ for name, module in _registered(Path(path), self._package)}

    @cached_property
    def _others(self) -> dict[str, importlib.metadata.EntryPoint]:
        """The entries of other distributions by name."""
        group = importlib.metadata.entry_points(group=self._package) if self._package else ()
        return {entry.name: entry for entry in group}

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted({*self._entries, *self._modules, *self._others})

    def get(self, name: str) -> T:
        """Return the entry called `name`.

        Raises:
            UserError: no such name, and the message gives the nearest one; or another distribution's entry fails.
        """
        if name not in self._entries and name in self._modules:
            importlib.import_module(self._modules[name])
        elif name not in self._entries and name in self._others:
            entry = self._others[name]
            try:
                part = entry.load()
            except Exception as error:  # whatever another distribution does wrong
                origin = entry.dist.name if entry.dist else entry.value
                raise UserError(f"the {self.kind} {name!r} of {origin} can't be loaded: {error}") from None
            self._entries.setdefault(name, part)
        if name not in self._entries:
            raise unknown(self.kind, name, self.names())
        return self._entries[name]


def _registered(folder: Path, package: str) -> Iterator[tuple[str, str]]:
    """Yield the name and module of each entry below a folder: lines that begin with `@REGISTRY.register("name")`."""
    for module in pkgutil.iter_modules([str(folder)]):
        full = f"{package}.{module.name}"
        if module.ispkg:
            yield from _registered(folder / module.name, full)
            continue
        source = (folder / f"{module.name}.py").read_text(encoding="utf-8")
        for name in re.findall(r'^@\w+\.register\("([^"]+)"\)', source, re.MULTILINE):
            yield name, full
