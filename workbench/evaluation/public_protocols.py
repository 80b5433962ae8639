"""Protocols of the split, or splits, published with a graph; `workbench.evaluation.protocols` has all."""

from typing import Any

import numpy as np

from workbench import datasets
from workbench.evaluation.splits import MASKS, Split, protocol

# Rows of small attributes, or of a collapsed embedding, differ so little that their best C lies beyond the released.
WIDE_GRID = tuple(2.0**power for power in range(-10, 20))
LAYER: dict[str, Any] = {"probe": "linear-layer", "solvers": ("adam",), "normalise": False}
OWN_CLASSES: dict[str, Any] = {"solvers": ("argmax",), "least_nodes": 1, "normalise": False}
PUBLISHED: dict[str, Any] = {"kinds": ("nodes", "texts"), "least_nodes": 1, "drawn": False}
GRAPHMAE: dict[str, Any] = {**PUBLISHED, **LAYER, "steps": 300, "decays": (1e-4,), "decays_of": {"citeseer": (1e-2,)}}


@protocol(
    "public",
    source="masks published with the graph (Yang et al., 2016, for Planetoid)",
    grid=WIDE_GRID,
    **PUBLISHED,
)
@protocol(
    "linear-public",
    source="the CCA-SSG release (Zhang et al., 2021), which sets the weight decay by graph",
    description="The published split, and the linear layer of linear-10-10-80 trained for 2,000 steps with a weight "
    "decay of 1e-4 and again of 1e-2; the validation part picks among the steps of both.",
    steps=2_000,
    decays=(1e-4, 1e-2),
    **PUBLISHED,
    **LAYER,
)
@protocol(
    "linear-graphmae",
    source="the GraphMAE release (Hou et al., 2022), which sets the weight decay by graph",
    description="The published split, and one linear layer on the rows as they are, trained for 300 steps with a "
    "weight decay of 1e-4, on CiteSeer of 1e-2. After each step the validation part is looked at; of equally good "
    "steps the last one counts. The release prints this accuracy beside that of the last step, which "
    "linear-graphmae-last has, and does not say which of the two its table holds.",
    picks="latest",
    **GRAPHMAE,
)
@protocol(
    "linear-graphmae-last",
    source="the GraphMAE release (Hou et al., 2022), which sets the weight decay by graph",
    description="As linear-graphmae, with the same layer, but its last step counts; validation goes unused.",
    picks="last",
    **GRAPHMAE,
)
@protocol(
    "own-classifier-public",
    source="papers that train a classifier together with a pretext, e.g. SelfTask (Jin et al., 2020)",
    description="As own-classifier, on the test part published with the graph alone.",
    single="published test part",
    kinds=("nodes",),
    probe="own",
    drawn=False,
    **OWN_CLASSES,
)
def _public(graph: Any, number: int, draw: np.random.Generator) -> Split:
    """The split, or splits, published with the graph; the probe and the choice of C are those of random-10-10-80."""
    masks = (np.asarray(graph[name].cpu(), dtype=bool) for name in MASKS)
    labelled = datasets.labels_of(graph) >= 0
    return Split(*(np.flatnonzero((mask if mask.ndim == 1 else mask[:, number]) & labelled) for mask in masks))
