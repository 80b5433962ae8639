"""`fit`: train a method on a graph, or load the same request from the store."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

from workbench.datasets import content_hash
from workbench.errors import UserError
from workbench.methods import METHODS, Config, configure
from workbench.randomness import Randomness
from workbench.training import store as runs
from workbench.training.loop import Progress, Trainer, deferred_interrupt, look, missing, moments_of
from workbench.training.machine import describe, device_of, peak_memory
from workbench.training.run import Run


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
    target = device_of(device)
    graph_hash = content_hash(graph)
    path = runs.folder(store, method, name, runs.key(method, config, seed, graph_hash, str(target)))
    moments = moments_of(config.epochs, snapshots)
    known = runs.load(path) if not fresh and (path / "run.json").exists() else None
    if known is not None and not missing(moments, known.snapshots, known.epochs):
        return known
    if target.type == "cpu":
        from workbench.training.forecasting import refuse_if_too_large  # which trains pieces with what stands here

        refuse_if_too_large(method, graph, preset, config, overrides)
    unlabelled = Data(x=graph.x, edge_index=graph.edge_index, num_nodes=graph.num_nodes).to(target)
    randomness = Randomness(seed)
    with peak_memory(target) as peak:
        with torch.random.fork_rng():
            torch.manual_seed(randomness.integer("init"))
            model = METHODS.get(method)(config, unlabelled, randomness).to(target)
        trainer = Trainer(model, config, randomness, path.with_name(f".{path.name}.checkpoint"), fresh, moments)
        with deferred_interrupt() as asked_to_stop:
            complete = trainer.run(callback, f"{method} on {name}" if progress else None, asked_to_stop)
        embeddings, details = look(model)
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
        device=describe(target),
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


def _check_graph(graph: Data, seed: int) -> None:
    if not isinstance(graph, Data):
        raise UserError(f"fit needs a torch_geometric Data, not {type(graph).__name__}; load_graph makes one")
    if graph.x is None or graph.edge_index is None:
        missing = "attributes (x)" if graph.x is None else "edges (edge_index)"
        raise UserError(f"the graph has no {missing}; load it with load_graph, which adds or asks for what is missing")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"seed is {seed!r}; it must be a whole number, 0 or above")
