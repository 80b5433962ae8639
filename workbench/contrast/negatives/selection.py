"""`Selection`: whom each anchor is compared with, and why; `select` asks a sampler, `compared` a training for one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import check_options
from workbench.contrast.negatives import registry
from workbench.contrast.negatives.context import Positions, SamplingContext
from workbench.contrast.pairs import Contrast, Mixed
from workbench.datasets.door import as_computed, check_edges
from workbench.errors import UserError, node_number
from workbench.randomness import Randomness
from workbench.registry import Registry
from workbench.types import Trained

SAMPLERS: Registry[Callable[..., "Selection"]] = registry.SAMPLERS
SHARED = registry.SHARED
names = SAMPLERS.names
Facts = Mapping[str, Any]
FactsOf = Callable[[Positions], Facts]
COMPARED = "the last step of the training compared it with the anchor"


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
    facts: FactsOf = field(default=lambda rows: {}, repr=False)

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
        """Return the part for one anchor, as a list of its own [1, k] without itself."""
        places = torch.nonzero(self.anchors == anchor).flatten()
        if not len(places):
            raise UserError(f"node {anchor} is no anchor of this selection, which has {len(self.anchors):,} anchors")
        row, shape = int(places[0]), (len(self.anchors), self.negatives.shape[-1])
        negatives, weights = self.negatives.expand(shape)[row], self.weights.expand(shape)[row]
        kept = negatives != anchor
        mixed = self.mixed and Mixed(*(rows.expand(len(self.anchors), -1)[[row]] for rows in self.mixed))

        def facts(rows: Positions) -> Facts:
            decided = self.facts(np.full(len(rows), row))
            return {
                name: np.broadcast_to(fact, (len(rows), len(kept)))[:, kept.numpy()] for name, fact in decided.items()
            }

        lists = negatives[kept][None], weights[kept][None]
        return Selection(self.anchors[[row]], *lists, mixed, self.class_prior, self.because, facts)

    def sentences(self, kept: Any = slice(None)) -> list[str]:
        """Return why each row of `reasons`, or of some, was chosen; a missing quantity (-1, nan) is left out."""
        return [_filled(self.because, row) for row in self.reasons[kept].to_dict("records")]

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return anchor, negative and weight of each pair that counts, never a node with itself [pairs] each."""
        anchors, negatives, weights = (part.numpy() for part in (self.anchors, self.negatives, self.weights))
        anchor, negative, weight = np.broadcast_arrays(anchors[:, None], negatives, weights)
        kept = (negative >= 0) & (negative != anchor)
        return anchor[kept], negative[kept], weight[kept].astype(np.float64)


def _filled(because: str, row: Mapping[Any, Any]) -> str:
    """Fill a sentence; of the alternatives between "|" of each part between ";", the first that lacks no quantity."""
    sentences = []
    for part in because.split(";"):
        for form in part.split("|"):
            wanted = [row[name] for _, name, _, _ in Formatter().parse(form) if name]
            if not any(pd.isna(value) or (isinstance(value, int | np.integer) and value == -1) for value in wanted):
                sentences.append(form.format_map(row).strip())
                break
    return "; ".join(sentences)


def select(
    sampler: str,
    graph: Data,
    k: int = 50,
    seed: int = 0,
    *,
    embedding: "Trained | Tensor | NDArray[np.floating] | None" = None,
    anchors: int | list[int] | Tensor | None = None,
    **options: Any,
) -> Selection:
    """Choose negatives by a named sampler; what an anchor gets does not depend on which other anchors are asked.

    Args:
        sampler, options: one of `names()` and its options. graph: with edge_index; its labels are not looked at.
        k: how many negatives an anchor has at most, 1 or more; the sampler "all" does not look at it.
        seed: master seed of whatever is drawn.
        embedding: a run, or a matrix [nodes, dim], that similarities and clusters are of; None for the attributes.
        anchors: node ids to choose for; None for the sampler's own anchors, mostly all nodes.

    Raises:
        UserError: an unknown sampler or option, an anchor that isn't there, or a k that doesn't fit the graph.
    """
    return choose(context_of(graph, embedding, anchors), sampler, k, seed, **options)


def context_of(
    graph: Data,
    embedding: "Trained | Tensor | NDArray[np.floating] | None" = None,
    anchors: int | list[int] | Tensor | None = None,
) -> SamplingContext:
    """Prepare what samplers look at, to be handed to `choose` several times; arguments as for `select`."""
    if not isinstance(graph, Data) or graph.edge_index is None:
        what = "a graph without edges (edge_index)" if isinstance(graph, Data) else type(graph).__name__
        raise UserError(f"negatives are chosen on a torch_geometric Data with edge_index, not {what}")
    graph = as_computed(graph)[1]
    nodes = int(graph.num_nodes or 0)
    check_edges(graph.edge_index, nodes)
    if anchors is not None:
        asked = anchors.tolist() if isinstance(anchors, Tensor | np.ndarray) else anchors
        listed = list(asked) if isinstance(asked, list | tuple | range) else [asked]
        anchors = torch.tensor([node_number(node, nodes) for node in listed], dtype=torch.long)
    rows = getattr(embedding, "embeddings", embedding)
    if isinstance(rows, np.ndarray) and rows.dtype.kind in "biuf":
        rows = torch.from_numpy(rows)
    if rows is not None and not isinstance(rows, Tensor):
        raise UserError(f"an embedding is a run or a matrix [nodes, dim], not {type(rows).__name__}")
    if rows is not None and rows.is_complex():
        raise UserError(f"an embedding holds real numbers, not {rows.dtype}")
    return SamplingContext(graph, rows, anchors)


def choose(context: SamplingContext, sampler: str, k: int, seed: int = 0, **options: Any) -> Selection:
    """Choose negatives on a context that is at hand; arguments as for `select`."""
    choose_by, options = SAMPLERS.get(sampler), check_options(SAMPLERS, sampler, options)
    if sampler != "all" and (not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= k <= context.size):
        raise UserError(f"k={k} negatives were asked for; a graph of {context.size} nodes gives 1 to {context.size}")
    return choose_by(context, int(k), Randomness(seed), **options)


def compared(contrast: Contrast, anchor: int, nodes: int) -> Selection:
    """Return the negatives of one anchor in a run's contrast, with weights; what is listed twice weighs twice.

    Raises:
        UserError: no row stands for this node of the graph's.
    """
    ids = torch.arange(nodes) if contrast.nodes is None else contrast.nodes.cpu()
    rows = torch.nonzero(ids == anchor).flatten()
    if not len(rows):
        raise UserError(f"the training never compared node {anchor}: its anchors are {len(ids):,} of {nodes:,} nodes")
    row, columns, own = int(rows[0]), contrast.chosen(ids), contrast.weights
    if contrast.listed:
        columns = columns[row]
    if isinstance(own, tuple):
        own = own[1] @ own[0][row]
    elif own is None:
        own = torch.ones(columns.shape)
    elif contrast.listed:
        own = own[row]
    columns, own = columns.cpu(), own.cpu()
    kept = (columns != row) & (own > 0)
    negatives, place = torch.unique(columns[kept], return_inverse=True)
    total = torch.zeros(len(negatives)).index_add(0, place, own[kept].float())
    mixed = None
    if contrast.mixed is not None:
        first, second, share = (part.cpu().expand(contrast.mixed.first.shape)[[row]] for part in contrast.mixed)
        mixed = Mixed(ids[first], ids[second], share)
    lists = ids[negatives][None], total[None]
    return Selection(torch.tensor([anchor]), *lists, mixed, contrast.class_prior, because=COMPARED)


def shared(
    context: SamplingContext, negatives: Positions, because: str, own_anchors: Positions | None = None, **facts: Any
) -> Selection:
    """Return a selection of one list for all anchors from positions [k], each of weight 1, for samplers.

    `because` is the reason, a sentence with names of `facts` in braces, of which parts between semicolons are dropped
    where a quantity is missing; `facts` are what decided, a single value or [k] each; `own_anchors` are the positions
    of the anchors where nobody asked for others, None for all.
    """
    anchors = own_anchors if context.asked is None and own_anchors is not None else context.anchors
    weights = torch.ones(len(negatives))
    return Selection(context.ids[anchors], context.ids[negatives], weights, because=because, facts=lambda _: facts)


def listed(
    context: SamplingContext, negatives: Positions, because: str, facts: FactsOf, mixed: Mixed | None = None
) -> Selection:
    """Return a selection of a list per anchor from positions [anchors, k], -1 where there is none.

    As for `shared`, but `facts` takes numbers of anchors [some] and gives what decided, each [some, k], only when
    someone looks; `mixed` are synthetic negatives, by positions.
    """
    chosen = torch.from_numpy(negatives)
    nodes = torch.where(chosen >= 0, context.ids[chosen.clamp(min=0)], -1)
    if mixed is not None:
        mixed = mixed._replace(first=context.ids[mixed.first], second=context.ids[mixed.second])
    return Selection(context.ids[context.anchors], nodes, (chosen >= 0).float(), mixed, 0.0, because, facts)
