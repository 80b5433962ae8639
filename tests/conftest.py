"""Fixtures that every test file may use."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.graphs import load_graph

torch.set_num_threads(1)  # tests run side by side, and bits depend on the number of threads


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the runs of a test apart from those of the person who runs it."""
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def real_graph() -> Callable[[str], Data]:
    """Load a graph by name, or skip the test with that name where its files can't be had."""

    def load(name: str) -> Data:
        try:
            return load_graph(name)
        except UserError as error:
            pytest.skip(f"graph {name!r} is not here: {error}")

    return load
