"""`Plan`: what of a pretrained encoder is changed, and what of it is trained, to serve another task."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workbench.registry import Registry

PLANS: Registry[type["Plan"]] = Registry("adaptation plan", "workbench.adaptation", "PLANS")


class Plan(nn.Module):
    """A way to adapt an encoder that has `blocks`; its options are the arguments of `__init__` with defaults.

    It is a module, so that what it registers as a buffer survives a checkpoint. What it trains stands in the encoder.
    All else has a default: a plan that defines nothing trains nothing of the encoder.

    Attributes:
        logistic: whether the head is a logistic regression on the finished encoder's codes, not trained by gradients.
        plain: whether the finished encoder is computed as the pretrained one is, with other numbers.
        inputs: what the method sees of the data, `targets` among it, and `members` where the plan has some; set before
            `prepare`.
        learned: numbers that `prepare` has learned by itself, from no label.
        classifier: what stands in place of a trained head, of codes [items, dim] the logits [items, classes]; `prepare`
            may make one.
    """

    logistic: ClassVar[bool] = False
    plain: ClassVar[bool] = True
    inputs: Any
    learned: int = 0

    def __init__(self) -> None:
        super().__init__()
        self.classifier: nn.Module | None = None

    def prepare(self, encoder: nn.Module, generator: torch.Generator) -> None:
        """Insert parts in place and say what is trained.

        Args:
            encoder: with the pretrained weights, no parameter of which requires a gradient, but those of a new input
                layer. Its `blocks` are `workbench.encoders.blocks.Block`s.
            generator: the stream from which the plan draws, now and in training.
        """

    def loss(self) -> Tensor | None:
        """Return what is minimised beside the cross entropy, of the latest pass, a scalar; None for nothing."""
        return None

    def after_update(self, encoder: nn.Module, step: int, steps: int) -> None:
        """Do what follows an update, counted from 1, of so many: an average of experts, or of weights."""

    def finish(self, encoder: nn.Module) -> None:
        """Bring the encoder into the form in which it is used and stored: merged, averaged, compressed.

        It is called once, after the last update and before the encoder is looked at.
        """

    def details(self, encoder: nn.Module, inputs: Any) -> dict[str, Tensor]:
        """Return what is to be told of a finished encoder by name, after it has embedded the inputs."""
        return {}

    def new(self, encoder: nn.Module, base: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what has to be stored of a finished encoder by whoever has the base.

        Args:
            encoder: as `finish` left it.
            base: the pretrained weights by name, as the encoder's state was before `prepare`.
        """
        state = encoder.state_dict()
        return {name: value for name, value in state.items() if name not in base or not same(value, base[name])}

    def restore(self, encoder: nn.Module, stored: Mapping[str, Tensor]) -> None:
        """Turn an encoder with the pretrained weights into the finished one, by what `new` returned."""
        encoder.load_state_dict(encoder.state_dict() | dict(stored))


def same(value: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and numbers, wherever they lie."""
    return value.shape == other.shape and torch.equal(value.cpu(), other.cpu())


def trained(module: nn.Module) -> int:
    """Return how many numbers of a module are trained, each once however often it is used."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def begun(encoder: Any, base: Mapping[str, Tensor], new_input: bool) -> dict[str, Tensor]:
    """Give an untrained encoder the weights of its base, and return them as they are before anything is trained.

    Nothing of it requires a gradient but, with `new_input`, what belongs to the space of the inputs, which stays
    untrained.
    """
    fresh = encoder.state_dict()
    new = {name for name in fresh if new_input and encoder.is_input(name)}
    encoder.load_state_dict(fresh | {name: value for name, value in base.items() if name not in new})
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name in new)
    return {name: value.clone() for name, value in encoder.state_dict().items()}
