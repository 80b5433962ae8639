"""What a worker of a study does, wherever it runs: train one task and score it."""

import hashlib
import math
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from workbench.datasets import load_graph
from workbench.errors import UserError
from workbench.methods import configure
from workbench.studies.study import Study
from workbench.studies.tasks import Task, baseline, measured
from workbench.training.fit import fit
from workbench.training.loop import Progress

STORED, TRAINED, UNFINISHED, FAILED, BUSY = "stored", "trained", "unfinished", "failed", "busy"
Named = Mapping[str, Any]
loaded = cache(load_graph)
_TURN = threading.Lock()  # trainings in threads of one process would draw from the same global generator


@dataclass
class Outcome:
    """What became of a task.

    Attributes:
        state: "stored", "trained", "unfinished", "failed" or "busy". reason: why it is none of the first two.
        epochs, asked: that were trained, and that were asked for. rows: of the long table.
        folder: of the stored run, on the machine called `host`.
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
    host: str = field(default_factory=socket.gethostname)


def work(
    task: Task, study: Study, store: Path, until: float, threads: int | None, in_memory: Named, wait: bool = False
) -> Outcome:
    """Train and score one task in a worker; another one in the same process waits.

    Args:
        until: time at which to end, seconds since 1970. threads: of this process; None leaves them.
        wait: for another process that trains the same; else the outcome is "busy".
    """
    with _TURN:
        return _work(task, study, store, until, threads, in_memory, wait)


def _work(
    task: Task, study: Study, store: Path, until: float, threads: int | None, in_memory: Named, wait: bool
) -> Outcome:
    if threads:
        torch.set_num_threads(threads)
    condition, epochs_trained = task.condition, []
    overrides = dict(condition.overrides)

    def go_on(progress: Progress) -> bool:
        epochs_trained.append(progress.epoch)
        return time.time() < until

    try:
        data = in_memory[task.data] if task.data in in_memory else loaded(task.data)
        if task.kind == "baseline":
            return Outcome(task, STORED, rows=baseline(task, study, data, store))
        asked = configure(condition.method, condition.preset, str(data.name), overrides)[1].epochs
        lock = lock_of(task, store)
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


def lock_of(task: Task, store: Path) -> FileLock:
    """Return what only one process holds at a time: the right to train a task."""
    training = (task.condition.method, task.condition.preset, task.condition.overrides, task.data, task.seed)
    return FileLock(store / f".{hashlib.sha256(repr(training).encode()).hexdigest()[:16]}.lock")
