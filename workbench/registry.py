"""Named parts that register themselves by a decorator and are found by name."""

import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from workbench.errors import UserError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named parts of one kind, e.g. "method".

    A new file at any depth of the package is enough to add an entry: names are read from the lines of the sources that
    begin with `@REGISTRY.register("name")`, and a look-up imports one file. Other distributions add entries by entry
    points of the group that is called like the package, e.g. "workbench.methods".

    Args:
        kind: what an entry is, for a sentence.
        package: where its sources lie; None for entries that are made in other ways only.
        variable: what the registry is called in the sources, where others have entries in the same package.
    """

    def __init__(self, kind: str, package: str | None = None, variable: str = r"\w+"):
        self.kind = kind
        self._package, self._variable = package, variable
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a class or function to enter it under `name`; a name can be taken once."""

        def enter(part: T) -> T:
            taken = name in self._sources and self._sources[name][0] != part.__module__
            if name in self._entries or taken:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = part
            return part

        return enter

    @cached_property
    def _sources(self) -> dict[str, tuple[str, Path]]:
        """The module and the file of each entry of the package by its name, read from the files without any import."""
        sources: dict[str, tuple[str, Path]] = {}
        for folder in map(Path, importlib.import_module(self._package).__path__ if self._package else ()):
            for file in sorted(folder.rglob("*.py")):
                parts = file.relative_to(folder).with_suffix("").parts
                if parts[-1] == "__init__" or not all(map(str.isidentifier, parts)):
                    continue  # no module of its own, or none at all, such as an editor's copy
                module = ".".join((str(self._package), *parts))
                line = rf'^@{self._variable}\.register\("([^"]+)"\)'
                names = re.findall(line, file.read_text(encoding="utf-8"), re.MULTILINE)
                sources |= dict.fromkeys(names, (module, file))
        return sources

    @cached_property
    def _others(self) -> dict[str, importlib.metadata.EntryPoint]:
        """The entries of other distributions by name."""
        return {entry.name: entry for entry in importlib.metadata.entry_points(group=self._package or "")}

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted({*self._entries, *self._sources, *self._others})

    def get(self, name: str) -> T:
        """Return the entry of a name; a UserError where there is none, or another distribution's can't be loaded."""
        if not isinstance(name, str):
            raise unknown(self.kind, repr(name), self.names())
        if name not in self._entries and name in self._sources:
            importlib.import_module(self._sources[name][0])
        elif name not in self._entries and (entry := self._others.get(name)):
            try:
                part = entry.load()
            except Exception as error:  # whatever another distribution does wrong
                origin = entry.dist.name if entry.dist else entry.value
                raise UserError(f"the {self.kind} {name!r} of {origin} can't be loaded: {error}") from None
            self._entries.setdefault(name, part)
        if name not in self._entries:
            raise unknown(self.kind, name, self.names())
        return self._entries[name]

    def file(self, name: str) -> Path:
        """Return the file in which an entry is registered; one of the package is not imported for it."""
        return self._sources[name][1] if name in self._sources else Path(inspect.getfile(self.get(name)))  # type: ignore
