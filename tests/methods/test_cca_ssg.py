"""CCA-SSG: the facts that pin it to its paper and release."""

from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

import workbench as wb
from workbench.encoders.mlp import MLP
from workbench.methods.nodes.cca_ssg import CCASSG, CCASSGConfig
from workbench.objectives.decorrelation import canonical_correlation, standardised
from workbench.randomness import Randomness


def test_equal_views_of_one_column_repeated_have_the_closed_form() -> None:
    n, d = 7, 3
    z = torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).expand(n, d)
    agreement, decorrelation = canonical_correlation(z, z)
    torch.testing.assert_close(agreement.item(), -d * (1 - 1 / n))
    torch.testing.assert_close(decorrelation.item(), 2 * (d / n**2 + d * (d - 1) * (1 - 1 / n) ** 2))


def test_the_loss_is_the_one_that_loops_give() -> None:
    g = torch.Generator().manual_seed(1)
    u, v = (torch.randn(6, 3, generator=g, dtype=torch.float64) for _ in range(2))
    columns = [[(z[:, j] - z[:, j].mean()) / z[:, j].std() for j in range(3)] for z in (u, v)]
    trace = sum(float(columns[0][j] @ columns[1][j]) / 6 for j in range(3))
    away = sum((float(i == j) - float(z[i] @ z[j]) / 6) ** 2 for z in columns for i in range(3) for j in range(3))
    agreement, decorrelation = canonical_correlation(u, v)
    assert agreement.item() == pytest.approx(-trace) and decorrelation.item() == pytest.approx(away)


def test_a_constant_column_counts_as_nothing_and_has_finite_gradients() -> None:
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    z[:, 1] = 2.0
    z.requires_grad_()
    assert standardised(z)[:, 1].abs().max() == 0
    sum(canonical_correlation(z, z)).backward()
    assert z.grad is not None and z.grad.isfinite().all()


def test_linear_layers_see_no_edge_and_the_last_one_has_no_activation(small_graph: Data, tmp_path: Path) -> None:
    def fit(graph: Data, **more: object) -> wb.Run:
        return wb.fit("cca-ssg", graph, "small", store=tmp_path, progress=False, **more)  # type: ignore[arg-type]

    nodes = small_graph.num_nodes
    other = Data(x=small_graph.x, edge_index=(small_graph.edge_index + 1) % nodes, num_nodes=nodes)  # as many edges
    first, second = (fit(graph, layer="linear").embeddings for graph in (small_graph, other))
    assert torch.equal(first, second)
    assert not torch.equal(fit(small_graph).embeddings, fit(other).embeddings)
    model = CCASSG(CCASSGConfig(dim=4, layer="linear"), small_graph, Randomness(0))
    assert isinstance(model.encoder, MLP) and model.hops(model.config) == 0
    for layer in ("gcn", "linear"):
        assert (fit(small_graph, layer=layer).embeddings < 0).any()


def test_without_decorrelation_columns_say_the_same(small_graph: Data, tmp_path: Path) -> None:
    def spread(weight: float) -> float:
        settings = {"epochs": 200, "lr": 0.01, "decorrelation": weight}
        run = wb.fit("cca-ssg", small_graph, "small", store=tmp_path, progress=False, **settings)  # type: ignore[arg-type]
        values = torch.linalg.svdvals(standardised(run.embeddings))
        shares = values / values.sum()
        return float(torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum()))

    assert spread(0.0) < 0.9 * spread(0.1)
