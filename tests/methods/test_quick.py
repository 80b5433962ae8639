"""What each method does when it is called plainly, `preset="quick"`, is worth its training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.sparse.csgraph import breadth_first_order
from torch_geometric.data import Data
from torch_geometric.utils import to_scipy_sparse_matrix

import workbench as wb
from workbench import methods
from workbench.training.fit import untrained

LOST = 1.0  # points of accuracy that a training may lose against its own untrained encoder


@pytest.fixture(scope="module")
def part(real_graph: Callable[[str], Data]) -> Data:
    """Return the 500 nodes of Cora nearest to one around which no class outweighs the others."""
    cora = real_graph("cora")
    links = to_scipy_sparse_matrix(cora.edge_index, num_nodes=cora.num_nodes).tocsr()
    nearest = breadth_first_order(links, 600, return_predecessors=False)[:500].astype("int64")
    near = cora.subgraph(torch.from_numpy(nearest))
    return Data(x=near.x, edge_index=near.edge_index, y=near.y, name="part")


def gained(method: str, part: Data, store: Path, **overrides: Any) -> float:
    """Return by how many points of accuracy the trained encoder is above the untrained one."""
    run = wb.fit(method, part, "quick", store=store, progress=False, **overrides)
    accuracy = [wb.evaluate(each, part, progress=False).accuracy for each in (run, untrained(run, part))]
    return accuracy[0] - accuracy[1]


@pytest.mark.filterwarnings("ignore:.*centres have no neighbour left")
@pytest.mark.parametrize("method", methods.names("nodes"))
def test_no_quick_call_ends_below_its_untrained_encoder(method: str, part: Data, tmp_path: Path) -> None:
    assert gained(method, part, tmp_path) >= -LOST


@pytest.mark.parametrize("wrong", [{"tau": 20.0}, {"lr": 0.3}])
def test_settings_at_which_nothing_is_learned_are_told(wrong: dict[str, Any], part: Data, tmp_path: Path) -> None:
    assert gained("grace", part, tmp_path, **wrong) < -LOST
