"""LightGCN: embeddings of users and items, averaged along their interactions, that rank what was taken above the rest.

He, Deng, Wang, Li, Zhang, Wang: LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation.
SIGIR 2020, arXiv 2002.02126.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.encoders.lightgcn import LightGCN as Encoder
from workbench.encoders.lightgcn import adjacency
from workbench.methods import base
from workbench.methods.base import METHODS, PROCESS, Method, Step, above, at_least
from workbench.methods.bipartite.triples import Draw, Triples
from workbench.objectives.ranking import bayesian_personalised_ranking
from workbench.randomness import Randomness


@dataclass(frozen=True)
class LightGCNConfig(base.Config):
    """Configuration of LightGCN; the defaults are the authors'.

    Attributes:
        weight_decay: of all embeddings at each step; the method penalises those of the batch in its place.
        dim: width of the embedding.
        layers: convolutions; 0 is matrix factorisation.
        combine: how layers make one embedding: their "mean" or "sum".
        start: of the learned embeddings: "normal" with deviation 0.1, as released, or "xavier", as described.
        penalty: weight of half the squared norm of a triple's learned embeddings.
        draw: triples of an epoch by "users", as released: each user is as frequent; or by "interactions".
        batch_size: triples in a batch.
    """

    main = ("epochs", "lr", "dim", "layers", "penalty")

    epochs: int = at_least(0, 1000)
    lr: float = above(0, 1e-3)
    weight_decay: float = at_least(0, 0.0)
    dim: int = at_least(1, 64)
    layers: int = at_least(0, 3)
    combine: Literal["mean", "sum"] = "mean"
    start: Literal["normal", "xavier"] = "normal"
    penalty: float = at_least(0, 1e-4)
    draw: Literal["users", "interactions"] = "users"
    batch_size: int = at_least(1, 2048)


def own_among_all(numbers: Tensor, tau: float, similarity: str) -> tuple[Contrast, Tensor]:
    """Return the contrast of rows with all rows of another view, each one's own its positive, and how often each is.

    The numbers [any] may repeat themselves: a row is computed once. They are the contrast's `nodes`, in order.
    """
    rows, counts = numbers.unique(return_counts=True)
    own = torch.stack([torch.arange(len(rows), device=rows.device), rows]), torch.ones(len(rows), device=rows.device)
    return Contrast(tau, False, rows, positives=own, similarity=similarity), counts


@METHODS.register("lightgcn")
class LightGCN(Method):
    """Bayesian personalised ranking of triples, on the mean over layers of convolutions that have no weights."""

    Config = LightGCNConfig
    kinds = ("bipartite",)

    encoder: Encoder

    def __init__(self, config: LightGCNConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.adjacency = adjacency(inputs)
        self.draw = Draw(inputs, config.draw, randomness.generator("triples"))

    @classmethod
    def make_encoder(cls, config: LightGCNConfig, shape: Mapping[str, int]) -> Encoder:
        """Return an embedding for each user and item, and convolutions."""
        return Encoder(shape["users"], shape["items"], config.dim, config.layers, config.combine, config.start)

    def batches(self) -> Iterable[Triples]:
        """Yield triples, drawn anew each epoch, as many as there are interactions."""
        device = self.encoder.user.device
        for batch in self.draw.epoch(self.config.batch_size):
            yield Triples(*(part.to(device) for part in batch))

    def step(self, batch: Triples) -> Step:
        """Rank the items that users took above those that they did not take."""
        users, items = self.encoder.combined(self.encoder.layers(self.adjacency))
        terms = {"ranking": self.ranking(users, items, batch), "norms": self.norms(batch)}
        return Step(terms, {"norms": self.config.penalty})

    def ranking(self, users: Tensor, items: Tensor, batch: Triples) -> Tensor:
        """Return the mean loss of the triples; arguments are embeddings [users, dim] and [items, dim]."""
        user = users[batch.user]
        scores = ((user * items[item]).sum(1) for item in (batch.positive, batch.negative))
        return bayesian_personalised_ranking(*scores).mean()

    def norms(self, batch: Triples) -> Tensor:
        """Return half the squared norms of the learned embeddings of a triple, its mean over the batch."""
        chosen = self.encoder.user[batch.user], self.encoder.item[batch.positive], self.encoder.item[batch.negative]
        total: Tensor = sum(rows.square().sum() for rows in chosen)  # type: ignore[assignment]
        return total / (2 * len(batch.user))

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the peak: each layer and gradients, the learned embeddings with Adam's, adjacency and triples."""
        numbers = (2 * config.layers + 10) * sizes["rows"] * config.dim + 12 * config.batch_size * config.dim
        return PROCESS + 4.0 * numbers + 160 * sizes["interactions"]
