"""A target network that follows the trained one, and schedules by the cosine."""

import math

import torch
from torch import nn


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Move the parameters of a target towards those of the online network; buffers stay the target's own.

    Each becomes momentum * target + (1 - momentum) * online, so that 1 leaves the target as it is.

    Args:
        target: the network that follows.
        online: the network that is trained, of the same shape.
        momentum: in [0, 1].
    """
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.mul_(momentum).add_(fast, alpha=1 - momentum)


def cosine(step: float, steps: int, warmup: int = 0) -> float:
    """Return a factor that rises linearly from 0 over the warm-up, then falls from 1 along half a cosine.

    Args:
        step: counted from 0.
        steps: in all; at this step the factor is 0.
        warmup: steps of the rise, at the end of which the factor is 1.
    """
    if step < warmup:
        return step / warmup
    return (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))) / 2
