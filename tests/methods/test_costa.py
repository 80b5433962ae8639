"""COSTA: the facts that pin it to its paper and release."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.costa import Costa, CostaConfig
from workbench.randomness import Randomness
from workbench.views import sketch as sketches
from workbench.views.sketch import sketch


def model(graph: Data, **parameters: object) -> Costa:
    torch.manual_seed(0)
    return Costa(CostaConfig(**{"dim": 8, "projection": 8, **parameters}), graph, Randomness(0))


def fit(graph: Data, store: Path, **more: object) -> wb.Run:
    return wb.fit("costa", graph, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def by_hand(u: torch.Tensor, v: torch.Tensor, tau: float) -> torch.Tensor:
    """The loss of each row against all rows of the other view, both ways, by loops."""
    u, v, losses = normalize(u, dim=1), normalize(v, dim=1), []
    for i in range(len(u)):
        for a, b in ((u, v), (v, u)):
            below = sum((a[i] @ b[j] / tau).exp() for j in range(len(u)))
            losses.append(below.log() - a[i] @ b[i] / tau)  # type: ignore[union-attr]
    return sum(losses) / len(losses)  # type: ignore[return-value]


def test_inner_products_of_columns_are_kept_in_expectation() -> None:
    generator = torch.Generator().manual_seed(0)
    z, draws = torch.randn(20, 3, generator=generator), 4000
    found = [sketch(z, 5, generator) for _ in range(draws)]
    products = torch.stack([s.T @ s for s in found])
    error = products.std(0) / draws**0.5
    assert ((products.mean(0) - z.T @ z).abs() < 4 * error).all() and (error < 0.05 * (z.T @ z).diag().min()).all()
    assert not torch.equal(found[0], found[1]) and found[0].shape == (5, 3)


def test_a_sketch_by_blocks_is_that_of_the_blocks_below_each_other_with_its_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    z = torch.randn(17, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    outside = torch.randn(10, 4, generator=torch.Generator().manual_seed(2))
    monkeypatch.setattr(sketches, "BLOCK", 3 * 17)
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(3)))
    blocks = [*sketches._blocks(10, z, seed)]
    matrix = torch.cat(blocks)
    assert [len(block) for block in blocks] == [3, 3, 3, 1] and len(matrix.unique()) == 170
    summed = sketch(z, 10, torch.Generator().manual_seed(3))
    torch.testing.assert_close(summed, matrix @ z)
    (gradient,) = torch.autograd.grad((summed * outside).sum(), z)
    torch.testing.assert_close(gradient, matrix.T @ outside)


def test_sums_of_both_views_by_one_matrix_are_projected_and_contrasted_across_views(small_graph: Data) -> None:
    costa, streams = model(small_graph, ratio=0.3), Randomness(0)
    views = costa.config.views(GraphTensors.of(small_graph), streams.generator("views"))
    seed = int(torch.randint(2**62, (), generator=streams.generator("sketch")))
    matrix = torch.cat([*sketches._blocks(18, torch.eye(60), seed)])
    u, v = (costa.projector(matrix @ costa.encoder(view)) for view in views)
    torch.testing.assert_close(costa.step(costa.inputs).total, by_hand(u, v, 0.4), rtol=1e-4, atol=1e-5)


def test_the_identity_gives_the_contrast_of_nodes_across_views(small_graph: Data) -> None:
    costa = model(small_graph, mixing="identity")
    views = costa.config.views(GraphTensors.of(small_graph), Randomness(0).generator("views"))
    u, v = (costa.projector(costa.encoder(view)) for view in views)
    torch.testing.assert_close(costa.step(costa.inputs).total, by_hand(u, v, 0.4), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("more", [{}, {"batch_size": 20}])
@pytest.mark.parametrize("negatives", ["uniform", "uniform-each", "debiased"])
def test_some_of_the_sums_can_be_negatives(small_graph: Data, negatives: str, more: dict) -> None:
    costa = model(small_graph, negatives=wb.config.Part(negatives), k=4, **more)
    for batch in costa.batches():
        rows = costa.config.rows(60 if not more else int(batch.batch_size))
        u, v = torch.randn(2, rows, 8, generator=torch.Generator().manual_seed(0))
        contrast = costa.contrast(batch, u, v)
        assert contrast.candidates is not None and contrast.candidates.shape[-1] == 4
        assert contrast.candidates.max() < rows and not contrast.same_view
        assert costa.step(batch).total.isfinite()


def test_it_learns_what_its_loss_says(small_graph: Data, tmp_path: Path) -> None:
    losses = fit(small_graph, tmp_path, epochs=80, lr=0.01).history["loss"]
    assert losses.iloc[-10:].mean() < losses.iloc[:10].mean() - 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ratio": 1.5}, "'ratio' is 1.5; it must be at most 1"),
        ({"negatives": "hop-far"}, "'hop-far' chooses nodes, and COSTA contrasts sums over all nodes"),
        ({"mixing": "gausian"}, "did you mean 'gaussian'"),
    ],
)
def test_mistakes_are_named(small_graph: Data, tmp_path: Path, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(small_graph, tmp_path, **changed)
