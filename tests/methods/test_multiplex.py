"""InfoMGF: the facts that pin it to its paper and release, and its graphs against dense matrices."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

import workbench as wb
from workbench.contrast.pairs import Contrast
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import as_multiplex, relations
from workbench.datasets.synthetic.embedded import library
from workbench.encoders.fused import knn_graph, nearest, normalised
from workbench.encoders.sparse import EdgeProduct, Pattern
from workbench.errors import UserError
from workbench.methods import configure
from workbench.methods.multiplex.infomgf import InfoMGF
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness

G = torch.Generator().manual_seed(1)


@pytest.fixture
def books() -> HeteroData:
    return as_multiplex(library(books=90, authors=40, shelves=9))


def made(data: HeteroData, **parameters: Any) -> tuple[InfoMGF, HeteroData]:
    inputs = kind_of(data).inputs(data)
    torch.manual_seed(0)
    return InfoMGF(configure("infomgf", "small", "", parameters)[1], inputs, Randomness(0)).eval(), inputs


def test_nearest_by_blocks_are_those_of_the_whole_table() -> None:
    z = torch.randn(50, 7, generator=G)
    assert torch.equal(nearest(z, 4, block=120), (z @ z.T).topk(4).indices)


def test_a_learned_graph_and_its_gradient_are_those_of_dense_matrices() -> None:
    z = torch.randn(30, 5, generator=G, dtype=torch.float64).requires_grad_()
    x = torch.randn(30, 3, generator=G, dtype=torch.float64).requires_grad_()
    graph = normalised(*knn_graph(z, 4))
    unit = normalize(z, dim=1)
    table = unit @ unit.T
    kept = torch.zeros_like(table).scatter(1, table.topk(5).indices, 1.0)
    s = ((table * kept + (table * kept).T) / 2).clamp(min=0)
    degree = s.sum(1)
    wanted = (s / (degree[:, None] * degree).sqrt()) @ x
    torch.testing.assert_close(graph(x), wanted)
    shake = torch.randn(30, 3, generator=G, dtype=torch.float64)
    for fast, slow in zip(*(torch.autograd.grad((y * shake).sum(), (z, x)) for y in (graph(x), wanted)), strict=True):
        torch.testing.assert_close(fast, slow)


def test_entries_that_are_not_symmetric_are_turned_backwards() -> None:
    pattern = Pattern.of(torch.tensor([1, 3, 5, 7]), 3)  # (0,1) (1,0) (1,2) (2,1)
    values = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    x = torch.randn(3, 2, generator=G).requires_grad_()
    table = torch.tensor([[0, 1.0, 0], [2, 0, 3], [0, 4, 0]])
    product = EdgeProduct.apply(values, x, pattern)
    torch.testing.assert_close(product, table @ x)
    by_value, by_x = torch.autograd.grad(product.sum(), (values, x))
    torch.testing.assert_close(by_x, table.T @ torch.ones(3, 2))
    torch.testing.assert_close(by_value, x.sum(1)[[1, 0, 2, 1]])


def test_before_training_a_graph_is_that_of_nearest_propagated_attributes(books: HeteroData) -> None:
    method, inputs = made(books, columns=0)
    x = inputs["book"].x
    for f, name, code in zip(
        method.relations.along, ("bab", "bsb"), method.encoder.refined(method.relations), strict=True
    ):
        edges = books["book", name, "book"].edge_index
        a = torch.zeros(90, 90).index_put(tuple(edges), torch.tensor(1.0)).fill_diagonal_(1)
        smooth = a / (a.sum(0)[:, None] * a.sum(0)).sqrt()
        wanted = normalize(smooth @ (smooth @ x), dim=1)
        torch.testing.assert_close(f, wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(code, wanted.relu(), rtol=1e-4, atol=1e-5)
    details = method.details()
    assert details["inside"].shape == (2, details["edges"].shape[1]) and bool(
        (details["edges"][0] < details["edges"][1]).all()
    )
    counts = relations(library(books=90, authors=40, shelves=9))
    for inside, name in zip(details["inside"], ("bab", "bsb"), strict=True):
        expected = [counts[name][i, j] > 0 for i, j in details["edges"].T.tolist()]
        assert inside.tolist() == expected


def test_a_fixed_map_keeps_inner_products_and_is_kept_with_the_weights(books: HeteroData) -> None:
    method, inputs = made(books, columns=16)
    same, other = made(books, columns=16)[0], made(books, columns=16)[0]
    other.encoder.seed.fill_(5)
    other.encoder.kept = None
    assert method.relations.own.shape == (90, 16)
    torch.testing.assert_close(same.relations.own, method.relations.own)
    assert not torch.allclose(other.encoder.relations(inputs).own, method.relations.own)


def test_the_loss_has_the_values_of_its_closed_forms() -> None:
    contrast = Contrast(0.2, same_view=False)
    collapsed = torch.ones(24, 30)
    torch.testing.assert_close(infonce(contrast, collapsed, collapsed), torch.full((24,), math.log(24)))
    apart = torch.eye(24, 30)
    wanted = math.log(1 + 23 * math.exp(-5))
    torch.testing.assert_close(infonce(contrast, apart, apart), torch.full((24,), wanted), rtol=1e-5, atol=1e-5)


def test_loops_stay_and_the_released_noise_is_none(books: HeteroData) -> None:
    for parameters in (
        {"augmentation": "random"},
        {"augmentation": "learned"},
        {"augmentation": "learned", "noise": "real"},
    ):
        method, _ = made(books, **parameters)
        whole = method.relations.graphs[0]
        loops = whole.pattern.rows == whole.pattern.columns
        with torch.no_grad():
            first, second = (method.augmented(0).values for _ in range(2))
        assert torch.equal(first[loops], whole.values[loops])
        assert torch.equal(first, second) == (parameters == {"augmentation": "learned"})


def test_the_augmentation_learns_by_its_own_loss_alone(books: HeteroData) -> None:
    method, inputs = made(books, augmentation="learned", noise="real")
    optimiser = method.optimiser()
    assert [group["lr"] for group in optimiser.param_groups] == [0.01, 1e-3]
    before = {name: value.clone() for name, value in method.named_parameters()}
    step = method.step(inputs)
    grads = torch.autograd.grad(step.total, [*method.augmentation.parameters()], allow_unused=True, retain_graph=True)
    assert all(grad is None for grad in grads)
    method.update(step, optimiser)
    moved = {name for name, value in method.named_parameters() if not torch.equal(value, before[name])}
    assert {"augmentation.ends.0.weight", "encoder.first.weight", "encoder.fusing.first"} <= moved


def test_what_the_augmentation_minimises_is_that_of_loops(books: HeteroData) -> None:
    method, _ = made(books, augmentation="learned", spread=0.3)
    relations, encoder = method.relations, method.encoder
    mixed, wanted = encoder.mixed(relations), []
    for number, code in enumerate(encoder.refined(relations)):
        z, view = (encoder.convolved(mixed, graph) for graph in (encoder.graph_of(code), method.augmented(number)))
        u, v = (normalize(method.unique[number](one), dim=1).detach() for one in (z, view))
        cosines = torch.tensor([[float(a @ b) for b in v] for a in u])
        alike = (cosines.diagonal().mean() - cosines.mean()) / 0.2
        decoded = method.augmentation.decoders[number](view)
        lost = torch.stack([1 - torch.cosine_similarity(a, b, dim=0) for a, b in
                            zip(decoded, relations.along[number], strict=True)])  # fmt: skip
        wanted.append(0.3 * alike + lost.mean())
    torch.testing.assert_close(method.augmentation_loss(method.augmentation), sum(wanted) / 2)


@pytest.mark.parametrize(
    "case", ["an empty relation", "one node", "one relation", "no attributes", "NaN", "no relation"]
)
def test_an_odd_multiplex_graph_is_embedded_or_refused_in_a_sentence(
    case: str, books: HeteroData, tmp_path: Path
) -> None:
    refused = {
        "no attributes": r"needs attributes \(x\) of its nodes and at least one relation",
        "no relation": r"needs attributes \(x\) of its nodes and at least one relation",
        "NaN": r"attributes \(x\) of 'book' hold NaN",
    }
    if case == "an empty relation":
        books["book", "bab", "book"].edge_index = torch.empty(2, 0, dtype=torch.long)
    if case == "NaN":
        books["book"].x[0, 0] = torch.nan
    if case == "no attributes":
        del books["book"].x
        books["book"].num_nodes = 90
    if case in ("one relation", "no relation"):
        del books["book", "bab", "book"]
    if case == "no relation":
        del books["book", "bsb", "book"]
    if case == "one node":
        books = HeteroData()
        books["book"].x = torch.ones(1, 3)
        books["book", "bab", "book"].edge_index = torch.empty(2, 0, dtype=torch.long)
    if told := refused.get(case):
        with pytest.raises(UserError, match=told):
            wb.fit("infomgf", books, "small", store=tmp_path, epochs=1, progress=False)
        return
    run = wb.fit("infomgf", books, "small", store=tmp_path, epochs=1, progress=False)
    assert run.embeddings.isfinite().all() and run.history.notna().all().all()
