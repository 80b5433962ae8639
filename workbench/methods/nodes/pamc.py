"""PamC: SCGC* whose nodes are pushed from the proxies of clusters in place of all nodes.

Efficient block contrastive learning via parameter-free meta-node approximation. arXiv 2209.14067, and its release.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast import Contrast
from workbench.methods.base import METHODS, at_least
from workbench.methods.nodes.self_clustering import ClusterConfig, ClusterMethod
from workbench.objectives.clusters import proxy_infonce
from workbench.randomness import Randomness


@dataclass(frozen=True)
class PamCConfig(ClusterConfig):
    """Configuration of PamC; the defaults are the authors' for DBLP but for the clusters.

    Attributes:
        assignment: a node counts to the proxy of the cluster that it belongs to most ("learned"), or, as a control, of
            one drawn anew in each step ("random").
    """

    tau: float = at_least(0.05, 1.0)
    cumulative: bool = True
    alpha: float = at_least(0, 2.0)
    beta: float = at_least(0, 2.0)
    assignment: Literal["learned", "random"] = "learned"


@METHODS.register("pamc")
class PamC(ClusterMethod):
    """Time grows with the pairs of the walk, and with the square of the clusters instead of that of the nodes.

    A proxy is the sum of the embeddings in its cluster; through the choice of the cluster no gradient flows. The choice
    is hard, as released; that the paper has a soft one was not verified. There a cluster without a node makes cosines
    of 0/0, or shortens the list of proxies; here such a one has no proxy.
    """

    Config = PamCConfig

    config: PamCConfig

    def __init__(self, config: PamCConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.drawn = randomness.generator("assignment")

    def contrasted(self, batch: Data, z: Tensor, assigned: Tensor) -> tuple[Contrast, Tensor]:
        """Pull each anchor to where the walk leads, and push the proxies of clusters from one another."""
        contrast, count = Contrast(self.config.tau, positives=self.positives(batch)), self.config.centres
        cluster = assigned.detach().argmax(1)
        if self.config.assignment == "random":
            cluster = torch.randint(count, (len(z),), generator=self.drawn).to(z.device)
        return contrast, proxy_infonce(contrast, z, cluster, count)
