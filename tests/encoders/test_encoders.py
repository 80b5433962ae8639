"""Encoders against PyG's own convolution, views against counting."""

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, Sequential

from workbench.datasets.attributes import SPARSE_BELOW
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.views.edges import keep_edges
from workbench.views.features import keep_columns


@pytest.mark.parametrize("density", [0.03, 0.9])
@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_encoder_equals_stacked_gcnconv_in_value_and_gradient(density: float, layout: str) -> None:
    g = torch.Generator().manual_seed(0)
    # Self-loops, repeated and one-way edges and isolated nodes are all in there.
    edge_index = torch.randint(25, (2, 120), generator=g)
    x = (torch.rand(30, 50, generator=g) < density).float()
    graph = GraphTensors(Data(x=x if layout == "dense" else x.to_sparse(), edge_index=edge_index, num_nodes=30))
    assert (graph.x.layout == torch.sparse_csr) == (density < SPARSE_BELOW or layout == "sparse")
    encoder = GCN((50, 16, 8))
    first, second = GCNConv(50, 16), GCNConv(16, 8)
    with torch.no_grad():
        for layer, weight, bias in zip((first, second), encoder.weights, encoder.biases, strict=True):
            bias.uniform_()
            layer.lin.weight.copy_(weight.T)
            layer.bias.copy_(bias)
    keep = keep_edges(graph.edge_index.shape[1], 0.3, g)
    columns = keep_columns(50, 0.3, g)
    found = encoder(View(graph.x, columns, graph.adjacency(keep)))
    kept = graph.edge_index[:, keep.bool()]
    expected = second(first(x * columns, kept).relu(), kept).relu()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    found.square().sum().backward()
    expected.square().sum().backward()
    for layer, weight in zip((first, second), encoder.weights, strict=True):
        torch.testing.assert_close(weight.grad, layer.lin.weight.grad.T, rtol=1e-4, atol=1e-5)


def test_star_adjacency_weighs_each_node_and_its_neighbours_as_a_star() -> None:
    graph = GraphTensors(Data(x=torch.eye(3), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3))
    root = 2**-0.5
    expected = torch.tensor([[1 / 2, root, 0], [3**-0.5, 1 / 3, 3**-0.5], [0, root, 1 / 2]])
    torch.testing.assert_close(graph.star_adjacency().to_dense(), expected)


def test_views_drop_at_their_rate_and_undirected_dropping_keeps_symmetry(small_graph: Data) -> None:
    graph = GraphTensors(small_graph)
    g = torch.Generator().manual_seed(1)
    assert keep_edges(20_000, 0.3, g).mean() == pytest.approx(0.7, abs=0.02)
    assert keep_columns(20_000, 0.0, g).min() == 1
    together = graph.view(0.5, 0.0, g, undirected=True).adjacency.to_dense()
    assert torch.equal(together != 0, (together != 0).T)
    apart = graph.view(0.5, 0.0, g).adjacency.to_dense()
    assert not torch.equal(apart != 0, (apart != 0).T)


def test_a_normalised_encoder_equals_pyg_with_batch_norm_in_training_and_afterwards(small_graph: Data) -> None:
    encoder = GCN((40, 16, 8), "prelu-layers", norm="batch", norm_momentum=0.5)
    with torch.no_grad():
        for weight in (*encoder.biases, *encoder.parameters()):
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    plain, names = encoder.plain(), {"GCNConv": GCNConv, "nn": torch.nn}
    theirs = Sequential(
        "x, edge_index", [(eval(made, names), f"{takes} -> {gives}") for made, takes, gives in plain.layers]
    )
    theirs.load_state_dict({name: value.clone() for name, value in plain.state.items()})
    for mode in (True, False):  # the first pass moves the running statistics, which the second goes by
        encoder.train(mode)
        theirs.train(mode)
        found, expected = encoder.embed(small_graph), theirs(small_graph.x, small_graph.edge_index)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert encoder.norms[0].running_mean.abs().max() > 0
    assert len({id(slope) for slope in encoder.activation.parameters()}) == 2
