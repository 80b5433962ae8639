"""Batches of a graph's nodes: which neighbours are drawn, what anchors embed to, and that training goes on to the same
bits."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.sampler import NodeSamplerInput

import workbench as wb
from workbench.encoders import gcn
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods import METHODS, configure
from workbench.methods.nodes.batches import BatchConfig, NeighbourSampler
from workbench.randomness import Randomness

BATCHED = [name for name in wb.methods.names("nodes") if issubclass(METHODS.get(name).Config, BatchConfig)]


def model(method: str, graph: Data, **settings):
    config = configure(method, "small", "", settings)[1]
    return METHODS.get(method)(config, wb.datasets.kinds.kind_of(graph).inputs(graph), Randomness(0))


def test_all_methods_of_nodes_but_eight_take_batches():
    # E2Neg has few centres, a step of few-negatives or few-rules few anchors, a batch of walks is another thing,
    # targets of SelfTask and tasks of ParetoGNN are of the whole graph, and in a transformer all nodes see each other.
    few = {"deepwalk", "e2neg", "few-negatives", "few-rules", "node2vec"}
    assert {*wb.methods.names("nodes")} - {*BATCHED} == few | {"adapt", "paretognn", "selftask"}


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_neighbours_are_drawn_without_replacement_up_to_the_most(small_graph, most):
    sources, targets = small_graph.edge_index
    sampler = NeighbourSampler(small_graph.edge_index, small_graph.num_nodes, most, 2, torch.Generator())
    anchors = torch.tensor([5, 0, 17])
    drawn = sampler.sample_from_nodes(NodeSamplerInput(None, anchors))
    nodes, row, column = drawn.node, drawn.row, drawn.col
    assert nodes[:3].tolist() == anchors.tolist() and len(nodes.unique()) == len(nodes) == sum(drawn.num_sampled_nodes)
    expanded = sum(drawn.num_sampled_nodes[:2])
    for place, node in enumerate(nodes.tolist()):
        known = sorted(sources[(targets == node) & (sources != node)].tolist())
        got = sorted(nodes[row[column == place]].tolist())
        if place >= expanded:
            assert not got
        else:
            assert len(got) == min(len(known), most) and len({*got}) == len(got) and {*got} <= {*known}
            assert int(sampler.degree(torch.tensor([node]))) == len(known)


def test_each_neighbour_is_drawn_as_often_as_any_other():
    leaves = torch.arange(1, 11)
    sampler = NeighbourSampler(torch.stack([leaves, 0 * leaves]), 11, 3, 1, torch.Generator().manual_seed(0))
    drawn = torch.cat([sampler.draw(torch.tensor([0]))[0] for _ in range(2000)])
    shares = torch.bincount(drawn, minlength=11)[1:] / 2000
    assert (shares - 0.3).abs().max() < 0.05  # five times the standard error


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_with_all_neighbours_anchors_embed_as_on_the_whole_graph(small_graph, layers):
    grace = model("grace", small_graph, layers=layers, batch_size=7, neighbours=1000)
    whole = grace.encoder(GraphTensors.of(grace.inputs).whole)
    seen = []
    for batch in grace.batches():
        anchors = batch.n_id[: batch.batch_size]
        torch.testing.assert_close(grace.encoder(GraphTensors.of(batch).whole), whole[anchors])
        seen.append(anchors)
    assert sorted(torch.cat(seen).tolist()) == list(range(small_graph.num_nodes))
    assert {len(anchors) for anchors in seen} <= {6, 7}


def test_a_sparse_graph_gives_the_same_batches(small_graph):
    sparse = Data(x=small_graph.x.to_sparse_csr(), edge_index=small_graph.edge_index, num_nodes=small_graph.num_nodes)
    pairs = zip(
        *(model("grace", graph, batch_size=20, neighbours=2).batches() for graph in (small_graph, sparse)), strict=True
    )
    for dense, other in pairs:
        assert torch.equal(dense.x, other.x.to_dense()) and torch.equal(dense.edge_index, other.edge_index)


@pytest.mark.parametrize("method", BATCHED)
def test_an_interrupted_training_by_batches_goes_on_to_the_same_bits(method, small_graph, tmp_path):
    settings = {"preset": "small", "batch_size": 20, "neighbours": 3, "epochs": 4, "progress": False, "snapshots": 2}
    whole = wb.fit(method, small_graph, store=tmp_path / "whole", **settings)
    torn = wb.fit(
        method, small_graph, store=tmp_path / "torn", callback=lambda progress: progress.epoch < 2, **settings
    )
    assert not torn.complete and torn.epochs == 2
    again = wb.fit(method, small_graph, store=tmp_path / "torn", **settings)
    assert torch.equal(again.embeddings, whole.embeddings) and again.complete
    assert again.history["loss"].tolist() == whole.history["loss"].tolist()
    assert whole.contrast is None and not whole.projections  # those of some nodes would pass for all
    assert torch.equal(again.snapshots[4], whole.snapshots[4])
    other = wb.fit(method, small_graph, store=tmp_path / "other", seed=1, **settings)
    assert not torch.equal(other.embeddings, whole.embeddings)


@pytest.mark.parametrize("sampler", ["uniform", "hop-far", "hardest"])
def test_negatives_of_a_batch_are_chosen_among_its_anchors(sampler, small_graph):
    grace = model("grace", small_graph, batch_size=20, neighbours=3, negatives=sampler, k=4)
    batch = next(iter(grace.batches()))
    assert grace.step(batch).total.isfinite()
    contrast = grace.step(batch).kept["contrast"]
    assert contrast.candidates.max() < batch.batch_size


def test_rows_of_a_large_graph_are_embedded_in_blocks_to_the_same_bits(small_graph, monkeypatch):
    encoder = GCN((small_graph.num_features, 16, 8), "prelu-layers", norm="batch").eval()
    with torch.no_grad():
        whole = encoder.embed(small_graph)
        monkeypatch.setattr(gcn, "BLOCK", 100)
        assert torch.equal(encoder.embed(small_graph), whole)


def test_a_batch_of_one_is_refused(small_graph, tmp_path):
    with pytest.raises(UserError, match="batch_size is 1; it must be 0"):
        wb.fit("grace", small_graph, batch_size=1, store=tmp_path)
    with pytest.raises(UserError, match="unknown parameter 'batch_size' of method 'e2neg'"):
        wb.fit("e2neg", small_graph, batch_size=10, store=tmp_path)


@pytest.mark.parametrize(("nodes", "size", "parts"), [(60, 60, 1), (60, 59, 2), (61, 20, 4), (5, 2, 2), (3, 2, 1)])
def test_no_batch_is_larger_than_asked_or_a_single_anchor(nodes, size, parts):
    config = configure("grace", "small", "", {"batch_size": size})[1]
    assert METHODS.get("grace").parts(config, nodes) == parts


def test_sampled_neighbours_stand_for_all_of_a_hub():
    leaves = torch.arange(1, 1001)
    x = torch.rand(1001, 4, generator=torch.Generator().manual_seed(0))
    star = Data(x=x, edge_index=torch.cat([torch.stack([leaves, 0 * leaves]), torch.stack([0 * leaves, leaves])], 1))
    grace = model("grace", star, layers=1, batch_size=500, neighbours=200)
    row = next(GraphTensors.of(batch).whole.step(0)[0].to_dense() for batch in hubs(grace))
    whole = GraphTensors.of(grace.inputs).whole.adjacency[0].to_dense()
    assert row.count_nonzero() == 201  # itself and the sampled ones
    torch.testing.assert_close(row.sum(), whole.sum())


def hubs(method):
    for batch in method.batches():
        if (place := (batch.n_id == 0).nonzero()[0, 0]) < batch.num_sampled_nodes[0]:
            # The hub first, so that its row is the first one.
            order = torch.arange(len(batch.n_id))
            order[0], order[place] = place, 0
            batch.x, batch.degree, batch.n_id = batch.x[order], batch.degree[order], batch.n_id[order]
            batch.edge_index = order.argsort()[batch.edge_index]
            yield batch


def test_stored_self_loops_are_in_a_batch_as_often_as_a_layer_needs_them(small_graph):
    loops = torch.tensor([[3, 7], [3, 7]])
    looped = Data(x=small_graph.x, edge_index=torch.cat([small_graph.edge_index, loops], 1), num_nodes=60)
    mae = model("graphmae", looped, encoder={"name": "gin", "norm": "none"}, batch_size=20, neighbours=1000).eval()
    whole = mae.encoder.embed(mae.inputs)
    for batch in mae.batches():
        codes = mae.encoder.embed(Data(x=batch.x, edge_index=batch.edge_index))
        torch.testing.assert_close(codes[: batch.batch_size], whole[batch.n_id[: batch.batch_size]])


def test_graph_convolutions_of_graphmae_are_exact_with_all_neighbours(small_graph):
    mae = model("graphmae", small_graph, encoder="gcn", batch_size=20, neighbours=1000).eval()
    whole = mae.encoder.embed(mae.inputs)
    for batch in mae.batches():
        codes = mae.encoder.embed(Data(x=batch.x, edge_index=batch.edge_index, degree=batch.degree))
        torch.testing.assert_close(codes[: batch.batch_size], whole[batch.n_id[: batch.batch_size]])


def test_a_batch_without_a_masked_anchor_learns_from_another_node(small_graph, tmp_path):
    run = wb.fit("graphmae", small_graph, preset="small", batch_size=2, store=tmp_path, progress=False)
    assert run.history["loss"].gt(0).all()


def test_bgrl_warms_up_within_an_epoch_of_batches(small_graph, tmp_path):
    settings = {"preset": "small", "batch_size": 20, "warmup": 1, "store": tmp_path, "progress": False}
    trained, before = (wb.fit("bgrl", small_graph, epochs=epochs, **settings) for epochs in (1, 0))
    assert not torch.equal(trained.embeddings, before.embeddings)


def test_too_few_negatives_in_a_batch_are_said_to_be_those_of_a_batch(small_graph, tmp_path):
    edgeless = Data(x=small_graph.x, edge_index=small_graph.edge_index[:, :0], num_nodes=60)
    with pytest.raises(UserError, match="among its 2 anchors, and a larger batch_size has more"):
        wb.fit("grace", edgeless, preset="small", batch_size=2, negatives="hop-near", store=tmp_path, progress=False)
