"""D-SLA: a graph is told from edited copies of it, which lie as far away as they were edited.

Kim, Baek, Hwang: Graph Self-supervised Learning with Accurate Discrepancy Learning. NeurIPS 2022, arXiv 2202.02989.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from workbench.config import Part
from workbench.datasets.graph_sets import GraphSet
from workbench.encoders.base import ENCODERS, Encoder
from workbench.encoders.layers import POOLING
from workbench.methods.base import METHODS, PROCESS, Step, above, at_least, part, rate
from workbench.methods.graph_sets.pooled import GraphSetConfig, GraphSetMethod
from workbench.objectives.ladders import discrepancy, ladder_margin
from workbench.randomness import Randomness
from workbench.views.graphs import ladders


@dataclass(frozen=True)
class DSLAConfig(GraphSetConfig):
    """Configuration of D-SLA; the defaults are the authors' for social networks, with layers that sum.

    Attributes:
        dim: width of the embedding and of each layer.
        encoder: "gin", "gat" or "gcn", with its options, e.g. encoder.layers=3; a graph is the mean of its nodes unless
            another pooling is one of them.
        copies: K, edited ones of each graph; copy k has k times the edits of the first.
        strength: share of a graph's edges that the first copy loses and gains; one at least.
        mask: share of nodes whose attributes are hidden, in the graph itself and in each copy.
        discriminate, discrepancy, margin_weight: weights of the three terms.
        margin: by how much more other graphs have to be away than a copy; the authors' for molecules is 5.
        edits: "pairs" changes both directions of an edge at once; "entries" one alone, as released for social networks,
            after which graphs are no longer symmetric.
        again: whether a copy may gain what it has just lost, as released for molecules, so that its nominal distance
            is more than the true one.
        distances: "own", or "shuffled" within each ladder, a control from which no order can be learned.
    """

    main = ("epochs", "lr", "dim", "encoder", "strength")

    epochs: int = at_least(0, 100)
    lr: float = above(0, 1e-3)
    dim: int = at_least(1, 300)
    batch_size: int = at_least(2, 32)
    encoder: Part = part(ENCODERS, "gin")
    copies: int = at_least(1, 3)
    strength: float = above(0, 0.01)
    mask: float = rate(0.2)
    discriminate: float = at_least(0, 1.0)
    discrepancy: float = at_least(0, 0.7)
    margin_weight: float = at_least(0, 0.0)
    margin: float = at_least(0, 5.0)
    edits: Literal["pairs", "entries"] = "pairs"
    again: bool = False
    distances: Literal["own", "shuffled"] = "own"


@METHODS.register("d-sla")
class DSLA(GraphSetMethod):
    """Graphs and K edited copies of each are embedded as means of their nodes, h_0 and h_1 .. h_K.

    Three terms: the cross-entropy of telling the graph among its ladder; the mean over pairs of copies of
    (d_i/e_i - d_j/e_j)², d_k being |h_k - h_0| and e_k the entries of edge_index that differ; and, where it has a
    weight, max(0, margin + d_k - |h_0 - h'_0|) over other graphs of the batch. Differs from the release: the edits of a
    batch are drawn at once, and symmetric; a graph too small or too dense for its edits has fewer, which its e_k says;
    complete graphs are kept, where their only copies are themselves and tell nothing; e_k is what was edited, not what
    was asked for. Attributes that are degrees stay those of the unedited graph.
    """

    Config = DSLAConfig
    compares = "d-sla tells graphs of a batch apart"

    encoder: Encoder

    def __init__(self, config: DSLAConfig, inputs: GraphSet, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.views = randomness.generator("views")
        self.pool = POOLING[config.encoder.all_options(ENCODERS).get("pooling", "mean")]
        self.token = nn.Parameter(torch.zeros(inputs[0].x.shape[1]))
        hidden = (nn.Linear(config.dim, config.dim), nn.ReLU(), nn.Linear(config.dim, config.dim), nn.ReLU())
        self.judge = nn.Sequential(*hidden, nn.Linear(config.dim, 1))

    @classmethod
    def make_encoder(cls, config: DSLAConfig, shape: Mapping[str, int]) -> Encoder:
        """Return the encoder that is named."""
        return config.encoder.call(ENCODERS, shape["features"], config.dim)

    def step(self, batch: Batch) -> Step:
        """Tell graphs from their copies, and order these."""
        config, graphs, rungs = self.config, batch.num_graphs, 1 + self.config.copies
        options = config.copies, config.strength, self.views, config.edits == "entries", config.again
        after, distance = ladders(batch.edge_index.cpu(), batch.ptr.diff().cpu(), *options)
        x, owner = batch.x.repeat(rungs, 1), torch.arange(rungs * graphs, device=batch.x.device)
        owner = owner.repeat_interleave(batch.ptr.diff().repeat(rungs))
        hidden = torch.rand(len(x), generator=self.views).to(x.device) < config.mask
        codes = self.nodes(torch.where(hidden[:, None], self.token, x), after.to(x.device))
        h = self.pool(codes, owner, rungs * graphs).view(rungs, graphs, -1)
        distance = distance.to(x.device)
        told = (distance > 0).all(0)  # a graph that can't be edited is its own copy
        away = (h[1:] - h[:1]).norm(dim=-1)
        if config.distances == "shuffled":
            order = torch.rand(distance.shape, generator=self.views).argsort(0).to(x.device)
            distance = distance.gather(0, order)
        scores = torch.log_softmax(self.judge(h)[..., 0], 0)[0]
        terms = {"discriminate": -scores[told].sum() / max(int(told.sum()), 1)}
        terms["discrepancy"] = discrepancy(away[:, told], distance[:, told])
        weights = {"discriminate": config.discriminate, "discrepancy": config.discrepancy}
        if config.margin_weight:
            terms["margin"], weights["margin"] = ladder_margin(h[0], away, config.margin), config.margin_weight
        return Step(terms, weights)

    def nodes(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the codes of nodes [nodes, dim]."""
        codes = self.encoder.embed(Data(x=x, edge_index=edge_index))
        assert isinstance(codes, Tensor)
        return codes

    @classmethod
    def memory(cls, config: DSLAConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: codes and messages of a batch and its copies."""
        share = min(1.0, config.batch_size / sizes["graphs"]) * (1 + config.copies)
        layers = config.encoder.all_options(ENCODERS).get("layers", 2)
        numbers = share * (sizes["nodes"] * (8 * layers * config.dim + 3 * sizes["features"]))
        numbers += share * sizes["edges"] * max(config.dim, sizes["features"])
        return PROCESS + 4 * (numbers + 6 * (cls.encoder_numbers(config, sizes) + 3 * config.dim**2))
