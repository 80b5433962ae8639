"""SCGC: each node against all others, with those as positives that a random walk of r steps reaches; no convolution.

Kulatilleke, Portmann, Chandra: SCGC: Self-supervised contrastive graph clustering. arXiv 2204.12656, and its release.
"""

import dataclasses
from dataclasses import dataclass

from torch import Tensor
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.errors import UserError
from workbench.methods.base import METHODS, ContrastConfig, at_least
from workbench.methods.nodes.self_clustering import ClusterConfig, ClusterMethod
from workbench.objectives.clusters import influence_infonce
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SCGCConfig(ClusterConfig, ContrastConfig):
    """Configuration of SCGC; the defaults are the authors' for DBLP but for the clusters."""

    main = (*ClusterConfig.main, "negatives")

    reconstruction: float = at_least(0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective != Part("infonce"):
            raise UserError(
                "scgc counts a node's pair with itself by a rule of its own; its objective must be 'infonce'"
            )


@METHODS.register("scgc")
class SCGC(ClusterMethod):
    """One view, P = M, the matrix of r steps, and W = 1; a node's similarity with itself counts as 0.

    Of a sampler the negatives take the place of all nodes in the denominator; positives stay as they are, so that one
    that is no listed negative is in the numerator alone. In a sampled batch positives are those among its anchors, and
    the sharper form of the clusters is that of the batch. The release adds 1e-8 to each ratio, which here is left out.
    """

    Config = SCGCConfig

    config: SCGCConfig

    def __init__(self, config: SCGCConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)

    def contrasted(self, batch: Data, z: Tensor, assigned: Tensor) -> tuple[Contrast, Tensor]:
        """Pull each anchor to where the walk leads, and push it from all anchors or the chosen ones."""
        contrast = dataclasses.replace(self.contrast(batch, z, z), positives=self.positives(batch))
        return contrast, influence_infonce(contrast, z)
