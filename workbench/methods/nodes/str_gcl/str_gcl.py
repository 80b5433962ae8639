"""Str-GCL: GRACE plus a rule branch whose first two moments the encoder is aligned with.

He, Huang, Zhao, Wang, Wang: Str-GCL: Structural Commonsense Driven Graph Contrastive Learning. WWW 2025,
doi 10.1145/3696410.3714900. The equations follow the released code; the paper's printed ones were not at hand.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast import Contrast
from workbench.datasets.attributes import unscaled
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods.base import METHODS, Step
from workbench.methods.nodes.batches import NodeMethod
from workbench.methods.nodes.str_gcl.config import StrGCLConfig, rule_scores
from workbench.methods.nodes.str_gcl.rule_branch import RuleBranch, moment_distance
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.views.features import shuffle


@METHODS.register("str-gcl")
class StrGCL(NodeMethod):
    """Node contrast + uniformity of the rule branch + alignment of both branches' mean and covariance (released).

    The released terms cannot tell which node a rule speaks of: rows of the rule contrast are normalised, which cancels
    their weights, and a mean and a covariance say nothing of a single node. So there is a variant of ours,
    alignment="nodes": the scores, standardised over the nodes, are targets that a linear layer must read from each
    node's encoder output, in squared error, in place of the rule and cross terms. The gradient of a node then depends
    on what the rules say of that node, and the permuted weighting hands it the targets of another node.
    """

    Config = StrGCLConfig
    encoder: GCN

    def __init__(self, config: StrGCLConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.generator, nodes = randomness.generator("views"), len(inputs.x)
        if nodes < 2:
            raise UserError("str-gcl compares moments over nodes and needs at least 2; the graph has 1")
        scores = rule_scores(config, unscaled(inputs))
        self.projector = projector(config.dim, config.projection)
        self.order = shuffle(nodes, randomness.generator("rules"), scores.device)
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)
        self.rule_contrast = Contrast(config.tau_rule)
        if config.alignment == "moments":
            self.rules = RuleBranch(inputs.x.shape[1], config.rule_hidden, config.dim, scores)
            self.rules.scores.requires_grad_(config.scores != "frozen")
        else:
            self.scores, self.reader = scores, nn.Linear(config.dim, scores.shape[1])
            spread = scores.std(0, correction=0)
            self.targets = torch.where(spread > 0, (scores - scores.mean(0)) / spread.clamp(min=1e-12), 0.0)
            if config.weighting != "on":
                self.targets = self.targets[self.order] if config.weighting == "permuted" else 0 * self.targets

    @classmethod
    def make_encoder(cls, config: StrGCLConfig, shape: Mapping[str, int]) -> GCN:
        """Return graph convolutions of equal width."""
        return GCN((shape["features"], *[config.dim] * config.layers))

    def _weights(self, ids: Tensor | None = None) -> Tensor | float:
        """Return the weight of each node, or of some [nodes, 1]."""
        if self.config.weighting == "constant":
            return 1.0
        if ids is not None:
            return self.rules.weights(self.order[ids] if self.config.weighting == "permuted" else ids)
        weights = self.rules.weights()
        return weights[self.order] if self.config.weighting == "permuted" else weights

    def _project_rules(self, weights: Tensor | float, hidden: Tensor) -> Tensor:
        """Return the projector's output for weights * (hidden @ mixing.T), without making that wide product."""
        first: nn.Linear = self.projector[0]  # type: ignore[assignment]
        mixed = hidden @ (first.weight @ self.rules.mixing).T
        projection: Tensor = self.projector[1:](weights * mixed + first.bias)
        return projection

    def step(self, batch: Data) -> Step:
        """Contrast two views, and align the encoder with the rules in either way."""
        c, graph = self.config, GraphTensors.of(batch)
        views = c.views(graph, self.generator)
        encoded = [self.encoder(view) for view in views]
        projections = [self.projector(h) for h in encoded]
        contrast = self.contrast(batch, *projections)
        ids = self.sampled_anchors(batch)
        terms = {"base": c.loss(contrast, *projections).mean()}
        if c.alignment == "nodes":
            targets = self.targets if ids is None else self.targets[ids]
            errors = [(self.reader(h) - targets).square().mean() for h in encoded]
            terms["nodes"] = torch.stack(errors).mean()
        elif c.rule_weight or c.cross_weight:
            terms |= self._released_terms(
                [view.first(graph.anchors) for view in views], projections, self._weights(ids)
            )
        factors = {"base": c.base_weight, "rule": c.rule_weight, "cross": c.cross_weight, "nodes": c.cross_weight}
        return Step(terms, factors, {"contrast": contrast, "projections": tuple(projections)})

    def _released_terms(
        self, views: list[View], projections: list[Tensor], weights: Tensor | float
    ) -> dict[str, Tensor]:
        rule_terms, cross_terms = [], []
        for view, projection in zip(views, projections, strict=True):
            hidden = self.rules(view)
            # A positive weight per row cancels in a cosine, so this term is the same with and without it.
            rule_terms.append(infonce(self.rule_contrast, self.rules.narrow(hidden)).mean())
            cross_terms.append(moment_distance(self._project_rules(weights, hidden), projection))
        return {"rule": torch.stack(rule_terms).mean(), "cross": torch.stack(cross_terms).mean()}

    @classmethod
    def memory(cls, config: StrGCLConfig, sizes: Mapping[str, int]) -> float:
        """Return the bytes of two views, beside those of the rule branch in each."""
        total, rows = super().memory(config, sizes), sizes["rows"]
        if config.alignment == "nodes" or not (config.rule_weight or config.cross_weight):
            return total
        kept = 3 * config.projection + 3 * config.dim + 4 * config.rule_hidden
        weights = config.rule_hidden * (sizes["features"] + config.dim)
        pairs = dataclasses.replace(config, negatives=Part("all"), objective=Part("infonce")).pair_bytes(rows, 1)
        return total + 4 * (2 * rows * kept + 6 * weights + 4 * config.dim**2) + 2 * pairs

    def details(self) -> dict[str, Tensor]:
        """Return the score of each rule by its name or formula, each [nodes].

        Besides, the rule "weight" of each node, or in the "nodes" alignment no weight but the "targets" [nodes, rules].
        """
        nodes = self.config.alignment == "nodes"
        scores = self.scores if nodes else self.rules.scores
        found = {rule: scores[:, i] for i, rule in enumerate(self.config.rules)}
        if nodes:
            return found | {"targets": self.targets}
        weights = self._weights()
        return found | {"weight": torch.ones(len(scores)) if isinstance(weights, float) else weights[:, 0]}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Exempt the rule scores from weight decay where `scores` says so."""
        if self.config.alignment == "nodes":
            return super().parameter_groups()
        scores = [self.rules.scores]
        others = [p for p in self.parameters() if p is not self.rules.scores]
        if self.config.scores == "no-decay":
            return [{"params": others}, {"params": scores, "weight_decay": 0.0}]
        return [{"params": others + scores}]
