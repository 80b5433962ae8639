"""What is seen of an embedding without labels while a method trains: whether it collapses, and which moment is kept."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workbench.contrast import spectrum
from workbench.contrast.measures import link_alignment, uniformity
from workbench.datasets.kinds import kind_of
from workbench.errors import UserError
from workbench.randomness import Randomness
from workbench.training.choice import CHOICES, NUMBERS, choice, known

ROWS, WIDE = 2_000, 512  # rows that are looked at; of embeddings wider than this, as many as it says
MOST, APART = 10, 50  # looks after the untrained one; epochs between two at least, unless a moment is chosen
LARGE = 1e15  # lengths of rows whose squares, and products of many, float32 may not hold
APART_TIMES = 1e6  # how many times longer than untrained rows are where a training has come apart
COLLAPSED = 0.1  # share of its untrained effective rank below which an embedding has collapsed


def check(stop: str | None, data: Any) -> None:
    """Raise a UserError where a moment can't be chosen by the number that is asked for."""
    if stop is None:
        return
    known(stop)
    if "alignment" in CHOICES[stop][0] and links_of(data) is None:
        others = ", ".join(name for name in CHOICES if name != stop)
        raise UserError(f"stop={stop!r} needs the links of one graph, and these data have none; others are {others}")


def links_of(data: Any) -> Tensor | None:
    """Return the links of one graph [2, links]; None for other data and where there are none."""
    links = data.get("edge_index") if kind_of(data).name == "nodes" else None
    return links if links is not None and links.numel() else None


class Watch:
    """The looks at one training, which change no bit of it: they draw from no stream but their own.

    Args:
        epochs: that are to be trained. stop: a name of `CHOICES`; None keeps the last moment.
        inputs: what is embedded.

    Attributes:
        rows: by epoch, 0 being the untrained encoder, what was measured: some of `NUMBERS`.
        chosen: the epoch whose weights are kept, and these; None before one is better than none.
    """

    def __init__(self, epochs: int, stop: str | None, inputs: Any):
        looks = min(MOST, epochs if stop else epochs // APART) or 1
        self.moments = {round(epochs * place / looks) for place in range(looks + 1)}
        links = links_of(inputs)
        self.stop, self._links = stop, None if links is None else links.cpu()
        self.rows: dict[int, dict[str, float]] = {}
        self.chosen: tuple[int, dict[str, Any]] | None = None

    def due(self, epoch: int) -> bool:
        """Return whether to look after an epoch; at the last without a choice there is an embedding anyway."""
        return epoch in self.moments and epoch not in self.rows and (self.stop is not None or epoch < max(self.moments))

    def look(self, epoch: int, embedding: Tensor, every: bool = False) -> None:
        """Measure an embedding [items, dim]; all of `NUMBERS` where `every` is set, else those that are needed."""
        needed = {"effective_rank", "dead_units", *(CHOICES[self.stop][0] if self.stop else ())}
        row = measured(embedding, self._links, NUMBERS if every else tuple(needed))
        self.rows[epoch] = row | {"length": float(embedding.double().norm(dim=1).mean())}

    def choose(self, epoch: int, weights: Mapping[str, Any]) -> None:
        """Keep the weights where the look after a trained epoch is the best so far."""
        if self._choice()[0] == epoch:
            self.chosen = epoch, copy.deepcopy(dict(weights))

    @property
    def over(self) -> bool:
        """Whether the latest looks found nothing better, so that training ends."""
        return self._choice()[1] is not None

    def _choice(self) -> tuple[int | None, int | None]:
        if self.stop is None:
            return None, None
        return choice({epoch: row for epoch, row in self.rows.items() if epoch in self.moments}, self.stop)

    def table(self) -> pd.DataFrame:
        """Return a row per look, by epoch: those of `NUMBERS` measured, the mean "length" of the rows, and "kept"."""
        table = pd.DataFrame.from_dict(self.rows, "index").rename_axis("epoch").sort_index()
        table = table[[name for name in (*NUMBERS, "length") if name in table]]
        kept = self.chosen[0] if self.chosen else table.index.max()
        return table.assign(kept=table.index == kept)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"rows": self.rows, "chosen": self.chosen}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.rows, self.chosen = state["rows"], state["chosen"]


def measured(embedding: Tensor, links: Tensor | None, names: tuple[str, ...] = NUMBERS) -> dict[str, float]:
    """Measure some rows, the same ones each time, of an embedding [items, dim]; alignment is of all links."""
    rows, most = embedding, ROWS if embedding.shape[1] <= WIDE else WIDE
    if len(rows) > most:
        rows = rows[torch.randperm(len(rows), generator=Randomness(0).generator("watched rows"))[:most]]
    measures: dict[str, Callable[[], float]] = {
        "effective_rank": lambda: spectrum.effective_rank(rows),
        "dead_units": lambda: spectrum.constant(rows),
        "alpha_req": lambda: spectrum.decay(rows),
        "uniformity": lambda: uniformity(rows, ROWS),
        "alignment": lambda: float("nan") if links is None else link_alignment(embedding, links),
    }
    return {name: measures[name]() for name in NUMBERS if name in names}


def collapse(table: pd.DataFrame, config: Any, kept: int) -> str:
    """Say that an embedding has collapsed in training and what to do, "" where it hasn't.

    It has where its effective rank is less than a tenth of what it was untrained. That lies between what was measured
    with quick presets, seed 0: GRACE on Photo, whose attributes' rows sum to 1, ends at 0.06 to 0.07 of it; COSTA on
    Cora at 0.17; 17 other methods on Cora, GRACE on CiteSeer and on Photo with standardised columns, and CCA-SSG on
    Photo at 0.28 to 0.92. Only what is kept counts: BGRL falls to 0.04 on its way to 0.80. It says as well where all
    rows are the same, and where they are so long that nothing can have been learned by their products.
    """
    if not {0, kept} <= {*table.index} or not kept:
        return ""
    first, last = table.loc[0], table.loc[kept]
    before, after, dead = first["effective_rank"], last["effective_rank"], last["dead_units"]
    lengths = first.get("length", float("nan")), last.get("length", float("nan"))  # nan of a run stored before
    if dead == 1 or pd.isna(after):
        return f"the embedding collapsed: it is the same for all items after {kept:,} epochs; try a lower learning rate"
    if max(lengths) > LARGE:
        return (
            f"the training came to nothing: the rows of the embedding are {lengths[1]:.0e} long, and float32 can't "
            "hold squares of such numbers; scale the attributes, or lower the learning rate"
        )
    if lengths[1] > APART_TIMES * lengths[0] > 0:  # untrained rows of zeros are no measure
        longer = f"its rows are {lengths[1] / lengths[0]:.0e} times as long as untrained after {kept:,} epochs"
        return f"the training came apart: {longer}; try a lower learning rate"
    if not after < COLLAPSED * before:
        return ""
    also = f", and {100 * dead:.0f} % of its units are the same for all" if dead else ""
    rather = 'attributes="columns" (standardised attributes), ' if getattr(config, "attributes", "") == "loaded" else ""
    return (
        f"the embedding collapsed: its effective rank fell from {before:.1f} dimensions untrained to {after:.1f} after "
        f"{kept:,} epochs{also}; try {rather}a lower learning rate, or fewer epochs"
    )
