"""SelfTask: a graph convolution learns targets that the graph gives by itself, alone or beside labels.

Jin, Derr, Liu, Wang, Wang, Liu, Tang: Self-supervised Learning on Graphs: Deep Insights and New Direction.
arXiv 2006.10141, and the released SelfTask-GNN.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data

from workbench.config import Part, part, rate
from workbench.datasets.attributes import Scaling
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors
from workbench.methods.base import METHODS, Config, Method, Step, above, at_least
from workbench.methods.generative.label_pretexts import LABELLED
from workbench.methods.generative.pretexts import PRETEXTS
from workbench.randomness import Randomness


@dataclass(frozen=True)
class SelfTaskConfig(Config):
    """Configuration of SelfTask; the defaults are the authors' for joint training but for `joint` itself.

    Attributes:
        attributes: as of GraphMAE.
        dim: width of the hidden layer, which is the embedding.
        layers: graph convolutions up to it.
        dropout: share of the hidden states that is dropped in training.
        pretext: what is asked, with its options, e.g. pretext.parts=30; three of them are supervised.
        weight: of the pretext beside labels, the paper's lambda; alone it has none.
        joint: whether labels of training are learned as well, by one more graph convolution.
        permuted: whether each node is asked for what another one, drawn once, has to say: the control.
    """

    main = ("epochs", "lr", "pretext", "weight", "joint")

    lr: float = above(0, 0.01)
    weight_decay: float = at_least(0, 5e-4)
    attributes: Scaling = "loaded"
    dim: int = at_least(1, 128)
    layers: int = at_least(1, 1)
    dropout: float = rate(0.5)
    pretext: Part = part(PRETEXTS, "attribute-similarity")
    weight: float = at_least(0, 1.0)
    joint: bool = False
    permuted: bool = False


@METHODS.register("selftask")
class SelfTask(Method):
    """A linear head on hidden states answers the pretext.

    Differs from the release: no validation labels choose the epoch, so that the last one counts, and a pretext may be
    learned alone, without any label.
    """

    Config = SelfTaskConfig

    encoder: GCN

    def __init__(self, config: SelfTaskConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator = randomness.generator("pretext")
        self.pretext = config.pretext.call(PRETEXTS, inputs, self.generator)
        self.dropout, self.head = nn.Dropout(config.dropout), nn.Linear(config.dim, self.pretext.outputs)
        classes = int(inputs.targets.max()) + 1 if config.joint else 0
        self.classifier = nn.Linear(config.dim, classes) if config.joint else None
        order = torch.randperm(int(inputs.num_nodes), generator=randomness.generator("permutation"))
        self.asked_for = order if config.permuted else torch.arange(len(order))
        self.epoch = 0

    @classmethod
    def make_encoder(cls, config: SelfTaskConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions with ReLU, all of one width."""
        return GCN((shape["features"], *[config.dim] * config.layers))

    @classmethod
    def supervised(cls, config: Any) -> bool:
        """Return whether labels are learned, or looked at by the pretext."""
        return config.joint or config.pretext.name in LABELLED

    def before_epoch(self, epoch: int, optimiser: torch.optim.Optimizer) -> None:
        """Note the number of the epoch, which a pretext may begin something at."""
        self.epoch = epoch

    def step(self, batch: Data) -> Step:
        """Answer the pretext and, jointly, tell the classes of labelled nodes."""
        view = GraphTensors.of(self.pretext.graph).whole
        hidden = self.dropout(self.encoder(view))
        terms = {"pretext": hidden.new_zeros(())}
        for question in self.pretext.ask(hidden.detach(), self.epoch):
            states = hidden[self.asked_for[question.items].to(hidden.device)]
            answers = self.head(states if question.items.dim() == 1 else (states[0] - states[1]).abs())
            loss = self.pretext.loss(answers, question.targets.to(hidden.device))
            terms["pretext"] = terms["pretext"] + question.weight * loss
        if self.classifier is None:
            return Step(terms)
        known = (batch.targets >= 0).nonzero()[:, 0]
        terms["classes"] = cross_entropy((view.adjacency @ self.classifier(hidden))[known], batch.targets[known])
        return Step(terms, {"pretext": self.config.weight})

    @torch.no_grad()
    def details(self) -> dict[str, Tensor]:
        """Return the class that each node is "predicted" to have, where labels were learned [nodes]."""
        if self.classifier is None:
            return {}
        view = GraphTensors.of(self.inputs).whole
        return {"predicted": (view.adjacency @ self.classifier(self.encoder(view))).argmax(1)}
