"""Named parts that register themselves by a decorator and are found by name."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from workbench.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named parts of one kind.

    Args:
        kind: what one entry is, in the words of an error message, e.g. "method".
        package: a package of which each module is imported before the first look-up, so that a new file is enough
            to add an entry.
    """

    def __init__(self, kind: str, package: str | None = None):
        self.kind = kind
        self._package = package
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a class or function to enter it under `name`; a name can be taken once."""

        def enter(part: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = part
            return part

        return enter

    def _import_all(self) -> None:
        if self._package is None:
            return
        package, self._package = importlib.import_module(self._package), None
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")

    def names(self) -> list[str]:
        """Return every name, sorted."""
        self._import_all()
        return sorted(self._entries)

    def get(self, name: str) -> T:
        """Return the entry called `name`.

        Raises:
            UserError: no such name; the message gives the nearest one.
        """
        self._import_all()
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]
