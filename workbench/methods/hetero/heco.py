"""HeCo: what meta-paths say of a node is contrasted with what its neighbours of each type say.

Wang, Liu, Han, Shi: Self-supervised Heterogeneous Graph Neural Network with Co-contrastive Learning. KDD 2021,
arXiv 2105.09111.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.datasets.kinds import kind_of
from workbench.datasets.metapaths import positives, relations
from workbench.encoders.heco import PathView, SchemaView
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step, above, at_least, rate
from workbench.methods.hetero.typed import BUDGET_MIB, TypedConfig, TypedMethod, chosen_names
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.edges import sample_neighbours


@dataclass(frozen=True)
class HeCoConfig(TypedConfig):
    """Configuration of HeCo; the defaults are the authors' for ACM.

    Attributes:
        positives: of a node, at most: those that most meta-paths join it with.
        chosen_by: "meta-paths", how many join two nodes, as the published files have it; "instances", how many
            instances of all of them; "shuffled", a control, has the numbers of positives of the first, but others.
        own: whether each node is a positive of itself beside them; in the published files 923 of ACM's are not.
        sampled: neighbours of each type that a step sees.
        dropout: of the codes of nodes.
        attention_dropout: of the vectors that attention is by.
    """

    lr: float = above(0, 8e-4)
    patience: int = at_least(0, 5)
    positives: int = at_least(1, 5)
    chosen_by: Literal["meta-paths", "instances", "shuffled"] = "meta-paths"
    own: bool = False
    sampled: int = at_least(1, 7)
    dropout: float = rate(0.3)
    attention_dropout: float = rate(0.5)


@METHODS.register("heco")
class HeCo(TypedMethod):
    """Cross-view InfoNCE whose positives, several per node, are added up inside the logarithm; both directions alike.

    Differs from the release: neighbours are sampled for all nodes at once; a node that no path reaches is a positive of
    itself; ties among positives are broken at random; the last epoch is kept, not that of the least loss; one number
    of sampled neighbours is for all types, where AMiner's are 3 authors and 8 references there.
    """

    Config = HeCoConfig
    encoder: PathView

    def __init__(self, config: HeCoConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        target, shape = self.graph.target, kind_of(inputs).shape(inputs)
        types = [kind for kind in inputs.node_types if kind != target and len(self.graph.neighbours(kind)[1])]
        if not types:
            raise UserError(
                f"no edge leads from the targets {target!r} to another type, which HeCo's schema view needs"
            )
        self.schema = SchemaView(shape, config.dim, types, config.dropout, config.attention_dropout)
        self.around = [self.graph.neighbours(kind) for kind in types]
        layers = [nn.Linear(config.dim, config.dim) for _ in range(2)]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight, gain=1.414)
        self.project = nn.Sequential(layers[0], nn.ELU(), layers[1])
        self.generator = randomness.generator("neighbours")
        self.contrast = Contrast(config.tau, positives=self.chosen_positives(inputs), same_view=False)

    @classmethod
    def make_encoder(cls, config: HeCoConfig, shape: Mapping[str, int]) -> PathView:
        """Return the view of the meta-paths, which is the embedding."""
        paths = chosen_names(config, shape)
        return PathView(shape, config.dim, paths, config.dropout, config.attention_dropout)

    def chosen_positives(self, inputs: HeteroData) -> tuple[Tensor, Tensor]:
        """Return the positives as (index [2, entries] of anchor and candidate, mass [entries])."""
        config, draw = self.config, np.random.default_rng(self.randomness.integer("positives"))
        counts = [*relations(inputs, self.encoder.paths).values()]
        ties = draw.permutation(self.graph.targets)
        chosen = positives(counts, config.positives, ties, config.own, config.chosen_by != "instances").tocoo()
        columns = draw.permutation(chosen.col) if config.chosen_by == "shuffled" else chosen.col
        index = torch.from_numpy(np.stack([chosen.row, columns]).astype(np.int64)).to(self.graph.device)
        return index, torch.ones(index.shape[1], device=index.device)

    def step(self, batch: Any) -> Step:
        """Contrast the two views of all targets."""
        h, by_paths = self.encoder(self.graph)
        sampled = [sample_neighbours(*around, self.config.sampled, self.generator) for around in self.around]
        by_types = self.schema(self.graph, h, sampled)
        u, v = self.project(by_paths), self.project(by_types)
        loss = infonce(self.contrast, u, v, BUDGET_MIB).mean()
        return Step({"contrast": loss}, kept={"contrast": self.contrast, "projections": (u, v)}, finished=self.finished)

    def details(self) -> dict[str, Tensor]:
        """Return the weight of each meta-path in the embedding [paths]."""
        with torch.no_grad():
            h = self.encoder.codes(self.graph, self.graph.target)
            return {"path weights": self.encoder.attention.weights(self.encoder.along(self.graph, h))}
