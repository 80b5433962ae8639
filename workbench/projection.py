"""Two-dimensional maps of embeddings, with the number that says how far to trust them."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from torch import Tensor

from workbench.errors import UserError
from workbench.registry import Registry

Floats = NDArray[np.float32]
MAX_POINTS = 30_000  # more would take minutes to map and could not be told apart on a screen
MAX_JUDGED = 3_000  # trustworthiness keeps two distance matrices of this size squared
NEIGHBOURS = 15

projections: Registry[Callable[[Floats, int], Floats]] = Registry("map method")


@dataclass(frozen=True)
class Map:
    """A map of an embedding.

    Attributes:
        method: "umap" or "pca".
        seed: seed of the map and of its samples.
        nodes: int64 [drawn], the mapped nodes in ascending order; all of them up to 30,000, else a seeded sample.
        points: float32 [drawn, 2], their places.
        trustworthiness: in [0, 1]; 1 means that the 15 nearest on the map are near in the embedding too.
        judged: number of mapped nodes over which trustworthiness was measured (a seeded sample above 3,000).
    """

    method: str
    seed: int
    nodes: NDArray[np.int64]
    points: Floats
    trustworthiness: float
    judged: int


def names() -> list[str]:
    """Return the names of the map methods."""
    return projections.names()


@projections.register("pca")
def pca(rows: Floats, seed: int) -> Floats:
    """Map rows [n, dim] to [n, 2] by their two first principal components."""
    points: Floats = PCA(n_components=2, svd_solver="covariance_eigh", random_state=seed).fit_transform(rows)
    return points.astype(np.float32)


@projections.register("umap")
def umap(rows: Floats, seed: int) -> Floats:
    """Map rows [n, dim] to [n, 2] by UMAP over exact nearest neighbours, single-threaded so that a seed fixes it.

    Source: McInnes, Healy, Melville, 2018 (umap-learn). Exact neighbours are handed over because the library's own
    search is slow below 4,096 points and compiles anew in each process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # its neural variant asks for a library that nothing here uses
        from umap import UMAP
    near = min(NEIGHBOURS, len(rows) - 1)
    # The search without arguments leaves each row itself out, also where rows repeat; UMAP wants it in the first place.
    distances, indices = NearestNeighbors(n_neighbors=near, algorithm="brute").fit(rows).kneighbors()
    indices = np.column_stack([np.arange(len(rows)), indices]).astype(np.int32)
    distances = np.column_stack([np.zeros(len(rows)), distances]).astype(np.float32)
    reducer = UMAP(
        n_neighbors=near + 1,
        n_epochs=200,
        init="pca",
        random_state=seed,
        n_jobs=1,
        precomputed_knn=(indices, distances),
    )
    with warnings.catch_warnings():
        # It says that new points cannot be placed on the map later; none are.
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        points: Floats = reducer.fit_transform(rows)
    return points.astype(np.float32)


def faithfulness(rows: Floats, points: Floats, seed: int = 0) -> tuple[float, int]:
    """Measure the trustworthiness of points [n, 2] as a map of rows [n, dim].

    Returns:
        The value in [0, 1] at 15 neighbours (fewer below 32 rows), and the number of rows it was measured on:
        all, or a seeded sample of 3,000 among which the neighbours are then looked for.

    Source: Venna and Kaski, 2001 (scikit-learn).
    """
    chosen = _sample(len(rows), MAX_JUDGED, seed)
    near = min(NEIGHBOURS, (len(chosen) - 1) // 2)  # the definition asks for fewer than half of the rows
    return float(trustworthiness(rows[chosen], points[chosen], n_neighbors=near)), len(chosen)


def project(embeddings: Tensor, method: str = "umap", seed: int = 0, folder: Path | None = None) -> Map:
    """Map embeddings [nodes, dim] to the plane; rows are L2-normalised first, so that near means a small angle.

    Above 30,000 nodes a seeded sample of 30,000 is mapped, and `Map.nodes` says which.

    Args:
        embeddings: float [nodes, dim], at least 8 nodes.
        method: "umap" or "pca".
        seed: fixes the map bit for bit.
        folder: where maps are kept and looked up; None keeps nothing.

    Raises:
        UserError: unknown method, too few nodes, or numbers that are not finite.
    """
    draw = projections.get(method)
    values = embeddings.detach().cpu().float().contiguous().numpy()
    if values.ndim != 2 or len(values) < 8 or values.shape[1] < 2:
        raise UserError(f"a map needs at least 8 rows and 2 columns; the embeddings given are {list(values.shape)}")
    if not np.isfinite(values).all():
        raise UserError("the embeddings hold numbers that are not finite, so they cannot be mapped")
    digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()[:16]
    kept = folder / f"{method}-seed{seed}-{digest}.npz" if folder else None
    if kept and kept.exists():
        with np.load(kept, allow_pickle=False) as file:
            return Map(method, seed, file["nodes"], file["points"], float(file["trust"]), int(file["judged"]))
    nodes = _sample(len(values), MAX_POINTS, seed)
    rows = normalize(values[nodes])
    points = draw(rows, seed)
    trust, judged = faithfulness(rows, points, seed)
    if kept:
        _write(kept, nodes=nodes, points=points, trust=np.float64(trust), judged=np.int64(judged))
    return Map(method, seed, nodes, points, trust, judged)


def _sample(count: int, limit: int, seed: int) -> NDArray[np.int64]:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _write(path: Path, **arrays: NDArray[np.generic] | np.generic) -> None:
    """Write an npz so that a reader sees the whole file or none; a folder that cannot be written is told, not fatal."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(file.name, path)
    except OSError as error:
        warnings.warn(f"the map was not kept, it will be computed again next time: {error}", stacklevel=3)
