"""Scenarios around data by name: of a set of graphs noise or a rare class, of rows some classes, of a graph an SVD.

Each is seeded, and named behind the name of the data. A study, Revisiting Graph Neural Networks on Graph-level Tasks,
runs methods on noisy and imbalanced sets. Its settings weren't at hand; what exactly is done here is ours. Its third
scenario, few labels, is a protocol: "svc-5-shot" and others.
"""

from collections.abc import Mapping
from typing import Any

import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import degree, one_hot

from workbench.datasets.arrays import Rows
from workbench.datasets.attributes import in_memory, is_sparse, to_scipy
from workbench.datasets.edits import edited
from workbench.datasets.graph_sets import GraphSet, with_attributes
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError, unknown

OPTIONS = ("noise", "imbalance", "class", "seed")


def scenario(graphs: GraphSet, words: str) -> GraphSet:
    """Return a set as words say, e.g. "noise=0.1,seed=3" or "imbalance=0.2,class=0".

    Raises:
        UserError: words that aren't these, or a level outside its range.
    """
    options: dict[str, float] = {}
    for word in words.split(","):
        key, _, value = (part.strip() for part in word.partition("="))
        if key not in OPTIONS:
            raise unknown("scenario", key, OPTIONS, "of a set of graphs; it is written noise=0.1,seed=3")
        try:
            options[key] = int(value) if key in ("class", "seed") else float(value)
        except ValueError:
            kind = "a whole number" if key in ("class", "seed") else "a number"
            raise UserError(f"{key} of a scenario is {value[:30]!r}; it must be {kind}") from None
    return _applied(graphs, options)


def _applied(graphs: GraphSet, options: Mapping[str, Any]) -> GraphSet:
    seed = options.get("seed", 0)
    if seed < 0:
        raise UserError(f"seed of a scenario is {seed}; it must be at least 0")
    if "class" in options and "imbalance" not in options:
        raise UserError("class of a scenario says which one imbalance makes rare; there is no imbalance")
    if "imbalance" in options:
        graphs = imbalanced(graphs, options["imbalance"], options.get("class"), seed)
    return noisy(graphs, options["noise"], seed) if "noise" in options else graphs


def noisy(graphs: GraphSet, share: float, seed: int = 0) -> GraphSet:
    """Return graphs in which a share of the edges is replaced by as many others, both directions at once.

    A graph with too few pairs that are not joined has fewer replaced. Attributes stay, unless they are the degrees,
    which are counted anew; attributes of edges are left out. With a share of 0 it is the same set.

    Args:
        graphs: undirected ones.
        share: of the edges of each graph, rounded, in [0, 1].
        seed: of the edges.
    """
    if not 0 <= share <= 1:
        raise UserError(f"noise of a scenario is {share:g}; it must be in [0, 1]")
    if share == 0:
        return graphs
    batch = Batch.from_data_list([Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes) for graph in graphs])
    nodes = batch.ptr.diff()
    proper = batch.edge_index[0] != batch.edge_index[1]
    links = torch.bincount(batch.batch[batch.edge_index[0, proper]], minlength=len(graphs)) // 2
    count = torch.minimum((share * links).round().long(), nodes * (nodes - 1) // 2 - links).clamp(min=0)
    after = edited(batch.edge_index, nodes, count, count, torch.Generator().manual_seed(seed)).edge_index
    order = after[0].argsort(stable=True)
    owner = batch.batch[after[0, order]]
    parts = (after[:, order] - batch.ptr[owner]).split(torch.bincount(owner, minlength=len(graphs)).tolist(), 1)
    made = GraphSet((_with(graph, edges) for graph, edges in zip(graphs, parts, strict=True)), graphs.name)
    if all(graph.get("x") is not None and _degrees(graph) for graph in graphs):
        for graph in made:
            del graph["x"]
        return with_attributes(made)
    return made


def _with(graph: Data, edge_index: Tensor) -> Data:
    """Return a graph with other edges."""
    made = graph.clone()
    made.edge_index = edge_index.contiguous()
    if made.get("edge_attr") is not None:
        del made["edge_attr"]
    return made


def _degrees(graph: Data) -> bool:
    """Return whether attributes are one-hot degrees."""
    counts = degree(graph.edge_index[0], graph.num_nodes, dtype=torch.long)
    columns = graph.x.shape[1]
    return int(counts.amax()) < columns and torch.equal(graph.x, one_hot(counts, columns)) if len(counts) else True


def imbalanced(graphs: GraphSet, share: float, rare: int | None = None, seed: int = 0) -> GraphSet:
    """Return the set with a random share of the graphs of one class alone, in their order.

    Args:
        graphs: with classes.
        share: of that class, rounded, one graph at least, in (0, 1].
        rare: the class; None for the one that has the fewest graphs.
        seed: of the graphs.
    """
    if not 0 < share <= 1:
        raise UserError(f"imbalance of a scenario is {share:g}; it must be above 0 and at most 1")
    y = kind_of(graphs).labels(graphs)
    if y is None or y.is_floating_point() or not bool((y >= 0).any()):
        raise UserError("imbalance makes one class rare, and the graphs of this set have no classes (y)")
    classes, counts = y[y >= 0].unique(return_counts=True)
    rare = int(classes[counts.argmin()]) if rare is None else rare
    if rare not in classes.tolist():
        raise unknown("class", rare, map(str, classes.tolist()), "of a scenario")
    if share == 1:
        return graphs
    of = (y == rare).nonzero()[:, 0]
    order = torch.randperm(len(of), generator=torch.Generator().manual_seed(seed))
    gone = {*of[order[max(1, round(share * len(of))) :]].tolist()}
    return GraphSet((graph for number, graph in enumerate(graphs) if number not in gone), graphs.name)


def some_rows(rows: Rows, words: str) -> Rows:
    """Return rows as words say, e.g. "classes=5-9", "inverted" (bright where they were dark) or both with a comma.

    Raises:
        UserError: words that aren't these, or a class that the rows don't have.
    """
    for word in words.split(","):
        key, _, value = (part.strip() for part in word.partition("="))
        if key not in ("classes", "inverted") or (key == "inverted" and value):
            written = "of rows of an array; it is written classes=5-9 or inverted"
            raise unknown("scenario", key + "=" * (key == "inverted"), ("classes", "inverted"), written)
        rows = some_classes(rows, value) if key == "classes" else inverted(rows)
    return rows


def inverted(rows: Rows) -> Rows:
    """Return rows whose numbers lie as far below the largest one of all as they lay above the least."""
    made = rows.clone()
    made.x = rows.x.amax() + rows.x.amin() - rows.x
    return made


def some_classes(rows: Rows, value: str) -> Rows:
    """Return the rows of some classes alone, numbered anew from 0, e.g. "5-9" or "3".

    Raises:
        UserError: rows without classes, or a class that they don't have.
    """
    first, _, last = value.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and len(value) < 9 and int(first) <= int(last or first)):
        raise UserError(f"classes of a scenario are {value[:30]!r}; they are written 5-9, or 5 for one")
    y, kept = rows.get("y"), [*range(int(first), int(last or first) + 1)]
    if y is None or y.is_floating_point():
        raise UserError("classes of a scenario choose rows by their class, and these rows have no classes (y)")
    there = y[y >= 0].unique().tolist()
    for label in kept:
        if label not in there:
            raise unknown("class", label, map(str, there), "of a scenario")
    chosen = (y >= kept[0]) & (y <= kept[-1])
    parts = {name: part[chosen] for name, part in rows.items() if isinstance(part, Tensor) and len(part) == len(y)}
    if names := rows.get("class_names"):
        parts["class_names"] = names[kept[0] : kept[-1] + 1]
    return Rows(**parts | {"y": y[chosen] - kept[0]})


def reduced(graph: Data, dim: int) -> Data:
    """Return a graph whose attributes are the largest singular directions of its own [nodes, dim], of length sqrt(dim).

    Raises:
        UserError: as many directions as there are nodes or attributes, or more.
    """
    x = in_memory(graph.x, "a singular value decomposition")
    if not 1 <= dim < min(x.shape):
        most = (
            f"it must be from 1 to {min(x.shape) - 1:,}, below the {x.shape[0]:,} nodes and {x.shape[1]:,} attributes"
        )
        raise UserError(f"svd of a scenario is {dim}; {most}")
    with threadpool_limits(1):
        directions = TruncatedSVD(dim, n_iter=20, random_state=0).fit_transform(
            to_scipy(x) if is_sparse(x) else x.numpy()
        )
    made = graph.clone()
    made.x = torch.from_numpy(dim**0.5 * normalize(directions)).float()
    for name in ("feature_names", "rows", "text_columns"):
        made.pop(name, None)
    return made
