"""Dense attributes against sparse ones where they are multiplied or held, and memory against a file."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.preprocessing import normalize
from torch import Tensor
from torch_geometric.data import Data

from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, row
from workbench.datasets import load_graph, planted
from workbench.datasets.attributes import SPARSE_BELOW, entries, is_sparse, nonzeros, unit_sums
from workbench.datasets.kinds import content_hash
from workbench.rules.measures import _each_once
from workbench.rules.terms import Terms, row_products
from workbench.training.fit import fit

SEVEN = ("cora", "citeseer", "pubmed", "photo", "computers", "cs", "physics")
CASES = (
    (128, False),
    (256, False),
    (256, True),
    (512, False),
)  # widths of first layers, and whether columns are masked
BEHIND = 1.2  # times that the chosen form may be slower than the other
WIDE = 1 << 28  # numbers of a graph that is measured once


def _race(case: str, dense: Any, sparse: Any, share: float, size: int) -> dict[str, Any]:
    """Time the form that isn't chosen against the one that is."""
    chosen, other = (sparse, dense) if share < SPARSE_BELOW else (dense, sparse)
    word = "sparse" if share < SPARSE_BELOW else "dense"
    must = f"at most {BEHIND} times behind the other form"
    return row(
        case, other, chosen, 1 if size > WIDE else 3, must=must, at_least=1 / BEHIND, nonzero_share=share, chosen=word
    )


def _product(x: Tensor, weight: Tensor, columns: Tensor | None, gradient: Tensor) -> None:
    """Do what a first layer does in training: masked columns mask rows of the weight, not the attributes."""
    weight.grad = None
    (x @ (weight if columns is None else columns[:, None] * weight)).backward(gradient)


@BENCHMARKS.register("sparse-products")
def sparse_products() -> Rows:
    """A first layer's product and the gradient of its weight: the form that isn't chosen against the one that is."""
    rows, draw = [], torch.Generator().manual_seed(0)
    for name in SEVEN:
        x = load_graph(name).x
        dense, sparse, share = x.to_dense(), x.to_sparse_csr(), nonzeros(x) / x.numel()
        for width, masked in CASES:
            weight = torch.randn(x.shape[1], width, generator=draw).requires_grad_()
            columns = (torch.rand(x.shape[1], generator=draw) > 0.3).float() if masked else None
            gradient = torch.randn(len(x), width, generator=draw)
            calls = [lambda x=x, w=weight, c=columns, g=gradient: _product(x, w, c, g) for x in (dense, sparse)]
            what = f"{name}, width {width}{', columns masked' if masked else ''}"
            rows.append(_race(what, *calls, share, x.numel()))
    return rows


@BENCHMARKS.register("sparse-cosines")
def sparse_cosines() -> Rows:
    """Cosines as samplers and rules take them: the form that isn't chosen against the one that is."""
    rows = []
    for name in SEVEN[:-1]:  # Physics would take 2.3 GB as float64
        graph = load_graph(name)
        dense = normalize(graph.x.double().numpy())
        sparse, share = sp.csr_matrix(dense), nonzeros(graph.x) / graph.x.numel()
        block = np.arange(max(1, (1 << 23) // len(dense)))[: len(dense)]
        calls = (lambda d=dense, b=block: d[b] @ d.T, lambda s=sparse, b=block: (s[b] @ s.T).toarray())
        rows.append(_race(f"{name}, {len(block):,} nodes with all", *calls, share, graph.x.numel()))
        low, high, _ = _each_once(Terms(graph).relation("N"), len(dense))
        calls = (_at_edges(torch.from_numpy(dense), low, high), _at_edges_sparse(sparse, low, high))
        rows.append(_race(f"{name}, {len(low):,} edges", *calls, share, graph.x.numel()))
    return rows


def _at_edges(x: Tensor, low: Tensor, high: Tensor) -> Any:
    begin = torch.searchsorted(low, torch.arange(len(x) + 1))
    pairs = torch.sparse_csr_tensor(begin, high, x.new_zeros(len(low)), (len(x), len(x)), check_invariants=False)
    return lambda: torch.sparse.sampled_addmm(pairs, x, x.T, beta=0)


def _at_edges_sparse(x: sp.csr_matrix, low: Tensor, high: Tensor) -> Any:
    return lambda: [shared.sum(1) for _, shared in row_products(x, low.numpy(), high.numpy())]


def _loaded_dense(name: str) -> Tensor:
    x = load_graph(name, normalise=False).x.to_dense()
    return unit_sums(x, x.min())


def _held_mib(x: Tensor) -> float:
    """Return what attributes take: a sparse entry a float and a column of 8 bytes, and each row a place."""
    held = entries(x).numel() * 12 + 8 * len(x) if is_sparse(x) else 4 * x.numel()
    return held / 2**20


@BENCHMARKS.register("sparse-loading")
def sparse_loading() -> Rows:
    """Coauthor Physics from the cache: attributes made dense, as they were, against attributes held sparse."""
    graph, dense = load_graph("physics"), _loaded_dense("physics")
    same = content_hash(graph) == content_hash(Data(x=dense, edge_index=graph.edge_index, y=graph.y))
    facts = {"before_mib": _held_mib(dense), "after_mib": _held_mib(graph.x), "same_hash": same}
    del dense
    return [row("physics", lambda: _loaded_dense("physics"), lambda: load_graph("physics"), 2, **facts)]


@BENCHMARKS.register("from-disk")
def from_disk() -> Rows:
    """DGI by batches, an epoch and the embedding: attributes in memory against those on disk."""
    graph = planted(20_000)
    graph.x = torch.rand(20_000, 1_000, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as place:
        for key in ("x", "edge_index"):
            np.save(Path(place) / f"{key}.npy", graph[key].numpy())
        known, stored = load_graph(Data(x=graph.x, edge_index=graph.edge_index)), load_graph(place)
        settings = {"batch_size": 2048, "neighbours": 5, "dim": 128, "epochs": 1, "fresh": True, "progress": False}
        runs = [lambda g=g: fit("dgi", g, store=Path(place) / "runs", **settings) for g in (known, stored)]
        difference = float((runs[0]().embeddings - runs[1]().embeddings).abs().max())
        return [
            row(
                "20,000 nodes, 1,000 attributes", *runs, 1, must="at most twice the time", at_least=0.5,
                difference=difference, attributes_mib=math.prod(graph.x.shape) * 4 / 2**20,
            )
        ]  # fmt: skip
