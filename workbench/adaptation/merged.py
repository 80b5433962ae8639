"""Merging: stored adaptations of one base become one encoder, whose weights a gate mixes for each input.

Ye, Huang, Tu and others: Merging Vision Transformers from Different Tasks and Domains. arXiv 2312.16240; see
`workbench.adaptation.merging`.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor

from workbench.adaptation.base import PLANS, Plan
from workbench.adaptation.blocks import SELECTION, entropy, within
from workbench.adaptation.few import fit_logistic
from workbench.adaptation.members import GatedHead, Member
from workbench.adaptation.merging import Gate, attach, merge, owners, placeholders
from workbench.adaptation.similarity import chosen, similarities
from workbench.errors import warn


@PLANS.register("merged")
class Merged(Plan):
    """Nothing but the gate is learned, by inputs of all members' data and no label: whose they are.

    An input's class is told by the classifier of its likeliest member.

    Args:
        members: stored adaptations of one base, e.g. RUN,RUN; each by its folder or the start of its key.
        share: of the weights that become one mean for all inputs, by whole layers; 0 mixes each for each input, 1 is a
            uniform soup.
        order: which layers become means first: those that members changed alike ("similar") or "random" ones.
        gate: "learned"; "hard", which has the likeliest member alone, and "random" are controls.

    Raises:
        UserError: a share outside its limits.
    """

    plain = False

    def __init__(
        self,
        members: str = "",
        share: float = 0.0,
        order: Literal["similar", "random"] = "similar",
        gate: Literal["learned", "hard", "random"] = "learned",
    ):
        super().__init__()
        within("share", share, 0, 1)
        self.members, self.share, self.order, self.gate = members, share, order, gate

    @torch.no_grad()
    def prepare(self, encoder: Any, generator: torch.Generator) -> None:
        """Learn the gate, choose the layers that become means, and merge."""
        members: list[Member] = self.inputs.members
        start = {name: value.clone() for name, value in encoder.state_dict().items()}
        gate = Gate(deepcopy(encoder), len(members), self.gate == "hard")
        if self.gate == "random":
            gate.layer.weight.copy_(torch.randn(gate.layer.weight.shape, generator=generator))
            gate.layer.weight /= gate.layer.in_features**0.5
            gate.layer.bias.zero_()
        else:
            codes = [gate.start.embed(member.data()) for member in members]
            whose = torch.arange(len(members)).repeat_interleave(torch.tensor([*map(len, codes)]))
            fit_logistic(gate.layer, torch.cat(codes), whose)
            self.learned = sum(weights.numel() for weights in gate.layer.parameters())
        states = [member.state for member in members]
        self.similarity = similarities(start, states, [*owners(encoder)])
        order = sorted(self.similarity, key=lambda layer: -self.similarity[layer])
        if self.order == "random":
            order = [order[place] for place in torch.randperm(len(order), generator=generator).tolist()]
        self.means = chosen(order, start, self.share)
        merge(encoder, states, gate, self.means)
        self.classifier = GatedHead(members, gate)

    @torch.no_grad()
    def details(self, encoder: Any, inputs: Any) -> dict[str, Tensor]:
        """Return the "gate" [items, members], and of each layer its "similarity" and whether it became a "mean".

        A warning says where the gate selects rather than merges.
        """
        p = encoder.gate.probabilities(encoder.gate.start.embed(inputs))
        if self.gate != "hard" and entropy(p) < SELECTION:
            warn(f"selection, not merging: the gate's probabilities have a mean entropy of {entropy(p):.3f} nat")
        means = torch.tensor([layer in self.means for layer in self.similarity])
        return {"gate": p, "similarity": torch.tensor([*self.similarity.values()], dtype=torch.float64), "mean": means}

    def new(self, encoder: Any, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the gate, and the layers that the base has otherwise; what the gate looks with is the base."""
        state = super().new(encoder, base)
        return {name: value for name, value in state.items() if not name.startswith("gate.start.")}

    def restore(self, encoder: Any, stored: Mapping[str, Tensor]) -> None:
        """Put mixed layers in place where several are stored, and load them."""
        members = len(stored["gate.layer.bias"])
        gate = Gate(deepcopy(encoder), members, self.gate == "hard")
        placeholders(
            encoder, members, gate, {name.partition(".layers.0.")[0] for name in stored if ".layers.0." in name}
        )
        attach(encoder, gate)
        super().restore(encoder, stored)
