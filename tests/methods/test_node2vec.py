"""DeepWalk and node2vec: the facts that pin their walks, their loss and what edges say."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

import workbench as wb
from workbench.errors import UserError
from workbench.methods.nodes.deepwalk import DeepWalk, DeepWalkConfig
from workbench.methods.nodes.walks import Walks
from workbench.objectives.skip_gram import skip_gram
from workbench.randomness import Randomness

# A triangle 0 1 2 with a tail 2 - 3 - 4, each edge stored once, and a loop.
FIVE = torch.tensor([[0, 1, 2, 2, 3, 3], [1, 2, 0, 3, 4, 3]])
NEIGHBOURS = {0: [1, 2], 1: [0, 2], 2: [0, 1, 3], 3: [2, 4], 4: [3]}
DRAWS = 40_000


def graph_of(edge_index: Tensor, nodes: int) -> Data:
    return Data(x=torch.ones(nodes, 1), edge_index=edge_index, num_nodes=nodes)


@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (4.0, 0.25), (0.3, 2.0)])
def test_steps_of_a_walk_have_the_probabilities_that_the_paper_gives(p: float, q: float) -> None:
    paths = Walks(graph_of(FIVE, 5))
    walk = paths.draw(torch.arange(5).repeat(DRAWS), 3, torch.Generator().manual_seed(0), p, q)
    counts = torch.bincount((walk * torch.tensor([25, 5, 1])).sum(1), minlength=125).view(5, 5, 5)
    for start in NEIGHBOURS:
        for now in range(5):
            first = int(counts[start, now].sum())
            chance = (now in NEIGHBOURS[start]) / len(NEIGHBOURS[start])
            assert abs(first - DRAWS * chance) <= 5 * math.sqrt(DRAWS * chance * (1 - chance))
            weights = {x: 1 / p if x == start else 1.0 if x in NEIGHBOURS[start] else 1 / q for x in NEIGHBOURS[now]}
            for x in range(5):
                share = weights.get(x, 0.0) / sum(weights.values())
                error = math.sqrt(first * share * (1 - share))
                assert abs(int(counts[start, now, x]) - first * share) <= 5 * error


def test_a_walk_goes_along_edges_and_p_and_q_of_1_are_a_walk_without_memory() -> None:
    paths, starts = Walks(graph_of(FIVE, 5)), torch.arange(5).repeat(20)
    walk = paths.draw(starts, 30, torch.Generator().manual_seed(3), 0.5, 3.0)
    assert walk.shape == (100, 30) and torch.equal(walk[:, 0], starts)
    assert all(b in NEIGHBOURS[a] for row in walk.tolist() for a, b in itertools.pairwise(row))
    assert paths.draw(starts, 1, torch.Generator()).shape == (100, 1)
    # A long walk is as often at a node as that has neighbours.
    visits = paths.draw(torch.arange(5).repeat(400), 60, torch.Generator().manual_seed(0))[:, 20:].flatten()
    torch.testing.assert_close(
        torch.bincount(visits) / len(visits), torch.tensor([2, 2, 3, 2, 1]) / 10, atol=0.02, rtol=0
    )


def test_the_loss_is_the_one_that_loops_give() -> None:
    g = torch.Generator().manual_seed(0)
    centres, contexts, drawn = torch.randn(3, 2, 5, 4, generator=g, dtype=torch.float64)
    pairs = [(w, i, j) for w in range(2) for i in range(5) for j in range(5) if 0 < abs(i - j) <= 2]
    met = sum(math.log1p(math.exp(-float(centres[w, i] @ contexts[w, j]))) for w, i, j in pairs) / len(pairs)
    random = sum(math.log1p(math.exp(float(centres[w, i] @ drawn[w, j]))) for w, i, j in pairs) / len(pairs)
    found = skip_gram(centres, contexts, drawn, 2)
    assert found[0].item() == pytest.approx(met) and found[1].item() == pytest.approx(random)


def test_each_node_starts_its_walks_and_isolated_ones_keep_their_random_vector(small_graph: Data) -> None:
    model = DeepWalk(DeepWalkConfig(dim=8, walks=3, batch=50), small_graph, Randomness(0))
    linked = small_graph.edge_index.unique()
    batches = list(model.batches())
    assert {len(batch) for batch in batches[:-1]} == {50}
    counts = torch.bincount(torch.cat(batches)[:, 0], minlength=60)
    assert counts[linked].eq(3).all() and counts.sum() == 3 * len(linked)
    trained, start = (
        wb.fit("deepwalk", small_graph, "small", progress=False, **more).embeddings for more in ({}, {"epochs": 0})
    )
    alone = torch.ones(60, dtype=torch.bool).index_fill(0, linked, False)
    assert alone.sum() >= 2 and torch.equal(trained[alone], start[alone]) and start[alone].abs().max() > 0
    assert (trained[~alone] != start[~alone]).any(1).all()


def test_attributes_and_directions_are_not_looked_at(small_graph: Data, tmp_path: Path) -> None:
    def embedded(graph: Data) -> Tensor:
        return wb.fit("node2vec", graph, "small", store=tmp_path, progress=False).embeddings

    once = small_graph.edge_index[:, small_graph.edge_index[0] < small_graph.edge_index[1]]
    directed = Data(x=1 - small_graph.x, edge_index=once.flip(1), num_nodes=60)
    assert torch.equal(embedded(small_graph), embedded(directed))
    with pytest.raises(UserError, match="a walk needs an edge between two nodes, and none of this graph's 3 nodes"):
        embedded(graph_of(torch.tensor([[1], [1]]), 3))
    with pytest.raises(UserError, match="weight_decay must be 0"):
        wb.fit("deepwalk", small_graph, "small", progress=False, weight_decay=0.1)


def test_communities_are_found_by_their_edges_and_not_by_shuffled_ones(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 3
    pairs = torch.randint(300, (2, 20_000), generator=g)
    pairs = pairs[:, y[pairs[0]] == y[pairs[1]]][:, :900]
    graphs = [pairs, torch.stack([pairs[0], pairs[1][torch.randperm(900, generator=g)]])]
    found = []
    for edge_index in graphs:
        graph = Data(x=torch.ones(300, 1), edge_index=edge_index, y=y, num_nodes=300)
        run = wb.fit("deepwalk", graph, "quick", store=tmp_path, progress=False, dim=16, epochs=12)
        found.append(wb.evaluate(run, graph, protocol="random-10-10-80", splits=3).accuracy.mean)
    assert found[0] > 90 and found[1] < 45, found
