"""GraphCL: a graph is told from the others of its batch by an augmented copy of it.

You, Chen, Sui, Chen, Wang, Shen: Graph Contrastive Learning with Augmentations. NeurIPS 2020, arXiv 2010.13902.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn import global_add_pool

from workbench.contrast.pairs import Contrast
from workbench.datasets.graph_sets import GraphSet
from workbench.encoders.heads import mlp_head
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.graph_sets.pooled import PooledConfig, PooledMethod
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.graphs import Graphs, changed_edges, grown, noisy_attributes

Views = Literal["identity", "nodes", "edges", "subgraph", "attributes", "random2", "random3", "random4"]
ORDER = ("nodes", "subgraph", "edges", "attributes")
RELEASED_PART = 0.2  # of the nodes, in a sub-graph, beside the node that it starts from


@dataclass(frozen=True)
class GraphCLConfig(PooledConfig):
    """Configuration of GraphCL; the defaults are the authors', whose script wants learning rate and view to be named.

    Attributes:
        tau: temperature of the cosines.
        view: how a copy is made: "nodes" drops some, "edges" changes some, "subgraph" cuts out a grown part,
            "attributes" replaces those of some nodes by noise; "random2" draws for each graph one of the first and the
            third, "random3" edges as well, "random4" any; "identity" changes nothing, a control.
        share: of nodes or edges that a copy loses or has changed.
        form: how: "described" keeps what is said; "released" does what the code does, see `GraphCL`.
        swap: whether edges that go are made up for by as many new ones, which the release draws and never uses.
        positive: weight of a graph's own copy in the denominator; 0 leaves it out, as the release does.
    """

    main = (*PooledConfig.main, "view")

    layers: int = at_least(1, 3)
    tau: float = above(0, 0.2)
    view: Views = "random4"
    share: float = rate(0.1)
    form: Literal["described", "released"] = "described"
    swap: bool = False
    positive: float = at_least(0, 0.0)


@METHODS.register("graphcl")
class GraphCL(PooledMethod):
    """Cosines of a graph and the copies of all graphs in a batch, behind a head; its own copy is the positive.

    The loss of graph i is -ln [exp(s_ii/τ) / Σ_{j≠i} exp(s_ij/τ)], in one direction: it may be below 0, as the own copy
    isn't in the denominator. Two things that the released code does and the paper does not say stand under
    form="released": where nodes are to be dropped, all others lose their edges and go, so that a tenth is left, and of
    a sub-graph the part that was *not* reached is kept, by a start and its own neighbours alone; and edges go one
    direction at a time. Differs from the release: no loops are added, a graph without labels has degrees as attributes,
    and the embedding is that of the last epoch.
    """

    Config = GraphCLConfig
    compares = "graphcl tells a graph from the others of its batch"

    def __init__(self, config: GraphCLConfig, inputs: GraphSet, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.views = randomness.generator("views")
        self.head = mlp_head(config.dim * config.layers, config.dim * config.layers)
        self.initialise()

    def step(self, batch: Batch) -> Step:
        """Tell the graphs of a batch apart by one augmented copy each."""
        u = self.project(batch.x, batch.edge_index, batch.batch, batch.num_graphs)
        nodes = batch.ptr.diff().cpu()
        copy = self.copy(Graphs(batch.x.cpu(), batch.edge_index.cpu(), batch.batch.cpu(), nodes))
        x, edge_index, owner = (part.to(u.device) for part in copy[:3])
        v = self.project(x, edge_index, owner, batch.num_graphs)
        contrast = Contrast(self.config.tau, paired=False)
        loss = infonce(contrast, u, v, positive_weight=self.config.positive).mean()
        return Step({"contrast": loss}, kept={"contrast": contrast, "projections": (u, v)})

    def project(self, x: Tensor, edge_index: Tensor, owner: Tensor, graphs: int) -> Tensor:
        """Return what cosines are taken of [graphs, width]."""
        projected: Tensor = self.head(global_add_pool(self.encoder(x, edge_index), owner, graphs))
        return projected

    def copy(self, graphs: Graphs) -> Graphs:
        """Return an augmented copy of each graph."""
        view, count = self.config.view, len(graphs.nodes)
        if view == "identity":
            return graphs
        first = {"random2": 2, "random3": 3, "random4": 4}.get(view)
        drawn = torch.randint(first, (count,), generator=self.views) if first else torch.full((count,), 0)
        kinds = ORDER if first else (view,)
        by = {kind: drawn == number for number, kind in enumerate(kinds)}
        few, released = (self.config.share * graphs.nodes).long(), self.config.form == "released"
        if "attributes" in by:
            graphs = noisy_attributes(graphs, few * by["attributes"], self.views)
        if "edges" in by:
            entries = torch.bincount(graphs.owner[graphs.edge_index[0]], minlength=count)
            changed = (self.config.share * (entries if released else entries // 2)).long() * by["edges"]
            added = changed if self.config.swap else torch.zeros_like(changed)
            graphs = changed_edges(graphs, changed, added, self.views, directed=released)
        if not {"nodes", "subgraph"} & by.keys():
            return graphs
        kept = torch.ones_like(graphs.owner, dtype=torch.bool)
        if "nodes" in by:
            dropped = graphs.chosen(few, self.views)
            kept = torch.where(by["nodes"][graphs.owner], dropped if released else ~dropped, kept)
        if "subgraph" in by:
            size = (RELEASED_PART * graphs.nodes).long() + 1 if released else graphs.nodes - few
            part = grown(graphs, size, self.views, around=released)
            kept = torch.where(by["subgraph"][graphs.owner], ~part if released else part, kept)
        return graphs.keep(kept)

    @classmethod
    def memory(cls, config: GraphCLConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: codes of the graphs of a batch and of their copies."""
        return cls.peak_of(config, sizes, codes=20, pairs=0, heads=2)
