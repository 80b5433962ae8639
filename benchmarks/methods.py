"""A step of each method on one graph against the same step without a short form of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks import BENCHMARKS
from benchmarks.measure import Rows, row
from benchmarks.races import _model
from workbench.contrast import Contrast
from workbench.datasets import load_graph
from workbench.datasets.kinds import kind_of
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import View
from workbench.methods import names
from workbench.objectives import infonce
from workbench.training.machine import peak_memory

GRAPH = "cora"
# Two have a race of their own, against all that their releases do, and an adaptation needs labels.
LEFT_OUT = ("adapt", "e2neg", "str-gcl")


def plain_ratio(c: Contrast, u: Tensor, v: Tensor | None, budget: float | None, positive_weight: float = 1.0) -> Tensor:
    """Return the loss of each anchor [rows] with every matrix of pairs kept, each direction on its own."""
    u, v = c.prepared(u, v)
    losses = []
    for a, banks in c.directions(u, v):
        eye = torch.eye(len(a), len(banks[0]))
        p = eye if c.positives is None else torch.zeros_like(eye).index_put(tuple(c.positives[0]), c.positives[1])
        values = c.weights[0] @ c.weights[1].T if isinstance(c.weights, tuple) else c.weights
        values = torch.ones(1) if values is None else values
        columns = (torch.arange(eye.shape[1]) if c.candidates is None else c.candidates).expand(len(a), -1)
        w = torch.zeros_like(eye).scatter_add(1, columns, values.expand(columns.shape))
        below = 0.0
        for bank in banks:
            own = eye if c.paired else torch.zeros_like(eye)
            weights = w * (1 - own) + (positive_weight * own if bank is banks[0] else 0)
            similar = (a @ bank.T / c.tau + (0 if c.bias is None else c.bias)).exp()
            below = below + (weights * similar).sum(1)
            above = (p * similar).sum(1) if bank is banks[0] else above  # noqa: F821
        losses.append(below.log() - above.log())
    return torch.stack(losses).mean(0)


def plain_gcn(self: GCN, view: View, order: Tensor | None = None) -> Tensor:
    """Return what a GCN does with dense attributes and a message for each edge [nodes, width]."""
    h = view.x if view.x.layout == torch.strided else view.x.to_dense()
    h = h if view.columns is None else h * view.columns
    h = h if order is None else h[order]
    rows = torch.arange(len(h)).repeat_interleave(view.adjacency.crow_indices().diff())
    source, weight = view.adjacency.col_indices(), view.adjacency.values()[:, None]

    def summed(x: Tensor) -> Tensor:
        return torch.zeros_like(x).index_add(0, rows, weight * x[source])

    for layer, bias in enumerate(self.biases):
        h = self._finished(layer, summed(h @ self.weights[layer]) + bias)
    return h + summed(h) if self.add_neighbours else h


@contextmanager
def plainly() -> Iterator[None]:
    """Compute without the kernel of the contrast and without sparse products."""
    with mock.patch.object(infonce, "ratio_loss", plain_ratio), mock.patch.object(GCN, "forward", plain_gcn):
        yield


@BENCHMARKS.register("methods")
def methods() -> Rows:
    """One step of each method on Cora, forward and backward, with its quick preset."""
    graph = load_graph(GRAPH)
    inputs, rows = kind_of(graph).inputs(graph), []
    for name in names("nodes"):
        if name in LEFT_OUT:
            continue
        model = _model(name, inputs, "quick")

        def step(model: Any = model) -> float:
            state = model.randomness.state()
            torch.manual_seed(0)
            model.zero_grad()
            loss = 0.0
            for batch in model.batches():
                total = model.step(batch).total
                total.backward()
                loss += float(total.detach())
            model.randomness.restore(state)
            return loss

        def before(step: Any = step) -> float:
            with plainly():
                return float(step())

        model.before_epoch(0, model.optimiser())
        facts: dict[str, Any] = {"loss_difference": abs(before() - step())}
        for way, call in (("before", before), ("after", step)):
            with peak_memory(torch.device("cpu")) as peak:
                call()
            facts[f"{way}_peak_mib"] = peak()
        rows.append(row(name, before, step, 3, **facts))
    return rows
