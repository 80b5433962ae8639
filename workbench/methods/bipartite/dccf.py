"""DCCF: users and items by interactions and by learned intents, contrasted with each other in each layer.

Ren, Xia, Zhao, Yin, Huang: Disentangled Contrastive Collaborative Filtering. SIGIR 2023, arXiv 2305.02759.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.encoders.dccf import DCCF as Encoder
from workbench.methods.base import METHODS, Step, above, at_least
from workbench.methods.bipartite import lightgcn
from workbench.methods.bipartite.triples import Triples
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness

BUDGET_MIB = 64.0


@dataclass(frozen=True)
class DCCFConfig(lightgcn.LightGCNConfig):
    """Configuration of DCCF; the defaults are the authors'.

    Attributes:
        penalty: weight of the squared norms of a batch's learned embeddings, added up over the triples.
        batches: of an epoch; 0 for as many as hold each interaction once.
        intents: prototypes of users, and as many of items.
        intent_penalty: weight of their squared norms.
        tau: temperature of the contrast.
        contrast: weight of the contrast, that of all layers, views, users and items added up.
        without: a view that is left out of the layers and of the contrast, an ablation, or "nothing".
        shuffled: whether the weights of the adaptive views are dealt out to other interactions: a control.
    """

    main = ("epochs", "lr", "dim", "intents", "contrast")

    epochs: int = at_least(0, 100)
    dim: int = at_least(1, 32)
    layers: int = at_least(0, 2)
    combine: Literal["mean", "sum"] = "sum"
    start: Literal["normal", "xavier"] = "xavier"
    penalty: float = at_least(0, 2.5e-5)
    batch_size: int = at_least(1, 10_240)
    batches: int = at_least(0, 40)
    intents: int = at_least(1, 128)
    intent_penalty: float = at_least(0, 5e-3)
    tau: float = above(0, 1.0)
    contrast: float = at_least(0, 0.1)
    without: Literal["nothing", "intents", "adaptive", "intent-adaptive"] = "nothing"
    shuffled: bool = False


@METHODS.register("dccf")
class DCCF(lightgcn.LightGCN):
    """In each layer the convolution is contrasted with the view by intents and the two by adaptive weights of edges.

    Anchors and candidates are the distinct users of a batch, and its distinct positive items, by cosine and in one
    direction; those of the convolution are the anchors. The adaptive weights are learned through, and no edge is
    dropped, as in the release. Differs from the release: a negative is drawn without rejection, and embeddings start
    uniform in place of normal, of the same deviation.
    """

    Config = DCCFConfig

    encoder: Encoder

    def __init__(self, config: DCCFConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.links = self.encoder.links(self.adjacency)

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> Encoder:
        """Return embeddings of users, items and intents, and the layers on them."""
        names = ("dim", "layers", "intents", "without", "shuffled", "combine", "start")
        return Encoder(shape["users"], shape["items"], *(getattr(config, name) for name in names))

    def batches(self) -> Iterable[Triples]:
        """Yield triples, drawn anew each epoch."""
        for batch in self.draw.epoch(self.config.batch_size, self.config.batches):
            yield Triples(*(part.to(self.encoder.user.device) for part in batch))

    def step(self, batch: Triples) -> Step:
        """Rank as LightGCN does; contrast the views of the users and of the items of the batch in each layer."""
        layers, views = self.encoder.layers_and_views(self.links)
        terms = {"ranking": self.ranking(*self.encoder.combined(layers), batch), "norms": self.norms(batch)}
        terms["intents"] = self.encoder.user_intent.square().sum() + self.encoder.item_intent.square().sum()
        weights = {
            "norms": self.config.penalty,
            "intents": self.config.intent_penalty,
            "contrast": self.config.contrast,
        }
        if not self.config.contrast or not views:
            return Step(terms, weights)
        users, items = batch.user.unique(), batch.positive.unique()
        losses = [self.contrasted(layer, rows) for layer in views for rows in (users, items + self.encoder.sizes[0])]
        terms["contrast"] = torch.stack(losses).sum()
        seen = [view[users] for view in views[-1].values()][:2]
        return Step(terms, weights, {"contrast": Contrast(self.config.tau, False, users), "projections": tuple(seen)})

    def contrasted(self, views: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """Return the mean loss of rows, by the convolution against each other view, the views' losses added up."""
        contrast, anchors = Contrast(self.config.tau, False, rows), views["graph"][rows]
        others = [view[rows] for name, view in views.items() if name != "graph"]
        return torch.stack([infonce(contrast, anchors, other, BUDGET_MIB).mean() for other in others]).sum()

    def norms(self, batch: Triples) -> Tensor:
        """Return the squared norms of the learned embeddings of the triples, added up."""
        return 2 * len(batch.user) * super().norms(batch)

    @classmethod
    def memory(cls, config: DCCFConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: as LightGCN, four views a layer, intents, weights of edges, and blocks of pairs."""
        rows, edges = sizes["rows"], 2 * sizes["interactions"]
        layers = config.layers * (10 * rows * config.dim + 3 * rows * config.intents + 12 * edges)
        return super().memory(config, sizes) + 4 * layers + 16 * BUDGET_MIB * 2**16
