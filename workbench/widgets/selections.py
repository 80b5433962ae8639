"""Selections of nodes by a name, which all widgets of a notebook share: what one sets, others take and follow."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any
from weakref import WeakSet

import ipywidgets as ipw
import numpy as np
from traitlets import Int, observe

from workbench.errors import UserError
from workbench.widgets.brush import Ids

NOBODY = ""


class Selections(MutableMapping[str, Ids]):
    """The nodes that a name stands for, ascending, int64 [selected]; the widgets that took a name follow a change."""

    def __init__(self) -> None:
        self._kept: dict[str, Ids] = {}
        self.takers: WeakSet[Take] = WeakSet()

    def __getitem__(self, name: str) -> Ids:
        if name not in self._kept:
            known = ", ".join(map(repr, self._kept)) or "none so far"
            raise KeyError(f"no selection is called {name!r}; there are: {known}")
        return self._kept[name]

    def __setitem__(self, name: str, nodes: Iterable[int]) -> None:
        if not isinstance(name, str) or not name.strip():
            raise UserError("a selection is shared by a name, e.g. 'hubs'")
        self._kept[name.strip()] = np.unique(np.fromiter(nodes, np.int64))
        self._tell(name.strip())

    def __delitem__(self, name: str) -> None:
        del self._kept[name]
        self._tell(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def _tell(self, name: str) -> None:
        for taker in list(self.takers):
            taker.hear(name)


selections = Selections()


class Take(ipw.Dropdown):
    """The control of a widget that takes a selection by its name.

    Attributes:
        version: counts how often what is taken was changed elsewhere, for handlers.
    """

    version = Int()
    value: str
    options: Any

    def __init__(self, **look: object):
        super().__init__(options=self._known(), value=NOBODY, **look)
        selections.takers.add(self)

    @staticmethod
    def _known() -> list[tuple[str, str]]:
        return [("nothing", NOBODY), *((name, name) for name in selections)]

    def hear(self, name: str) -> None:
        """Offer the names that there are now, and tell of a change of the one that is taken."""
        taken = self.value
        if self._known() != list(self.options):
            self.options = self._known()
        if taken == name:
            self.version += 1

    @observe("options")
    def _propagate_options(self, _: Any) -> None:
        """Keep what is taken if it is still offered, where ipywidgets goes to the first of the new options."""
        labels, values = zip(*self._options_full, strict=True)
        self.set_trait("_options_labels", labels)
        self._options_values = values
        self.index = values.index(self.value) if self.value in values else 0

    def nodes(self, count: int) -> Ids:
        """Return the nodes that are taken, none where nothing is.

        Raises:
            UserError: it is of a larger graph than the one of `count` nodes that it is to be shown on.
        """
        taken = selections.get(self.value, np.empty(0, np.int64))
        if len(taken) and not 0 <= taken[0] <= taken[-1] < count:
            wrong = int(taken[-1] if taken[-1] >= count else taken[0])
            raise UserError(f"the selection {self.value!r} holds node {wrong}; this graph has nodes 0 to {count - 1}")
        return taken
