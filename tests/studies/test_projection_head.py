"""The law of two linear layers, and the head that isn't trained."""

from pathlib import Path

import numpy as np
import torch
from conftest import small_rows

import workbench as wb
from workbench.studies.experiments.projection_head import strengths


def test_post_head_strengths_are_the_law_and_pre_head_ones_their_square_root() -> None:
    variance = torch.tensor([1.4, 1.0, 0.8, 0.7], dtype=torch.float64)
    covariance = torch.tensor([0.5, 0.9, 0.8, 0.3], dtype=torch.float64)
    before, after = strengths(variance, covariance, torch.Generator().manual_seed(0), 1000)
    torch.testing.assert_close(after, covariance.sqrt() / variance, rtol=1e-4, atol=0)
    assert abs(np.polyfit(after.log(), before.log(), 1)[0] - 0.5) < 0.05


def test_a_diagonal_head_with_kappa_1_is_none(tmp_path: Path) -> None:
    one, none, other = (
        wb.fit("simclr", small_rows(), "small", store=tmp_path, progress=False, read="after", **head).embeddings
        for head in ({"head": "diagonal", "kappa": 1.0}, {"head": "none"}, {"head": "diagonal", "kappa": 2.0})
    )
    assert torch.equal(one, none) and not torch.allclose(one, other)
