"""Local-GCL: its estimate of the sum over all nodes, its loss by hand, its positives."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import Contrast
from workbench.contrast.fourier import fourier_features, fourier_log_mass
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.local_gcl import LocalGCL, LocalGCLConfig
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness


def rows_of_unit_length(count: int = 12, dim: int = 5) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def model(graph: Data, **settings: object) -> LocalGCL:
    torch.manual_seed(0)
    return LocalGCL(LocalGCLConfig(dim=8, **settings), graph, Randomness(0))  # type: ignore[arg-type]


def test_features_estimate_the_exponential_of_a_cosine_without_bias() -> None:
    rows, tau, g = rows_of_unit_length(), 0.5, torch.Generator().manual_seed(1)
    draws = torch.stack([(f := fourier_features(rows, tau, 64, g)) @ f.T for _ in range(2000)])
    true = ((rows @ rows.T - 1) / tau).exp()
    standard_error = draws.std(0) / math.sqrt(2000)
    away = ~torch.eye(len(rows), dtype=torch.bool)
    assert ((draws.mean(0) - true).abs() / standard_error)[away].max() < 4.5
    torch.testing.assert_close(draws.diagonal(dim1=1, dim2=2), torch.ones(2000, len(rows), dtype=torch.float64))


def test_the_error_falls_as_the_root_of_the_number_of_directions() -> None:
    rows, tau, g = rows_of_unit_length(), 0.5, torch.Generator().manual_seed(1)
    true = (rows @ rows.T / tau).logsumexp(1)
    errors = [
        torch.stack([fourier_log_mass(rows, tau, count, g) - true for _ in range(300)]).square().mean().sqrt()
        for count in (100, 1600)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)


def test_an_estimated_sum_never_falls_below_the_share_of_the_row_itself() -> None:
    rows = rows_of_unit_length(30)
    estimates = [fourier_log_mass(rows, 0.02, 1, torch.Generator().manual_seed(seed)).min() for seed in range(20)]
    assert min(estimates) == pytest.approx(50)


@pytest.mark.parametrize("average", ["inside", "outside"])
def test_the_exact_loss_is_the_one_that_loops_give(small_graph: Data, average: str) -> None:
    directed = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, ::2], num_nodes=60)
    tested = model(directed, directions=0, average=average)
    z = normalize(tested.encoder.embed(directed).detach().double()).tolist()
    sources, targets = directed.edge_index.tolist()
    losses = []
    for i, own in enumerate(z):
        s = [sum(a * b for a, b in zip(own, other, strict=True)) / 0.5 for other in z]
        near = [s[j] for j, k in zip(sources, targets, strict=True) if k == i and j != i] or [s[i]]
        inside = math.log(sum(math.exp(a) / len(near) for a in near))
        losses.append(math.log(sum(map(math.exp, s))) - (inside if average == "inside" else sum(near) / len(near)))
    assert float(tested.step(directed).total.detach()) == pytest.approx(sum(losses) / len(z), rel=1e-5)


def test_it_is_the_contrast_whose_positives_are_the_adjacency_divided_by_the_degree(small_graph: Data) -> None:
    tested = model(small_graph, directions=0)
    index = GraphTensors.of(small_graph).edge_index.flip(0)
    degree = torch.bincount(index[0], minlength=60)
    alone = torch.nonzero(degree == 0).flatten()
    positives = torch.cat([index, alone.expand(2, -1)], 1), torch.cat([1 / degree[index[0]], torch.ones(len(alone))])
    u = tested.encoder.embed(small_graph)
    expected = infonce(Contrast(0.5, positives=positives), u).mean()
    step = tested.step(small_graph)
    found = step.total
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(infonce(step.kept["contrast"], u).mean(), expected)  # which it tells of itself
    weights = [*tested.encoder.parameters()]
    gradients = (torch.autograd.grad(loss, weights) for loss in (found, expected))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    estimating = model(small_graph, directions=20_000)
    estimating.load_state_dict(tested.state_dict())
    assert float(estimating.step(small_graph).total.detach()) == pytest.approx(float(expected.detach()), abs=0.02)


def test_the_average_outside_the_logarithm_is_never_less(small_graph: Data) -> None:
    inside, outside = (model(small_graph, directions=0, average=where) for where in ("inside", "outside"))
    outside.load_state_dict(inside.state_dict())
    assert outside.step(small_graph).total > inside.step(small_graph).total


def test_neighbours_of_anchors_are_embedded_in_a_batch_as_in_the_whole_graph(small_graph: Data) -> None:
    tested = model(small_graph, directions=0, batch_size=20, neighbours=1000)
    whole, rows = GraphTensors.of(small_graph), normalize(tested.encoder.embed(small_graph))
    pulled = tested.pulled(whole, rows, tested.pairs(whole, 60))
    for batch in tested.batches():
        anchors = batch.n_id[: batch.batch_size]
        expected = ((rows[anchors] @ rows[anchors].T / 0.5).logsumexp(1) - pulled[anchors]).mean()
        torch.testing.assert_close(tested.step(batch).total, expected)


def test_neighbours_come_together_and_random_nodes_in_their_place_do_not(small_graph: Data, tmp_path: Path) -> None:
    def nearness(positives: str) -> float:
        settings = {"epochs": 100, "lr": 0.01, "positives": positives, "store": tmp_path, "progress": False}
        z = normalize(wb.fit("local-gcl", small_graph, "small", **settings).embeddings)  # type: ignore[arg-type]
        return float((z[small_graph.edge_index[0]] * z[small_graph.edge_index[1]]).sum(1).mean() - (z @ z.T).mean())

    assert nearness("neighbours") > nearness("random") + 0.1


def test_listed_negatives_stand_in_place_of_all_nodes(small_graph: Data) -> None:
    step = model(small_graph, negatives="uniform", k=7).step(small_graph)
    assert step.kept["contrast"].candidates.shape[-1] == 7 and step.total.isfinite()


def test_what_it_does_not_learn_on_is_said(small_graph: Data) -> None:
    lonely = Data(x=small_graph.x, edge_index=torch.arange(60).expand(2, -1), num_nodes=60)
    with pytest.raises(UserError, match="no two nodes of this graph have an edge"):
        model(lonely)
    with pytest.raises(UserError, match="the objective 'cacr' takes no such mean"):
        LocalGCLConfig(objective="cacr")  # type: ignore[arg-type]
