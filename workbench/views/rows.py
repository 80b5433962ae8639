"""Random views of rows of an array: images moved, contrast changed, numbers hidden or disturbed."""

import torch
from torch import Tensor


def moves(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw by how many pixels each image [rows, height, width] is moved up and to the left, -most to most [2, rows].

    Along a side of one pixel, such as the height of a series, nothing is moved.
    """
    drawn = torch.randint(-most, most + 1, (2, len(x)), generator=generator)
    return drawn * torch.tensor([[side > 1] for side in x.shape[1:]])


def moved_by(x: Tensor, pixels: Tensor) -> Tensor:
    """Return each image [rows, height, width] moved up and to the left by pixels [2, rows], 0 where nothing was."""
    _, height, width = x.shape
    down, across = pixels.to(x.device)[..., None, None]
    line = torch.arange(height, device=x.device)[:, None] + down
    column = torch.arange(width, device=x.device) + across
    inside = (line >= 0) & (line < height) & (column >= 0) & (column < width)
    place = line.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return x.flatten(1).gather(1, place.flatten(1)).view_as(x) * inside


def moved(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return each image [rows, height, width] moved by up to `most` pixels across and down, 0 where nothing was."""
    return moved_by(x, moves(x, most, generator)) if most else x


def hidden(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Return rows [rows, ...] in which each number is set to 0 at a rate, independently."""
    return x * (torch.rand(x.shape, generator=generator) >= rate).to(x.device) if rate else x


def rescaled(x: Tensor, spread: float, generator: torch.Generator) -> Tensor:
    """Return rows [rows, ...] each times a factor drawn evenly between 1 - spread and 1 + spread."""
    if not spread:
        return x
    factor = 1 + spread * (2 * torch.rand(len(x), generator=generator) - 1)
    return x * factor.to(x.device).view(-1, *[1] * (x.dim() - 1))


def disturbed(x: Tensor, deviation: float, generator: torch.Generator) -> Tensor:
    """Return rows [rows, ...] with normal noise of a standard deviation added."""
    return x + deviation * torch.randn(x.shape, generator=generator).to(x.device) if deviation else x


def placed(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images [rows, height, width], what each shows moved to a random place where nothing of it is cut.

    What an image shows is all that differs from its ground: its least or its largest number, whichever it has more of.
    """
    least, most = x.amin((1, 2), keepdim=True), x.amax((1, 2), keepdim=True)
    dark = (x == least).sum((1, 2), keepdim=True) >= (x == most).sum((1, 2), keepdim=True)
    shown = x - (ground := torch.where(dark, least, most))
    drawn = []
    for across in (2, 1):
        there = (shown != 0).any(across)
        first, behind = there.int().argmax(1), there.flip(1).int().argmax(1)  # empty lines before it and behind
        room = (first + behind + 1) * there.any(1)
        drawn.append(first.cpu() - (torch.rand(len(x), generator=generator) * room.cpu()).long())
    return moved_by(shown, torch.stack(drawn)) + ground
