"""PixPro on nodes: a node gathers what similar nodes nearby hold, and agrees with nodes nearby in the other view.

Xie, Lin, Zhang, Cao, Lin, Hu: Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual
Representation Learning (PixPro). CVPR 2021. Its authors take it to images only; that a place becomes a node and a
distance in the image hops of the graph is ours, and so are the settings.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.datasets.structure import adjacency
from workbench.encoders.graph import GraphTensors
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, at_least
from workbench.methods.nodes.bgrl import BGRL, BGRLConfig
from workbench.objectives.pixels import agreement, gathered
from workbench.randomness import Randomness

MOST = 20_000_000  # pairs of nodes


@dataclass(frozen=True)
class NodePixProConfig(BGRLConfig):
    """Configuration of PixPro on nodes; what it shares with BGRL has BGRL's defaults.

    Attributes:
        exponent: of the similarity by which a node gathers another's value; a large one leaves it its own alone.
        gathers: hops from which a node gathers; 0 leaves it its own value.
        reach: hops within which nodes of the two views are a pair; 0 pairs a node with itself alone. With `gathers`
            and `reach` 0 it is BGRL.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "exponent", "gathers", "reach")

    exponent: float = at_least(0, 2.0)
    gathers: int = at_least(0, 1)
    reach: int = at_least(0, 1)


@METHODS.register("node-pixpro")
class NodePixPro(BGRL):
    """BGRL whose prediction is gathered from nodes nearby, and is that of all nodes nearby."""

    Config = NodePixProConfig

    def __init__(self, config: NodePixProConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.near = dict[int, Tensor]()  # pairs of the whole graph by hops

    def pairs(self, batch: Data, hops: int) -> Tensor:
        """Return the pairs of anchors that so many hops of the graph, or of a sampled batch, join [2, pairs].

        Each node is one with itself.

        Raises:
            UserError: more than 20 million pairs.
        """
        anchors = self.sampled_anchors(batch)
        if anchors is None and hops in self.near:
            return self.near[hops]
        rows = int(batch.num_nodes) if anchors is None else len(anchors)
        within = step = sp.identity(rows, format="csr")
        links = adjacency(Data(edge_index=batch.edge_index, num_nodes=batch.num_nodes))[:rows, :rows]
        for _ in range(hops):
            step = step @ links
            within = within + step
            if within.nnz > MOST:
                raise UserError(
                    f"{hops} hops join {within.nnz:,} pairs of nodes, more than {MOST:,}; ask for fewer hops"
                )
        found = torch.from_numpy(np.stack(within.nonzero()).astype(np.int64)).to(batch.edge_index.device)
        if anchors is None:
            self.near[hops] = found
        return found

    def step(self, batch: Data) -> Step:
        """Predict the target's nodes of each view from those that the other gathered: -4, all agree, to 4."""
        views = self.config.views(GraphTensors.of(batch), self.generator)
        gathers, reach = (self.pairs(batch, hops) for hops in (self.config.gathers, self.config.reach))
        codes = [self.encoder(view) for view in views]
        made = [gathered(one, self.predictor(one), gathers, self.config.exponent) for one in codes]
        with torch.no_grad():
            targets = [self.target(view) for view in views]
        losses = [agreement(one, other, reach) for one, other in zip(made, targets[::-1], strict=True)]
        return Step({"consistency": torch.stack(losses).sum()})
