"""InfoMGF: one graph learned from several relations, each of which is refined, by what they share and what each has.

Shen, Wang, Kang: Beyond Redundancy: Information-aware Unsupervised Multiplex Graph Structure Learning. NeurIPS 2024,
arXiv 2409.17386.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch_geometric.data import HeteroData

from workbench.contrast.pairs import Contrast
from workbench.encoders.fused import Augmentation, Fused, WeightedGraph, knn_graph, scaled
from workbench.methods.base import METHODS, PROCESS, Method, Step
from workbench.methods.multiplex.config import InfoMGFConfig
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.edges import keep_edges

BUDGET_MIB = 96.0


@METHODS.register("infomgf")
class InfoMGF(Method):
    """Symmetric InfoNCE between the fused graph and each relation's, between those, and of each with its augmentation.

    Differs from the release: nearest neighbours by blocks, exactly; attributes go through `columns` first, before they
    are propagated; the perceptron of the augmentation has one hidden layer of 16, linear in both ends. There the noise
    of the learned augmentation is ln(.5 / .5) = 0, as two arguments stand in each other's places.
    """

    Config = InfoMGFConfig
    kinds = ("multiplex",)
    encoder: Fused

    def __init__(self, config: InfoMGFConfig, inputs: HeteroData, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.encoder.seed.fill_(randomness.integer("columns"))
        self.relations = self.encoder.relations(inputs)
        count, sizes = len(self.relations.graphs), (config.dim, config.projection, config.projection)
        self.fused, self.shared, self.unique = (
            nn.ModuleList(_projector(*sizes) for _ in range(number)) for number in (count + 1, count, count)
        )
        width, learned = self.relations.own.shape[1], config.augmentation == "learned"
        self.augmentation = Augmentation(count, width, config.dim, config.noise == "real") if learned else None
        self.generator = randomness.generator("views")
        self.contrast = Contrast(config.tau, same_view=False)

    @classmethod
    def make_encoder(cls, config: InfoMGFConfig, shape: Mapping[str, int]) -> Fused:
        """Return the learners of graphs and the convolutions."""
        return Fused(shape, config.hidden, config.dim, config.k, config.hops, config.columns, config.dropout)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters of the augmentation, if it is learned, apart."""
        own = [] if self.augmentation is None else [*self.augmentation.parameters()]
        rest = [p for p in self.parameters() if all(p is not one for one in own)]
        return [{"params": rest}, *([{"params": own, "lr": self.config.lr_augmentation}] if own else [])]

    def step(self, batch: Any) -> Step:
        """Contrast what each graph makes of the nodes."""
        encoder, relations = self.encoder, self.relations
        mixed = encoder.mixed(relations)
        fused = encoder.convolved(mixed, encoder.graph_of(encoder.fused(relations)))
        each = [encoder.convolved(mixed, encoder.graph_of(code)) for code in encoder.refined(relations)]
        with torch.no_grad():
            graphs = [self.augmented(number) for number in range(len(each))]
        views = [encoder.convolved(mixed, graph) for graph in graphs]
        projected = [
            [part(z) for part, z in zip(p, each, strict=False)] for p in (self.fused, self.shared, self.unique)
        ]
        own, others = self.fused[-1](fused), projected[0]
        terms = {
            "fused": self.mean([(own, other) for other in others]),
            "shared": self.mean([*combinations(projected[1], 2)]),
            "unique": self.mean([(z, p(view)) for z, p, view in zip(projected[2], self.unique, views, strict=True)]),
        }
        return Step(terms, kept={"contrast": self.contrast, "projections": (own, others[0])})

    def mean(self, pairs: list[tuple[Tensor, ...]]) -> Tensor:
        """Return the mean InfoNCE of pairs of views, 0 without any."""
        losses = [infonce(self.contrast, u, v, BUDGET_MIB).mean() for u, v in pairs]
        return torch.stack(losses).mean() if losses else self.encoder.second.weight.new_zeros(())

    def augmented(self, number: int) -> WeightedGraph:
        """Return a relation some of whose links are dropped, or weigh less; its loops stay."""
        graph, rate = self.relations.graphs[number], self.config.dropout
        if self.augmentation is not None:
            made: WeightedGraph = self.augmentation(number, graph, self.relations.along[number], self.generator)
            return made
        stays = keep_edges(len(graph.values), rate, self.generator, device=graph.values.device)
        return scaled(graph, stays / (1 - rate))

    def update(self, step: Step, optimiser: torch.optim.Optimizer) -> None:
        """Change what is learned by the contrast, then the augmentation by its own loss."""
        super().update(step, optimiser)
        if self.augmentation is not None:
            optimiser.zero_grad(set_to_none=True)
            self.augmentation_loss(self.augmentation).backward()
            for parameter in optimiser.param_groups[0]["params"]:
                parameter.grad = None
            optimiser.step()

    def augmentation_loss(self, augmentation: Augmentation) -> Tensor:
        """Return what the augmentation minimises: how alike it is to its relation's graph, and what it loses of f."""
        encoder, relations, losses = self.encoder, self.relations, []
        mixed = encoder.mixed(relations)
        for number, code in enumerate(encoder.refined(relations)):
            z, view = (encoder.convolved(mixed, g) for g in (encoder.graph_of(code), self.augmented(number)))
            u, v = (normalize(self.unique[number](one), dim=1) for one in (z, view))
            alike = ((u * v).sum(1).mean() - u.mean(0) @ v.mean(0)) / self.config.tau
            losses.append(self.config.spread * alike + augmentation.lost(number, view, relations.along[number]))
        return torch.stack(losses).mean()

    @torch.no_grad()
    def details(self) -> dict[str, Tensor]:
        """Return the edges of the fused graph, each once, their cosines, and in which relations each is."""
        pattern, values = knn_graph(self.encoder.fused(self.relations), self.config.k)
        once = pattern.rows < pattern.columns
        inside = self.relations.inside(pattern)[:, once]
        edges = torch.stack([pattern.rows, pattern.columns])[:, once]
        return {"edges": edges, "cosine": values[once], "inside": inside}

    @classmethod
    def memory(cls, config: InfoMGFConfig, sizes: Mapping[str, int]) -> float:
        """Return the peak: attributes, links of the relations, codes along each graph, and blocks of pairs."""
        rows, links, graphs = sizes["rows"], sizes.get("edges", 0), 2 * sizes["relations"] + 1
        codes = 4 * config.hidden + 8 * config.dim + 3 * (config.columns or sizes["features"])
        numbers = rows * (2 * sizes["features"] + graphs * codes)
        pairs = min(4 * rows**2, BUDGET_MIB * 2**20) * graphs
        return PROCESS + 4 * numbers + 90 * links + pairs + 24 * cls.encoder_numbers(config, sizes)


def _projector(dim: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, out))
