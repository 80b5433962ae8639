"""Positives that follow from two relations, against loops."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from conftest import small_rows
from torch_geometric.data import Data

import workbench as wb
from workbench.config import Part
from workbench.contrast.measures import label_precision
from workbench.contrast.positives import POSITIVES, composition
from workbench.datasets.arrays import Rows
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.randomness import Randomness


def pairs_of(name: str, data: object, **options: object) -> sp.csr_matrix:
    part = Part.of({"name": name, **options}, POSITIVES)
    return part.call(POSITIVES, kind_of(data).inputs(data), Randomness(0))


def copies(count: int = 12, places: int = 3) -> Rows:
    """Images of 3 x 3, each at places of its own on an empty canvas of 7 x 7."""
    draw, x = np.random.default_rng(1), np.zeros((count * places, 7, 7), np.float32)
    for thing, image in enumerate(draw.random((count, 3, 3)) + 0.1):
        for number, place in enumerate(draw.permutation(25)[:places]):
            top, left = divmod(place, 5)
            x[thing * places + number, top : top + 3, left : left + 3] = image
    return Rows(x=torch.from_numpy(x), y=torch.arange(count * places) // places)


@pytest.mark.parametrize("hops", [1, 2])
def test_a_composition_is_what_loops_over_both_relations_find(hops: int) -> None:
    draw = np.random.default_rng(0)
    inter, intra = ((draw.random((14, 14)) < share).astype(np.float32) for share in (0.1, 0.1))
    ends = np.linalg.matrix_power(intra, hops)
    expected = np.zeros((14, 14))
    for a, b in np.argwhere(inter):
        for c in np.flatnonzero(ends[a]):
            for d in np.flatnonzero(ends[b]):
                expected[c, d] = c != d and not inter[c, d] and not intra[c, d]
    found = composition(sp.csr_matrix(inter), sp.csr_matrix(intra), hops)
    assert found.nnz == expected.sum() > 0 and (found.toarray() == expected).all()
    assert composition(sp.csr_matrix(inter), sp.csr_matrix(intra), 0).toarray().tolist() == inter.tolist()


def test_shifted_images_find_their_copies_and_composed_ones_are_no_truer_than_what_they_are_composed_of() -> None:
    data = copies()
    labels = data.y.numpy()
    intra, inter = pairs_of("shifted", data), pairs_of("nearest", data, neighbours=5)
    assert label_precision(intra, labels) == 1
    new, every = pairs_of("composed", data), pairs_of("composed", data, inputs=True)
    assert label_precision(new, labels) <= label_precision(inter, labels) < 1
    assert not new.multiply(inter + intra).nnz and not new.diagonal().any()
    assert ((new + inter + intra > 0) != (every > 0)).nnz == 0
    assert (pairs_of("composed", data, hops=0) != inter).nnz == 0


def test_the_precision_of_pairs_by_hand() -> None:
    pairs = sp.csr_matrix(([1.0] * 5, ([0, 0, 1, 2, 3], [1, 2, 1, 3, 0])), (4, 4))
    assert label_precision(pairs, np.array([0, 0, 1, -1])) == 0.5  # (1, 1) and those of item 3 are left out
    assert np.isnan(label_precision(pairs, np.full(4, -1)))


def test_nodes_have_compositions_too(small_graph: Data) -> None:
    run = wb.fit("grace", small_graph, "small", progress=False, epochs=1, positives="composed", intra="neighbours")
    assert run.history.notna().all().all()
    with pytest.raises(UserError, match="'shifted' are images"):
        pairs_of("shifted", small_graph)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inter": "class"}, "can't be composed of 'class'"),
        ({"inter": "trees"}, "can't be composed of 'trees'"),
        ({"intra": "composed"}, "can't be composed of 'composed'"),
        ({"inter": "nearst"}, "source of positives 'nearst'.*nearest"),
        ({"hops": -1}, "hops=-1 steps"),
    ],
)
def test_what_can_not_be_composed_is_refused_in_a_sentence(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        pairs_of("composed", small_rows(), **options)
