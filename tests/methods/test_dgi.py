"""DGI: the facts that pin it to its paper and release."""

import math
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import DeepGraphInfomax, GCNConv

import workbench as wb
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.dgi import DGI, DGIConfig
from workbench.randomness import Randomness


def model(graph: Data, **parameters: object) -> DGI:
    torch.manual_seed(0)
    return DGI(DGIConfig(**{"dim": 8, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, epochs: int = 60, **more: object) -> wb.Run:
    return wb.fit("dgi", graph, "small", store=store, progress=False, epochs=epochs, **more)  # type: ignore[arg-type]


def test_an_undecided_discriminator_loses_ln_2_whatever_the_order_of_the_nodes(small_graph: Data) -> None:
    dgi = model(small_graph)
    true, false = torch.randn(2, 60, 8, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        dgi.matrix.normal_()
        torch.testing.assert_close(dgi.discriminate(true[order], false[order]), dgi.discriminate(true, false))
        dgi.matrix.zero_()
        assert dgi.discriminate(true, false).item() == pytest.approx(math.log(2), abs=1e-6)
        assert dgi.step(dgi.inputs).total.item() == pytest.approx(math.log(2), abs=1e-6)


def test_the_loss_is_that_of_the_bilinear_form_node_by_node_and_of_pyg(small_graph: Data) -> None:
    dgi = model(small_graph)
    true, false = torch.randn(2, 20, 8, generator=torch.Generator().manual_seed(0))
    true.requires_grad_()
    torch.nn.init.normal_(dgi.matrix)
    torch.nn.init.normal_(dgi.bias)
    ours = dgi.discriminate(true, false)
    summary = true.mean(0).sigmoid()
    logits = [h @ dgi.matrix @ summary + dgi.bias for h in (*true, *false)]
    slow = sum(-(t if i < 20 else -t).sigmoid().log() for i, t in enumerate(logits)) / 40
    torch.testing.assert_close(ours, slow.squeeze())
    wanted = (true, dgi.matrix, dgi.bias)
    gradients = zip(torch.autograd.grad(ours, wanted), torch.autograd.grad(slow, wanted), strict=True)
    for fast, plain in gradients:
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)
    theirs = DeepGraphInfomax(8, torch.nn.Identity(), lambda *z: z[0].mean(0).sigmoid(), lambda *z: z)
    torch.nn.init.zeros_(dgi.bias)
    theirs.weight = dgi.matrix
    torch.testing.assert_close(dgi.discriminate(true, false) * 2, theirs.loss(true, false, summary))


def test_false_nodes_have_the_attributes_of_others_and_their_own_neighbours(small_graph: Data) -> None:
    dgi = model(small_graph)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    convolution = GCNConv(40, 8)
    with torch.no_grad():
        convolution.lin.weight.copy_(dgi.online.weights[0].T)
        expected = dgi.online.activation(convolution(small_graph.x[order], small_graph.edge_index))
        found = dgi.online(GraphTensors.of(small_graph).whole, order)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_nothing_is_learned_from_a_corruption_that_changes_nothing(small_graph: Data, tmp_path: Path) -> None:
    control = fit(small_graph, tmp_path, corruption="identity", lr=0.01, patience=0)
    assert control.history["loss"].min() >= math.log(2) - 1e-6
    assert fit(small_graph, tmp_path, lr=0.01, patience=0).history["loss"].iloc[-1] < 0.6


def test_training_ends_when_the_loss_falls_no_more_and_keeps_the_weights_of_the_lowest(
    small_graph: Data, tmp_path: Path
) -> None:
    stopped = fit(small_graph, tmp_path, epochs=1000, lr=0.05, patience=4)
    lowest = int(stopped.history["loss"].idxmin())
    assert stopped.complete and stopped.epochs == lowest + 4 < 1000
    # The lowest loss is that of the weights before the epoch's own update, as where the release saves them.
    at_lowest = fit(small_graph, tmp_path, epochs=lowest, lr=0.05, patience=4)
    assert torch.equal(stopped.embeddings, at_lowest.embeddings)
    assert fit(small_graph, tmp_path, epochs=lowest + 5, lr=0.05, patience=0).epochs == lowest + 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"patience": -1}, "'patience' is -1; it must be at least 0"),
        ({"corruption": "shufle"}, "did you mean 'shuffle'"),
        ({"negatives": "uniform"}, "unknown parameter 'negatives' of method 'dgi'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
