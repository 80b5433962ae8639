"""The parameters of E2Neg, and the lowest loss that they allow."""

import math
from dataclasses import dataclass
from typing import Literal

from workbench.config import Part, above, at_least, rate
from workbench.errors import UserError
from workbench.methods.base import ContrastConfig


@dataclass(frozen=True)
class E2NegConfig(ContrastConfig):
    """Configuration of E2Neg. Sizes default to a small CPU's; each switch defaults to what the release does.

    Attributes:
        dim: width of the embedding.
        tau: temperature, fixed at 0.5 in the release.
        k: clusters, hence centres. Negatives of another sampler than "all" are chosen among the centres.
        each: negatives of a centre at most; 0 for as many as there are centres.
        neighbours: most neighbours in a star.
        min_neighbours, max_hop: a star stops growing at this many entries, or hops.
        centres: how they are chosen: "spectral" (released), or the controls "random" and "degree" (highest).
        spectrum: singular vectors to cluster on: "largest" (released) or "smallest" of the largest component.
        counting: star membership by object "identity" (released, with repeats) or by "value".
        alias: the released in-place shuffle, which makes both views the same tensor and composes from epoch to epoch;
            False compares the unchanged centres with a second view.
        augment: the second view without aliasing: "shuffle" permutes the centres' attributes; "mask-drop" masks
            attribute columns and drops star edges.
        mask_rate, drop_rate: of attribute columns masked, and of star edges dropped, by "mask-drop".
        inference: the whole graph is encoded with the "gcn" normalisation (released) or as one-hop "star"s, as trained.
        stop_within: nats above the lowest possible aliased loss at which training ends; 0 runs all epochs.
    """

    main = ("epochs", "lr", "dim", "tau", "k", "alias")

    epochs: int = at_least(0, 150)
    lr: float = above(0, 5e-5)
    weight_decay: float = at_least(0, 5e-4)
    dim: int = at_least(1, 1024)
    tau: float = above(0, 0.5)
    k: int = at_least(1, 50)
    each: int = at_least(0, 0)
    neighbours: int = at_least(1, 100)
    min_neighbours: int = at_least(0, 50)
    max_hop: int = at_least(2, 10)
    centres: Literal["spectral", "random", "degree"] = "spectral"
    spectrum: Literal["largest", "smallest"] = "largest"
    counting: Literal["identity", "value"] = "identity"
    alias: bool = True
    augment: Literal["shuffle", "mask-drop"] = "shuffle"
    mask_rate: float = rate(0.3)
    drop_rate: float = rate(0.3)
    inference: Literal["gcn", "star"] = "gcn"
    stop_within: float = at_least(0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alias and self.augment == "mask-drop":
            raise UserError("augment='mask-drop' needs a true second view; set alias=False as well")
        if self.stop_within and not self.alias:
            raise UserError("stop_within compares with the floor of the aliased loss; it needs alias=True")
        if self.stop_within and (self.negatives, self.objective) != (Part("all"), Part("infonce")):
            raise UserError("stop_within knows the floor of InfoNCE with all centres only; leave it at 0 here")


def uniformity_floor(k: int, tau: float) -> float:
    """Return the lowest loss of k identical-view centres, all cosines -1/(k-1): log(1 + 2(k-1) exp(-k/((k-1) tau)))."""
    return math.log1p(2 * (k - 1) * math.exp(-k / ((k - 1) * tau))) if k > 1 else 0.0
