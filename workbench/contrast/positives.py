"""Sources of positives: which items, besides an item's own second view, an anchor is pulled to, and how strongly.

A source is a registered function of a method's inputs and a `Randomness`, further arguments with defaults being its
options. It returns how strongly each pair of different items is pulled [items, items], sparse, 0 or above, or None. One
that looks at labels says so by `looks_at`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.neighbors import kneighbors_graph
from torch import Tensor
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast.pairs import Contrast
from workbench.datasets.attributes import in_memory
from workbench.datasets.structure import adjacency
from workbench.errors import UserError
from workbench.randomness import Randomness
from workbench.registry import Registry

POSITIVES: Registry[Callable[..., sp.csr_matrix | None]] = Registry(
    "source of positives", "workbench.contrast", "POSITIVES"
)
MOST = 50_000_000  # pairs that are kept

Source = TypeVar("Source", bound=Callable[..., Any])
Labels = Callable[[Mapping[str, Any]], str | None]


def looks_at(labels: Labels) -> Callable[[Source], Source]:
    """Declare a source supervised: `labels` returns of its options which labels it looks at, as `Kind.targets` says."""

    def declare(source: Source) -> Source:
        source.labels = labels  # type: ignore[attr-defined]
        return source

    return declare


def labels_of(part: Part) -> str | None:
    """Return which labels a source looks at, "classes" or "paths" of dotted names; None where at none."""
    labels: Labels | None = getattr(POSITIVES.get(part.name), "labels", None)
    return labels and labels(part.all_options(POSITIVES))


class PositivePairs:
    """The positives of a method, computed once and handed out for the rows of each step.

    Args:
        part: the source with its options.
        data: inputs of the method; of a supervised one `targets` are the labels that it may see, -1 for none [items].
        randomness: what a source draws from.
    """

    def __init__(self, part: Part, data: Any, randomness: Randomness):
        self.device = data.x.device
        found: sp.csr_matrix | None = part.call(POSITIVES, data, randomness)
        self.matrix = None if found is None else _without_own(found)
        self.whole: tuple[Tensor, Tensor] | None = None  # for all items

    def into(self, contrast: Contrast, ids: Tensor | None = None) -> Contrast:
        """Return a contrast of paired views with these positives, each row's own pair among them with mass 1.

        Args:
            contrast: to be filled. ids: the items that the rows stand for [rows]; None for all, in order.
        """
        if self.matrix is None:
            return contrast
        if ids is not None:
            rows = ids.cpu().numpy()
            return dataclasses.replace(contrast, positives=_with_own(self.matrix[rows][:, rows], self.device))
        self.whole = self.whole or _with_own(self.matrix, self.device)
        return dataclasses.replace(contrast, positives=self.whole)


@POSITIVES.register("self")
def own(data: Any, randomness: Randomness) -> None:
    """Pull an item to its own second view alone."""


@POSITIVES.register("neighbours")
def linked(data: Data, randomness: Randomness, weight: float = 1.0) -> sp.csr_matrix:
    """Pull a node to the nodes that it has an edge with, by `weight` each."""
    if data.get("edge_index") is None:
        raise UserError("positives 'neighbours' are nodes joined by an edge; rows of an array have none; try 'nearest'")
    return sp.csr_matrix(adjacency(data).astype(np.float32) * weight)


@POSITIVES.register("nearest")
def nearest(data: Any, randomness: Randomness, neighbours: int = 5) -> sp.csr_matrix:
    """Pull an item to those nearest to its attributes, or numbers, as they are, by Euclidean distance."""
    x = in_memory(data.x, "the nearest items").to_dense().flatten(1).cpu().numpy()
    if not 1 <= neighbours < len(x):
        most = len(x) - 1
        raise UserError(
            f"neighbours={neighbours} nearest items were asked for; each of {len(x)} has 1 to {most} others"
        )
    return kneighbors_graph(x, neighbours)


@POSITIVES.register("shifted")
def shifted(data: Any, randomness: Randomness, neighbours: int = 2) -> sp.csr_matrix:
    """Pull an image to those nearest to it once the first line and column that aren't empty lie at the upper left."""
    if data.x.dim() != 3:
        raise UserError("positives 'shifted' are images of one thing at other places; these items are no images")
    images = []
    for image in data.x.cpu().numpy():
        places = image.nonzero()
        images.append(np.roll(image, [-int(place.min(initial=len(image))) for place in places], (0, 1)))
    return nearest(Data(x=torch.from_numpy(np.stack(images))), randomness, neighbours)


@POSITIVES.register("composed")
def composed(
    data: Any,
    randomness: Randomness,
    inter: str = "nearest",
    intra: str = "shifted",
    hops: int = 1,
    inputs: bool = False,
) -> sp.csr_matrix:
    """Pull A' to B' where A ~ B between things, A ~ A' and B ~ B' within one; two sources by name.

    Each source has its own defaults. With `inputs` their pairs count, too, as in the paper. Source: Wang, He and Gupta,
    Transitive Invariance for Self-supervised Visual Representation Learning, ICCV 2017.
    """
    parts = [Part.of(name, POSITIVES) for name in (inter, intra)]
    for part in parts:
        if part.name in ("self", "composed") or labels_of(part):
            raise UserError(f"positives 'composed' can't be composed of {part.name!r}; try 'nearest'")
    between, within = (part.call(POSITIVES, data, randomness) for part in parts)
    found = composition(between, within, hops)
    return sp.csr_matrix((found + between + within > 0).astype(np.float32)) if inputs else found


def composition(inter: sp.csr_matrix, intra: sp.csr_matrix, hops: int = 1) -> sp.csr_matrix:
    """Return which pairs follow from a pair of `inter` by so many steps of `intra` at both ends, and were in neither.

    0 hops return `inter`. Pairs of an item with itself are left out; entries are 1 [items, items].
    """
    if hops < 0:
        raise UserError(f"hops={hops} steps were asked for at either end; there are 0 or more", parameter="hops")
    if not hops:
        return inter
    found = inter
    for _ in range(hops):
        found = (intra.T @ found @ intra > 0).astype(np.float32)
    return _without_own(found - found.multiply(inter + intra > 0))


@POSITIVES.register("class")
@looks_at(lambda options: "classes")
def of_a_class(data: Any, randomness: Randomness) -> sp.csr_matrix:
    """Pull an item to all others of its class, whose labels the method may see; supervised (SupCon, NeurIPS 2020)."""
    targets = data.targets.cpu().numpy()
    known = np.flatnonzero(targets >= 0)
    member = sp.csr_matrix(
        (np.ones(len(known), np.float32), (known, targets[known])), (len(targets), targets.max() + 1)
    )
    pairs = int(np.square(np.asarray(member.sum(0), np.float64)).sum())
    if pairs > MOST:
        raise UserError(
            f"positives 'class' would be {pairs:,} pairs, more than {MOST:,}; a train_mask leaves fewer labels"
        )
    return member @ member.T


def _without_own(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Return a matrix without its diagonal and without stored zeros."""
    matrix = sp.csr_matrix(matrix)
    matrix = matrix - sp.diags(matrix.diagonal())
    matrix.eliminate_zeros()
    return matrix.tocsr()


def _with_own(matrix: sp.csr_matrix, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pairs of a matrix and those of each row with itself, of mass 1, as positives of a contrast."""
    pairs = (matrix + sp.identity(matrix.shape[0], format="csr")).tocoo()
    index = torch.from_numpy(np.stack([pairs.row, pairs.col]).astype(np.int64))
    return index.to(device), torch.from_numpy(pairs.data).float().to(device)
