"""HomoGCL: its loss against dense masks, its floor without edges, its clusters and shares."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data

import workbench as wb
from workbench.contrast import Contrast
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.nodes.homogcl import HomoGCL, HomoGCLConfig
from workbench.objectives.clusters import lloyd
from workbench.objectives.infonce import infonce
from workbench.objectives.neighbours import neighbour_infonce, neighbour_weights
from workbench.randomness import Randomness

NO_EDGES = torch.empty(2, 0, dtype=torch.long)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(u: torch.Tensor, v: torch.Tensor, masks: list[torch.Tensor], shares: list[torch.Tensor]) -> torch.Tensor:
    """The loss with a table of all pairs and loops over them."""
    u, v, losses, n = normalize(u), normalize(v), [], len(u)
    for view, (a, b) in enumerate(((u, v), (v, u))):
        same, cross = (a @ a.T / 0.5).exp(), (a @ b.T / 0.5).exp()
        for i in range(n):
            positive = cross[i, i] + sum(shares[view][i, j] * same[i, j] for j in range(n) if masks[view][i, j])
            negative = sum(same[i, j] for j in range(n) if j != i and not masks[view][i, j])
            negative = negative + sum(cross[i, j] for j in range(n) if not masks[1 - view][i, j])
            losses.append(-(positive / (positive + negative)).log())
    return torch.stack(losses).view(2, n).mean(0)


def model(graph: Data, **settings: object) -> HomoGCL:
    return HomoGCL(HomoGCLConfig(dim=8, **{"centres": 4, **settings}), graph, Randomness(0))  # type: ignore[arg-type]


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_the_loss_and_its_gradients_are_those_of_dense_masks(density: float) -> None:
    n = 12
    u, v = (drawn(seed, n, 4).requires_grad_() for seed in (0, 1))
    masks = [drawn(2 + view, n, n).sigmoid() < density for view in range(2)]
    for mask in masks:
        mask |= torch.full((n, n), density == 1)
        mask.fill_diagonal_(False)
    tables = [drawn(4 + view, n, n).sigmoid().requires_grad_() for view in range(2)]
    edges = masks[0].nonzero().T, masks[1].nonzero().T
    shares = tables[0][masks[0]], tables[1][masks[1]]
    found, expected = neighbour_infonce(Contrast(0.5), u, v, edges, shares), dense(u, v, masks, tables)
    torch.testing.assert_close(found, expected)
    leaves = [u, v, *tables]
    for mine, theirs in zip(
        *(torch.autograd.grad(loss.sum(), leaves, materialize_grads=True) for loss in (found, expected)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_weights_of_pairs_are_by_what_the_loss_multiplies_them() -> None:
    n = 9
    u = normalize(drawn(0, n, 4))
    masks = [drawn(2 + view, n, n) < 0 for view in range(2)]
    for mask in masks:
        mask.fill_diagonal_(False)
    edges = masks[0].nonzero().T, masks[1].nonzero().T
    shares = tuple(drawn(4 + view, near.shape[1]).sigmoid() for view, near in enumerate(edges))
    losses = torch.stack([neighbour_infonce(Contrast(0.5), u, u, way, part)
                          for way, part in ((edges, shares), (edges[::-1], shares[::-1]))])  # fmt: skip
    similar, ratios = (u @ u.T / 0.5).exp(), []
    for i in range(n):
        pulled, pushed = neighbour_weights(i, edges, shares, n)  # of both views alike, what it multiplies is the same
        positive, negative = pulled.double() @ similar[i], 2 * pushed.double() @ similar[i]
        other, _ = neighbour_weights(i, edges[::-1], shares[::-1], n)
        second = other.double() @ similar[i]
        ratios.append(((positive + negative).log() - positive.log() + (second + negative).log() - second.log()) / 2)
    torch.testing.assert_close(losses[0], torch.stack(ratios))
    torch.testing.assert_close(losses[1], losses[0])


def test_without_an_edge_the_loss_ends_at_the_logarithm_of_two_and_that_of_grace_at_nothing() -> None:
    apart, none = torch.eye(9, dtype=torch.float64), torch.empty(0, dtype=torch.float64)
    losses = neighbour_infonce(Contrast(0.03), apart, apart, (NO_EDGES, NO_EDGES), (none, none))
    torch.testing.assert_close(losses, torch.full((9,), math.log(2), dtype=torch.float64))
    assert infonce(Contrast(0.03), apart, apart).max() < 1e-12
    worse = neighbour_infonce(Contrast(0.5), drawn(0, 9, 3), drawn(1, 9, 3), (NO_EDGES, NO_EDGES), (none, none))
    assert worse.min() > math.log(2)


def test_a_share_of_nothing_takes_a_pair_out_of_both_sums_with_finite_gradients() -> None:
    u, v = (drawn(seed, 3, 2).requires_grad_() for seed in (0, 1))
    edges, shares = torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss = neighbour_infonce(Contrast(0.5), u, v, (edges, edges), (shares, shares))
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[0, 1] = mask[1, 0] = True
    torch.testing.assert_close(loss, dense(u, v, [mask, mask], [torch.zeros(3, 3)] * 2))
    loss.sum().backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in (u, v, shares))


def test_clusters_are_found_and_nodes_assigned_by_their_distance(small_graph: Data) -> None:
    places = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    rows = places.repeat(20, 1) + 0.1 * drawn(0, 60, 2).float()
    found = min(
        float((torch.cdist(lloyd(rows, 3, 20, torch.Generator().manual_seed(seed)), places)).amin(0).max())
        for seed in range(10)
    )
    assert found < 0.2  # from random rows some starts end elsewhere
    tested = model(small_graph, sigma=0.3)
    z = tested.encoder.embed(small_graph).detach()
    state = tested.starts.get_state()
    assigned = tested.assignments(z)
    tested.starts.set_state(state)
    expected = (-torch.cdist(z, lloyd(z, 4, 20, tested.starts)).square() / 0.3).softmax(1)
    torch.testing.assert_close(assigned, expected, rtol=1e-4, atol=1e-5)


def test_shares_are_cosines_of_assignments_and_the_controls_are_what_they_say(small_graph: Data) -> None:
    edges, assigned = torch.tensor([[0, 0, 1], [1, 2, 0]]), torch.eye(60)[:, :3]
    assigned[2] = torch.tensor([0.5, 0.5, 0.0])
    cosines = torch.tensor([0.0, 0.5**0.5, 0.0])
    torch.testing.assert_close(model(small_graph, average=False).shares(assigned, edges), cosines)
    average = model(small_graph).shares(assigned, edges)
    torch.testing.assert_close(average, cosines / torch.tensor([2.01, 2.01, 1.01]))
    assert model(small_graph, average=False, shares="one").shares(assigned, edges).tolist() == [1, 1, 1]
    many = GraphTensors.of(small_graph).edge_index
    random = drawn(0, 60, 4).softmax(1).float()
    true, shuffled = (
        model(small_graph, average=False, shares=s).shares(random, many) for s in ("clusters", "shuffled")
    )
    assert not torch.equal(true, shuffled)
    torch.testing.assert_close(true.sort().values, shuffled.sort().values)


def test_edges_of_a_view_are_those_it_kept_each_once() -> None:
    edge_index = torch.tensor([[0, 0, 1, 2, 3, 3], [1, 1, 0, 2, 1, 1]])  # one twice each way, and a loop
    graph = GraphTensors(Data(x=torch.ones(4, 2), edge_index=edge_index))
    assert graph.whole.edges(4).T.tolist() == [[0, 1], [1, 0], [1, 3]]
    assert graph.whole.edges(3).T.tolist() == [[0, 1], [1, 0]]
    view = graph.view(0.5, 0.0, torch.Generator().manual_seed(3))
    kept = view.adjacency.to_dense().fill_diagonal_(0).nonzero().tolist()
    assert view.edges(4).T.tolist() == kept and len(kept) < 3


def test_the_step_is_made_of_its_parts(small_graph: Data) -> None:
    directed = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, ::2], num_nodes=60)
    tested = model(directed, edge_drop_1=0.0, edge_drop_2=0.0, feature_drop_1=0.0, feature_drop_2=0.0)
    state = tested.starts.get_state()
    step = tested.step(directed)
    tested.starts.set_state(state)
    z = tested.encoder.embed(directed).detach()
    assigned = tested.assignments(z).double()
    mask = torch.zeros(60, 60, dtype=torch.bool)
    mask[directed.edge_index[1], directed.edge_index[0]] = True  # a target's neighbours are its sources
    mask.fill_diagonal_(False)
    shares = normalize(assigned) @ normalize(assigned).T / (mask.sum(1, keepdim=True) + 0.01)
    expected = dense(z.double(), z.double(), [mask, mask], [shares, shares]).mean()
    assert float(step.terms["contrast"].detach()) == pytest.approx(float(expected), rel=1e-4)
    i, j = mask.nonzero().T
    apart = (assigned[i] - assigned[j]).square().sum() / 4 / (len(i) + 60)
    assert float(step.terms["homophily"].detach()) == pytest.approx(float(apart), rel=1e-3)


def test_no_edges_batches_and_listed_negatives_give_finite_losses(small_graph: Data, tmp_path: Path) -> None:
    lonely = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, :0], num_nodes=60)
    step = model(lonely).step(lonely)
    assert step.terms["homophily"] == 0 and step.total > math.log(2)
    step = model(small_graph, negatives="uniform", k=7).step(small_graph)
    assert step.kept["contrast"].candidates.shape[-1] == 7 and step.total.isfinite()
    run = wb.fit("homogcl", small_graph, "small", batch_size=20, store=tmp_path, progress=False)
    assert run.history["loss"].gt(math.log(2) / 2).all()


def test_what_does_not_fit_is_said(small_graph: Data) -> None:
    with pytest.raises(UserError, match="61 centres of clusters were asked for; 60 nodes give 1 to 60"):
        model(small_graph, centres=61)
    with pytest.raises(UserError, match="its objective must be 'infonce'"):
        HomoGCLConfig(objective="dcl")  # type: ignore[arg-type]
