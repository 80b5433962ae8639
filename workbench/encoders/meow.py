"""The two views of MEOW: which targets meta-paths join, coarsely, and through what they do, finely."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn.functional import elu, normalize

from workbench.datasets.metapaths import chosen_paths, largest, path_counts, path_sim
from workbench.encoders.base import Encoder
from workbench.encoders.typed import Attention, Operator, TypeCodes, TypedGraph, operator, symmetric


class Views(NamedTuple):
    """What MEOW computes on.

    Attributes:
        coarse: the mean of the graphs of all paths. fine: the graph of each. twin: each with fewer edges.
        contexts: of each path the types between its ends, each with its mean over those that a target reaches.
        masked: attributes of the targets of which some entries are 0; None where they have none.
        tied: in how many rows of each path the last neighbour is no more similar than the next one that was left out.
    """

    coarse: Operator
    fine: list[Operator]
    twin: list[Operator]
    contexts: list[list[tuple[str, Operator]]]
    masked: Tensor | None
    tied: list[int]


class TwoLayers(nn.Module):
    """Two graph convolutions, PReLU between, then one normalisation of the whole matrix."""

    def __init__(self, dim: int, dropout: float):
        super().__init__()
        self.first, self.second = (nn.Linear(dim, dim, bias=False) for _ in range(2))
        self.slope, self.dropout = nn.PReLU(), nn.Dropout(dropout)
        for layer in (self.first, self.second):
            nn.init.uniform_(layer.weight, -(dim**-0.5), dim**-0.5)

    def forward(self, h: Tensor, smooth: Operator) -> Tensor:
        """Return codes of the targets [targets, dim]."""
        h = self.slope(smooth(self.dropout(self.first(h))))
        h = smooth(self.dropout(self.second(h)))
        return (h - h.mean()) / (h.var(correction=0) + 1e-5).sqrt()


class Contexts(Encoder):
    """Codes of targets with the mean of what lies on each path, convolved along it, and attention over all.

    Each path has a twin, of which attribute entries and edges are hidden once: by the number kept in `seed`, so that
    the same data always have the same twin.

    Args:
        shape: sizes as `Hetero.shape` gives them. dim: width. dropout: of all codes.
        paths: names of the meta-paths. between: how many types lie between the ends of each.
        nearest: neighbours of a target on each path, the most similar by PathSim.
        hidden: share of attribute entries that the twin lacks. edges: of the edges of each path.
        ties: which of equally similar nodes are neighbours: "random", or "last", those of the highest number.
        contexts: whether what lies on the paths is seen at all.
    """

    seed: Tensor

    def __init__(
        self,
        shape: Mapping[str, int],
        dim: int,
        dropout: float,
        paths: Sequence[str],
        between: Sequence[int],
        nearest: Sequence[float],
        hidden: float,
        edges: Sequence[float],
        ties: str,
        contexts: bool,
    ):
        super().__init__()
        self.codes, self.dropout = TypeCodes(shape, dim, dropout), nn.Dropout(dropout)
        self.paths, self.nearest, self.hidden, self.edges = [*paths], [*map(int, nearest)], hidden, [*edges]
        self.ties, self.sees = ties, contexts
        self.mixes = nn.ModuleList(nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(n)) for n in between)
        self.layers, self.attention = TwoLayers(dim, dropout), Attention(dim, dropout)
        self.register_buffer("seed", torch.tensor(0))
        self.prepared: dict[int, Views] = {}

    def views(self, graph: TypedGraph) -> Views:
        """Return what is computed on, which is made once for each graph."""
        if id(graph) not in self.prepared:
            self.prepared = {id(graph): self._views(graph)}
        return self.prepared[id(graph)]

    def _views(self, graph: TypedGraph) -> Views:
        draw, fine, twin, tied, contexts = np.random.default_rng(int(self.seed)), [], [], [], []
        for name, k, rate in zip(self.paths, self.nearest, self.edges, strict=True):
            path = chosen_paths(graph.inputs, name)[0]
            counts = path_counts(graph.inputs, path)
            order = draw.permutation(graph.targets) if self.ties == "random" else np.arange(graph.targets)[::-1]
            rows, columns, ties = largest(path_sim(counts), k, order)
            values = np.asarray(counts[rows, columns]).ravel() if len(rows) else np.empty(0, np.float32)
            near = sp.csr_matrix((values, (rows, columns)), counts.shape)
            pairs = near.tocoo()
            stays = draw.random(pairs.nnz) >= rate
            ones = (np.ones(stays.sum(), np.float32), (pairs.row[stays], pairs.col[stays]))
            fine.append(symmetric(near))
            twin.append(symmetric(sp.csr_matrix(ones, near.shape).maximum(sp.identity(near.shape[0])).tocsr()))
            tied.append(int(ties.sum()))
            contexts.append(graph.contexts(path) if self.sees else [])
        coarse = reduce(lambda a, b: a + b, fine) / len(fine)
        x = graph.inputs[graph.target].get("x")
        keep = None if x is None else torch.from_numpy(draw.random(tuple(x.shape), np.float32) >= self.hidden)
        masked = None if keep is None else x * keep.to(x.device)
        operators = ([operator(one, device=graph.device) for one in each] for each in ([coarse], fine, twin))
        (first,), second, third = operators
        return Views(first, second, third, contexts, masked, tied)

    def forward(self, graph: TypedGraph) -> tuple[Tensor, Tensor]:
        """Return the coarse and the fine codes of the targets [targets, dim] each."""
        views = self.views(graph)
        h = self.codes(graph, graph.target)
        hidden = self.codes(graph, graph.target, views.masked)
        others = {kind: self.codes(graph, kind) for each in views.contexts for kind, _ in each}
        found = []
        for mixes, fine, twin, contexts in zip(self.mixes, views.fine, views.twin, views.contexts, strict=True):
            around = h.new_zeros(1)
            assert isinstance(mixes, nn.ModuleList)
            for mix, (kind, mean) in zip(mixes, contexts, strict=False):  # none where contexts are not seen
                around = around + self.dropout(mix(mean(others[kind])))
            found += [self.layers(elu(h + around), fine), self.layers(elu(hidden + around), twin)]
        return self.layers(h, views.coarse), self.attention([normalize(code, dim=1) for code in found])

    def embed(self, inputs: Any) -> Tensor:
        """Return the fine codes of the targets [targets, dim]."""
        fine: Tensor = self(TypedGraph.of(inputs))[1]
        return fine
