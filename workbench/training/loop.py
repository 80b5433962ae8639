"""The loop over the epochs of one training: its history, its checkpoint, what is kept on the way."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from workbench import atomic
from workbench.datasets.attributes import entries
from workbench.errors import UserError, warn
from workbench.methods import Config, Method
from workbench.randomness import Randomness
from workbench.training import stored
from workbench.training.watch import Watch

CHECKPOINT_SECONDS = 60.0
TAG = 32  # bytes at the end of a checkpoint that tell whether it is whole, and that of this request
HUGE = 1e9  # attributes above this are what a loss that is not finite comes from


class Progress(NamedTuple):
    """What a callback is given after each epoch.

    Attributes:
        epoch: number of the epoch that has just ended, from 1. epochs: in all.
        terms: loss of this epoch in nats, by term, with "loss" for the weighted sum.
        seconds: wall seconds of all epochs so far; what a callback does is not counted.
        embed: call it for the embedding as it stands, float32 [items, dim], or one by item name.
        watched: what was measured of it on the way, by epoch, see `Run.watched`.
        kept: what the last step kept, see `Step.kept`; nothing of a sampled batch.
    """

    epoch: int
    epochs: int
    terms: dict[str, float]
    seconds: float
    embed: Callable[[], Any]
    watched: Mapping[int, Mapping[str, float]] = MappingProxyType({})
    kept: Mapping[str, Any] = MappingProxyType({})


def moments_of(epochs: int, snapshots: int) -> set[int]:
    """Return the epochs after which an embedding is kept, 0 for the untrained one."""
    snapshots = min(snapshots, max(epochs, 1) + 1)  # more would be the same ones again
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
        stop: str | None = None,
    ):
        self.model, self.epochs, self.randomness, self.checkpoint = model, config.epochs, randomness, checkpoint
        self.moments, self.watch = moments, Watch(config.epochs, stop, model.inputs)
        self.snapshots: dict[int, Tensor] = {}
        self.optimiser = model.optimiser()
        self.rows: list[dict[str, float]] = []
        self.seconds, self.finished, self.torn = 0.0, False, False
        self.kept: Mapping[str, Any] = {}
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
            while not self._over and not asked_to_stop():
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
                    facts = len(self.rows), self.epochs, terms, self.seconds
                    if callback(Progress(*facts, lambda: embed(self.model), self.watch.rows, self.kept)) is False:
                        break
        except KeyboardInterrupt:
            # A torn epoch is no state to go on from; the checkpoint on disk stays as it was.
            self.torn = True
        finally:
            bar.close()
        return self._over

    @property
    def _over(self) -> bool:
        return len(self.rows) >= self.epochs or self.finished or self.watch.over

    def result(self) -> tuple["Embedding", dict[str, Tensor]]:
        """Return the embedding and details of the moment that was chosen, whose weights the model then has, or now."""
        if self.watch.chosen is not None:
            self.model.load_state_dict(self.watch.chosen[1])
        self.model.finish()
        embeddings, details = look(self.model)
        if not joined(embeddings).isfinite().all():
            raise UserError(
                f"the embedding holds numbers that are not finite after {len(self.rows)} epochs; {self._rather()}"
            )
        if self.watch.chosen is None and len(self.rows) not in self.watch.rows:
            self.watch.look(len(self.rows), joined(embeddings))
        return embeddings, details

    def _epoch(self) -> dict[str, float]:
        """Train on each batch once and return the means of the loss terms over the batches."""
        rows = []
        # What a module draws from torch's global generator, such as dropout, is as reproducible as the rest.
        with self.randomness.globally(f"epoch {len(self.rows)}"):
            self.model.before_epoch(len(self.rows), self.optimiser)
            for batch in self.model.batches():
                step = self.model.step(batch)
                total = step.total
                rows.append({"loss": float(total.detach()), **{k: float(v.detach()) for k, v in step.terms.items()}})
                if not all(map(math.isfinite, rows[-1].values())):
                    raise UserError(
                        f"the loss became {rows[-1]['loss']} in epoch {len(self.rows) + 1}; {self._rather()}"
                    )
                self.model.update(step, self.optimiser)
                self.model.after_update()
                # Of a sampled batch nothing is kept: its rows are some of the nodes, and others the next time.
                self.kept = {} if getattr(batch, "n_id", None) is not None else step.kept
                self.finished = step.finished
        if not rows:
            raise UserError("the method made no batch of these data in an epoch")
        return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def _rather(self) -> str:
        """Return what to do where numbers are no longer finite: scale attributes that are huge, else train slower."""
        x = getattr(self.model.inputs, "x", None)
        stored = entries(x) if isinstance(x, Tensor) else torch.empty(0)
        largest = float(stored.abs().max()) if stored.numel() else 0.0
        if largest > HUGE:
            return f"the attributes (x) go up to {largest:.3g}: scale them, as load_graph does"
        return "lower the learning rate or raise tau"

    def _keep(self) -> None:
        """Look at the embedding, keep it and its weights, each where this is a moment to do so."""
        epoch = len(self.rows)
        due = epoch not in self.snapshots and (epoch in self.moments or (self.finished and bool(self.moments)))
        if due or self.watch.due(epoch):
            matrix = joined(embed(self.model))
            self.watch.look(epoch, matrix, every=due)
            self.watch.choose(epoch, self.model.state_dict())
            if due:
                # Unit rows fit half precision whatever a method's scale, and maps and neighbours go by cosine.
                self.snapshots[epoch] = torch.nn.functional.normalize(matrix).half()

    def history(self) -> pd.DataFrame:
        """Return one row per epoch."""
        columns = list(self.rows[0]) if self.rows else ["epoch", "loss", "seconds"]
        return pd.DataFrame(self.rows, columns=columns).set_index("epoch")

    def save(self) -> bool:
        """Write the checkpoint, whole or not at all, and return whether there is one to go on from."""
        if not self.rows or self.torn:
            return self.checkpoint.exists()
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "randomness": self.randomness.state(),
            "rows": self.rows,
            "seconds": self.seconds,
            "snapshots": self.snapshots,
            "watch": self.watch.state(),
        }
        try:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            with atomic.whole(self.checkpoint) as draft:
                torch.save(state, draft)
                tag = self._tag(atomic.checksum(draft))
                with draft.open("ab") as end:
                    end.write(tag)
        except (OSError, RuntimeError) as error:  # torch has its own word for a full disk
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            warn(f"no checkpoint could be written ({reason}); training goes on without")
            return False
        return True

    def _tag(self, checksum: str) -> bytes:
        # The name has the key of the request.
        return hashlib.sha256(f"{checksum} {self.checkpoint.name}".encode()).digest()

    def _restore(self) -> None:
        try:
            with self.checkpoint.open("rb") as content:
                content.seek(-TAG, 2)
                tag = content.read()
            if tag != self._tag(atomic.checksum(self.checkpoint, TAG)):
                raise ValueError
            state = torch.load(self.checkpoint, weights_only=True)
        except (OSError, ValueError):
            aside = stored.set_aside(self.checkpoint)
            warn(
                f"the checkpoint {self.checkpoint} is damaged or another training's; it was set aside as {aside.name}, "
                "and training begins at its first epoch"
            )
            return
        if missing(self.moments, state["snapshots"], len(state["rows"])):
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.randomness.restore(state["randomness"])
        self.rows, self.seconds, self.snapshots = state["rows"], state["seconds"], state["snapshots"]
        self.watch.restore(state["watch"])


Embedding = Tensor | dict[str, Tensor]


def embed(model: Method) -> Embedding:
    """Embed the inputs without gradients, in evaluation mode, and leave the mode as it was."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        embedded = model.embed(model.inputs)
    model.train(mode)
    if isinstance(embedded, dict):
        return {name: rows.float().cpu() for name, rows in embedded.items()}
    return embedded.float().cpu()


def look(model: Method) -> tuple[Embedding, dict[str, Tensor]]:
    """Embed the inputs as `embed` does, and collect the details."""
    embeddings, mode = embed(model), model.training
    model.eval()
    with torch.no_grad():
        details = {name: tensor.detach().cpu() for name, tensor in model.details().items()}
    model.train(mode)
    return embeddings, details


def joined(embeddings: Embedding) -> Tensor:
    """Return the embedding of all items as one matrix [items, dim]."""
    return torch.cat(list(embeddings.values())) if isinstance(embeddings, dict) else embeddings


def weights_of(model: Method) -> dict[str, Tensor]:
    """Return the weights that are kept of a method by name, on the CPU."""
    return {name: value.detach().cpu() for name, value in model.kept().items()}
