"""What the negatives of a `Selection` are like: false ones, coupled ones, hard ones, and what the loss makes of them.

Labels are looked at here only, to judge a choice afterwards; they never reach a sampler, a loss or training.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch_geometric.data import Data

from workbench.contrast.measures import (
    Values,
    alignment,
    coupling,
    effective_rank,
    gradient_shares,
    overlap,
    uniformity,
)
from workbench.contrast.negatives.context import SamplingContext, Positions
from workbench.contrast.negatives.sampled import SampledContrast
from workbench.contrast.negatives.selection import Selection
from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import ratio_loss
from workbench.datasets.structure import hop_distances
from workbench.errors import UserError, unknown
from workbench.randomness import Randomness

if TYPE_CHECKING:
    from workbench.training.run import Run

Views = tuple[Tensor, ...]
MOST_PAIRS = 200_000
MOST_PRODUCTS = 3e10  # logits x dimensions of a loss that is timed: ten seconds or so on one core
GATHERED = 10  # how much longer a logit takes where each anchor has its own list
MOST_DIMENSIONS = 2_048  # of a matrix whose effective rank is looked at: two seconds
DRAWS = 1_000
_BLOCK = 1 << 22  # numbers looked at in one go: 32 MiB


def _cosines(units: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return cosines of pairs of rows of [rows, 1 or 2 views, dim], by the views of both [2, 2, pairs]."""
    step = max(1, (1 << 18) // max(units[:1].numel(), 1))  # few enough to stay in the cache
    parts = [units[i] @ units[j].mT for i, j in zip(first.split(step), second.split(step), strict=True)]
    return torch.cat(parts).expand(-1, 2, 2).permute(1, 2, 0)


def _resampled(upper: Values, lower: Values, seed: int) -> tuple[Values, Values, Values]:
    """Return ratios of two sums over anchors [anchors, ratios], and their bootstrap intervals, [ratios] each."""

    def ratio(a: Values, b: Values) -> Values:
        return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)

    anchors, draw, drawn = len(upper), np.random.default_rng(Randomness(seed).integer("bootstrap")), []
    low, high = np.full((2, upper.shape[1]), np.nan)
    spread = (lower > 0).sum(0) > 1
    if spread.any():
        step = max(1, _BLOCK // anchors)
        for size in np.diff([*range(0, DRAWS, step), DRAWS]):
            cells = draw.integers(anchors, size=(size, anchors)) + anchors * np.arange(size)[:, None]
            times = np.bincount(cells.ravel(), minlength=size * anchors).reshape(size, anchors).astype(np.float64)
            drawn.append(ratio(times @ upper[:, spread], times @ lower[:, spread]))
        low[spread], high[spread] = np.nanquantile(np.concatenate(drawn), [0.025, 0.975], axis=0)
    return ratio(upper.sum(0), lower.sum(0)), low, high


# ------------------------------------------------------------------------------------------------------ the audit


@dataclass(frozen=True, eq=False)
class Audit:
    """What the negatives of a selection are like; `audit` makes it.

    A pair counts once whatever its weight; only gradients and q weigh. Rates of false negatives are over pairs of two
    labelled nodes. Intervals are 95 % percentile bootstraps over the audited anchors (1,000 draws), as the pairs of one
    anchor depend on each other, and nan where fewer than two anchors count.

    Attributes:
        pairs: one row an audited anchor and one of its negatives.
            "anchor", "negative": node ids. "weight": W of the pair. "cosine": mean of the two across the views (u_i v_j
            and v_i u_j) and the two within them (u_i u_j and v_i v_j). "hops": between them without directions, -1
            without a path. "degree": neighbours of the negative. "same_class": True, False, or None where a label is
            missing. "gradient_share": see `gradient_shares`. "overlap": Jaccard index of the receptive fields, the
            nodes within `receptive` hops, oneself included.
            "false": same class. "coupled": overlap above 0. "hard": more similar than the anchor's own positive pair;
            where both views are one matrix nothing is, and hard is a cosine above the 90 % quantile of all these pairs.
        anchors: one row an audited anchor.
            "anchor": node id. "negatives": how many. "false_share": of its pairs with labels, nan without. "q": mean of
            `coupling` over both views, nan without negatives. "positive": cosine of the positive pair. "entropy": of
            the gradient shares over log(negatives), 1 where they are equal, nan below two.
        told: what was sampled, compared and left out, in sentences.
        chosen, graph, labels, views, tau, seed: what was audited; views are one or two matrices [nodes, dim].
    """

    pairs: pd.DataFrame
    anchors: pd.DataFrame
    told: list[str]
    chosen: Selection = field(repr=False)
    graph: Data = field(repr=False)
    labels: Positions = field(repr=False)
    views: Views = field(repr=False)
    tau: float = 0.5
    seed: int = 0

    def by(self, column: str) -> pd.DataFrame:
        """Return the rate of false negatives by a property of the pair.

        Args:
            column: "hops" (1, 2, 3, 4+, none), "degree" (of the negative, between its quartiles, fewer groups where
                many tie) or "class" (of the anchor; anchors without a label are left out).

        Returns:
            One row a group, by name: "pairs", "labelled" (pairs of two labelled nodes), "rate" of false negatives
            among these in %, and its interval "low" and "high".

        Raises:
            UserError: another column.
        """
        ways: dict[str, Callable[[], tuple[list[Any], Positions]]]
        ways = {"hops": self._by_hops, "degree": self._by_degree, "class": self._by_class}
        if column not in ways:
            raise unknown("column", column, ways, "to group negatives by")
        names, group = ways[column]()
        cell, shape = self._place * len(names) + group, (len(self.anchors), len(names))
        labelled = self.pairs["same_class"].notna()
        count = [np.bincount(cell[(group >= 0) & kept], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
                 for kept in (True, labelled, self.pairs["false"])]  # fmt: skip
        rate, low, high = (100 * one for one in _resampled(count[2], count[1], self.seed))
        pairs, labelled = (one.sum(0).astype(int) for one in count[:2])
        columns = {"pairs": pairs, "labelled": labelled, "rate": rate, "low": low, "high": high}
        return pd.DataFrame(columns, pd.Index(names, name=column))

    def _by_hops(self) -> tuple[list[Any], Positions]:
        hops = self.pairs["hops"].to_numpy()
        return ["1", "2", "3", "4+", "none"], np.where(hops < 0, 4, np.minimum(hops, 4) - 1)

    def _by_degree(self) -> tuple[list[Any], Positions]:
        degree = self.pairs["degree"]
        inner = np.unique(degree.quantile([0.25, 0.5, 0.75]).dropna())
        group = np.unique(np.searchsorted(inner, degree), return_inverse=True)[1]
        ranges = degree.groupby(group).agg(["min", "max"]).to_numpy()
        return [f"{low}" if low == high else f"{low} to {high}" for low, high in ranges], group

    def _by_class(self) -> tuple[list[Any], Positions]:
        labels = self.labels[self.pairs["anchor"].to_numpy()]
        names = np.unique(labels[labels >= 0])
        return names.tolist(), np.where(labels >= 0, np.searchsorted(names, labels), -1)

    @cached_property
    def _place(self) -> Positions:
        """Row of `anchors` of each pair [pairs]."""
        place: Positions = pd.Index(self.anchors["anchor"]).get_indexer(self.pairs["anchor"])
        return place

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a quantity, named with its unit: "value", "low" and "high", nan where no interval makes sense.

        It is computed when first asked for, since it times a loss and looks at the whole embedding. Alignment,
        uniformity and effective rank are of all nodes, the latter two the mean of both views.
        """
        pairs = self.pairs
        false, known = (part.to_numpy(np.float64) for part in (pairs["false"], pairs["same_class"].notna()))
        cosine, share, fields = (pairs[name].to_numpy() for name in ("cosine", "gradient_share", "overlap"))
        hops, one = pairs["hops"].mask(pairs["hops"] < 0, np.inf), np.ones(len(pairs))
        q, count = self.anchors["q"].to_numpy(), self.anchors["negatives"].to_numpy(np.float64)
        of_pairs = {
            "false negatives (% of pairs)": (100 * false, known),
            **{f"within {n} hop{'s' * (n > 1)} (% of pairs)": (100.0 * (hops <= n), one) for n in (1, 2, 3)},
            "no path (% of pairs)": (100.0 * np.isinf(hops), one),
            "overlap of receptive fields (mean Jaccard index)": (fields, one),
            "cosine (mean)": (cosine, one),
            "cosine of false negatives (mean)": (cosine * false, false),
            "cosine of true negatives (mean)": (cosine * (known - false), known - false),
            "gradient on false negatives (%)": (100 * share * false, share * known),
        }
        sums: dict[str, list[Values]] = {
            name: [np.bincount(self._place, part, len(q)).astype(np.float64) for part in both]
            for name, both in of_pairs.items()
        }
        sums |= {"negatives per anchor (mean)": [count, np.ones(len(q))]}
        sums |= {"coupling factor q (mean)": [np.nan_to_num(q), np.isfinite(q).astype(np.float64)]}
        upper, lower = (np.stack(side, 1) for side in zip(*sums.values(), strict=True))
        rows: list[tuple[Any, ...]] = list(zip(sums, *_resampled(upper, lower, self.seed), strict=True))
        classes = np.unique(self.labels[self.labels >= 0], return_counts=True)[1]
        every = classes.sum() * (classes.sum() - 1)
        expected = 100 * (classes * (classes - 1)).sum() / every if every else np.nan
        whole = {
            "false negatives expected of random pairs (%)": expected,
            "coupling factor q (standard deviation over anchors)": pd.Series(q).std(ddof=0),
            **self._whole(),
        }
        single = [(name, number, np.nan, np.nan) for name, number in whole.items()]
        rows = [rows[0], single[0], *rows[1:], *single[1:]]
        return pd.DataFrame(rows, columns=["quantity", "value", "low", "high"]).set_index("quantity")

    def _whole(self) -> dict[str, float]:
        """Return the quantities of the whole embedding, of memory and of time."""
        views = [rows.to_dense() for rows in self.views]
        lists = self.chosen.negatives.nbytes + self.chosen.weights.nbytes
        uniform = [uniformity(rows, seed=self.seed) for rows in views]
        ranks = [effective_rank(rows) if not _too_wide(rows) else np.nan for rows in views]
        return {
            "alignment (mean squared distance of both views)": alignment(*views) if len(views) > 1 else 0.0,
            "uniformity (log mean exp of -2 squared distance)": float(np.mean(uniform)),
            "effective rank (dimensions)": float(np.mean(ranks)),
            "lists of negatives and weights (MiB)": lists / 2**20,
            "logits of one loss (MiB)": 4 * _logits(self.chosen) / 2**20,
            "one loss with gradient (seconds)": self._seconds(views[0], views[-1]),
        }

    def _seconds(self, u: Tensor, v: Tensor) -> float:
        """Return the wall seconds of one loss with gradient for all anchors; nan where it isn't measured."""
        if _untimed(self.chosen, u):
            return np.nan
        contrast = Contrast(self.tau)
        if not (torch.equal(self.chosen.negatives, self.chosen.anchors) and bool((self.chosen.weights == 1).all())):
            chooser = SampledContrast(contrast, self.graph, Randomness(self.seed))
            contrast = chooser.fill(self.chosen, torch.device("cpu"))
        u, v = (rows.float().clone().requires_grad_() for rows in (u, v))
        start = time.perf_counter()
        ratio_loss(contrast, u, v).mean().backward()
        return time.perf_counter() - start


def audit(
    chosen: Selection,
    graph: Data,
    embedding: "Run | Tensor | tuple[Tensor, Tensor] | None" = None,
    tau: float = 0.5,
    anchors: int | None = 400,
    seed: int = 0,
    receptive: int = 2,
) -> Audit:
    """Measure what the negatives of a selection are like; the only place where labels meet negatives.

    Args:
        chosen: the selection, of any sampler.
        graph: its graph, looked at without directions; labels y [nodes], negative where unknown, may be missing.
        embedding: what similarities are of: a run, whose projections of both views are taken where they have one row a
            node, else its embeddings; a matrix [nodes, dim] for both views; a pair of them; None for the attributes.
        tau: temperature of the InfoNCE loss whose gradient is looked at.
        anchors: how many anchors are audited at most, a sample where there are more; None for all. They are fewer where
            they have more than 200,000 pairs, but at least 10.
        seed: of the samples and the bootstrap.
        receptive: hops of a receptive field, as many as the encoder has layers.

    Raises:
        UserError: an embedding or a selection that doesn't fit the graph, or a number out of range.
    """
    Contrast(tau)  # refuses what is no temperature
    Randomness(seed)  # and what is no seed
    if not isinstance(graph, Data) or not isinstance(chosen, Selection):
        raise UserError("an audit takes a selection first, then its graph; `wb.negatives.select` makes one")
    for name, number, least in (("anchors", anchors, 1), ("receptive", receptive, 0)):
        if number is not None and (not isinstance(number, int) or number < least):
            raise UserError(f"{name}={number!r} was asked of an audit; it must be a whole number from {least}")
    nodes = int(graph.num_nodes or 0)
    if any(part.numel() and int(part.max()) >= nodes for part in (chosen.anchors, chosen.negatives)):
        raise UserError(f"the selection names nodes that a graph of {nodes:,} nodes doesn't have")
    (views, told), labels = _views(embedding, graph, tau), node_classes(graph)
    part, sampled = _sample(chosen, anchors, seed)
    missing = int((labels < 0).sum())
    left_out = [
        "Without labels, one whole number a node, nothing is said of classes." if missing == nodes else "",
        f"{missing:,} nodes have no label; their pairs are left out of rates." if 0 < missing < nodes else "",
        "Synthetic negatives are left out of all but the seconds." if chosen.mixed else "",
        "Gradients and q are of plain InfoNCE, not corrected for the class prior." if chosen.class_prior else "",
        _too_wide(views[0]),
        _untimed(chosen, views[0]),
    ]
    told = [sampled, *told, *filter(None, left_out)]
    tables = _tables(part, graph, labels, views, tau, receptive)
    return Audit(*tables, told, chosen, graph, labels, views, tau, seed)


def _tables(part: Selection, graph: Data, labels: Positions, views: Views, tau: float,
            receptive: int) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the tables of pairs and anchors."""
    audited, (anchor, negative, weight) = part.anchors.numpy(), part.pairs()
    anchor, negative, weight = anchor[weight > 0], negative[weight > 0], weight[weight > 0]
    place = pd.Index(audited).get_indexer(anchor)
    nodes = np.unique(np.concatenate([audited, negative]))
    own, first, second = (np.searchsorted(nodes, one) for one in (audited, anchor, negative))
    context = SamplingContext(Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes), anchors=torch.from_numpy(nodes))
    fewer = len(np.unique(negative)) < len(audited)  # the search goes from each first node once
    units = torch.stack([normalize(_rows(view, nodes).double(), dim=1) for view in views], 1)
    positive = (units[own, 0] * units[own, -1]).sum(1)
    cosines = _cosines(units, torch.from_numpy(first), torch.from_numpy(second))
    terms = cosines / tau, positive.expand(2, -1) / tau, torch.from_numpy(weight), torch.from_numpy(place)
    share, cosine = gradient_shares(*terms).numpy(), cosines.mean((0, 1)).numpy()
    known = (labels[anchor] >= 0) & (labels[negative] >= 0)
    false = known & (labels[anchor] == labels[negative])
    bar = positive.numpy()[place] if len(views) > 1 else pd.Series(cosine).quantile(0.9)
    jaccard = overlap(context.within(receptive), first, second)
    pairs = pd.DataFrame({
        "anchor": anchor, "negative": negative, "weight": weight, "cosine": cosine,
        "hops": hop_distances(context.links, *((negative, anchor) if fewer else (anchor, negative))),
        "degree": np.diff(context.links.indptr).astype(np.int64)[negative],
        "same_class": np.where(known, false.astype(object), None), "gradient_share": share,
        "overlap": jaccard, "false": false, "coupled": jaccard > 0, "hard": cosine > bar,
    })  # fmt: skip
    size = len(audited)
    count, labelled, same = (np.bincount(place, one, size) for one in (np.ones(len(place)), known, false))
    spread = np.bincount(place, -share * np.log(np.where(share > 0, share, 1.0)), size)
    nothing = np.full(size, np.nan)
    return pairs, pd.DataFrame({
        "anchor": audited, "negatives": count.astype(np.int64),
        "false_share": np.divide(same, labelled, out=nothing.copy(), where=labelled > 0),
        "q": np.where(count > 0, coupling(*terms).mean(0).numpy(), np.nan), "positive": positive.numpy(),
        "entropy": np.divide(spread, np.log(np.maximum(count, 1)), out=nothing, where=count > 1),
    })  # fmt: skip


def _views(embedding: Any, graph: Data, tau: float) -> tuple[Views, list[str]]:
    """Return both views [nodes, dim], or the one matrix that stands for both, and what they are."""
    nodes = int(graph.num_nodes or 0)
    if embedding is None:
        if graph.x is None:
            raise UserError("the audit compares attributes, and the graph has none; pass an embedding")
        u, v, told = graph.x, graph.x, ["Similarities are of the attributes, which stand for both views."]
    elif isinstance(embedding, Tensor | np.ndarray):
        embedding = torch.as_tensor(embedding)
        u, v, told = embedding, embedding, ["Similarities are of the matrix given, which stands for both views."]
    elif isinstance(embedding, tuple | list):
        if len(embedding) != 2:
            raise UserError(f"two views are two matrices [nodes, dim], not {len(embedding)}")
        (u, v), told = map(torch.as_tensor, embedding), ["Similarities are of the two matrices given, one a view."]
    elif not hasattr(embedding, "projections"):
        raise UserError(f"an embedding is a run or a matrix [nodes, dim], not {type(embedding).__name__}")
    else:
        contrast, by_node = embedding.contrast, projections_by_node(embedding, nodes)
        u, v = by_node or [embedding.embeddings] * 2
        told = ["Similarities are of both views' projections, which the run's last step compared."]
        if not by_node:
            told = ["The run has no projections of two views with one row a node: its embeddings stand for both."]
        if contrast is not None and contrast.tau != tau:
            told.append(f"Gradients and q are at a temperature of {tau}; the run was trained at {contrast.tau}.")
    if u.dim() != 2 or len(u) != nodes or u.shape != v.shape:
        raise UserError(f"an audit compares rows [{nodes}, dim] in each view, not {list(u.shape)} and {list(v.shape)}")
    if not all(bool((one if one.layout == torch.strided else one.coalesce().values() if one.is_sparse else one.values())
                    .isfinite().all()) for one in (u, v)):  # fmt: skip
        raise UserError("the embedding holds numbers that are not finite, so an audit can't compare nodes by it")
    same = u is v or torch.equal(u, v)
    return tuple(one.detach().cpu() for one in ((u,) if same else (u, v))), told


def _rows(matrix: Tensor, nodes: Positions) -> Tensor:
    """Return some rows of a matrix that may be sparse, dense [some, dim]."""
    matrix = matrix if matrix.layout == torch.strided else matrix.to_sparse_coo()
    return matrix.index_select(0, torch.from_numpy(nodes)).to_dense()


def projections_by_node(run: "Run", nodes: int) -> tuple[Tensor, ...] | None:
    """Return the projections of both views that a run compared, where they have one row a node, else None."""
    by_node = run.contrast is not None and run.contrast.nodes is None
    return run.projections if by_node and [len(one) for one in run.projections] == [nodes] * 2 else None


def node_classes(graph: Data) -> Positions:
    """Return the class of each node, negative for none; several labels a node count as none [nodes]."""
    y, nodes = graph.get("y"), int(graph.num_nodes or 0)
    labels = np.asarray(y.cpu()).reshape(-1) if isinstance(y, Tensor) else np.empty(0)
    if len(labels) != nodes or not np.issubdtype(labels.dtype, np.integer):
        return np.full(nodes, -1)
    return labels.astype(np.int64)


def _sample(chosen: Selection, anchors: int | None, seed: int) -> tuple[Selection, str]:
    """Return the part of a selection for a sample of its anchors, and how it was drawn."""
    rows = np.sort(
        np.unique(chosen.anchors.numpy(), return_index=True)[1]
    )  # an anchor that is listed twice counts once
    there, each = len(rows), int(chosen.negatives.shape[-1])
    asked, most = min(anchors or there, there), max(10, MOST_PAIRS // max(each, 1))
    told = f"All {there:,} anchors of the selection are audited." if there != 1 else "The one anchor is audited."
    if min(asked, most) < there:
        order = torch.randperm(there, generator=Randomness(seed).generator("audit")).numpy()
        rows = rows[np.sort(order[: min(asked, most)])]
        few = f"; {asked:,} would have more than {MOST_PAIRS:,} pairs" if most < asked else ""
        told = f"{len(rows):,} of {there:,} anchors are audited, drawn with seed {seed}{few}."
    kept = torch.from_numpy(rows)
    negatives, weights = (one if chosen.shared else one[kept] for one in (chosen.negatives, chosen.weights))
    return replace(chosen, anchors=chosen.anchors[kept], negatives=negatives, weights=weights), told


def _logits(chosen: Selection) -> int:
    """Return how many logits one loss has, each anchor in both views against its negatives in both."""
    return 4 * len(chosen.anchors) * int(chosen.negatives.shape[-1])


def _untimed(chosen: Selection, rows: Tensor) -> str:
    """Return why a loss can't be timed by the way, "" where it can."""
    if not torch.equal(chosen.anchors, torch.arange(len(rows))):
        return "The loss isn't timed: that takes one row a node, and not every node is an anchor, in order."
    if _logits(chosen) * rows.shape[1] * (1 if chosen.shared else GATHERED) > MOST_PRODUCTS:
        return f"The loss isn't timed: its {_logits(chosen):,} logits would take too long to measure by the way."
    return ""


def _too_wide(rows: Tensor) -> str:
    """Return why the effective rank of a matrix isn't looked at by the way, "" where it is."""
    if min(rows.shape) <= MOST_DIMENSIONS:
        return ""
    return f"The effective rank is left out: with {min(rows.shape):,} dimensions it would take too long."
