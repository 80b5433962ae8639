"""`fit`: train a method on data, or load the same request from the store."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from workbench import atomic, endings
from workbench.datasets.attributes import rescale
from workbench.datasets.columns import vocabularies
from workbench.datasets.door import admitted
from workbench.datasets.kinds import Kind, kind_of, known_targets
from workbench.errors import Collapse, UserError, warn
from workbench.methods import METHODS, Method
from workbench.methods.presets import changes, configure
from workbench.randomness import Randomness
from workbench.training import bases, members, stored, watch
from workbench.training import store as runs
from workbench.training.code_version import versions
from workbench.training.loop import Progress, Trainer, missing, moments_of, weights_of
from workbench.training.machine import describe, device_of, peak_memory
from workbench.training.memory import refuse_if_too_large, refuse_kind, refuse_whole
from workbench.training.run import LEAST, MOMENTS, Run


def fit(
    method: str,
    data: Any,
    preset: str | None = None,
    seed: int = 0,
    *,
    device: str | None = None,
    callback: Callable[[Progress], object] | None = None,
    snapshots: int = 0,
    stop: str | None = None,
    store: str | Path | None = None,
    fresh: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> Run:
    """Train a method on data, or load the same request from the store.

    The effective rank of the embedding is measured now and then (see `workbench.training.watch`); where it has
    collapsed, a `Collapse` warns and says what to do.

    Labels, masks and held-out edges are taken away before the method sees the data. One that is supervised as it is
    configured (`Method.supervised`) is given the labels of train_mask, or all where there is no such mask; scores of
    its runs say so.

    Args:
        method: name of the method, e.g. "grace".
        data: one graph, a set of graphs, ...: what `load_graph` returns, of a kind that the method learns on. Only its
            inputs are looked at, see `workbench.datasets.kinds`.
        preset: None for the authors' preset of this graph where there is one, else a tuned one, else the method's
            defaults; "released", "as-described", "tuned", "quick", "defaults", or the name of another graph.
        seed: master seed, 0 or above.
        device: "cpu", "cuda", "cuda:1", ...; None for a GPU where there is one.
        callback: called after each epoch; returning False ends training there and keeps what was learned.
        snapshots: how many embeddings to keep on the way, evenly spaced from the untrained one to the last; 0 or at
            least 2. They change no bit of the result; a run or checkpoint that lacks one is trained again from the
            start.
        stop: a number that needs no labels, to keep the best moment of training by it instead of the last one, out of
            ten evenly spaced without the untrained one; training ends where three of them running were no better.
            "effective-rank" (largest), "alpha-req" (nearest to 1), "uniformity" (least) or "alignment-uniformity"
            (least sum), see `workbench.evaluation.quality`. None trains to the end, which none of them
            reliably beats: where it was measured (`workbench study report quality`) they cost up to five points.
        store: folder of runs; None for WORKBENCH_RUNS or ./runs.
        fresh: train again even if the store has this run or its checkpoint.
        progress: show a progress bar.
        **overrides: parameters of the method that differ from the preset, e.g. epochs=50; an unknown one is an error.

    Returns:
        The run. An interruption (Ctrl-C, which waits for the end of the epoch, or the callback's False) returns what
        was learned so far with `complete=False`, not stored as a result; its checkpoint lets the same call go on to the
        same bits as an uninterrupted run. Where a store has no room for the finished run, a warning says so, and the
        run has no `path`: `runs.save(run, FOLDER)` keeps it elsewhere. A stored run that is damaged is set aside, with
        a warning, and trained again.

    Raises:
        UserError: an unknown name, a parameter that doesn't fit, a graph the method can't use, a store that can't be
            written, or, on the CPU, a graph that would take more memory than there is.
    """
    _check(method, kind_of(data), seed, snapshots)
    kind, data = admitted(data)
    watch.check(stop, data)
    name = str(getattr(data, "name", None) or "graph")
    preset, config = configure(method, preset, name, overrides)
    base, joined = None, list[Any]()
    if hasattr(config, "plan"):
        config, joined = members.adopted(config, data, store)
    if named := getattr(config, "base", ""):
        base = bases.again(named, store) if "@" in named else bases.read(runs.find(named, store))
        config = bases.adopted(config, base, kind.name, kind.shape(kind.inputs(data)))
    refuse_whole(method, config, data)
    target = device_of(device)
    graph_hash = kind.content_hash(data)
    chosen = METHODS.get(method)
    targets = chosen.told(config, kind.targets(data, chosen.labels(config))) if chosen.supervised(config) else None
    seen = None if targets is None else hashlib.sha256(targets.numpy(force=True).tobytes()).hexdigest()
    path = runs.folder(store, method, name, runs.key(method, config, seed, graph_hash, str(target), stop, seen))
    moments = moments_of(config.epochs, snapshots)
    known = None if fresh else _known(path)
    if known is not None and not missing(moments, known.snapshots, known.epochs):
        return _told(known)
    if target.type == "cpu":
        refuse_if_too_large(method, config, kind, data)
    open_store(path.parent)
    with _turn(path):
        known = None if fresh else _known(path)  # another process may have been first
        if known is not None and not missing(moments, known.snapshots, known.epochs):
            return _told(known)
        inputs = kind.inputs(data).to(target)
        if targets is not None:
            inputs.targets = targets.to(target)
        if base is not None:
            inputs.base = {name: weights.to(target) for name, weights in base.weights.items()}
        if joined:
            inputs.members = joined
        randomness = Randomness(seed)
        with peak_memory(target) as peak:
            scaling = rescale(inputs, getattr(config, "attributes", "loaded"))
            scales = {} if scaling is None else {MOMENTS: scaling.cpu()}
            if kind.name == "nodes" and data.get("rows") is not None:
                scales[LEAST] = torch.tensor(data.rows.least, dtype=torch.float64)
            with randomness.globally("init"):
                model = chosen(config, inputs, randomness).to(target)
            _check_normalised(model, method, kind.sizes(inputs))
            checkpoint = path.with_name(f".{path.name}.checkpoint")
            trainer = Trainer(model, config, randomness, checkpoint, fresh, moments, stop)
            with endings.deferred() as ending:
                complete = trainer.run(callback, f"{method} on {name}" if progress else None, ending)
                ending.at_once = False  # what was learned is kept first
                kept = not complete and trainer.save()
                embeddings, details = trainer.result()
                details |= {} if targets is None else {"labelled": known_targets(targets)}
                projections = trainer.kept.get("projections", ())
                run = Run(
                    method=method,
                    graph=name,
                    graph_hash=graph_hash,
                    config=config,
                    asked=changes(method, preset, config),
                    seed=seed,
                    embeddings=embeddings,
                    history=trainer.history(),
                    contrast=trainer.kept.get("contrast"),
                    seconds=trainer.seconds,
                    peak_mib=peak(),
                    device=describe(target),
                    versions=versions(),
                    complete=complete,
                    details=details,
                    projections=tuple(matrix.detach().float().cpu() for matrix in projections),
                    snapshots=trainer.snapshots,
                    stop=stop,
                    labels=seen,
                    watched=trainer.watch.table(),
                    kind=kind.name,
                    shape=kind.shape(inputs),
                    names=kind.names_of(data),
                    ids=kind.names_of(data, "node_ids"),
                    columns=kind.names_of(data, "feature_names"),
                    texts=vocabularies(data),
                    weights=weights_of(model) | scales,
                    checkpoint=checkpoint if kept else None,
                )
                if complete:
                    if known is not None:  # what it lacked; the rest has the same bits
                        run = dataclasses.replace(known, snapshots=run.snapshots, watched=run.watched)
                    run = _stored(run, checkpoint, path.parent, replace=fresh or known is not None)
        return _told(run)


def _known(path: Path) -> Run | None:
    """Return the run that is stored in a folder; a damaged one is set aside."""
    if not os.path.lexists(path):
        stored.tidy(path.parent)  # a whole draft of a process that was killed may stand now
    if not path.exists():
        return None
    try:
        return runs.load(path)
    except UserError as error:
        if error.fields.get("kind") != "damaged":
            raise
        try:
            aside = stored.set_aside(path)
        except OSError as refused:
            raise UserError(f"{str(error).partition(';')[0]}, and can't be set aside: {refused.strerror}") from None
        told = f"{str(error).partition(';')[0]}; it was set aside as {aside.name}, and the training begins anew"
        warn(told)
        return None


def open_store(store: Path) -> None:
    """Refuse a store that can't be written, before anything is trained for it, and remove what killed processes left.

    Raises:
        UserError: it can't be written.
    """
    try:
        atomic.check_writable(store)
    except OSError as error:
        raise UserError(
            f"no run can be stored in {store}: {error.strerror or error}; store=FOLDER or WORKBENCH_RUNS names another",
            kind="store",
        ) from None
    stored.tidy(store)
    for file in store.glob(".*.lock"):
        lock = FileLock(file)
        try:
            with lock.acquire(timeout=0):
                file.unlink(missing_ok=True)  # while it is held: one that waits takes note and makes another
        except (Timeout, OSError):
            continue


def _stored(run: Run, checkpoint: Path, store: Path, replace: bool) -> Run:
    """Store a finished run, which then needs no checkpoint; where that fails, say how it can be kept."""
    try:
        run = runs.save(run, store, replace)
    except OSError as error:
        reason = f"the run could not be stored in {store}: {error.strerror or error}"
        told = "it is in memory alone, and workbench.runs.save(run, FOLDER) keeps it in another store"
        warn(f"{reason}; {told}")
        return dataclasses.replace(run, path=None)
    checkpoint.unlink(missing_ok=True)
    return run


def _told(run: Run) -> Run:
    """Warn where training made the embedding of a run collapse, and return the run."""
    if run.collapse:
        warn(f"{run.method} on {run.graph}: {run.collapse}", Collapse)
    return run


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Let one process at a time make a run where nobody is there to pause it; the others then load it."""
    if os.environ.get("WORKBENCH_HEADLESS") != "1":
        yield
        return
    with FileLock(file := path.with_name(f".{path.name}.lock")):
        try:
            yield
        finally:
            file.unlink(missing_ok=True)  # while it is held


def untrained(run: Run, data: Any) -> Run:
    """Return the same encoder before any training: the baseline that training must beat."""
    parameters = run.config.flat() | {"epochs": 0}
    store = run.path and run.path.parent
    return fit(run.method, data, run.asked.name, run.seed, store=store, progress=False, **parameters)


def _check(method: str, kind: Kind, seed: int, snapshots: int) -> None:
    """Refuse a faulty request before anything is computed."""
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"seed is {seed!r}; it must be a whole number, 0 or above", parameter="seed")
    if not isinstance(snapshots, int) or isinstance(snapshots, bool) or snapshots < 0 or snapshots == 1:
        raise UserError(f"snapshots is {snapshots!r}; it must be 0, or 2 or more for the first embedding and the last")
    refuse_kind(method, kind)


def _check_normalised(model: Method, method: str, sizes: Mapping[str, int]) -> None:
    """Refuse to standardise columns over a single row, which torch can't."""
    if sum(sizes.values()) < 2 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
        items = " and ".join(sizes)
        raise UserError(
            f"method {method!r} standardises columns over {items} (batch normalisation) and needs at least 2 of them; "
            "there is 1, which a method without it, such as 'grace', takes"
        )
