"""Fixtures that every test file may use."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.utils import to_undirected

from workbench.datasets import load_graph
from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import as_multiplex
from workbench.datasets.synthetic.embedded import library, rings
from workbench.errors import UserError
from workbench.methods import METHODS, configure

torch.set_num_threads(1)  # tests run side by side, and bits depend on the number of threads


@pytest.fixture(scope="module", autouse=True)
def modules_stay() -> None:
    """Spare each fit, which collects garbage before it measures memory, the walk through what lives to the end."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture
def small_graph() -> Data:
    """60 nodes with sparse attributes, two isolated nodes, labels and masks."""
    g = torch.Generator().manual_seed(5)
    edge_index = to_undirected(torch.randint(58, (2, 150), generator=g))
    x = (torch.rand(60, 40, generator=g) < 0.1).float()
    x[:, 0] = 1.0
    y = torch.randint(3, (60,), generator=g)
    return Data(x=x, edge_index=edge_index, y=y, train_mask=y == 0, name="small", num_nodes=60)


@pytest.fixture
def labelled() -> Data:
    """100 nodes of two classes that their attributes tell apart."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(100) % 2
    x = torch.randn(100, 10, generator=g) + y[:, None]
    return Data(x=x, y=y, edge_index=to_undirected(torch.randint(100, (2, 300), generator=g)), name="two")


def by_labels(method: str) -> bool:
    """Return whether a method learns from labels in its preset "small"."""
    return METHODS.get(method).supervised(configure(method, "small", "rows", {})[1])


def small_rows() -> Rows:
    """60 images of 6 x 5 pixels, a bright row or column of which tells three classes apart; two populations."""
    g = torch.Generator().manual_seed(3)
    x, y = 0.3 * torch.rand(60, 6, 5, generator=g), torch.arange(60) % 3
    x[y == 0, 2] += 1
    x[y == 1, :, 3] += 1
    flags = {"target": torch.arange(60) % 2 == 1, "train_mask": torch.arange(60) < 40}
    return Rows(x=x, y=y, name="rows", **flags)


def small_library() -> HeteroData:
    """90 books with 40 authors and 9 shelves, classes and masks."""
    return library(books=90, authors=40, shelves=9)


@pytest.fixture
def small_data(small_graph: Data) -> Callable[..., Any]:
    """Return small data that a method learns on, by the method's name, of its first kind unless another is named."""
    by_kind = {
        "nodes": lambda: small_graph,
        "graph-sets": lambda: rings(graphs=24),
        "bipartite": lambda: load_graph("tastes"),
        "arrays": small_rows,
        "hetero": small_library,
        "multiplex": lambda: as_multiplex(small_library()),
    }

    def made(method: str, kind: str | None = None) -> Any:
        kind = kind or METHODS.get(method).kinds[0]
        data = by_kind[kind]()
        if kind == "nodes" and by_labels(method):
            data.train_mask = torch.arange(60) < 40
        return data

    return made


@pytest.fixture
def poisoned(small_data: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same small data with targets and held-out edges that are wrong."""

    def poison(method: str, kind: str | None = None) -> Any:
        data = small_data(method, kind)
        if kind_of(data).name == "nodes":
            data = data.clone()
            if by_labels(method):
                data.y = torch.where(data.train_mask, data.y, 10**9)  # it may see the others
            else:
                data.y, data.train_mask = torch.full((60,), 10**9), torch.ones(60, dtype=torch.bool)
            data.test_edge_index = torch.tensor([[57, 58], [59, 59]])  # two nodes of these have no edge
        if kind_of(data).name == "arrays":
            data = data.clone()
            if by_labels(method):
                data.y = torch.where(data.train_mask, data.y, 10**9)  # it may see the others
            else:
                data.y, data.train_mask = torch.full((60,), 10**9), torch.ones(60, dtype=torch.bool)
        if kind_of(data).name == "graph-sets":
            for graph in data:
                graph.y = torch.full((1,), 10**9)
        if kind_of(data).name in ("hetero", "multiplex"):
            data["book"].y, data["book"].train_mask = torch.full((90,), 10**9), torch.ones(90, 3, dtype=torch.bool)
        if kind_of(data).name == "bipartite":
            data["user", "interacts", "item"].test_edge_index = torch.zeros(2, 10**3, dtype=torch.long)
            data["user"].y, data["item"].y = torch.full((200,), 10**9), torch.full((120,), 10**9)
        return data

    return poison
