"""Strategies that choose the negatives, and `Selection`, their answer with reasons."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast.stars import most_central, spectral_clusters
from workbench.errors import UserError, unknown
from workbench.randomness import Randomness
from workbench.registry import Registry

STRATEGIES: Registry[Callable[..., "Selection"]] = Registry("strategy")
names = STRATEGIES.names


@dataclass(frozen=True, eq=False)
class Selection:
    """Whom each anchor is compared with, and why.

    Attributes:
        anchors: node ids [anchors].
        negatives: node ids, [k] shared by all anchors or [anchors, k]. In a shared list an anchor may find itself; a
            contrast never counts that pair.
        weights: weight of each negative, same shape as `negatives`.
        reasons: one row per chosen negative (per pair where the lists differ by anchor): the quantities that decided.
    """

    anchors: Tensor
    negatives: Tensor
    weights: Tensor
    reasons: pd.DataFrame


def select(strategy: str, graph: Data, k: int = 50, seed: int = 0, **options: Any) -> Selection:
    """Choose negatives by a named strategy.

    Args:
        strategy: name of the strategy; `names()` lists them.
        graph: a graph with edge_index.
        k: how many negatives, 1 or more; the strategy "all" does not look at it.
        seed: master seed of whatever is drawn.
        **options: further options of the strategy; an unknown one is an error.

    Returns:
        The choice and its reasons.

    Raises:
        UserError: an unknown strategy or option, or a k that doesn't fit the graph.
    """
    choose = STRATEGIES.get(strategy)
    known = list(inspect.signature(choose).parameters)[3:]
    for option in options:
        if option not in known:
            raise unknown("option", option, known, f"of strategy {strategy!r}")
    nodes = int(graph.num_nodes or 0)
    if strategy != "all" and not 1 <= k <= nodes:
        raise UserError(f"k={k} negatives were asked for; a graph of {nodes} nodes gives 1 to {nodes}")
    return choose(graph, k, Randomness(seed), **options)


def _shared(anchors: Tensor, negatives: Tensor, **reasons: Any) -> Selection:
    table = pd.DataFrame({"negative": negatives.numpy(), **reasons})
    return Selection(anchors, negatives, torch.ones(len(negatives)), table)


@STRATEGIES.register("all")
def all_nodes(graph: Data, k: int, randomness: Randomness) -> Selection:
    """Every other node, as in GRACE."""
    nodes = torch.arange(graph.num_nodes)
    return _shared(nodes, nodes, reason="every node")


@STRATEGIES.register("uniform")
def uniform(graph: Data, k: int, randomness: Randomness) -> Selection:
    """K nodes drawn uniformly without replacement, shared by all anchors: the placebo for every other choice."""
    order = torch.randperm(graph.num_nodes, generator=randomness.generator("negatives"))
    return _shared(torch.arange(graph.num_nodes), order[:k], draw=range(1, k + 1), reason="drawn")


@STRATEGIES.register("e2neg")
def e2neg(graph: Data, k: int, randomness: Randomness, spectrum: str = "largest") -> Selection:
    """The most central node of each spectral cluster; these nodes are the anchors too (E2Neg, stages 1 and 2).

    Args:
        graph: a graph with edge_index.
        k: clusters; empty ones give no node.
        randomness: seeds the eigensolver.
        spectrum: "largest" singular vectors of the Laplacian, as released, or "smallest".
    """
    if spectrum not in ("largest", "smallest"):
        raise unknown("spectrum", spectrum, ("largest", "smallest"), "of strategy 'e2neg'")
    clusters, centrality = spectral_clusters(graph, k, spectrum, randomness)  # type: ignore[arg-type]
    centres = most_central(clusters, centrality)
    return _shared(
        centres,
        centres,
        cluster=clusters[centres].numpy(),
        cluster_size=torch.bincount(clusters[clusters >= 0], minlength=k)[clusters[centres]].numpy(),
        centrality=centrality[centres].numpy(),
        reason="most central node of its spectral cluster",
    )
