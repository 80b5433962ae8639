"""Small images on which a contrast can show something: digits at places of their own, in pairs, below stripes.

Upright digits of 8 x 8 pixels are told apart by their raw pixels (91.5 % with ten labels per class), so that no
objective has anything to gain there; a digit that may lie anywhere is not.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import sawtooth, square
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor

from workbench.datasets.arrays import Rows
from workbench.datasets.files.registry import register

SIDE = 12  # pixels of a canvas
WEAK = 0.3  # contrast of the weak digit of two
STRIPES = 4  # kinds of stripes
WAVES = ("sine", "square", "triangle", "sawtooth", "rising sine")
Images = NDArray[np.float32]


def placed(images: Images, draw: np.random.Generator, side: int = SIDE) -> Images:
    """Return each image at a random place of an empty canvas [images, side, side]."""
    count, height, width = images.shape
    canvas = np.zeros((count, side, side), np.float32)
    top, left = draw.integers(side - height + 1, size=count), draw.integers(side - width + 1, size=count)
    rows, columns = top[:, None, None] + np.arange(height)[:, None], left[:, None, None] + np.arange(width)
    canvas[np.arange(count)[:, None, None], rows, columns] = images
    return canvas


def _digits() -> tuple[Images, Tensor]:
    """Return scikit-learn's 1,797 digits [images, 8, 8], from 0 to 1, and which they are."""
    digits = load_digits()
    return (digits.images / 16).astype(np.float32), torch.from_numpy(digits.target).long()


@register("digits-placed")
def digits_placed() -> Rows:
    """Put each of scikit-learn's digits at a random place of a canvas of 12 x 12 pixels; y is the digit."""
    images, y = _digits()
    x = placed(images, np.random.default_rng(0))
    return Rows(x=torch.from_numpy(x), y=y, class_names=[str(digit) for digit in range(10)])


@register("digits-two")
def digits_two() -> Rows:
    """Put two digits side by side, the right one at 30 % contrast, each at a random place of its half [12, 24].

    y and `strong` are the left digit, `weak` the right one; which digits stand together says nothing.
    """
    (images, y), draw = _digits(), np.random.default_rng(0)
    other = draw.permutation(len(y))
    x = np.concatenate([placed(images, draw), WEAK * placed(images[other], draw)], 2)
    names = [str(digit) for digit in range(10)]
    return Rows(x=torch.from_numpy(x), y=y, strong=y, weak=y[torch.from_numpy(other)], class_names=names)


@register("digits-stripes")
def digits_stripes() -> Rows:
    """Lay one of four kinds of stripes over every second digit, each at a random place of a canvas of 12 x 12 pixels.

    `target` says which rows have stripes [rows], `overlay` which ones: 0 to 3 for lines across, lines down and both
    diagonals, -1 for none. y is the digit.
    """
    (images, y), draw = _digits(), np.random.default_rng(0)
    x, row, column = placed(images, draw), np.arange(SIDE)[:, None], np.arange(SIDE)
    kinds = np.stack([row + 0 * column, column + 0 * row, row + column, row - column])
    target = np.arange(len(y)) % 2 == 1
    overlay = np.where(target, draw.integers(STRIPES, size=len(y)), -1)
    phase = draw.integers(STRIPES, size=len(y))[:, None, None]
    lines = (kinds[overlay] + phase) % STRIPES == 0
    x[target] = np.maximum(x[target], 0.7 * lines[target])
    parts = {"target": torch.from_numpy(target), "overlay": torch.from_numpy(overlay)}
    return Rows(x=torch.from_numpy(x), y=y, class_names=[str(digit) for digit in range(10)], **parts)


@register("series")
def series() -> Rows:
    """Return 1,000 noisy waves of 64 steps and five kinds, each with a phase and a frequency of its own [1, 64].

    Sine, square, triangle, sawtooth, and a sine whose frequency doubles on the way; y is the kind.
    """
    draw = np.random.default_rng(0)
    y, time = draw.integers(len(WAVES), size=1000), np.arange(64) / 64
    phase, cycles = draw.uniform(0, 2 * np.pi, (1000, 1)), draw.uniform(2, 5, (1000, 1))
    angle = 2 * np.pi * cycles * time + phase
    doubling = 2 * np.pi * cycles * (time + time**2 / 2) + phase
    waves = [np.sin(angle), square(angle), sawtooth(angle, 0.5), sawtooth(angle), np.sin(doubling)]
    x = np.stack(waves)[y, np.arange(1000)] * draw.uniform(0.7, 1.3, (1000, 1)) + draw.normal(0, 0.2, angle.shape)
    return Rows(x=torch.from_numpy(x[:, None]).float(), y=torch.from_numpy(y), class_names=list(WAVES))


@register("diabetes")
def diabetes() -> Rows:
    """Return scikit-learn's 442 patients: ten measurements, standardised; y is how far the disease went, a number."""
    patients = load_diabetes(scaled=False)
    x = (patients.data - patients.data.mean(0)) / patients.data.std(0)
    names = [*patients.feature_names]
    return Rows(x=torch.from_numpy(x).float(), y=torch.from_numpy(patients.target).float(), feature_names=names)
