"""Objectives against those of other libraries, where these are installed: nothing here needs them.

lightly 1.6.0 and diffsort 0.2.0 and pytorch-metric-learning 2.9.0 were looked at. `import lightly.loss` asks for
torchvision, so that its files are loaded with empty packages around them.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from workbench.contrast import Contrast
from workbench.objectives.clusters import sinkhorn
from workbench.objectives.gated import gated_supcon
from workbench.objectives.infonce import dcl, dclw, infonce
from workbench.objectives.ordering import rank_mass
from workbench.objectives.weighted import supcon

TIGHT: Any = {"rtol": 1e-6, "atol": 1e-6}


def views(rows: int = 12, dim: int = 5) -> tuple[Tensor, Tensor]:
    u, v = torch.randn(2, rows, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return u, u + 0.8 * v


@pytest.fixture
def lightly(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what loads a file of lightly's losses by its name."""
    found = importlib.util.find_spec("lightly")
    if found is None or found.origin is None:
        pytest.skip("lightly is not installed")
    folder = Path(found.origin).parent
    for name in ("lightly", "lightly.utils", "lightly.loss"):
        empty = ModuleType(name)
        empty.__path__ = [str(folder.parent.joinpath(*name.split(".")))]
        monkeypatch.setitem(sys.modules, name, empty)
    for name in ("lightly.utils.dist", "lightly.loss.dcl_loss", "lightly.loss.swav_loss"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return lambda name: importlib.import_module(f"lightly.loss.{name}")


@pytest.mark.parametrize("tau", [0.1, 0.5])
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
def test_dcl_and_dclw_are_those_of_lightly(lightly: Any, tau: float) -> None:
    (u, v), losses = views(), lightly("dcl_loss")
    u.requires_grad_()
    for ours, theirs in ((dcl, losses.DCLLoss(tau)), (dclw, losses.DCLWLoss(tau))):
        values = ours(Contrast(tau), u, v).mean(), theirs(u, v)
        torch.testing.assert_close(*values, **TIGHT)
        torch.testing.assert_close(*(torch.autograd.grad(value, u)[0] for value in values), **TIGHT)


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_assignments_are_those_of_lightly(lightly: Any, iterations: int) -> None:
    scores = torch.rand(40, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    wanted = lightly("swav_loss").sinkhorn(scores, iterations, 0.05)
    if not iterations:  # there the rows of exponentials are divided by the sum of them all
        wanted = wanted / wanted.sum(1, keepdim=True)
    torch.testing.assert_close(sinkhorn(scores, 0.05, iterations), wanted, **TIGHT)


def test_infonce_and_supcon_are_those_of_pytorch_metric_learning() -> None:
    reason = "pytorch-metric-learning is not installed"
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason=reason)
    (u, v), own = views(), torch.arange(12)
    both, classes = torch.cat([u, v]), own % 4
    wanted = losses.NTXentLoss(temperature=0.3)(both, own.repeat(2))
    torch.testing.assert_close(infonce(Contrast(0.3), u, v).mean(), wanted, **TIGHT)
    wanted = losses.SupConLoss(temperature=0.3)(both, classes.repeat(2))
    index = (classes[:, None] == classes).nonzero().T
    positives = index, torch.ones(index.shape[1], dtype=torch.float64)
    torch.testing.assert_close(supcon(Contrast(0.3, positives=positives), u, v).mean(), wanted, **TIGHT)
    pairs = torch.arange(4).repeat(2, 1).T
    found = gated_supcon(both, classes.repeat(2), pairs, torch.ones(4, 5, dtype=torch.float64), 0.3)
    torch.testing.assert_close(found.mean(), wanted, **TIGHT)


@pytest.mark.parametrize("steepness", [1.0, 10.0])
@pytest.mark.parametrize("n", [2, 11])
def test_the_soft_permutation_is_that_of_diffsort(n: int, steepness: float) -> None:
    diffsort = pytest.importorskip("diffsort", reason="diffsort is not installed")
    values = torch.randn(6, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    sorter = diffsort.DiffSortNet("odd_even", n, steepness=steepness, distribution="cauchy")
    found = rank_mass(values, torch.eye(n, dtype=torch.float64), steepness)
    torch.testing.assert_close(found, sorter(values)[1], rtol=0, atol=1e-5)
