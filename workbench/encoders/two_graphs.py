"""Two graph convolutions side by side, one over a graph and one over its diffusion, whose sum embeds."""

import weakref
from typing import Any

from torch import Tensor
from torch_geometric.data import Data

from workbench.encoders.base import Encoder, Layer, Plain, source_of
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.views.diffusion import Diffusion, personalised_pagerank

_DEFINITIONS = '''
class PageRank(nn.Module):
    """Edges and weights of personalised PageRank, of which the largest entries of each row are kept."""

    def __init__(self, teleport, steps, entries):
        super().__init__()
        self.teleport, self.steps, self.entries = teleport, steps, entries

    def forward(self, x, edge_index):
        edge_index, weight = gcn_norm(edge_index, num_nodes=len(x))
        backwards, kept = torch.sparse_coo_tensor(edge_index, weight, (len(x), len(x))), []
        for rows in torch.arange(len(x)).split(256):
            start = torch.zeros(len(x), len(rows))
            start[rows, torch.arange(len(rows))] = 1
            columns = start
            for _ in range(self.steps):
                columns = (1 - self.teleport) * (backwards @ columns) + self.teleport * start
            kept.append(columns.T.topk(min(self.entries, len(x))))
        weights, sources = (torch.cat(parts) for parts in zip(*kept))
        targets = torch.arange(len(x)).repeat_interleave(sources.shape[1])
        return torch.stack([sources.flatten(), targets]), weights.flatten()


class Sum(nn.Module):
    def forward(self, first, second):
        return first + second
'''


class TwoGraphs(Encoder):
    """One graph convolution with a PReLU over a graph and another over its diffusion, or over the graph again.

    Args:
        features: attributes of a node.
        dim: width of the embedding.
        diffusion: what is asked of the diffusion; None to take the graph again.
    """

    def __init__(self, features: int, dim: int, diffusion: Diffusion | None):
        super().__init__()
        self.diffusion = diffusion
        self.first, self.second = (GCN((features, dim), "prelu") for _ in range(2))

    def diffused(self, inputs: Data) -> Tensor:
        """Return the adjacency of a graph's second view, CSR [nodes, nodes]; a diffusion is made once for a graph."""
        graph, asked = GraphTensors.of(inputs), self.diffusion
        if asked is None:
            return graph.whole.adjacency
        made = _DIFFUSED.setdefault(graph, {})
        if asked not in made:
            made[asked] = personalised_pagerank(graph.whole.adjacency, *asked)
        return made[asked]

    def forward(self, views: tuple[View, View], order: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the embeddings of both views [nodes, dim], each node with the attributes of another in an order."""
        return self.first(views[0], order), self.second(views[1], order)

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of a whole graph [nodes, dim], the sum over both views."""
        view = GraphTensors.of(inputs).whole
        first, second = self((view, View(view.x, None, self.diffused(inputs))))
        return first + second

    def plain(self) -> Plain:
        """Return the same encoder made of PyG's `GCNConv`, with the diffusion as edges that have weights."""
        layers, state = list[Layer](), dict[str, Tensor]()
        diffuses = self.diffusion is not None
        if self.diffusion is not None:
            layers.append(Layer(f"PageRank{tuple(self.diffusion)}", "x, edge_index", "edges, weights"))
        for encoder, name in ((self.first, "first"), (self.second, "second")):
            second = diffuses and name == "second"
            sizes, number = ", ".join(map(str, encoder.weights[0].shape)), len(layers)
            more, takes = (", normalize=False", "x, edges, weights") if second else ("", "x, edge_index")
            layers.append(Layer(f"GCNConv({sizes}{more})", takes, name))
            layers.append(Layer(source_of(encoder.activation), name, name))
            state |= {f"module_{number}.lin.weight": encoder.weights[0].T, f"module_{number}.bias": encoder.biases[0]}
            state |= {f"module_{number + 1}.{key}": value for key, value in encoder.activation.state_dict().items()}
        layers.append(Layer("Sum()", "first, second"))
        imports = ["from torch_geometric.nn import GCNConv", "from torch_geometric.nn.conv.gcn_conv import gcn_norm"]
        return Plain(layers, state, imports, _DEFINITIONS)


_DIFFUSED: weakref.WeakKeyDictionary[GraphTensors, dict[Diffusion, Tensor]] = weakref.WeakKeyDictionary()
