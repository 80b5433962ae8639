"""Kinds of data: how each is recognised, what of it a method may see, and what belongs to it."""

from typing import Any

from workbench.errors import UserError
from workbench.registry import Registry

KINDS: Registry[type["Kind"]] = Registry("kind of data", "workbench.datasets")


class Kind:
    """One kind of data, in PyG's own types; a subclass a file, registered by its name.

    Attributes:
        name: e.g. "nodes". words: what such data are, for a sentence, e.g. "one graph with attributes".
        items: what an embedding has a row for, one or several names, e.g. ("nodes",).
        baselines: names of what is scored without any training.
        protocol: name of the protocol that scores an embedding of this kind unless another is asked for.
    """

    name: str
    words: str
    items: tuple[str, ...]
    baselines: tuple[str, ...] = ()
    protocol: str = ""

    def recognises(self, data: Any) -> bool:
        """Return whether data are of this kind, by their type and keys; they may still be faulty."""
        raise NotImplementedError

    def check(self, data: Any) -> None:
        """Raise a UserError that names the first thing which keeps such data from being learned on."""

    def inputs(self, data: Any) -> Any:
        """Return what a method may see, in an object of its own: no labels, masks or held-out edges."""
        raise NotImplementedError

    def content_hash(self, data: Any) -> str:
        """Return a hash of what decides training and evaluation."""
        raise NotImplementedError

    def shape(self, inputs: Any) -> dict[str, int]:
        """Return the sizes that an encoder is made by, e.g. {"features": 1433}."""
        raise NotImplementedError

    def sizes(self, data: Any) -> dict[str, int]:
        """Return how many of each item there are."""
        raise NotImplementedError

    def entries(self, data: Any) -> dict[str, int]:
        """Return what else the memory of a fit depends on: "edges", and "nonzeros" of the attributes."""
        return {}

    def names_of(self, data: Any) -> list[str] | None:
        """Return what the items are called by their owner; None where they have no names."""
        return None

    def columns_of(self, data: Any) -> list[str] | None:
        """Return what the attribute columns are called; None where they have no names."""
        return None


def kind_of(data: Any) -> Kind:
    """Return the kind of data.

    Raises:
        UserError: they are of no kind that is known.
    """
    for name in KINDS.names():
        kind = KINDS.get(name)()
        if kind.recognises(data):
            return kind
    known = "; ".join(f"{name}: {KINDS.get(name).words}" for name in KINDS.names())
    raise UserError(
        f"{type(data).__name__} is no data that a method learns on; load_graph makes them from a name, a file or a "
        f"networkx graph. Known are {known}"
    )
