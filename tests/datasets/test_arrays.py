"""Rows of an array: what is taken, what is refused, and the named canvases."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import workbench as wb
from workbench.datasets.arrays import Rows
from workbench.datasets.door import admitted
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.views.rows import moved, moves


def test_a_tensor_a_pair_and_rows_are_the_same_data() -> None:
    x, y = torch.arange(24.0).reshape(4, 3, 2), torch.tensor([0, 1, 0, 1])
    hashes = {kind_of(data).content_hash(data) for data in ((x, y), Rows(x=x, y=y), (x.double(), y.int()))}
    assert len(hashes) == 1
    kind, data = admitted(x)
    assert kind.name == "arrays" and isinstance(data, Rows) and kind.sizes(data) == {"rows": 4}
    assert kind.shape(x) == {"features": 6, "height": 3, "width": 2} and kind.shape(x[0]) == {"features": 2}
    assert kind.attributes(x).shape == (4, 6) and kind.labels(Rows(x=x, y=torch.rand(4))) is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ((torch.zeros(3, 2), torch.zeros(2).long()), "an array of 3 rows needs as many classes, not 2"),
        (torch.tensor([[1.0, 2.0], [3.0, float("nan")]]), r"row 1 of the array holds nan at \[1\]"),
        (torch.zeros(0, 2), "at least one row"),
        (Rows(y=torch.zeros(2)), "a tensor x"),
        (torch.zeros(2, 2, dtype=torch.complex64), "the array .x. must be real numbers"),
    ],
)
def test_what_is_no_array_is_refused_in_a_sentence(data: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        admitted(data)


def test_raw_pixels_tell_upright_digits_and_not_those_at_random_places() -> None:
    digits, placed = load_digits(), wb.load_graph("digits-placed")
    chosen = np.flatnonzero(digits.target >= 5)
    y, accuracy = digits.target[chosen], {}
    for name, x in (("upright", digits.images / 16), ("placed", placed.x.numpy())):
        rows, scores = x.reshape(len(x), -1)[chosen], []
        for seed in range(5):
            order = np.random.default_rng(seed).permutation(len(y))
            seen = np.concatenate([order[y[order] == kind][:10] for kind in range(5, 10)])
            asked = np.setdiff1d(order, seen)
            for model in (LogisticRegression(max_iter=1000), KNeighborsClassifier(1)):
                scores.append(model.fit(rows[seen], y[seen]).score(rows[asked], y[asked]))
        accuracy[name] = np.reshape(scores, (5, 2)).mean(0)
    # With 10 labels of each of 5 to 9: only on the canvas is there anything for an objective to show.
    assert (accuracy["upright"] > 0.9).all()
    assert np.abs(accuracy["placed"] - [0.36, 0.46]).max() < 0.04


def test_canvases_hold_the_digits_where_they_say() -> None:
    digits = load_digits()
    placed = wb.load_graph("digits-placed")
    assert placed.x.shape == (1797, 12, 12) and placed.name == "digits-placed"
    torch.testing.assert_close(placed.x.sum((1, 2)), torch.from_numpy(digits.images.sum((1, 2)) / 16).float())
    assert len(placed.x.flatten(1).argmax(1).unique()) > 64, "places differ"
    two = wb.load_graph("digits-two")
    left, right = two.x[:, :, :12].sum((1, 2)), two.x[:, :, 12:].sum((1, 2))
    torch.testing.assert_close(left, placed.x.sum((1, 2)))
    assert abs(float(right.mean() / left.mean()) - 0.3) < 0.01 and (two.y != two.weak).float().mean() > 0.85
    stripes = wb.load_graph("digits-stripes")
    assert torch.equal(stripes.target, stripes.overlay >= 0) and set(stripes.overlay.tolist()) == {-1, 0, 1, 2, 3}
    bare, striped = stripes.x[~stripes.target], stripes.x[stripes.target]
    assert float((striped > 0).float().mean()) > float((bare > 0).float().mean()) + 0.1
    across = stripes.x[stripes.overlay == 0]
    assert bool(((across >= 0.7).all(2).sum(1) == 3).all()), "a line in four goes all the way"
    patients = wb.load_graph("diabetes")
    assert patients.x.shape == (442, 10) and patients.y.is_floating_point()
    assert np.allclose(patients.x.mean(0), 0, atol=1e-5)


def test_series_are_moved_along_time_alone() -> None:
    series = wb.load_graph("series")
    assert series.x.shape == (1000, 1, 64) and len(series.class_names) == 5 == len(series.y.unique())
    pixels = moves(series.x, 8, torch.Generator().manual_seed(0))
    assert not pixels[0].any() and pixels[1].unique().tolist() == [*range(-8, 9)]
    later = moved(series.x, 8, torch.Generator().manual_seed(0))
    row, by = int(pixels[1].argmax()), 8
    assert torch.equal(later[row, 0, :-by], series.x[row, 0, by:]) and not later[row, 0, -by:].any()


def test_labels_that_a_supervised_method_may_see_are_those_of_the_training_mask() -> None:
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, -1, 1])
    kind = kind_of(x)
    mask = torch.tensor([True, False, True, False])
    assert kind.targets((x, y)).tolist() == [0, 1, -1, 1]
    assert kind.targets(Rows(x=x, y=y, train_mask=mask)).tolist() == [0, -1, -1, -1]
    with pytest.raises(UserError, match=r"a supervised method learns from labels.* have none"):
        kind.targets(x)
