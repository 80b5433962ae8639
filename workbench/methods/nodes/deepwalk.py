"""DeepWalk: nodes that random walks visit soon after each other get similar vectors; edges alone decide them.

Perozzi, Al-Rfou, Skiena: DeepWalk: Online Learning of Social Representations. KDD 2014, arXiv 1403.6652.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.errors import UserError
from workbench.methods.base import METHODS, PROCESS, Config, Method, Step, above, at_least
from workbench.methods.nodes.walks import Walks
from workbench.objectives.skip_gram import skip_gram
from workbench.randomness import Randomness


@dataclass(frozen=True)
class DeepWalkConfig(Config):
    """Configuration of DeepWalk; dim, length, window, walks and lr are those of GammaGL's recipe, the others are ours.

    Attributes:
        weight_decay: 0; the sparse Adam, which moves the rows of a step alone, has none.
        dim: width of the embedding.
        walks: from each node in an epoch.
        length: nodes of a walk, its start included.
        window: how far apart on a walk two nodes meet, in steps.
        batch: walks of a step.
    """

    main: ClassVar[tuple[str, ...]] = ("epochs", "lr", "dim", "walks", "length", "window")

    epochs: int = at_least(0, 5)
    lr: float = above(0, 0.05)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 128)
    walks: int = at_least(1, 10)
    length: int = at_least(2, 20)
    window: int = at_least(1, 10)
    batch: int = at_least(1, 1024)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay:
            raise UserError("only rows that a step looks at are moved, without decay; weight_decay must be 0",
                            parameter="weight_decay")  # fmt: skip


@METHODS.register("deepwalk")
class DeepWalk(Method):
    """Skip-gram with one drawn node for each pair that meets, where the paper has a hierarchical softmax.

    Each node has two vectors, of which the one that stands at the centre of windows is the embedding. They are learned
    one by one, so that a node which training did not see has none, and one without an edge keeps its random one.
    Attributes are never looked at.
    """

    Config = DeepWalkConfig

    def __init__(self, config: DeepWalkConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator, self.paths = randomness.generator("walks"), Walks(inputs)
        self.centres, self.contexts = (nn.Embedding(self.paths.nodes, config.dim, sparse=True) for _ in range(2))
        nn.init.uniform_(self.centres.weight, -0.5 / config.dim, 0.5 / config.dim)
        nn.init.zeros_(self.contexts.weight)

    def optimiser(self) -> torch.optim.Optimizer:
        """Return an Adam that moves only the rows that a step looks at."""
        return torch.optim.SparseAdam(self.parameters(), lr=self.config.lr)

    def walk(self, starts: Tensor) -> Tensor:
        """Draw a walk from each start [walks, length]."""
        return self.paths.draw(starts, self.config.length, self.generator)

    def batches(self) -> Iterator[Tensor]:
        """Yield the walks of an epoch in random order, so many at a time [walks, length]."""
        starts = self.paths.starts.repeat(self.config.walks)
        for part in starts[torch.randperm(len(starts), generator=self.generator)].split(self.config.batch):
            yield self.walk(part)

    def step(self, batch: Tensor) -> Step:
        """Tell nodes that meet on walks from nodes drawn at random among those that have a neighbour."""
        starts, device = self.paths.starts, self.centres.weight.device
        drawn = starts[torch.randint(len(starts), batch.shape, generator=self.generator)].to(device)
        on_walks = batch.to(device)
        met, random = skip_gram(
            self.centres(on_walks), self.contexts(on_walks), self.contexts(drawn), self.config.window
        )
        return Step({"met": met, "drawn": random})

    def embed(self, inputs: Data) -> Tensor:
        """Return the vector of each node of the graph that was trained on [nodes, dim]."""
        return self.centres.weight.detach().clone()

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the bytes of both tables with their moments, of the walks' vectors and pairs, and of the edges."""
        places = min(config.batch, sizes["rows"] * config.walks) * config.length
        tables, step = 7 * sizes["rows"] * config.dim, places * (15 * config.dim + 10 * config.length)
        return PROCESS + 4 * (tables + step) + 16 * sizes["rows"] * config.walks + 60 * sizes["edges"]
