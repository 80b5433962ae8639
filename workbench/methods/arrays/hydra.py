"""Hydra: rows of any two classes are pulled together, seen through a gate that belongs to the pair; supervised.

Rethinking Positive Pairs in Contrastive Learning (SimLAP, at first Hydra). arXiv 2410.18200, and its released code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.datasets.arrays import Rows
from workbench.methods.arrays.rows import RowConfig, RowMethod
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.objectives.gated import gated_supcon
from workbench.randomness import Randomness


@dataclass(frozen=True)
class HydraConfig(RowConfig):
    """Configuration of Hydra; all but the form and tau is ours, for small images.

    Attributes:
        tau: temperature.
        pairs: most pairs of classes of a step, equal ones among them, drawn from those of the batch.
        gates: "learned", or "random" ones that stay as they were drawn, the control.
        classes_dim: width of the embedding of a class, from which gates are made, and of the layer behind it.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "tau", "pairs", "gates")

    tau: float = above(0, 0.1)
    pairs: int = at_least(1, 64)
    gates: Literal["learned", "random"] = "learned"
    classes_dim: int = at_least(1, 32)


class Gates(nn.Module):
    """A gate for each pair of classes, sigmoid(MLP((e_a + e_b) / 2)): the same in both orders."""

    def __init__(self, classes: int, width: int, dim: int):
        super().__init__()
        self.embedded = nn.Embedding(classes, width)
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the gates of pairs of classes [pairs, 2]: numbers from 0 to 1 [pairs, dim]."""
        gates: Tensor = self.layers(self.embedded(pairs).mean(1)).sigmoid()
        return gates


class RandomGates(nn.Module):
    """A gate of 0 and 1 for each pair of classes, half of it open, that is drawn once and isn't trained."""

    drawn: Tensor

    def __init__(self, classes: int, dim: int):
        super().__init__()
        order = torch.rand(classes, classes, dim).argsort(2)
        self.register_buffer("drawn", (order < (dim + 1) // 2).float())

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the gates of pairs of classes [pairs, 2]: zeros and ones [pairs, dim]."""
        return self.drawn[pairs.min(1).values, pairs.max(1).values]


def class_pairs(classes: Tensor) -> Tensor:
    """Return all pairs of different classes, and each with itself [pairs, 2]; n classes have n (n + 1) / 2."""
    return torch.combinations(classes.unique(), with_replacement=True)


@METHODS.register("hydra")
class Hydra(RowMethod):
    """SupCon is its case of open gates and equal classes; rows without a label that it may see are not learned on.

    A linear layer learns the classes beside it, from codes that have no gradient, so that it changes no embedding.
    """

    Config = HydraConfig

    def __init__(self, config: HydraConfig, inputs: Rows, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.learned = (inputs.targets >= 0).nonzero().flatten()
        self.drawing = randomness.generator("pairs")
        classes = int(inputs.targets.max()) + 1
        learned = config.gates == "learned"
        self.gates = Gates(classes, config.classes_dim, config.dim) if learned else RandomGates(classes, config.dim)
        self.classifier = nn.Linear(config.dim, classes)

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return True: it learns from classes."""
        return True

    def step(self, batch: Rows) -> Step:
        """Contrast rows in both views, for pairs of the classes that a batch has."""
        classes = self.inputs.targets[batch.n_id].repeat(2)
        codes = torch.cat([self.encoder(view) for view in self.views(batch)])
        pairs = class_pairs(classes)
        order = torch.randperm(len(pairs), generator=self.drawing)[: self.config.pairs]
        pairs, projected = pairs[order.to(pairs.device)], self.encoder.head(codes)
        losses = gated_supcon(projected, classes, pairs, self.gates(pairs), self.config.tau)
        told = cross_entropy(self.classifier(codes.detach()), classes)
        return Step({"contrast": losses.mean(), "classes": told}, kept={"projections": tuple(projected.chunk(2))})

    @torch.no_grad()
    def details(self) -> dict[str, Tensor]:
        """Return the "pairs" of classes [pairs, 2], and the "gates" of them, from 0 to 1 [pairs, dim]."""
        pairs = class_pairs(self.inputs.targets[self.learned])
        return {"pairs": pairs, "gates": self.gates(pairs)}

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: that of the encoder, and of each pair of classes the logits, at worst of all anchors."""
        step = min(config.batch_size or sizes["rows"], sizes["rows"])
        return super().memory(config, sizes) + config.pairs * 16 * (2 * step) ** 2
