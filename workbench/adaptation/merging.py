"""Several encoders of one form become one whose layers are mixed for each input by a gate, or are one mean for all.

Ye, Huang, Tu and others: Merging Vision Transformers from Different Tasks and Domains. arXiv 2312.16240, of which the
abstract alone was at hand. A layer is what owns weights: a linear layer, a normalisation's affine part, positions, a
graph convolution. All of these are linear in their weights, so that mixing weights for an input is mixing what they
give: N layers are run where there was one.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from workbench.adaptation.similarity import State, of


class Gate(nn.Module):
    """The probability of each member for an input, softmax(W c + b) of its code c by the encoder they all began as.

    Args:
        start: that encoder.
        members: their number N.
        hard: whether the likeliest member has all of it.

    Attributes:
        p: of the latest inputs [inputs, members].
    """

    def __init__(self, start: Any, members: int, hard: bool):
        super().__init__()
        self.start, self.hard = start.requires_grad_(False), hard
        self.layer = nn.Linear(start.norm.normalized_shape[0], members).requires_grad_(False)
        self.p = torch.full((1, members), 1 / members)

    def forward(self, inputs: object) -> None:
        """Look at inputs that the encoder is about to see."""
        self.p = self.probabilities(self.start(inputs))

    def probabilities(self, codes: Tensor) -> Tensor:
        """Return the probabilities of inputs [inputs, members] by their codes."""
        p: Tensor = self.layer(codes).softmax(-1)
        return one_hot(p.argmax(-1), p.shape[1]).to(p) if self.hard else p


class Mixed(nn.Module):
    """Layers of all members in one place: what they give is mixed by the gate's probabilities of each input.

    Args:
        layers: one of each member.
        gate: that has seen the inputs before.
    """

    def __init__(self, layers: Sequence[nn.Module], gate: Gate):
        super().__init__()
        self.layers, self._gate = nn.ModuleList(layers), (gate,)  # which is a part of the encoder, not of this

    def forward(self, x: object, *more: object) -> Tensor:
        """Return the mixture [inputs, ...]."""
        shares = self._gate[0].p.unbind(1)
        said = (layer(x, *more) for layer in self.layers)
        return torch.stack([out * p.view(-1, *[1] * (out.dim() - 1)) for out, p in zip(said, shares, strict=True)]).sum(
            0
        )


def owners(encoder: Any) -> dict[str, nn.Module]:
    """Return the layers of an encoder by name: each outermost module that owns weights itself."""
    found = dict[str, nn.Module]()
    for name, module in encoder.named_modules():
        inside = any(name.startswith(f"{owner}.") for owner in found)
        if name and not inside and next(module.parameters(recurse=False), None) is not None:
            found[name] = module
    return found


@torch.no_grad()
def merge(encoder: Any, members: Sequence[State], gate: Gate, means: Sequence[str]) -> None:
    """Put what is merged in place of the layers of an encoder, which the gate then sees each input before.

    Args:
        encoder: of the form that all members have.
        members: their weights by name.
        gate: over them.
        means: layers that become the mean of all members'; the others are mixed, unless they are all the same.
    """
    for name, layer in owners(encoder).items():
        states = [of(name, member) for member in members]
        alike = all(torch.equal(state[key], states[0][key]) for state in states for key in state)
        if name in means or alike:
            layer.load_state_dict(mean(states))
            continue
        layers = [deepcopy(layer) for _ in states]
        for own, state in zip(layers, states, strict=True):
            own.load_state_dict(state)
        place(encoder, name, Mixed(layers, gate))
    attach(encoder, gate)


def placeholders(encoder: Any, members: int, gate: Gate, mixed: Iterable[str]) -> None:
    """Put mixed layers in place of those of some names, all like what is there."""
    for name in mixed:
        place(encoder, name, Mixed([deepcopy(encoder.get_submodule(name)) for _ in range(members)], gate))


def place(encoder: Any, name: str, layer: nn.Module) -> None:
    """Put a layer where one of that name was."""
    parent, _, last = name.rpartition(".")
    setattr(encoder.get_submodule(parent), last, layer)


def attach(encoder: Any, gate: Gate) -> None:
    """Let the gate see the inputs of an encoder before it does."""
    encoder.gate = gate
    encoder.register_forward_pre_hook(_gated)


def _gated(encoder: Any, inputs: tuple[object, ...]) -> None:
    encoder.gate(*inputs)


def mean(states: Sequence[State]) -> dict[str, Tensor]:
    """Return the mean of each weight."""
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
