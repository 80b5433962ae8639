"""The five tasks of ParetoGNN, each a module that makes a loss of an encoder and a graph.

Ju and others: Multi-task Self-supervised Graph Neural Networks Enable Stronger Task Generalization. ICLR 2023,
arXiv 2210.02016, and the released code. Differs from it: each task sees the whole graph in each step.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.contrast.ratio import BUDGET_MIB
from workbench.datasets.links import links_of, pairs_without_link
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.objectives.decorrelation import standardised
from workbench.objectives.discriminator import binary_cross_entropy
from workbench.objectives.infonce import infonce
from workbench.objectives.reconstruction import scaled_cosine_error
from workbench.registry import Registry
from workbench.views.features import shuffle

LINKS = 4_096  # that one step predicts


class Task(nn.Module):
    """A pretext task with a head of its own.

    Args:
        graph: what the method may see.
        dim: width of the embedding. hidden: of a head's inner layer.
        generator: the stream to draw from.
    """

    def __init__(self, graph: Data, dim: int, hidden: int, generator: torch.Generator):
        super().__init__()
        self.graph, self.generator = graph, generator

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return the loss, a scalar."""
        raise NotImplementedError


TASKS: Registry[Callable[..., Task]] = Registry("task", "workbench.methods.generative", "TASKS")


@TASKS.register("reconstruction")
class Reconstruction(Task):
    """Attributes of half of the nodes, by one graph convolution on codes of which theirs are 0; 35 % of edges gone."""

    def __init__(self, graph: Data, dim: int, hidden: int, generator: torch.Generator):
        super().__init__(graph, dim, hidden, generator)
        self.token = nn.Parameter(torch.zeros(1, graph.x.shape[1]))
        self.bridge, self.decoder = nn.Linear(dim, dim, bias=False), nn.Linear(dim, graph.x.shape[1])

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return the mean of (1 - cosine)³ over masked nodes; an odd one is masked as well."""
        x = self.graph.x.to_dense()
        masked = torch.randperm(len(x), generator=self.generator)[: (len(x) + 1) // 2].to(x.device)
        drawn = tensors.view(0.35, 0.0, self.generator)
        codes = encoder(View(x.index_copy(0, masked, self.token.expand(len(masked), -1)), None, drawn.adjacency))
        around = drawn.adjacency @ self.bridge(codes).index_fill(0, masked, 0.0)
        return scaled_cosine_error(x[masked], self.decoder(around[masked]), 3.0).mean()


@TASKS.register("summary")
class Summary(Task):
    """DGI: nodes of the graph against nodes with other attributes, by a bilinear form with their summary."""

    def __init__(self, graph: Data, dim: int, hidden: int, generator: torch.Generator):
        super().__init__(graph, dim, hidden, generator)
        self.matrix = nn.Parameter(nn.init.xavier_uniform_(torch.empty(dim, dim)))

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return the sum of both means of the cross-entropy, 2 ln 2 where the matrix is 0."""
        order = shuffle(tensors.nodes, self.generator, self.matrix.device)
        true, false = encoder(tensors.whole), encoder(tensors.whole, order)
        direction = self.matrix @ true.mean(0).sigmoid()
        return 2 * binary_cross_entropy(true @ direction, false @ direction)


@TASKS.register("contrast")
class Nodes(Task):
    """GRACE: each node against all others in two views, 30 % of edges and columns gone, at temperature 0.1."""

    def __init__(self, graph: Data, dim: int, hidden: int, generator: torch.Generator):
        super().__init__(graph, dim, hidden, generator)
        self.projector = projector(dim, hidden)

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return the mean of InfoNCE."""
        u, v = (self.projector(encoder(tensors.view(0.3, 0.3, self.generator))) for _ in range(2))
        return infonce(Contrast(0.1), u, v, BUDGET_MIB).mean()


@TASKS.register("decorrelation")
class Decorrelation(Task):
    """CCA-SSG: two views agree, 20 % of edges and columns gone, and the columns of each say different things."""

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return |Z₁ - Z₂| / nodes + 1e-3 (|I - C₁| + |I - C₂|), norms of Frobenius; columns are standardised."""
        first, second = (standardised(encoder(tensors.view(0.2, 0.2, self.generator))) for _ in range(2))
        one = torch.eye(first.shape[1], device=first.device)
        apart = sum(_norm(one - z.T @ z / len(z)) for z in (first, second))
        return _norm(first - second) / len(first) + 1e-3 * apart


@TASKS.register("links")
class Links(Task):
    """Links and as many pairs without one, told apart by the product of their ends; 40 % of the columns gone."""

    def __init__(self, graph: Data, dim: int, hidden: int, generator: torch.Generator):
        super().__init__(graph, dim, hidden, generator)
        self.links = links_of(graph)
        if not self.links.shape[1]:
            raise UserError("the task 'links' predicts links, and this graph has none", parameter="tasks")
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, 1)

    def forward(self, encoder: GCN, tensors: GraphTensors) -> Tensor:
        """Return the binary cross-entropy of sampled links and other pairs."""
        draw = np.random.default_rng(int(torch.randint(2**31, (), generator=self.generator)))
        true = self.links[:, draw.permutation(self.links.shape[1])[:LINKS]]
        false = pairs_without_link(self.links, (tensors.nodes,), true.shape[1], draw)
        h = encoder(tensors.view(0.0, 0.4, self.generator))
        ends = self.inner(nn.functional.normalize(h)).relu()
        first, second = torch.from_numpy(np.hstack([true, false])).to(h.device)
        logits = self.outer(ends[first] * ends[second])[:, 0]
        return binary_cross_entropy(logits[: true.shape[1]], logits[true.shape[1] :])


def _norm(matrix: Tensor) -> Tensor:
    """Return the Frobenius norm, whose gradient at 0 is 0."""
    return matrix.square().sum().clamp(min=1e-12).sqrt()
