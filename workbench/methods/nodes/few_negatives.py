"""Few negatives: hops cached once, a perceptron on them, and few negatives drawn anew in each step.

A method of ours, after what E2Neg promises (Huang and others, AAAI 2025): few negatives teach as much as many, for a
small part of the cost. Positives as neighbours follow Local-GCL (arXiv 2212.04604).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import Part, rate
from workbench.contrast import Contrast
from workbench.contrast.negatives.selection import SAMPLERS
from workbench.datasets.attributes import Scaling
from workbench.encoders.graph import BLOCK, GraphTensors
from workbench.encoders.heads import projector
from workbench.encoders.hops import EXACT, OVERSAMPLED, HopEncoder
from workbench.methods.base import METHODS, PROCESS, ContrastConfig, Step, above, at_least, part
from workbench.methods.nodes.batches import NeighbourSampler, NodeMethod
from workbench.randomness import Randomness
from workbench.views.features import keep_columns


@dataclass(frozen=True)
class FewNegativesConfig(ContrastConfig):
    """Configuration of few-negatives; every default is ours.

    Attributes:
        epochs: steps; each sees so many `anchors`, whatever the size of the graph.
        attributes: scale of the attributes, see `workbench.methods.nodes.batches.BatchConfig`.
        anchors: nodes of a step, drawn without replacement; negatives are chosen among their positives.
        farthest: the longest distance from which attributes are collected: 0, 1, 2, 4 ... up to this one.
        cut: most directions that are kept of each distance.
        hidden, dim: widths of the perceptron and of what it adds to the hops.
        hop_drop: rate at which a view loses all attributes of a distance; it keeps one at least.
        feature_drop: rate of masked columns of a view.
        alone: share of the anchors whose positive is the anchor itself in another view, and not a neighbour in it,
            drawn anew in each step; a node without a neighbour always is its own.
        tau: temperature.
    """

    main = ("epochs", "lr", "dim", "tau", "negatives", "k")

    epochs: int = at_least(0, 300)
    lr: float = above(0, 3e-3)
    weight_decay: float = at_least(0, 1e-4)
    negatives: Part = part(SAMPLERS, "uniform")
    attributes: Scaling = "loaded"
    anchors: int = at_least(2, 512)
    farthest: int = at_least(0, 4)
    cut: int = at_least(1, 256)
    hidden: int = at_least(1, 512)
    dim: int = at_least(1, 256)
    hop_drop: float = rate(0.5)
    feature_drop: float = rate(0.5)
    alone: float = rate(0.0)
    tau: float = above(0, 0.5)

    @property
    def steps(self) -> tuple[int, ...]:
        """The distances from which attributes are collected."""
        return (0, *(2**power for power in range(self.farthest.bit_length())))


@METHODS.register("few-negatives")
class FewNegatives(NodeMethod):
    """A view hides distances and columns of what was propagated before, so that no step passes a message."""

    Config = FewNegativesConfig

    encoder: HopEncoder

    def __init__(self, config: FewNegativesConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        graph = GraphTensors.of(inputs)
        self.drawn, self.views = randomness.generator("anchors"), randomness.generator("views")
        self.encoder.to(graph.x.device).settle(graph, randomness.generator("directions"))
        self.projector = projector(config.dim, config.dim)
        self.near = NeighbourSampler(graph.edge_index.cpu(), graph.nodes, 1, 1, self.drawn)
        with torch.no_grad():
            self.cached = self.encoder.hops(graph)
        self.negatives = config.sampled(Contrast(config.tau, same_view=False), inputs, randomness)

    @classmethod
    def make_encoder(cls, config: FewNegativesConfig, shape: Mapping[str, int]) -> HopEncoder:
        """Return an encoder of the hops that are asked for."""
        return HopEncoder(shape["features"], config.steps, config.cut, config.hidden, config.dim)

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return about how many bytes finding the directions takes, or embedding, which holds the hops three times."""
        features, rows, steps = sizes["features"], sizes["rows"], len(config.steps)
        cut = min(config.cut, features)
        sought = min(features, EXACT * (cut + OVERSAMPLED))
        finding = rows * (steps * cut + 3 * sought) + 4 * features * sought
        embedding = rows * (3 * steps * cut + 3 * config.dim) + 3 * min(BLOCK, rows * config.hidden)
        network = 8 * (config.hidden + config.anchors) * (steps * cut + 4 * (config.hidden + config.dim))
        numbers = max(finding, embedding, rows * steps * cut + network) + steps * features * cut
        return PROCESS + cls.graph_bytes(sizes) + 4 * numbers

    def batches(self) -> Iterator[Data]:
        """Yield the anchors of one step."""
        nodes = len(self.cached)
        chosen = torch.randperm(nodes, generator=self.drawn)[: self.config.anchors]
        yield Data(n_id=chosen, batch_size=len(chosen), num_nodes=nodes)

    def step(self, batch: Data) -> Step:
        """Pull each anchor to itself or a neighbour in another view, and push it from a few others there."""
        positives = self.positives(batch.n_id)
        u, v = (self.project(nodes, self.seen()) for nodes in (batch.n_id, positives))
        contrast = self.contrast(batch, u, v)
        return Step(
            {"contrast": self.config.loss(contrast, u, v).mean()}, kept={"contrast": contrast, "projections": (u, v)}
        )

    def project(self, nodes: Tensor, columns: Tensor) -> Tensor:
        """Return projections of some nodes, of whose hops these columns are seen [some, dim]."""
        # Hidden columns are left out of the product, not multiplied by 0.
        projections: Tensor = self.projector(self.encoder(self.cached[nodes].index_select(1, columns), columns))
        return projections

    def embed(self, inputs: Data) -> Tensor:
        """Return the embedding of a graph; hops of the one that is trained on are at hand."""
        return self.encoder.beside(self.cached) if inputs is self.inputs else self.encoder.embed(inputs)

    def positives(self, anchors: Tensor) -> Tensor:
        """Draw the positive of each anchor [anchors]."""
        share, place = torch.rand(2, len(anchors), generator=self.drawn, dtype=torch.float64)
        degree = self.near.degree(anchors)
        near = (share >= self.config.alone) & (degree > 0)
        positives = anchors.clone()
        positives[near] = self.near.sources[(self.near.pointer[anchors] + (place * degree).long())[near]]
        return positives

    def seen(self) -> Tensor:
        """Draw which columns of the hops a view keeps [kept]."""
        widths = torch.tensor(self.encoder.widths)
        kept = keep_columns(len(widths), self.config.hop_drop, self.views)
        kept[torch.randint(len(widths), (), generator=self.views)] = 1
        masked = keep_columns(self.cached.shape[1], self.config.feature_drop, self.views)
        columns = kept.repeat_interleave(widths) * masked
        return columns.nonzero()[:, 0].to(self.cached.device)
