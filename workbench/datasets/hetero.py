"""A graph of several types of nodes and edges."""

import copy
from typing import Any, NamedTuple

from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.typing import EdgeType

from workbench.datasets.bipartite import Bipartite
from workbench.datasets.door import check_edges, classes, finite, numbers, whole
from workbench.datasets.kinds import KINDS, Contents, Kind, alone
from workbench.errors import UserError


class MetaPath(NamedTuple):
    """The name of a meta-path and its types from the target to the target; a relation of the target with itself."""

    name: str
    types: tuple[str, ...]
    relation: EdgeType | None = None


@KINDS.register("hetero")
class Hetero(Kind):
    """A `HeteroData` that is neither bipartite nor multiplex; its items, the targets, are the nodes with labels."""

    name, items = "hetero", ("targets",)
    words = "a typed graph (a torch_geometric HeteroData with several node types and relations)"
    protocol = "random-10-10-80"
    baselines: tuple[str, ...] = ("raw", "paths", "sparsest-path", "smallest-type")

    def recognises(self, data: Any) -> bool:
        """Return whether there are several node types, and more than one relation between two of them."""
        return isinstance(data, HeteroData) and len(data.node_types) > 1 and not Bipartite().recognises(data)

    def cast(self, data: HeteroData, notes: list[str]) -> HeteroData:
        """Return attributes as float32, edges as int64 and labels as int64 where they are one class per item."""
        changed: dict[Any, dict[str, Any]] = {}
        for kind in data.node_types:
            store = data[kind]
            if store.get("x") is not None:
                changed[kind] = {"x": numbers(store.x, f"attributes of {kind!r}", notes)}
            if store.get("y") is not None:
                changed.setdefault(kind, {})["y"] = classes(store.y, int(store.num_nodes or 0), notes)
        for relation in data.edge_types:
            edges = whole(data[relation].edge_index, f"edge_index of {relation}", notes)
            changed[relation] = {"edge_index": edges}
        changed = {key: {k: v for k, v in new.items() if v is not data[key][k]} for key, new in changed.items()}
        if any(changed.values()):
            data = copy.copy(data)
            for key, new in changed.items():
                data[key].update(new)
        return data

    def check(self, data: HeteroData) -> None:
        """Raise a UserError that names the type or relation which keeps the graph from being learned on."""
        for kind in data.node_types:
            x, nodes = data[kind].get("x"), data[kind].num_nodes
            if not nodes:
                raise UserError(f"there are no nodes of type {kind!r}; give it attributes (x) or num_nodes")
            if x is not None and (x.dim() != 2 or len(x) != nodes or not x.shape[1]):
                raise UserError(f"attributes (x) of {kind!r} must be [{nodes}, features], not {list(x.shape)}")
            if x is not None and not finite(x):
                raise UserError(f"attributes (x) of {kind!r} hold NaN or infinite numbers")
        for relation in data.edge_types:
            ends, called = data[relation].edge_index, f"edge_index of {relation}"
            counts = [int(data[kind].num_nodes or 0) for kind in (relation[0], relation[2])]
            check_edges(ends, max(counts), called)
            for side, count, kind in zip(ends, counts, (relation[0], relation[2]), strict=True):
                if side.numel() and int(side.max()) >= count:
                    raise UserError(f"{called} names node {int(side.max())} of {kind!r}, which has {count}")

    def inputs(self, data: HeteroData) -> HeteroData:
        """Return the attributes of each node type and the edges of each relation alone, the targets' type first."""
        inputs, target = HeteroData(), target_type(data)
        for kind in (target, *(kind for kind in data.node_types if kind != target)):
            inputs[kind].num_nodes = data[kind].num_nodes
            if data[kind].get("x") is not None:
                inputs[kind].x = alone(data[kind].x)
        for relation in data.edge_types:
            inputs[relation].edge_index = alone(data[relation].edge_index)
        return inputs

    def contents(self, data: HeteroData) -> Contents:
        """Return how many nodes there are of each type, their attributes and labels, and the edges of each relation."""
        contents: dict[str, Any] = {"nodes": tuple((kind, data[kind].num_nodes) for kind in data.node_types)}
        contents |= {f"{kind} {key}": data[kind].get(key) for kind in data.node_types for key in ("x", "y")}
        return contents | {" ".join(relation): data[relation].edge_index for relation in data.edge_types}

    def shape(self, inputs: HeteroData) -> dict[str, int]:
        """Return how many attributes a node of each type has, or how many nodes there are of a type without."""
        sizes: dict[str, int] = {}
        for kind in inputs.node_types:
            x = inputs[kind].get("x")
            sizes |= {f"nodes of {kind}": int(inputs[kind].num_nodes)} if x is None else {}
            sizes |= {} if x is None else {f"features of {kind}": int(x.shape[1])}
        return sizes | {f"steps of {path.name}": len(path.types) - 1 for path in meta_paths(inputs)}

    def sizes(self, data: HeteroData) -> dict[str, int]:
        """Return how many items there are."""
        return {self.items[0]: int(data[target_type(data)].num_nodes or 0)}

    def entries(self, data: HeteroData) -> dict[str, int]:
        """Return how many nodes of all types and entries of all edge_index there are."""
        return {"nodes": int(data.num_nodes or 0), "edges": int(data.num_edges)}

    def attributes(self, data: HeteroData) -> Tensor | None:
        """Return the attributes of each node of the type that has labels."""
        return data[target_type(data)].get("x")

    def labels(self, data: HeteroData) -> Tensor | None:
        """Return the class of each node of the type that has labels."""
        return data[target_type(data)].get("y")


def target_type(data: HeteroData) -> str:
    """Return the type of the nodes that have labels, which are embedded, else the first."""
    types: list[str] = data.node_types
    return next((kind for kind in types if data[kind].get("y") is not None), types[0])


def meta_paths(data: HeteroData) -> list[MetaPath]:
    """Return the meta-paths of the target type: over each type that it has a relation with, and over one further type.

    A name has the initials of the types where these differ, e.g. "apcpa", else the types: "person-paper-person". A
    relation of the target with itself is a path of its own name.
    """
    target, ends = target_type(data), {frozenset((a, b)) for a, _, b in data.edge_types if a != b}
    initials = [kind[:1] for kind in data.node_types]
    short = len(set(initials)) == len(initials)

    def named(*half: str) -> MetaPath:
        types = (*half, *half[-2::-1])
        return MetaPath("".join(kind[0] for kind in types) if short else "-".join(types), types)

    own = [edge_type for edge_type in data.edge_types if edge_type[0] == edge_type[2] == target]
    once = len({name for _, name, _ in own}) == len(own)
    paths = [MetaPath(name if once else " ".join((a, name, b)), (target, target), (a, name, b)) for a, name, b in own]
    near = [kind for kind in data.node_types if {target, kind} in ends]
    paths += [named(target, kind) for kind in near]
    far = [(kind, end) for kind in near for end in data.node_types if {kind, end} in ends and end != target]
    return paths + [named(target, *half) for half in far]
