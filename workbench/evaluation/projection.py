"""Two-dimensional maps of embeddings, aligned over epochs, with the numbers that say how far to trust them."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import Tensor

from workbench.errors import UserError
from workbench.evaluation import cache
from workbench.registry import Registry

Floats = NDArray[np.float32]
MAX_POINTS = 50_000  # more would take minutes to map and could not be told apart on a screen
MAX_JUDGED = 3_000  # trustworthiness keeps two distance matrices of this size squared
NEIGHBOURS = 15


@dataclass(frozen=True)
class Map:
    """A map of an embedding.

    A node's hits are the share of its 15 nearest on the map that are among its 15 nearest, by cosine, in the embedding
    (both among the mapped nodes); 1 where the map shows a neighbourhood as it is.
    """

    method: str  # "umap" or "pca"
    seed: int  # of the map and of its samples
    nodes: NDArray[np.int64]  # [drawn], those mapped, ascending; all of them up to 50,000, else a seeded sample
    points: Floats  # [drawn, 2], their places
    hits: Floats  # [drawn]
    trustworthiness: float  # in [0, 1]; 1 means that the 15 nearest on the map are near in the embedding too
    judged: int  # mapped nodes over which it was measured (a seeded sample above 3,000)

    @property
    def hit(self) -> float:
        """The mean of the hits: how much of the neighbourhoods that the map shows is there in the embedding."""
        return float(self.hits.mean())

    def hits_of(self, nodes: int) -> NDArray[np.float64]:
        """Return the hits of all nodes of the graph [nodes], nan for those that are not mapped."""
        values = np.full(nodes, np.nan)
        values[self.nodes] = self.hits
        return values


class Nearest(NamedTuple):
    """The nearest other rows of each row by cosine, the nearest first, and their distances when of unit length."""

    indices: NDArray[np.int32]  # [n, k]
    distances: Floats  # [n, k], the square root of 2 - 2 cosine


projections: Registry[Callable[[Floats, int, Nearest, Floats | None], Floats]] = Registry("map method")
names = projections.names


@projections.register("pca")
def pca(rows: Floats, seed: int, near: Nearest, start: Floats | None) -> Floats:
    """Map rows [n, dim] to [n, 2] by their two first principal components; `near` and `start` change nothing."""
    points: Floats = PCA(n_components=2, svd_solver="covariance_eigh", random_state=seed).fit_transform(rows)
    return points.astype(np.float32)


@projections.register("umap")
def umap(rows: Floats, seed: int, near: Nearest, start: Floats | None) -> Floats:
    """Map rows [n, dim] to [n, 2] by UMAP, single-threaded so that a seed fixes it.

    Args:
        near: the nearest of each row; the library's own search is slow below 4,096 points and compiles in each process.
        start: where the points begin [n, 2]; None for the two first principal components.

    Source: McInnes, Healy, Melville, 2018 (umap-learn).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # its neural variant asks for a library that nothing here uses
        from umap import UMAP
    # It wants each row itself in the first place.
    indices = np.column_stack([np.arange(len(rows), dtype=np.int32), near.indices])
    distances = np.column_stack([np.zeros(len(rows), np.float32), near.distances])
    reducer = UMAP(
        n_neighbors=indices.shape[1],
        n_epochs=200,
        init="pca" if start is None else start,
        # Full steps would spread clusters that hold together further from epoch to epoch, wherever they begin.
        learning_rate=1.0 if start is None else 0.25,
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(indices, distances),
    )
    with warnings.catch_warnings():
        # It says that new points cannot be placed on the map later; none are.
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        points: Floats = reducer.fit_transform(rows)
    return points.astype(np.float32)


def align(points: Floats, before: Floats) -> Floats:
    """Turn, mirror and shift points [n, 2] so that they lie as near as can be to those of before [n, 2].

    Source: Schönemann, 1966 (SciPy's orthogonal Procrustes); no scaling, so that a map keeps its distances.
    """
    middle, before_middle = points.mean(axis=0), before.mean(axis=0)
    turn, _ = orthogonal_procrustes(points - middle, before - before_middle)
    return (points - middle) @ turn.astype(np.float32) + before_middle


def turned(drawn: Map, before: Map) -> Map:
    """Return a map turned, mirrored and shifted so that it lies as near as can be to another of the same nodes."""
    return replace(drawn, points=align(drawn.points, before.points))


def faithfulness(rows: Floats, points: Floats, seed: int = 0) -> tuple[float, int]:
    """Return the trustworthiness, in [0, 1], of points [n, 2] as a map of rows [n, dim], and how many rows counted.

    At 15 neighbours (fewer below 32 rows), of all rows or of a seeded sample of 3,000. Source: Venna and Kaski, 2001.
    """
    chosen = _sample(len(rows), MAX_JUDGED, seed)
    near = min(NEIGHBOURS, (len(chosen) - 1) // 2)  # the definition asks for fewer than half of the rows
    return float(trustworthiness(rows[chosen], points[chosen], n_neighbors=near)), len(chosen)


def shared(one: NDArray[np.int32], other: NDArray[np.int32]) -> Floats:
    """Return which share of the neighbours in each row of one list [n, k] is in that row of another [n, k], too."""
    return (one[:, :, None] == other[:, None, :]).any(axis=2).mean(axis=1, dtype=np.float32)


def nearest(embeddings: Tensor, k: int = NEIGHBOURS, folder: Path | None = None) -> Nearest:
    """Return the k nearest other nodes of each node [nodes, dim] by cosine, exactly; fewer where there are not so many.

    A folder is where they are kept and looked up.
    """
    values = _checked(embeddings, 2)
    file = folder / f"nearest{k}-{cache.digest(values)[:16]}.npz" if folder else None
    return Nearest(**cache.arrays(file, lambda: _nearest(normalize(values), k)._asdict()))


def _nearest(rows: Floats, k: int) -> Nearest:
    # The search without arguments leaves each row itself out, also where rows repeat.
    search = NearestNeighbors(n_neighbors=min(k, rows.shape[0] - 1), algorithm="auto" if rows.shape[1] < 3 else "brute")
    distances, indices = search.fit(rows).kneighbors()
    return Nearest(indices.astype(np.int32), distances.astype(np.float32))


def project(
    embeddings: Tensor,
    method: str = "umap",
    seed: int = 0,
    folder: Path | None = None,
    before: Map | None = None,
    limit: int | None = None,
) -> Map:
    """Map embeddings [nodes, dim] to the plane; rows are scaled to unit length, so that near means a small angle.

    Args:
        embeddings: float [nodes, dim], at least 8 nodes.
        method: "umap" or "pca". seed: fixes the map bit for bit.
        folder: where maps are kept and looked up; None keeps nothing.
        before: the map of an earlier epoch: UMAP starts from its points, and either is turned to lie upon it.
        limit: of more nodes a seeded sample of so many is mapped, and `Map.nodes` says which; None for 50,000.
    """
    draw = projections.get(method)
    values = _checked(embeddings, 8)
    limit = limit or MAX_POINTS
    nodes = _sample(len(values), limit, seed)
    if before is not None and not np.array_equal(before.nodes, nodes):
        raise UserError(f"the map before shows {len(before.nodes)} nodes, not the {len(nodes)} that are to be mapped")
    file = None
    if folder:
        after = f"-after-{cache.digest(before.points)[:16]}" if before else ""
        sample = f"-{limit}" if len(nodes) < len(values) else ""
        file = folder / f"{method}-seed{seed}{sample}-{cache.digest(values)[:16]}{after}.npz"

    def compute() -> dict[str, Any]:
        near = nearest(embeddings[nodes] if len(nodes) < len(values) else embeddings, folder=folder)
        rows = normalize(values[nodes])
        points = draw(rows, seed, near, before.points if before else None)
        if before:
            points = align(points, before.points)
        hits = shared(_nearest(points, NEIGHBOURS).indices, near.indices)
        trust, judged = faithfulness(rows, points, seed)
        return {"points": points, "hits": hits, "trustworthiness": trust, "judged": judged}

    drawn = cache.arrays(file, compute)
    trust, judged = float(drawn["trustworthiness"]), int(drawn["judged"])
    return Map(method, seed, nodes, drawn["points"], drawn["hits"], trust, judged)


def over_epochs(
    embeddings: Mapping[int, Tensor], method: str = "umap", seed: int = 0, folder: Path | None = None
) -> Iterator[tuple[int, Map]]:
    """Yield each epoch, ascending, with a map of its embedding that follows the one before; see `project`."""
    before = None
    for epoch in sorted(embeddings):
        before = project(embeddings[epoch], method, seed, folder, before)
        yield epoch, before


def _checked(embeddings: Tensor, least: int) -> Floats:
    values: Floats = embeddings.detach().cpu().float().contiguous().numpy()
    if values.ndim != 2 or len(values) < least or values.shape[1] < 2:
        raise UserError(f"a map needs at least {least} rows and 2 columns; those given are {list(values.shape)}")
    if not np.isfinite(values).all():
        raise UserError("the embeddings hold numbers that are not finite, so they cannot be mapped")
    return values


def _sample(count: int, limit: int, seed: int) -> NDArray[np.int64]:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))
