"""`SampledContrast`: fills a contrast with the negatives of a sampler, anew as training goes on."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize
from torch_geometric.data import Data

from workbench.config import Part
from workbench.contrast.negatives.context import SamplingContext
from workbench.contrast.negatives.selection import SAMPLERS, Selection
from workbench.contrast.pairs import Contrast, Mixed
from workbench.errors import UserError
from workbench.randomness import Randomness


class SampledContrast(nn.Module):
    """Whom the rows of a contrast are compared with, by a named sampler, chosen anew every so many steps.

    A sampler that neither draws nor looks at the projections is asked once. What is chosen goes into checkpoints.

    Args:
        base: the contrast to fill; its candidates, weights, mixed negatives and class prior are replaced.
        graph: looked at without labels. randomness: draws from its stream "negatives".
        sampler: with its options; "all" leaves the contrast as it is. k: most negatives of a row.
        redraw: steps after which negatives are chosen anew; 0 keeps the first choice.
        ids: the nodes that the rows stand for; None for all, in order.
    """

    def __init__(
        self,
        base: Contrast,
        graph: Data,
        randomness: Randomness,
        sampler: Part = Part("all"),
        k: int = 64,
        redraw: int = 1,
        ids: Tensor | None = None,
    ):
        super().__init__()
        self.filled, self.randomness = base, randomness
        self.sampler, self.k, self.redraw = sampler, k, redraw
        self.context = SamplingContext(graph, ids=ids)
        self.steps, self.settled = 0, sampler.name == "all"
        self.before = 0  # steps of the training before the first that is counted here

    def forward(self, u: Tensor, v: Tensor) -> Contrast:
        """Return the contrast for this step, given projections in both views [rows, dim], detached."""
        due = self.steps % self.redraw == 0 if self.redraw else self.steps == 0
        if due and not self.settled:
            u, v, self.context.passed = u.detach(), v.detach(), self.before + self.steps
            # Inner products of these are means of the four cosines of two nodes in two views.
            self.context.see((normalize(u, dim=1) + normalize(v, dim=1)) / 2, cosine_similarity(u, v).cpu())
            stream = self.randomness.generator("negatives")
            before = stream.get_state()
            k = min(self.k, max(self.context.size - 1, 1))
            chosen = self.sampler.call(SAMPLERS, self.context, k, self.randomness)
            if not bool((chosen.weights > 0).any()):
                raise UserError(f"sampler {self.sampler.name!r} finds no negative for any node of this graph")
            self.filled = self.fill(chosen, u.device)
            self.settled = not self.context.looked and torch.equal(before, stream.get_state())
        self.steps += 1
        return self.filled

    def fill(self, chosen: Selection, device: torch.device) -> Contrast:
        """Return the base contrast with the negatives of a selection, whose anchors are all its rows."""
        negatives, weights, mixed = chosen.negatives, chosen.weights, chosen.mixed
        rows = torch.arange(self.context.size)
        places = torch.from_numpy(self.context.positions(negatives.clamp(min=0)))
        if negatives.dim() == 2:
            places = torch.where(negatives >= 0, places, rows[:, None])  # an own pair never counts
        if mixed is not None:
            first, second = (torch.from_numpy(self.context.positions(part)) for part in mixed[:2])
            mixed = Mixed(first.to(device), second.to(device), mixed.share.to(device))
        return dataclasses.replace(
            self.filled,
            candidates=places.to(device),
            weights=None if bool((weights == 1).all()) else weights.to(device),
            mixed=mixed,
            class_prior=chosen.class_prior,
        )

    def get_extra_state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold for the next step to be the same."""
        filled = {name: getattr(self.filled, name) for name in ("candidates", "weights", "class_prior")}
        mixed = self.filled.mixed and list(self.filled.mixed)
        return {"steps": self.steps, "settled": self.settled, "mixed": mixed, "filled": filled}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_extra_state` returned."""
        self.steps, self.settled, mixed = state["steps"], state["settled"], state["mixed"]
        self.filled = dataclasses.replace(self.filled, mixed=mixed and Mixed(*mixed), **state["filled"])
