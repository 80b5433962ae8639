"""The loop over the epochs of one training: its history, its checkpoint, what is kept on the way."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from workbench.contrast import Contrast
from workbench.errors import UserError
from workbench.methods import Config, Method
from workbench.randomness import Randomness

CHECKPOINT_SECONDS = 60.0


class Progress(NamedTuple):
    """What a callback is told after each epoch.

    Attributes:
        epoch: number of the epoch that has just ended, from 1.
        epochs: epochs in all.
        terms: loss of this epoch in nats, by term, with "loss" for the weighted sum.
        seconds: wall seconds of all epochs so far; what a callback does is not counted.
        embed: call it for the embedding as it stands, float32 [nodes, dim].
    """

    epoch: int
    epochs: int
    terms: dict[str, float]
    seconds: float
    embed: Callable[[], Tensor]


def moments_of(epochs: int, snapshots: int) -> set[int]:
    """Return the epochs after which an embedding is kept, 0 for the untrained one."""
    return {round(epochs * place / (snapshots - 1)) for place in range(snapshots)}


def missing(moments: set[int], kept: Iterable[int], epochs: int) -> set[int]:
    """Return which of the moments up to an epoch have no embedding."""
    return {moment for moment in moments if moment <= epochs} - set(kept)


class Trainer:
    """One optimisation with its history and its checkpoint."""

    def __init__(
        self,
        model: Method,
        config: Config,
        randomness: Randomness,
        checkpoint: Path,
        fresh: bool,
        moments: set[int],
    ):
        self.model, self.epochs, self.randomness, self.checkpoint = model, config.epochs, randomness, checkpoint
        self.moments = moments
        self.snapshots: dict[int, Tensor] = {}
        # The fused form does the same arithmetic in one pass over the parameters.
        self.optimiser = torch.optim.Adam(
            model.parameter_groups(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.rows: list[dict[str, float]] = []
        self.seconds, self.finished, self.torn = 0.0, False, False
        self.contrast: Contrast | None = None
        self.projections: tuple[Tensor, ...] = ()
        if checkpoint.exists() and not fresh:
            self._restore()

    def run(
        self, callback: Callable[[Progress], object] | None, title: str | None, asked_to_stop: Callable[[], bool]
    ) -> bool:
        """Train to the end; return False where a person ended it before."""
        self.model.train()
        saved = time.perf_counter()
        bar = tqdm(total=self.epochs, initial=len(self.rows), desc=title, disable=title is None, unit="epoch")
        try:
            self._keep()
            while len(self.rows) < self.epochs and not self.finished and not asked_to_stop():
                began = time.perf_counter()
                terms = self._epoch()
                self.seconds += time.perf_counter() - began
                self.rows.append({"epoch": len(self.rows) + 1, **terms, "seconds": self.seconds})
                self._keep()
                bar.update()
                bar.set_postfix(loss=f"{terms['loss']:.4f}", refresh=False)
                if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                    self.save()
                    saved = time.perf_counter()
                if callback is not None:
                    told = Progress(len(self.rows), self.epochs, terms, self.seconds, lambda: look(self.model)[0])
                    if callback(told) is False:
                        break
        except KeyboardInterrupt:
            # A torn epoch is no state to go on from; the checkpoint on disk stays as it was.
            self.torn = True
        finally:
            bar.close()
        return len(self.rows) >= self.epochs or self.finished

    def _epoch(self) -> dict[str, float]:
        self.optimiser.zero_grad(set_to_none=True)
        step = self.model.step()
        step.total.backward()
        self.contrast, self.finished = step.contrast, step.finished
        self.projections = tuple(one.detach() for one in step.projections)
        terms = {"loss": float(step.total.detach()), **{k: float(term.detach()) for k, term in step.terms.items()}}
        if not all(map(_finite, terms.values())):
            raise UserError(
                f"the loss became {terms['loss']} in epoch {len(self.rows) + 1}; lower the learning rate or raise tau"
            )
        self.optimiser.step()
        return terms

    def _keep(self) -> None:
        """Keep the embedding as it stands, where this is a moment to do so."""
        epoch = len(self.rows)
        due = epoch in self.moments or (self.finished and bool(self.moments))
        if due and epoch not in self.snapshots:
            # Unit rows fit half precision whatever a method's scale, and maps and neighbours go by cosine.
            self.snapshots[epoch] = torch.nn.functional.normalize(look(self.model)[0]).half()

    def history(self) -> pd.DataFrame:
        """Return one row an epoch."""
        columns = list(self.rows[0]) if self.rows else ["epoch", "loss", "seconds"]
        return pd.DataFrame(self.rows, columns=columns).set_index("epoch")

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        if not self.rows or self.torn:
            return
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "randomness": self.randomness.state(),
            "rows": self.rows,
            "seconds": self.seconds,
            "snapshots": self.snapshots,
        }
        draft = self.checkpoint.with_name(f"{self.checkpoint.name}.{os.getpid()}")
        torch.save(state, draft)
        draft.replace(self.checkpoint)

    def _restore(self) -> None:
        try:
            state = torch.load(self.checkpoint, weights_only=True)
        except Exception:  # a damaged file can fail anywhere inside the reader
            raise UserError(
                f"the checkpoint {self.checkpoint} is damaged; delete it, or pass fresh=True to start over"
            ) from None
        if missing(self.moments, state["snapshots"], len(state["rows"])):
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.randomness.restore(state["randomness"])
        self.rows, self.seconds, self.snapshots = state["rows"], state["seconds"], state["snapshots"]


def _finite(value: float) -> bool:
    return value - value == 0


def look(model: Method) -> tuple[Tensor, dict[str, Tensor]]:
    """Embed the graph and collect the details, without gradients, in evaluation mode, and leave the mode as it was."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        embeddings = model.embed().float().cpu()
        details = {name: tensor.detach().cpu() for name, tensor in model.details().items()}
    model.train(mode)
    return embeddings, details


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Let a first Ctrl-C end training after the epoch under way, and a second one at once."""
    asked = False

    def ask(signal_number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("\nstopping after this epoch; interrupt again to stop at once", file=sys.stderr)

    # Only the main thread is interrupted, and only it may say what happens then.
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
