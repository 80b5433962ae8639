"""The sampler that chooses whom to push, and how much, by a rule."""

from dataclasses import replace

import numpy as np
import torch

from workbench import rules
from workbench.contrast.negatives.context import SamplingContext
from workbench.contrast.negatives.selection import SAMPLERS, Selection, shared
from workbench.errors import UserError
from workbench.randomness import Randomness


@SAMPLERS.register("rule-weighted")
def rule_weighted(
    context: SamplingContext,
    k: int,
    randomness: Randomness,
    rule: str = "ntsc",
    rule_semantics: str = "crisp",
    rule_steepness: float = 10.0,
) -> Selection:
    """K nodes of which a rule is true to some degree, drawn uniformly; each weighs as much as the rule is true of it.

    The weight is W of the contrast, as in negatives weighted by what is known of them (Xia and others, ProGCL, 2022); a
    rule in place of a learned weight is ours. `rule` is a name or formula that is true or false of a node,
    `rule_semantics` how its truth is graded, as for `workbench.rules.evaluate`, and `rule_steepness` that of a graded
    truth.
    """
    tree = rules.formula(rule)
    if tree.sort == "number":
        raise UserError(f"the rule {rule!r} is a score; weights of negatives take a truth, e.g. a comparison with it")
    terms = context.terms if isinstance(context.terms, rules.Terms) else rules.Terms(context.graph)
    context.terms = terms  # what was computed serves the next call
    truth = rules.evaluate(tree, terms, rule_semantics, rule_steepness)[context.ids].double()
    order = torch.randperm(context.size, generator=randomness.generator("negatives"))
    chosen = order[truth[order] > 0][:k].numpy()
    if not len(chosen):
        raise UserError(f"the rule {rule!r} is true of no node of this graph, so that no negative is left")
    because = "the rule holds of it to the degree {truth:.3f}"
    return replace(shared(context, chosen, because, truth=np.asarray(truth)[chosen]), weights=truth[chosen].float())
