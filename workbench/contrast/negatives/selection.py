"""`Selection`: whom each anchor is compared with, and why; `select` asks a named strategy for one."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import check_options
from workbench.contrast.negatives.context import Ground, Positions
from workbench.contrast.pairs import Mixed
from workbench.errors import UserError, node_number
from workbench.randomness import Randomness
from workbench.registry import Registry

if TYPE_CHECKING:
    from workbench.training.run import Run

SAMPLERS: Registry[Callable[..., "Selection"]] = Registry("sampler", "workbench.contrast.negatives.samplers")
names = SAMPLERS.names
# Samplers that make one list for all anchors; every other is taken to make a list an anchor, which needs more memory.
SHARED = {
    "debiased",
    "degree-weighted",
    "e2neg",
    "kmeans-centres",
    "random-centres",
    "rule-weighted",
    "uniform",
}
Facts = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Selection:
    """Whom each anchor is compared with, and why.

    Attributes:
        anchors: node ids [anchors].
        negatives: node ids, [k] shared by all anchors or [anchors, k], -1 where an anchor has fewer than k. In a shared
            list an anchor may find itself; a contrast never counts that pair.
        weights: weight of each negative, same shape as `negatives`, 0 where there is none.
        mixed: synthetic negatives beside them, by the node ids of their parents; None for none.
        class_prior: assumed probability that a negative is of the anchor's class, see `Contrast`.
        because: the reason as a sentence with the columns of `reasons` in braces.
        facts: takes numbers of anchors [some] and gives the quantities that decided, each [k] or [some, k].
    """

    anchors: Tensor
    negatives: Tensor
    weights: Tensor
    mixed: Mixed | None = None
    class_prior: float = 0.0
    because: str = ""
    facts: Callable[[Positions], Facts] = field(default=lambda rows: {}, repr=False)

    @property
    def shared(self) -> bool:
        """Whether all anchors have the same negatives."""
        return self.negatives.dim() == 1

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """One row a chosen negative (a pair where the lists differ by anchor): the quantities that decided."""
        anchors, negatives = self.anchors.numpy(), self.negatives.numpy()
        columns: dict[str, Any] = {} if self.shared else {"anchor": np.repeat(anchors, negatives.shape[1])}
        columns["negative"] = negatives.ravel()
        for name, values in self.facts(np.arange(len(anchors))).items():
            columns[name] = np.asarray(np.broadcast_to(values, negatives.shape)).ravel()
        return pd.DataFrame(columns)[negatives.ravel() >= 0].reset_index(drop=True)

    def of(self, anchor: int) -> "Selection":
        """Return the part for one anchor, as a list of its own [1, k] without itself.

        Raises:
            UserError: the node is no anchor.
        """
        found = torch.nonzero(self.anchors == anchor).flatten()
        if not len(found):
            raise UserError(f"node {anchor} is no anchor of this selection, which has {len(self.anchors):,} anchors")
        row = int(found[0])
        if not self.shared:
            mixed = self.mixed and Mixed(*(part.expand(len(self.anchors), -1)[row : row + 1] for part in self.mixed))
            return Selection(self.anchors[found], self.negatives[found], self.weights[found], mixed, self.class_prior,
                             self.because, lambda rows: self.facts(np.full(len(rows), row)))  # fmt: skip
        kept = torch.nonzero(self.negatives != anchor).flatten()
        listed, places = self.negatives[kept], kept.numpy()

        def facts(rows: Positions) -> Facts:
            found = {name: np.broadcast_to(v, self.negatives.shape) for name, v in self.facts(np.array([row])).items()}
            return {name: values[places][None] for name, values in found.items()}

        return Selection(self.anchors[found], listed[None], self.weights[kept][None], None, self.class_prior,
                         self.because, facts)  # fmt: skip

    def sentences(self) -> list[str]:
        """Say why each row of `reasons` was chosen, in its order; a missing quantity (-1, nan) is left out."""
        return [_filled(self.because, row) for row in self.reasons.to_dict("records")]

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return anchor, negative and weight of each pair that counts, never a node with itself [pairs] each."""
        anchors = self.anchors.numpy()[:, None]
        negatives, weights = (
            part.numpy()[None] if self.shared else part.numpy() for part in (self.negatives, self.weights)
        )
        anchor, negative, weight = np.broadcast_arrays(anchors, negatives, weights)
        kept = (negative >= 0) & (negative != anchor)
        return anchor[kept], negative[kept], weight[kept].astype(np.float64)


def _filled(because: str, row: Mapping[Any, Any]) -> str:
    """Fill a sentence.

    Of a part between semicolons that has an alternative after "|", the first is taken whose quantities are all there;
    a part without any is dropped.
    """
    told = []
    for part in because.split(";"):
        for form in part.split("|"):
            wanted = [row[name] for _, name, _, _ in string.Formatter().parse(form) if name]
            if not any(_missing(value) for value in wanted):
                told.append(form.format(**row).strip())
                break
    return "; ".join(told)


def _missing(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, int | np.integer) and value == -1)


def select(
    strategy: str,
    graph: Data,
    k: int = 50,
    seed: int = 0,
    *,
    embedding: "Run | Tensor | NDArray[np.floating] | None" = None,
    anchors: int | list[int] | Tensor | None = None,
    **options: Any,
) -> Selection:
    """Choose negatives by a named strategy.

    What an anchor gets does not depend on which other anchors are asked.

    Args:
        strategy: name of the strategy; `names()` lists them.
        graph: a graph with edge_index; its labels are not looked at.
        k: how many negatives an anchor has at most, 1 or more; the strategy "all" does not look at it.
        seed: master seed of whatever is drawn.
        embedding: a run, or a matrix [nodes, dim], that similarities and clusters are of; None for the attributes.
        anchors: node ids to choose for; None for the strategy's own anchors, mostly all nodes.
        **options: further options of the strategy; an unknown one is an error.

    Returns:
        The choice and its reasons.

    Raises:
        UserError: an unknown strategy or option, an anchor that isn't there, or a k that doesn't fit the graph.
    """
    return choose(ground_of(graph, embedding, anchors), strategy, k, seed, **options)


def ground_of(
    graph: Data,
    embedding: "Run | Tensor | NDArray[np.floating] | None" = None,
    anchors: int | list[int] | Tensor | None = None,
) -> Ground:
    """Prepare what strategies look at, to be handed to `choose` several times; arguments as for `select`."""
    if not isinstance(graph, Data) or graph.edge_index is None:
        what = "a graph without edges (edge_index)" if isinstance(graph, Data) else type(graph).__name__
        raise UserError(f"negatives are chosen on a torch_geometric Data with edge_index, not {what}")
    nodes = int(graph.num_nodes or 0)
    if graph.edge_index.numel() and not 0 <= int(graph.edge_index.min()) <= int(graph.edge_index.max()) < nodes:
        raise UserError(f"an edge of this graph names a node outside 0..{nodes - 1}")
    if anchors is not None:
        asked = anchors.tolist() if isinstance(anchors, Tensor | np.ndarray) else anchors
        listed = list(asked) if isinstance(asked, list | tuple | range) else [asked]
        anchors = torch.tensor([node_number(one, nodes) for one in listed], dtype=torch.long)
    rows = (
        embedding if embedding is None or isinstance(embedding, Tensor) else getattr(embedding, "embeddings", embedding)
    )
    if isinstance(rows, np.ndarray):
        rows = torch.from_numpy(rows)
    if rows is not None and not isinstance(rows, Tensor):
        raise UserError(f"an embedding is a run or a matrix [nodes, dim], not {type(rows).__name__}")
    return Ground(Data(x=graph.x, edge_index=graph.edge_index, num_nodes=nodes), rows, anchors)


def choose(ground: Ground, strategy: str, k: int, seed: int = 0, **options: Any) -> Selection:
    """Choose negatives on a ground that is at hand; arguments as for `select`."""
    chooser, given = SAMPLERS.get(strategy), check_options(SAMPLERS, strategy, options)
    if strategy != "all" and (not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= ground.size):
        raise UserError(f"k={k} negatives were asked for; a graph of {ground.size} nodes gives 1 to {ground.size}")
    return chooser(ground, int(k), Randomness(seed), **given)


# ------------------------------------------------------------------------------- what strategies make selections by


def shared(ground: Ground, negatives: Positions, because: str, own_anchors: Positions | None = None,
           weights: Tensor | None = None, class_prior: float = 0.0, **facts: Any) -> Selection:  # fmt: skip
    """Make a selection of one list for all anchors from positions [k].

    Args:
        ground: what was chosen from.
        negatives: positions [k].
        because: the reason, a sentence with names of `facts` in braces; parts between semicolons are dropped where a
            quantity is missing.
        own_anchors: positions of the anchors where nobody asked for others; None for all.
        weights: [k]; None for 1.
        class_prior: see `Contrast`.
        **facts: what decided, one value or [k] each.
    """
    anchors = own_anchors if ground.asked is None and own_anchors is not None else ground.anchors
    weights = torch.ones(len(negatives)) if weights is None else weights
    return Selection(ground.ids[anchors], ground.ids[negatives], weights, None, class_prior, because, lambda _: facts)


def listed(ground: Ground, negatives: Positions, because: str, facts: Callable[[Positions], Facts],
           mixed: Mixed | None = None) -> Selection:  # fmt: skip
    """Make a selection of a list an anchor from positions [anchors, k], -1 where there is none.

    Args:
        ground: what was chosen from.
        negatives: positions [anchors, k].
        because: as for `shared`.
        facts: takes numbers of anchors [some] and gives what decided, each [some, k]; only asked when someone looks.
        mixed: synthetic negatives, by positions.
    """
    chosen = torch.from_numpy(negatives)
    nodes = torch.where(chosen >= 0, ground.ids[chosen.clamp(min=0)], -1)
    if mixed is not None:
        mixed = mixed._replace(first=ground.ids[mixed.first], second=ground.ids[mixed.second])
    return Selection(ground.ids[ground.anchors], nodes, (chosen >= 0).float(), mixed, 0.0, because, facts)
