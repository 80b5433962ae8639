"""PixPro: propagation and consistency by hand, and which places of two moved views are pairs."""

import networkx as nx
import pytest
import torch
from conftest import small_rows
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx

import workbench as wb
from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.methods.arrays.pixpro import PixPro, PixProConfig
from workbench.methods.nodes.bgrl import BGRL, BGRLConfig
from workbench.methods.nodes.node_pixpro import NodePixPro, NodePixProConfig
from workbench.objectives.pixels import agreement, consistency, gathered, propagated
from workbench.randomness import Randomness
from workbench.views.rows import moved_by


def test_propagation_is_a_loop_and_leaves_orthogonal_places_their_own_values() -> None:
    g = torch.Generator().manual_seed(0)
    x, values = torch.randn(2, 2, 5, 4, generator=g, dtype=torch.float64)
    loop = torch.zeros_like(x)
    for image in range(2):
        for i in range(5):
            for j in range(5):
                near = torch.cosine_similarity(x[image, i], x[image, j], dim=0).clamp(min=0)
                loop[image, i] += near**2 * values[image, j] / values[image, j].norm()
    torch.testing.assert_close(propagated(x, values), normalize(loop, dim=2))
    own = normalize(values, dim=2)
    torch.testing.assert_close(propagated(torch.eye(5).double()[None].repeat(2, 1, 1), values), own)
    torch.testing.assert_close(propagated(x.float(), values.float(), 1e12), own.float())  # no other place is left
    leaf = torch.cat([x, -x], 1).requires_grad_()
    propagated(leaf, leaf, 0.5).sum().backward()
    assert leaf.grad is not None and leaf.grad.isfinite().all()  # opposite places have a weight of 0


def test_consistency_by_hand() -> None:
    made, near = torch.eye(3)[None].repeat(2, 1, 1), torch.zeros(2, 3, 3)
    near[0] = torch.eye(3)
    assert consistency(made, 5 * made, near).tolist() == [-2, 0]  # the second image has no pair
    assert consistency(made, -made, near).tolist() == [2, 0]
    near[0, 0, 1] = 1
    assert consistency(made, made, near).tolist() == [-1.5, 0]


def pixpro(**more: object) -> PixPro:
    data = small_rows()
    torch.manual_seed(0)
    return PixPro(PixProConfig(channels=2, dim=4, batch_size=0, **more), Rows(x=data.x), Randomness(0))  # type: ignore[arg-type]


def test_pairs_are_the_places_that_show_the_same_part_of_the_image() -> None:
    x = torch.arange(1.0, 65.0).reshape(1, 8, 8)
    views = [moved_by(x, torch.tensor([[down], [across]])) for down, across in ((2, 0), (0, -2))]
    found = pixpro().near(torch.tensor([[2], [2]]), (4, 4))[0]
    shown = [view[0, ::2, ::2].flatten() for view in views]  # the corner of each place
    expected = (shown[0][:, None] == shown[1]) & (shown[0] > 0)[:, None]
    assert found[expected].all() and expected.sum() == 9
    assert found.sum() == 9  # a neighbour is a whole place away
    half = pixpro().near(torch.tensor([[1], [1]]), (4, 4))[0].sum(1)
    assert half.max() == 4 and half.min() == 1  # half a place off, four are as near; in a corner one
    assert not pixpro().near(torch.tensor([[8], [0]]), (4, 4)).any()  # no overlap


@pytest.mark.parametrize("pooled", [False, True])
def test_the_loss_is_within_its_bounds_and_the_target_follows(pooled: bool) -> None:
    method = pixpro(pooled=pooled, momentum=0.5)
    before = [weights.clone() for weights in method.target.parameters()]
    optimiser, losses = method.optimiser(), []
    for _ in range(3):
        step = method.step(method.inputs)
        losses.append(float(step.total.detach()))
        method.update(step, optimiser)
    assert all(-4 <= loss <= 4 for loss in losses) and losses[-1] < losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, method.target.parameters(), strict=True))
    method.after_update()
    mean = [(a + b) / 2 for a, b in zip(before, method.encoder.parameters(), strict=True)]
    torch.testing.assert_close(list(method.target.parameters()), mean, rtol=1e-5, atol=1e-6)
    still = pixpro(pooled=pooled, shift=0, hide=0.0, scale=0.0, noise=0.0, exponent=1e6)
    with torch.no_grad():
        still.value.weight.copy_(torch.eye(4)), still.value.bias.zero_()
        assert float(still.step(still.inputs).total) == pytest.approx(-4, abs=1e-5)  # equal views, an identity


def test_what_pixpro_can_not_learn_is_refused_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"places of images \[rows, height, width\]; this array is \[9, 4\]"):
        wb.fit("pixpro", torch.randn(9, 4), "small", progress=False)
    with pytest.raises(UserError, match=r"'momentum' is 1\.5; it must be at most 1"):
        PixProConfig(momentum=1.5)


def test_on_nodes_it_gathers_and_agrees_as_a_loop_says_and_is_bgrl_without_hops(small_graph: Data) -> None:
    g = torch.Generator().manual_seed(0)
    x, values, target = torch.randn(3, 4, 3, generator=g, dtype=torch.float64)
    pairs = torch.tensor([[0, 0, 1, 2, 2, 3], [0, 1, 1, 2, 3, 3]])
    loop = torch.zeros_like(x)
    for i, j in pairs.T.tolist():
        loop[i] += torch.cosine_similarity(x[i], x[j], dim=0).clamp(min=0) ** 2 * values[j] / values[j].norm()
    made = gathered(x, values, pairs)
    torch.testing.assert_close(made, normalize(loop))
    cosines = [torch.cosine_similarity(made[i], target[j], dim=0) for i, j in pairs.T.tolist()]
    torch.testing.assert_close(agreement(made, target, pairs), -2 * torch.stack(cosines).mean())
    losses = {}
    for kind, config in ((NodePixPro, NodePixProConfig(gathers=0, reach=0, dim=8)), (BGRL, BGRLConfig(dim=8))):
        torch.manual_seed(0)
        method = kind(config, kind_of(small_graph).inputs(small_graph), Randomness(0))
        losses[kind] = method.step(method.inputs).total
    torch.testing.assert_close(losses[NodePixPro], 4 * (losses[BGRL] - 2) / 2)


def test_pairs_of_nodes_are_those_within_the_hops(small_graph: Data) -> None:
    method = NodePixPro(NodePixProConfig(dim=8), kind_of(small_graph).inputs(small_graph), Randomness(0))
    graph = to_networkx(small_graph, to_undirected=True)
    for hops in (0, 1, 2):
        near = {(i, j) for i, far in nx.all_pairs_shortest_path_length(graph, hops) for j in far}
        assert {(i, j) for i, j in method.pairs(method.inputs, hops).T.tolist()} == near
