"""Few rules: few-negatives with what rules say of each node as one more distance beside its hops.

A method of ours, after what Str-GCL promises (He and others, WWW 2025): structural commonsense reaches the encoder.
There rules act through two moments over all nodes, here node by node, so that the same truths on other nodes teach
something else; and at the cost of few negatives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.encoders.hops import RuleEncoder
from workbench.errors import UserError
from workbench.methods.base import METHODS
from workbench.methods.nodes.few_negatives import FewNegatives, FewNegativesConfig
from workbench.randomness import Randomness
from workbench.rules import formula


@dataclass(frozen=True)
class FewRulesConfig(FewNegativesConfig):
    """Configuration of few-rules; every default is ours.

    Attributes:
        rules: names or formulas, at least one; a truth counts 0 or 1, a score as it is. By default those of the library
            that ask for no nodes two edges away, of Str-GCL's own the soft forms.
        weighting: what rules say stands at its own node ("on"), or "permuted" over the nodes, a placebo.
    """

    main = ("epochs", "lr", "tau", "rules", "negatives", "k")

    rules: tuple[str, ...] = (
        "ntsc-soft", "lgtc-soft", "homophily", "bridge", "hub-periphery", "degree-assortative", "dense-core",
        "weak-tie", "triangle-closed", "attribute-outlier", "friendship-paradox",
    )  # fmt: skip
    weighting: Literal["on", "permuted"] = "on"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rules:
            raise UserError("few-rules needs at least one rule; few-negatives is the same without any")
        for rule in self.rules:
            formula(rule)  # a mistake is told before anything is computed


@METHODS.register("few-rules")
class FewRules(FewNegatives):
    """few-negatives whose views hide what rules say as they hide a distance, so that either must tell of the other."""

    Config = FewRulesConfig

    encoder: RuleEncoder

    def __init__(self, config: FewRulesConfig, inputs: Data, randomness: Randomness):
        super().__init__(config, inputs, randomness)
        self.said = self.encoder.say(inputs)
        self.encoder.settle_rules(self.said, randomness.integer("rules"))
        self.cached = torch.cat([self.cached, self.encoder.judged(self.said)], 1)

    @classmethod
    def make_encoder(cls, config: Any, shape: Mapping[str, int]) -> RuleEncoder:
        """Return an encoder of the hops and rules that are asked for."""
        widths = config.cut, config.hidden, config.dim
        return RuleEncoder(shape["features"], config.steps, *widths, config.rules, config.weighting == "permuted")

    @classmethod
    def memory(cls, config: Any, sizes: Mapping[str, int]) -> float:
        """Return the bytes of few-negatives and those of what rules say, thrice."""
        return super().memory(config, sizes) + 12 * sizes["rows"] * len(config.rules)

    def details(self) -> dict[str, Tensor]:
        """Return what each rule says of the nodes, by its name or formula, each [nodes]."""
        return {rule: self.said[:, place] for place, rule in enumerate(self.config.rules)}
