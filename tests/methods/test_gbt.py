"""Graph Barlow Twins: the facts that pin it to its paper and release."""

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from workbench.encoders.graph import GraphTensors
from workbench.methods.nodes.gbt import GBT, GBTConfig
from workbench.objectives.decorrelation import barlow_twins, standardised
from workbench.randomness import Randomness


def model(graph: Data, **parameters: object) -> GBT:
    torch.manual_seed(0)
    return GBT(GBTConfig(**{"dim": 8, **parameters}), graph, Randomness(0))


def test_equal_and_opposite_views_of_one_column_have_the_closed_form() -> None:
    n = 9
    z = torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for other, value in ((z, (1 / n) ** 2), (-z, (2 - 1 / n) ** 2)):
        invariance, redundancy = barlow_twins(z, other)
        assert invariance.item() == pytest.approx(value) and redundancy.item() == pytest.approx(0, abs=1e-12)


def test_the_loss_is_the_one_that_loops_give(small_graph: Data) -> None:
    gbt = model(small_graph, redundancy=3.0)
    step = gbt.step(gbt.inputs)
    views = gbt.config.views(GraphTensors.of(gbt.inputs), Randomness(0).generator("views"))
    first, second = (standardised(gbt.encoder(view)) for view in views)
    expected = torch.zeros(())
    for i in range(8):
        for j in range(8):
            entry = (first[:, i] * second[:, j]).sum() / len(first)
            expected = expected + ((1 - entry) ** 2 if i == j else 3 / 8 * entry**2)
    torch.testing.assert_close(step.total, expected, rtol=1e-4, atol=1e-4)


def test_the_schedule_rises_over_the_warm_up_and_falls_along_half_a_cosine(small_graph: Data) -> None:
    gbt = model(small_graph, epochs=30, warmup=10, lr=0.5)
    optimiser, rates = gbt.optimiser(), []
    assert isinstance(optimiser, torch.optim.AdamW)
    for epoch in range(30):
        gbt.before_epoch(epoch, optimiser)
        rates.append(optimiser.param_groups[0]["lr"])
    by_hand = [0.5 * t / 10 if t < 10 else 0.25 * (1 + math.cos((t - 10) * math.pi / 20)) for t in range(30)]
    assert rates == pytest.approx(by_hand)


def test_the_encoder_normalises_between_its_layers_only(small_graph: Data) -> None:
    encoder = model(small_graph).encoder
    assert [tuple(weight.shape) for weight in encoder.weights][1:] == [(16, 8)]
    assert [norm.num_features for norm in encoder.norms] == [16] and encoder.norms[0].momentum == 0.01
    graph = GraphTensors.of(small_graph).whole
    hidden = nn.functional.prelu(encoder.norms[0](encoder._summed(0, graph, graph.x, None)), encoder.activation.weight)
    expected = graph.adjacency @ hidden @ encoder.weights[1] + encoder.biases[1]
    torch.testing.assert_close(encoder(graph), expected, rtol=1e-4, atol=1e-5)
