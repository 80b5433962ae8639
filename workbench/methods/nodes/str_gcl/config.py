"""The parameters of Str-GCL, and the rule scores that they ask for."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench import rules
from workbench.config import above, at_least
from workbench.errors import UserError
from workbench.methods.base import ContrastConfig
from workbench.methods.nodes.two_views import TwoViews
from workbench.rules import published


@dataclass(frozen=True)
class StrGCLConfig(TwoViews, ContrastConfig):
    """Configuration of Str-GCL. Sizes default to a small CPU's; each switch defaults to what the release does.

    Attributes:
        dim: width of every encoder layer.
        projection: hidden width of the projector.
        layers: graph convolutions.
        rule_hidden: hidden width of the rule branch and of the rule-weight network.
        tau, tau_rule: temperatures of the node contrast and of the rule contrast.
        base_weight, rule_weight, cross_weight: factors of the three loss terms; the last also of the "nodes" alignment.
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
