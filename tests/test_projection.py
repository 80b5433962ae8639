"""Maps: seeded, kept, and judged as the definition says."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench import projection
from workbench.errors import UserError


def clustered(rows: int = 90, dim: int = 12) -> torch.Tensor:
    """Three tight bundles of directions [rows, dim]."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(3, dim, generator=generator)
    return centres[torch.arange(rows) % 3] + 0.05 * torch.randn(rows, dim, generator=generator)


def trust_by_hand(rows: np.ndarray, points: np.ndarray, near: int) -> float:
    """Trustworthiness straight from the definition of Venna and Kaski, by loops."""
    count, penalty = len(rows), 0
    for i in range(count):
        far = np.argsort(np.linalg.norm(rows - rows[i], axis=1), kind="stable").tolist()
        close = np.argsort(np.linalg.norm(points - points[i], axis=1), kind="stable").tolist()
        far.remove(i)
        close.remove(i)
        penalty += sum(max(0, far.index(j) + 1 - near) for j in close[:near])
    return 1 - penalty * 2 / (count * near * (2 * count - 3 * near - 1))


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_same_seed_gives_the_same_bits_and_clusters_stay_apart(method: str) -> None:
    first, second = (projection.project(clustered(), method, seed=3) for _ in range(2))
    assert first.points.tobytes() == second.points.tobytes()
    assert first.points.shape == (90, 2) and first.points.dtype == np.float32
    middles = np.stack([first.points[k::3].mean(0) for k in range(3)])
    nearest = np.linalg.norm(first.points[:, None] - middles, axis=2).argmin(1)
    assert (nearest == np.arange(90) % 3).all()


def test_umap_follows_its_seed() -> None:
    first, second = (projection.project(clustered(), "umap", seed).points for seed in (0, 1))
    assert not np.allclose(first, second)


def test_umap_stands_repeated_rows() -> None:
    rows = torch.cat([clustered(40), torch.zeros(25, 12), torch.ones(25, 12)])
    assert np.isfinite(projection.project(rows, "umap").points).all()


def test_pca_keeps_the_two_widest_directions() -> None:
    rows = clustered()
    unit = torch.nn.functional.normalize(rows, dim=1)
    _, _, directions = torch.linalg.svd(unit - unit.mean(0), full_matrices=False)
    expected = ((unit - unit.mean(0)) @ directions[:2].T).abs().numpy()
    np.testing.assert_allclose(np.abs(projection.project(rows, "pca").points), expected, atol=1e-5)


def test_trustworthiness_is_that_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    rows, points = generator.normal(size=(60, 5)), generator.normal(size=(60, 2))
    value, judged = projection.faithfulness(rows, points)
    assert judged == 60
    assert value == pytest.approx(trust_by_hand(rows, points, 15), abs=1e-12)
    assert projection.faithfulness(points, points)[0] == 1.0


def test_trustworthiness_of_many_rows_is_measured_on_a_seeded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MAX_JUDGED", 40)
    generator = np.random.default_rng(0)
    rows, points = generator.normal(size=(90, 5)), generator.normal(size=(90, 2))
    first, second, other = (projection.faithfulness(rows, points, seed) for seed in (0, 0, 1))
    assert first == second and first[1] == 40 and first[0] != other[0]


def test_a_large_embedding_is_drawn_as_a_seeded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MAX_POINTS", 50)
    first, second, other = (projection.project(clustered(), "pca", seed) for seed in (0, 0, 1))
    assert first.points.shape == (50, 2) and (np.diff(first.nodes) > 0).all()
    assert (first.nodes == second.nodes).all() and (first.nodes != other.nodes).any()


def test_a_map_is_kept_whole_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = projection.project(clustered(), "pca", folder=tmp_path / "maps")
    assert len(list((tmp_path / "maps").iterdir())) == 1  # and no part of a file beside it
    monkeypatch.setattr(projection, "faithfulness", lambda *_: pytest.fail("computed again"))
    read = projection.project(clustered(), "pca", folder=tmp_path / "maps")
    assert read.points.tobytes() == made.points.tobytes()
    assert (read.trustworthiness, read.judged) == (made.trustworthiness, made.judged)
    with pytest.raises(pytest.fail.Exception):  # other embeddings are another map
        projection.project(2 + clustered(), "pca", folder=tmp_path / "maps")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="not kept"):
        projection.project(clustered(), "pca", folder=tmp_path / "file" / "maps")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        projection.project(clustered(), "pca", folder=tmp_path / "maps")


def test_what_cannot_be_mapped_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'umap'"):
        projection.project(clustered(), "unap")
    with pytest.raises(UserError, match=r"at least 8 rows"):
        projection.project(clustered(6))
    with pytest.raises(UserError, match="finite"):
        projection.project(clustered() / 0)
