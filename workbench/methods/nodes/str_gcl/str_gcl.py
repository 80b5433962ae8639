"""Str-GCL: GRACE plus a rule branch whose first two moments the encoder is aligned with.

He, Huang, Zhao, Wang, Wang: Str-GCL: Structural Commonsense Driven Graph Contrastive Learning. WWW 2025,
doi 10.1145/3696410.3714900. The equations follow the released code; the paper's printed ones were not at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from workbench import rules
from workbench.contrast import Contrast
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import GraphTensors, View
from workbench.encoders.heads import projector
from workbench.errors import UserError
from workbench.methods import base
from workbench.methods.base import METHODS, Method, Step, above, at_least, rate
from workbench.objectives.infonce import infonce
from workbench.randomness import Randomness
from workbench.rules import published
from workbench.views.features import shuffle


@dataclass(frozen=True)
class StrGCLConfig(base.ContrastConfig):
    """Configuration of Str-GCL. Sizes default to a small CPU's; each switch defaults to what the release does.

    Attributes:
        dim: width of every encoder layer.
        projection: hidden width of the projector.
        layers: graph convolutions.
        rule_hidden: hidden width of the rule branch and of the rule-weight network.
        tau, tau_rule: temperatures of the node contrast and of the rule contrast.
        base_weight, rule_weight, cross_weight: factors of the three loss terms; the last also of the "nodes" alignment.
        edge_drop_1, edge_drop_2, feature_drop_1, feature_drop_2: augmentation rates of the two views.
        edge_dropping: "directed" drops each stored direction on its own, as released.
        rules: names or formulas, at least one; the released two soft ones by default. Truths are 0 or 1, scores real.
        semantics, steepness: how the truth of a formula is graded, as for `workbench.rules.evaluate`.
        alignment: how the rules reach the encoder. "moments" (released): its mean and covariance over the nodes are
            pulled to those of the rule branch. "nodes" (ours): see `StrGCL`.
        scores: the rule scores are "learnable" under weight decay (released), "no-decay" learnable, or "frozen".
            Targets of the "nodes" alignment are always frozen: a target that learns would follow its prediction.
        weighting: the rule weight (or target) is "on" (released), "constant", or "permuted" over the nodes, a placebo.
        degree: "doubled" (released) or "plain" degree in ntsc-soft.
        pca: components that lgtc-soft compares; the release ignores its own option and always takes 8.
        local_mean: lgtc-soft's local mean over "nonzero" similarities (released) or "all" neighbours.
    """

    main = ("epochs", "lr", "dim", "tau", "rules", "rule_weight", "cross_weight", "alignment")

    epochs: int = at_least(0, 200)
    lr: float = above(0, 5e-4)
    weight_decay: float = at_least(0, 5e-4)
    dim: int = at_least(1, 256)
    projection: int = at_least(1, 256)
    layers: int = at_least(1, 2)
    rule_hidden: int = at_least(1, 128)
    tau: float = above(0, 0.5)
    tau_rule: float = above(0, 0.7)
    base_weight: float = at_least(0, 1.0)
    rule_weight: float = at_least(0, 1.0)
    cross_weight: float = at_least(0, 1.0)
    edge_drop_1: float = rate(0.2)
    edge_drop_2: float = rate(0.4)
    feature_drop_1: float = rate(0.3)
    feature_drop_2: float = rate(0.4)
    edge_dropping: Literal["directed", "undirected"] = "directed"
    rules: tuple[str, ...] = ("ntsc-soft", "lgtc-soft")
    semantics: Literal["crisp", "product", "godel", "lukasiewicz"] = "crisp"
    steepness: float = above(0, 10.0)
    alignment: Literal["moments", "nodes"] = "moments"
    scores: Literal["learnable", "no-decay", "frozen"] = "learnable"
    weighting: Literal["on", "constant", "permuted"] = "on"
    degree: Literal["doubled", "plain"] = "doubled"
    pca: int = at_least(1, 8)
    local_mean: Literal["nonzero", "all"] = "nonzero"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rules:
            raise UserError("str-gcl needs at least one rule; rule_weight=0 and cross_weight=0 leave the rules out")


def rule_scores(config: StrGCLConfig, graph: Data) -> Tensor:
    """Evaluate the configured rules, float32 [nodes, rules]; the two soft ones as the released code has them."""
    terms, columns = rules.Terms(graph), []
    own = {
        "ntsc-soft": lambda: published.ntsc_soft(graph, config.degree),
        "lgtc-soft": lambda: published.lgtc_soft(graph, config.pca, config.local_mean),
    }
    for rule in config.rules:
        given = own.get(rule.strip().casefold())
        columns.append(given() if given else rules.evaluate(rule, terms, config.semantics, config.steepness))
    return torch.stack(columns, 1)


class RuleBranch(nn.Module):
    """Representations that see masked attributes and rule scores, but no edges; kept as hidden [.., h+1] @ mixing.T."""

    def __init__(self, features: int, hidden: int, dim: int, scores: Tensor):
        super().__init__()
        self.scores = nn.Parameter(scores)
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, dim)
        self.weight = nn.Sequential(
            nn.Linear(scores.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.BatchNorm1d(1)
        )

    def forward(self, view: View) -> Tensor:
        """Return the hidden layer with a column of ones for the bias [nodes, hidden + 1]."""
        hidden = nn.functional.elu(view.linear(self.first.weight.T, self.first.bias))
        return torch.cat([hidden, hidden.new_ones(len(hidden), 1)], 1)

    @property
    def mixing(self) -> Tensor:
        """Weight and bias of the second layer [dim, hidden + 1]."""
        return torch.cat([self.second.weight, self.second.bias[:, None]], 1)

    def narrow(self, hidden: Tensor) -> Tensor:
        """Return rows with the same inner products as the representations, in no more columns than `hidden` has."""
        mixing = self.mixing
        if mixing.shape[0] > mixing.shape[1]:
            # Q has orthonormal columns, so R alone decides all inner products.
            mixing = torch.linalg.qr(mixing.double()).R.to(hidden.dtype)
        return hidden @ mixing.T

    def weights(self) -> Tensor:
        """Return the rule weight of each node, in (0, 1) [nodes, 1]."""
        weights: Tensor = self.weight(self.scores).sigmoid()
        return weights


class _Gram(torch.autograd.Function):
    """x.T @ x, whose backward pass is one product instead of the two that autograd would make."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.T @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x @ (gradients[0] + gradients[0].T)


def moment_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return (1/D) |mean(a) - mean(b)|^2 + (1/D^2) |Cov(a) - Cov(b)|_F^2, covariances unbiased over nodes; a scalar.

    Args:
        a: representations [nodes, D].
        b: representations to match [nodes, D].
    """
    means = a.mean(0), b.mean(0)
    scale = 1 / (len(a) - 1)
    difference = (_Gram.apply(a - means[0]) - _Gram.apply(b - means[1])) * scale
    return (means[0] - means[1]).square().mean() + difference.square().mean()


@METHODS.register("str-gcl")
class StrGCL(Method):
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
        self.graph, self.generator = GraphTensors.of(inputs), randomness.generator("views")
        if self.graph.nodes < 2:
            raise UserError("str-gcl compares moments over nodes and needs at least 2; the graph has 1")
        scores = rule_scores(config, inputs)
        self.projector = projector(config.dim, config.projection)
        self.order = shuffle(self.graph.nodes, randomness.generator("rules"), scores.device)
        self.negatives = config.sampled(Contrast(config.tau), inputs, randomness)
        self.rule_contrast = Contrast(config.tau_rule)
        if config.alignment == "moments":
            self.rules = RuleBranch(self.graph.features, config.rule_hidden, config.dim, scores)
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

    def _weights(self) -> Tensor | float:
        if self.config.weighting == "constant":
            return 1.0
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
        c = self.config
        views = [
            self.graph.view(edges, features, self.generator, c.edge_dropping == "undirected")
            for edges, features in ((c.edge_drop_1, c.feature_drop_1), (c.edge_drop_2, c.feature_drop_2))
        ]
        encoded = [self.encoder(view) for view in views]
        projections = [self.projector(h) for h in encoded]
        contrast = self.negatives(*projections)
        terms = {"base": c.loss(contrast, *projections).mean()}
        if c.alignment == "nodes":
            errors = [(self.reader(h) - self.targets).square().mean() for h in encoded]
            terms["nodes"] = torch.stack(errors).mean()
        elif c.rule_weight or c.cross_weight:
            terms |= self._released_terms(views, projections)
        factors = {"base": c.base_weight, "rule": c.rule_weight, "cross": c.cross_weight, "nodes": c.cross_weight}
        return Step(terms, factors, {"contrast": contrast, "projections": tuple(projections)})

    def _released_terms(self, views: list[View], projections: list[Tensor]) -> dict[str, Tensor]:
        weights, rule_terms, cross_terms = self._weights(), [], []
        for view, projection in zip(views, projections, strict=True):
            hidden = self.rules(view)
            # A positive weight per row cancels in a cosine, so this term is the same with and without it.
            rule_terms.append(infonce(self.rule_contrast, self.rules.narrow(hidden)).mean())
            cross_terms.append(moment_distance(self._project_rules(weights, hidden), projection))
        return {"rule": torch.stack(rule_terms).mean(), "cross": torch.stack(cross_terms).mean()}

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
        return found | {"weight": torch.ones(self.graph.nodes) if isinstance(weights, float) else weights[:, 0]}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Exempt the rule scores from weight decay where `scores` says so."""
        if self.config.alignment == "nodes":
            return super().parameter_groups()
        scores = [self.rules.scores]
        others = [p for p in self.parameters() if p is not self.rules.scores]
        if self.config.scores == "no-decay":
            return [{"params": others}, {"params": scores, "weight_decay": 0.0}]
        return [{"params": others + scores}]
