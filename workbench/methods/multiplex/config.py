"""The configuration of InfoMGF."""

from dataclasses import dataclass
from typing import Literal

from workbench.methods.base import Config, above, at_least, rate


@dataclass(frozen=True)
class InfoMGFConfig(Config):
    """Configuration of InfoMGF; the defaults are the authors' for ACM, but for `columns`.

    Attributes:
        hidden, dim, projection: widths of the encoder's two layers and of the projectors.
        k: neighbours of a node in each learned graph.
        hops: how often attributes are propagated along a relation before its graph is learned.
        columns: of the fixed orthonormal map that attributes go through before any cosine; 0, the release, for none.
        tau: temperature.
        dropout: of entries of graphs and codes; also of the links of the random augmentation.
        augmentation: "random" drops links of a relation, "learned" weighs them by a perceptron of both ends.
        noise: of the learned one: "released", which is none, or "real".
        lr_augmentation: learning rate of the perceptron.
        spread: weight of its contrast beside reconstruction.
    """

    main = ("epochs", "lr", "dim", "k", "augmentation")

    epochs: int = at_least(0, 100)
    lr: float = above(0, 0.01)
    weight_decay: float = at_least(0, 0.0)
    hidden: int = at_least(1, 128)
    dim: int = at_least(1, 64)
    projection: int = at_least(1, 64)
    k: int = at_least(1, 15)
    hops: int = at_least(0, 2)
    columns: int = at_least(0, 128)
    tau: float = above(0, 0.2)
    dropout: float = rate(0.5)
    augmentation: Literal["random", "learned"] = "random"
    noise: Literal["released", "real"] = "released"
    lr_augmentation: float = above(0, 1e-3)
    spread: float = at_least(0, 0.01)
