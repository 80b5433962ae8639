"""Batches of a graph's nodes: some are anchors, others the sampled neighbours that their embeddings are made from."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.index import index2ptr
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput
from torch_geometric.utils import remove_self_loops

from workbench.config import Part
from workbench.datasets.attributes import AttributesOnDisk, Scaling, csr_rows, entries_of, is_sparse, rows_of
from workbench.encoders.base import ENCODERS
from workbench.errors import UserError
from workbench.methods.base import PROCESS, Config, at_least
from workbench.methods.contrasting import ContrastMethod


@dataclass(frozen=True)
class BatchConfig(Config):
    """What of a graph a training step sees.

    Attributes:
        attributes: as they were "loaded", or for the encoder each row divided by its Euclidean norm ("rows"), or each
            column standardised ("columns"). Attributes that are tiny or share one direction let an encoder collapse.
            Rules and samplers see them as loaded.
        batch_size: most anchors of a step, drawn without replacement until all nodes were; 0 takes the whole graph.
        neighbours: most neighbours that are sampled of a node at each layer of the encoder. Graph convolutions weigh
            them so that their sum is that of all neighbours in expectation; other layers take them as they are.
    """

    attributes: Scaling = "loaded"
    batch_size: int = at_least(0, 0)
    neighbours: int = at_least(1, 10)


class NodeMethod(ContrastMethod):
    """A method that learns on one graph, as a whole or by sampled batches of its nodes.

    A step works on `GraphTensors.of(batch)`; a `GCN` embeds its anchors, for which the loss is exact.
    """

    beyond: ClassVar[int] = 0  # layers behind the encoder that see neighbours

    @classmethod
    def hops(cls, config: Any) -> int:
        """Return from how far away attributes reach the loss of an anchor."""
        part = _chosen(config)
        chosen = {} if part is None else part.all_options(ENCODERS)
        return cls.beyond + int(getattr(config, "layers", chosen.get("layers", 1)))

    def batches(self) -> list[Data] | NodeLoader:
        """Return the graph, or an epoch of its batches in a new order."""
        return self._loader if self.config.batch_size else [self.inputs]

    @cached_property
    def _loader(self) -> NodeLoader:
        inputs, config, generator = self.inputs, self.config, self.randomness.generator("batches")
        nodes = int(inputs.num_nodes)
        on_disk = isinstance(inputs.x, AttributesOnDisk)
        x = inputs.x.to_sparse_csr() if is_sparse(inputs.x) else inputs.x

        if config.batch_size == 1:
            raise UserError("batch_size is 1; it must be 0 (the whole graph) or at least 2", parameter="batch_size")

        def attach(batch: Data) -> Data:
            if not on_disk:
                batch.x = (csr_rows if is_sparse(x) else rows_of)(x, batch.n_id.to(device))
            batch.x = batch.x.to(device)
            batch.degree = sampler.degree(batch.n_id).to(device, batch.x.dtype)
            looped = loops[batch.n_id[: sum(batch.num_sampled_nodes[:-1])]].nonzero()[:, 0].to(device)
            batch.edge_index = torch.cat([batch.edge_index.to(device), looped.expand(2, -1)], 1)
            return batch

        device, edge_index, most = inputs.edge_index.device, inputs.edge_index.cpu(), min(config.neighbours, nodes)
        loops = torch.zeros(nodes, dtype=torch.bool)
        loops[edge_index[0, edge_index[0] == edge_index[1]]] = True
        sampler = NeighbourSampler(edge_index, nodes, most, self.hops(config), generator)
        drawn = _Anchors(nodes, self.parts(config, nodes), generator)
        links = Data(edge_index=inputs.edge_index, num_nodes=nodes)
        # From a feature store PyG reads the rows of a batch itself.
        data: Any = (x, links) if on_disk else links
        beside = {"transform": attach, "batch_sampler": drawn, "filter_per_worker": False}
        return NodeLoader(data, sampler, input_nodes=torch.arange(nodes), **beside)

    @staticmethod
    def parts(config: Any, nodes: int) -> int:
        """Return how many batches an epoch has: none is larger than asked, or of a single anchor."""
        return max(1, min(math.ceil(nodes / config.batch_size), nodes // 2))

    @classmethod
    def peak(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak of a batch with the sampler beside it, or of the embedding of the whole graph."""
        if not getattr(config, "batch_size", 0) or "graphs" in sizes:
            return cls.memory(config, sizes)
        nodes, edges, features, dim = sizes["nodes"], sizes["edges"], sizes["features"], config.dim
        anchors, most = math.ceil(nodes / cls.parts(config, nodes)), min(config.neighbours, nodes)
        reached = list(accumulate(min(anchors * most**hop, nodes) for hop in range(cls.hops(config) + 1)))
        # The first layer takes every row, the last one gives those of the anchors alone, to all that follows.
        taken, inner = min(reached[-1], nodes), sum(min(rows, nodes) for rows in reached[1:-1])
        row = sizes.get("row", features)
        batch = {"nodes": anchors, "rows": anchors, "edges": min(edges, taken * most), "features": features, "row": row}
        layers = 4 * (taken * (2 * row + 4 * dim) + 5 * inner * dim)
        training = cls.memory(config, batch) + layers + 16 * (edges + nodes)
        # Layers of PyG's hold one message per edge, and all attributes; graph convolutions go by blocks of rows.
        messages = 0 if _chosen(config) is None else 2.5 * edges * dim + nodes * features
        between = 2 * min(cls.hops(config) - cls.beyond, 2)  # what a layer takes, mixes and gives; the first takes none
        embedding = cls.graph_bytes(sizes) + 4 * (between * nodes * dim + messages) + PROCESS
        return max(training, embedding + 32 * sizes.get("read", 0))


class _Anchors(NamedTuple):
    """All nodes in a random order, cut into parts of equal size."""

    nodes: int
    parts: int
    generator: torch.Generator

    def __iter__(self) -> Iterator[Tensor]:  # type: ignore[override]
        return iter(torch.randperm(self.nodes, generator=self.generator).tensor_split(self.parts))

    def __len__(self) -> int:
        return self.parts


class NeighbourSampler(BaseSampler):
    """Uniform neighbours without replacement, as PyG's own sampler draws them, which needs a compiled package.

    Args:
        edge_index: [2, edges] on the CPU; neighbours of a node are the sources of its incoming edges.
        nodes: how many there are.
        neighbours: most of a node.
        hops: how often neighbours are sampled, of those that the hop before was the first to reach.
        generator: the stream to draw from.
    """

    def __init__(self, edge_index: Tensor, nodes: int, neighbours: int, hops: int, generator: torch.Generator):
        sources, targets = remove_self_loops(edge_index)[0]
        order = targets.argsort(stable=True)
        self.sources, self.pointer = sources[order], index2ptr(targets[order], nodes)
        self.neighbours, self.hops, self.generator = neighbours, hops, generator
        self.place = torch.full((nodes,), -1)  # of each node in the batch under way

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Return the nodes of a batch, anchors first, and the sampled edges between them."""
        reached, rows, columns = [index.node], [torch.empty(0, dtype=torch.long)], [torch.empty(0, dtype=torch.long)]
        count = len(index.node)
        self.place[index.node] = torch.arange(count)
        for _ in range(self.hops):
            sources, drawn_for = self.draw(reached[-1])
            new = sources[self.place[sources] < 0].unique()
            self.place[new] = torch.arange(count, count + len(new))
            rows.append(self.place[sources])
            columns.append(self.place[reached[-1]][drawn_for])
            reached.append(new)
            count += len(new)
        nodes = torch.cat(reached)
        self.place[nodes] = -1
        return SamplerOutput(
            nodes,
            torch.cat(rows),
            torch.cat(columns),
            None,
            num_sampled_nodes=[len(new) for new in reached],
            metadata=(index.input_id, index.time),
        )

    def degree(self, nodes: Tensor) -> Tensor:
        """Return how many neighbours nodes have in the whole graph [nodes]."""
        return self.pointer[nodes + 1] - self.pointer[nodes]

    def draw(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Draw neighbours of nodes: the neighbours [drawn], and for which of the nodes each was drawn [drawn]."""
        entries, owner, rank = entries_of(self.pointer, nodes)
        many = self.degree(nodes) > self.neighbours
        if many.any():
            # In a random order within each owner, of which the first ones are kept.
            among = many[owner]
            key = owner[among] + torch.rand(int(among.sum()), generator=self.generator, dtype=torch.float64)
            entries[among] = entries[among][key.argsort()]
            kept = rank < self.neighbours
            entries, owner = entries[kept], owner[kept]
        return self.sources[entries], owner

    def sample_from_edges(self, index: EdgeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Refuse: no method here draws edges."""
        raise TypeError("nodes are sampled here, not edges")


def _chosen(config: Any) -> Part | None:
    """Return which of `ENCODERS` is configured; None where a method has one of its own."""
    part = getattr(config, "encoder", None)
    return part if isinstance(part, Part) else None
