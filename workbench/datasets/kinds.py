"""Kinds of data: how each is recognised, what of it a method may see, and what belongs to it."""

import hashlib
import math
import os
import weakref
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.registry import Registry

KINDS: Registry[type["Kind"]] = Registry("kind of data", "workbench.datasets")

Contents = Mapping[str, Any]
_HASHES: dict[tuple[Any, ...], str] = {}  # the latest ones, by the state of what has been hashed
_MOST_HASHES = 32


class Kind:
    """One kind of data, in PyG's own types; one subclass per file, registered by its name."""

    name: str
    words: str  # what such data are, for a sentence, e.g. "one graph with attributes"
    items: tuple[str, ...]  # what an embedding has a row for, e.g. ("nodes",)
    baselines: tuple[str, ...] = ()  # what is scored without any training, see `workbench.evaluation.baselines`
    on_request: tuple[str, ...] = ()  # further ones, scored where a study names them
    protocol: str = ""  # what scores an embedding of this kind unless another is asked for
    several: str = "multi-label"  # what does where an item may have several labels

    def recognises(self, data: Any) -> bool:
        """Return whether data are of this kind, by their type and keys; they may still be faulty."""
        raise NotImplementedError

    def cast(self, data: Any, notes: list[str]) -> Any:
        """Return data in the types that are computed with, a shallow copy where they differ; `notes` gets what does."""
        return data

    def check(self, data: Any) -> None:
        """Raise a UserError that names the first thing which keeps such data from being learned on."""

    def inputs(self, data: Any) -> Any:
        """Return what a method may see, in an object of its own: no labels, masks or held-out edges."""
        raise NotImplementedError

    def contents(self, data: Any) -> Contents:
        """Return what decides training and evaluation: tensors and plain values by name."""
        raise NotImplementedError

    def digest(self, contents: Contents) -> str:
        """Return the hash of contents, 64 hexadecimal digits."""
        digest = hashlib.sha256(self.name.encode())
        for name, value in contents.items():
            if not isinstance(value, Tensor):
                digest.update(f"{name} {value!r}".encode())
                continue
            value = value.detach().cpu().to_dense()
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def content_hash(self, data: Any) -> str:
        """Return the hash of what decides training and evaluation; computed anew only where a tensor has changed."""
        contents = self.contents(self.cast(data, []))
        if any(isinstance(value, Tensor) and value.is_inference() for value in contents.values()):
            return self.digest(contents)  # these keep no count of changes
        state = (self.name, *((name, _state(value)) for name, value in contents.items()))
        _HASHES[state] = _HASHES.pop(state, "") or self.digest(contents)
        if len(_HASHES) > _MOST_HASHES:
            del _HASHES[next(iter(_HASHES))]
        return _HASHES[state]

    def shape(self, inputs: Any) -> dict[str, int]:
        """Return the sizes that an encoder is made by: how many attributes an item has, where a kind says no others."""
        x = self.attributes(inputs)
        return {"features": 0 if x is None else int(x.shape[1])}

    def sizes(self, data: Any) -> dict[str, int]:
        """Return how many there are of each item."""
        raise NotImplementedError

    def attributes(self, data: Any) -> Tensor | None:
        """Return the attributes of each item [items, features], None where items have none."""
        return self.contents(data).get("x")

    def labels(self, data: Any) -> Tensor | None:
        """Return the class of each item [items], None where there are no labels."""
        return self.contents(data).get("y")

    def targets(self, data: Any, labels: str = "classes") -> Tensor:
        """Return what a supervised method may learn of each item: the labels of train_mask, or all without a mask.

        Args:
            data: of this kind.
            labels: "classes", the class of each item, -1 for none [items]; "numbers", float32 and nan for none, also of
                classes [items]; "paths", the parts of dotted names as numbers, -1 behind the last [items, parts].

        Raises:
            UserError: data without such labels.
        """
        mask = data.get("train_mask") if isinstance(data, Data) else None
        mask = None if mask is None else mask if mask.dim() == 1 else mask[:, 0]
        if labels == "paths":
            names = self.names_of(data)
            if names is None:
                raise UserError(
                    "trees of names are made of dotted names of items, and these data have none (node_names)"
                )
            return _paths([name if mask is None or mask[item] else "" for item, name in enumerate(names)])
        y, what, none = self.labels(data), "class", -1.0
        if labels == "numbers":
            y, what, none = self.contents(data).get("y"), "number", math.nan
            y = None if y is None else y.float().masked_fill(~y.isfinite() if y.is_floating_point() else y == -1, none)
        fits = y is not None and y.dim() == 1 and y.is_floating_point() == (labels == "numbers")
        if y is None or not fits or not bool(known_targets(y).any()):
            raise UserError(
                f"a supervised method learns from labels, one {what} per item, and these data have none (y)"
            )
        return y if mask is None else y.masked_fill(~mask, none)

    def entries(self, data: Any) -> dict[str, int]:
        """Return what else the memory of a fit depends on: "edges", and "nonzeros" of the attributes."""
        return {}

    def names_of(self, data: Any, key: str = "node_names") -> list[str] | None:
        """Return what their owner calls the items, or by their key ids or attributes; None without names."""
        return None


def known_targets(targets: Tensor) -> Tensor:
    """Return which items have a target [items]; arguments as `Kind.targets` returns them."""
    there = targets.isfinite() if targets.is_floating_point() else targets >= 0
    return there.any(1) if there.dim() == 2 else there


def _paths(names: list[str]) -> Tensor:
    """Return the parts of dotted names as numbers, -1 behind the last one [names, parts]."""
    split = [[part for part in name.split(".") if part] for name in names]
    numbers = {part: number for number, part in enumerate(sorted({part for parts in split for part in parts}))}
    paths = torch.full((len(names), max(map(len, split), default=0) or 1), -1)
    for row, parts in enumerate(split):
        paths[row, : len(parts)] = torch.tensor([numbers[part] for part in parts], dtype=torch.long)
    return paths


def kind_of(data: Any) -> Kind:
    """Return the kind of data; a UserError where they are of no kind that is known."""
    kinds = [KINDS.get(name)() for name in KINDS.names()]
    try:
        for kind in kinds:
            if kind.recognises(data):
                return kind
    except RuntimeError:  # PyG's, of a Data that was pickled before it had stores
        made = f"this {type(data).__name__} was made by an older version of torch_geometric"
        raise UserError(f"{made}; make a new one of its tensors, Data(x=..., edge_index=..., y=...)") from None
    if isinstance(data, str | os.PathLike):
        raise UserError(f"{str(data)!r} names data; load them first, load_graph({str(data)!r})", kind="kind of data")
    known = "; ".join(f"{kind.name}: {kind.words}" for kind in kinds)
    rejected = f"{type(data).__name__} is no data that a method learns on, and nothing that load_graph takes"
    raise UserError(f"{rejected} (a name, file, networkx graph ...). Known are {known}")


def content_hash(data: Any) -> str:
    """Return the SHA-256 of what decides training and evaluation on data of any kind: equal for equal data only.

    Attributes, edges, labels and held-out edges count, and so does the order of items and edges. Masks and names don't.
    """
    return kind_of(data).content_hash(data)


def alone(tensor: Tensor) -> Tensor:
    """Return a tensor in whose memory nothing else lies, such as the held-out edges that it was cut off from."""
    if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:  # it may be a store of attributes on disk
        return tensor
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def only(graph: Data, *keys: str) -> Data:
    """Return a graph that has nothing but tensors which stand under some keys."""
    return Data(num_nodes=graph.num_nodes, **{key: alone(graph[key]) for key in keys if graph.get(key) is not None})


def _state(value: Any) -> Any:
    """Return a plain value, or what differs once a tensor is another object, is written into or points elsewhere."""
    if not isinstance(value, Tensor):
        return value if isinstance(value, Hashable) else repr(value)
    return weakref.ref(value), value._version, value.layout == torch.strided and value.data_ptr()
