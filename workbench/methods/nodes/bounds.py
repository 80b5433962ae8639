"""How low a linear form of a node's embedding can get once edges are dropped, for two graph convolutions.

POT, NeurIPS 2023, as released at github.com/VoidHaruhi/POT-GCL. Written for an activation that is
linear on each side of 0, with a slope of at most 1 below it.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from workbench.contrast.kernels import EdgeSimilarity
from workbench.encoders.gcn import GCN
from workbench.encoders.graph import View

Bound = Literal["official", "exact", "certified"]


class Box(NamedTuple):
    """The adjacency as it is and the lowest and highest value of each of its entries, as views of the same graph."""

    clean: View
    low: View
    high: View

    @classmethod
    def of(cls, clean: View, degree: Tensor, rate: float, tight: bool) -> "Box":
        """Return the bounds where a node loses at most min(d - 1, round(rate d)) of its d edges, and none if d is 0.

        Args:
            clean: the graph, or a batch of it, with nothing dropped.
            degree: how many edges lead to each node in the whole graph [nodes].
            rate: share of edges that are dropped.
            tight: whether an edge of a node that can lose none keeps its value; otherwise each edge may be at 0.
        """
        matrix = clean.adjacency
        lost = torch.minimum((degree - 1).clamp(min=0), (rate * degree).round())
        grown = ((degree + 1) / (degree + 1 - lost)).sqrt()
        row, column = rows_of(matrix), matrix.col_indices()
        stays = (row == column) | ((lost[row] == 0) & tight)
        values = matrix.values()
        ends = torch.where(stays, values, 0), values * grown[row] * grown[column]
        return cls(clean, *(View(clean.x, clean.columns, _filled(matrix, one), clean.reach) for one in ends))


def rows_of(matrix: Tensor) -> Tensor:
    """Return the row of each entry of a CSR matrix [entries]."""
    counts = matrix.crow_indices().diff()
    return torch.arange(len(counts), device=counts.device).repeat_interleave(counts)


def _filled(matrix: Tensor, values: Tensor) -> Tensor:
    """Return a CSR matrix that has other values in the same places."""
    inside = matrix.crow_indices(), matrix.col_indices(), values
    return torch.sparse_csr_tensor(*inside, matrix.shape, check_invariants=False)


def form(other: Tensor, random: torch.Generator | None = None) -> Tensor:
    """Return what each node is held against: its unit row in the other view less the mean of the others' [nodes, dim].

    As a control, `random` draws a direction of the same length instead.
    """
    unit, others = normalize(other), max(len(other) - 1, 1)
    held = (len(other) * unit - unit.sum(0)) / others
    if random is None:
        return held
    drawn = torch.randn(held.shape, generator=random).to(held.device)
    return normalize(drawn) * held.norm(dim=1, keepdim=True)


class Lines(NamedTuple):
    """Two lines of the same slope between which an activation lies; the lower one goes through 0."""

    slope: Tensor
    offset: Tensor  # of the upper one

    @classmethod
    def of(cls, low: Tensor, high: Tensor, slope: Tensor | float) -> "Lines":
        """Return the lines over an interval [rows, width], of an activation with a slope below 0."""
        width = torch.where(high > low, high - low, 1.0)
        crossing = (low < 0) & (high > 0)
        within = torch.where(low >= 0, 1.0, slope * torch.ones_like(low))
        between = (high - slope * low) / width
        offset = torch.where(crossing, (slope - 1) * high * low / width, 0.0)
        return cls(torch.where(crossing, between, within), offset)


def slope_of(activation: nn.Module) -> Tensor | float:
    """Return the slope of a piecewise linear activation below 0."""
    if isinstance(activation, nn.PReLU):
        return activation.weight
    return float(getattr(activation, "negative_slope", 0.0))


def lowest(encoder: GCN, view: View, box: Box, form: Tensor, bound: Bound) -> Tensor:
    """Return a bound of what the form of each row of an embedding comes to, whatever edges are dropped [anchors].

    Each activation is replaced by a line, the lower one where what follows has a positive weight, else the upper one,
    and the form is followed back through both layers.

    "certified" holds for every adjacency in the box. The others are no certificate: they take the second layer's
    intervals from the hidden states of the graph as it is, and are evaluated at the sampled adjacency. "exact" follows
    back the form of the node itself to its neighbours; "official", as released, takes the neighbour's own.

    Args:
        encoder: two graph convolutions. view: the view that was sampled. box: what may become of the adjacency.
        form: weights of the embedding's columns [anchors, dim].
    """
    (first, second), (b1, b2) = encoder.weights, encoder.biases
    slope, mixed = slope_of(encoder.activation), view.linear(first)
    low, high = _mean_and_radius(box, 1, mixed, b1)
    if bound == "certified":
        hidden = _activated(low, high, slope)
        outer = _products(box, *_through(*hidden, second), b2)
    else:
        clean = encoder.activation(box.clean.step(1) @ mixed + b1)
        outer = _mean_and_radius(box, 0, clean @ second, b2)
    lines = Lines.of(*outer, slope)
    weights = form * lines.slope
    constant = weights @ b2 + (form.clamp(max=0) * lines.offset).sum(1)
    back = weights @ second.T
    if bound == "certified":
        signs = torch.cat([back.clamp(min=0), back.clamp(max=0)], 1)
        return constant + _least(box, signs, torch.cat(hidden, 1))
    inner, adjacency = Lines.of(low, high, slope), view.step(0)
    value = inner.slope * (view.step(1) @ mixed + b1)
    if bound == "exact":
        summed = adjacency @ torch.cat([value, inner.offset], 1)
        value, offset = summed.chunk(2, 1)
        return constant + (back * value + back.clamp(max=0) * offset).sum(1)
    own = (back * value + back.clamp(max=0) * inner.offset).sum(1, keepdim=True)
    return constant + (adjacency @ own)[:, 0]


def _mean_and_radius(box: Box, left: int, mixed: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the interval of a layer's sums over known rows [rows, width], with so many layers left behind it."""
    low, high = box.low.step(left), box.high.step(left)
    middle = _filled(high, (high.values() + low.values()) / 2) @ mixed + bias
    spread = _filled(high, (high.values() - low.values()) / 2) @ mixed.abs()
    return middle - spread, middle + spread


def _activated(low: Tensor, high: Tensor, slope: Tensor | float) -> tuple[Tensor, Tensor]:
    """Return the interval of an activation over one of its argument."""
    ends = [torch.where(one >= 0, one, slope * one) for one in (low, high)]
    least, most = torch.minimum(*ends), torch.maximum(*ends)
    return torch.where((low < 0) & (high > 0), least.clamp(max=0), least), most


def _through(low: Tensor, high: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the interval of a linear map over one of its argument."""
    middle, spread = (low + high) / 2 @ weight, (high - low) / 2 @ weight.abs()
    return middle - spread, middle + spread


def _products(box: Box, low: Tensor, high: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the interval of sums over neighbours, where both the adjacency and the rows have one."""
    less, more = box.low.step(0), box.high.step(0)
    least = less @ low.clamp(min=0) + more @ low.clamp(max=0)
    return least + bias, more @ high.clamp(min=0) + less @ high.clamp(max=0) + bias


def _least(box: Box, weights: Tensor, rows: Tensor) -> Tensor:
    """Return the least sum over a node's neighbours of an entry times the weights' product with their row [anchors]."""
    less, more = box.low.step(0), box.high.step(0)
    row = rows_of(more)
    products = EdgeSimilarity.apply(weights, rows, torch.stack([row, more.col_indices()]))
    terms = torch.where(products >= 0, less.values(), more.values()) * products
    return weights.new_zeros(len(weights)).index_add(0, row, terms)
