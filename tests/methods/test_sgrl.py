"""SGRL: the facts that pin it to its paper and release."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity
from torch_geometric.data import Data
from torch_geometric.utils import to_dense_adj

import workbench as wb
from workbench.encoders import gcn
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.sgrl import SGRL, SGRLConfig
from workbench.objectives.scattering import scattering
from workbench.randomness import Randomness


def model(graph: Data, **parameters: object) -> SGRL:
    torch.manual_seed(0)
    return SGRL(SGRLConfig(**{"dim": 8, "prediction": 16, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, **more: object) -> wb.Run:
    return wb.fit("sgrl", graph, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def step(sgrl: SGRL, optimiser: torch.optim.Optimizer) -> None:
    sgrl.update(sgrl.step(sgrl.inputs), optimiser)
    sgrl.after_update()


def test_scattering_is_minus_the_mean_squared_distance_of_unit_rows_to_their_centre() -> None:
    z = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = [row / row.norm() for row in z]
    centre = sum(unit) / 9
    assert scattering(z).item() == pytest.approx(-sum(float((row - centre) @ (row - centre)) for row in unit) / 9)
    torch.testing.assert_close(scattering(3 * z), scattering(z))
    # Lowest where directions cancel, even if they are only two; highest where there is one.
    opposite = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    assert scattering(opposite).item() == -1 and scattering(opposite.abs()).item() == 0


def test_the_embedding_is_the_layer_plus_its_neighbours(small_graph: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    sgrl = model(small_graph)
    adjacency = to_dense_adj(small_graph.edge_index, max_num_nodes=60)[0].clamp(max=1).fill_diagonal_(1)
    root = adjacency.sum(1).rsqrt()
    normalised = root[:, None] * adjacency * root
    with torch.no_grad():
        h = nn.functional.prelu(normalised @ small_graph.x @ sgrl.encoder.weights[0], torch.tensor([0.25]))
        torch.testing.assert_close(sgrl.embed(small_graph), h + normalised @ h)
        torch.testing.assert_close(model(small_graph, constraint=False).embed(small_graph), h)
        monkeypatch.setattr(gcn, "BLOCK", 100)
        torch.testing.assert_close(sgrl.embed(small_graph), h + normalised @ h)


def test_an_exported_encoder_gives_the_embedding(small_graph: Data, tmp_path: Path) -> None:
    run = fit(small_graph, tmp_path / "runs")
    run.export(tmp_path / "plain")
    space: dict = {"__file__": str(tmp_path / "plain" / "encoder.py"), "__name__": "plain"}
    exec(compile((tmp_path / "plain" / "encoder.py").read_text(), "encoder.py", "exec"), space)
    with torch.no_grad():
        embedded = space["load"]()(small_graph.x, small_graph.edge_index)
    torch.testing.assert_close(embedded, run.embeddings, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_each_loss_reaches_its_own_network_alone(small_graph: Data, shared: bool) -> None:
    sgrl = model(small_graph, shared_slope=shared)
    view = GraphTensors.of(sgrl.inputs).whole
    terms = sgrl.step(sgrl.inputs).terms
    slope = sgrl.online.activation if shared else sgrl.target.activation
    target = slope(sgrl.target.biases[0] + view.adjacency @ view.linear(sgrl.target.weights[0]))
    cosine = cosine_similarity(sgrl.predictor(sgrl.online(view)), target).mean()
    torch.testing.assert_close(terms["alignment"], -cosine)
    torch.testing.assert_close(terms["scattering"], scattering(target))
    terms["alignment"].backward(retain_graph=True)
    assert all(weight.grad is None for weight in sgrl.target.parameters())
    assert all(weight.grad is not None for part in (sgrl.online, sgrl.predictor) for weight in part.parameters())
    before = copy.deepcopy([weight.grad for weight in (sgrl.online.weights[0], sgrl.online.activation.weight)])
    terms["scattering"].backward()
    assert sgrl.target.weights[0].grad is not None
    assert torch.equal(sgrl.online.weights[0].grad, before[0])
    assert torch.equal(sgrl.online.activation.weight.grad, before[1]) is not shared


def test_the_target_is_updated_at_its_own_rate_and_then_moves_towards_the_encoder(small_graph: Data) -> None:
    still, moving = model(small_graph, target_lr=0.0, momentum=0.75), model(small_graph, target_lr=0.01, momentum=1.0)
    assert not torch.equal(still.target.weights[0], still.online.weights[0])
    before = still.target.weights[0].detach().clone()
    step(still, still.optimiser())
    torch.testing.assert_close(still.target.weights[0], 0.75 * before + 0.25 * still.online.weights[0])
    step(moving, moving.optimiser())  # the first change that Adam makes is as long as its rate
    changed = (moving.target.weights[0] - before).abs()
    assert changed.max().item() == pytest.approx(0.01, rel=1e-3)


def test_the_target_scatters_and_the_encoder_with_it(small_graph: Data, tmp_path: Path) -> None:
    kept, control = (
        fit(small_graph, tmp_path, epochs=80, lr=0.01, target_lr=rate, momentum=1.0) for rate in (0.01, 0.0)
    )
    assert kept.history["scattering"].iloc[-1] < -0.95 < control.history["scattering"].iloc[-1]
    assert scattering(kept.embeddings) < scattering(control.embeddings)


def test_the_weights_of_the_lowest_alignment_are_kept(small_graph: Data, tmp_path: Path) -> None:
    settings = {"lr": 0.05, "target_lr": 0.05}
    run = fit(small_graph, tmp_path, epochs=60, **settings)
    lowest = int(run.history["alignment"].idxmin())
    # A loss is that of the weights before its epoch's own update.
    before = fit(small_graph, tmp_path, epochs=lowest - 1, **settings).weights
    assert torch.equal(run.weights["encoder.weights.0"], before["online.weights.0"])


def test_with_all_neighbours_a_batch_has_the_predictions_of_the_whole_graph(small_graph: Data) -> None:
    sgrl = model(small_graph, batch_size=20, neighbours=1000)
    whole = sgrl.online(GraphTensors.of(sgrl.inputs).whole)
    for batch in sgrl.batches():
        anchors = sgrl.sampled_anchors(batch)
        torch.testing.assert_close(sgrl.online(GraphTensors.of(batch).whole), whole[anchors])
        assert sgrl.step(batch).total.isfinite()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"momentum": 1.5}, "'momentum' is 1.5; it must be at most 1"),
        ({"target_lr": -1.0}, "'target_lr' is -1.0; it must be at least 0"),
        ({"negatives": "uniform"}, "unknown parameter 'negatives' of method 'sgrl'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
