"""Studies are run: many trainings and their scores, here, on cores or on a cluster, whatever happens to a worker."""

import hashlib
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from filelock import FileLock, Timeout
from loky import ProcessPoolExecutor
from tqdm.auto import tqdm

from workbench import DISTRIBUTION
from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.methods import configure
from workbench.studies import results
from workbench.studies.study import Study, load
from workbench.studies.tasks import Task, baseline, measured, named, plan, through_lens
from workbench.training import store as runs
from workbench.training.fit import fit
from workbench.training.loop import Progress

ATTEMPTS = 3  # of a training whose worker is killed each time
STORED, TRAINED, UNFINISHED, FAILED, BUSY = "stored", "trained", "unfinished", "failed", "busy"
Named = Mapping[str, Any]
_loaded = cache(load_graph)


@dataclass
class Outcome:
    """What became of a task.

    Attributes:
        state: "stored", "trained", "unfinished", "failed" or "busy". reason: why it is none of the first two.
        epochs, asked: that were trained, and that were asked for. rows: of the long table.
    """

    task: Task
    state: str
    reason: str = ""
    epochs: int | None = None
    asked: int | None = None
    seconds: float | None = None
    peak_mib: float | None = None
    device: str = ""
    folder: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)


def run(
    study: str | Study,
    data: Any = None,
    *,
    workers: int | None = 0,
    on: str | None = None,
    deadline: float | None = None,
    store: str | Path | None = None,
    progress: bool = True,
    **changes: Any,
) -> pd.DataFrame:
    """Run a study.

    Each training is a stored run, so the same call goes on where an earlier one was interrupted.

    Args:
        study: a name of `names()`, a TOML file, or a value.
        data: a graph, or several, each a name, a file or an object with a name; None for the study's own.
        workers, on, deadline, store, progress: as for `execute`; by default one training follows the other in this
            process.
        **changes: what is other than in the study: its fields (seeds=2, splits=5, protocol="public"), conditions=[...],
            preset, options of its family (ks=[4, 16]), and parameters of the methods (epochs=50).

    Returns:
        The long table, see `results.table`. Trainings that a deadline ended have a row "finished" of value 0.

    Raises:
        UserError: a mistake in what was asked, or a training that failed, or was interrupted.
    """
    study = load(study, **changes) if isinstance(study, str) else study.changed(**changes)
    where: Named = {"store": store, "workers": workers, "on": on, "deadline": deadline, "progress": progress}
    return conduct(study, data, strict=True, **where)[1]


def conduct(
    study: Study, data: Any, strict: bool, left_out: list[str] | None = None, **where: Any
) -> tuple[list["Outcome"], pd.DataFrame]:
    """Return what became of each training of a study, and the long table.

    Args:
        study, data: as for `run`. left_out: as for `plan`. **where: as for `execute`.
        strict: raise what failed, or what was interrupted without a deadline.
    """
    names, in_memory = named(study, data)
    outcomes = execute(study, plan(study, names, in_memory, left_out), in_memory, **where)
    rows, trained = list[dict[str, Any]](), dict[tuple[str, str], list[str]]()
    for outcome in outcomes:
        if strict and outcome.state == FAILED:
            raise UserError(f"{outcome.task}: {outcome.reason}", kind="training")
        if strict and outcome.state == UNFINISHED and where.get("deadline") is None:
            raise UserError(f"interrupted in {outcome.task}; the same call goes on from there", kind="interrupted")
        rows += outcome.rows
        if study.lens and outcome.state in (STORED, TRAINED):
            trained.setdefault((outcome.task.condition.name, outcome.task.data), []).append(outcome.folder)
    for (condition, name), folders in trained.items():
        scored = in_memory[name] if name in in_memory else _loaded(name)
        rows += through_lens(study, map(runs.load, folders), scored, condition)
    return outcomes, results.table(rows)


def execute(
    study: Study,
    tasks: Iterable[Task],
    in_memory: Named | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    on: str | None = None,
    deadline: float | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Train the tasks of a study, or load what is stored of them, and score each.

    The same call goes on where an earlier one was interrupted: it loses at most what was trained since the last
    checkpoint, which is written each minute. Several calls may share a store at once.

    Args:
        study: how to score. tasks: what to train, see `plan`. in_memory: data that have no file, by name.
        store: folder of runs; on a cluster one that all its workers see.
        workers: processes here; None for one a physical core, 0 for this process, which ends at the first failure. Each
            has an equal share of the cores as its threads, whose number decides a run's bits.
        on: address of a Dask scheduler, on whose workers to train; None for this machine.
        deadline: seconds after which no training begins and those under way end after their epoch, with a checkpoint.
        progress: show a bar with the time left.

    Returns:
        What became of each task, in their order. What fails doesn't take the others with it.
    """
    cores = psutil.cpu_count(logical=False) or 1
    workers = cores if workers is None else workers
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise UserError(f"workers must be a whole number from 1, or 0 for this process, not {workers!r}")
    folder = runs.root(store).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    until = time.time() + (math.inf if deadline is None else deadline)
    threads = None if on or not workers else max(1, cores // workers)
    shared = {"study": study, "store": folder, "until": until, "threads": threads, "in_memory": in_memory or {}}
    tasks = list(dict.fromkeys(tasks))
    outcomes: dict[Task, Outcome] = {}
    with tqdm(total=len(tasks), desc=study.name, unit="run", disable=not progress) as bar:
        here = _here(tasks, workers, shared) if workers else _alone(tasks, shared)
        for outcome in _on_cluster(tasks, on, shared) if on else here:
            outcomes[outcome.task] = outcome
            bar.set_postfix_str(f"{outcome.task}: {outcome.state}")
            bar.update()
    return [outcomes[task] for task in tasks if task in outcomes]


def table(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """Return one row a training: condition, method, data, preset, seed, and the fields of `Outcome`."""
    rows = []
    for outcome in outcomes:
        task, condition = outcome.task, outcome.task.condition
        if task.kind == "trained" or outcome.state == FAILED:
            names = {"condition": condition.name, "method": condition.method, "data": task.data}
            facts = {name: value for name, value in vars(outcome).items() if name not in ("task", "rows")}
            rows.append({**names, "preset": condition.preset, "seed": task.seed, **facts})
    return pd.DataFrame(rows).astype({"seed": "Int64", "epochs": "Int64", "asked": "Int64"}) if rows else pd.DataFrame()


def work(
    task: Task, study: Study, store: Path, until: float, threads: int | None, in_memory: Named, wait: bool = False
) -> Outcome:
    """Train and score one task in a worker.

    Args:
        until: time at which to end, seconds since 1970. threads: of this process; None leaves them.
        wait: for another process that trains the same; else the outcome is "busy".
    """
    if threads:
        torch.set_num_threads(threads)
    condition, epochs_trained = task.condition, []
    overrides = dict(condition.overrides)

    def go_on(progress: Progress) -> bool:
        epochs_trained.append(progress.epoch)
        return time.time() < until

    try:
        data = in_memory[task.data] if task.data in in_memory else _loaded(task.data)
        if task.kind == "baseline":
            return Outcome(task, STORED, rows=baseline(task, study, data))
        asked = configure(condition.method, condition.preset, str(data.name), overrides)[1].epochs
        lock = _lock(task, store)
        with lock.acquire(timeout=max(0.0, until - time.time()) if wait else 0):
            try:
                if time.time() >= until:
                    return Outcome(task, UNFINISHED, "not begun before the deadline", asked=asked)
                options: Named = {"store": store, "progress": False, "snapshots": study.snapshots, **overrides}
                run = fit(condition.method, data, condition.preset, int(task.seed or 0), callback=go_on, **options)
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)  # while it is held; only a killed process leaves one
        state = UNFINISHED if not run.complete else TRAINED if epochs_trained else STORED
        reason = "" if run.complete else "interrupted" if until == math.inf else "the deadline came"
        rows, folder = measured(task, study, run, data, asked), str(run.path or "")
        return Outcome(task, state, reason, run.epochs, asked, run.seconds, run.peak_mib, run.device, folder, rows)
    except Timeout:
        return Outcome(task, UNFINISHED if wait else BUSY, "another process still trains it" if wait else "")
    except UserError as error:
        return Outcome(task, FAILED, str(error))
    except Exception as error:  # a task that fails is not to take the others with it
        return Outcome(task, FAILED, f"{type(error).__name__}: {next(iter(str(error).splitlines()), 'no message')}")


def _lock(task: Task, store: Path) -> FileLock:
    training = (task.condition.method, task.condition.preset, task.condition.overrides, task.data, task.seed)
    return FileLock(store / f".{hashlib.sha256(repr(training).encode()).hexdigest()[:16]}.lock")


def _alone(tasks: list[Task], shared: Named) -> Iterator[Outcome]:
    """Work in this process, up to the first failure or interruption."""
    for task in tasks:
        outcome = work(task, **shared, wait=True)
        yield outcome
        if outcome.state == FAILED or (outcome.state == UNFINISHED and shared["until"] == math.inf):
            return


def _here(tasks: list[Task], workers: int, shared: Named) -> Iterator[Outcome]:
    """Work in a process for each thread of this one, so that a killed worker takes no other with it."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(shared["threads"]))
    mine, pools, ended = threading.local(), list[ProcessPoolExecutor](), threading.Event()

    def start() -> None:
        mine.pool = ProcessPoolExecutor(max_workers=1, env=limits)
        pools.append(mine.pool)

    def attempt(task: Task, waits: bool) -> Outcome:
        for _ in range(ATTEMPTS):
            try:
                return mine.pool.submit(work, task, **shared, wait=waits).result()
            except BrokenProcessPool:
                if ended.is_set():
                    break
                start()
        return Outcome(task, FAILED, f"its worker was killed {ATTEMPTS} times, perhaps for want of memory")

    threads = ThreadPoolExecutor(min(workers, len(tasks)) or 1, initializer=start)
    try:
        for waits in (False, True):  # what another process trains is left to the end
            futures = [threads.submit(attempt, task, waits) for task in tasks]
            tasks = []
            for future in as_completed(futures):
                outcome = future.result()
                if outcome.state == BUSY:
                    tasks.append(outcome.task)
                else:
                    yield outcome
    finally:
        ended.set()
        threads.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(kill_workers=True)


def _on_cluster(tasks: list[Task], address: str, shared: Named) -> Iterator[Outcome]:
    """Work on the workers of a Dask scheduler, which starts what a killed one leaves on another."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        missing = f"which is not installed: pip install '{DISTRIBUTION}[cluster]'"
        raise UserError(f"a study on a cluster needs Dask, {missing}") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address!r} ({str(error).splitlines()[0]})") from None
    with client:
        options: Named = {"pure": False, "retries": ATTEMPTS, "wait": True, **shared}
        futures = {client.submit(work, task, **options): task for task in tasks}
        for future in as_completed(list(futures), loop=client.loop):
            try:
                yield future.result()
            except Exception as error:
                kind = type(error).__name__
                yield Outcome(futures[future], FAILED, f"{kind}: {next(iter(str(error).splitlines()), kind)}")
