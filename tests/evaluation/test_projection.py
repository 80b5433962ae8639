"""Maps: seeded, kept, and judged as the definition says."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import UserError
from workbench.evaluation import neighbourhoods, projection


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


def test_what_is_compiled_for_umap_is_kept_on_disk() -> None:
    projection.project(clustered(), "umap")
    from umap import layouts, umap_

    step = layouts._nb_optimize_layout_euclidean_single_epoch
    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, step):
        assert function.signatures and list(Path(function.stats.cache_path).glob(f"*{function.__name__}*.nbc"))


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


def test_a_large_embedding_is_drawn_as_a_seeded_sample(tmp_path: Path) -> None:
    first, second, other = (projection.project(clustered(), "pca", seed, tmp_path, limit=50) for seed in (0, 0, 1))
    assert first.points.shape == (50, 2) and (np.diff(first.nodes) > 0).all()
    assert (first.nodes == second.nodes).all() and (first.nodes != other.nodes).any()


def test_a_map_is_kept_whole_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = projection.project(clustered(), "pca", folder=tmp_path / "maps")
    kept = sorted(path.name.split("-")[0] for path in (tmp_path / "maps").iterdir())
    assert kept == ["nearest15", "pca"]  # and no part of a file beside them
    monkeypatch.setattr(projection, "faithfulness", lambda *_: pytest.fail("computed again"))
    read = projection.project(clustered(), "pca", folder=tmp_path / "maps")
    assert read.points.tobytes() == made.points.tobytes()
    assert (read.trustworthiness, read.judged) == (made.trustworthiness, made.judged)
    assert (read.hits == made.hits).all() and (read.nodes == made.nodes).all()
    with pytest.raises(pytest.fail.Exception):  # other embeddings are another map
        projection.project(2 + clustered(), "pca", folder=tmp_path / "maps")


def test_the_nearest_are_those_of_a_loop_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.cat([clustered(30), clustered(4)])  # four of them stand twice
    found = neighbourhoods.nearest(rows, 5, tmp_path)
    unit = torch.nn.functional.normalize(rows.double(), dim=1)
    for i in range(34):
        cosines = {j: float(unit[i] @ unit[j]) for j in range(34) if j != i}
        best = sorted(cosines.values(), reverse=True)[:5]
        np.testing.assert_allclose([cosines[j] for j in found.indices[i].tolist()], best, atol=1e-6)
        np.testing.assert_allclose(1 - found.distances[i].astype(float) ** 2 / 2, best, atol=1e-5)
    monkeypatch.setattr(neighbourhoods, "search", lambda *_: pytest.fail("computed again"))
    assert (neighbourhoods.nearest(rows, 5, tmp_path).indices == found.indices).all()
    with pytest.raises(UserError, match="at least 2 rows"):
        neighbourhoods.nearest(rows[:1])


def test_the_nearest_by_blocks_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(201, 40)).astype(np.float32)  # with blocks of 20 the last has a single row
    rows[150:170] = rows[30:50]  # rows that stand twice are each other's nearest, and not their own
    rows[:] /= np.linalg.norm(rows, axis=1, keepdims=True)
    far = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.fill_diagonal(far, np.inf)
    monkeypatch.setattr(neighbourhoods, "BLOCK", 20)
    for columns, k in ((0, 7), (0, 200), (512, 7)):
        monkeypatch.setattr(neighbourhoods, "MANY_COLUMNS", columns)
        found = neighbourhoods.search(rows, k)
        assert found.indices.shape == (201, k) and found.indices.dtype == np.int32
        assert not (found.indices == np.arange(201)[:, None]).any()
        assert all(len(set(row)) == k for row in found.indices.tolist())
        np.testing.assert_allclose(np.take_along_axis(far, found.indices, 1), np.sort(far, 1)[:, :k], atol=1e-6)
        np.testing.assert_allclose(found.distances, np.sort(far, 1)[:, :k], atol=1e-6)


def test_a_first_picture_is_that_of_pca_and_says_that_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    first, drawn = projection.first_picture(clustered(), 3), projection.project(clustered(), "pca", 3)
    assert first.points.tobytes() == drawn.points.tobytes() and first.method == "pca"
    assert first.judged == 0 and np.isnan(first.hits).all() and first.fitted == 90
    part = projection.first_picture(clustered(), 3, limit=50)
    assert (part.nodes == projection.project(clustered(), "pca", 3, limit=50).nodes).all()

    monkeypatch.setattr(projection, "MANY_COLUMNS", 5)  # then its axes are those of a sample
    monkeypatch.setattr(projection, "MAX_FITTED", 60)
    some, again = (projection.first_picture(clustered(), 3) for _ in range(2))
    assert some.fitted == 60 and some.points.tobytes() == again.points.tobytes()
    middles = np.stack([some.points[k::3].mean(0) for k in range(3)])
    assert (np.linalg.norm(some.points[:, None] - middles, axis=2).argmin(1) == np.arange(90) % 3).all()
    zero = torch.cat([clustered(), torch.zeros(1, 12)])
    assert np.isfinite(projection.first_picture(zero).points).all()
    # The exact map of many columns is made by another solver: the same but for signs.
    many = np.abs(projection.project(clustered(), "pca", 3).points)
    np.testing.assert_allclose(many, np.abs(drawn.points), atol=1e-5)


def test_a_stored_map_is_found_without_computing(tmp_path: Path) -> None:
    assert projection.kept(clustered(), "pca", 0, tmp_path) is None
    made = projection.project(clustered(), "pca", folder=tmp_path)
    read = projection.kept(clustered(), "pca", 0, tmp_path)
    assert read is not None and read.points.tobytes() == made.points.tobytes() and read.hit == made.hit
    assert projection.kept(2 + clustered(), "pca", 0, tmp_path) is None
    assert projection.kept(clustered(), "umap", 0, tmp_path) is None
    assert projection.kept(clustered(), "pca", 0, None) is None


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_a_hit_is_the_share_of_neighbours_on_the_map_that_are_neighbours(method: str) -> None:
    rows = clustered()
    drawn = projection.project(rows, method)
    unit = torch.nn.functional.normalize(rows, dim=1).numpy()
    for i in range(90):
        near, close = (
            set(np.argsort([np.inf if j == i else np.linalg.norm(one[i] - one[j]) for j in range(90)])[:15])
            for one in (unit, drawn.points)
        )
        assert drawn.hits[i] == pytest.approx(len(near & close) / 15, abs=1e-6)
    assert drawn.hit == pytest.approx(drawn.hits.mean()) and 0.1 < drawn.hit < 1


def test_aligning_undoes_a_turn_a_mirror_and_a_shift_but_no_scale() -> None:
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    turn = np.array([[np.cos(2.0), np.sin(2.0)], [np.sin(2.0), -np.cos(2.0)]], np.float32)
    np.testing.assert_allclose(projection.align(points @ turn + [3, -1], points), points, atol=1e-5)
    wide = projection.align(2 * points @ turn, points)
    np.testing.assert_allclose(wide - wide.mean(0), 2 * (points - points.mean(0)), atol=1e-5)


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_maps_over_epochs_follow_one_another(method: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    turn, _ = torch.linalg.qr(torch.randn(12, 12, generator=generator))
    first = clustered()
    # The same embedding turned about: whatever moves on the map is an artefact.
    embeddings = {0: first, 5: first @ turn, 9: first @ turn + 0.01 * torch.randn(90, 12, generator=generator)}
    drawn = dict(projection.over_epochs(embeddings, method, folder=tmp_path))
    assert list(drawn) == [0, 5, 9]
    assert (drawn[0].points == projection.project(first, method).points).all()
    width = np.ptp(drawn[0].points, axis=0).max()
    alone = projection.project(embeddings[5], method, seed=7).points

    def moved(points: np.ndarray) -> float:
        middles = [np.stack([one[k::3].mean(0) for k in range(3)]) for one in (drawn[0].points, points)]
        return float(np.linalg.norm(middles[0] - middles[1], axis=1).max() / width)

    assert moved(drawn[5].points) < 0.2 and moved(drawn[9].points) < 0.25
    if method == "umap":
        assert moved(alone) > 2 * moved(drawn[5].points)
    again = dict(projection.over_epochs(embeddings, method, folder=tmp_path))
    assert all((again[epoch].points == one.points).all() for epoch, one in drawn.items())
    with pytest.raises(UserError, match="the map before shows 90 nodes, not the 40"):
        projection.project(clustered(40), method, before=drawn[0])


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


@pytest.mark.parametrize("method", projection.names())
@pytest.mark.parametrize("value", [0.0, 1.0, -3e38])
def test_a_collapsed_embedding_is_one_place(method, value):
    drawn = projection.project(torch.full((40, 5), value), method)
    assert np.ptp(drawn.points, axis=0).max() < 1e-5
    assert projection.project(torch.full((40, 5), value), method, before=drawn).points.shape == (40, 2)


def test_how_large_numbers_are_changes_no_map():
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    small, large = (projection.project(rows * scale, "pca").points for scale in (1, 2.0**120))
    np.testing.assert_allclose(small, large, atol=1e-5)


@pytest.mark.parametrize(
    "rows", [None, "cora", [[1.0, 2]] * 9, torch.rand(9), np.ones((9, 2, 2)), torch.ones(9, 3) * 1j]
)
def test_what_is_no_matrix_has_no_map(rows):
    for ask in (projection.project, projection.first_picture):
        with pytest.raises(UserError, match="a map is of"):
            ask(rows)
