"""Graphs that are learned from several relations, and the convolutions along them (InfoMGF)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

from workbench.datasets.hetero import target_type
from workbench.encoders.base import Encoder
from workbench.encoders.sparse import EdgeProduct, Pattern

BLOCK = 1 << 22  # cosines that are looked at in one go: 16 MiB


def products(a: Tensor, b: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the inner products of rows of a with rows of b, by blocks of pairs [pairs]."""
    step = max(1, BLOCK // max(a.shape[1], 1))
    blocks = zip(rows.split(step), columns.split(step), strict=True)
    return torch.cat([(a[i] * b[j]).sum(1) for i, j in blocks]) if len(rows) else a.new_empty(0)


class Similarity(torch.autograd.Function):
    """Inner products of pairs of rows of a matrix, the same number of pairs for each row, in its order [pairs]."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, pairs: Tensor) -> Tensor:
        """Return the products of pairs [2, pairs]."""
        ctx.save_for_backward(z, pairs)
        return products(z, z, pairs[0], pairs[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of z."""
        z, pairs = ctx.saved_tensors
        both = torch.cat([pairs, pairs.flip(0)], 1)
        table = torch.sparse_coo_tensor(both, gradients[0].repeat(2), (len(z), len(z)), check_invariants=False)
        return table.coalesce().to_sparse_csr() @ z, None


class WeightedGraph(NamedTuple):
    """A symmetric graph with a weight for each edge [entries]."""

    pattern: Pattern
    values: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return the weighted sums over neighbours [nodes, width]."""
        summed: Tensor = EdgeProduct.apply(self.values, x, self.pattern)
        return summed


@torch.no_grad()
def nearest(rows: Tensor, k: int, block: int = BLOCK) -> Tensor:
    """Return the k rows of the largest inner product with each row, itself included, exactly, by blocks [rows, k]."""
    step = max(1, block // max(len(rows), 1))
    return torch.cat([(part @ rows.T).topk(min(k, len(rows))).indices for part in rows.split(step)])


def normalised(pattern: Pattern, values: Tensor) -> WeightedGraph:
    """Return D^-½ S D^-½ of symmetric entries; rows whose sum is 0 stay empty."""
    sums = torch.zeros(pattern.nodes, device=values.device, dtype=values.dtype).index_add(0, pattern.rows, values)
    scale = torch.where(sums > 0, sums.clamp(min=1e-10).rsqrt(), 0.0)
    return WeightedGraph(pattern, values * scale[pattern.rows] * scale[pattern.columns])


def knn_graph(z: Tensor, k: int) -> tuple[Pattern, Tensor]:
    """Return the k nearest of each row and itself, symmetrised, and their cosines, (S + S^T)/2 without what is below 0.

    Args:
        z: codes [rows, dim], whose gradient runs through the cosines that are chosen.
        k: neighbours beside the row itself.
    """
    z, rows = normalize(z, dim=1), len(z)
    columns = nearest(z, k + 1)
    pairs = torch.stack([torch.arange(rows, device=z.device).repeat_interleave(columns.shape[1]), columns.flatten()])
    cosines = Similarity.apply(z, pairs).clamp(min=0) / 2
    keys, place = torch.cat([pairs[0] * rows + pairs[1], pairs[1] * rows + pairs[0]]).unique(return_inverse=True)
    values = torch.zeros(len(keys), device=z.device, dtype=z.dtype).index_add(0, place, cosines.repeat(2))
    return Pattern.of(keys, rows), values


class Relations:
    """The relations of a multiplex graph, prepared: normalised with a loop at each node, and attributes along each.

    Args:
        inputs: the graph. hops: how often attributes are propagated along a relation.
        columns: of a fixed orthonormal map that the attributes go through first; 0 for none. seed: of that map.
    """

    def __init__(self, inputs: HeteroData, hops: int, columns: int, seed: int):
        self.names = [name for _, name, _ in inputs.edge_types]
        x = inputs[target_type(inputs)].x
        self.x, nodes, device = x, len(x), x.device
        if 0 < columns < x.shape[1]:
            drawn = torch.randn(x.shape[1], columns, generator=torch.Generator().manual_seed(seed))
            x = x @ torch.linalg.qr(drawn).Q.to(device)
        self.graphs, self.along = [], []
        loops = torch.arange(nodes, device=device) * (nodes + 1)
        for edge_type in inputs.edge_types:
            a, b = inputs[edge_type].edge_index
            keys = torch.cat([a * nodes + b, b * nodes + a, loops]).unique()
            pattern = Pattern.of(keys, nodes)
            graph, f = normalised(pattern, torch.ones(len(keys), device=device)), x
            for _ in range(hops):
                f = graph(f)
            self.graphs.append(graph)
            self.along.append(normalize(f, dim=1))
        self.own = normalize(x, dim=1)

    def inside(self, pattern: Pattern) -> Tensor:
        """Return in which relations each entry of a pattern is [relations, entries]."""
        keys, found = pattern.rows * pattern.nodes + pattern.columns, []
        for graph in self.graphs:
            known = graph.pattern.rows * pattern.nodes + graph.pattern.columns
            place = torch.searchsorted(known, keys).clamp(max=len(known) - 1)
            found.append(known[place] == keys)
        return torch.stack(found)


class Learner(nn.Module):
    """Two scalings of each column, which start at 1, with ReLU between: codes whose cosines make a graph."""

    def __init__(self, columns: int):
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.ones(columns)) for _ in range(2))

    def forward(self, f: Tensor) -> Tensor:
        """Return the codes [nodes, columns]."""
        return (f * self.first).relu() * self.second


class Augmentation(nn.Module):
    """A weight for each link of each relation, by a perceptron of both ends, and decoders of what they leave.

    Args:
        relations: how many. columns: of the codes of the ends. dim: of the embedding that is decoded.
        noise: whether the logits of the weights are disturbed, as of a relaxed Bernoulli variable.
    """

    def __init__(self, relations: int, columns: int, dim: int, noise: bool):
        super().__init__()
        self.ends = nn.ModuleList(nn.Linear(columns, 32) for _ in range(relations))
        self.readouts = nn.ModuleList(nn.Linear(16, 1) for _ in range(relations))
        self.decoders = nn.ModuleList(nn.Linear(dim, columns) for _ in range(relations))
        self.noise = noise

    def forward(self, number: int, graph: WeightedGraph, f: Tensor, generator: torch.Generator) -> WeightedGraph:
        """Return the graph of a relation with its links weighed, by codes of their ends [nodes, columns]."""
        pattern, (a, b) = graph.pattern, self.ends[number](f).chunk(2, 1)
        logits = self.readouts[number](torch.tanh(a[pattern.rows] + b[pattern.columns]))[:, 0]
        if self.noise:
            share = torch.rand(len(logits), generator=generator).clamp(1e-4, 1 - 1e-4).to(logits.device)
            logits = logits + (share / (1 - share)).log()
        return scaled(graph, (logits / 0.5).sigmoid())

    def lost(self, number: int, z: Tensor, f: Tensor) -> Tensor:
        """Return by how much the decoded embedding [nodes, dim] misses the codes, 1 - cosine, on average."""
        return 1 - nn.functional.cosine_similarity(self.decoders[number](z), f).mean()


def scaled(graph: WeightedGraph, factors: Tensor) -> WeightedGraph:
    """Return a graph whose links are multiplied by factors [entries]; its loops stay."""
    loops = graph.pattern.rows == graph.pattern.columns
    return graph._replace(values=torch.where(loops, graph.values, graph.values * factors))


class Fused(Encoder):
    """A graph for each relation and one for all, learned, and two graph convolutions that they share.

    Args:
        shape: "features" and "relations" of the data. hidden, dim: widths of the two layers. k: neighbours.
        hops, columns: see `Relations`. dropout: of the entries of graphs and before each layer.
    """

    seed: Tensor

    def __init__(
        self, shape: Mapping[str, int], hidden: int, dim: int, k: int, hops: int, columns: int, dropout: float
    ):
        super().__init__()
        features, relations = shape["features"], shape["relations"]
        self.k, self.hops, self.columns, self.dropout = k, hops, columns, nn.Dropout(dropout)
        width = columns if 0 < columns < features else features
        self.learners = nn.ModuleList(Learner(width) for _ in range(relations))
        self.fusing = Learner(width * (relations + 1))
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, dim)
        self.register_buffer("seed", torch.tensor(0))
        self.kept: tuple[int, Relations] | None = None

    def relations(self, inputs: HeteroData) -> Relations:
        """Return the prepared relations of a graph, which are made once."""
        if self.kept is None or self.kept[0] != id(inputs):
            self.kept = id(inputs), Relations(inputs, self.hops, self.columns, int(self.seed))
        return self.kept[1]

    def graph_of(self, code: Tensor) -> WeightedGraph:
        """Return the normalised graph of the nearest codes, of which entries are dropped in training."""
        pattern, values = knn_graph(code, self.k)
        graph = normalised(pattern, values)
        return graph._replace(values=self.dropout(graph.values))

    def fused(self, relations: Relations) -> Tensor:
        """Return the codes of the graph of all relations [nodes, columns]."""
        codes: Tensor = self.fusing(torch.cat([*relations.along, relations.own], 1))
        return codes

    def refined(self, relations: Relations) -> list[Tensor]:
        """Return the codes of each relation's graph [nodes, columns] each."""
        return [learner(f) for learner, f in zip(self.learners, relations.along, strict=True)]

    def convolved(self, mixed: Tensor, graph: WeightedGraph) -> Tensor:
        """Return embeddings of unit length [nodes, dim], by the attributes behind the first layer [nodes, hidden]."""
        h = graph(mixed).relu()
        return normalize(graph(self.second(self.dropout(h))), dim=1)

    def mixed(self, relations: Relations) -> Tensor:
        """Return the attributes behind the first layer's weights, which all graphs share [nodes, hidden]."""
        mixed: Tensor = self.first(self.dropout(relations.x))
        return mixed

    def embed(self, inputs: Any) -> Tensor:
        """Return the embedding of the nodes along the fused graph [nodes, dim]."""
        relations = self.relations(inputs)
        return self.convolved(self.mixed(relations), self.graph_of(self.fused(relations)))
