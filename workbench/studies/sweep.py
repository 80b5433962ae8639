"""Many runs: on this machine's cores or on a cluster, resumable, whatever happens to a worker."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from filelock import FileLock, Timeout
from loky import ProcessPoolExecutor
from torch_geometric.data import Data
from tqdm.auto import tqdm

from workbench import DISTRIBUTION
from workbench.datasets import load_graph
from workbench.datasets import names as graph_names
from workbench.errors import UserError, unknown
from workbench.methods import METHODS, configure
from workbench.training import store as runs
from workbench.training.fit import fit
from workbench.training.loop import Progress

ATTEMPTS = 3  # of a training whose worker is killed each time
STORED, TRAINED, UNFINISHED, FAILED, BUSY = "stored", "trained", "unfinished", "failed", "busy"
COLUMNS = ("method", "graph", "preset", "seed", "state", "epochs", "seconds", "peak MiB", "device", "folder")


@dataclass(frozen=True)
class Request:
    """A training that is asked for; a graph is a name or a file, `overrides` are pairs of parameter and value."""

    method: str
    graph: str
    preset: str
    seed: int
    overrides: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        """Name it, e.g. "grace on cora, released, seed 0"."""
        told = ", ".join(f"{name}={value}" for name, value in self.overrides)
        return f"{self.method} on {self.graph}, {self.preset}" + (f", {told}" if told else "") + f", seed {self.seed}"


def plan(
    methods: Sequence[str],
    graphs: Sequence[str],
    presets: Sequence[str] = ("released",),
    seeds: int | Sequence[int] = 3,
    left_out: list[str] | None = None,
    **overrides: Any,
) -> list[Request]:
    """Return every combination of methods, graphs, presets and seeds, each checked before anything is trained.

    Args:
        methods, graphs, presets: names.
        seeds: how many, from 0, or which.
        left_out: where given, what has no such preset is left out, and the sentence that says so is added to it.
        **overrides: parameters that differ from the presets in all of them.

    Raises:
        UserError: an unknown name, or a parameter that doesn't fit; without `left_out` also a preset that isn't there.
    """
    wanted = range(seeds) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    if isinstance(wanted, bool) or not len(wanted) or not all(isinstance(s, int) and s >= 0 for s in wanted):
        raise UserError(f"seeds are a number of them, at least 1, or a list of whole numbers from 0, not {seeds!r}")
    found: list[Request] = []
    for method, graph, preset in product(methods, graphs, presets):
        METHODS.get(method)
        name = graph if not Path(graph).suffix else Path(graph).stem
        if not Path(graph).suffix and not Path(graph).exists() and graph not in graph_names():
            raise unknown("graph", graph, graph_names())
        try:
            preset = configure(method, preset, name, dict(overrides))[0]  # one name, hence one lock, for one training
        except UserError as error:
            if left_out is None or "preset" not in str(error):
                raise
            left_out.append(str(error).split(";")[0])
            continue
        found += [Request(method, graph, preset, seed, tuple(sorted(overrides.items()))) for seed in wanted]
    return found


def run(
    requests: Sequence[Request],
    store: str | Path | None = None,
    workers: int | None = None,
    on: str | None = None,
    deadline: float | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train what is asked for, or load it where it is stored.

    The same call goes on where an earlier one was interrupted: it loses at most what was trained since the last
    checkpoint, which is written each minute. Several calls may share a store at once.

    Args:
        requests: what to train, see `plan`.
        store: folder of runs; on a cluster one that all its workers see.
        workers: processes on this machine; None for one a physical core. Each has an equal share of the cores as its
            threads, at least one; the number of threads decides a run's bits and stands in its "device".
        on: address of a Dask scheduler, on whose workers to train; None for this machine.
        deadline: seconds after which no training is begun and those under way end after their epoch, with a checkpoint.
        progress: show a bar with the time left.

    Returns:
        One row a request, in their order: method, graph, preset, seed, state ("stored", "trained", "unfinished: epoch 7
        of 200" or "failed: " and why), epochs, seconds, peak MiB, device, folder. What fails is a row like the others.

    Raises:
        UserError: no workers, or no such cluster.
    """
    cores = psutil.cpu_count(logical=False) or 1
    workers = cores if workers is None else workers
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise UserError(f"workers must be a whole number from 1, not {workers!r}")
    place = runs.root(store).resolve()
    place.mkdir(parents=True, exist_ok=True)
    until = None if deadline is None else time.time() + deadline
    asked = list(dict.fromkeys(requests))
    given = {"store": str(place), "until": until, "threads": None if on else max(1, cores // workers)}
    rows: dict[Request, dict[str, Any]] = {}
    bar = tqdm(total=len(asked), desc="sweep", unit="run", disable=not progress)
    try:
        for request, row in _on_cluster(asked, on, given) if on else _here(asked, workers, given):
            rows[request] = row
            bar.set_postfix_str(f"{request}: {row['state']}")
            bar.update()
    finally:
        bar.close()
    return pd.DataFrame([rows[request] for request in asked], columns=COLUMNS)


def work(request: Request, store: str, until: float | None, threads: int | None, wait: bool = False) -> dict[str, Any]:
    """Train one request in a worker and return its row.

    Args:
        request: what to train. store: folder of runs.
        until: time at which to end, seconds since 1970; None for never.
        threads: of this process; None leaves them.
        wait: for another process that trains the same; else the row says "busy".
    """
    if threads:
        torch.set_num_threads(threads)
    began = False

    def go_on(_: Progress) -> bool:
        nonlocal began
        began = True
        return until is None or time.time() < until

    def late() -> bool:
        return until is not None and time.time() >= until

    def epochs(done: int) -> str:
        config = configure(request.method, request.preset, str(_graph(request.graph).name), dict(request.overrides))[1]
        return f"epoch {done:,} of {config.epochs:,}"

    facts = {"method": request.method, "graph": request.graph, "preset": request.preset, "seed": request.seed}
    lock = FileLock(_lock(request, store))
    try:
        with lock.acquire(timeout=0 if not wait else -1 if until is None else max(0.0, until - time.time())):
            try:
                if late():
                    return {**facts, "state": f"{UNFINISHED}: not begun before the deadline"}
                found = fit(
                    request.method,
                    _graph(request.graph),
                    request.preset,
                    request.seed,
                    store=store,
                    callback=go_on,
                    progress=False,
                    **dict(request.overrides),
                )
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)  # while it is held; only a killed process leaves one
    except Timeout:
        return {**facts, "state": BUSY if not wait else f"{UNFINISHED}: another process still trains it"}
    except UserError as error:
        return {**facts, "state": f"{FAILED}: {error}"}
    except Exception as error:  # one that fails is not to take the others with it
        words = next(iter(str(error).splitlines()), "no message")
        return {**facts, "state": f"{FAILED}: {type(error).__name__}: {words}"}
    state = TRAINED if began else STORED
    if not found.complete:
        state = f"{UNFINISHED}: {epochs(found.epochs)}"
    return {**facts, "preset": found.preset, "state": state, "epochs": found.epochs, "seconds": found.seconds,
            "peak MiB": found.peak_mib, "device": found.device, "folder": str(found.path or "")}  # fmt: skip


@cache
def _graph(word: str) -> Data:
    return load_graph(word)


def _lock(request: Request, store: str) -> str:
    name = hashlib.sha256(repr(request).encode()).hexdigest()[:16]
    return os.path.join(store, f".{name}.lock")


Rows = Iterator[tuple[Request, dict[str, Any]]]


def _here(asked: list[Request], workers: int, given: Mapping[str, Any]) -> Rows:
    """Train on this machine's processes; what a killed worker leaves is tried again, alone."""
    left, busy = list(asked), list[Request]()
    while left:
        done: set[Request] = set()
        for request, row in _pooled(left, workers, given):
            done.add(request)
            if row["state"] == BUSY:
                busy.append(request)
            else:
                yield request, row
        left = [request for request in left if request not in done]
        # A killed worker takes the whole pool with it. Those under way have left a lock, and one of them is to blame.
        suspects = [one for one in left if os.path.exists(_lock(one, given["store"]))]
        for request in suspects:
            alone: dict[Request, dict[str, Any]] = {}
            for _ in range(ATTEMPTS - 1):
                alone = alone or dict(_pooled([request], 1, given))
            left.remove(request)
            if alone and alone[request]["state"] == BUSY:
                busy.append(request)
            elif alone:
                yield request, alone[request]
            else:
                yield request, _killed(request)
        if not done and not suspects:  # the workers do not even begin
            for request in left:
                yield request, _killed(request)
            left = []
    waited: set[Request] = set()
    for request, row in _pooled(busy, workers, {**given, "wait": True}):
        waited.add(request)
        yield request, row
    for request in busy:
        if request not in waited:
            yield request, {**_killed(request), "state": f"{FAILED}: its worker was killed while it waited for another"}


def _pooled(asked: list[Request], workers: int, given: Mapping[str, Any]) -> Rows:
    """Yield the rows of a pool of processes as they come, and end where one of them was killed."""
    if not asked:
        return
    threads = str(given["threads"])
    limits = {name: threads for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
    pool = ProcessPoolExecutor(max_workers=min(workers, len(asked)), env=limits)
    ended = False
    try:
        futures = {pool.submit(work, request, **given): request for request in asked}
        for future in as_completed(futures):
            try:
                row = future.result()
            except BrokenProcessPool:
                continue
            yield futures[future], row
        ended = True
    finally:
        pool.shutdown(wait=ended, kill_workers=not ended)


def _killed(request: Request) -> dict[str, Any]:
    facts = {"method": request.method, "graph": request.graph, "preset": request.preset, "seed": request.seed}
    return {**facts, "state": f"{FAILED}: its worker was killed {ATTEMPTS} times, perhaps for want of memory"}


def _on_cluster(asked: list[Request], address: str, given: Mapping[str, Any]) -> Rows:
    """Train on the workers of a Dask scheduler, which starts what a killed one leaves on another."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise UserError(
            f"a sweep on a cluster needs Dask, which is not installed: pip install '{DISTRIBUTION}[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address!r} ({str(error).splitlines()[0]})") from None
    try:
        submit: Callable[..., Any] = client.submit
        futures = {submit(work, one, pure=False, retries=ATTEMPTS, wait=True, **given): one for one in asked}
        for future in as_completed(list(futures), loop=client.loop):
            request = futures[future]
            try:
                yield request, future.result()
            except Exception as error:
                told = next(iter(str(error).splitlines()), type(error).__name__)
                row = {**_killed(request), "state": f"{FAILED}: {type(error).__name__}: {told}"}
                yield request, row
    finally:
        client.close()


__all__ = ["COLUMNS", "Request", "plan", "run", "work"]
