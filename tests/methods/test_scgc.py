"""SCGC, SCGC* and PamC: the facts that pin them to their pages, and what they have in common."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize
from torch_geometric.data import Data
from torch_geometric.utils import from_networkx

from workbench.contrast import Contrast
from workbench.encoders.mlp import MLP
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.methods.nodes.self_clustering import ClusterMethod, walks
from workbench.objectives.clusters import influence_infonce, proxy_infonce, sharpening, student_assignments
from workbench.randomness import Randomness

THREE = ["scgc", "scgc-star", "pamc"]


def drawn(rows: int, dim: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(edges: Tensor, nodes: int, tau: float = 4.0, powers: int = 1, cumulative: bool = False) -> Contrast:
    mass = walks(edges, nodes, powers, cumulative).tocoo()
    pairs = torch.from_numpy(np.stack([mass.row, mass.col]).astype(np.int64))
    return Contrast(tau, positives=(pairs, torch.from_numpy(mass.data).double()))


def by_loops(z: Tensor, m: np.ndarray, t: float) -> tuple[Tensor, Tensor]:
    """The logarithms of the numerator and the denominator of each node's ratio, by the definition."""
    above, below = [], []
    for i in range(len(z)):
        e = [math.exp(0 if i == j else t * float(cosine_similarity(z[i], z[j], dim=0))) for j in range(len(z))]
        above.append(math.log(sum(m[i, j] * e[j] for j in range(len(z)))))
        below.append(math.log(sum(e)))
    return torch.tensor(above, dtype=torch.float64), torch.tensor(below, dtype=torch.float64)


def complete(nodes: int) -> Tensor:
    return torch.tensor([*itertools.permutations(range(nodes), 2)]).T


def random_links(nodes: int = 14) -> Tensor:
    return from_networkx(nx.gnp_random_graph(nodes, 0.3, seed=1)).edge_index


def model(method: str, graph: Data, **settings: object) -> ClusterMethod:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = METHODS.get(method)(configure(method, "small", "", settings)[1], graph, Randomness(0))
    assert isinstance(made, ClusterMethod)
    return made


# the walks


def test_positives_are_the_powers_of_the_walk_by_loops() -> None:
    edges = torch.tensor([[0, 1, 1, 2, 3, 3, 3], [1, 0, 2, 3, 3, 1, 1]])  # one way, both ways, twice, a loop
    links = {(0, 1), (1, 2), (2, 3), (1, 3)}
    step = np.zeros((5, 5))
    for i in range(5):
        near = [j for j in range(5) if i == j or (i, j) in links or (j, i) in links]
        step[i, near] = 1 / len(near)
    np.testing.assert_allclose(walks(edges, 5, 1, True).toarray(), step, rtol=1e-6)
    np.testing.assert_allclose(walks(edges, 5, 3, False).toarray(), step @ step @ step, rtol=1e-5)
    np.testing.assert_allclose(walks(edges, 5, 3, True).toarray(), step + step @ step + step @ step @ step, rtol=1e-5)
    assert walks(edges, 5, 1, False)[4].toarray().tolist() == [[0, 0, 0, 0, 1]], "who has no link is its own positive"


def test_rewired_links_keep_the_number_of_each_node() -> None:
    edges = random_links(40)
    plain, rewired = (walks(edges, 40, 1, False, seed) > 0 for seed in (None, 7))
    assert (plain.sum(1) == rewired.sum(1)).all() and (rewired != rewired.T).nnz == 0
    assert (plain.multiply(rewired)).nnz < 0.8 * plain.nnz
    assert (rewired != (walks(edges, 40, 1, False, 7) > 0)).nnz == 0
    assert (rewired != (walks(edges, 40, 1, False, 8) > 0)).nnz > 0
    with pytest.raises(UserError, match="links='rewired' finds no other graph of 5 nodes"):
        walks(complete(5), 5, 1, False, 0)


# the contrast


@pytest.mark.parametrize(("powers", "cumulative", "t"), [(1, False, 0.25), (2, False, 1.0), (3, True, 2.25)])
def test_the_loss_is_the_one_that_loops_give(powers: int, cumulative: bool, t: float) -> None:
    edges, z = random_links(), drawn(14)
    above, below = by_loops(z, walks(edges, 14, powers, cumulative).toarray(), t)
    loss = influence_infonce(filled(edges, 14, 1 / t, powers, cumulative), z)
    torch.testing.assert_close(loss, below - above, rtol=1e-6, atol=1e-6)


def test_on_a_complete_graph_nothing_can_be_learned() -> None:
    for powers, value in ((1, math.log(9)), (3, -math.log(3 / 9))):
        z = drawn(9).requires_grad_()
        loss = influence_infonce(filled(complete(9), 9, 4.0, powers, cumulative=True), z)
        torch.testing.assert_close(loss, torch.full_like(loss, value), rtol=1e-5, atol=1e-6)
        loss.mean().backward()
        assert z.grad is not None and z.grad.abs().max() < 1e-7


def test_the_loss_is_bounded_by_degrees_and_knows_no_scale() -> None:
    edges, z = random_links(), drawn(14)
    degree = torch.bincount(edges[0], minlength=14).double()
    contrast = filled(edges, 14, 0.05)  # where the bound is nearly met: as sharp as it may be
    loss = influence_infonce(contrast, z)
    assert loss.mean() >= (degree + 1).log().mean()
    torch.testing.assert_close(influence_infonce(contrast, 7 * z), loss)


def test_without_similarities_only_the_walk_counts() -> None:
    edges, z, never = random_links(), drawn(14), 1e9
    loss = influence_infonce(filled(edges, 14, never), z)
    torch.testing.assert_close(loss.mean(), torch.tensor(math.log(14), dtype=torch.float64), rtol=1e-6, atol=1e-6)
    sums = torch.from_numpy(np.asarray(walks(edges, 14, 2, True).sum(1)).ravel()).double()
    cluster = torch.arange(14) % 3
    loss = proxy_infonce(filled(edges, 14, never, 2, True), z, cluster, 3)
    torch.testing.assert_close(loss.mean(), math.log(3) - sums.log().mean(), rtol=1e-6, atol=1e-6)


def test_with_a_cluster_for_each_node_pamc_is_scgc_star() -> None:
    z, contrast = drawn(14), filled(random_links(), 14, 2.0, 3, cumulative=True)
    star = influence_infonce(contrast, z).mean()
    torch.testing.assert_close(proxy_infonce(contrast, z, torch.randperm(14), 14).mean(), star)


def test_proxies_against_a_loop_and_none_of_an_empty_cluster() -> None:
    edges, z, cluster = random_links(), drawn(14), torch.tensor([0, 0, 3, 3, 3, 1, 1, 1, 1, 0, 0, 3, 1, 0])
    above = by_loops(z, walks(edges, 14, 1, True).toarray(), 0.5)[0]
    proxies = torch.stack([z[cluster == k].sum(0) for k in (0, 1, 3)])
    below = by_loops(proxies, np.eye(3), 0.5)[1]
    found = proxy_infonce(filled(edges, 14, 2.0), z, cluster, 5)
    torch.testing.assert_close(found, below.mean() - above, rtol=1e-6, atol=1e-6)
    assert proxy_infonce(filled(edges, 14, 2.0), z, torch.zeros(14, dtype=torch.long), 5).isfinite().all()


@pytest.mark.parametrize(("noise", "least", "most"), [(0.05, 0.9, 1.0), (3.0, -1.0, 0.9)])
def test_of_tight_blocks_pamc_has_the_gradient_of_scgc_star(noise: float, least: float, most: float) -> None:
    blocks = torch.arange(90) % 3
    z = (4 * torch.eye(3, dtype=torch.float64)[blocks] + noise * drawn(90, 3)).requires_grad_()
    links = (blocks[:, None] == blocks).nonzero().T
    contrast = filled(links[:, torch.rand(links.shape[1], generator=torch.Generator().manual_seed(0)) < 0.3], 90)
    gradients = [
        torch.autograd.grad(loss.mean(), z)[0].flatten()
        for loss in (influence_infonce(contrast, z), proxy_infonce(contrast, z, blocks, 3))
    ]
    assert least <= cosine_similarity(*gradients, dim=0) < most


# the clusters


def test_assignments_and_their_sharper_form_by_hand() -> None:
    q = student_assignments(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]]))
    torch.testing.assert_close(q, torch.tensor([[5 / 6, 1 / 6], [0.5, 0.5]]))
    raw = torch.tensor([[(25 / 36) / (8 / 6), (1 / 36) / (4 / 6)], [0.25 / (8 / 6), 0.25 / (4 / 6)]])
    p = raw / raw.sum(1, keepdim=True)
    torch.testing.assert_close(sharpening(q), (p * (p / q).log()).sum(1))
    even = torch.full((4, 3), 1 / 3)
    torch.testing.assert_close(sharpening(even), torch.zeros(4), atol=1e-6, rtol=0)


def test_the_sharper_form_has_no_gradient() -> None:
    q = student_assignments(drawn(6), drawn(3, seed=1)).requires_grad_()
    sharpening(q).sum().backward()
    fixed = q.detach()
    p = fixed.square() / fixed.sum(0)
    torch.testing.assert_close(q.grad, -(p / p.sum(1, keepdim=True)) / fixed)


# the methods


@pytest.mark.parametrize("method", THREE)
def test_the_encoder_sees_no_link_and_the_walk_is_what_the_settings_say(method: str, small_graph: Data) -> None:
    made = model(method, small_graph, powers=2)
    bare = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, :0], num_nodes=60)
    assert isinstance(made.encoder, MLP) and made.hops(made.config) == 0
    assert torch.equal(made.encoder.embed(small_graph), made.encoder.embed(bare))
    wanted = walks(small_graph.edge_index, 60, 2, method != "scgc")
    assert abs(made.walks - wanted).nnz == 0
    assert bool(made.config.reconstruction) == (method == "scgc")


@pytest.mark.parametrize("method", THREE)
def test_training_begins_with_the_autoencoder_and_centres_come_from_its_code(method: str, small_graph: Data) -> None:
    made = model(method, small_graph, pretraining=2)
    optimiser = made.optimiser()
    made.before_epoch(1, optimiser)
    (batch,) = made.batches()
    step = made.step(batch)
    assert step.terms["contrast"] == step.terms["clusters"] == 0 and optimiser.param_groups[0]["lr"] == 1e-3
    decoded = made.decoder(made.encoder.embed(batch))
    torch.testing.assert_close(step.total, (decoded - small_graph.x[batch.n_id]).square().mean())
    made.update(step, optimiser)
    assert len(optimiser.state) and not made.centres.any()
    made.before_epoch(2, optimiser)
    assert not len(optimiser.state) and optimiser.param_groups[0]["lr"] == made.config.lr
    codes = made.encoder.embed(small_graph).detach()
    nearest = torch.cdist(codes, made.centres).argmin(1)
    for cluster, centre in enumerate(made.centres):
        torch.testing.assert_close(centre, codes[nearest == cluster].mean(0), rtol=1e-3, atol=1e-4)
    step = made.step(small_graph)
    assert step.terms["contrast"] > 0 and step.terms["clusters"] > 0
    assert (step.terms["reconstruction"] > 0) == (method == "scgc")


def test_all_negatives_one_by_one_are_all_negatives(small_graph: Data) -> None:
    losses = []
    for settings in ({}, {"negatives": "uniform", "k": 59}, {"negatives": "uniform-each", "k": 59}):
        made = model("scgc", small_graph, pretraining=0, **settings)
        losses.append(made.step(small_graph).terms["contrast"].item())
    assert losses[1] < losses[0]  # one node is not listed, and none twice
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_with_one_step_scgc_star_has_the_contrast_of_scgc(small_graph: Data) -> None:
    losses = [model(method, small_graph, pretraining=0).step(small_graph).terms["contrast"] for method in THREE[:2]]
    assert torch.equal(*losses)


@pytest.mark.parametrize("method", THREE)
def test_positives_of_a_batch_are_those_among_its_anchors(method: str, small_graph: Data) -> None:
    made = model(method, small_graph, pretraining=0, batch_size=20)
    for batch in made.batches():
        ids = batch.n_id[: batch.batch_size].numpy()
        (pairs, mass), table = made.positives(batch), np.zeros((len(ids), len(ids)))
        table[tuple(pairs.numpy())] = mass
        np.testing.assert_allclose(table, made.walks.toarray()[np.ix_(ids, ids)])


def test_the_controls_draw_by_the_seed(small_graph: Data) -> None:
    first, again, plain = (model("scgc", small_graph, links=links) for links in ("rewired", "rewired", "graph"))
    assert abs(first.walks - again.walks).nnz == 0 and abs(first.walks - plain.walks).nnz > 0
    losses = [
        model("pamc", small_graph, pretraining=0, assignment=assignment).step(small_graph).terms["contrast"].item()
        for assignment in ("random", "random", "learned")
    ]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("method", THREE)
def test_a_graph_without_links_and_one_with_few_nodes_say_what_they_are(method: str) -> None:
    x = torch.rand(12, 5, generator=torch.Generator().manual_seed(0))
    bare = Data(x=x, edge_index=torch.empty(2, 0, dtype=torch.long), num_nodes=12)
    made = model(method, bare, pretraining=0)
    made.find_centres()
    assert made.step(bare).total.isfinite() and {*made.details()["cluster"].tolist()} == {0, 1, 2}
    with pytest.raises(UserError, match="13 centres of clusters were asked for; 12 nodes give 1 to 12"):
        model(method, bare, centres=13)
    with pytest.raises(UserError, match="links='rewired' finds no other graph"):
        model(method, bare, links="rewired")
    one = Data(x=x[:1], edge_index=bare.edge_index, num_nodes=1)
    loss = model(method, one, pretraining=0, centres=1).step(one).terms["contrast"].item()
    assert loss == pytest.approx(0, abs=1e-6)


def test_another_objective_is_refused() -> None:
    for method in THREE[:2]:
        with pytest.raises(UserError, match="objective must be 'infonce'"):
            configure(method, "small", "", {"objective": "dcl"})


@pytest.mark.parametrize("method", THREE)
def test_training_pulls_linked_nodes_together(method: str) -> None:
    graph = nx.planted_partition_graph(3, 20, 0.5, 0.02, seed=0)
    noise = torch.randn(60, 16, generator=torch.Generator().manual_seed(0))
    x = noise + torch.eye(16)[torch.arange(60) // 20]
    data = Data(x=x, edge_index=from_networkx(graph).edge_index, num_nodes=60)
    made = model(method, data, pretraining=0, lr=1e-2, beta=0.1)
    optimiser = made.optimiser()

    def near() -> float:
        z = normalize(made.encoder.embed(data).detach())
        return float((z[data.edge_index[0]] * z[data.edge_index[1]]).sum(1).mean() - z.mean(0).square().sum())

    before = near()
    made.before_epoch(0, optimiser)
    for _ in range(80):
        made.update(made.step(data), optimiser)
    assert near() > before + 0.03
