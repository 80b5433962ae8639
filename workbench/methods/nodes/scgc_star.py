"""SCGC*: SCGC with the walks of 1 to r steps added up as positives ("influence"), and without the decoder.

Kulatilleke, Portmann, Chandra: SCGC: Self-supervised contrastive graph clustering. arXiv 2204.12656, and its release.
"""

from dataclasses import dataclass

from workbench.methods.base import METHODS, at_least
from workbench.methods.nodes.scgc import SCGC, SCGCConfig


@dataclass(frozen=True)
class SCGCStarConfig(SCGCConfig):
    """Configuration of SCGC*; the defaults are the authors' for DBLP but for the clusters."""

    cumulative: bool = True
    alpha: float = at_least(0, 1.0)
    reconstruction: float = at_least(0, 0.0)


@METHODS.register("scgc-star")
class SCGCStar(SCGC):
    """With one step, as the authors set it for ACM, DBLP and CiteSeer, its contrast is SCGC's: nothing is added up."""

    Config = SCGCStarConfig
