"""Members: stored adaptations of one base that become one encoder, and the classifier that is made of theirs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workbench.adaptation.merging import Gate


class Member(NamedTuple):
    """A stored adaptation.

    Attributes:
        name: of the run.
        state: of its encoder, which has the form of the base.
        weight, bias: of its classifier [classes, dim] and [classes].
        classes: the number of each of them among the classes at hand [classes].
        labelled: whose labels it has learned [items], where it was trained on the data at hand; None for other data.
        data: call it for the inputs that it was trained on.
    """

    name: str
    state: dict[str, Tensor]
    weight: Tensor
    bias: Tensor
    classes: Tensor
    labelled: Tensor | None
    data: Callable[[], Any]


def stacked(members: Sequence[Member]) -> tuple[Tensor, Tensor]:
    """Return the classifiers of all members, [members, classes, dim] and [members, classes].

    A class that a member doesn't know is one that it never tells.
    """
    classes = 1 + max(int(member.classes.max()) for member in members)
    weight = members[0].weight.new_zeros(len(members), classes, members[0].weight.shape[1])
    bias = weight.new_full((len(members), classes), torch.finfo(weight.dtype).min)
    for number, member in enumerate(members):
        weight[number, member.classes], bias[number, member.classes] = member.weight, member.bias
    return weight, bias


class GatedHead(nn.Module):
    """The classifier of the member that the gate of the same inputs, seen just before, holds for the likeliest."""

    weight: Tensor
    bias: Tensor

    def __init__(self, members: Sequence[Member], gate: Gate):
        super().__init__()
        weight, bias = stacked(members)
        self._gate = (gate,)  # which is a part of the encoder
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits [inputs, classes] of codes [inputs, dim]."""
        member = self._gate[0].p.argmax(1)
        return torch.einsum("id,icd->ic", codes, self.weight[member]) + self.bias[member]
