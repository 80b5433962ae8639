"""The nearest nodes of one node or of each in an embedding, exactly, and how many two lists share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.kinds import kind_of
from workbench.datasets.labels import in_words
from workbench.datasets.structure import adjacency
from workbench.errors import UserError, node_number, whole_number
from workbench.errors import nearest as nearest_word
from workbench.evaluation import cache
from workbench.evaluation.embeddings import Embeddings, bare, matrix_of
from workbench.text import composed

Floats = NDArray[np.float32]
NEIGHBOURS = 15
MANY_COLUMNS = 512  # above them products of blocks are several times faster than scikit-learn's search
LARGE = 1e15  # numbers whose squares float32 may not hold
BLOCK = 2_048  # rows whose cosines with as many others are looked at in one go: 16 MiB


class Nearest(NamedTuple):
    """The nearest other rows of each row by cosine, the nearest first, and their distances when of unit length."""

    indices: NDArray[np.int32]  # [n, k]
    distances: Floats  # [n, k], the square root of 2 - 2 cosine


def neighbours(run_or_embeddings: Embeddings, node: Any, k: int = 10, graph: Data | None = None) -> pd.DataFrame:
    """Return the nodes that are nearest to one in an embedding by cosine, exactly, the nearest first.

    `workbench.evaluation.neighbours` asks how often the nearest share a node's class instead.

    Args:
        run_or_embeddings: a run, or a matrix [nodes, dim], e.g. what `run.encode` gives for a graph with new nodes.
        node: a name or an id, as the graph's owner has it, or a number; text is looked for among the names first.
        k: how many, 1 to nodes - 1.
        graph: what is embedded; None leaves out classes and hops.

    Returns:
        One row per node: "node" (its number), "name" where there are names, "id" where ids differ from them, "class"
        where the graph has labels, "cosine" (-1 to 1; 0 where either row is all zero), and with a graph "hops" (edges
        on the shortest path, directions left out; missing without a path).

    Raises:
        UserError: no such node, naming the nearest name; k out of range; embeddings that don't fit the graph.
    """
    matrix = getattr(run_or_embeddings, "embeddings", run_or_embeddings)
    if isinstance(matrix, dict):
        raise UserError(
            f"embeddings of {', '.join(map(str, matrix)) or 'nothing'} are not one matrix; give one, [nodes, dim]"
        )
    x = bare(matrix) if graph is None else matrix_of(run_or_embeddings, graph)
    names, ids = called(run_or_embeddings, graph)
    if names is not None and len(names) != x.shape[0]:
        raise UserError(f"there are {len(names):,} names for {x.shape[0]:,} rows of the embedding")
    asked = found_node(node, names, x.shape[0], ids) if isinstance(node, str) else node_number(node, x.shape[0])
    if not whole_number(k) or k >= x.shape[0]:
        raise UserError(f"k must lie between 1 and {x.shape[0] - 1}, not {k!r}")
    near, cosines = nearest_to(normalize(x), asked, k)
    facts: dict[str, Any] = {"node": near}
    facts |= {} if names is None else {"name": [names[other] for other in near]}
    facts |= {} if ids is None else {"id": [ids[other] for other in near]}
    if graph is not None and (classes := in_words(graph, near)) is not None:
        facts["class"] = classes
    facts["cosine"] = cosines
    if isinstance(graph, Data):
        hops = pd.Series(dijkstra(adjacency(graph), directed=False, indices=asked, unweighted=True)[near])
        facts["hops"] = hops.where(np.isfinite(hops)).astype("Int64")
    return pd.DataFrame(facts)


def called(run: Any, graph: Any = None) -> tuple[list[str] | None, list[str] | None]:
    """Return the names and the ids of the items of a run, each from its graph where the run has none."""
    kept = getattr(run, "names", None), getattr(run, "ids", None)
    if graph is None:
        return kept
    kind = kind_of(graph)
    return kept[0] or kind.names_of(graph), kept[1] or kind.names_of(graph, "node_ids")


def nearest_to(rows: Any, node: int, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the k nearest others of a row by cosine and their cosines; rows are of unit length [n, dim]."""
    product = rows @ rows[[node]].T
    cosines = np.asarray(product.toarray() if sp.issparse(product) else product).ravel()
    cosines[node] = -np.inf
    near = np.argpartition(-cosines, k - 1)[:k]
    near = near[np.lexsort((near, -cosines[near]))]
    return near, cosines[near]


def found_node(text: str, names: Sequence[object] | None, nodes: int, ids: Sequence[object] | None = None) -> int:
    """Return the node that a text means: its name, its id, its number, or a part of its name that no other has.

    Where names or ids are numbers, a number is one of these only: it must not lead to whom the workbench numbers so.
    """
    text = composed(text.strip())
    whole = text.removeprefix("-").isdecimal()
    if names is None or not text:
        if whole:
            return node_number(int(text), nodes)
        raise UserError(f"{text[:40]!r} is no node; this graph has nodes 0 to {nodes - 1}, without names")
    known = np.array([composed(name) for name in names])
    if len(exact := np.flatnonzero(known == text)) == 1:
        return int(exact[0])
    others = np.array([] if ids is None else [composed(name) for name in ids], dtype=str)
    if not len(exact) and len(same := np.flatnonzero(others == text)) == 1:
        return int(same[0])
    numbered = _numbered(names, ids)
    if whole and not numbered:
        return node_number(int(text), nodes)
    folded = np.char.lower(known)
    exact = exact if len(exact) else np.flatnonzero(folded == text.lower())
    hits = exact if len(exact) or whole else np.flatnonzero(np.char.find(folded, text.lower()) >= 0)
    if not len(hits):
        guess = nearest_word(text, [*known.tolist(), *others.tolist()])
        numbers = "" if numbered else f"; nodes have numbers, too, from 0 to {nodes - 1}"
        hint = f"; did you mean {guess!r}?" if guess else numbers
        raise UserError(f"no node's name {'or id ' * len(others[:1])}{'is' if whole else 'holds'} {text[:40]!r}{hint}")
    if len(hits) > 1:
        some = ", ".join(f"node {node} ({known[node]})" for node in hits[:5]) + (", …" if len(hits) > 5 else "")
        raise UserError(f"{len(hits):,} names hold {text[:40]!r}; type more of one, or a number: {some}")
    return int(hits[0])


def typed_as(node: int, names: Sequence[object] | None, ids: Sequence[object] | None = None) -> str:
    """Return what is typed to find a node: its number, or its name where the number is another's name or id."""
    return str(names[node]) if names is not None and _numbered(names, ids) else str(node)


def _numbered(*called: Sequence[object] | None) -> bool:
    """Return whether some node has a number for a name or an id."""
    return any(str(name).isdecimal() for words in called if words is not None for name in words)


def nearest(embeddings: Tensor, k: int = NEIGHBOURS, folder: Path | None = None) -> Nearest:
    """Return the k nearest other nodes of each node [nodes, dim] by cosine, exactly; fewer where there are not so many.

    A folder is where they are kept and looked up.
    """
    values = checked(embeddings, 2)
    file = folder / f"nearest{k}-{cache.digest(values)[:16]}.npz" if folder else None
    return Nearest(**cache.arrays(file, lambda: search(normalize(values), k)._asdict()))


def search(rows: Floats, k: int) -> Nearest:
    """Return the k nearest others of rows [n, dim], by blocks of products where there are many columns.

    Those take a fifth of the time of the library's search; of few columns it takes half, but maps by UMAP depend on the
    last bits of distances, and those of usual embeddings stay what they were.
    """
    k = min(k, len(rows) - 1)
    if rows.shape[1] > MANY_COLUMNS:
        return _by_blocks(rows, k)
    # The search without arguments leaves each row itself out, also where rows repeat.
    search = NearestNeighbors(n_neighbors=k, algorithm="auto" if rows.shape[1] < 3 else "brute").fit(rows)
    distances, indices = search.kneighbors()
    return Nearest(indices.astype(np.int32), distances.astype(np.float32))


def _by_blocks(rows: Floats, k: int) -> Nearest:
    """Return the k nearest others of rows of unit length [n, dim]; the product of a pair of rows is taken once."""
    units = torch.from_numpy(rows)
    starts = range(0, len(rows), BLOCK)
    cosines = [torch.full((len(part), 0), -torch.inf) for part in units.split(BLOCK)]
    indices = [torch.zeros(len(part), 0, dtype=torch.int32) for part in units.split(BLOCK)]

    def keep(block: int, pairs: Tensor, first: int) -> None:
        """Keep the nearest of a block of rows among those so far and others, of which the first is given."""
        best, place = pairs.topk(min(k, pairs.shape[1]))
        best, place = torch.cat([cosines[block], best], 1), torch.cat([indices[block], (place + first).int()], 1)
        cosines[block], chosen = best.topk(min(k, best.shape[1]))
        indices[block] = place.gather(1, chosen)

    for i, start in enumerate(starts):
        for j, other in enumerate(starts[i:], start=i):
            pairs = units[start : start + BLOCK] @ units[other : other + BLOCK].T
            if i == j:
                pairs.fill_diagonal_(-torch.inf)  # itself, also where rows repeat
            else:
                keep(j, pairs.T.contiguous(), start)
            keep(i, pairs, other)
    # A product of float32 can't tell how far almost equal rows are apart.
    near = torch.cat(indices)
    parts = zip(units.split(64), near.split(64), strict=True)
    distances = torch.cat([(part[:, None].double() - units[others]).norm(dim=2).float() for part, others in parts])
    order = distances.sort(dim=1, stable=True)
    return Nearest(near.gather(1, order.indices).numpy(), order.values.numpy())


def shared(one: NDArray[np.int32], other: NDArray[np.int32]) -> Floats:
    """Return which share of the neighbours in each row of one list [n, k] is in that row of another [n, k], too."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1, dtype=np.float32)


def checked(embeddings: Tensor, least: int) -> Floats:
    """Return embeddings of at least so many nodes [nodes, dim] as an array; a UserError where they can't be mapped."""
    if not isinstance(embeddings, Tensor | np.ndarray) or np.ndim(embeddings) != 2:
        form = list(np.shape(embeddings)) if hasattr(embeddings, "shape") else type(embeddings).__name__
        raise UserError(f"a map is of a matrix [nodes, dim], not {form}")
    whole = torch.as_tensor(embeddings)
    if whole.is_complex():
        raise UserError(f"a map is of real numbers, not {whole.dtype}")
    values: Floats = whole.detach().cpu().to_dense().float().contiguous().numpy()
    if len(values) < least or values.shape[1] < 2:
        raise UserError(f"a map needs at least {least} rows and 2 columns; those given are {list(values.shape)}")
    if not np.isfinite(values).all():
        raise UserError("the embeddings hold numbers that are not finite, so they cannot be mapped")
    largest = np.abs(values).max()
    return values / largest if largest > LARGE else values  # only directions count
