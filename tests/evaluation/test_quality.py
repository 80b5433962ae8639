"""Numbers of an embedding that need no labels: by hand, by loops, and what they refuse."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import spectrum
from workbench.contrast.measures import link_alignment
from workbench.errors import UserError


def matrix(nodes: int = 60, dim: int = 6, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(nodes, dim, generator=g) @ torch.diag(torch.arange(1.0, dim + 1)) + 3


def by_loops(x: Tensor, graph: Data) -> dict[str, float]:
    """The numbers of `quality` by their definitions, a pair, a link and a value at a time."""
    rows = x.double().numpy()
    share = np.linalg.svd(rows, compute_uv=False)
    share = share / share.sum()
    units = [row / np.linalg.norm(row) for row in rows]
    links = [sum((units[a] - units[b]) ** 2) for a, b in graph.edge_index.T.tolist() if a != b]
    pairs = [math.exp(-2 * sum((one - other) ** 2)) for one, other in combinations(units, 2)]
    values = sorted(np.linalg.eigvalsh(np.cov(rows.T, bias=True)), reverse=True)
    places = [(j, value) for j, value in enumerate(values, start=1) if 4 <= j <= 100 and value > 1e-9]
    weights = [1 / math.sqrt(j) for j, _ in places]  # numpy squares them
    slope = np.polyfit([math.log(j) for j, _ in places], [math.log(value) for _, value in places], 1, w=weights)[0]
    return {
        "effective_rank": math.exp(-sum(part * math.log(part) for part in share)),
        "dead_units": sum(len(set(column)) == 1 for column in rows.T.tolist()) / x.shape[1],
        "alignment": float(np.mean(links)),
        "uniformity": math.log(np.mean(pairs)),
        "alpha_req": -slope,
    }


@pytest.mark.parametrize("dim", [6, 90])
def test_each_number_is_what_its_definition_says(small_graph: Data, dim: int) -> None:
    x = matrix(dim=dim)
    quality = wb.quality(x, small_graph)
    for name, value in by_loops(x, small_graph).items():
        assert getattr(quality, name) == pytest.approx(value, rel=1e-5), name
    assert math.isnan(quality.agreement) and math.isnan(wb.quality(x).alignment)


def test_numbers_by_hand() -> None:
    graph = Data(edge_index=torch.tensor([[0, 1, 2, 2], [1, 0, 3, 2]]), num_nodes=4, x=torch.ones(4, 1))
    corners = torch.tensor([[1.0, 0], [0, 2], [3, 0], [-1, 0]])
    quality = wb.quality(corners, graph)
    assert quality.alignment == pytest.approx((2 + 2 + 4) / 3), "a loop is no pair"
    # Squared distances of the six pairs: 2, 0, 4, 2, 2, 4.
    assert quality.uniformity == pytest.approx(math.log((3 * math.exp(-4) + 1 + 2 * math.exp(-8)) / 6))
    assert wb.quality(torch.eye(5)).effective_rank == pytest.approx(5)
    assert wb.quality(torch.ones(9, 3)).effective_rank == pytest.approx(1)
    assert wb.quality(torch.tensor([[1.0, 0, 0.1], [1, 0, 0.2]])).dead_units == pytest.approx(2 / 3)
    lengths = torch.arange(1.0, 101) ** -0.75  # whose squares follow j ** -1.5
    follows = torch.diag(lengths.double()).repeat(2, 1) * torch.tensor([1.0, -1]).repeat_interleave(100)[:, None]
    assert wb.quality(follows.float()).alpha_req == pytest.approx(1.5, abs=1e-5)
    assert math.isnan(wb.quality(torch.ones(9, 3)).alpha_req), "nothing varies"
    assert math.isnan(link_alignment(corners, torch.zeros(2, 0, dtype=torch.long)))


def test_a_column_is_constant_up_to_rounding_at_any_scale() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    x[:, 0], x[:, 1] = 5e-20, 1 + 1e-7 * x[:, 0]
    assert spectrum.constant(x) == 0.5 and spectrum.constant(1e-12 * x) == 0.5
    x[:, 0] = torch.linspace(1e-12, 2e-12, 50)
    assert spectrum.constant(x) == 0.25, "small, but it varies"


def test_sparse_and_dense_matrices_give_the_same(small_graph: Data) -> None:
    x = torch.where(torch.rand(60, 200, generator=torch.Generator().manual_seed(0)) < 0.02, 2.0, 0.0)
    x[0, 0] = 1.0
    given = [x, x.numpy(), sp.csr_matrix(x.numpy()), x.to_sparse_csr()]
    ones = [wb.quality(one, small_graph, other=x + 1e-3) for one in given]
    assert all(one == ones[0] for one in ones)
    shifted = x.clone()
    shifted[shifted == 0] = 1e-30  # no zeros, so that it stays dense
    dense = wb.quality(shifted, small_graph, other=x + 1e-3)
    for name in ("effective_rank", "alignment", "uniformity", "alpha_req", "agreement"):
        assert getattr(dense, name) == pytest.approx(getattr(ones[0], name), rel=1e-4), name


def test_agreement_is_the_share_of_common_neighbours() -> None:
    one, other = matrix(seed=1), matrix(seed=2, dim=9)
    near = []
    for x in (one, other):
        units = torch.nn.functional.normalize(x)
        cosine = (units @ units.T).fill_diagonal_(-2)
        near.append([set(row.topk(10).indices.tolist()) for row in cosine])
    shares = [len(mine & theirs) / 10 for mine, theirs in zip(*near, strict=True)]
    quality = wb.quality(one, other=other)
    assert quality.agreement == pytest.approx(np.mean(shares)) and quality.by_chance == pytest.approx(10 / 59)
    assert wb.quality(one, other=2 * one, k=3).agreement == 1


def test_many_rows_are_drawn_by_a_seed() -> None:
    x = matrix(2_500)
    ones = [wb.quality(x, seed=seed) for seed in (0, 0, 1)]
    assert str(ones[0]) == str(ones[1])
    assert ones[0].uniformity == ones[1].uniformity != ones[2].uniformity
    assert ones[0].effective_rank == ones[2].effective_rank, "of all rows"
    assert "2,000 drawn rows" in str(ones[0])


def test_it_is_shown_and_leaves_out_what_was_not_measured(small_graph: Data) -> None:
    quality = wb.quality(matrix(), small_graph)
    assert "effective rank" in str(quality) and "alignment" in str(quality) and "agreement" not in str(quality)
    assert "agreement" in wb.quality(matrix(), other=matrix())._repr_html_()
    assert [*quality.table.columns] == ["value", "what"] and quality.as_dict()["dim"] == 6
    with pytest.raises(AttributeError):
        quality.dim = 3  # type: ignore[misc]


def test_mistakes_are_named(small_graph: Data, tmp_path: Path) -> None:
    x = matrix()
    for arguments, words in (
        ((x[:50], small_graph), r"one row per node \[60, dim\]"),
        ((x.fill_diagonal_(math.nan),), "6 of 360 values of the embeddings are not finite"),
        ((torch.ones(1, 4),), "2 rows or more"),
        ((torch.ones(4),), r"a matrix \[items, dim\], not \[4\]"),
        (({"user": x, "item": x},), "several matrices; give one of them, e.g. 'user'"),
        ((matrix(), None, matrix(50)), "50 rows where this one has 60"),
        ((matrix(), None, matrix(), 60), "k must lie between 1 and 59, not 60"),
    ):
        with pytest.raises(UserError, match=words):
            wb.quality(*arguments)  # type: ignore[arg-type]
