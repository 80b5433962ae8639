"""What an adaptation is configured by."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from workbench.adaptation.base import PLANS
from workbench.config import Part
from workbench.encoders.transformers import TRANSFORMERS
from workbench.methods.base import Config, above, at_least, part


@dataclass(frozen=True)
class AdaptConfig(Config):
    """Configuration of an adaptation; the defaults are ours, for small encoders.

    Attributes:
        epochs: steps, each on one batch.
        weight_decay: decoupled, of AdamW.
        base: a stored run, maybe an adaptation, whose encoder is adapted and which says `encoder` and `dim`; "" adapts
            an untrained one.
        plan: what of it is changed and trained, with its options, e.g. plan.rank=4 beside "lora".
        input: "new" trains a new input layer as well, for other attributes than the base has seen.
        labels: of each class that are learned, drawn among those that may be seen; 0 takes all.
        draw: seed of that draw, whatever the run's seed is.
        holdout: keep a quarter of these back, by which settings may be chosen.
        batch_size: most labelled rows of a step; of a graph all labelled nodes are.
        dim, encoder: of an encoder without a base; "by-kind" is "vit" for images, "graph-transformer" for graphs.
        placed: whether each step sees what an image shows at another random place of it.
    """

    main: ClassVar[tuple[str, ...]] = ("plan", "base", "epochs", "lr", "labels")

    epochs: int = at_least(0, 120)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.01)
    base: str = ""
    plan: Part = part(PLANS, "full")
    input: Literal["base", "new"] = "base"
    labels: int = at_least(0, 10)
    draw: int = at_least(0, 0)
    holdout: bool = False
    batch_size: int = at_least(1, 64)
    dim: int = at_least(1, 64)
    encoder: Part = part(TRANSFORMERS, "by-kind")
    placed: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.plan.call(PLANS)  # which checks its options
