"""`fit`: the one training loop of all methods."""

import contextlib
import ctypes
import dataclasses
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil
import torch
from torch import Tensor
from torch_geometric.data import Data
from tqdm.auto import tqdm

from workbench import runs
from workbench.contrast import Contrast
from workbench.errors import UserError, nearest
from workbench.graphs import content_hash
from workbench.methods import METHODS, Config, Method, configure
from workbench.randomness import Randomness
from workbench.runs import Run

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


def fit(
    method: str,
    graph: Data,
    preset: str | None = None,
    seed: int = 0,
    *,
    device: str | None = None,
    callback: Callable[[Progress], object] | None = None,
    snapshots: int = 0,
    store: str | Path | None = None,
    fresh: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> Run:
    """Train a method on a graph, or load the same request from the store.

    Labels and masks of the graph are taken away before the method sees it.

    Args:
        method: name of the method, e.g. "grace".
        graph: attributes x [nodes, features] and edge_index [2, edges]; the rest is not looked at.
        preset: None for the authors' preset of this graph where there is one, else the method's defaults; "released",
            "as-described", "quick", "defaults", or the name of another graph.
        seed: master seed, 0 or above.
        device: "cpu", "cuda", "cuda:1", ...; None for a GPU where there is one.
        callback: called after each epoch; returning False ends training there and keeps what was learned.
        snapshots: how many embeddings to keep on the way, evenly spaced from the untrained one to the last; 0 or at
            least 2. They change no bit of the result; a run or checkpoint that lacks one is trained again from the
            start.
        store: folder of runs; None for WORKBENCH_RUNS or ./runs.
        fresh: train again even if the store has this run or its checkpoint.
        progress: show a progress bar.
        **overrides: parameters of the method that differ from the preset, e.g. epochs=50; an unknown one is an error.

    Returns:
        The run. An interruption (Ctrl-C, which waits for the end of the epoch, or the callback's False) returns what
        was learned so far with `complete=False`, not stored as a result; its checkpoint lets the same call go on to
        the same bits as an uninterrupted run.

    Raises:
        UserError: an unknown name, a parameter that doesn't fit, a graph the method can't use, or, on the CPU, one
            that would take more memory than there is.
    """
    _check_graph(graph, seed)
    if not isinstance(snapshots, int) or isinstance(snapshots, bool) or snapshots < 0 or snapshots == 1:
        raise UserError(f"snapshots is {snapshots!r}; it must be 0, or 2 or more for the first embedding and the last")
    name = str(getattr(graph, "name", None) or "graph")
    preset, config = configure(method, preset, name, overrides)
    target = _device(device)
    graph_hash = content_hash(graph)
    path = runs.folder(store, method, name, runs.key(method, config, seed, graph_hash, str(target)))
    moments = _moments(config.epochs, snapshots)
    known = runs.load(path) if not fresh and (path / "run.json").exists() else None
    if known is not None and not _missing(moments, known.snapshots, known.epochs):
        return known
    if target.type == "cpu":
        from workbench.forecasting import refuse_if_too_large  # which trains pieces with what stands here

        refuse_if_too_large(method, graph, preset, config, overrides)
    unlabelled = Data(x=graph.x, edge_index=graph.edge_index, num_nodes=graph.num_nodes).to(target)
    randomness = Randomness(seed)
    with _peak_memory(target) as peak:
        with torch.random.fork_rng():
            torch.manual_seed(randomness.integer("init"))
            model = METHODS.get(method)(config, unlabelled, randomness).to(target)
        trainer = _Trainer(model, config, randomness, path.with_name(f".{path.name}.checkpoint"), fresh, moments)
        with _deferred_interrupt() as asked_to_stop:
            complete = trainer.run(callback, f"{method} on {name}" if progress else None, asked_to_stop)
        embeddings, details = _look(model)
    if known is not None and complete:
        trainer.checkpoint.unlink(missing_ok=True)
        return runs.add_snapshots(path, trainer.snapshots)
    run = Run(
        method=method,
        graph=name,
        graph_hash=graph_hash,
        config=config,
        preset=_told(preset, config, configure(method, preset, name, {})[1]),
        seed=seed,
        embeddings=embeddings,
        history=trainer.history(),
        contrast=trainer.contrast,
        seconds=trainer.seconds,
        peak_mib=peak(),
        device=_describe(target),
        versions=runs.versions(),
        complete=complete,
        details=details,
        projections=tuple(one.float().cpu() for one in trainer.projections),
        snapshots=trainer.snapshots,
    )
    if not complete:
        trainer.save()
        return run
    run = runs.save(run, path, replace=fresh)
    trainer.checkpoint.unlink(missing_ok=True)
    return run


def untrained(run: Run, graph: Data) -> Run:
    """Return the same encoder before any training: the floor that training must beat."""
    parameters = dataclasses.asdict(run.config) | {"epochs": 0}
    preset, store = run.preset.split(" + ")[0], run.path and run.path.parent
    return fit(run.method, graph, preset, run.seed, store=store, progress=False, **parameters)


def _told(preset: str, config: Config, base: Config) -> str:
    """Name a preset with the parameters that differ from it."""
    given, usual = (dataclasses.asdict(one) for one in (config, base))
    given |= dict(given.pop("options", ()))  # of the strategy that chooses negatives
    changed = [f"{name}={value}" for name, value in given.items() if name not in usual or value != usual[name]]
    return " + ".join([preset, ", ".join(changed)]) if changed else preset


def _moments(epochs: int, snapshots: int) -> set[int]:
    """Return the epochs after which an embedding is kept, 0 for the untrained one."""
    return {round(epochs * place / (snapshots - 1)) for place in range(snapshots)}


def _missing(moments: set[int], kept: Iterable[int], epochs: int) -> set[int]:
    """Return which of the moments up to an epoch have no embedding."""
    return {moment for moment in moments if moment <= epochs} - set(kept)


class _Trainer:
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
                    told = Progress(len(self.rows), self.epochs, terms, self.seconds, lambda: _look(self.model)[0])
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
            self.snapshots[epoch] = torch.nn.functional.normalize(_look(self.model)[0]).half()

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
        if _missing(self.moments, state["snapshots"], len(state["rows"])):
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.randomness.restore(state["randomness"])
        self.rows, self.seconds, self.snapshots = state["rows"], state["seconds"], state["snapshots"]


def _finite(value: float) -> bool:
    return value - value == 0


def _look(model: Method) -> tuple[Tensor, dict[str, Tensor]]:
    """Embed the graph and collect the details, without gradients, in evaluation mode, and leave the mode as it was."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        embeddings = model.embed().float().cpu()
        details = {name: tensor.detach().cpu() for name, tensor in model.details().items()}
    model.train(mode)
    return embeddings, details


def _check_graph(graph: Data, seed: int) -> None:
    if not isinstance(graph, Data):
        raise UserError(f"fit needs a torch_geometric Data, not {type(graph).__name__}; load_graph makes one")
    if graph.x is None or graph.edge_index is None:
        missing = "attributes (x)" if graph.x is None else "edges (edge_index)"
        raise UserError(f"the graph has no {missing}; load it with load_graph, which adds or asks for what is missing")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"seed is {seed!r}; it must be a whole number, 0 or above")


def _device(word: str | None) -> torch.device:
    if word is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        guess = nearest(word, ["cpu", "cuda", "cuda:0"]) or "cpu"
        raise UserError(f"unknown device {word!r}; did you mean {guess!r}?") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {word!r} was asked for, but torch finds no CUDA GPU here; use device='cpu'")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {word!r} is not supported; use 'cpu' or 'cuda'")
    return device


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
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


@contextlib.contextmanager
def _peak_memory(device: torch.device) -> Iterator[Callable[[], float]]:
    """Measure the peak of memory in use inside the block above that at its start, in MiB."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_allocated(device)
        yield lambda: (torch.cuda.max_memory_allocated(device) - start) / 2**20
        return
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)  # memory that was freed but not given back would hide what is used next
    process, done = psutil.Process(), threading.Event()
    start = highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.01):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: (highest - start) / 2**20
    finally:
        done.set()
        watcher.join()
