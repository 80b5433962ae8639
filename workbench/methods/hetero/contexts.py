"""What MEOW and AdaMEOW have in common: a coarse and a fine view of meta-paths, and a projector that both share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

from workbench.encoders.meow import Contexts
from workbench.errors import UserError
from workbench.methods.base import rate
from workbench.methods.hetero.typed import TypedConfig, TypedMethod, chosen_names, each_path
from workbench.randomness import Randomness


@dataclass(frozen=True)
class ContextConfig(TypedConfig):
    """What MEOW and AdaMEOW have.

    Attributes:
        dropout: of all codes.
        nearest: neighbours of a target on each meta-path, the most similar by PathSim, one number or one for each path.
        ties: "random", or "last" as released: which of equally similar nodes they are. Where a path joins nodes once
            at most, as ACM's subjects do, all are equally similar.
        feature_mask, edge_mask: shares of attribute entries, and of the edges of each path, that the twin lacks.
        contexts: whether what lies on the paths is seen.
    """

    dropout: float = rate(0.2)
    nearest: str = "110, 700"
    ties: Literal["random", "last"] = "random"
    feature_mask: float = rate(0.3)
    edge_mask: str = "0.3, 0.2"
    contexts: bool = True


class ContextMethod(TypedMethod):
    """A method of the two views, with a projector that both share."""

    encoder: Contexts

    def __init__(self, config: Any, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.encoder.seed.fill_(randomness.integer("masks"))
        self.project = nn.Sequential(nn.Linear(config.dim, config.dim), nn.Tanh())

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> Contexts:
        """Return the encoder of both views; the embedding is that of the fine one."""
        paths = chosen_names(config, shape)
        between = [shape[f"steps of {path}"] - 1 for path in paths]
        nearest, edges = (each_path(getattr(config, one), len(paths), one) for one in ("nearest", "edge_mask"))
        if max(edges) >= 1 or min(nearest) < 1:
            raise UserError("edge_mask must be below 1, and nearest at least 1", parameter="nearest")
        rest = (config.feature_mask, edges, config.ties, config.contexts)
        return Contexts(shape, config.dim, config.dropout, paths, between, nearest, *rest)

    def projected(self) -> tuple[Tensor, Tensor]:
        """Return both views, of unit length [targets, dim] each: the coarse one, the fine one."""
        coarse, fine = (normalize(self.project(code), dim=1) for code in self.encoder(self.graph))
        return coarse, fine

    def details(self) -> dict[str, Tensor]:
        """Return in how many rows of each path the neighbours were told apart by ties alone [paths]."""
        return {"tied rows": torch.tensor(self.encoder.views(self.graph).tied)}
