"""InfoGraph: the facts that pin it to its paper and release."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import softplus
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINConv, Sequential

import workbench as wb
from workbench.datasets.graph_sets import GraphSet
from workbench.datasets.kinds import kind_of
from workbench.datasets.synthetic.embedded import rings
from workbench.errors import UserError
from workbench.methods.graph_sets.infograph import InfoGraph, InfoGraphConfig
from workbench.randomness import Randomness


@pytest.fixture
def graphs() -> GraphSet:
    return rings(graphs=20)


def model(data: GraphSet, **parameters: object) -> InfoGraph:
    torch.manual_seed(0)
    config = InfoGraphConfig(**{"dim": 8, "layers": 2, **parameters})
    return InfoGraph(config, kind_of(data).inputs(data), Randomness(0))


def fit(data: GraphSet, store: Path, **more: object) -> wb.Run:
    return wb.fit("infograph", data, "small", store=store, progress=False, **more)  # type: ignore[arg-type]


def test_the_loss_is_that_of_a_loop_over_pairs_of_nodes_and_graphs(graphs: GraphSet) -> None:
    info, batch = model(graphs), Batch.from_data_list(graphs[:4])
    codes = torch.randn(batch.num_nodes, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    pooled = torch.stack([codes[batch.batch == number].sum(0) for number in range(4)])
    ours = info.discriminate(codes, pooled, batch.batch)
    nodes, whole = info.node_head(codes), info.graph_head(pooled)
    positive, negative = [], []
    for node, owner in enumerate(batch.batch.tolist()):
        for graph in range(4):
            logit = nodes[node] @ whole[graph]
            (positive if graph == owner else negative).append(softplus(-logit if graph == owner else logit))
    slow = sum(positive) / len(positive) + sum(negative) / len(negative) - 2 * math.log(2)
    torch.testing.assert_close(ours, slow)
    wanted = (codes, *info.node_head.parameters(), *info.graph_head.parameters())
    gradients = zip(
        torch.autograd.grad(ours, wanted, retain_graph=True), torch.autograd.grad(slow, wanted), strict=True
    )
    for fast, plain in gradients:
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


def test_the_loss_is_that_of_the_release_in_which_masked_pairs_are_logits_of_0(graphs: GraphSet) -> None:
    info, batch = model(graphs), next(iter(model(graphs).batches()))
    info.eval()
    codes = info.encoder(batch.x, batch.edge_index)
    pooled = info.encoder.embed(batch.to_data_list())
    own = torch.nn.functional.one_hot(batch.batch, batch.num_graphs)
    logits = info.node_head(codes) @ info.graph_head(pooled).T
    true = (math.log(2) - softplus(-logits * own)).sum() / batch.num_nodes
    false = (softplus(logits * (1 - own)) - math.log(2)).sum() / (batch.num_nodes * (batch.num_graphs - 1))
    torch.testing.assert_close(info.step(batch).total, false - true)
    for head in (info.node_head, info.graph_head):
        for weight in head.parameters():
            torch.nn.init.zeros_(weight)
    assert info.step(batch).total.item() == pytest.approx(0, abs=1e-6), "an undecided discriminator loses nothing"


def test_the_encoder_is_that_of_the_release_written_in_pyg(graphs: GraphSet) -> None:
    encoder, graph = model(graphs, layers=3).encoder, graphs[0]
    assert not any(linear.bias.any() for linear in encoder.modules() if isinstance(linear, torch.nn.Linear))
    with torch.no_grad():
        for norm in encoder.norms:
            norm.weight.uniform_()
            norm.bias.uniform_()
    for training in (True, False):
        encoder.train(training)
        x, codes = graph.x, []
        for convolution, norm in zip(encoder.convolutions, encoder.norms, strict=True):
            assert [type(module) for module in convolution.nn] == [torch.nn.Linear, torch.nn.ReLU, torch.nn.Linear]
            x = torch.nn.functional.batch_norm(
                convolution(x, graph.edge_index).relu(),
                norm.running_mean.clone(),
                norm.running_var.clone(),
                norm.weight,
                norm.bias,
                training,
            )
            codes.append(x)
        torch.testing.assert_close(encoder(graph.x, graph.edge_index), torch.cat(codes, 1))
    plain = encoder.plain()
    names = {"GINConv": GINConv, "nn": torch.nn, "torch": torch}
    exported = Sequential(
        "x, edge_index", [(eval(made, names), f"{takes} -> {gives}") for made, takes, gives in plain.layers]
    )
    exported.load_state_dict(plain.state)
    found = exported.eval()(graph.x, graph.edge_index)
    torch.testing.assert_close(found, encoder(graph.x, graph.edge_index))
    assert found.shape == (graph.num_nodes, 24)


def test_a_graph_is_the_sum_of_its_nodes_whatever_their_order_and_its_batch(graphs: GraphSet, tmp_path: Path) -> None:
    run = fit(graphs, tmp_path)
    sums = [run.encoder(graph.x, graph.edge_index).sum(0) for graph in graphs]
    torch.testing.assert_close(run.embeddings, torch.stack(sums).detach())
    moved = []
    for graph in graphs:
        order = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(graph.num_nodes))
        moved.append(Data(x=graph.x[order], edge_index=order.argsort()[graph.edge_index]))
    assert not torch.equal(moved[0].edge_index, graphs[0].edge_index)
    torch.testing.assert_close(run.encode(moved), run.embeddings)
    torch.testing.assert_close(run.encode(graphs[:1]), run.embeddings[:1])
    torch.testing.assert_close(run.encode(graphs[::-1]), run.embeddings.flip(0))
    many = [*graphs] * 20  # more than one batch
    torch.testing.assert_close(run.encode(many), run.embeddings.repeat(20, 1))
    empty = Data(x=torch.zeros(0, graphs[0].num_features), edge_index=torch.zeros(2, 0, dtype=torch.long))
    assert not run.encode([graphs[0], empty])[1].any()


@pytest.mark.parametrize(("count", "seen"), [(20, 20), (17, 16)])
def test_an_epoch_has_each_graph_once_in_a_new_order_but_none_alone_in_its_batch(count: int, seen: int) -> None:
    data = rings(graphs=count)
    for number, graph in enumerate(data):
        graph.x = torch.full((graph.num_nodes, 3), float(number))
    info = model(data, batch_size=8)
    first, second = ([float(g.x[0, 0]) for batch in info.batches() for g in batch.to_data_list()] for _ in range(2))
    assert len(first) == len(set(first)) == seen and first != second
    assert min(batch.num_graphs for batch in info.batches()) > 1


def test_what_each_node_is_paired_with_is_what_is_learned(graphs: GraphSet, tmp_path: Path) -> None:
    for number, graph in enumerate(graphs):
        g = torch.Generator().manual_seed(number)
        graph.x = torch.randn(1, 4, generator=g) + torch.randn(graph.num_nodes, 4, generator=g)
    losses = {
        owner: fit(graphs, tmp_path, epochs=60, lr=0.01, batch_size=20, owner=owner).history["loss"].iloc[-1]
        for owner in ("own", "shuffled")
    }
    assert losses["own"] < -0.5 and losses["shuffled"] > 0, "owners drawn anew each step teach nothing"


def test_quick_tells_apart_what_the_sum_of_attributes_does_not(tmp_path: Path) -> None:
    data = rings(graphs=100)
    run = wb.fit("infograph", data, "quick", store=tmp_path, progress=False, epochs=20)
    counts = wb.evaluation.BASELINES.get("sum-of-attributes").embed(data)
    found, baseline = (float(wb.evaluate(z, data, splits=5).accuracy) for z in (run, counts))
    assert found > 75 and found > baseline + 20


def without_attributes(graphs: GraphSet) -> list[Data]:
    return [Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes) for graph in graphs]


@pytest.mark.parametrize(
    ("spoil", "changed", "message"),
    [
        (lambda graphs: graphs[0], {}, "method 'infograph' learns on a set of graphs .*; this is one graph"),
        (lambda graphs: graphs[:1], {}, "tells the nodes of a graph from those of others; this set has one graph only"),
        (without_attributes, {}, "graph 0 has no attributes .*load_graph, which adds degrees"),
        (list, {"batch_size": 1}, "'batch_size' is 1; it must be at least 2"),
        (list, {"layer": 3}, "unknown parameter 'layer' of method 'infograph'; did you mean 'layers'"),
        (list, {"owner": "shufled"}, "did you mean 'shuffled'"),
    ],
)
def test_mistakes_are_named(graphs: GraphSet, tmp_path: Path, spoil, changed: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(spoil(graphs), tmp_path, **changed)
