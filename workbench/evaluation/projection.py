"""Two-dimensional maps of embeddings, aligned over epochs, with the numbers that say how far to trust them."""

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.preprocessing import normalize
from torch import Tensor

from workbench.errors import UserError
from workbench.evaluation import cache
from workbench.evaluation.neighbourhoods import (
    MANY_COLUMNS,
    NEIGHBOURS,
    Floats,
    Nearest,
    checked,
    nearest,
    search,
    shared,
)
from workbench.registry import Registry

MAX_POINTS = 50_000  # more would take minutes to map and could not be told apart on a screen
MAX_JUDGED = 1_500  # trustworthiness keeps two distance matrices of this size squared
MAX_FITTED = 2_000  # rows that fix the axes of a first picture where there are many columns


@dataclass(frozen=True)
class Map:
    """A map of an embedding.

    A node's hits are the share of its 15 nearest on the map that are among its 15 nearest, by cosine, in the embedding
    (both among the mapped nodes); 1 where the map shows a neighbourhood as it is. Of a first picture neither they nor
    the trustworthiness are measured: they are nan.
    """

    method: str  # "umap" or "pca"
    seed: int  # of the map and of its samples
    nodes: NDArray[np.int64]  # [drawn], those mapped, ascending; all of them up to 50,000, else a seeded sample
    points: Floats  # [drawn, 2], their places
    hits: Floats  # [drawn]
    trustworthiness: float  # in [0, 1]; 1 means that the 15 nearest on the map are near in the embedding too
    judged: int  # mapped nodes over which it was measured (a seeded sample above 1,500); 0 for none so far
    fitted: int  # rows that fixed its axes; all but for a first picture of many columns

    @property
    def hit(self) -> float:
        """The mean of the hits: how much of the neighbourhoods that the map shows is there in the embedding."""
        return float(self.hits.mean())

    def hits_of(self, nodes: int) -> NDArray[np.float64]:
        """Return the hits of all nodes of the graph [nodes], nan for those that are not mapped."""
        values = np.full(nodes, np.nan)
        values[self.nodes] = self.hits
        return values


projections: Registry[Callable[[Floats, int, Nearest, Floats | None], Floats]] = Registry("map method")
names = projections.names


@projections.register("pca")
def pca(rows: Floats, seed: int, near: Nearest, start: Floats | None) -> Floats:
    """Map rows [n, dim] to [n, 2] by their two first principal components; `near` and `start` change nothing."""
    points: Floats = _principal(rows, seed).transform(rows)
    return points.astype(np.float32)


def _principal(rows: Floats, seed: int) -> PCA:
    few = rows.shape[1] <= MANY_COLUMNS or min(rows.shape) <= 2
    return PCA(2, svd_solver="covariance_eigh" if few else "arpack", random_state=seed).fit(rows)


@projections.register("umap")
def umap(rows: Floats, seed: int, near: Nearest, start: Floats | None) -> Floats:
    """Map rows [n, dim] to [n, 2] by UMAP, single-threaded so that a seed fixes it.

    Args:
        near: the nearest of each row; the library's own search is slow below 4,096 points and compiles in each process.
        start: where the points begin [n, 2]; None for the two first principal components. Rows that are all alike,
            as those of a collapsed embedding, lie in one place.

    Source: McInnes, Healy, Melville, 2018 (umap-learn).
    """
    if not np.ptp(rows, axis=0).any():  # it would divide by how far they are apart
        return np.zeros((len(rows), 2), np.float32)
    # It wants each row itself in the first place.
    indices = np.column_stack([np.arange(len(rows), dtype=np.int32), near.indices])
    distances = np.column_stack([np.zeros(len(rows), np.float32), near.distances])
    reducer = _umap()(
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


@functools.cache
def _umap() -> Any:
    """Return the class UMAP; what numba compiles for it, ten seconds the first time, is kept on disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # its neural variant asks for a library that nothing here uses
        from umap import UMAP, layouts, umap_
    for function in (*vars(umap_).values(), *vars(layouts).values()):
        if hasattr(function, "enable_caching"):  # what numba compiles
            function.enable_caching()
    return UMAP


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

    At 15 neighbours (fewer below 32 rows), of all rows or of a seeded sample of 1,500. Source: Venna and Kaski, 2001.
    """
    chosen = _sample(len(rows), MAX_JUDGED, seed)
    near = min(NEIGHBOURS, (len(chosen) - 1) // 2)  # the definition asks for fewer than half of the rows
    return float(trustworthiness(rows[chosen], points[chosen], n_neighbors=near)), len(chosen)


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
    nodes, file = _asked(embeddings, method, seed, folder, before, limit)

    def compute() -> dict[str, Any]:
        mapped = embeddings[nodes] if len(nodes) < len(embeddings) else embeddings
        near, rows = nearest(mapped, folder=folder), normalize(checked(mapped, 8))
        points = draw(rows, seed, near, before.points if before else None)
        if before:
            points = align(points, before.points)
        hits = shared(search(points, NEIGHBOURS).indices, near.indices)
        trust, judged = faithfulness(rows, points, seed)
        return {"points": points, "hits": hits, "trustworthiness": trust, "judged": judged}

    return _map(method, seed, nodes, cache.arrays(file, compute))


def kept(
    embeddings: Tensor, method: str, seed: int, folder: Path | None, before: Map | None = None, limit: int | None = None
) -> Map | None:
    """Return the map that `project` would find in the folder; None where it would compute it."""
    if folder is None or not any(folder.glob(f"{method}-seed{seed}-*.npz")):
        return None
    nodes, file = _asked(embeddings, method, seed, folder, before, limit)
    arrays = cache.known(file)
    return None if arrays is None else _map(method, seed, nodes, arrays)


def first_picture(embeddings: Tensor, seed: int = 0, limit: int | None = None) -> Map:
    """Map embeddings at once: by PCA, of many columns with axes that a seeded sample fixes, and not measured yet.

    Arguments as for `project`, whose map "pca" has the same places, but for such a sample.
    """
    values = checked(embeddings, 8)
    nodes = _sample(len(values), limit or MAX_POINTS, seed)
    values = values[nodes] if len(nodes) < len(values) else values
    fitted = len(nodes) if values.shape[1] <= MANY_COLUMNS else min(len(nodes), MAX_FITTED)
    axes = _principal(normalize(values[_sample(len(values), fitted, seed)]), seed)
    if fitted == len(nodes):
        points = axes.transform(normalize(values))
    else:  # rows of unit length would be another copy of all that is there
        length = np.sqrt(np.einsum("nd,nd->n", values, values))[:, None]
        points = (values @ axes.components_.T) / np.where(length > 0, length, 1) - axes.mean_ @ axes.components_.T
    unmeasured = np.full(len(nodes), np.nan, np.float32)
    return Map("pca", seed, nodes, points.astype(np.float32), unmeasured, float("nan"), 0, fitted)


def _asked(
    embeddings: Tensor, method: str, seed: int, folder: Path | None, before: Map | None, limit: int | None
) -> tuple[NDArray[np.int64], Path | None]:
    """Return which nodes are to be mapped, and in which file the map is kept."""
    values = checked(embeddings, 8)
    limit = limit or MAX_POINTS
    nodes = _sample(len(values), limit, seed)
    if before is not None and not np.array_equal(before.nodes, nodes):
        raise UserError(f"the map before shows {len(before.nodes)} nodes, not the {len(nodes)} that are to be mapped")
    if folder is None:
        return nodes, None
    after = f"-after-{cache.digest(before.points)[:16]}" if before else ""
    sample = f"-{limit}" if len(nodes) < len(values) else ""
    return nodes, folder / f"{method}-seed{seed}{sample}-{cache.digest(values)[:16]}{after}.npz"


def _map(method: str, seed: int, nodes: NDArray[np.int64], drawn: Mapping[str, Any]) -> Map:
    trust, judged = float(drawn["trustworthiness"]), int(drawn["judged"])
    return Map(method, seed, nodes, drawn["points"], drawn["hits"], trust, judged, len(nodes))


def over_epochs(
    embeddings: Mapping[int, Tensor], method: str = "umap", seed: int = 0, folder: Path | None = None
) -> Iterator[tuple[int, Map]]:
    """Yield each epoch, ascending, with a map of its embedding that follows the one before; see `project`."""
    before = None
    for epoch in sorted(embeddings):
        before = project(embeddings[epoch], method, seed, folder, before)
        yield epoch, before


def _sample(count: int, limit: int, seed: int) -> NDArray[np.int64]:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))
