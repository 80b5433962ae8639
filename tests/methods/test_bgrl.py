"""BGRL: the facts that pin it to its paper and release."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

import workbench as wb
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.momentum import cosine, follow
from workbench.methods.nodes.bgrl import BGRL, BGRLConfig
from workbench.randomness import Randomness

WHOLE = dict.fromkeys(("edge_drop_1", "edge_drop_2", "feature_drop_1", "feature_drop_2"), 0.0)


class Minus(nn.Module):
    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return -h


def model(graph: Data, **parameters: object) -> BGRL:
    torch.manual_seed(0)
    return BGRL(BGRLConfig(**{"dim": 8, "prediction": 16, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, **more: object) -> wb.Run:
    return wb.fit("bgrl", graph, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def test_the_loss_is_0_where_both_networks_are_one_and_4_where_they_are_opposite(small_graph: Data) -> None:
    bgrl = model(small_graph, target="copy", **WHOLE)
    for predictor, value in ((nn.Identity(), 0.0), (Minus(), 4.0)):
        bgrl.predictor = predictor
        assert bgrl.step(bgrl.inputs).total.item() == pytest.approx(value, abs=1e-5)


def test_the_loss_is_that_of_the_release(small_graph: Data) -> None:
    bgrl = model(small_graph)
    ours = bgrl.step(bgrl.inputs).total
    first, second = bgrl.config.views(GraphTensors.of(bgrl.inputs), Randomness(0).generator("views"))
    cos = nn.functional.cosine_similarity
    q1, q2 = bgrl.predictor(bgrl.encoder(first)), bgrl.predictor(bgrl.encoder(second))
    theirs = 2 - cos(q1, bgrl.target(second)).mean() - cos(q2, bgrl.target(first)).mean()
    torch.testing.assert_close(ours, theirs)
    assert 0 <= ours.item() <= 4
    ours.backward()
    assert all(weight.grad is None for weight in bgrl.target.parameters())
    assert all(weight.grad is not None for weight in bgrl.encoder.parameters())


def test_a_target_follows_by_its_momentum_and_keeps_its_own_statistics() -> None:
    target, online = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    nn.init.constant_(online.weight, 3.0)
    online.running_mean.fill_(7.0)
    follow(target, online, 0.75)
    assert target.weight.tolist() == [1.5, 1.5] and target.running_mean.tolist() == [0, 0]
    follow(target, online, 1.0)
    assert target.weight.tolist() == [1.5, 1.5]
    follow(target, online, 0.0)
    assert target.weight.tolist() == [3, 3] and online.weight.tolist() == [3, 3]


def test_the_schedule_is_that_of_the_release(small_graph: Data) -> None:
    bgrl = model(small_graph, epochs=40, warmup=10, lr=0.5, momentum=0.9)
    optimiser, rates, shares = bgrl.optimiser(), [], []
    assert isinstance(optimiser, torch.optim.AdamW)
    for epoch in range(40):
        bgrl.before_epoch(epoch, optimiser)
        rates.append(optimiser.param_groups[0]["lr"])
        shares.append(bgrl.momentum)
    by_hand = [0.5 * t / 10 if t < 10 else 0.25 * (1 + math.cos((t - 10) * math.pi / 30)) for t in range(40)]
    assert rates == pytest.approx(by_hand) and rates[0] == 0 and max(rates) == rates[10] == 0.5
    assert shares == pytest.approx([1 - 0.1 * (1 + math.cos(math.pi * t / 40)) / 2 for t in range(40)])
    assert shares[0] == pytest.approx(0.9) and cosine(40, 40) == pytest.approx(0)


def test_the_target_starts_from_weights_of_its_own_and_moves_after_each_update(small_graph: Data) -> None:
    fresh, alike = model(small_graph), model(small_graph, target="copy")
    assert not torch.equal(fresh.target.weights[0], fresh.encoder.weights[0])
    assert torch.equal(alike.target.weights[0], alike.encoder.weights[0])
    trained = {id(weight) for group in fresh.optimiser().param_groups for weight in group["params"]}
    assert trained == {id(weight) for part in (fresh.encoder, fresh.predictor) for weight in part.parameters()}
    before, optimiser = copy.deepcopy(fresh.target), fresh.optimiser()
    fresh.before_epoch(0, optimiser)
    fresh.update(fresh.step(fresh.inputs), optimiser)
    fresh.after_update()
    expected = 0.99 * before.weights[0] + 0.01 * fresh.encoder.weights[0]
    torch.testing.assert_close(fresh.target.weights[0], expected)


def test_a_momentum_of_1_leaves_the_target_random(small_graph: Data, tmp_path: Path) -> None:
    weights = [
        fit(small_graph, tmp_path, epochs=epochs, lr=0.01, warmup=1, momentum=momentum).weights["target.weights.0"]
        for epochs, momentum in ((0, 0.99), (5, 1.0), (5, 0.99))
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_statistics_that_embed_are_those_of_the_last_view(small_graph: Data) -> None:
    bgrl = model(small_graph, **WHOLE, norm_momentum=1.0)
    trained = bgrl.encoder(GraphTensors.of(bgrl.inputs).whole)
    bgrl.step(bgrl.inputs)
    # Running variances are unbiased ones, as torch has it.
    torch.testing.assert_close(bgrl.eval().embed(small_graph), trained, rtol=0.05, atol=0.05)
    assert not [name for name, _ in model(small_graph, norm="none").encoder.named_buffers()]
    assert bgrl.encoder.norms[0].momentum == 1 and model(small_graph).encoder.norms[0].momentum == 0.99


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"momentum": 1.5}, "'momentum' is 1.5; it must be at most 1"),
        ({"norm_momentum": 2.0}, "'norm_momentum' is 2.0; it must be at most 1"),
        ({"norm": "layer"}, "unknown value of parameter 'norm' 'layer'"),
        ({"warmup": -1}, "'warmup' is -1; it must be at least 0"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
