"""Objectives: pure functions that turn pairs, logits, assignments or reconstructions into a loss.

Those on pairs are registered: each takes a `Contrast`, one or two matrices and a budget of memory, and returns the loss
of each anchor in nats [anchors]. Their options are further arguments with defaults. The others are plain functions.
"""

from collections.abc import Callable

from torch import Tensor

from workbench.registry import Registry

OBJECTIVES: Registry[Callable[..., Tensor]] = Registry("objective", "workbench.objectives")
names = OBJECTIVES.names

__all__ = ["OBJECTIVES", "names"]
