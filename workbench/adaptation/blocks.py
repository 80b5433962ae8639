"""What plans share: which blocks they change, limits of their options, and parts of tokens that go different ways."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, linear

from workbench.errors import UserError

SELECTION = 0.1  # nat; a gate whose probabilities have less entropy selects a member


def blocks_of(encoder: Any, which: str) -> dict[str, Any]:
    """Return blocks by their names in the encoder.

    Args:
        encoder: with `blocks`.
        which: "all", "odd", "even", or numbers counted from 1, such as "2,4".

    Raises:
        UserError: none, or a number that no block has.
    """
    blocks: dict[str, Any] = dict(encoder.blocks.named_children())
    count, numbers = len(blocks), [word.strip() for word in which.split(",")]
    named = {"all": range(count), "odd": range(0, count, 2), "even": range(1, count, 2)}
    every = [*named.get(which, ())]
    if set(numbers) <= {str(number + 1) for number in range(count)}:
        every = [int(number) - 1 for number in numbers]
    if not every:
        raise UserError(
            f"plan.blocks is {which!r}; an encoder of {count} blocks has none of these; "
            f"valid: all, odd, even, or numbers from 1 to {count} with commas between them",
            parameter="plan.blocks",
        )
    return {f"blocks.{number}": blocks[str(number)] for number in every}


def within(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Refuse an option of a plan that is outside its limits.

    Raises:
        UserError: it is.
    """
    if not low <= value <= high:
        to = "or more" if high == float("inf") else f"to {high:g}"
        raise UserError(f"plan.{name} is {value:g}; it must be {low:g} {to}", parameter=f"plan.{name}")


def entropy(p: Tensor) -> float:
    """Return the mean entropy of distributions in nats, from 0 to log of their length; p [..., length] sums to 1."""
    return float(torch.special.entr(p.double()).sum(-1).mean())


def balance(load: Tensor, probabilities: Tensor) -> Tensor:
    """Return N sum_i f_i P_i, 1 where all ways are alike (Switch Transformer).

    Args:
        load: tokens that went each of N ways [N], of which f_i are the shares.
        probabilities: of each way for each token [tokens, N], of which P_i are the means.
    """
    return len(load) * (load / load.sum()).to(probabilities.dtype) @ probabilities.mean(0)


def each(parts: Iterable[Tensor], first: Tensor, first_bias: Tensor, second: Tensor, second_bias: Tensor) -> Tensor:
    """Return what each of N perceptrons says of its part of the tokens, below each other [tokens, d].

    Args:
        parts: N, each [tokens, d]. first, first_bias, second, second_bias: [N, r, d], [N, r], [N, d, r] and [N, d].
    """
    said = [
        linear(gelu(linear(part, first[i], first_bias[i])), second[i], second_bias[i]) for i, part in enumerate(parts)
    ]
    return torch.cat(said)
