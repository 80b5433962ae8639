"""SepCLR: what two populations have in common and what is salient of one of them, each in a half of the embedding.

Louiset, Duchesnay, Grigis, Gori: Separating common from salient patterns with Contrastive Representation Learning. ICLR
2024, and its released code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.config import Part
from workbench.contrast.ratio import BUDGET_MIB
from workbench.datasets.arrays import Rows
from workbench.encoders.heads import HEADS
from workbench.encoders.rows import StagedEncoder
from workbench.errors import UserError
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, PROCESS, Step, above, at_least, part
from workbench.objectives.populations import alignment, joint_entropy, uniformity
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SepCLRConfig(RowConfig):
    """Configuration of SepCLR; bandwidth, weights and batches are the authors', the rest is ours, for small images.

    Attributes:
        dim: width of each half of the embedding: common factors, then salient ones.
        bandwidth: t of the kernels exp(-d² / 2t).
        salient: weight of alignment and uniformity of the salient factors.
        null: weight of what keeps the salient factors of the background at 0; with 0 they are free.
        entropy: weight of the joint entropy of both, which keeps them from saying the same.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "salient", "null", "entropy")

    batch_size: int = at_least(0, 512)
    dim: int = at_least(1, 32)
    head: Part = part(HEADS, "none")
    bandwidth: float = above(0, 0.5)
    salient: float = at_least(0, 1000.0)
    null: float = at_least(0, 1000.0)
    entropy: float = at_least(0, 10.0)


@METHODS.register("sepclr")
class SepCLR(RowMethod):
    """Which rows are of the target population is an input, `target` of the array; all others are background.

    Not said at the source that is at hand, hence ours: uniformity is over pairs of different rows, the joint entropy is
    of the target rows, and the two encoders share nothing.
    """

    Config = SepCLRConfig

    encoder: StagedEncoder  # type: ignore[assignment] # two of what the other methods have one of

    def __init__(self, config: SepCLRConfig, inputs: Rows, randomness: Randomness):
        target = inputs.get("target")
        if target is None or target.all() or not target.any():
            raise UserError(
                "method 'sepclr' learns from two populations: target of the array must be true for some rows and false "
                "for others; digits-stripes has one"
            )
        super().__init__(config, inputs, randomness)

    @classmethod
    def make_encoder(cls, config: SepCLRConfig, shape: Mapping[str, int]) -> StagedEncoder:  # type: ignore[override]
        """Return an encoder of the common and one of the salient factors."""
        return StagedEncoder(RowMethod.make_encoder(config, shape) for _ in range(2))

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the common factors of rows, of unit length, and the salient ones [rows, dim] each."""
        common, salient = (one.head(one(x)) for one in self.encoder.stages)  # type: ignore[operator]
        return normalize(common, dim=1), salient

    def step(self, batch: Rows) -> Step:
        """Align two views of a batch, spread what may differ, and keep the background's salient factors at 0."""
        t, target = self.config.bandwidth, self.inputs.target
        target = target if batch.get("n_id") is None else target[batch.n_id]
        views = [self.factors(view) for view in self.views(batch)]
        (first, own), (second, other) = views

        def mean(terms: list[Tensor]) -> Tensor:
            return torch.stack(terms).mean()

        return Step(
            {
                "common": alignment(first, second, t) + 2 * mean([uniformity(c, t) for c, _ in views]),
                "salient": alignment(own[target], other[target], t)
                + 2 * mean([uniformity(s * target[:, None], t) for _, s in views]),
                "null": mean([alignment(s[~target], 0 * s[~target], t) for _, s in views]),
                "entropy": mean([joint_entropy(c[target], s[target], t) for c, s in views]),
            },
            weights={name: getattr(self.config, name) for name in ("salient", "null", "entropy")},
        )

    @classmethod
    def memory(cls, config: SepCLRConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: both encoders' layers and the kernels of a batch's pairs."""
        step = min(config.batch_size or sizes["rows"], sizes["rows"])
        return 2 * super().memory(config, sizes) - PROCESS + min(48 * step**2, BUDGET_MIB * 2**20)
