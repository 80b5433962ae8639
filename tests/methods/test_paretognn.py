"""ParetoGNN: its weights by a solver and closed forms, its losses by hand, one task as itself, and the four tasks."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor
from torch_geometric.data import Data

import workbench as wb
from workbench import methods
from workbench.datasets.links import hold_out_links
from workbench.datasets.structure import partition
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.evaluation import four_tasks
from workbench.methods import Method
from workbench.methods.generative.paretognn import FIVE, ParetoGNN
from workbench.methods.generative.tasks import TASKS
from workbench.objectives.pareto import least_norm
from workbench.randomness import Randomness


def quadratic(vectors: np.ndarray) -> np.ndarray:
    """Return the weights by scipy's non-negative least squares, the sum of 1 being a row that weighs much."""
    heavy = 1e5
    weights = nnls(np.vstack([vectors.T, np.full(len(vectors), heavy)]), np.append(np.zeros(vectors.shape[1]), heavy))[
        0
    ]
    return weights / weights.sum()


def test_the_weights_are_those_of_a_quadratic_program() -> None:
    draw = np.random.default_rng(0)
    for trial in range(1000):
        tasks, dim = draw.integers(1, 6), draw.integers(1, 8)  # gradients may depend on each other
        vectors = draw.normal(size=(tasks, dim)) + draw.normal(size=dim) * (trial % 3)
        if trial % 2:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        gram = vectors @ vectors.T
        found, wanted = least_norm(gram), quadratic(vectors)
        assert (found >= 0).all() and found.sum() == pytest.approx(1)
        assert found @ gram @ found <= wanted @ gram @ wanted + 1e-8
        assert found @ gram @ found == pytest.approx(wanted @ gram @ wanted, abs=1e-3)


def test_the_weights_in_closed_form() -> None:
    for cosine in (-0.9, -0.2, 0.0, 0.7, 1.0):
        gram = np.array([[1, cosine], [cosine, 1]])
        assert least_norm(gram) @ gram @ least_norm(gram) == pytest.approx((1 + cosine) / 2)
        if cosine < 1:
            assert least_norm(gram) == pytest.approx([0.5, 0.5])
    assert least_norm(0.3 * np.ones((5, 5)) + 0.7 * np.eye(5)) == pytest.approx([0.2] * 5)
    lengths = np.array([1.0, 4.0, 9.0])  # squared, of orthogonal gradients
    assert least_norm(np.diag(lengths)) == pytest.approx((1 / lengths) / (1 / lengths).sum())
    hull = np.array([[1.0, 0], [-0.5, 0.8], [-0.5, -0.8]])
    assert least_norm(hull @ hull.T) @ hull == pytest.approx([0, 0], abs=1e-9)
    assert least_norm(np.zeros((3, 3))).sum() == pytest.approx(1)
    assert least_norm(np.diag([1.0, 1.0]) * 0 + np.array([[1, 2], [2, 9]])) == pytest.approx([1, 0]), "one is enough"


def made(graph: Data, **settings: Any) -> tuple[ParetoGNN, GraphTensors]:
    config = methods.configure("paretognn", "small", "", settings)[1]
    torch.manual_seed(0)
    inputs = Data(x=graph.x, edge_index=graph.edge_index, num_nodes=graph.num_nodes)
    return ParetoGNN(config, inputs, Randomness(0)), GraphTensors.of(inputs)


def test_each_loss_is_what_it_says(labelled: Data) -> None:
    model, tensors = made(labelled)
    tasks: Any = model.tasks
    with torch.no_grad():
        tasks["summary"].matrix.zero_()
        tasks["links"].outer.weight.zero_()
        tasks["links"].outer.bias.zero_()
    assert tasks["summary"](model.encoder, tensors).item() == pytest.approx(2 * math.log(2))
    assert tasks["links"](model.encoder, tensors).item() == pytest.approx(math.log(2))

    z = [torch.randn(100, 8, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    views = iter(z)
    loss = tasks["decorrelation"](lambda view: next(views), tensors).item()
    first, second = ((x - x.mean(0)) / x.std(0) for x in z)
    apart = sum((torch.eye(8) - x.T @ x / 100).norm() for x in (first, second))
    assert loss == pytest.approx(((first - second).norm() / 100 + 1e-3 * apart).item(), rel=1e-5)

    # No gradient reaches the encoder through a masked node's own code, unless a neighbour's is made of it.
    codes = torch.randn(100, 8, generator=torch.Generator().manual_seed(3), requires_grad=True)
    seen: list[Tensor] = []

    def encoder(view: Any) -> Tensor:
        seen.append(view.x)
        return codes

    tasks["reconstruction"].token.data += 7
    tasks["reconstruction"](encoder, tensors).backward()
    masked = (seen[0] == 7).all(1)
    assert masked.sum() == 50 and not codes.grad[masked].any() and codes.grad[~masked].any()


@pytest.mark.parametrize("task", FIVE)
def test_one_task_is_that_task_bit_for_bit(task: str, labelled: Data, tmp_path: Path, monkeypatch: Any) -> None:
    quick: dict[str, Any] = {"preset": "small", "tasks": [task], "progress": False}
    alone = wb.fit("paretognn", labelled, store=tmp_path / "a", **quick)
    assert alone.details["weights"].tolist() == [1.0]
    monkeypatch.setattr(ParetoGNN, "update", Method.update)
    assert torch.equal(alone.embeddings, wb.fit("paretognn", labelled, store=tmp_path / "b", **quick).embeddings)


def test_equal_weights_are_the_sum_of_the_losses_and_the_controls_differ(labelled: Data, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"preset": "small", "progress": False}
    runs = {
        name: wb.fit("paretognn", labelled, weighing=name, store=tmp_path / name, **quick)
        for name in ("pareto", "uniform", "normalised-uniform", "dirichlet")
    }
    again = wb.fit("paretognn", labelled, second_draw=True, store=tmp_path / "fresh", **quick)
    for name, run in runs.items():
        assert run.details["weights"].sum().item() == pytest.approx(1) and (run.details["weights"] >= 0).all(), name
    assert runs["uniform"].details["weights"].tolist() == pytest.approx([0.2] * 5)
    embeddings = [run.embeddings for run in (*runs.values(), again)]
    assert not any(torch.equal(a, b) for n, a in enumerate(embeddings) for b in embeddings[:n])

    model, _ = made(labelled, weighing="uniform")
    step = model.step(model.inputs)
    wanted = torch.autograd.grad(step.total, [*model.parameters()], retain_graph=True)
    model.update(step, torch.optim.SGD(model.parameters(), lr=0.0))
    for one, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(one.grad, gradient)


def test_the_gradient_that_is_followed_is_no_task_s_enemy(labelled: Data) -> None:
    model, tensors = made(labelled)
    own = [*model.encoder.parameters()]
    losses = [task(model.encoder, tensors) for task in model.tasks.values()]
    rows = [torch.cat([g.flatten() for g in torch.autograd.grad(loss, own, retain_graph=True)]) for loss in losses]
    gradients = torch.stack(rows)
    unit = (gradients / gradients.norm(dim=1, keepdim=True)).double()
    along = unit @ (torch.from_numpy(model.weigh(gradients)) @ unit)
    assert along.min() > 0 and along[torch.from_numpy(model.weigh(gradients)) > 1e-6].std() < 1e-6


def test_four_tasks_are_scored_and_ranked(labelled: Data) -> None:
    labelled.edge_index = labelled.edge_index[
        :, labelled.y[labelled.edge_index[0]] == labelled.y[labelled.edge_index[1]]
    ]
    graph = hold_out_links(labelled)
    noise = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    good = torch.cat([noise, 9 * torch.eye(2)[graph.y]], 1)
    table = four_tasks({"good": [good, good], "noise": [noise, noise]}, graph, splits=2)
    assert table[["name", "place"]].apply(tuple, axis=1).tolist() == [
        ("good", 0),
        ("good", 1),
        ("noise", 0),
        ("noise", 1),
    ]
    best, worst = table[table["name"] == "good"].iloc[0], table[table["name"] == "noise"].iloc[0]
    assert (best[["nodes", "clusters", "links"]] > worst[["nodes", "clusters", "links"]] + 20).all()
    assert best["rank"] + worst["rank"] == 3 and best["rank"] <= 1.25
    by_hand = graph.clone().update({"y": torch.from_numpy(partition(graph, 10))})
    wanted = wb.evaluate(good, by_hand, "random-10-10-80", splits=2, progress=False).per_split
    assert wb.evaluate(good, graph, "parts", splits=2, progress=False).per_split.equals(wanted)
    with pytest.raises(UserError, match="as many embeddings as the others"):
        four_tasks({"good": [good], "noise": []}, graph)
    with pytest.raises(UserError, match="no links of graph 'two' are held out"):
        four_tasks({"good": [good]}, labelled)


def test_what_it_cannot_learn_on_is_refused_in_a_sentence(labelled: Data) -> None:
    none = torch.empty(2, 0, dtype=torch.long)
    for graph, settings, sentence in (
        (labelled.clone().update({"edge_index": none}), {}, "the task 'links' predicts links, and this graph has none"),
        (labelled, {"tasks": ["link"]}, "unknown task 'link'; did you mean 'links'"),
        (labelled, {"tasks": []}, "tasks names none"),
    ):
        with pytest.raises(UserError, match=sentence):
            wb.fit("paretognn", graph, "small", progress=False, **settings)
    assert TASKS.names() == sorted(FIVE)
