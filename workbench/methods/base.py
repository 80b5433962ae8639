"""What every method is made of: a frozen configuration, an encoder, a step and an embedding."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.config import Parameters, Part, above, at_least, options_of, part, rate
from workbench.contrast import Contrast
from workbench.contrast.kernels import TILE
from workbench.contrast.negatives.sampled import SampledContrast
from workbench.contrast.negatives.selection import SAMPLERS, SHARED
from workbench.contrast.positives import labels_of
from workbench.contrast.ratio import BUDGET_MIB
from workbench.datasets.attributes import SPARSE_BELOW
from workbench.datasets.kinds import kind_of
from workbench.encoders.base import Encoder
from workbench.errors import UserError
from workbench.methods import registry
from workbench.objectives import OBJECTIVES
from workbench.randomness import Randomness
from workbench.registry import Registry

METHODS: Registry[type["Method"]] = registry.METHODS
PROCESS = 18 * 2**20  # bytes that a first fit takes however small: libraries, threads, buffers of products


@dataclass(frozen=True)
class Config(Parameters):
    """What each method has: Adam with coupled weight decay.

    Attributes:
        epochs: passes over the batches; 0 leaves the encoder untrained.
        lr: learning rate of Adam.
        weight_decay: coupled (L2) weight decay of Adam.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr")

    epochs: int = at_least(0, 200)
    lr: float = above(0, 5e-4)
    weight_decay: float = at_least(0, 1e-5)


@dataclass(frozen=True)
class ContrastConfig(Config):
    """What each method has besides that contrasts nodes with negatives of one's choice.

    Attributes:
        negatives: the sampler that chooses them, with its options, e.g. negatives.hops=3 beside "hop-far"; "all" for
            the method's own.
        k: negatives of a node at most; in two views each counts twice.
        redraw: epochs after which they are chosen anew; 0 keeps the first choice. Each sampled batch chooses its own.
        objective: what the pairs are turned into, with its options, e.g. objective.sigma=0.5 beside "dclw".
    """

    negatives: Part = part(SAMPLERS, "all")
    k: int = at_least(1, 64)
    redraw: int = at_least(0, 1)
    objective: Part = part(OBJECTIVES, "infonce")

    main = (*Config.main, "negatives", "k")

    def __post_init__(self) -> None:
        super().__post_init__()
        mixed = "synthetic" in options_of(SAMPLERS, self.negatives.name)
        if (self.objective.name == "cacr" and mixed) or (
            self.objective.name == "groco" and self.negatives.name != "all"
        ):
            of = f"of sampler {self.negatives.name!r}"
            raise UserError(f"the objective {self.objective.name!r} is not defined for negatives {of}")

    def sampled(
        self, base: Contrast, graph: Data, randomness: Randomness, ids: Tensor | None = None
    ) -> SampledContrast:
        """Return what fills the contrast of a method as configured; arguments as for `SampledContrast`."""
        return SampledContrast(base, graph, randomness, self.negatives, self.k, self.redraw, ids)

    def loss(self, contrast: Contrast, u: Tensor, v: Tensor | None = None) -> Tensor:
        """Return the loss of each anchor by the objective [anchors]; arguments as for `objectives.infonce.infonce`."""
        values: Tensor = self.objective.call(OBJECTIVES, contrast, u, v)
        return values

    def pair_bytes(self, rows: int, views: int = 2) -> float:
        """Return about how many bytes the pairs take of rows in views, as the loss goes through them."""
        budget, k = BUDGET_MIB * 2**20, min(self.k, rows)
        if self.negatives.name in SHARED:
            return min(16 * rows * k, budget)
        if self.negatives.name != "all":
            return min(24 * (views * rows) * (views * k), budget) + 48 * rows * k
        pairs = (views * rows) ** 2
        if self.objective.name == "cacr":
            return min(24 * pairs, budget)
        if self.objective.name == "groco":  # a block of cosines, and what the sorter keeps
            count = 1 + self.objective.all_options(OBJECTIVES)["top"]
            return min(4 * pairs, 4 * 2**22) + min(48 * rows * count**2, budget) * views
        triangle = 2 * views * rows * (views * rows + TILE)
        return min(12 * pairs, 12 * TILE**2) + min(triangle, budget)


class Step(NamedTuple):
    """What one training step computed.

    Attributes:
        terms: named loss terms, each a scalar.
        weights: factor of each term in the total; 1 for a term that isn't named.
        kept: what screens ask for by name: "contrast", "projections" (a tuple, one matrix per view [rows, dim]), ...
        finished: True where the method has nothing left to learn.
    """

    terms: Mapping[str, Tensor]
    weights: Mapping[str, float] = MappingProxyType({})
    kept: Mapping[str, Any] = MappingProxyType({})
    finished: bool = False

    @property
    def total(self) -> Tensor:
        """The weighted sum of the terms: what is minimised."""
        total: Tensor = sum(self.weights.get(name, 1.0) * term for name, term in self.terms.items())  # type: ignore
        return total


class Method(nn.Module):
    """A method that learns an embedding; it is handed no targets and draws only from the randomness it is given.

    A subclass sets `Config` and `kinds`, makes its encoder in `make_encoder` and whatever else it trains in `__init__`,
    and defines `step`. All else has a default. Initial weights may come from torch's global generator, and so may what
    modules such as dropout draw in a step: `fit` seeds it for each of these purposes alone.

    Args:
        config: the parameters.
        inputs: what the method may see of the data, see `workbench.datasets.kinds`.
        randomness: its streams.

    Attributes:
        kinds: names of the kinds of data that it learns on.
        encoder: what is kept of the training; None where a method embeds in another way.
        Adam: the optimiser; AdamW, which is one, decouples the weight decay.
    """

    Config: ClassVar[type[Config]]
    Adam: ClassVar[type[torch.optim.Adam]] = torch.optim.Adam
    kinds: ClassVar[tuple[str, ...]] = ("nodes",)
    encoder: Encoder | None

    def __init__(self, config: Any, inputs: Any, randomness: Randomness):
        super().__init__()
        self.config, self.inputs, self.randomness = config, inputs, randomness
        self.encoder = self.make_encoder(config, kind_of(inputs).shape(inputs))

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> Encoder | None:
        """Return a new encoder, which depends on the configuration and the sizes of the data only.

        Args:
            config: the parameters.
            shape: sizes that the kind of data names, e.g. {"features": 1433}, see `Kind.shape`.
        """
        return None

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return whether a training so configured is given labels, as `targets` of its inputs."""
        chosen = getattr(config, "positives", None)
        return isinstance(chosen, Part) and labels_of(chosen) is not None

    @classmethod
    def labels(cls, config: Any) -> str:
        """Return what those labels are, see `Kind.targets`: "classes", "numbers" or "paths"."""
        chosen = getattr(config, "positives", None)
        return (isinstance(chosen, Part) and labels_of(chosen)) or "classes"

    @classmethod
    def told(cls, config: Any, targets: Tensor) -> Tensor:
        """Return what a training so configured is told of the targets that it may see; what it isn't is negative."""
        return targets

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Do what precedes an epoch, counted from 0: a schedule of the learning rate or the momentum."""

    def batches(self) -> Iterable[Any]:
        """Yield the batches of an epoch: by default the inputs, whole."""
        yield self.inputs

    def step(self, batch: Any) -> Step:
        """Compute the losses of one batch."""
        raise TypeError(f"{type(self).__name__} defines no step")

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """Change the parameters after a step."""
        optimiser.zero_grad(set_to_none=True)
        step.total.backward()
        optimiser.step()

    def after_update(self) -> None:
        """Do what follows each update: momentum, prototypes, annealing."""

    def finish(self) -> None:
        """Bring the encoder into the form in which it is kept, after the last update and what may be gone on from."""

    def optimiser(self) -> torch.optim.Optimizer:
        """Return what changes the parameters: `Adam` over `parameter_groups`."""
        config = self.config
        # The fused form does the same arithmetic in one pass over the parameters.
        return self.Adam(self.parameter_groups(), lr=config.lr, weight_decay=config.weight_decay, fused=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups for the optimiser; a method may exempt some from weight decay."""
        return [{"params": [one for one in self.parameters() if one.requires_grad]}]

    def embed(self, inputs: Any) -> Tensor | dict[str, Tensor]:
        """Return the embedding of inputs of the same kind [items, dim], or one by item name."""
        if self.encoder is None:
            raise TypeError(f"{type(self).__name__} defines no embedding")
        return self.encoder.embed(inputs)

    def kept(self) -> dict[str, Tensor]:
        """Return the weights that a run keeps, by name."""
        return {name: value for name, value in self.state_dict().items() if isinstance(value, Tensor)}

    @classmethod
    def restore(cls, encoder: Any, config: Any, weights: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> None:
        """Give a new encoder the weights that `kept` returned, beside those of the base that its run began with."""
        own = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
        encoder.load_state_dict(own)

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return about how many bytes a fit takes at its peak on a CPU, from the sizes of the data.

        Args:
            config: the parameters.
            sizes: "rows" that an encoder computes, and what `Kind.sizes`, `shape` and `entries` say.
        """
        rows, dim, layers = sizes["rows"], getattr(config, "dim", 0), getattr(config, "layers", 1)
        hidden = getattr(config, "projection", dim)
        # Of each view: every layer, both sides of the projector's activation, and its output as it is, of unit length
        # and stacked. Gradients of the widest layer come on top, and a quarter for gaps between freed blocks.
        numbers = 2.5 * rows * (dim * (2 * layers - 1) + 2 * hidden + 3 * dim + 2 * max(2 * dim, hidden))
        numbers += 6 * cls.encoder_numbers(config, sizes) + 8 * dim * hidden
        pairs = config.pair_bytes(rows) if isinstance(config, ContrastConfig) else 0
        preparing = rows * sizes.get("row", sizes.get("features", 0))  # which attributes aren't zero, a byte each
        return PROCESS + cls.graph_bytes(sizes) + max(4 * numbers + pairs, preparing)

    @classmethod
    def peak(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return `memory` of what a step sees, which is all of the data unless it is a sampled batch."""
        return cls.memory(config, sizes)

    @staticmethod
    def graph_bytes(sizes: Mapping[str, int]) -> float:
        """Return the bytes of the adjacency, of each view and turned round, and of the attributes if sparse."""
        rows, nonzeros = sizes["rows"], sizes.get("nonzeros", 0)
        sparse = nonzeros < SPARSE_BELOW * rows * sizes.get("features", 0)
        return 80 * (sizes.get("edges", 0) + rows) + (36 * nonzeros if sparse else 0)

    @classmethod
    def encoder_numbers(cls, config: Any, sizes: Mapping[str, int]) -> int:
        """Return how many weights the encoder has."""
        with torch.device("meta"):
            encoder = cls.make_encoder(config, sizes)
        return 0 if encoder is None else sum(weights.numel() for weights in encoder.parameters())

    def details(self) -> dict[str, Tensor]:
        """Return what the method made of the inputs besides the embedding, by name, for figures and tests."""
        return {}


__all__ = ["METHODS", "Config", "ContrastConfig", "Method", "Step", "above", "at_least", "part", "rate"]
