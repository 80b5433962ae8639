"""What the negatives of a `Selection` are like: false ones, coupled ones, hard ones, and what the loss makes of them.

Labels are looked at here only, to judge a choice afterwards; they never reach a sampler, a loss or training.
"""

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Data

from workbench.contrast import measures
from workbench.contrast.measures import Values, Views
from workbench.contrast.negatives.context import Positions
from workbench.contrast.negatives.sampled import SampledContrast
from workbench.contrast.negatives.selection import Selection
from workbench.contrast.pairs import Contrast
from workbench.contrast.ratio import ratio_loss
from workbench.contrast.spectrum import effective_rank
from workbench.errors import UserError, unknown
from workbench.randomness import Randomness
from workbench.types import Trained

MOST_PAIRS = 200_000
MOST_PRODUCTS = 3e10  # logits x dimensions of a loss that is timed: ten seconds or so on one core
GATHERED = 10  # how much longer a logit takes where each anchor has its own list
MOST_DIMENSIONS = 2_048  # of a matrix whose effective rank is looked at: two seconds


@dataclass(frozen=True, eq=False)
class Audit:
    """What the negatives of a selection are like; `audit` makes it.

    A pair counts once whatever its weight; only gradients and q weigh. Rates of false negatives are over pairs of two
    labelled nodes. Intervals are 95 % percentile bootstraps over the audited anchors (1,000 draws), as the pairs of one
    anchor depend on each other, and nan where fewer than two anchors count.

    Attributes:
        pairs: one row an audited anchor and one of its negatives: "anchor", "negative", "weight" (W), "cosine" (mean of
            the two across the views and the two within them), "hops" without directions (-1 without a path), "degree"
            of the negative, "same_class" (None where a label is missing), "gradient_share" (see `gradient_shares`),
            "overlap" (Jaccard index of the receptive fields, the nodes within `receptive` hops, oneself included);
            "false": same class, "coupled": overlap above 0, "hard": more similar than the anchor's own positive pair,
            or, where both views are one matrix, than 90 % of all these pairs.
        anchors: one row an audited anchor: "anchor", "negatives" (how many), "false_share" of its pairs with labels
            (nan without), "q" (mean of `coupling` over both views, nan without negatives), "positive" (cosine of the
            positive pair), "entropy" of the gradient shares over log(negatives), 1 where they are equal, nan below two.
        notes: what was sampled, compared and left out, a sentence each: "sample", "similarities", and where there is
            something to say "classes", "labels", "synthetic", "prior", "rank" and "time".
        chosen, graph, labels, views, tau, seed: what was audited; views are one or two matrices [nodes, dim].
    """

    pairs: pd.DataFrame
    anchors: pd.DataFrame
    notes: dict[str, str]
    chosen: Selection = field(repr=False)
    graph: Data = field(repr=False)
    labels: Positions = field(repr=False)
    views: Views = field(repr=False)
    tau: float = 0.5
    seed: int = 0

    def by(self, column: str) -> pd.DataFrame:
        """Return the rate of false negatives by a property of the pair: one row per group, by its name.

        The properties are "hops" (1, 2, 3, 4+, none), "degree" (of the negative, between its quartiles, fewer groups
        where many tie) and "class" (of the anchor, if any). The columns are "pairs", "labelled" (pairs of two labelled
        nodes), "rate" of false negatives among these in %, and its interval "low" and "high".
        """
        names, group = self._groups(column)
        cell, shape = self._place * len(names) + group, (len(self.anchors), len(names))
        labelled = self.pairs["same_class"].notna()
        pairs, known, false = (
            np.bincount(cell[(group >= 0) & kept], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
            for kept in (True, labelled, self.pairs["false"])
        )
        rate, low, high = (100 * ratio for ratio in measures.resampled(false, known, self.seed))
        counts = {"pairs": pairs.sum(0).astype(int), "labelled": known.sum(0).astype(int)}
        columns = {**counts, "rate": rate, "low": low, "high": high}
        return pd.DataFrame(columns, pd.Index(names, name=column))

    def _groups(self, column: str) -> tuple[list[Any], Positions]:
        """Return the names of the groups and the number of each pair's group, negative for none [pairs]."""
        if column == "hops":
            hops = self.pairs["hops"].to_numpy()
            return ["1", "2", "3", "4+", "none"], np.where(hops < 0, 4, np.minimum(hops, 4) - 1)
        if column == "degree":
            degree = self.pairs["degree"]
            inner = np.unique(degree.quantile([0.25, 0.5, 0.75]).dropna())
            group = np.unique(np.searchsorted(inner, degree), return_inverse=True)[1]
            ranges = degree.groupby(group).agg(["min", "max"]).to_numpy()
            return [f"{low}" if low == high else f"{low} to {high}" for low, high in ranges], group
        if column == "class":
            labels = self.labels[self.pairs["anchor"].to_numpy()]
            names = np.unique(labels[labels >= 0])
            return names.tolist(), np.where(labels >= 0, np.searchsorted(names, labels), -1)
        raise unknown("column", column, ("hops", "degree", "class"), "to group negatives by")

    @cached_property
    def _place(self) -> Positions:
        """Row of `anchors` of each pair [pairs]."""
        return pd.Index(self.anchors["anchor"]).get_indexer(self.pairs["anchor"])

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per quantity, named with its unit: "value", "low" and "high", nan where no interval makes sense.

        Alignment, uniformity and effective rank are of all nodes, the latter two the mean of both views.
        """
        pairs = self.pairs
        false, known = (part.to_numpy(np.float64) for part in (pairs["false"], pairs["same_class"].notna()))
        cosine, share, fields = (pairs[name].to_numpy() for name in ("cosine", "gradient_share", "overlap"))
        hops, every_pair = pairs["hops"].mask(pairs["hops"] < 0, np.inf), np.ones(len(pairs))
        q, count = self.anchors["q"].to_numpy(), self.anchors["negatives"].to_numpy(np.float64)
        of_pairs = {
            "false negatives (% of pairs)": (100 * false, known),
            **{f"within {n} hop{'s' * (n > 1)} (% of pairs)": (100.0 * (hops <= n), every_pair) for n in (1, 2, 3)},
            "no path (% of pairs)": (100.0 * np.isinf(hops), every_pair),
            "overlap of receptive fields (mean Jaccard index)": (fields, every_pair),
            "cosine (mean)": (cosine, every_pair),
            "cosine of false negatives (mean)": (cosine * false, false),
            "cosine of true negatives (mean)": (cosine * (known - false), known - false),
            "gradient on false negatives (%)": (100 * share * false, share * known),
        }
        sums: dict[str, list[Values]] = {
            name: [np.bincount(self._place, part, len(q)).astype(np.float64) for part in both]
            for name, both in of_pairs.items()
        }
        sums["negatives per anchor (mean)"] = [count, np.ones(len(q))]
        sums["coupling factor q (mean)"] = [np.nan_to_num(q), np.isfinite(q).astype(np.float64)]
        upper, lower = (np.stack(side, 1) for side in zip(*sums.values(), strict=True))
        estimates = np.stack(measures.resampled(upper, lower, self.seed), 1)
        ratios = pd.DataFrame(estimates, list(sums), ["value", "low", "high"])
        classes = np.unique(self.labels[self.labels >= 0], return_counts=True)[1]
        all_pairs = classes.sum() * (classes.sum() - 1)
        expected = 100 * (classes * (classes - 1)).sum() / all_pairs if all_pairs else np.nan
        whole = {
            "false negatives expected of random pairs (%)": expected,
            "coupling factor q (standard deviation over anchors)": pd.Series(q).std(ddof=0),
            **self._whole(),
        }
        single = pd.DataFrame({"value": whole})
        return pd.concat([ratios[:1], single[:1], ratios[1:], single[1:]]).rename_axis("quantity")

    def _whole(self) -> dict[str, float]:
        """Return the quantities of the whole embedding, of memory and of time."""
        views = [rows.to_dense() for rows in self.views]
        lists = self.chosen.negatives.nbytes + self.chosen.weights.nbytes
        uniform = [measures.uniformity(rows, seed=self.seed) for rows in views]
        ranks = [effective_rank(rows) if not _too_wide(rows) else np.nan for rows in views]
        return {
            "alignment (mean squared distance of both views)": measures.alignment(*views) if len(views) > 1 else 0.0,
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
            sampled = SampledContrast(contrast, self.graph, Randomness(self.seed))
            contrast = sampled.fill(self.chosen, torch.device("cpu"))
        u, v = (rows.float().clone().requires_grad_() for rows in (u, v))
        start = time.perf_counter()
        ratio_loss(contrast, u, v).mean().backward()
        return time.perf_counter() - start


def audit(
    chosen: Selection,
    graph: Data,
    embedding: "Trained | Tensor | tuple[Tensor, Tensor] | measures.Compared | None" = None,
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
            node, else its embeddings; a matrix [nodes, dim] for both views; a pair of them; None for the attributes;
            or what `measures.views_of` made of one of these, to audit many selections.
        tau: temperature of the InfoNCE loss whose gradient is looked at.
        anchors: most anchors that are audited, else a sample; None for all. They are fewer where they have more than
            200,000 pairs, but at least 10.
        seed: of the samples and the bootstrap. receptive: hops of a receptive field, as many as the encoder has layers.

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
    (views, compared), labels = measures.views_of(embedding, graph, tau), measures.node_classes(graph)
    part, sampled = _sample(chosen, anchors, seed)
    missing = int((labels < 0).sum())
    notes = {
        "sample": sampled,
        "similarities": compared,
        "classes": "Without labels, one whole number per node, nothing is said of classes." * (missing == nodes),
        "labels": f"{missing:,} nodes have no label; their pairs are left out of rates." * (0 < missing < nodes),
        "synthetic": "Synthetic negatives are left out of all but the seconds." * (chosen.mixed is not None),
        "prior": "Gradients and q are of plain InfoNCE, not corrected for the class prior." * (chosen.class_prior > 0),
        "rank": _too_wide(views[0]),
        "time": _untimed(chosen, views[0]),
    }
    tables = measures.tables_of(part, graph, labels, views, tau, receptive)
    notes = {name: note for name, note in notes.items() if note}
    return Audit(*tables, notes, chosen, graph, labels, views, tau, seed)


def _sample(chosen: Selection, anchors: int | None, seed: int) -> tuple[Selection, str]:
    """Return the part of a selection for a sample of its anchors, and how it was drawn."""
    rows = np.sort(np.unique(chosen.anchors.numpy(), return_index=True)[1])  # an anchor listed twice counts once
    there, each = len(rows), int(chosen.negatives.shape[-1])
    asked, most = min(anchors or there, there), max(10, MOST_PAIRS // max(each, 1))
    note = f"All {there:,} anchors of the selection are audited." if there != 1 else "The one anchor is audited."
    if min(asked, most) < there:
        order = torch.randperm(there, generator=Randomness(seed).generator("audit")).numpy()
        rows = rows[np.sort(order[: min(asked, most)])]
        few = f"; {asked:,} would have more than {MOST_PAIRS:,} pairs" if most < asked else ""
        note = f"{len(rows):,} of {there:,} anchors are audited, drawn with seed {seed}{few}."
    part = replace(chosen, anchors=chosen.anchors[rows])
    if not chosen.shared:
        part = replace(part, negatives=chosen.negatives[rows], weights=chosen.weights[rows])
    return part, note


def _logits(chosen: Selection) -> int:
    """Return how many logits one loss has, each anchor in both views against its negatives in both."""
    return 4 * len(chosen.anchors) * int(chosen.negatives.shape[-1])


def _untimed(chosen: Selection, rows: Tensor) -> str:
    """Return why a loss can't be timed by the way, "" where it can."""
    if not torch.equal(chosen.anchors, torch.arange(len(rows))):
        return "The loss isn't timed: that takes one row per node, and not every node is an anchor, in order."
    if _logits(chosen) * rows.shape[1] * (1 if chosen.shared else GATHERED) > MOST_PRODUCTS:
        return f"The loss isn't timed: its {_logits(chosen):,} logits would take too long to measure by the way."
    return ""


def _too_wide(rows: Tensor) -> str:
    """Return why the effective rank of a matrix isn't looked at by the way, "" where it is."""
    if min(rows.shape) <= MOST_DIMENSIONS:
        return ""
    return f"The effective rank is left out: with {min(rows.shape):,} dimensions it would take too long."
