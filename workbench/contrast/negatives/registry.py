"""The samplers by name; their names are read without importing any."""

from typing import Any

from workbench.registry import Registry

SAMPLERS: Registry[Any] = Registry("sampler", "workbench.contrast.negatives.samplers")
# Samplers that make one list for all anchors; every other is taken to make a list per anchor, which needs more memory.
SHARED = {"debiased", "degree-weighted", "e2neg", "kmeans-centres", "random-centres", "rule-weighted", "uniform"}
