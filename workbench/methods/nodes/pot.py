"""POT: a contrastive method, plus how near a node stays at worst to itself in the other view, whatever edges go.

POT, NeurIPS 2023, as released at github.com/VoidHaruhi/POT-GCL.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch_geometric.data import Data

from workbench.config import rate
from workbench.contrast.kernels import EdgeSimilarity
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.errors import UserError
from workbench.methods.base import METHODS, ContrastConfig, Step, above
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.bounds import Bound, Box, form, lowest
from workbench.methods.nodes.costa import Costa
from workbench.methods.nodes.gca import GCA
from workbench.methods.nodes.grace import Grace
from workbench.methods.nodes.mixture import MixtureConfig
from workbench.methods.nodes.progcl import ProGCL
from workbench.randomness import Randomness

HOSTS: dict[str, type[NodeMethod]] = {"grace": Grace, "gca": GCA, "progcl": ProGCL, "costa": Costa}


@dataclass(frozen=True)
class PotConfig(MixtureConfig):
    """Configuration of POT; the defaults are what the release runs for Cora on GRACE.

    Attributes:
        host: the method that it is added to, "grace", "gca", "progcl" or "costa"; other parameters mean what they do
            there, and those that it doesn't have count for nothing.
        kappa: weight of the penalty; that of the host is 1 - kappa.
        bound: "official", as released, which is no certificate; "exact", followed back to each neighbour without the
            release's shortcut; "certified", which no drop of edges within the rates undercuts. See `bounds.lowest`.
        form: a node is held against its row in the "other" view less the mean of the others there, or as a control
            against a "random" direction of the same length.
        ratio, mixing: of COSTA; what stands in `MixtureConfig` is of ProGCL.
    """

    main = ("epochs", "lr", "dim", "tau", "host", "kappa", "bound")

    host: Literal["grace", "gca", "progcl", "costa"] = "grace"
    kappa: float = rate(0.4)
    bound: Bound = "official"
    form: Literal["other", "random"] = "other"
    tau: float = above(0, 0.9)
    edge_drop_1: float = rate(0.4)
    edge_drop_2: float = rate(0.3)
    feature_drop_1: float = rate(0.0)
    feature_drop_2: float = rate(0.0)
    ratio: float = above(0, 0.5)
    mixing: Literal["gaussian", "identity"] = "gaussian"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.of_host()
        if self.layers != 2:
            raise UserError(f"layers is {self.layers}; the bound is of two graph convolutions", parameter="layers")
        if self.batch_size and self.bound == "official":
            whole = "the bound 'official' needs the rows of neighbours too, which a sampled batch has not"
            raise UserError(f"{whole}; bound='exact' and 'certified' take batch_size", parameter="bound")

    def of_host(self) -> ContrastConfig:
        """Return the configuration of the host alone."""
        kind: Any = HOSTS[self.host].Config
        config: ContrastConfig = kind(**{one.name: getattr(self, one.name) for one in dataclasses.fields(kind)})
        return config


@METHODS.register("pot")
class POT(NodeMethod):
    """The host's step, and the mean of softplus(-bound) over nodes and both views, whose rows the host's encoder gave.

    The bound is of z_i·w_i, where z_i is the row before the projector, as it is, and w_i comes from unit rows of the
    other view. Gradients flow into both. Rates are those of the view, whatever each edge has in GCA.
    """

    Config = PotConfig

    encoder: GCN

    def __new__(cls, config: PotConfig, *arguments: Any) -> "POT":
        """Return a method that is the host's in all but what stands here."""
        host = HOSTS[config.host]
        return super().__new__(cls if issubclass(cls, host) else type(cls.__name__, (cls, host), {}))

    def __init__(self, config: PotConfig, inputs: Data, randomness: Randomness):
        super().__init__(config.of_host(), inputs, randomness)
        self.penalty, self.random = config, randomness.generator("forms")
        self.seen: list[tuple[View, Tensor]] = []
        if config.kappa:
            self.whole = self.boxes(inputs)
            self.encoder.register_forward_hook(self._see)

    def _see(self, encoder: nn.Module, given: tuple[View, ...], embedding: Tensor) -> None:
        if torch.is_grad_enabled():
            self.seen.append((given[0], embedding))

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> GCN:
        """Return the host's encoder."""
        if not isinstance(config, PotConfig):
            return super().make_encoder(config, shape)  # type: ignore[return-value]
        encoder = HOSTS[config.host].make_encoder(config.of_host(), shape)
        assert isinstance(encoder, GCN)
        return encoder

    def step(self, batch: Data) -> Step:
        """Take the host's step, and hold each view's bound against the other view."""
        self.seen.clear()
        step, kappa = super().step(batch), self.penalty.kappa
        if not kappa:
            return step
        (_, u), (_, v) = self.seen
        boxes = self.whole if batch is self.inputs else self.boxes(batch)
        forms = (form(other, self.random if self.penalty.form == "random" else None) for other in (v, u))
        bounds = [
            lowest(self.encoder, view, box, held, self.penalty.bound)
            for (view, _), box, held in zip(self.seen, boxes, forms, strict=True)
        ]
        weights = {name: (1 - kappa) * step.weights.get(name, 1.0) for name in step.terms} | {"compactness": kappa}
        return step._replace(terms={**step.terms, "compactness": softplus(-torch.cat(bounds)).mean()}, weights=weights)

    def boxes(self, batch: Data) -> tuple[Box, Box]:
        """Return what may become of the adjacency of the graph, or of a batch of it, at the rate of each view."""
        clean, c = GraphTensors.of(batch).whole, self.penalty
        degree = clean.adjacency.crow_indices().diff() - 1 if batch.get("degree") is None else batch.degree
        first, second = (Box.of(clean, degree, r, c.bound != "official") for r in (c.edge_drop_1, c.edge_drop_2))
        return first, second

    @classmethod
    def memory(cls, config: PotConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: the host's, intervals and lines of both layers in both views, and bounds of the edges."""
        host = HOSTS[config.host].memory(config.of_host(), sizes)
        numbers = 2 * sizes["rows"] * 40 * config.dim if config.kappa else 0
        edges = sizes.get("edges", 0) + sizes["rows"]
        return host + 4 * numbers + 60 * edges + EdgeSimilarity.peak_bytes(edges, 4 * config.dim)
